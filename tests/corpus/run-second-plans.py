#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""No perpetual diff: what was just applied needs nothing more, over the corpus.

    run-second-plans.py VIRTKEEP SCRATCH-GUARD LIST FLOOR DIRECTORY... [--case NAME] [--workers N]

Each document that can start is alone in the directory of a host of its own (sandbox.py), where
what the document names is made by virtkeep's words (presence.py). Then the real commands:

    apply                1. applied: it starts the document, its QEMU under stand-ins
                         2. adopted: where it says that it can't (a PCI device of the host, no
                            cgroups), the QEMU that `virtkeep argv` describes is started beside it,
                            paused, and recorded in the run directory, and apply takes it over
    plan --exit-code     0: nothing to do
    apply                no action in the journal, the same process

Where a stand-in had to leave a device out, the plan may want that very device back, and nothing
else; where memory is asked of the guest, which halts, the plan may go on to ask for it. LIST
becomes the count and the list, each with how it was shown and the reason why not
better, or why not at all. Any plan that is not empty, any other failure, and fewer than FLOOR cases
fail the test. 77 where there is no corpus, no QEMU, or where nobody may make such a host.
"""
import argparse
import collections
import functools
import json
import multiprocessing
import os
import pathlib
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True
import backends
import corpus
import reasons
import sandbox
from presence import Presence
from standins import Needs, Options

RUN = pathlib.Path("/run/virtkeep")
LOG = pathlib.Path("/var/log/virtkeep")
STATE = pathlib.Path("/var/lib/virtkeep/state.db")
COMMAND_TIMEOUT, GREETING_TIMEOUT = 120, 60
# Without --timeout it ends, too, where the guest does not do its part.
APPLY = ("apply",)
GUESTS_PART = {"set-balloon", "set-memory"}
MAX_ROUNDS = 30
MAX_AMENDMENTS = 16
TOKEN = "0123456789abcdef0123456789abcdef"
# A guest that halts takes no memory: say so soon. What stands in for memory is never touched.
CONFIG = {"allow-qemu-namespace": True, "policy": {"memory": {"stall-timeout": "1s"}},
          "host": {"memory-budget": "1024TiB"}}
WARM = b"""<domain type='qemu'><name>warm</name><memory unit='MiB'>64</memory>
<os><type arch='x86_64' machine='q35'>hvm</type></os></domain>"""

Result = collections.namedtuple("Result", "name outcome reason seconds")


class Blocked(Exception):
    """virtkeep does not start it, in its words."""


class Differs(Exception):
    """What was applied needs more."""


def virtkeep(*words):
    return subprocess.run([sandbox.PROGRAM, "--output", "json", *words], capture_output=True,
                          text=True, timeout=COMMAND_TIMEOUT, stdin=subprocess.DEVNULL)


def only_domain(run):
    """What a command says of the one domain there is."""
    try:
        return json.loads(run.stdout)["domains"][0]
    except (ValueError, LookupError):
        raise Blocked(run.stderr.strip() or f"status {run.returncode}") from None


def said_in(log):
    """QEMU's last words."""
    return "; ".join(re.sub(r"^(\S+ )?qemu-system-x86_64(\.real)?: ", "", line)
                     for line in log.splitlines()
                     if not re.search(r"warning: |info: |^char device redirected|^$|module \S+ not "
                                      r"found", line))


# ---- starting ----

def make_present(presence):
    """Until nothing is missing; Blocked when nothing more can be made."""
    for _ in range(MAX_ROUNDS):
        domain = only_domain(virtkeep("plan"))
        if domain["action"] != "blocked":
            return
        causes = domain["reason"].split("; /etc/virtkeep/domains/")
        if not any([presence.mend(cause) for cause in causes]):
            break
    raise Blocked(domain["reason"])


def is_about(reason, devices):
    """Whether each cause that is named is that one of the @devices is not there."""
    return bool(devices) and all(cause.split(":")[0] in devices for cause in reason.split("; "))


