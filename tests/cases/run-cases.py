#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Golden cases: what the built program says about files and recorded QEMUs.

    run-cases.py VIRTKEEP CASE_DIRECTORY    runs one case (meson runs one test a case)
    run-cases.py --listed NAME...           fails unless exactly these cases are there

A case is a directory:

    domain*.xml     the domains directory; anything else there (applied.xml) is not in it
    observed.json   the recording for `plan --observed`; without it everything is off
    config.yaml     the configuration, if any
    plan.txt        expected: the plan, what was said on stderr, the exit status
    plan.json       expected, where it is there: the plan as JSON, digests left out
    argv.txt        expected, where it is there: `argv domain.xml` for the newest QEMU

With VIRTKEEP_REGENERATE=1 the expected files that are there are written anew (plan.txt always);
read the difference like code. Every case is planned twice: the same must come out.
"""
import difflib
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

NOTHING = '{"format_version": 1, "now": "2026-07-01T12:00:00Z", "domains": []}\n'
# Where no QEMU is, so that the command line doesn't depend on the one of this machine.
NO_EMULATOR = "emulators: [/opt/no-such/qemu-system-x86_64]\n"


class Case:
    def __init__(self, program, directory, scratch):
        self.program = program
        self.directory = pathlib.Path(directory)
        self.scratch = pathlib.Path(scratch)
        self.domains = self.scratch / "domains"
        self.domains.mkdir(mode=0o755)
        for file in self.directory.glob("domain*.xml"):
            shutil.copyfile(file, self.domains / file.name)
            (self.domains / file.name).chmod(0o644)
        self.config = self.scratch / "virtkeep.yaml"
        given = self.directory / "config.yaml"
        self.config.write_text(given.read_text() if given.exists() else "{}\n")

    def run(self, *arguments):
        command = [self.program, "--config", self.config, "--domains", self.domains,
                   "--state", self.scratch / "none/state.db", "--run", "/run/virtkeep",
                   "--log", "/var/log/virtkeep", "--color", "never", *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=60,
                              env={**os.environ, "TZ": "UTC", "LC_ALL": "C.UTF-8"})

    def clean(self, text):
        return re.sub(r"\b(device|inode) \d+", r"\1 N",
                      text.replace(str(self.domains), "DIR").replace(str(self.directory), "CASE"))

    def observed(self):
        given = self.directory / "observed.json"
        if given.exists():
            return given
        nothing = self.scratch / "nothing.json"
        nothing.write_text(NOTHING)
        return nothing

    def plan_text(self):
        result = self.run("plan", "--verbose", "--observed", self.observed(), "--exit-code")
        said = "".join(f"stderr: {line}\n" for line in result.stderr.splitlines())
        return self.clean(f"{result.stdout}{said}exit status {result.returncode}\n")

    def plan_json(self):
        result = self.run("plan", "--observed", self.observed(), "--output", "json")
        plan = json.loads(result.stdout)
        for part in [plan, *plan["domains"]]:
            for name in ("desired_digest", "observed_digest"):
                assert re.fullmatch("[0-9a-f]{64}", part.pop(name)), name
        return self.clean(json.dumps(plan, indent=2) + "\n")

    def argv_text(self):
        self.config.write_text(NO_EMULATOR)
        result = self.run("argv", self.domains / "domain.xml")
        if result.returncode != 0:
            return self.clean(result.stderr) + f"exit status {result.returncode}\n"
        return self.clean(result.stdout)


def check(file, got, regenerate):
    want = file.read_text() if file.exists() else ""
    if got == want:
        return True
    if regenerate:
        file.write_text(got)
        return True
    sys.stdout.writelines(difflib.unified_diff(want.splitlines(True), got.splitlines(True),
                                               str(file), "what the program says"))
    return False


def run_case(program, directory):
    regenerate = os.environ.get("VIRTKEEP_REGENERATE") == "1"
    with tempfile.TemporaryDirectory(prefix="vk-case-") as scratch:
        case = Case(program, directory, scratch)
        text = case.plan_text()
        good = check(case.directory / "plan.txt", text, regenerate)
        if case.plan_text() != text:
            print("planned again, something else comes out")
            good = False
        if (case.directory / "plan.json").exists():
            good &= check(case.directory / "plan.json", case.plan_json(), regenerate)
        if (case.directory / "argv.txt").exists():
            good &= check(case.directory / "argv.txt", case.argv_text(), regenerate)
        if (case.scratch / "none").exists():
            print("planning offline made a state file")
            good = False
    return good


def check_listed(names):
    here = pathlib.Path(__file__).parent
    there = {p.name for p in here.iterdir() if p.is_dir() and not p.name.startswith(("_", "."))}
    for name in sorted(there ^ set(names)):
        print(f"{name}: {'not listed in meson.build' if name in there else 'not there'}")
    return there == set(names)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--listed"]:
        sys.exit(not check_listed(sys.argv[2:]))
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    sys.exit(not run_case(sys.argv[1], pathlib.Path(sys.argv[2]).resolve()))
