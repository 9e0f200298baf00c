/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Rules that follow from what a device is (its type, model or bus) and not from one of its rows: a
 * document for each, and the code of its one error (tests/model/rules.h).
 */
#include "tests/model/rules.h"

static const Rule rules[] = {
    { "disk-block-size", "",
      "<disk type='file'><source file='/a.img'/><target dev='vda' bus='virtio'/"
      "><blockio logical_block_size='513'/></disk>" },
    { "storage-cookie", "",
      "<disk type='network'><source protocol='https' name='v'><host name='h'/><"
      "cookies><cookie name='a b'>b</cookie></cookies></source><target dev='vda"
      "' bus='virtio'/><readonly/></disk>" },
    { "storage-cookie", "",
      "<disk type='network'><source protocol='https' name='v'><host name='h'/><"
      "cookies><cookie name='a'>b;c</cookie></cookies></source><target dev='vda"
      "' bus='virtio'/><readonly/></disk>" },
    { "alias", "",
      "<disk type='file'><source file='/a.img'/><target dev='vda' bus='virtio'/"
      "><alias name='ua-a b'/></disk>" },
    { "controller-option", "",
      "<controller type='pci' index='1' model='pcie-root-port'><target chassisN"
      "r='1'/></controller>" },
    { "controller-option", "",
      "<controller type='pci' index='1' model='pcie-root-port'><target busNr='1"
      "'/></controller>" },
    { "controller-model", "",
      "<controller type='pci' index='1' model='pcie-root-port'><model name='ioh"
      "3420x'/></controller>" },
    { "controller-model", "",
      "<controller type='pci' index='1' model='pcie-root-port'><model name='i82"
      "801b11-bridge'/></controller>" },
    { "controller-option", "",
      "<controller type='pci' index='1' model='pci-bridge'><target hotplug='off"
      "'/></controller>" },
    { "controller-option", "",
      "<controller type='pci' index='1' model='pcie-root-port'><pcihole64>5</pc"
      "ihole64></controller>" },
    { "controller-model", "", "<controller type='pci' index='1'></controller>" },
    { "controller-option", "",
      "<controller type='usb' index='0' model='piix3-uhci' ports='8'></controll"
      "er>" },
    { "controller-option", "",
      "<controller type='usb' index='0' model='ehci' ports='8'></controller>" },
    { "controller-option", "",
      "<controller type='usb' index='0' model='piix3-uhci'><master startport='0"
      "'/></controller>" },
    { "controller-duplicate", "",
      "<controller type='usb' index='1' model='piix3-uhci'/>"
      "<controller type='usb' index='1' model='qemu-xhci'/>" },
    { "controller-model", "", "<controller type='scsi' index='0' model='buslogic'></controller>" },
    { "interface-model", "", "<interface type='user' ><model type='foo;bar'/></interface>" },
    { "interface-model", "<memoryBacking><access mode='shared'/></memoryBacking>",
      "<interface type='vhostuser' ><source type='unix' path='/s' mode='server'"
      "/><model type='e1000'/></interface>" },
    { "interface-type", "",
      "<interface type='user' ><model type='virtio'/><backend tap='/dev/x'/></i"
      "nterface>" },
    { "interface-type", "",
      "<interface type='user' ><model type='virtio'/><backend vhost='/dev/x'/><"
      "/interface>" },
    { "interface-ip", "",
      "<interface type='user' ><model type='virtio'/><ip family='ipv4' address="
      "'1.2.3.4'/><ip family='ipv4' address='1.2.3.5'/></interface>" },
    { "interface-ip", "",
      "<interface type='user' ><model type='virtio'/><ip family='ipv4' address="
      "'1.2.3.4.5'/></interface>" },
    { "interface-ip", "",
      "<interface type='user' ><model type='virtio'/><route address='1.2.3.4' g"
      "ateway='1.2.3.5'/></interface>" },
    { "interface-port", "",
      "<interface type='user' ><model type='virtio'/><backend type='passt'/><po"
      "rtForward proto='tcp'><range start='22' end='21'/></portForward></interf"
      "ace>" },
    { "interface-type", "", "<interface type='ethernet' ><vlan><tag id='42'/></vlan></interface>" },
    { "interface-type", "",
      "<interface type='hostdev' ><source><address type='pci' domain='0' bus='0"
      "' slot='7' function='0'/></source><backend tap='/dev/x'/></interface>" },
    { "acpi-index", "",
      "<interface type='bridge' ><source bridge='b'/><model type='virtio'/><acp"
      "i index='1'/></interface><interface type='bridge' ><source bridge='b'/><"
      "model type='virtio'/><acpi index='1'/></interface>" },
    { "device-rom", "",
      "<interface type='bridge' ><source bridge='b'/><model type='virtio'/><rom"
      " enabled='no' file='/x'/></interface>" },
    { "device-rom", "",
      "<interface type='bridge' ><source bridge='b'/><model type='virtio'/><rom"
      " enabled='no' bar='on'/></interface>" },
    { "interface-type", "",
      "<interface type='user' ><model type='virtio'/><port isolated='yes'/></in"
      "terface>" },
    { "interface-type", "",
      "<interface type='user' ><model type='virtio'/><script path='/x'/></inter"
      "face>" },
    { "interface-type", "",
      "<interface type='user' ><model type='virtio'/><downscript path='/x'/></i"
      "nterface>" },
    { "channel-guestfwd", "", "<channel type='pty'><target type='guestfwd' port='1'/></channel>" },
    { "channel-guestfwd", "",
      "<channel type='pty'><target type='guestfwd' address='1.2.3.4'/></channel"
      ">" },
    { "channel-guestfwd", "",
      "<channel type='pty'><target type='guestfwd' address='::1' port='1'/></ch"
      "annel>" },
    { "channel-guestfwd", "",
      "<channel type='pty'><target type='guestfwd' address='foo' port='1'/></ch"
      "annel>" },
    { "chardev-agent", "",
      "<graphics type='spice'/><channel type='spicevmc'><target type='guestfwd' address='1.2.3.4' port="
      "'1'/></channel>" },
    { "chardev-agent", "",
      "<graphics type='spice'/><channel type='spicevmc'><target type='virtio' name='foo'/></channel>" },
    { "chardev-agent", "", "<graphics type='spice'/><serial type='spicevmc'></serial>" },
    { "chardev-agent", "", "<serial type='qemu-vdagent'></serial>" },
    { "input-address", "",
      "<input type='keyboard' bus='ps2'><address type='usb' bus='0' port='1'/><"
      "/input>" },
    { "graphics-tls", "", "<graphics type='spice' port='5900' defaultMode='secure'/>" },
    { "graphics-tls", "",
      "<graphics type='spice' port='5900'><channel name='main' mode='secure'/></graphics>" },
    { NULL, "", "<graphics type='spice' autoport='yes' defaultMode='secure'/>" },
    { "graphics-listen", "",
      "<graphics type='vnc' listen='1.2.3.4'><listen type='address' address='1."
      "2.3.5'/></graphics>" },
    { "graphics-listen", "",
      "<graphics type='vnc' socket='/a'><listen type='socket' socket='/b'/></gr"
      "aphics>" },
    { "video-primary", "",
      "<video><model type='cirrus'/></video><video><model type='cirrus'/></vide"
      "o>" },
    { "video-primary", "", "<video><model type='vga'/></video><video><model type='vga'/></video>" },
    { "video-resolution", "", "<video><model type='vga'><resolution x='100'/></model></video>" },
    { "video-resolution", "",
      "<video><model type='cirrus'><resolution x='100' y='100'/></model></video"
      ">" },
    { "video-memory", "", "<video><model type='vga' vram='900'/></video>" },
    { "video-memory", "", "<video><model type='qxl' vram='99999999999'/></video>" },
    { "device-rom", "",
      "<hostdev mode='subsystem' type='pci'><source><address domain='0' bus='6'"
      " slot='2' function='0'/></source><rom enabled='no' file='/x'/></hostdev>" },
    { "cputune", "<cputune><quota>5</quota></cputune>", "" },
    { "cputune",
      "<cputune><cachetune vcpus='0-1'><cache id='0' level='3' type='both' size"
      "='3' unit='MiB'/></cachetune><cachetune vcpus='1'><cache id='0' level='3"
      "' type='both' size='3' unit='MiB'/></cachetune></cputune>",
      "" },
    { "cputune",
      "<cputune><cachetune vcpus='0-1'><cache id='0' level='3' type='both' size"
      "='3' unit='MiB'/><cache id='0' level='3' type='both' size='3' unit='MiB'"
      "/></cachetune></cputune>",
      "" },
    { "cputune",
      "<cputune><memorytune vcpus='0-1'><node id='0' bandwidth='20'/><node id='"
      "0' bandwidth='20'/></memorytune></cputune>",
      "" },
    { "blkiotune",
      "<blkiotune><device><path>/a</path><weight>500</weight></device><device><"
      "path>/a</path></device></blkiotune>",
      "" },
    { "numa-distance",
      "<cpu><numa><cell id='0' cpus='0' memory='524288'><distances><sibling id="
      "'0' value='11'/></distances></cell><cell id='1' cpus='1' memory='524288'"
      "/></numa></cpu>",
      "" },
    { "numa-distance",
      "<cpu><numa><cell id='0' cpus='0' memory='524288'><distances><sibling id="
      "'5' value='21'/></distances></cell><cell id='1' cpus='1' memory='524288'"
      "/></numa></cpu>",
      "" },
    { "numa-interconnect",
      "<cpu><numa><cell id='0' cpus='0' memory='524288'/><cell id='1' cpus='1' "
      "memory='524288'/><interconnects><latency initiator='5' target='0' type='"
      "access' value='5'/></interconnects></numa></cpu>",
      "" },
    { "numa-interconnect",
      "<cpu><numa><cell id='0' cpus='0' memory='524288'/><cell id='1' cpus='1' "
      "memory='524288'/><interconnects><latency initiator='0' target='5' type='"
      "access' value='5'/></interconnects></numa></cpu>",
      "" },
    { "domain-title", "<title>a\nb</title>", "" },
};

int
main(void)
{
    return rules_check(rules, G_N_ELEMENTS(rules));
}
