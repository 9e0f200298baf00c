#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Adds up meson's test logs: the last line of tests/run.sh.

    summary.py DIR      DIR holds *.json (meson's testlog, one JSON object a line), and, where
                        there were any, failed-builds and failed-runs, one name a line

Says which tests failed and why others were skipped, then `N passed, N failed, N skipped`. The
exit status is 0 only where at least one passed and none failed. A run that meson called failed
although its log shows no failure (it was interrupted, or a target did not build) is a failure.
"""
import json
import pathlib
import sys

PASSED = {"OK", "EXPECTEDFAIL"}


def names(path):
    return path.read_text().split("\n")[:-1] if path.exists() else []


def reason(test):
    lines = [l for l in (test.get("stdout", "") + test.get("stderr", "")).splitlines() if l.strip()]
    return lines[-1].strip() if lines else "no reason given"


def main():
    directory = pathlib.Path(sys.argv[1])
    n_passed = 0
    failed = names(directory / "failed-builds")
    skipped = []
    failed_runs = set(names(directory / "failed-runs"))
    for log in sorted(directory.glob("*.json")):
        n_failed_before = len(failed)
        for line in log.read_text().splitlines():
            test = json.loads(line)
            name = f"{log.stem}: {test['name']}"
            if test["result"] in PASSED:
                n_passed += 1
            elif test["result"] == "SKIP":
                skipped.append(f"{name}: {reason(test)}")
            else:
                failed.append(f"{name}: {test['result']}")
        if len(failed) > n_failed_before:
            failed_runs.discard(log.stem)
    failed += [f"{name}: did not run to its end" for name in sorted(failed_runs)]

    print()
    for text in skipped:
        print(f"skipped: {text}")
    for text in failed:
        print(f"failed: {text}")
    print(f"{n_passed} passed, {len(failed)} failed, {len(skipped)} skipped", flush=True)
    sys.exit(0 if n_passed and not failed else 1)


if __name__ == "__main__":
    main()
