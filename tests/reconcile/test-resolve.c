/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * resolve by example: identity, sizes, what is implied, and above all what stays where it is when
 * the file changes. Placement without a past is test-resolve-corpus.c's, against libvirt itself.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "model/chardev.h"
#include "model/controller.h"
#include "model/firmware.h"
#include "model/interface.h"
#include "model/memory.h"
#include "reconcile/device-order.h"
#include "reconcile/identity.h"
#include "reconcile/resolve.h"
#include "tests/reconcile/resolve-document.h"

#define MIB ((guint64) 1 << 20)

#define DISK(name, bus)                                                                            \
    "<disk type='file'><source file='/" name "'/><target dev='" name "' bus='" bus "'/></disk>\n"
#define DISK_AT(name, bus, address)                                                                \
    "<disk type='file'><source file='/" name "'/><target dev='" name "' bus='" bus "'/>\n"         \
    "<address type='drive' " address "/></disk>\n"
#define NET(extra) "<interface type='user'><model type='virtio'/>" extra "</interface>\n"
#define RNG "<rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>\n"
#define CHANNEL(name) "<channel type='unix'><target type='virtio' name='" name "'/></channel>\n"
#define MEMORY(size, requested)                                                                    \
    "<memory model='virtio-mem'><target><size unit='MiB'>" size "</size><node>0</node>"            \
    "<block unit='MiB'>2</block><requested unit='MiB'>" requested "</requested>"                   \
    "</target></memory>\n"
#define PCI(bus, slot) "<address type='pci' domain='0' bus='" bus "' slot='" slot "'/>"
#define RNG_AT(bus, slot)                                                                          \
    "<rng model='virtio'><backend model='builtin'/>\n" PCI(bus, slot) "</rng>\n"
#define TABLET "<input type='tablet' bus='usb'/>\n"
#define TABLET_AT(port)                                                                            \
    "<input type='tablet' bus='usb'>\n<address type='usb' port='" port "'/></input>\n"

static void
assert_address(const Domain *domain, const char *kind, guint index, const char *expected)
{
    g_autofree char *address = address_of(domain, kind, index);

    assert_string_equal(address, expected);
}

static guint
n_pci_controllers(const Domain *domain)
{
    guint n = 0;

    for (guint i = 0; i < list_length(domain->controllers); i++)
        n += list_at(domain->controllers, i, Controller)->type == CONTROLLER_PCI;
    return n;
}

/* ---- identity ---- */

static void
names_become_uuids(void **unused)
{
    /* Python: uuid.uuid5(uuid.NAMESPACE_DNS, "python.org") */
    g_autofree char *dns = uuid_from_name("6ba7b810-9dad-11d1-80b4-00c04fd430c8", "python.org");
    g_autofree char *digits = uuid_from_name("6ba7b8109dad11d180b400c04fd430c8", "python.org");
    g_autofree char *text = uuid_from_name("no uuid", "python.org");

    assert_string_equal(dns, "886313e1-3b8a-5372-9b90-0c9aee199e5d");
    assert_string_equal(digits, dns);
    assert_string_not_equal(text, dns);
    assert_int_equal(text[14], '5');
}

static void
uuid_comes_from_file_then_past_then_name(void **unused)
{
    static const char given[] = "11111111-2222-4333-8444-555555555555";
    g_autoptr(Spec) silent = document_parse("q35", NULL, "");
    g_autoptr(Spec) speaking =
        document_parse("q35", "<uuid>11111111-2222-4333-8444-555555555555</uuid>", "");
    g_autoptr(Domain) made = document_resolve(silent, NULL);
    g_autoptr(Domain) again = document_resolve(silent, NULL);
    g_autoptr(Domain) file = document_resolve(speaking, made);
    g_autoptr(Domain) kept = document_resolve(silent, file);

    assert_string_equal(made->uuid, again->uuid);
    assert_string_equal(file->uuid, given);
    assert_string_equal(kept->uuid, given);
}

static void
macs_are_made_once(void **unused)
{
    g_autoptr(Spec) one = document_parse("q35", NULL, NET(""));
    g_autoptr(Spec) two = document_parse("q35", NULL, NET("<mtu size='9000'/>") NET(""));
    g_autoptr(Domain) before = document_resolve(one, NULL);
    g_autoptr(Domain) after = document_resolve(two, before);
    const Interface *old = list_at(before->interfaces, 0, Interface);
    const Interface *added = list_at(after->interfaces, 0, Interface);
    const Interface *kept = list_at(after->interfaces, 1, Interface);

    assert_true(g_str_has_prefix(old->mac, "52:54:00:"));
    assert_int_equal(strlen(old->mac), 17);
    assert_string_equal(kept->mac, old->mac);
    assert_string_not_equal(added->mac, old->mac);
    assert_string_equal(alias_of(after, "interface", 0), "net1");
    assert_string_equal(alias_of(after, "interface", 1), "net0");
}

