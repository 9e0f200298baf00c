#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What is accepted also starts: the corpus under a real QEMU.

    run-starts.py VIRTKEEP SCRATCH-GUARD LIST FLOOR DIRECTORY...    all open cases
    run-starts.py VIRTKEEP SCRATCH-GUARD LIST 0 --case NAME DIRECTORY...

For every document that `virtkeep argv` accepts, that very command line is given to QEMU, paused,
with TCG, the host's resources stood in for (standins.py, backends.py): QEMU must take every word
of it, and what it then says of itself must be what the command line said (observed.py). Each QEMU
is ended, two run at a time, each worker in a network of its own.

LIST becomes the count and the list of what did not start, or only in part, each with its reason:
what nothing can stand in for here, what virtkeep itself says that this QEMU lacks, what no QEMU does
of libvirt either (reasons.py). Any other reason, any difference, and fewer than FLOOR starts fail
the test. 77 where there is no corpus, no QEMU or no network namespace.
"""
import collections
import json
import multiprocessing
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True
import backends
import corpus
import observed
import reasons
from standins import Needs, Options, StandIns

N_WORKERS = 2
ARGV_TIMEOUT, FIRMWARE_TIMEOUT, END_TIMEOUT = 120, 60, 30
MAX_AMENDMENTS = 16

Result = collections.namedtuple("Result", "name outcome reason seconds behind")


class NotStarted(Exception):
    """QEMU ended instead; its words."""


class Worker:
    """Of one process: what its cases share."""

    def __init__(self, program, scratch, number):
        self.program = program
        self.directory = pathlib.Path(scratch) / f"w{number}"
        self.directory.mkdir()
        self.images = backends.Images(pathlib.Path(scratch) / "images")
        self.pki = pathlib.Path(scratch) / "pki"
        self.config = pathlib.Path(scratch) / "virtkeep.yaml"

    def accepted(self, path):
        """The command line, what virtkeep says that QEMU lacks for it; None where refused."""
        run = subprocess.run([self.program, "--config", self.config, "--output", "json", "argv",
                              path], capture_output=True, text=True, timeout=ARGV_TIMEOUT)
        if run.returncode != 0:
            return None, run.stderr.splitlines()[-1].split(": ", 1)[1]
        lacks = [re.sub(r"; \S+ could not start it.*", "", line.split(": warning: ", 1)[1])
                 for line in run.stderr.splitlines() if "could not start it" in line]
        return json.loads(run.stdout), "; ".join(lacks)

    def run(self, path):
        start = time.monotonic()
        behind = 0
        argv, said = self.accepted(path)
        if argv is None:
            outcome, reason = "refused", said
        elif said:
            outcome, reason = "needs", "another QEMU: " + said
        else:
            outcome, reason, behind = self.start(argv, path)
        return Result(path.name[:-len(".xml")], outcome, reason, time.monotonic() - start, behind)

    def start(self, argv, path):
        """Starts it; of a document that asks for what no QEMU does, also without that."""
        options, lacks = Options(argv), []
        for _ in range(MAX_AMENDMENTS):
            host = backends.Host(self.directory / "case", self.images,
                                 self.pki if self.pki.exists() else None)
            try:
                stand_ins = StandIns(options, host)
                with Qemu(stand_ins.rewritten(), host) as qemu:
                    differences, behind = qemu.differences(stand_ins.written)
                if differences:
                    return "differs", "; ".join(differences), behind
                lacks += dict.fromkeys(stand_ins.left_out)
                return "in part" if lacks else "starts", "; ".join(lacks), behind
            except Needs as need:
                return "needs", str(need), 0
            except NotStarted as refusal:
                asked = reasons.amended(str(refusal), path, options)
                if not asked:
                    reason = reasons.of(str(refusal), path)
                    return ("needs", reason, 0) if reason else ("fails", str(refusal), 0)
                lacks += [asked] if asked not in lacks else []
            except Exception as error:  # whatever it is, it is this case's
                return "fails", f"{type(error).__name__}: {error}", 0
            finally:
                host.close()
        return "fails", "; ".join(lacks), 0


class Qemu:
    """One QEMU from its start to its end."""

    def __init__(self, options, host):
        self.options, self.host = options, host
        self.log = host.root / "qemu.log"
        ours, theirs = socket.socketpair()
        argv = [*options.argv(), "-chardev", f"socket,id=observer,fd={theirs.fileno()}", "-mon",
                "chardev=observer,mode=control"]
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=host.root,
                pass_fds=[theirs.fileno(), *host.fds],
                env={**os.environ, "HOME": str(host.root), "XDG_RUNTIME_DIR": str(host.root)})
        theirs.close()
        self.connection = ours

    def __enter__(self):
        try:
            self.qmp = observed.Qmp(self.connection)
        except (EOFError, OSError):
            self.end()
            self.raise_words()
        return self

    def raise_words(self):
        words = [re.sub(r"^\S+ qemu-system-x86_64: ", "", line)
                 for line in self.log.read_text(errors="replace").splitlines()
                 if not re.search(r"warning: |info: |^char device redirected|^$", line)]
        raise NotStarted("; ".join(words) or f"status {self.process.returncode}, without a word")

    def __exit__(self, *_):
        if self.process.poll() is None:
            try:
                self.qmp.execute("quit")
            except (EOFError, OSError):
                pass
        self.end()

    def end(self):
        self.connection.close()
        try:
            self.process.wait(END_TIMEOUT if self.process.poll() is None else 0)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def differences(self, written):
        """What is not as the command line says, and how many PCI devices query-pci showed behind
        bridges."""
        qmp, devices = self.qmp, self.options.devices()
        nodes = {tree["node-name"]: tree for tree in self.options.trees("-blockdev")}
        machine = {k: v for text in self.options.trees("-machine") for k, _, v in text.pairs}
        found = list(observed.compare_devices(qmp, devices))
        found += observed.compare_addresses(qmp, devices)
        functions = observed.pci_functions(qmp.execute("query-pci"))
        found += observed.compare_pci(functions, devices)
        for name in sorted(observed.on_root_bus(devices) - functions.keys()):
            found.append(f"{name}: query-pci doesn't have it")
        found += observed.compare_blocks(qmp, nodes, devices)
        found += observed.compare_flash(qmp, nodes, machine)
        found += observed.accepts_as_written(qmp, written)
        return found, self.behind_bridges(devices, machine, found)

    def behind_bridges(self, devices, machine, found):
        """Lets firmware number the buses, where it is QEMU's own, and asks query-pci again."""
        wanted = observed.behind_ports(devices)
        given = {name for name, _ in self.options.pairs} & {"-bios", "-kernel"}
        if not wanted or given or "pflash0" in machine:
            return 0
        functions = {}

        def is_numbered():
            functions.update(observed.pci_functions(self.qmp.execute("query-pci")))
            return wanted <= functions.keys()

        self.qmp.execute("cont")
        if not backends.within(is_numbered, FIRMWARE_TIMEOUT):
            found.append("query-pci never has " + ", ".join(sorted(wanted - functions.keys())))
        found += observed.compare_pci(functions, devices)
        return len(wanted)


