# SPDX-License-Identifier: LGPL-2.1-or-later
"""A QEMU command line whose host resources are stood in for, so that it starts here.

What a user's file names (disks of a volume group, a bridge, huge pages, a swtpm) isn't on this
machine. Each option kind has a function that puts something of the same kind in its place: an
empty image of the right format, a listening socket, a directory, a tap in the worker's own
network namespace. What the guest sees (machine, devices, properties, addresses, ids, the node
graph) is left as it was written, so that a refusal by QEMU is a fault of ours. What nothing can
stand in for is left out, and the reason noted; where the rest can't be without it, Needs is
raised. No function knows a case's name.
"""
import base64
import json
import os
import pathlib
import re

# Of a disk, floppy or flash: a 2.88 MB floppy, and a multiple of flash's 4 KiB and of 64 KiB.
IMAGE_SIZE = 2949120
SD_CARD_SIZE = 4 << 20  # a power of 2
SECRET = b"not-a-secret"
# TCG's CPUs have 40 address bits, 1 TiB for everything.
TCG_MAXMEM_KIB = 512 << 20
# Of a block node, what its place in the graph needs; the rest belongs to its protocol.
NODE_KEYS = ("node-name", "read-only", "auto-read-only", "discard", "cache", "detect-zeroes",
             "force-share")
# Protocols: a file stands in for what they lead to.
PROTOCOLS = {"host_device", "host_cdrom", "nbd", "rbd", "iscsi", "http", "https", "ftp", "ftps",
             "ssh", "gluster", "nfs", "nvme", "curl", "sheepdog", "vxhs"}
# Memory devices whose backend is a file of its own; other memory is made in a directory.
FILE_MEMORY = {"nvdimm", "virtio-pmem-pci", "ivshmem-plain", "acpi-erst"}
SOUND_SERVERS = {"alsa", "coreaudio", "jack", "oss", "pa", "pipewire", "sdl"}

GPU = "a GPU of the host (OpenGL)"
NEEDED_BY_DEVICE = [
    (r"vfio-", "a PCI device or mdev of the host (vfio)"),
    (r"usb-host", "a USB device of the host"),
    (r"scsi-(block|generic)", "a SCSI device of the host (its pass-through)"),
    (r"virtio-input-host", "an input device of the host (evdev)"),
    (r"vhost-vsock", "the host's vhost-vsock"),
    (r"vhost-scsi", "a target of the host's vhost-scsi"),
    (r"vhost-vdpa", "a vDPA device of the host"),
    (r"virtio-(gpu|vga)-gl|virtio-vga-gl|virtio-gpu-rutabaga", GPU),
    (r"ccid-card-emulated", "a smart card or NSS database of the host"),
    (r"sgx-epc", "SGX memory of the host"),
]
NEEDED_BY_OBJECT = {
    "sev-guest": "SEV of the host's CPU", "sev-snp-guest": "SEV-SNP of the host's CPU",
    "tdx-guest": "TDX of the host's CPU",
}


LEFT_OUT = object()


class Needs(Exception):
    """Nothing can stand in here for what the domain asks of its host."""


class Text:
    """An option's key=value,… form; commas in values are doubled."""

    def __init__(self, text):
        parts = re.split(r"(?<!,),(?!,)", text.replace(",,", "\0"))
        self.pairs = [[*part.replace("\0", ",").partition("=")] for part in parts]

    def __str__(self):
        return ",".join(f"{k}{equals}{v}".replace(",", ",,") for k, equals, v in self.pairs)

    def get(self, key, default=None):
        return next((v for k, equals, v in self.pairs if k == key and equals), default)

    def put(self, key, value):
        for pair in self.pairs:
            if pair[0] == key:
                pair[1:] = ["=", value]
                return
        self.pairs.append([key, "=", value])

    def drop(self, *keys):
        self.pairs = [pair for pair in self.pairs if pair[0] not in keys]

    @property
    def first(self):
        return self.pairs[0][0]


def parsed(value):
    """An option's value as what can be edited: a tree or Text."""
    return json.loads(value) if value.startswith("{") else Text(value)


def kib(text):
    return int(text.rstrip("k"))


def spelled(value):
    return json.dumps(value) if isinstance(value, dict) else str(value)