/* ---- sizes ---- */

static void
a_maximum_without_cells_brings_one(void **unused)
{
    g_autoptr(Spec) spec = document_parse(
        "q35", "<maxMemory unit='GiB'>4</maxMemory><vcpu>4</vcpu>",
        "<memory model='virtio-mem'><target><size unit='MiB'>256</size>"
        "<block unit='MiB'>2</block><requested unit='MiB'>64</requested></target></memory>\n");
    g_autoptr(Domain) domain = document_resolve(spec, NULL);
    const NumaCell *cell = list_at(domain->cells, 0, NumaCell);
    const MemoryDevice *memory = list_at(domain->memories, 0, MemoryDevice);

    assert_int_equal(domain->cells->len, 1);
    assert_int_equal(cell->memory.value, (1024 - 256) * MIB);
    assert_string_equal(cell->cpus, "0-3");
    assert_true(memory->node.is_set);
    assert_int_equal(memory->node.value, 0);
    assert_int_equal(domain->memory.value, 1024 * MIB);
    assert_int_equal(domain->current_memory.value, 1024 * MIB);
    assert_string_equal(alias_of(domain, "memory", 0), "virtiomem0");
}

/* What nobody asked the balloon for is not asked of the guest: <memory> is 1 GiB as written. */
static void
cells_leave_the_balloon_alone(void **unused)
{
#define CELLS                                                                                      \
    "<vcpu>2</vcpu><cpu><numa><cell id='0' cpus='0' memory='1' unit='GiB'/>"                       \
    "<cell id='1' cpus='1' memory='1' unit='GiB'/></numa></cpu>"
    static const struct {
        const char *head;
        guint64 current;
    } rows[] = {
        { CELLS, 2048 },
        { CELLS "<currentMemory unit='GiB'>1</currentMemory>", 2048 },
        { CELLS "<currentMemory unit='GiB'>2</currentMemory>", 2048 },
        { CELLS "<currentMemory unit='MiB'>1023</currentMemory>", 1023 },
    };

    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(Spec) spec = document_parse("q35", rows[i].head, "");
        g_autoptr(Domain) domain = document_resolve(spec, NULL);

        assert_int_equal(domain->memory.value, 2048 * MIB);
        assert_int_equal(domain->current_memory.value, rows[i].current * MIB);
    }
}

static void
sizes_are_rounded_up(void **unused)
{
    g_autoptr(Spec) spec = document_parse(
        "q35",
        "<maxMemory unit='KiB'>4194305</maxMemory><vcpu>2</vcpu><cpu><numa>"
        "<cell id='0' cpus='0' memory='262145' unit='KiB'/>"
        "<cell id='1' cpus='1' memory='1' unit='KiB'/></numa></cpu>",
        "<memory model='virtio-mem'><target><size unit='MiB'>3</size><node>1</node>"
        "<block unit='MiB'>1</block><requested unit='MiB'>1</requested></target></memory>\n");
    g_autoptr(Domain) domain = document_resolve(spec, NULL);

    assert_int_equal(list_at(domain->cells, 0, NumaCell)->memory.value, 257 * MIB);
    assert_int_equal(list_at(domain->cells, 1, NumaCell)->memory.value, 1 * MIB);
    assert_int_equal(list_at(domain->memories, 0, MemoryDevice)->size.value, 4 * MIB);
    assert_int_equal(domain->memory.value, (257 + 1 + 4) * MIB);
    assert_int_equal(domain->max_memory.value, 4097 * MIB);
}

/* ---- implied devices ---- */

static void
console_and_serial_are_one(void **unused)
{
    g_autoptr(Spec) console = document_parse("q35", NULL, "<console type='pty'/>\n");
    g_autoptr(Spec) serial =
        document_parse("q35", NULL, "<serial type='file'><source path='/log'/></serial>\n");
    g_autoptr(Domain) from_console = document_resolve(console, NULL);
    g_autoptr(Domain) from_serial = document_resolve(serial, NULL);
    const Chardev *port = list_at(from_console->serials, 0, Chardev);
    const Chardev *mirror = list_at(from_serial->consoles, 0, Chardev);

    assert_int_equal(port->type, CHARDEV_PTY);
    assert_int_equal(port->target_type, CHARDEV_TARGET_ISA_SERIAL);
    assert_string_equal(port->target_model, "isa-serial");
    assert_int_equal(mirror->target_type, CHARDEV_TARGET_SERIAL);
    assert_string_equal(chardev_source(mirror)->path, "/log");
    assert_string_equal(alias_of(from_serial, "console", 0), "serial0");
}

