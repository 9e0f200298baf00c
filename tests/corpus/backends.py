# SPDX-License-Identifier: LGPL-2.1-or-later
"""What stands at the other end of a QEMU's files and sockets while it is looked at.

A Host belongs to one case: everything is made below its directory and gone with it. Sockets are
listened on, most of them without a word; two protocols must be spoken before QEMU realizes the
device (vhost-user, ivshmem), and a TPM and a message bus are real helpers (swtpm, dbus-daemon).
"""
import ctypes
import fcntl
import os
import pathlib
import shutil
import socket
import struct
import subprocess
import threading
import time

from standins import IMAGE_SIZE, SECRET, Needs

HELPER_TIMEOUT = 10
LUKS_TIMEOUT = 60
TUNSETIFF = 0x400454CA
IFF_TAP, IFF_NO_PI, IFF_VNET_HDR, IFF_MULTI_QUEUE = 0x2, 0x1000, 0x4000, 0x100
CLONE_NEWNET, CLONE_NEWUSER = 0x40000000, 0x10000000
SIOCSIFFLAGS, IFF_UP = 0x8914, 1
PR_SET_PDEATHSIG, SIGKILL = 1, 9

# vhost-user's messages that want an answer, and what they get.
VHOST_GET_VRING_BASE, VHOST_GET_CONFIG, VHOST_WANTS_REPLY = 11, 24, 8
VHOST_ANSWERS = {
    # Features: mergeable buffers, multiqueue, event index, indirect descriptors, protocol
    # features, version 1, IOMMU, packed.
    1: sum(1 << bit for bit in (15, 22, 28, 29, 30, 32, 33, 34)),
    # Protocol features: multiqueue, acknowledging replies, requests of ours, configuration.
    15: sum(1 << bit for bit in (0, 3, 5, 9)),
    17: 16,               # queues
    36: 32,               # memory slots
}


def die_with_parent():
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, SIGKILL)