def is_all(run, domain, left_devices):
    """Whether an apply did all that can be done here: but for @left_devices, and for memory that
    only a guest gives or takes."""
    return run.returncode == 0 or domain["sync"] == "Stalled" or \
        is_about(domain["reason"], left_devices)


def apply(presence, emulator):
    """As a user would; what QEMU refuses for nobody's fault is amended."""
    for _ in range(MAX_AMENDMENTS):
        make_present(presence)
        run = virtkeep(*APPLY)
        domain = only_domain(run)
        if emulator.refusal:
            raise emulator.refusal
        if is_all(run, domain, emulator.left_devices):
            return emulator
        if presence.mend(" " + domain["reason"]):
            continue
        if "QEMU exited" not in (domain["reason"] or ""):
            break
        emulator.words.append(said_in("".join(path.read_text() for path in LOG.glob("*.log"))))
        for path in LOG.glob("*.log"):
            path.rename(path.with_suffix(f".{len(emulator.words)}"))
    raise Blocked(domain["reason"])


def resolved_by_state():
    """Name, uuid and the document that the state keeps of the attempt that was blocked."""
    virtkeep("apply", "--no-wait")
    with sqlite3.connect(STATE) as state:
        return state.execute("SELECT name, uuid, resolved_xml FROM t_domain").fetchone()


class Adopted:
    """The QEMU that `virtkeep argv` describes, with a monitor at @path; it stays paused."""

    def __init__(self, document, path, images, pki):
        run = virtkeep("argv", str(sandbox.FILE))
        if run.returncode != 0:
            raise Blocked(run.stderr.strip())
        self.path, self.options, self.lacks = path, Options(json.loads(run.stdout)), []
        for n in range(MAX_AMENDMENTS):
            if self.start(backends.Host(f"/run/adopted{n}", images, pki)):
                self.left_out = list(dict.fromkeys(self.lacks + self.stand_ins.left_out))
                self.left_devices = self.stand_ins.left_devices
                return
            words = said_in(self.log.read_text(errors="replace"))
            asked = reasons.amended(words, document, self.options)
            if not asked:
                raise Needs(reasons.of(words, document) or f"QEMU says: {words}")
            self.lacks.append(asked)

    def start(self, host):
        self.stand_ins = sandbox.HaltedStandIns(self.options, host)
        name, self.log = f"virtkeep-{TOKEN}-control", host.root / "qemu.log"
        argv = [sandbox.REAL_EMULATOR, *self.stand_ins.rewritten().argv()[1:], "-S", "-chardev",
                f"socket,id={name},path={self.path},server=on,wait=off", "-mon",
                f"chardev={name},mode=control"]
        ours, theirs = socket.socketpair()
        argv += ["-chardev", f"socket,id=observer,fd={theirs.fileno()}", "-mon",
                 "chardev=observer,mode=control"]
        with ours, theirs, open(self.log, "wb") as log:
            self.process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            pass_fds=[theirs.fileno(), *host.fds], cwd=host.root)
            theirs.close()
            ours.settimeout(GREETING_TIMEOUT)
            if ours.recv(1):
                return True
        self.path.unlink(missing_ok=True)
        self.process.wait(GREETING_TIMEOUT)
        return False

    def record(self, uuid):
        pid = self.process.pid
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        boot = pathlib.Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return {"format_version": 1, "pid": pid, "start_time": int(fields[19]), "boot_id": boot,
                "token": TOKEN, "uuid": uuid, "emulator": sandbox.EMULATOR,
                "log_path": str(self.log), "log_offset": 0}


