#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The devices and addresses that libvirt itself would give virt-install's documents, and ours.

    compare-libvirt.py VIRTKEEP SCRATCH_GUARD CORPUS

CORPUS has compare.py, which reads command lines, and virt-install/, the documents; ours are in
variations.py. Each goes to
`virsh domxml-to-native` and to `virtkeep argv`, both for the QEMU that is installed, and the two
command lines must have the same devices, as often, in the same places. What libvirt refuses
virtkeep refuses too. Every exception is a row below with its reason; one that is not needed any
more fails, so that the table stays true.

No daemon is started: the embedded driver (qemu:///embed) lives in virsh's own process, with all
its directories below a scratch directory. virsh runs as an ordinary user of a namespace of its
own, which may make the taps that libvirt opens even to show a command line. What this host lacks
is stood in for: swtpm's word that it can do TPM 2.0, descriptors of firmware. No KVM is needed:
documents are changed, for both alike, to say type='qemu' and the CPU that fits.

Exit status 77: skipped, with the reason.
"""
import collections
import glob
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

import variations

SKIPPED = 77
TIMEOUT = 60  # seconds, one document; libvirt asks QEMU what it can do in the first

# What differs on purpose: document, who takes it, and why.
REFUSED_BY_LIBVIRT = {
    "virt-install-mdev-devices":
        "vfio-ccw and vfio-ap are s390's; and a slot that libvirt's root port has not, which "
        "virtkeep gives by a bridge",
    "virt-install-storage-creation":
        "libvirt knows no IDE controller on q35; QEMU's PIIX3 one works there",
}
REFUSED_BY_VIRTKEEP = {}

# What more counts of our own documents, as compare.py names it.
GUEST_SEES = ("ich9-usb-uhci", "ide-hd.", "ide-cd.", "isa-serial.", "virtio-rng-pci.", "cpu model", "numa",
              "global PIIX4_PM", "global kvm-pit")

SWTPM = '{ "type": "%s", "features": [ "tpm-1.2", "tpm-2.0" ] }'


def skip(reason):
    print("skipped: " + reason)
    sys.exit(SKIPPED)


def descriptor(path, machines, features):
    return {
        "description": "a stand-in", "interface-types": ["uefi"],
        "mapping": {"device": "flash", "mode": "split",
                    "executable": {"filename": path + "_CODE.fd", "format": "raw"},
                    "nvram-template": {"filename": path + "_VARS.fd", "format": "raw"}},
        "targets": [{"architecture": "x86_64", "machines": machines}],
        "features": features, "tags": [],
    }


class Rig:
    """The scratch directory, what stands in for the host, and how both programs are called."""

    def __init__(self, virtkeep, guard):
        self.virtkeep = virtkeep
        self.dir = tempfile.mkdtemp(prefix="virtkeep-libvirt-")
        # Removes the directory and ends what was left behind, also when this process is killed.
        self.guard = subprocess.Popen([guard, self.dir], stdin=subprocess.PIPE)
        self.env = dict(os.environ, HOME=self.dir, VIRTKEEP_TEST_SCRATCH=self.dir, LC_ALL="C",
                        PATH=self.dir + "/bin:" + os.environ["PATH"])
        for name in ("RUNTIME_DIR", "CACHE_HOME", "CONFIG_HOME", "STATE_HOME", "DATA_HOME"):
            self.env["XDG_" + name] = os.path.join(self.dir, name.lower())
            os.makedirs(self.env["XDG_" + name])
        self.stand_in()

    def write(self, path, text, mode=0o644):
        path = os.path.join(self.dir, path)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as file:
            file.write(text)
        os.chmod(path, mode)
        return path

    def stand_in(self):
        for name in ("swtpm", "swtpm_setup", "swtpm_ioctl"):
            self.write("bin/" + name, "#!/bin/sh\necho '%s'\n" % (SWTPM % name), 0o755)
        plain = ["pc-q35-*", "pc-i440fx-*"]
        for name, machines, features in (
                ("10-plain", plain, []),
                ("20-secure", ["pc-q35-*"], ["secure-boot", "enrolled-keys", "requires-smm"]),
                ("30-secure-without-smm", ["pc-i440fx-*"], ["secure-boot", "enrolled-keys"])):
            self.write("config_home/qemu/firmware/%s.json" % name,
                       json.dumps(descriptor("/firmware/" + name, machines, features)))

    def call(self, words):
        return subprocess.run(words, env=self.env, cwd=self.dir, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=TIMEOUT,
                              universal_newlines=True)

    def libvirt(self, xml):
        return self.call(["unshare", "--user", "--map-user=1000", "--map-group=1000",
                          "--keep-caps", "--net", "virsh", "--quiet", "--connect",
                          "qemu:///embed?root=%s/libvirt" % self.dir,
                          "domxml-to-native", "qemu-argv", "--xml", xml])

    def ours(self, xml):
        return self.call([self.virtkeep, "argv", xml])

    def close(self):
        self.guard.stdin.close()
        return self.guard.wait()


def without_kvm(text):
    text = re.sub(r"(<domain type=)(['\"])kvm\2", r"\1\2qemu\2", text)
    return re.sub(r"mode=(['\"])host-passthrough\1", r"mode=\1maximum\1", text)


def last_line(text):
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "(nothing)"


class Comparison:
    def __init__(self, rig, reader):
        self.rig, self.reader = rig, reader
        self.failures, self.counts = [], collections.Counter()

    def fail(self, name, text):
        self.failures.append("%s: %s" % (name, text))

    def compare_devices(self, name, expected, got):
        read = lambda text: self.reader.Cmdline(self.reader.split_argv_text(text))
        wanted = ("missing ", "extra ", "dangling", "address of ")
        wanted += GUEST_SEES if name in variations.VARIATIONS else ()
        ours, theirs = read(got), read(expected)

        self.counts["devices"] += len(theirs.devices)
        for _, category, text in self.reader.compare(theirs, ours):
            if category.startswith(wanted):
                self.fail(name, text)

    def compare(self, name, text):
        xml = self.rig.write("xml/%s.xml" % name, without_kvm(text))
        theirs, ours = self.rig.libvirt(xml), self.rig.ours(xml)
        is_refused, is_ours_refused = theirs.returncode != 0, ours.returncode != 0

        if is_refused and is_ours_refused and name.startswith("bad-"):
            self.counts["refusals"] += 1
        elif is_refused != (name in REFUSED_BY_LIBVIRT):
            self.fail(name, "libvirt was expected to %s it: %s" %
                      ("take" if is_refused else "refuse", last_line(theirs.stderr)))
        elif is_ours_refused != (name in REFUSED_BY_VIRTKEEP):
            self.fail(name, "virtkeep was expected to %s it: %s" %
                      ("take" if is_ours_refused else "refuse", last_line(ours.stderr)))
        elif is_refused or is_ours_refused:
            self.counts["exceptions"] += 1
        else:
            self.counts["documents"] += 1
            self.compare_devices(name, theirs.stdout, ours.stdout)


def documents(corpus):
    with open(os.path.join(corpus, "virt-install", "cases.tsv")) as file:
        rows = [line.rstrip("\n").split("\t") for line in file if not line.startswith("#")]
    for name, _, tags, _ in rows:
        if not {"stress", "confidential"} & set(tags.split(",")):
            with open(os.path.join(corpus, "virt-install", name + ".xml")) as file:
                yield name, file.read()
    yield from variations.VARIATIONS.items()


def check_requirements(corpus):
    if not os.path.exists(os.path.join(corpus, "virt-install", "cases.tsv")):
        skip("no corpus at " + corpus)
    for program in ("virsh", "unshare", "qemu-system-x86_64"):
        if not shutil.which(program):
            skip("no %s is installed" % program)
    if not any(glob.glob(place + "/libvirt/connection-driver/libvirt_driver_qemu.so")
               for place in ("/usr/lib", "/usr/lib64", "/usr/lib/*-linux-gnu")):
        skip("libvirt's QEMU driver is not installed")
    version = subprocess.run(["virsh", "--version"], stdout=subprocess.PIPE,
                             universal_newlines=True).stdout.strip()
    if not version.startswith("9."):
        skip("libvirt is %s, and what is expected here is libvirt 9's" % version)
    if not os.access("/dev/net/tun", os.R_OK | os.W_OK):
        skip("/dev/net/tun can't be opened, and libvirt opens it to show a command line")
    namespace = ["unshare", "--user", "--map-user=1000", "--keep-caps", "--net", "true"]
    if subprocess.run(namespace, stderr=subprocess.DEVNULL).returncode:
        skip("no user namespaces")


def load_reader(corpus):
    spec = importlib.util.spec_from_file_location("compare", os.path.join(corpus, "compare.py"))
    reader = importlib.util.module_from_spec(spec)
    sys.dont_write_bytecode = True
    spec.loader.exec_module(reader)
    return reader


def main(virtkeep, guard, corpus):
    check_requirements(corpus)
    rig = Rig(virtkeep, guard)
    comparison = Comparison(rig, load_reader(corpus))
    try:
        for name, text in documents(corpus):
            comparison.compare(name, text)
    finally:
        n_killed = rig.close()
    print("\n".join(comparison.failures))
    print("%(documents)d documents with %(devices)d devices compared, %(refusals)d refused by both, "
          "%(exceptions)d exceptions" % comparison.counts)
    if n_killed:
        print("%d processes were left behind" % n_killed)
    return 1 if comparison.failures or n_killed or not comparison.counts["documents"] else 0


if __name__ == "__main__":
    sys.exit(main(os.path.abspath(sys.argv[1]), *sys.argv[2:]))
