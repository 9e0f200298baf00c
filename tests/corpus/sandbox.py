# SPDX-License-Identifier: LGPL-2.1-or-later
"""A host of one case's own, on which virtkeep starts a document as it is written.

run() forks a process that is the first in namespaces of its own (processes, mounts, network) on a
copy-on-write root: what it makes at /dev/HostVG or /var/lib/libvirt goes with it, and so does
whatever it leaves running. Its result comes back by a pipe.

The emulator of that root is a small program that asks the case (Emulator) for the command line to
execute instead: the options are rewritten by the rules of standins.py, except for what virtkeep
itself has made, which is real here: monitors, taps, companions, secrets. The guest is a firmware
that halts.
"""
import ctypes
import os
import pathlib
import pickle
import socket
import stat
import threading
import traceback

import backends
import reasons
from standins import Needs, Options, StandIns

CLONE_NEWNS, CLONE_NEWPID = 0x20000, 0x20000000
MS_NOSUID, MS_BIND, MS_REC, MS_PRIVATE = 2, 4096, 16384, 1 << 18
EMULATOR = "/usr/bin/qemu-system-x86_64"
REAL_EMULATOR = EMULATOR + ".real"
PROGRAM = "/usr/local/bin/virtkeep"
PLACES = ("tmp", "run", "dev", "etc/virtkeep", "var/lib/libvirt", "var/lib/virtkeep",
          "var/log/virtkeep")
FILE = "/etc/virtkeep/domains/case.xml"
SECRETS = "/etc/virtkeep/secrets/"
QUESTIONS = "/run/emulator"  # where Emulator answers
OWN = ("/run/virtkeep/", "/var/lib/virtkeep/")  # what virtkeep makes below these is used as it is
DEVICES = {"null": (1, 3), "zero": (1, 5), "full": (1, 7), "random": (1, 8), "urandom": (1, 9),
           "tty": (5, 0), "net/tun": (10, 200)}
# cli; hlt; jmp -3, at the reset vector and wherever a jump from there may lead.
HALT = b"\xfa\xf4\xeb\xfc"
FIRMWARE_SIZE = 65536

# Reads the answer as long as it lasts: words, each ended by a zero.
ASKING = f"""#!/usr/bin/python3 -IS
import os, socket, sys
with socket.socket(socket.AF_UNIX) as question:
    question.connect({QUESTIONS!r})
    question.sendall(b"".join(os.fsencode(word) + b"\\0" for word in sys.argv))
    question.shutdown(socket.SHUT_WR)
    data, fds = b"", []
    while True:
        part, passed, _, _ = socket.recv_fds(question, 65536, 64)
        fds += passed
        if not part:
            break
        data += part
words = data.split(b"\\0")[:-1]
if words[1:2] == [b"!"]:
    sys.exit(os.fsdecode(words[2]))
# The first of the words says which numbers the descriptors are to have.
numbers = [int(n) for n in words.pop(0).split()]
high = [os.dup2(fd, 900 + i) for i, fd in enumerate(fds)]
for fd in fds:
    os.close(fd)
for fd, number in zip(high, numbers):
    os.dup2(fd, number)
    os.close(fd)
os.execv({REAL_EMULATOR!r}, words)
"""

libc = ctypes.CDLL(None, use_errno=True)


def mount(source, target, kind, flags=0, data=None):
    if libc.mount(*(os.fsencode(text) if text else None for text in (source, target, kind)),
                  flags, os.fsencode(data) if data else None) != 0:
        problem = ctypes.get_errno()
        raise OSError(problem, f"mount {target}: {os.strerror(problem)}")


def write_own(upper):
    """What the root has over the host's own: the emulator that asks, and where things are put."""
    for part in ("usr/bin", "usr/local/bin"):
        (upper / part).mkdir(parents=True)
    (upper / EMULATOR[1:]).write_text(ASKING)
    (upper / EMULATOR[1:]).chmod(0o755)
    os.utime(upper / EMULATOR[1:], (0, 0))  # the same one in every root
    (upper / REAL_EMULATOR[1:]).touch()
    (upper / PROGRAM[1:]).touch()


def make_devices():
    for name, (major, minor) in DEVICES.items():
        path = pathlib.Path("/dev", name)
        path.parent.mkdir(exist_ok=True)
        os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(major, minor))
    os.mkdir("/dev/pts")
    mount("devpts", "/dev/pts", "devpts", 0, "newinstance,ptmxmode=0666")
    os.symlink("pts/ptmx", "/dev/ptmx")


def enter_root(program, shared, scratch):
    """Goes into a root of our own, where the directories @shared are as well. All of it is in this
    process's mount namespace only."""
    mount(None, "/", None, MS_REC | MS_PRIVATE)
    mount("tmpfs", scratch, "tmpfs")
    upper, work, root = (pathlib.Path(scratch, name) for name in ("upper", "work", "root"))
    for directory in (upper, work, root):
        directory.mkdir()
    write_own(upper)
    mount("overlay", root, "overlay", 0, f"lowerdir=/,upperdir={upper},workdir={work}")
    mount(EMULATOR, root / REAL_EMULATOR[1:], None, MS_BIND)
    mount(program, root / PROGRAM[1:], None, MS_BIND)
    for place in PLACES:
        (root / place).mkdir(parents=True, exist_ok=True)
        mount("tmpfs", root / place, "tmpfs")
    for directory in shared:
        (root / directory[1:]).mkdir(parents=True, exist_ok=True)
        mount(directory, root / directory[1:], None, MS_BIND)
    mount("proc", root / "proc", "proc", MS_NOSUID)
    mount("/sys", root / "sys", None, MS_BIND | MS_REC)
    os.chroot(root)
    os.chdir("/")
    make_devices()