def adopt(document, images, pki):
    name, uuid, resolved = resolved_by_state()
    if not resolved:
        raise Blocked("it is not resolved")
    directory = RUN / name
    directory.mkdir(parents=True, mode=0o700, exist_ok=True)
    adopted = Adopted(document, directory / "control.sock", images, pki)
    (directory / "applied.xml").write_text(resolved)
    (directory / "process.json").write_text(json.dumps(adopted.record(uuid)))
    run = virtkeep(*APPLY)
    domain = only_domain(run)
    if not is_all(run, domain, adopted.left_devices):
        raise Blocked(domain["reason"])
    return adopted


# ---- what is left to do ----

def journal():
    with sqlite3.connect(f"file:{STATE}?mode=ro", uri=True) as state:
        return state.execute("SELECT id, kind, detail, outcome, error FROM t_action").fetchall()


def only_wants(domain, devices):
    """Whether a plan is about these @devices as a whole and nothing else."""
    is_whole = all(re.fullmatch(r"devices/\w+\[\d+\]", change["path"])
                   for change in domain["changes"])
    return domain["action"] == "update" and is_whole and \
        all(action["kind"] == "add-device" and action["device"] in devices
            for action in domain["actions"])


def look_again(left_devices):
    """The second plan, and the second apply. Whether the guest is waited for. Differs."""
    record, = RUN.glob("*/process.json")
    process, actions = record.read_text(), journal()
    run = virtkeep("plan", "--exit-code")
    domain = only_domain(run)
    if run.returncode == 2 and left_devices and only_wants(domain, left_devices):
        return False
    kinds = {action["kind"] for action in domain["actions"]}
    is_asking = run.returncode == 2 and not domain["changes"] and kinds and kinds <= GUESTS_PART
    if run.returncode != 0 and not is_asking:
        raise Differs(f"plan: {domain['reason']}: {json.dumps(domain['changes'])} "
                      f"{json.dumps(domain['actions'])}")
    run = virtkeep(*APPLY)
    if run.returncode != 0 and not is_asking:
        raise Differs(f"apply: {only_domain(run)['reason']}")
    done = [row for row in journal() if row not in actions]
    if any(not (is_asking and row[1] in GUESTS_PART) for row in done):
        raise Differs(f"apply: {done}")
    if record.read_text() != process:
        raise Differs("apply: another process")
    return bool(is_asking)


def case(document, images, pki, state):
    """Outcome and reason of one document, in its own host."""
    STATE.write_bytes(state)
    presence = Presence(CONFIG, document.read_bytes())
    emulator = sandbox.Emulator(sandbox.OwnHost("/run/case", images, pki), document)
    why = []
    try:
        try:
            way, start = "applied", apply(presence, emulator)
        except Blocked as words:
            why = [words.args[0]]
            way, start = "adopted", adopt(document, images, pki)
        asked = ["memory of the guest, which halts"] if look_again(start.left_devices) else []
    except Needs as need:
        return "not shown", f"needs {need}"
    except Blocked as words:
        return "not shown", " / ".join([*why, words.args[0]])
    except Differs as difference:
        return "differs", f"{way}: {difference}"
    edits = [f"with {edit}" for edit in presence.edits]
    return way, "; ".join(asked + start.left_out + edits + why)


def warm():
    """A state that knows what this QEMU can do, and nothing else."""
    Presence(CONFIG, WARM)
    _ = sandbox.Emulator(sandbox.OwnHost("/run/case", None, None), None)
    run = virtkeep(*APPLY)
    if run.returncode != 0:
        raise Blocked(run.stdout + run.stderr)
    state = sqlite3.connect(STATE, isolation_level=None)
    for name, in state.execute("SELECT name FROM sqlite_schema WHERE type = 'table' AND name GLOB "
                               "'t_*' AND name != 't_capabilities'").fetchall():
        state.execute(f"DELETE FROM {name}")
    state.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    state.close()
    return STATE.read_bytes()


# ---- all of them ----

worker = None


