/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The rules of a domain beyond its disks, a row each (tests/model/rules.h): firmware, devices of
 * the host, connections, labels.
 */
#include "tests/model/rules.h"

#define ACPI "<features><acpi/></features>"
#define FLASH "<loader type='pflash'>/c</loader>"
#define ROM_FLASH "<loader type='pflash' readonly='yes'>/c</loader>"
#define MDEV(more) "<hostdev type='mdev' " more "</hostdev>"
#define MDEV_SOURCE "<source><address uuid='8e37ee90-2b51-45e3-9b25-bf8283c03110'/></source>"
#define CCW "<address type='ccw' cssid='0xfe' ssid='1' devno='8'/>"

#define CHANNEL(name, source)                                                                      \
    "<channel type='unix'>" source "<target type='virtio' name='" name "'/></channel>"
#define CONNECT(path)                                                                              \
    "<source mode='connect' path='" path "'><reconnect enabled='yes' timeout='1'/></source>"
#define MADE_UP "/var/lib/libvirt/qemu/channel/"

static const Rule rules[] = {
    /* firmware */
    { NULL, ACPI, "", FLASH },
    { "os-acpi", "", "", FLASH },
    { NULL, ACPI, "", "<loader type='pflash'>c.fd</loader>" },
    { NULL, ACPI, "", ROM_FLASH "<nvram template='/v'/>" },
    { NULL, ACPI, "", FLASH "<nvram template='/v'/>" },
    { "os-nvram", ACPI, "", FLASH "<nvram>/v</nvram>" },
    { "os-nvram", ACPI, "",
      "<loader type='pflash' readonly='no'>/c</loader><nvram template='/v'/>" },
    { "os-nvram", ACPI, "",
      ROM_FLASH "<nvram type='network'><source name='n'><host name='h'/></source></nvram>" },
    { "os-nvram", ACPI, "", ROM_FLASH "<nvram type='file'><source/></nvram>" },
    { "os-loader", ACPI, "", "<loader type='pflash'/>" },
    { NULL, "", "", "<smbios mode='host'/>" },
    { "os-smbios", "", "", "<smbios mode='sysinfo'/>" },
    /* mediated devices */
    { NULL, "", MDEV("model='vfio-pci'>" MDEV_SOURCE) },
    { NULL, "", MDEV("model='vfio-ccw'>" MDEV_SOURCE CCW) },
    { NULL, "", MDEV("model='vfio-ccw'>" MDEV_SOURCE) },
    { NULL, "", MDEV("model='vfio-ap'>" MDEV_SOURCE) },
    { "hostdev-model", "", MDEV(">" MDEV_SOURCE) },
    { "hostdev-model", "", MDEV("model='virtio'>" MDEV_SOURCE) },
    { "address-type", "", MDEV("model='vfio-pci'>" MDEV_SOURCE CCW) },
    { "address-type", "", MDEV("model='vfio-ccw'>" MDEV_SOURCE "<address type='pci'/>") },
    { "hostdev-source", "", MDEV("model='vfio-pci'>") },
    /* what has no effect on x86 */
    { NULL, "",
      MDEV("model='vfio-pci'>" MDEV_SOURCE
           "<address type='pci'><zpci uid='1' fid='1'/></address>") },
    { "not-here", "", MDEV("model='vfio-pci'>" MDEV_SOURCE "<address type='pci' devno='1'/>") },
    /* reconnecting */
    { NULL, "", CHANNEL("a.0", CONNECT("/run/a.sock")) },
    { "chardev-reconnect", "",
      CHANNEL("a.0",
              "<source mode='bind' path='/s'><reconnect enabled='yes' timeout='1'/></source>") },
    { "chardev-reconnect", "", CHANNEL("a.0", CONNECT(MADE_UP "target/domain-3-web/a.0")) },
    { "chardev-reconnect", "", CHANNEL("a.0", CONNECT("/run/libvirt/qemu/channel/3-web/a.0")) },
    { "chardev-reconnect", "", CHANNEL("a.0", CONNECT(MADE_UP "target/web.a.0")) },
    { NULL, "", CHANNEL("a.0", CONNECT(MADE_UP "target/domain-3-web/b.0")) },
    { NULL, "", CHANNEL("a.0", CONNECT(MADE_UP "target/a.0")) },
    /* labels */
    { "seclabel", "<seclabel type='static' model='selinux'/>", "" },
    { NULL, "", CHANNEL("a.0", "<source path='/s'><seclabel relabel='no'/></source>") },
    { "seclabel", "", CHANNEL("a.0", "<source path='/s'><seclabel relabel='yes'/></source>") },
    { NULL, "",
      CHANNEL("a.0",
              "<source path='/s'><seclabel relabel='yes'><label>l</label></seclabel></source>") },
    { "seclabel", "",
      "<disk type='file'><source file='/a'><seclabel model='dac' relabel='yes'/></source>"
      "<target dev='vda' bus='virtio'/></disk>" },
    /* launch security */
    { NULL, "<launchSecurity type='sev' kernelHashes='yes'><policy>3</policy></launchSecurity>",
      "" },
    { "missing-element", "<launchSecurity type='sev'/>", "" },
};

int
main(void)
{
    return rules_check(rules, G_N_ELEMENTS(rules));
}