static void
a_console_that_differs_from_its_port_is_said(void **unused)
{
    g_autoptr(Spec) spec = document_parse("q35", NULL,
                                          "<serial type='file'><source path='/log'/></serial>\n"
                                          "<console type='pty'/>\n");
    g_autoptr(Diagnostics) diagnostics = diagnostics_new("web.xml");
    ResolveContext context = { 0 };
    g_autoptr(Domain) domain =
        resolve_domain(spec->domain, NULL, &context, spec->positions, diagnostics);
    g_autofree char *text = diagnostics_format(diagnostics);

    assert_non_null(domain);
    assert_non_null(strstr(text, "web.xml:7:1: warning: devices/console[0]: "));
    assert_non_null(strstr(text, "[console-serial]"));
}

static void
a_full_virtio_serial_controller_brings_another(void **unused)
{
    GString *devices = g_string_new(NULL);
    g_autoptr(Spec) spec = NULL;
    g_autoptr(Domain) domain = NULL;

    for (guint i = 0; i < 31; i++)
        g_string_append_printf(devices, CHANNEL("c%u"), i);
    spec = document_parse("q35", NULL, devices->str);
    domain = document_resolve(spec, NULL);
    assert_address(domain, "channel", 0, "serial 0-1");
    assert_address(domain, "channel", 29, "serial 0-30");
    assert_address(domain, "channel", 30, "serial 1-1");
    g_string_free(devices, TRUE);
}

static void
the_second_virtio_serial_controller_stays_while_used(void **unused)
{
    g_autoptr(GString) devices = g_string_new(CHANNEL("last"));
    g_autoptr(Spec) many = NULL, one = document_parse("q35", NULL, CHANNEL("last"));
    g_autoptr(Domain) before = NULL, after = NULL;

    for (guint i = 0; i < 30; i++) {
        g_autofree char *channel = g_strdup_printf(CHANNEL("c%u"), i);

        g_string_prepend(devices, channel);
    }
    many = document_parse("q35", NULL, devices->str);
    before = document_resolve(many, NULL);
    after = document_resolve(one, before);
    assert_address(before, "channel", 30, "serial 1-1");
    assert_address(after, "channel", 0, "serial 1-1");
}

/* ---- what stays where it is ---- */

static void
new_devices_take_what_is_free(void **unused)
{
    g_autoptr(Spec) small = document_parse("q35", NULL, DISK("vdb", "virtio") NET(""));
    g_autoptr(Spec) large =
        document_parse("q35", NULL, RNG DISK("vda", "virtio") DISK("vdb", "virtio") NET(""));
    g_autoptr(Domain) before = document_resolve(small, NULL);
    g_autoptr(Domain) after = document_resolve(large, before);
    g_autoptr(Domain) fresh = document_resolve(large, NULL);

    /* net 1, xhci 2, disk 3, balloon 4, spare 5 */
    assert_int_equal(n_pci_controllers(before), 6);
    assert_address(before, "disk", 0, "pci 0000:03:00.0");
    assert_address(after, "disk", 1, "pci 0000:03:00.0");
    assert_address(after, "disk", 0, "pci 0000:05:00.0"); /* the spare port */
    assert_address(after, "rng", 0, "pci 0000:06:00.0");
    assert_int_equal(n_pci_controllers(after), 7);
    assert_address(fresh, "disk", 0, "pci 0000:03:00.0"); /* so the past made the difference */
    assert_address(fresh, "disk", 1, "pci 0000:04:00.0");
}

static void
ports_stay_when_devices_go(void **unused)
{
    g_autoptr(Spec) large = document_parse("q35", NULL, RNG RNG DISK("vda", "virtio"));
    g_autoptr(Spec) small = document_parse("q35", NULL, RNG);
    g_autoptr(Domain) before = document_resolve(large, NULL);
    g_autoptr(Domain) after = document_resolve(small, before);

    assert_int_equal(n_pci_controllers(after), n_pci_controllers(before));
    assert_int_equal(list_length(after->disks), 0);
}