def isolate():
    """Puts this process, and what it starts, into a network of its own where only loopback is, and
    has it die with its parent. False where the host doesn't allow that."""
    libc = ctypes.CDLL(None, use_errno=True)
    die_with_parent()
    uid, gid = os.getuid(), os.getgid()
    if libc.unshare(CLONE_NEWNET if uid == 0 else CLONE_NEWNET | CLONE_NEWUSER) != 0:
        return False
    if uid != 0:
        pathlib.Path("/proc/self/setgroups").write_text("deny")
        pathlib.Path("/proc/self/uid_map").write_text(f"0 {uid} 1")
        pathlib.Path("/proc/self/gid_map").write_text(f"0 {gid} 1")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        fcntl.ioctl(control, SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", IFF_UP))
    return True


def received(connection, n):
    data = b""
    while len(data) < n:
        more = connection.recv(n - len(data))
        if not more:
            raise EOFError
        data += more
    return data


def speak_vhost_user(connection):
    """Enough of a vhost-user back end for QEMU to realize its device."""
    while True:
        request, flags, size = struct.unpack("<III", received(connection, 12))
        payload = received(connection, size)
        if request in VHOST_ANSWERS:
            answer = struct.pack("<Q", VHOST_ANSWERS[request])
        elif request in (VHOST_GET_VRING_BASE, VHOST_GET_CONFIG):
            answer = payload
        elif flags & VHOST_WANTS_REPLY:
            answer = struct.pack("<Q", 0)
        else:
            continue
        connection.sendall(struct.pack("<III", request, 1 | 4, len(answer)) + answer)


def speak_ivshmem(connection):
    """An ivshmem server with one peer: its protocol's version, the peer's number, the memory."""
    memory = os.memfd_create("ivshmem")
    os.ftruncate(memory, 4 << 20)
    connection.sendall(struct.pack("<qq", 0, 0))
    socket.send_fds(connection, [struct.pack("<q", -1)], [memory])
    os.close(memory)
    connection.recv(1)


def speak_nothing(connection):
    while connection.recv(4096):
        pass


SPEAKERS = {"vhost-user": speak_vhost_user, "ivshmem": speak_ivshmem, "silence": speak_nothing}


class Images:
    """Empty images, each kind made once by qemu-img, for all workers, and copied from then on."""

    def __init__(self, directory):
        self.directory = pathlib.Path(directory)
        self.directory.mkdir(exist_ok=True)

    def content(self, driver, is_encrypted, size):
        path = self.directory / f"{driver}-{'encrypted' if is_encrypted else 'plain'}-{size}"
        if not path.exists():
            own = path.with_name(f"{path.name}.{os.getpid()}")
            self.make(own, driver, is_encrypted, size)
            own.rename(path)
        return path.read_bytes()

    def make(self, path, driver, is_encrypted, size):
        options = []
        if is_encrypted:
            secret = path.with_name(f"secret.{os.getpid()}")
            secret.write_bytes(SECRET)
            prefix = "" if driver == "luks" else "encrypt."
            options = ["--object", f"secret,id=key,file={secret}", "-o",
                       f"{prefix}key-secret=key,{prefix}iter-time=10" +
                       ("" if driver == "luks" else ",encrypt.format=luks")]
        command = ["qemu-img", "create", "-q", "-f", driver, *options, path, str(size)]
        # For a LUKS header it measures its own CPU time, and refuses when the clock is too coarse.
        tries = LUKS_TIMEOUT if is_encrypted else 0
        if not within(lambda: subprocess.run(command, capture_output=True).returncode == 0, tries):
            raise Needs(f"an image of format {driver}, which qemu-img doesn't make")


class Host:
    def __init__(self, directory, images, pki):
        self.root = pathlib.Path(directory)
        self.root.mkdir()
        self.images, self.pki = images, pki
        self.sockets, self.held, self.helpers, self.fds, self.faults = {}, [], [], [], []

    def close(self):
        for helper in self.helpers:
            helper.kill()
            helper.wait()
        for thing in self.held:
            try:
                thing.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            thing.close()
        for fd in self.fds:
            os.close(fd)
        shutil.rmtree(self.root)

    # ---- files ----

    def place(self, path):
        """Where @path of the host is here; parents are made."""
        here = self.root / "root" / path.lstrip("/").replace("..", "_")
        here.parent.mkdir(parents=True, exist_ok=True)
        return here

    def file(self, path, content):
        here = self.place(path)
        if not here.exists():
            here.write_bytes(content)
        return str(here)

    def directory(self, path):
        here = self.place(path)
        here.mkdir(exist_ok=True)
        return str(here)

    def image(self, path, driver="raw", is_encrypted=False, size=IMAGE_SIZE):
        here = self.place(path)
        if here.exists():
            here = here.with_name(f"{here.name}-{driver}-{len(list(here.parent.iterdir()))}")
        if driver == "raw":
            with open(here, "wb") as file:
                file.truncate(size)
        else:
            here.write_bytes(self.images.content(driver, is_encrypted, size))
        return str(here)

    def kernel(self, path):
        """A file with the header of a Linux kernel and nothing in it."""
        header = bytearray(65536)
        header[0x1F1] = 1
        header[0x1FE:0x200] = b"\x55\xaa"
        header[0x202:0x208] = b"HdrS" + struct.pack("<H", 0x20C)
        header[0x211] = 1  # loaded high
        struct.pack_into("<I", header, 0x22C, 0x7FFFFFFF)  # initrd's highest address
        return self.file(path, bytes(header))

    def pipe(self, path):
        here = self.place(path)
        for end in (".in", ".out"):
            os.mkfifo(f"{here}{end}")
        return str(here)

    def terminal(self):
        ours, theirs = os.openpty()
        self.fds += [ours, theirs]
        return os.ttyname(theirs)

    def certificates(self):
        if not self.pki:
            raise Needs("openssl, for certificates")
        return str(self.pki)

    # ---- sockets ----

    def socket(self, path):
        """A short path for a UNIX socket, the same for the same @path."""
        if path not in self.sockets:
            self.sockets[path] = str(self.root / f"s{len(self.sockets)}")
        return self.sockets[path]

    def speak(self, protocol, connection):
        try:
            SPEAKERS[protocol](connection)
        except (EOFError, OSError):
            pass  # QEMU is gone

    def answer(self, where, protocol):
        """Listens at @where, a path or (address, port), and speaks @protocol there."""
        if protocol == "tpm":
            self.tpm(where)
            return
        listener = socket.socket(socket.AF_UNIX if isinstance(where, str) else socket.AF_INET)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(where)
        except OSError:
            listener.close()
            if isinstance(where, str) and os.path.exists(where):
                return  # two devices share a socket
            raise
        listener.listen()
        self.held.append(listener)
        threading.Thread(target=self.accept, args=(listener, protocol), daemon=True).start()

    def accept(self, listener, protocol):
        try:
            while True:
                connection = listener.accept()[0]
                self.held.append(connection)
                threading.Thread(target=self.speak, args=(protocol, connection),
                                 daemon=True).start()
        except OSError:
            pass  # closed

    def call(self, path, protocol):
        """Connects to @path as soon as QEMU listens there."""
        def connect():
            connection = socket.socket(socket.AF_UNIX)
            self.held.append(connection)
            if within(lambda: connection.connect_ex(path) == 0):
                self.speak(protocol, connection)
        threading.Thread(target=connect, daemon=True).start()

    def taps(self, n):
        """Descriptors of a new tap's queues, or none where taps can't be made."""
        fds = []
        flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | (IFF_MULTI_QUEUE if n > 1 else 0)
        name = f"vk{len(self.fds)}".encode()
        try:
            for _ in range(n):
                fds.append(os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK))
                fcntl.ioctl(fds[-1], TUNSETIFF, struct.pack("16sH22x", name, flags))
        except OSError:
            for fd in fds:
                os.close(fd)
            return []
        self.fds += fds
        for fd in fds:
            os.set_inheritable(fd, True)
        return fds

    # ---- helpers ----

    def help(self, argv, path):
        if not shutil.which(argv[0]):
            raise Needs(argv[0])
        log = open(self.root / "helper.log", "ab")
        self.helpers.append(subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log,
                                             stderr=log))
        log.close()
        if not within(lambda: os.path.exists(path)):
            raise RuntimeError(f"{argv[0]} makes no socket")

    def tpm(self, path):
        state = self.root / f"tpm{len(self.helpers)}"
        state.mkdir()
        self.help(["swtpm", "socket", "--tpm2", "--tpmstate", f"dir={state}", "--ctrl",
                   f"type=unixio,path={path}"], path)

    def message_bus(self, path):
        here = self.socket(path)
        config = self.root / "bus.conf"
        config.write_text(f"<busconfig><type>session</type><listen>unix:path={here}</listen>"
                          "<policy context='default'><allow send_destination='*'/>"
                          "<allow receive_sender='*'/><allow own='*'/></policy></busconfig>")
        self.help(["dbus-daemon", "--nofork", f"--config-file={config}"], here)
        return here


def within(condition, seconds=HELPER_TIMEOUT):
    """Waits for @condition, looking again and again; whether it became true in time."""
    end = time.monotonic() + seconds
    pause = 0.001
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(pause)
        pause = min(pause * 2, 0.05)
    return True