class Worker:
    """Of one process: what its cases share."""

    def __init__(self, program, scratch, number, state):
        self.program, self.shared, self.state = program, str(scratch), state
        self.scratch = scratch / f"w{number}"
        self.scratch.mkdir()
        self.images = backends.Images(scratch / "images")
        self.pki = scratch / "pki" if (scratch / "pki").exists() else None

    def run(self, path):
        start = time.monotonic()
        try:
            outcome, reason = sandbox.run(
                self.program, [self.shared, str(path.parent)], self.scratch,
                functools.partial(case, path, self.images, self.pki, self.state))
        except Exception as error:  # whatever it is, it is this case's
            outcome, reason = "fails", f"{type(error).__name__}: {error}"
        return Result(path.stem, outcome, " ".join(reason.split()), time.monotonic() - start)


def begin(program, scratch, state, counter):
    global worker
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    backends.die_with_parent()
    with counter.get_lock():
        counter.value += 1
        number = counter.value
    worker = Worker(program, scratch, number, state)


def run_one(path):
    return worker.run(path)


def report(results, list_path, floor):
    by = collections.defaultdict(list)
    for result in results:
        by[result.outcome].append(result)
    n_whole = sum(not result.reason for result in by["applied"])
    n_shown = len(by["applied"]) + len(by["adopted"])
    lines = [f"{n_shown} of {len(results)} cases need nothing more after apply: {n_whole} applied "
             f"as written, {len(by['applied']) - n_whole} applied with what stands below, "
             f"{len(by['adopted'])} adopted",
             f"{len(by['not shown'])} can't be shown here, {len(by['differs'])} differ, "
             f"{len(by['fails'])} fail"]
    for outcome in ("differs", "fails", "adopted", "not shown", "applied"):
        listed = [f"{outcome}: {r.name}: {r.reason}" for r in by[outcome] if r.reason]
        lines += ["", *listed] if listed else []
    text = "\n".join(lines) + "\n"
    pathlib.Path(list_path).write_text(text)
    print(text, end="")
    slowest = max(results, key=lambda r: r.seconds)
    print(f"\nslowest: {slowest.name}, {slowest.seconds:.1f} s")
    if n_shown < floor:
        print(f"fewer than the {floor} of before")
    return not by["differs"] and not by["fails"] and n_shown >= floor


def run_all(program, scratch, cases, n_workers):
    corpus.make_certificates(scratch / "pki")
    (scratch / "images").mkdir()
    (scratch / "warm").mkdir()
    try:
        state = sandbox.run(program, [str(scratch)], scratch / "warm", warm)
    except sandbox.NoHost as error:
        print(error)
        return None
    counter = multiprocessing.Value("i", 0)
    with multiprocessing.Pool(n_workers, begin, (program, scratch, state, counter)) as pool:
        return pool.map(run_one, cases, chunksize=1)


def main(options):
    cases = list(corpus.cases_in(options.directory, options.case))
    if not cases:
        sys.exit(f"no case {options.case}")
    if not os.path.exists(corpus.EMULATOR):
        print(f"no {corpus.EMULATOR}")
        return corpus.SKIPPED
    scratch = pathlib.Path(tempfile.mkdtemp(prefix="vk-", dir="/tmp"))
    guard = subprocess.Popen([options.guard, scratch], stdin=subprocess.PIPE)
    os.environ["VIRTKEEP_TEST_SCRATCH"] = str(scratch)
    try:
        results = run_all(os.path.realpath(options.virtkeep), scratch, cases, options.workers)
    finally:
        guard.stdin.close()
        n_left = guard.wait()
    if results is None:
        return corpus.SKIPPED
    if n_left:
        print(f"{n_left} processes were left behind")
    return 0 if report(results, options.list, options.floor) and not n_left else 1


def parse_options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("virtkeep")
    parser.add_argument("guard")
    parser.add_argument("list")
    parser.add_argument("floor", type=int)
    parser.add_argument("directory", nargs="+")
    parser.add_argument("--case")
    parser.add_argument("--workers", type=int, default=2)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main(parse_options()))