class Options:
    """A command line as pairs of option and value (None where there is none)."""

    def __init__(self, argv):
        self.emulator, self.pairs = argv[0], []
        rest = list(argv[1:])
        while rest:
            name = rest.pop(0)
            has_value = rest and not (re.match(r"-[a-z]", rest[0]))
            self.pairs.append((name, rest.pop(0) if has_value else None))

    def trees(self, name):
        return [parsed(value) for option, value in self.pairs if option == name and value]

    def devices(self):
        return [tree if isinstance(tree, dict) else
                {"driver": tree.first, **{k: v for k, _, v in tree.pairs[1:]}}
                for tree in self.trees("-device")]

    def argv(self):
        return [self.emulator] + [word for pair in self.pairs for word in pair if word is not None]


class StandIns:
    """Of one case: rewrites its options and makes what they name, with @host's help
    (backends.Host: sockets, images, helpers)."""

    def __init__(self, options, host):
        self.options, self.host = options, host
        self.blockdevs = options.trees("-blockdev")
        self.written = []  # block nodes that a file stood in for, as they were written
        self.left_out = []  # for want of what, each
        self.devices = options.devices()
        # Of a guest whose memory TCG can't address, a fraction.
        size = max([kib(text.get("size")) for text in options.trees("-m")], default=0)
        self.divisor = 1 if size <= TCG_MAXMEM_KIB else 1024

    def rewritten(self):
        result = Options([self.options.emulator])
        for name, value in self.options.pairs:
            rule = RULES.get(name)
            if rule and value is not None:
                edited = value if rule in PLAIN else parsed(value)
                value = rule(self, edited)
                if value is LEFT_OUT:
                    continue
                value = spelled(value or edited)
            result.pairs.append((name, value))
        return result

    def without(self, reason):
        self.left_out.append(reason)
        return LEFT_OUT

    def device(self, tree):
        driver = tree["driver"] if isinstance(tree, dict) else tree.first
        for pattern, reason in NEEDED_BY_DEVICE:
            if re.match(pattern, driver):
                return self.without(reason)
        if isinstance(tree, dict) and "tpmdev" in tree and any(
                t.first == "passthrough" and t.get("id") == tree["tpmdev"]
                for t in self.options.trees("-tpmdev")):
            return LEFT_OUT
        if isinstance(tree, dict) and tree.get("romfile"):
            tree["romfile"] = self.host.file(tree["romfile"], bytes(65536))
        return None

    def machine(self, text):
        guests = {t["id"] for t in self.options.trees("-object") if t["qom-type"] in
                  NEEDED_BY_OBJECT}
        if text.get("confidential-guest-support") in guests:
            text.drop("confidential-guest-support")

    # ---- CPU and memory ----

    def accel(self, text):
        return "tcg" if text.first == "kvm" else None

    def cpu(self, text):
        if text.first == "host":
            text.pairs[0][0] = "max"
        # What TCG has not: some features of a model, and one of Hyper-V's.
        text.drop("enforce", "check", "hv-vpindex")

    def memory_size(self, text):
        if text.get("maxmem") and kib(text.get("maxmem")) > TCG_MAXMEM_KIB:
            text.put("maxmem", f"{TCG_MAXMEM_KIB}k")
        text.put("size", f"{kib(text.get('size')) // self.divisor}k")

    def overcommit(self, text):
        text.put("mem-lock", "off")

    def object(self, tree):
        kind = tree["qom-type"]
        if kind in NEEDED_BY_OBJECT:
            return self.without(NEEDED_BY_OBJECT[kind])
        if kind.startswith("memory-backend-"):
            self.memory(tree)
        elif kind == "secret" and "file" in tree:
            content = base64.b64encode(SECRET) if tree.get("format") == "base64" else SECRET
            tree["file"] = self.host.file(tree["file"], content)
        elif kind == "tls-creds-x509":
            tree["dir"] = self.host.certificates()
        elif kind == "rng-random" and not os.path.exists(tree["filename"]):
            tree["filename"] = "/dev/urandom"
        return None

    def memory(self, tree):
        for key in ("host-nodes", "policy", "prealloc", "prealloc-threads", "hugetlb",
                    "hugetlbsize"):
            tree.pop(key, None)
        tree["reserve"] = False  # the host may have less
        if self.is_boot_memory(tree["id"]):
            tree["size"] //= self.divisor
        if "mem-path" in tree:
            is_file = any(d["driver"] in FILE_MEMORY and d.get("memdev") == tree["id"]
                          for d in self.devices)
            make = self.host.image if is_file else self.host.directory
            tree["mem-path"] = make(tree["mem-path"], **({"size": tree["size"]} if is_file else {}))

    def is_boot_memory(self, name):
        return any(text.get("memory-backend") == name for text in self.options.trees("-machine")) \
            or any(text.get("memdev") == name for text in self.options.trees("-numa"))

    # ---- block nodes ----

    def blockdev(self, tree):
        driver = tree["driver"]
        if driver == "virtio-blk-vhost-vdpa":
            raise Needs("a vDPA device of the host")
        if driver == "vvfat":
            tree["dir"] = self.host.directory(tree["dir"])
        elif driver == "file" or driver in PROTOCOLS:
            if driver != "file":
                self.written.append(dict(tree))
            return self.file_node(tree)
        return None

    def file_node(self, tree):
        path = tree.get("filename") if tree["driver"] == "file" else None
        path = path or "/node/" + tree["node-name"]
        over = next((t for t in self.blockdevs if t.get("file") == tree["node-name"]), {})
        node = {k: v for k, v in tree.items() if k in NODE_KEYS}
        # Direct I/O and io_uring are not what every scratch directory and host can do.
        node.pop("cache", None)
        filename = self.host.image(
            path, driver=over.get("driver", "raw"),
            is_encrypted=over.get("driver") == "luks" or "encrypt" in over,
            size=int(over.get("offset", 0)) + int(over.get("size", IMAGE_SIZE)))
        return {"driver": "file", "filename": filename, **node}

    def drive(self, text):
        if text.get("file"):
            text.put("file", self.host.image(text.get("file"), driver=text.get("format", "raw"),
                                             size=SD_CARD_SIZE))

    # ---- network ----

    def netdev(self, tree):
        kind = tree["type"]
        if kind == "vhost-vdpa":
            self.without("a vDPA device of the host")
            return {"type": "user", "id": tree["id"]}
        if kind in ("tap", "bridge"):
            return self.tap(tree)
        if kind == "socket" and "mcast" in tree:
            tree["mcast"] = "239.0.0.1:" + tree["mcast"].rsplit(":", 1)[1]
            tree.setdefault("localaddr", "127.0.0.1")
        return None

    def tap(self, tree):
        for key in ("vhost", "vhostfd", "vhostfds", "vhostforce", "helper", "br", "script",
                    "downscript"):
            tree.pop(key, None)
        n = len(tree["fds"].split(":")) if "fds" in tree else 1
        fds = self.host.taps(n)
        if not fds:
            return {"type": "user", "id": tree["id"]}
        tree["type"] = "tap"
        for key in ("ifname", "fd", "fds"):
            tree.pop(key, None)
        tree["fd" if n == 1 else "fds"] = ":".join(str(fd) for fd in fds)
        return None

    # ---- character devices ----

    def chardev(self, text):
        kind = text.first
        if kind == "parallel" and text.get("path"):
            self.without("a parallel port of the host")
            return "null,id=" + text.get("id")
        if text.get("logfile"):
            text.put("logfile", self.host.file(text.get("logfile"), b""))
        if kind in ("serial", "tty"):
            text.put("path", self.host.terminal())
        elif kind == "file":
            text.put("path", self.host.file(text.get("path"), b""))
        elif kind == "pipe":
            text.put("path", self.host.pipe(text.get("path")))
        elif kind == "udp":
            for key in ("host", "localaddr"):
                if text.get(key):
                    text.put(key, "127.0.0.1")
        elif kind == "socket":
            self.socket(text)
        return None

    def socket(self, text):
        is_server = text.get("server") == "on" or ["server", "", ""] in text.pairs
        if text.get("fd"):
            text.drop("fd")
            text.put("path", "/fd/" + text.get("id"))
        if text.get("path"):
            text.put("path", self.host.socket(text.get("path")))
        elif text.get("host") is not None:
            text.put("host", "127.0.0.1")
        protocol = self.protocol(text.get("id"))
        if is_server and text.get("wait") != "off":
            self.host.call(text.get("path"), protocol)
        elif not is_server and not self.is_served(text.get("port")):
            where = text.get("path") or ("127.0.0.1", int(text.get("port")))
            self.host.answer(where, protocol)

    def is_served(self, port):
        """Whether the same QEMU listens at that port."""
        return port is not None and any(t.get("port") == port and t.get("server") == "on"
                                        for t in self.options.trees("-chardev"))

    def protocol(self, chardev):
        """What is spoken at the other end of a socket."""
        for tree in self.options.trees("-netdev"):
            if isinstance(tree, dict) and tree.get("chardev") == chardev:
                return "vhost-user"
        for tree in self.options.trees("-tpmdev"):
            if tree.get("chardev") == chardev:
                return "tpm"
        for device in self.devices:
            if device.get("chardev") == chardev:
                if device["driver"].startswith("vhost-user-"):
                    return "vhost-user"
                if device["driver"] == "ivshmem-doorbell":
                    return "ivshmem"
        return "silence"

    def tpmdev(self, text):
        if text.first == "passthrough":
            return self.without("a TPM of the host")
        return None

    # ---- files ----

    def fsdev(self, text):
        if text.get("path"):
            text.put("path", self.host.directory(text.get("path")))

    def kernel(self, path):
        return self.host.kernel(path)

    def blob(self, path):
        return self.host.file(path, bytes(65536))

    def firmware(self, path):
        return path if os.path.exists(path) else self.blob(path)

    def acpitable(self, text):
        header = b"VKPR" + (36).to_bytes(4, "little") + bytes(28)
        text.put("file", self.host.file(text.get("file"), header))

    def with_file(self, text):
        if text.get("file"):
            text.put("file", self.host.file(text.get("file"), b"x"))

    # ---- displays and sound ----

    def vnc(self, text):
        address = text.pairs[0]
        if address[0] == "vnc" and address[1]:  # an explicit key, since '=' is in the path
            address = [address[2], "", ""]
        where = address[0] + address[1] + address[2]
        if where.startswith("unix:"):
            where = "unix:" + self.host.socket(where[len("unix:"):])
        elif where != "none":
            where = re.sub(r"^.*:(\d+)$", r"127.0.0.1:\1", where)
        text.pairs[0] = ["vnc", "=", where]

    def spice(self, text):
        if text.get("gl") == "on":
            self.without(GPU)
            text.drop("gl", "rendernode")
        if text.get("x509-dir"):
            text.put("x509-dir", self.host.certificates())
        if text.get("unix") == "on":
            text.put("addr", self.host.socket(text.get("addr")))
        elif text.get("addr"):
            text.put("addr", "127.0.0.1")

    def display(self, text):
        if text.first == "egl-headless":
            return self.without(GPU)
        if text.get("gl") in ("on", "es", "core"):
            self.without(GPU)
            text.drop("gl", "rendernode")
        address = text.get("addr", "")
        if text.first == "dbus" and address.startswith("unix:path="):
            text.put("addr", "unix:path=" + self.host.message_bus(address[len("unix:path="):]))
        return None

    def audiodev(self, tree):
        if tree["driver"] in SOUND_SERVERS:
            return {"driver": "none", "id": tree["id"]}
        if tree["driver"] == "wav":
            tree["path"] = self.host.file(tree.get("path", "/qemu.wav"), b"")
        return None


RULES = {
    "-device": StandIns.device, "-machine": StandIns.machine, "-accel": StandIns.accel,
    "-cpu": StandIns.cpu, "-m": StandIns.memory_size, "-overcommit": StandIns.overcommit,
    "-object": StandIns.object, "-blockdev": StandIns.blockdev, "-drive": StandIns.drive,
    "-netdev": StandIns.netdev, "-chardev": StandIns.chardev, "-tpmdev": StandIns.tpmdev, "-fsdev": StandIns.fsdev,
    "-kernel": StandIns.kernel, "-initrd": StandIns.blob, "-dtb": StandIns.blob,
    "-shim": StandIns.blob, "-bios": StandIns.firmware, "-acpitable": StandIns.acpitable,
    "-smbios": StandIns.with_file, "-fw_cfg": StandIns.with_file, "-vnc": StandIns.vnc,
    "-spice": StandIns.spice, "-display": StandIns.display, "-audiodev": StandIns.audiodev,
}
# Rules that take the value as it is, a path.
PLAIN = {StandIns.kernel, StandIns.blob, StandIns.firmware}