static void
a_given_address_goes_before_an_assigned_one(void **unused)
{
    g_autoptr(Spec) first = document_parse("q35", NULL, DISK("vda", "virtio") RNG);
    g_autoptr(Domain) before = document_resolve(first, NULL);
    g_autofree char *disk = address_of(before, "disk", 0);
    g_autoptr(Spec) second = NULL;
    g_autoptr(Domain) after = NULL;

    assert_string_equal(disk, "pci 0000:02:00.0");
    second = document_parse("q35", NULL, DISK("vda", "virtio") RNG_AT("2", "0"));
    after = document_resolve(second, before);
    assert_address(after, "rng", 0, "pci 0000:02:00.0");
    assert_address(after, "disk", 0, "pci 0000:04:00.0"); /* the rng's port */
    assert_int_equal(n_pci_controllers(after), n_pci_controllers(before));
}

static void
a_channel_keeps_its_port(void **unused)
{
    g_autoptr(Spec) one = document_parse("q35", NULL, CHANNEL("a"));
    g_autoptr(Spec) two = document_parse("q35", NULL, CHANNEL("b") CHANNEL("a"));
    g_autoptr(Domain) before = document_resolve(one, NULL);
    g_autoptr(Domain) after = document_resolve(two, before);

    assert_address(after, "channel", 1, "serial 0-1");
    assert_address(after, "channel", 0, "serial 0-2");
    assert_string_equal(alias_of(after, "channel", 1), "channel0");
}

static void
a_usb_device_keeps_its_port(void **unused)
{
    g_autoptr(Spec) one = document_parse("q35", NULL, TABLET);
    g_autoptr(Spec) two = document_parse("q35", NULL, DISK("sdq", "usb") TABLET);
    g_autoptr(Domain) before = document_resolve(one, NULL);
    g_autoptr(Domain) after = document_resolve(two, before);
    g_autoptr(Domain) fresh = document_resolve(two, NULL);

    assert_address(before, "input", 0, "usb 0:1");
    assert_address(after, "input", 0, "usb 0:1");
    assert_address(after, "disk", 0, "usb 0:2");
    assert_address(fresh, "input", 0, "usb 0:2");
}

static void
a_memory_device_is_known_though_requested_changed(void **unused)
{
    static const char head[] = "<maxMemory unit='GiB'>4</maxMemory>";
    g_autoptr(Spec) one = document_parse("q35", head, MEMORY("128", "64"));
    g_autoptr(Spec) two = document_parse("q35", head, MEMORY("256", "0") MEMORY("128", "32"));
    g_autoptr(Domain) before = document_resolve(one, NULL);
    g_autoptr(Domain) after = document_resolve(two, before);
    g_autofree char *address = address_of(before, "memory", 0);

    assert_string_equal(alias_of(after, "memory", 1), "virtiomem0");
    assert_string_equal(alias_of(after, "memory", 0), "virtiomem1");
    assert_address(after, "memory", 1, address);
}

static void
another_machine_starts_over(void **unused)
{
    g_autoptr(Spec) q35 = document_parse("q35", NULL, NET("") DISK("vda", "virtio"));
    g_autoptr(Spec) pc = document_parse("pc", NULL, NET("") DISK("vda", "virtio"));
    g_autoptr(Domain) before = document_resolve(q35, NULL);
    g_autoptr(Domain) after = document_resolve(pc, before);
    g_autoptr(Domain) fresh = document_resolve(pc, NULL);

    assert_true(schema_equal(&domain_schema, after, fresh));
    assert_int_equal(n_pci_controllers(after), 1);
}

static void
controllers_without_index_leave_others_theirs(void **unused)
{
    g_autoptr(Spec) one = document_parse("q35", NULL, RNG DISK("vda", "virtio"));
    g_autoptr(Spec) two = document_parse(
        "q35", NULL,
        RNG DISK("vda", "virtio") "<controller type='pci' model='pcie-to-pci-bridge'/>"
                                  "<controller type='scsi' model='virtio-scsi'/>\n");
    g_autoptr(Domain) before = document_resolve(one, NULL);
    g_autoptr(Domain) after = document_resolve(two, before);
    g_autofree char *rng = address_of(before, "rng", 0);
    g_autofree char *disk = address_of(before, "disk", 0);

    assert_address(after, "rng", 0, rng);
    assert_address(after, "disk", 0, disk);
}

/* A bus that only an address speaks of, and a port without number: the one has the slot, the other
 * another number. */
