#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# All the tests, from nothing but a checkout:
#
#     tests/run.sh [BUILD_DIR]        default: build-test; the sanitizer build is BUILD_DIR-asan
#
# Installs what is missing (tests/packages), builds with warnings as errors and runs every
# suite, then builds with the address and undefined-behaviour sanitizers and runs the suites
# that need no guest time under them. The last line says `N passed, N failed, N skipped`, from
# meson's own logs; a build that fails counts as one failure. The exit status is 0 only where
# something passed and nothing failed.
set -u
cd "$(dirname "$0")/.." || exit 1
build=${1:-build-test}
sanitized_suites="unit cases"

tests/install-packages.sh build run guest test || exit 1
mkdir -p "$build"
results=$(mktemp -d) || exit 1
trap 'rm -rf "$results"' EXIT
trap 'exit 130' INT
trap 'exit 143' HUP TERM

# make NAME DIR MESON_OPTION...: a failure is recorded as the failed test "NAME build".
make() {
    name=$1 dir=$2
    shift 2
    if [ -f "$dir/build.ninja" ]; then
        meson configure "$dir" "$@" > "$results/build.log" 2>&1
    else
        meson setup "$dir" "$@" > "$results/build.log" 2>&1
    fi && ninja -C "$dir" >> "$results/build.log" 2>&1 && return 0
    echo "$name build" >> "$results/failed-builds"
    tail -n 60 "$results/build.log"
    return 1
}

# run NAME DIR MESON_TEST_OPTION...: leaves NAME's log for the summary.
run() {
    name=$1 dir=$2
    shift 2
    rm -f "$dir/meson-logs/$name.json"
    meson test -C "$dir" --no-rebuild --print-errorlogs --logbase "$name" "$@" < /dev/null
    # meson's exit status also counts what its log does not: a log cut short is a failure.
    status=$?
    if [ -f "$dir/meson-logs/$name.json" ]; then
        cp "$dir/meson-logs/$name.json" "$results/"
    fi
    [ $status -eq 0 ] || echo "$name" >> "$results/failed-runs"
}

echo "== build, warnings are errors"
if make plain "$build" --werror -Dtests=enabled; then
    echo "== all suites"
    run all "$build"
fi

echo "== build with sanitizers"
if make sanitizer "$build-asan" --werror -Dtests=enabled -Db_sanitize=address,undefined \
    -Db_lundef=false; then
    echo "== under the sanitizers: $sanitized_suites"
    suites=
    for suite in $sanitized_suites; do suites="$suites --suite $suite"; done
    # Not strict_string_checks: it walks each string to its end at every call, which makes the
    # hostile documents of megabytes quadratic.
    export ASAN_OPTIONS="detect_leaks=1:detect_stack_use_after_return=1"
    export UBSAN_OPTIONS="halt_on_error=1:print_stacktrace=1"
    export VIRTKEEP_TEST_SLOWDOWN=3
    # shellcheck disable=SC2086 # a list of words
    run sanitizers "$build-asan" --timeout-multiplier 3 $suites
fi

python3 tests/summary.py "$results"
