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


def rng(inner):
    return "<rng model='virtio'><backend model='random'/>%s</rng>" % inner


def sound(inner):
    return "<sound model='es1370'>%s</sound>" % inner


def pci(bus, slot, function=0):
    return "<address type='pci' bus='%d' slot='%d' function='%d'/>" % (bus, slot, function)


def video(model):
    return "<video><model type='%s'/></video>" % model


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
    "boot-class-twice": domain("pc", disk("hda", "ide") + disk("hdb", "ide"),
                               os="<boot dev='hd'/><boot dev='network'/><boot dev='hd'/>"),
    "address-without-slot": domain("q35", rng("<address type='pci' function='3'"
                                              " multifunction='on'/>")),
    "address-in-octal": domain("pc", rng("<address type='pci' slot='010'/>")),
    "bad-address-in-octal": domain("q35", controller("pci", "pcie-root-port", 1) +
                                   rng("<address type='pci' bus='1' slot='010'/>")),
    "serial-ports-count-on": domain("pc", "<serial/><serial type='pty'><target port='1'/></serial>"
                                    "<serial type='pty'/>"),
    "console-without-type": domain("pc", "<console/>"),
    "channel-without-type": domain("pc", "<channel><target type='virtio' name='a'/></channel>"),
    "bad-second-serial-console": domain("pc", "<console type='pty'/><console type='pty'/>"),
    "bad-tcp-without-host": domain("pc", "<serial type='tcp'><source mode='bind' service='1'/>"
                                   "</serial>"),
    "bad-udp-without-end": domain("pc", "<serial type='udp'><source mode='bind' host='h'"
                                  " service='1'/></serial>"),
    "bad-unix-console": domain("pc", "<console type='unix'><source mode='bind'/>"
                               "<target type='virtio'/></console>"),
    "bad-two-sources": domain("pc", "<serial type='file'><source path='/a'/><source path='/b'/>"
                              "</serial>"),
    "bad-channel-needs-spice": domain("pc", "<channel type='spicevmc'><target type='virtio'/>"
                                      "</channel>"),
    "bad-audio-needs-spice": domain("pc", "<audio id='1' type='spice'/>"),
    "bad-redirection-needs-spice": domain("pc", "<redirdev bus='usb' type='spicevmc'/>"),
    "floppy-controller-alone": domain("q35", controller("fdc", "", 0)),
    "bad-floppy-name": domain("pc", disk("hda", "fdc", device="floppy")),
    "bad-disk-named-floppy": domain("pc", disk("fda", "virtio")),
    "bad-disk-name": domain("pc", disk("bogus", "virtio")),
    "bad-partition": domain("pc", disk("vda1", "virtio")),
    "bad-cdrom-on-sd": domain("pc", disk("sda", "sd", device="cdrom")),
    "xen-disk-name": domain("pc", disk("xvda", "virtio")),
    "bad-empty-path": domain("pc", "<disk type='file'><source file=''/>"
                             "<target dev='vda' bus='virtio'/></disk>"),
    "empty-cdrom": domain("pc", "<disk type='file' device='cdrom'><source file=''/>"
                          "<target dev='hda' bus='ide'/></disk>"),
    "topology-of-no-model": domain("pc", more="<cpu mode='custom' match='exact'>"
                                   "<topology sockets='1' cores='2' threads='1'/></cpu>"),
    "bad-features-of-no-model": domain("pc", more="<cpu><feature name='vmx'/></cpu>"),
    "pit-without-policy": domain("pc", more="<clock><timer name='pit' present='yes'/></clock>"),
    "bad-vnc-without-port": domain("pc", "<graphics type='vnc' autoport='no'/>"),
    "bad-second-bochs": domain("q35", video("virtio") + video("bochs")),
    "two-virtio-cards": domain("q35", video("virtio") + video("virtio")),
    "bad-hidden-without-state": domain("pc").replace("<acpi/>", "<acpi/><kvm><hidden/></kvm>"),
    "bad-boot-without-order": domain("pc", disk("vda", "virtio", "<boot/>")),
    "bad-image-without-compression": domain("pc", "<graphics type='spice'><image/></graphics>"),
    "bus-of-an-address": domain("q35", sound(pci(2, 7))),
    "bus-of-an-address-is-the-port's": domain("q35", sound(pci(1, 7))),
    "bus-of-an-address-is-far": domain("q35", sound(pci(3, 5)) + sound("")),
    "bus-of-an-address-behind-a-bridge": domain(
        "q35", controller("pci", "dmi-to-pci-bridge", 1) + sound(pci(3, 7))),
    "bus-of-an-address-on-pc": domain("pc", sound(pci(2, 7))),
    "bad-bus-of-an-address": domain("q35", sound(pci(1, 0))),
    "bad-bridge-without-port": domain("q35", controller("pci", "pcie-to-pci-bridge", 1)),
    "upstream-port-gets-a-port": domain("q35", controller("pci", "pcie-switch-upstream-port", 1)),
    "bad-usb2-part-has-no-function": domain("pc", usb("ich9-ehci1", 0, pci(0, 5)) +
                                            usb("ich9-uhci1", 0)),
    "usb2-part-beside-another": domain("pc", usb("ich9-ehci1", 0, pci(0, 5, 7)) +
                                       usb("ich9-uhci1", 0)),
    "bad-third-floppy": domain("pc", disk("fda", "fdc", device="floppy") +
                               disk("fdc", "fdc", device="floppy")),
    "bad-heads": domain("q35", "<video><model type='vga' heads='2'/></video>"),
    "bad-virtio-iommu-without-acpi": domain("q35", "<iommu model='virtio'/>").replace(
        "<acpi/>", ""),
    "bad-vendor-of-a-stick": domain("q35", "<hostdev mode='subsystem' type='usb'><source>"
                                    "<vendor id='0'/><product id='1'/></source></hostdev>"),
    "one-distance": domain("pc", more="<cpu><numa><cell id='0' cpus='0' memory='524288'>"
                           "<distances><sibling id='1' value='21'/></distances></cell>"
                           "<cell id='1' cpus='1' memory='524288'/></numa></cpu>"),
    "bad-memory-without-target": domain("pc", "<memory model='dimm'/>",
                                        more="<maxMemory slots='1'>4194304</maxMemory>"),
}

# Of timers, what each can't be told.
for name, mistakes in (("rtc", ("frequency='1'", "mode='native'", "track='boot'")),
                       ("pit", ("track='wall'", "frequency='1'", "mode='native'")),
                       ("hpet", ("track='wall'", "frequency='1'", "mode='native'")),
                       ("tsc", ("track='wall'",)),
                       ("kvmclock", ("tickpolicy='delay'", "track='wall'", "mode='native'")),
                       ("hypervclock", ("tickpolicy='delay'", "frequency='1'"))):
    for n, mistake in enumerate(mistakes):
        VARIATIONS["bad-timer-%s-%d" % (name, n)] = domain(
            "pc", more="<clock><timer name='%s' %s/></clock>" % (name, mistake))
VARIATIONS["bad-timer-catchup"] = domain(
    "pc", more="<clock><timer name='rtc'><catchup limit='1'/></timer></clock>")
