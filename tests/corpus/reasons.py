# SPDX-License-Identifier: LGPL-2.1-or-later
"""Why a QEMU did not start, where that is nobody's fault: what it says, and the reason in words.

Three kinds: this QEMU was built without something, the host lacks something, and the document
itself asks for what no QEMU does. The last only counts where libvirt's expected command line, which
lies beside the document, has the very device that QEMU refuses, so that no fault of ours hides
behind it (the rest is then looked at without what is refused); or where the words are the
document's own (qemu:commandline).
"""
import json
import re
import shlex

def without_device(options, device):
    options.pairs = [(name, value) for name, value in options.pairs
                     if name != "-device" or not value.startswith("{") or
                     json.loads(value) != device]


def without_property(name):
    def amend(options, device):
        options.pairs = [(option, json.dumps({k: v for k, v in device.items() if k != name})
                          if option == "-device" and value.startswith("{") and
                          json.loads(value) == device else value)
                         for option, value in options.pairs]
    return amend


def with_acpi(options, device):
    options.pairs = [(name, value.replace("acpi=off", "acpi=on") if name == "-machine" else value)
                     for name, value in options.pairs]


def without_cards(options, device):
    options.pairs = [(name, value) for name, value in options.pairs
                     if name != "-drive" or "if=sd" not in value]


# QEMU's words; what is lacking; what is amended so that the rest can be looked at, if anything.
LACKING = [
    (r"Display '(\S+)' is not available", "the display {0}, which this QEMU was built without",
     None),
    (r"Lack of libpmem support", "libpmem, which this QEMU was built without", None),
    (r"vhost initialization failed: requires kvm", "KVM, for its vhost-user display",
     without_device),
    (r"cannot enable blob resources without udmabuf", "the host's udmabuf",
     without_property("blob")),
    (r"machine type does not support if=sd", "a machine with a slot for SD cards", without_cards),
]
# The same, where it is a document that asks for what no QEMU does.
ASKED_IN_VAIN = [
    (r"Can't create IDE unit \d+", "a third IDE unit of a channel", without_device),
    (r"Bus 'ide\.\d+' not found", "an IDE channel that the machine doesn't have", without_device),
    (r"single function device can't be populated in function",
     "multifunction='off' beside a second function", without_device),
    (r"VIRTIO_F_IOMMU_PLATFORM was supported by neither",
     "an IOMMU's driver option on a transitional virtio device",
     without_property("iommu_platform")),
    (r"memory hotplug is not enabled: missing acpi", "memory devices without ACPI", with_acpi),
    (r"can't add memory device .*usable range", "a memory device where boot memory is",
     without_property("addr")),
    (r"address range conflicts with memory device", "two memory devices at one address",
     without_property("memaddr")),
    (r"queue-size property must be a power of 2", "a queue size that is no power of 2",
     without_property("queue-size")),
]
# Of a device, what points at something else: named as the program likes.
REFERENCES = {"id", "drive", "chardev", "netdev", "memdev", "fsdev", "audiodev", "iothread"}


def shape(device):
    return {key: value for key, value in device.items() if key not in REFERENCES}


def refused_device(words):
    """The -device that QEMU's words are about, or None."""
    match = re.search(r"-device (\{.*?\}): ", words)
    return json.loads(match[1]) if match else None


def libvirt_has_it(document, device):
    expected = document.with_name(document.name[:-len("xml")] + "x86_64-latest.args")
    if device is None or not expected.exists():
        return False
    words = shlex.split(expected.read_text().replace("\\\n", " "))
    return any(word.startswith("{") and option == "-device" and
               shape(json.loads(word)) == shape(device) for option, word in zip(words, words[1:]))


def amended(words, document, options):
    """By QEMU's @words about the @document (a path): what is lacking, @options being amended so
    that the rest can be looked at. None where that is not known or can't be done."""
    device = refused_device(words)
    for pattern, lacking, amend in LACKING:
        if amend and (device or amend is without_cards) and re.search(pattern, words):
            amend(options, device)
            return lacking
    for pattern, asked, amend in ASKED_IN_VAIN:
        if re.search(pattern, words) and libvirt_has_it(document, device):
            amend(options, device)
            return f"another document (QEMU refuses of libvirt too: {asked})"
    return None


def of(words, document):
    """What is lacking, by QEMU's @words about the @document (a path), or None."""
    for pattern, lacking, _ in LACKING:
        match = re.search(pattern, words)
        if match:
            return lacking.format(*match.groups())
    own = re.findall(r"<(?:\w+:)?arg value=['\"]([^'\"]+)", document.read_text())
    if any(words.removeprefix("qemu-system-x86_64: ").startswith(word + ":") for word in own):
        return "another document (QEMU refuses its own qemu:commandline)"
    return None
