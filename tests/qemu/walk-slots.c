/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What there may be in the file of a random walk: every kind of device that comes and goes, and the
 * live fields of those and of the domain, as far as a QEMU without a guest system and a host
 * without privileges has them.
 *
 * A place that depends on another one (a filter on its group) is not here, since a choice is made
 * for each place by itself: every choice must be a valid file, and one that a running QEMU can
 * follow. Memory is counted by its summands, so there is no <memory>; DIMMs and virtio-mem devices
 * lie in the one NUMA cell.
 */
#include "tests/qemu/walk-slots.h"

#include <string.h>

#define DISK_ABOUT(target, bus, driver, about)                                                     \
    "<disk type='file' device='disk'><driver name='qemu' type='raw'" driver "/>"                   \
    "<source file='@/" target ".img'/><target dev='" target "' bus='" bus "'/>" about "</disk>"
#define DISK(target, bus) DISK_ABOUT(target, bus, "", "")
#define IOTUNE(about) "<iotune>" about "</iotune>"
#define CDROM(source)                                                                              \
    "<disk type='file' device='cdrom'>" source "<target dev='sdd' bus='scsi'/><readonly/></disk>"
#define RNG(backend) "<rng model='virtio'>" backend "</rng>"
#define NET(last, model, about)                                                                    \
    "<interface type='user'><mac address='52:54:00:00:00:" last "'/><model type='" model           \
    "'/>" about "</interface>"
#define CHANNEL(source, name) "<channel " source "<target type='virtio' name='" name "'/></channel>"
#define SERIAL(source) "<serial " source "<target port='0'/></serial>"
#define VNC(socket, about)                                                                         \
    "<graphics type='vnc'" about "><listen type='socket' socket='@/" socket "'/></graphics>"
#define FILESYSTEM                                                                                 \
    "<filesystem type='mount'><driver type='virtiofs'/><source dir='@/share'/>"                    \
    "<target dir='share'/></filesystem>"
#define DIMM                                                                                       \
    "<memory model='dimm'><target><size unit='MiB'>128</size><node>0</node></target></memory>"
#define VIRTIO_MEM(requested)                                                                      \
    "<memory model='virtio-mem'><target><size unit='MiB'>256</size><node>0</node>"                 \
    "<block unit='MiB'>2</block><requested unit='MiB'>" requested "</requested></target></memory>"
#define WATCHDOG(action) "<watchdog model='i6300esb' action='" action "'/>"
#define CURRENT(mib) "<currentMemory unit='MiB'>" mib "</currentMemory>"
#define VCPU(n) "<vcpu current='" n "'>3</vcpu>"
#define GROUP(name, limits)                                                                        \
    "<throttlegroup><group_name>" name "</group_name>" limits "</throttlegroup>"

const Slot walk_slots[] = {
    { { "", DISK("vda", "virtio"),
        DISK_ABOUT("vda", "virtio", "", IOTUNE("<total_iops_sec>100</total_iops_sec>")),
        DISK_ABOUT("vda", "virtio", " discard='unmap'", ""),
        DISK_ABOUT("vda", "virtio", " copy_on_read='on'",
                   IOTUNE("<read_bytes_sec>4096</read_bytes_sec><group_name>g</group_name>")) } },
    { { "", DISK("vdb", "virtio"),
        DISK_ABOUT("vdb", "virtio", " detect_zeroes='on'",
                   IOTUNE("<write_iops_sec>50</write_iops_sec>")) } },
    { { "", DISK("sda", "scsi"), DISK_ABOUT("sda", "scsi", " discard='unmap'", "") } },
    { { "", DISK("sdb", "scsi") } },
    { { "", DISK("sdc", "usb") } },
    { { "", CDROM(""), CDROM("<source file='@/one.iso'/>"), CDROM("<source file='@/two.iso'/>") } },
    { { "", RNG("<backend model='random'>/dev/urandom</backend>") } },
    { { "", RNG("<backend model='random'>/dev/urandom</backend>") } },
    { { "", "<input type='tablet' bus='usb'/>" } },
    { { "", "<input type='tablet' bus='usb'/>" } },
    { { "", NET("01", "virtio", ""), NET("01", "virtio", "<link state='down'/>") } },
    { { "", NET("02", "virtio", "") } },
    { { "", NET("03", "e1000", "") } },
    { { "", CHANNEL("type='unix'><source mode='bind' path='@/channel'/>", "org.walk.0") } },
    { { "", CHANNEL("type='null'>", "org.walk.1") } },
    { { "", "<redirdev bus='usb' type='unix'><source mode='bind' path='@/redir'/></redirdev>" } },
    {
        { "", "<crypto model='virtio' type='qemu'><backend model='builtin' queues='1'/></crypto>" },
    },
    { { "", "<controller type='scsi' index='1' model='virtio-scsi'/>" } },
    { { "", "<controller type='virtio-serial' index='1'/>" } },
    { { "", "<shmem name='@shm'><model type='ivshmem-plain'/><size unit='M'>1</size></shmem>" } },
    { { "", WATCHDOG("none"), WATCHDOG("reset"), WATCHDOG("pause") } },
    { { "<memballoon model='virtio'/>",
        "<memballoon model='virtio'><stats period='5'/></memballoon>",
        "<memballoon model='virtio'><stats period='9'/></memballoon>" } },
    { { SERIAL("type='file'><source path='@/serial-a'/>"),
        SERIAL("type='file'><source path='@/serial-b'/>"),
        SERIAL("type='unix'><source mode='bind' path='@/serial-socket'/>"),
        SERIAL("type='file'><source path='@/serial-a'/><log file='@/serial-log'/>") } },
    { { VNC("vnc-a", " passwd='one'"), VNC("vnc-b", " passwd='one'"),
        VNC("vnc-b", " passwd='two'") } },
    { { "", FILESYSTEM }, .program = "virtiofsd" },
    { { "", DIMM } },
    { { "", DIMM } },
    { { "", VIRTIO_MEM("0"), VIRTIO_MEM("64"), VIRTIO_MEM("128") }, .stays = true },
    /* fields of the domain */
    { { "", "<title>walk</title>", "<description>a walk</description>" }, SLOT_HEAD },
    { { "", CURRENT("48"), CURRENT("32") }, SLOT_HEAD },
    { { VCPU("1"), VCPU("2"), VCPU("3") }, SLOT_HEAD, .stays = true, .ascends = true },
    { { "", "<iothreads>1</iothreads>", "<iothreads>3</iothreads>",
        "<iothreads>1</iothreads><iothreadids><iothread id='1'><poll max='1000'/></iothread>"
        "</iothreadids>",
        "<iothreads>1</iothreads><iothreadids><iothread id='7' thread_pool_max='4'/>"
        "</iothreadids>" },
      SLOT_HEAD },
    { { "", "<cputune><vcpupin vcpu='0' cpuset='0'/></cputune>",
        "<cputune><emulatorpin cpuset='0'/></cputune>",
        "<cputune><vcpusched vcpus='0' scheduler='batch'/></cputune>" },
      SLOT_HEAD },
    { { "", "<boot dev='network'/>", "<boot dev='hd'/>" }, SLOT_OS },
    { { "", GROUP("g1", "<total_iops_sec>10</total_iops_sec>"),
        GROUP("g1", "<total_iops_sec>20</total_iops_sec>"),
        GROUP("g1", "<read_bytes_sec>5000</read_bytes_sec>") },
      SLOT_GROUPS },
    { { "", GROUP("g2", "<total_iops_sec>10</total_iops_sec>") }, SLOT_GROUPS },
};
const guint walk_n_slots = G_N_ELEMENTS(walk_slots);

