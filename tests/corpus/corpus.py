# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the tests that start the corpus share: its cases, and what this host must allow for it."""
import os
import pathlib
import shutil
import subprocess
import sys

import backends

EMULATOR = "/usr/bin/qemu-system-x86_64"
SKIPPED = 77


def can_isolate():
    """Tried in a process of its own."""
    trial = os.fork()
    if trial == 0:
        os._exit(0 if backends.isolate() else 1)
    return os.waitpid(trial, 0)[1] == 0


def make_certificates(directory):
    """An authority and one key for every role; nothing where openssl isn't."""
    if not shutil.which("openssl"):
        return
    directory.mkdir()
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", "-subj",
         "/CN=127.0.0.1", "-addext", "basicConstraints=critical,CA:TRUE", "-addext",
         "keyUsage=critical,keyCertSign,digitalSignature,keyEncipherment", "-keyout", "server-key.pem",
         "-out", "ca-cert.pem"], cwd=directory, check=True, capture_output=True)
    subprocess.run(
        ["openssl", "req", "-x509", "-key", "server-key.pem", "-CA", "ca-cert.pem", "-CAkey",
         "server-key.pem", "-days", "30", "-subj", "/CN=localhost", "-addext",
         "basicConstraints=critical,CA:FALSE", "-addext",
         "keyUsage=critical,digitalSignature,keyEncipherment", "-addext",
         "extendedKeyUsage=serverAuth,clientAuth", "-out", "server-cert.pem"],
        cwd=directory, check=True, capture_output=True)
    for name in ("cert", "key"):
        shutil.copy(directory / f"server-{name}.pem", directory / f"client-{name}.pem")


def cases_in(directories, only):
    """The documents that are to be valid, or the one of them that is named @only. Ends the test
    where there is no corpus."""
    for directory in map(pathlib.Path, directories):
        listed = directory / "cases.tsv"
        if not listed.exists():
            print(f"no corpus at {directory}")
            sys.exit(SKIPPED)
        for line in listed.read_text().splitlines():
            name, expect = line.split("\t")[:2]
            if not line.startswith("#") and expect != "err" and only in (None, name):
                yield directory / f"{name}.xml"