static void
a_bus_has_the_slot_that_is_asked_for(void **unused)
{
    g_autoptr(Spec) spec =
        document_parse("q35", NULL,
                       "<controller type='pci' model='pcie-root'/>\n"
                       "<controller type='pci' model='pcie-root-port'/>\n" RNG_AT("1", "3"));
    g_autoptr(Domain) domain = document_resolve(spec, NULL);
    const Controller *bridge = controller_find(domain, CONTROLLER_PCI, 1);

    assert_address(domain, "rng", 0, "pci 0000:01:03.0");
    assert_int_equal(bridge->model, CONTROLLER_MODEL_DMI_TO_PCI_BRIDGE);
    assert_int_equal(controller_find(domain, CONTROLLER_PCI, 2)->model,
                     CONTROLLER_MODEL_PCIE_ROOT_PORT);
}

/* libvirt's rule, and the same each time: the port that the bridge stands on got index 1. */
static void
a_bridge_stands_where_the_address_says(void **unused)
{
    g_autoptr(Spec) spec = document_parse(
        "q35", NULL, "<sound model='es1370'><address type='pci' bus='1' slot='7'/></sound>\n");
    g_autoptr(Domain) before = document_resolve(spec, NULL);
    g_autoptr(Domain) after = document_resolve(spec, before);

    assert_address(before, "sound", 0, "pci 0000:02:07.0");
    assert_address(after, "sound", 0, "pci 0000:02:07.0");
    assert_int_equal(controller_find(after, CONTROLLER_PCI, 2)->model,
                     CONTROLLER_MODEL_PCIE_TO_PCI_BRIDGE);
    assert_int_equal(after->controllers->len, before->controllers->len);
}

/* ---- firmware ---- */

static char *
firmware_of(const char *machine, const char *features, const GPtrArray *assumed)
{
    g_autofree char *text = g_strdup_printf(
        "<domain type='qemu'><name>t</name><memory>65536</memory><os firmware='efi'>"
        "<type arch='x86_64' machine='%s'>hvm</type><firmware>%s</firmware></os>"
        "<features><acpi/></features></domain>",
        machine, features);
    g_autoptr(Spec) spec = spec_parse("t.xml", text, strlen(text));
    g_autoptr(Diagnostics) diagnostics = diagnostics_new("t.xml");
    ResolveContext context = { .assumed_firmware = assumed };
    g_autoptr(Domain) domain =
        resolve_domain(spec->domain, NULL, &context, spec->positions, diagnostics);
    g_autofree char *said = diagnostics_format(diagnostics);

    assert_true(spec_is_valid(spec));
    return g_strdup_printf("%s %s", domain ? domain->loader : "none",
                           strstr(said, "[no-firmware]") ? "said" : "silent");
}

static void
assert_firmware(const char *machine, const char *features, const GPtrArray *assumed,
                const char *expected)
{
    g_autofree char *found = firmware_of(machine, features, assumed);

    assert_string_equal(found, expected);
}

/* Only where a command line is shown, only where nothing fits, and never without a word. */
static void
firmware_is_assumed_for_showing(void **unused)
{
    static const char enrolled[] = "<feature enabled='yes' name='enrolled-keys'/>";
    g_autoptr(GPtrArray) assumed =
        g_ptr_array_new_with_free_func((GDestroyNotify) firmware_image_free);

    firmware_add_assumed(assumed);
    assert_firmware("pc", enrolled, NULL, "none said");
    assert_firmware("pc", enrolled, assumed, "/usr/share/OVMF/OVMF_CODE_4M.ms.fd said");
    assert_firmware("q35", enrolled, assumed, "/usr/share/edk2/ovmf/OVMF_CODE.secboot.fd silent");
}

/* ---- mistakes ---- */

static void
assert_refused(const char *machine, const char *devices, const char *expected)
{
    g_autoptr(Spec) spec = document_parse(machine, NULL, devices);
    g_autofree char *text = document_refusal(spec, NULL);

    if (!strstr(text, expected))
        print_error("%s", text);
    assert_non_null(strstr(text, expected));
}