/* Devices that each need a port, and a few to spare. */
#define N_PORTS 20

guint
slot_n_variants(const Slot *slot)
{
    guint n = 0;

    while (n < G_N_ELEMENTS(slot->variants) && slot->variants[n])
        n++;
    return n;
}

static char *
text_of(SlotPlace place, const guint *chosen)
{
    GString *text = g_string_new(NULL);

    for (guint i = 0; i < walk_n_slots; i++)
        if (walk_slots[i].place == place)
            g_string_append_printf(text, "%s\n", walk_slots[i].variants[chosen[i]]);
    return g_string_free(text, FALSE);
}

char *
walk_file_text(const char *machine, const guint *chosen, const char *scratch_dir)
{
    g_autofree char *devices = text_of(SLOT_DEVICES, chosen), *head = text_of(SLOT_HEAD, chosen);
    g_autofree char *os = text_of(SLOT_OS, chosen), *groups = text_of(SLOT_GROUPS, chosen);
    g_autofree char *base = g_path_get_basename(scratch_dir), *shm = NULL;
    g_autoptr(GString) text = g_string_new(NULL);

    g_strstrip(groups);
    g_string_append_printf(
        text,
        "<domain type='qemu'><name>walk</name>%s"
        "<metadata><vk:policy xmlns:vk='urn:virtkeep:policy:1' shutdown-timeout='1s' "
        "memory-step='all' memory-shrink-unguarded='allow'/></metadata>"
        "<maxMemory slots='4' unit='GiB'>2</maxMemory>"
        "<memoryBacking><source type='memfd'/><access mode='shared'/></memoryBacking>"
        "<os><type arch='x86_64' machine='%s'>hvm</type>%s</os><features><acpi/></features>"
        "<cpu><numa><cell id='0' cpus='0-2' memory='64' unit='MiB'/></numa></cpu>%s%s%s"
        "<devices>\n<controller type='usb' model='qemu-xhci'/>"
        "<controller type='scsi' index='0' model='virtio-scsi'/>"
        "<controller type='virtio-serial' index='0'/>",
        head, machine, os, *groups ? "<throttlegroups>" : "", groups,
        *groups ? "</throttlegroups>" : "");
    for (guint i = 1; g_str_equal(machine, "q35") && i <= N_PORTS; i++)
        g_string_append_printf(text, "<controller type='pci' index='%u' model='pcie-root-port'/>",
                               i);
    if (g_str_equal(machine, "q35"))
        g_string_append_printf(
            text, "<controller type='pci' index='%u' model='pcie-to-pci-bridge'/>", N_PORTS + 1);
    g_string_append_printf(text, "%s</devices></domain>\n", devices);
    shm = g_strconcat("'virtkeep-", base, NULL);
    g_string_replace(text, "'@shm", shm, 0);
    g_string_replace(text, "@", scratch_dir, 0);
    return g_string_free(g_steal_pointer(&text), FALSE);
}