class NoHost(Exception):
    """This host does not allow it, or what was to run there failed; the reason."""


def first_process(program, shared, scratch, function, out):
    """Never returns."""
    answer = None
    try:
        backends.die_with_parent()
        if not backends.isolate():
            raise OSError("no network of its own")
        enter_root(program, shared, scratch)
        answer = True, function()
    except Exception:
        answer = False, traceback.format_exc()
    finally:
        with open(out, "wb") as pipe:
            pickle.dump(answer, pipe)
        os._exit(0)


def second_process(program, shared, scratch, function, out):
    """Waits for the first of a new namespace of processes, with which all others of it end. Never
    returns."""
    backends.die_with_parent()
    if libc.unshare(CLONE_NEWNS | CLONE_NEWPID) == 0:
        first = os.fork()
        if first == 0:
            first_process(program, shared, scratch, function, out)
        os.close(out)
        os.waitpid(first, 0)
    os._exit(0)


def run(program, shared, scratch, function):
    """What @function returns in a host of its own, with virtkeep's @program and the directories
    @shared. @scratch: an empty directory for the time being. NoHost."""
    ours, theirs = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(ours)
        second_process(program, shared, scratch, function, theirs)
    os.close(theirs)
    with open(ours, "rb") as pipe:
        data = pipe.read()
    os.waitpid(child, 0)
    if not data:
        raise NoHost("this host gives no namespaces")
    is_good, answer = pickle.loads(data)
    if not is_good:
        raise NoHost(answer)
    return answer


def halting(size):
    return (HALT * (size // len(HALT)))[:size]


def is_empty_file(path):
    return path.is_file() and path.stat().st_size == 0


def make_parents(path):
    """In the place of empty files, too, that were made before anyone knew that they are
    directories."""
    for parent in reversed(path.parents):
        if is_empty_file(parent):
            parent.unlink()
        parent.mkdir(exist_ok=True)


class OwnHost(backends.Host):
    """Resources at the very paths that the document names."""

    def place(self, path):
        here = pathlib.Path(path)
        make_parents(here)
        return here

    def file(self, path, content):
        here = self.place(path)
        if is_empty_file(here) or path.startswith(SECRETS):
            here.write_bytes(content)
        return super().file(path, content)

    def socket(self, path):
        if path.startswith(OWN):
            return path
        return super().socket(path)

    def image(self, path, driver="raw", is_encrypted=False, size=0, **_):
        """In the place of what only stands there so that it is there."""
        here = self.place(path)
        if is_empty_file(here):
            here.unlink()
        return super().image(path, driver, is_encrypted, size)

    def close(self):
        pass  # all ends with the namespaces


class HaltedStandIns(StandIns):
    """With a guest that halts."""

    def firmware(self, path):
        return self.host.file("/run/firmware.bin", halting(FIRMWARE_SIZE))

    def rewritten(self):
        result = super().rewritten()
        names = {name for name, _ in result.pairs}
        has_flash = any(t.get("pflash0") for t in self.options.trees("-machine"))
        if "-bios" not in names and not has_flash:
            result.pairs.append(("-bios", self.firmware(None)))
        kept = {device.get("id") for device in result.devices()}
        self.left_devices = [device["id"] for device in self.options.devices() if "id" in device and
                             device["id"] not in kept]
        return result


class OwnStandIns(HaltedStandIns):
    """Leaves alone what virtkeep has made itself."""

    def netdev(self, tree):
        if "fd" in tree or "fds" in tree:
            for key in ("vhost", "vhostfd", "vhostfds", "vhostforce"):
                tree.pop(key, None)
            return None
        return super().netdev(tree)

    def socket(self, text):
        if not text.get("fd") and not (text.get("path") or "").startswith(OWN):
            super().socket(text)


class Emulator:
    """Answers the emulators of a root: what each is to execute."""

    def __init__(self, host, document):
        self.host, self.document = host, document
        self.left_out, self.left_devices, self.refusal = [], [], None
        self.words = []  # what QEMU refused with, after which something of a document is amended
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(QUESTIONS)
        self.listener.listen()
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            connection = self.listener.accept()[0]
            with connection:
                words = b""
                while part := connection.recv(65536):
                    words += part
                argv, fds = self.answer([os.fsdecode(word) for word in words.split(b"\0")[:-1]])
                data = b"".join(os.fsencode(word) + b"\0" for word in
                                [" ".join(map(str, fds)), *argv])
                if fds:
                    socket.send_fds(connection, [data[:1]], fds)
                    data = data[1:]
                connection.sendall(data)

    def answer(self, argv):
        options = Options(argv)
        if not any("virtkeep-" in (value or "") for _, value in options.pairs):
            return [word.replace("accel=kvm", "accel=tcg") for word in argv], []
        try:
            lacks = [reasons.amended(words, self.document, options) for words in self.words]
            if not all(lacks):
                raise Needs(reasons.of(self.words[-1], self.document) or self.words[-1])
            stand_ins = OwnStandIns(options, self.host)
            before = len(self.host.fds)
            rewritten = stand_ins.rewritten()
            self.left_out = list(dict.fromkeys(lacks + stand_ins.left_out))
            self.left_devices = stand_ins.left_devices
            return rewritten.argv(), self.host.fds[before:]
        except Exception as error:
            self.refusal = error
            return ["!", f"{type(error).__name__}: {error}"], []