static void
mistakes_are_told_with_their_line(void **unused)
{
    assert_refused("pc", RNG_AT("0", "5") RNG_AT("0", "5"),
                   "web.xml:9:1: error: devices/rng[1]/address: PCI address 0000:00:05.0 is already"
                   " that of devices/rng[0] [address-conflict]");
    assert_refused("q35", RNG_AT("0", "0x20"),
                   "web.xml:7:1: error: devices/rng[0]/address: PCI controller 0, a pcie-root, has "
                   "slots 1 to 31, not 32 [address-invalid]");
    assert_refused("pc", "<controller type='pci' index='0' model='pcie-root'/>\n",
                   "web.xml:6:34: error: devices/controller[0]/@model: PCI controller 0 must be "
                   "'pci-root' on this machine, not 'pcie-root' [controller-root]");
    assert_refused("pc",
                   "<controller type='pci' model='pci-root'/>\n"
                   "<controller type='pci' model='pcie-root'/>\n",
                   "web.xml:7:24: error: devices/controller[1]/@model: only PCI controller 0 is a "
                   "root, and this is number 1 [controller-root]");
    assert_refused(
        "q35", DISK("sda", "sata") DISK_AT("sdb", "sata", "unit='0'"),
        "web.xml:8:1: error: devices/disk[1]/address: disk 'sda' and disk 'sdb' are both "
        "controller 0, bus 0, target 0, unit 0 [address-conflict]");
    assert_refused("q35", DISK_AT("vda", "virtio", "unit='0'"), "web.xml:7:10: error: ");
    assert_refused("pc",
                   "<controller type='usb' index='0' model='ich9-ehci1'/>\n"
                   "<controller type='usb' index='1' model='ich9-uhci1'/>\n",
                   "web.xml:7:1: error: devices/controller[1]: there is no USB controller 1");
    assert_refused("q35", DISK_AT("vda", "virtio", "unit='0'"), "[address-type]");
    assert_refused("pc", "<controller type='ide' index='0'>\n" PCI("0", "9") "</controller>\n",
                   "ide controller 0 is part of the chipset: its PCI address is 0000:00:01.1");
}

static void
all_mistakes_are_told_at_once(void **unused)
{
    g_autoptr(Spec) spec =
        document_parse("q35", NULL, RNG_AT("0", "0x20") RNG_AT("0", "0x1f") TABLET_AT("9"));
    g_autofree char *text = document_refusal(spec, NULL);

    assert_non_null(strstr(text, "web.xml:7:"));
    assert_non_null(strstr(text, "web.xml:9:"));
    assert_non_null(strstr(text, "web.xml:11:"));
}

static void
user_aliases_are_kept_and_unique(void **unused)
{
    g_autoptr(Spec) spec = document_parse(
        "q35", NULL, NET("<alias name='ua-front'/>") NET("<alias name='net0'/>") NET(""));
    g_autoptr(Domain) domain = document_resolve(spec, NULL);

    assert_string_equal(alias_of(domain, "interface", 0), "ua-front");
    assert_string_equal(alias_of(domain, "interface", 1), "net0"); /* ua-front has no number */
    assert_string_equal(alias_of(domain, "interface", 2), "net1");
    assert_refused("q35", NET("<alias name='ua-a'/>") NET("<alias name='ua-a'/>"), "web.xml:7:");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_become_uuids),
        cmocka_unit_test(uuid_comes_from_file_then_past_then_name),
        cmocka_unit_test(macs_are_made_once),
        cmocka_unit_test(a_maximum_without_cells_brings_one),
        cmocka_unit_test(cells_leave_the_balloon_alone),
        cmocka_unit_test(sizes_are_rounded_up),
        cmocka_unit_test(console_and_serial_are_one),
        cmocka_unit_test(a_console_that_differs_from_its_port_is_said),
        cmocka_unit_test(a_full_virtio_serial_controller_brings_another),
        cmocka_unit_test(the_second_virtio_serial_controller_stays_while_used),
        cmocka_unit_test(new_devices_take_what_is_free),
        cmocka_unit_test(ports_stay_when_devices_go),
        cmocka_unit_test(a_given_address_goes_before_an_assigned_one),
        cmocka_unit_test(a_channel_keeps_its_port),
        cmocka_unit_test(a_usb_device_keeps_its_port),
        cmocka_unit_test(a_memory_device_is_known_though_requested_changed),
        cmocka_unit_test(another_machine_starts_over),
        cmocka_unit_test(controllers_without_index_leave_others_theirs),
        cmocka_unit_test(a_bus_has_the_slot_that_is_asked_for),
        cmocka_unit_test(a_bridge_stands_where_the_address_says),
        cmocka_unit_test(firmware_is_assumed_for_showing),
        cmocka_unit_test(mistakes_are_told_with_their_line),
        cmocka_unit_test(all_mistakes_are_told_at_once),
        cmocka_unit_test(user_aliases_are_kept_and_unique),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
