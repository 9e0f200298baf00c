#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# docs/completion.bash, asked as bash asks it.
#
#     test-completion.sh FILE
set -u
source "$1" || exit 1
n_failed=0

virtkeep() { # stands for the program: its domains
    printf 'NAME   RUN      MEMORY\nweb-1  running  1 GiB\nweb-2  off      -\ndb-1   running  2 GiB\n'
}

# expect WANTED WORD...: the last word is the one to be completed.
expect() {
    local wanted=$1 got
    shift
    COMP_WORDS=(virtkeep "$@")
    COMP_CWORD=$#
    _virtkeep
    got=$(printf '%s\n' "${COMPREPLY[@]}" | sort | xargs)
    [ "$got" = "$wanted" ] && return
    echo "virtkeep $*: '$got' instead of '$wanted'" >&2
    n_failed=$((n_failed + 1))
}

expect "apply" ap
expect "explain export" --output json exp
expect "explain export" --state /x/state.db exp
expect "json" --output j
expect "json" status --output j
expect "json" status --output = j
expect "--timeout" apply --ti
expect "" status --ti
expect "--output" status --ou
expect "web-1 web-2" apply w
expect "db-1 web-1 web-2" wait ""
expect "stopped synced" wait web-1 --for s
expect "stopped synced" wait web-1 --for = s
expect "always auto" --color a
cd "$(dirname "$1")" || exit 1
expect "domain-xml.md" validate domain-x
expect "domain-xml.md" --config domain-x
[ $n_failed -eq 0 ]