worker = None


def begin(program, scratch, counter):
    global worker
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if not backends.isolate():
        raise OSError("no network namespace, though there was one a moment ago")
    with counter.get_lock():
        counter.value += 1
        number = counter.value
    worker = Worker(program, scratch, number)


def run_one(path):
    return worker.run(path)


def report(results, list_path, floor):
    by = collections.defaultdict(list)
    for result in results:
        by[result.outcome].append(result)
    lines = [f"{len(by['starts'])} of {len(results)} cases start and are as their command line "
             f"says; {len(by['in part'])} more do without what can't be stood in for here",
             f"{len(by['needs'])} can't start here, {len(by['refused'])} are refused by virtkeep, "
             f"{len(by['differs'])} differ, {len(by['fails'])} fail; "
             f"{sum(r.behind for r in results)} PCI devices were seen behind bridges", ""]
    lacks = collections.Counter(r.reason for r in by["in part"] + by["needs"])
    lines += [f"{n:4} need {reason}" for reason, n in lacks.most_common()]
    for outcome in ("in part", "needs", "refused", "differs", "fails"):
        lines += ["", *(f"{outcome}: {r.name}: {r.reason}" for r in by[outcome])]
    text = "\n".join(lines) + "\n"
    pathlib.Path(list_path).write_text(text)
    print(text, end="")
    slowest = max(results, key=lambda r: r.seconds)
    print(f"\nslowest: {slowest.name}, {slowest.seconds:.1f} s")
    is_good = not by["differs"] and not by["fails"] and len(by["starts"]) >= floor
    if len(by["starts"]) < floor:
        print(f"fewer than the {floor} that started before")
    return is_good


def main(program, guard_program, list_path, floor, *directories):
    only = None
    if directories[0] == "--case":
        only, directories = directories[1], directories[2:]
    cases = list(corpus.cases_in(directories, only))
    if not cases:
        sys.exit(f"no case {only}")
    if not os.path.exists(corpus.EMULATOR):
        print(f"no {corpus.EMULATOR}")
        return corpus.SKIPPED
    if not corpus.can_isolate():
        print("this host gives no network namespace")
        return corpus.SKIPPED
    scratch = tempfile.mkdtemp(prefix="vk-", dir="/tmp")
    guard = subprocess.Popen([guard_program, scratch], stdin=subprocess.PIPE)
    os.environ["VIRTKEEP_TEST_SCRATCH"] = scratch
    try:
        pathlib.Path(scratch, "virtkeep.yaml").write_text("{}\n")
        corpus.make_certificates(pathlib.Path(scratch, "pki"))
        counter = multiprocessing.Value("i", 0)
        with multiprocessing.Pool(N_WORKERS, begin, (program, scratch, counter)) as pool:
            results = pool.map(run_one, cases, chunksize=1)
    finally:
        guard.stdin.close()
        n_left = guard.wait()
    if n_left:
        print(f"{n_left} processes were left behind")
    return 0 if report(results, list_path, int(floor)) and not n_left else 1


if __name__ == "__main__":
    if len(sys.argv) < 6:
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:]))
