# SPDX-License-Identifier: LGPL-2.1-or-later
"""Documents of our own, for compare-libvirt.py: what virt-install's have not, combined.

Each must come out as with libvirt. One whose name begins with "bad-" is refused by both.
"""
DOMAIN = """<domain type='qemu'>
<name>variation</name><uuid>11dbdcdd-4c3b-482b-8903-9bdb8c0a2774</uuid>
<memory>1048576</memory><vcpu>2</vcpu>
<os><type arch='x86_64' machine='%s'>hvm</type>%s</os>
<features><acpi/></features>
%s
<devices><emulator>/usr/bin/qemu-system-x86_64</emulator>
%s
</devices></domain>
"""


def domain(machine, devices="", os="", more=""):
    return DOMAIN % (machine, os, more, devices)


def controller(kind, model="", index=None, inner=""):
    return "<controller type='%s'%s%s>%s</controller>" % (
        kind, " model='%s'" % model if model else "",
        "" if index is None else " index='%d'" % index, inner)


def usb(model, index=None, inner=""):
    return controller("usb", model, index, inner)


def disk(target, bus, inner="", device="disk"):
    return ("<disk type='file' device='%s'><source file='/images/%s'/>"
            "<target dev='%s' bus='%s'/>%s</disk>" % (device, target, target, bus, inner))


BOOT = "<boot order='1'/>"
STICK = ("<hostdev mode='subsystem' type='usb'><source><address bus='14' device='6'/></source>"
         + BOOT + "</hostdev>")

VARIATIONS = {
    "usb2-parts": domain("pc", usb("ich9-ehci1") + usb("ich9-uhci1") + usb("ich9-uhci3")),
    "usb2-behind-ehci": domain("pc", usb("ehci", 0) + usb("ich9-uhci1", 0)),
    "usb2-part-with-port": domain("q35", usb("ich9-ehci1", 0) +
                                  usb("ich9-uhci2", 0, "<master startport='4'/>") +
                                  usb("ich9-uhci1", 0)),
    "bad-usb2-no-master": domain("pc", usb("ich9-uhci1", 0) + usb("ich9-uhci2", 0)),
    "bad-usb2-other-master": domain("pc", usb("ich9-ehci1", 0) + usb("ich9-uhci1", 1)),
    "bad-usb-two-masters": domain("pc", usb("ich9-ehci1", 0) +
                                  usb("piix3-uhci", 0, "<master startport='0'/>")),
    "boot-from-a-stick": domain("pc", disk("hda", "ide") + STICK),
    "root-without-hotplug": domain("pc", controller("pci", "pci-root", 0,
                                                    "<target hotplug='off'/>")),
}
