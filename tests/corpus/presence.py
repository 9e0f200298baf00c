# SPDX-License-Identifier: LGPL-2.1-or-later
"""Makes what virtkeep says that a host lacks, in a root of a case's own (sandbox.py), by its words.

The kind of a path that is missing is not in the words, so it is made an empty file first; when
virtkeep then says that it is no block device, it becomes one. What can't be made (a PCI device, a
CPU) is left missing; numbers of CPUs and of NUMA nodes that only another host has are edited in the
document, and noted.
"""
import json
import os
import pathlib
import re
import socket
import stat
import subprocess

import sandbox
from standins import SECRET

FILE = pathlib.Path(sandbox.FILE)
CONFIG_FILE = pathlib.Path("/etc/virtkeep/virtkeep.yaml")
# Nothing that a file could stand in for.
HARDWARE = ("/sys/", "/proc/", "/dev/vfio", "/dev/vhost")


def make_socket(path):
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))


KINDS = {
    "a file": pathlib.Path.touch,
    "a block device": lambda path: os.mknod(path, stat.S_IFBLK | 0o660, os.makedev(7, 0)),
    "a character device": lambda path: os.mknod(path, stat.S_IFCHR | 0o660, os.makedev(1, 3)),
    "a directory": pathlib.Path.mkdir, "a socket": make_socket, "a FIFO": os.mkfifo,
}


class Presence:
    """Of one case. @config: virtkeep.yaml's keys with their values."""

    def __init__(self, config, document):
        self.config = {**config, "networks": {}, "pools": {}}
        self.n_links = 0
        self.edits = []  # what of the document was edited
        FILE.parent.mkdir()
        FILE.write_bytes(document)
        self.write_config()

    def write_config(self):
        # JSON is YAML.
        CONFIG_FILE.write_text(json.dumps({key: value for key, value in self.config.items()
                                           if value != {}}))

    def mend(self, cause):
        """Whether anything was done about one cause."""
        for pattern, act in MENDING:
            match = re.search(pattern, cause)
            if match:
                return act(self, *match.groups())
        return False

    def put(self, path):
        here = pathlib.Path(path)
        if here.exists() or path.startswith(HARDWARE):
            return False
        sandbox.make_parents(here)
        here.write_bytes(SECRET if path.startswith(sandbox.SECRETS) else b"")
        here.chmod(0o600)
        return True

    def turn(self, path, kind):
        here = pathlib.Path(path)
        if here.is_dir():
            return False
        sandbox.make_parents(here)
        here.unlink(missing_ok=True)
        KINDS[kind](here)
        return True

    def link(self, attribute, name):
        """With an IPv4 address: where a link has but its own IPv6 one, glibc finds no 127.0.0.1."""
        kind = "dummy" if attribute == "dev" else "bridge"
        self.n_links += 1
        return all(subprocess.run(["ip", *words], capture_output=True).returncode == 0
                   for words in (("link", "add", name, "type", kind),
                                 ("addr", "add", f"192.0.2.{self.n_links}/32", "dev", name),
                                 ("link", "set", name, "up")))

    def network(self, name):
        if name in self.config["networks"]:
            return self.link("bridge", self.config["networks"][name]["bridge"])
        self.config["networks"][name] = {"bridge": f"br{len(self.config['networks'])}"}
        self.write_config()
        return True

    def pool(self, name):
        self.config["pools"][name] = f"/pool/{len(self.config['pools'])}"
        self.write_config()
        return True

    def edit(self, what, pattern, replacement):
        before = FILE.read_text()
        after = re.sub(pattern, replacement, before, flags=re.DOTALL)
        FILE.write_text(after)
        self.edits += [what] if what not in self.edits else []
        return after != before

    def use_cpus(self):
        return self.edit("CPUs that this host has", r"cpuset=(['\"]).*?\1", "cpuset='0'")

    def use_nodes(self):
        return self.edit("NUMA nodes that this host has",
                         r"nodeset=(['\"])(?=[^'\"]*\d).*?\1(?=\s*/>)", "nodeset='0'") | \
            self.edit("NUMA nodes that this host has", r"<nodemask>.*?</nodemask>",
                      "<nodemask>0</nodemask>")

    def use_small_pages(self):
        return self.edit("ordinary pages", r"<hugepages\s*/>|<hugepages>.*?</hugepages>|"
                         r"<pagesize [^>]*>[^<]*</pagesize>", "")


MENDING = [
    (r" (/.+?) is not (a [a-zA-Z ]+?) \[", Presence.turn),
    (r" neither (/\S+) nor \S+: No such file", Presence.put),
    (r" (/\S+) is not there or can't be read", Presence.put),
    (r" (/.+?): No such file or directory", Presence.put),
    (r"@(\w+): there is no link '(.+?)' on this host", Presence.link),
    (r"the configuration has no network '(.+?)'", Presence.network),
    (r"the configuration names no network '(.+?)'", Presence.network),
    (r"the configuration names no pool '(.+?)'", Presence.pool),
    (r"this host has no CPU ", Presence.use_cpus),
    (r"this host has no NUMA node ", Presence.use_nodes),
    (r"no huge pages of .* are mounted", Presence.use_small_pages),
]
