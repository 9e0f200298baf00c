/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The domain: its rows, and the rules that need more than one of them.
 *
 * The rows follow libvirt's order of elements, so that what is formatted reads like what libvirt
 * prints. Lists of devices are one row each; a device's own rows are in its file.
 *
 * Sizes: libvirt's <memory> counts boot memory and all memory devices; where there are NUMA cells
 * their sum is the boot memory, whatever <memory> says.
 */
#include "model/domain.h"

#include <string.h>

#include <gio/gio.h>

#include "model/controller.h"
#include "model/disk.h"
#include "model/iothread.h"
#include "model/memory.h"
#include "model/quantity.h"

static const char *const type_names[] = {
    [DOMAIN_TYPE_QEMU] = "qemu",
    [DOMAIN_TYPE_KVM] = "kvm",
    NULL,
};
static const char *const lifecycle_names[] = {
    [ACTION_DESTROY] = "destroy", [ACTION_RESTART] = "restart", [ACTION_PRESERVE] = "preserve",
    [ACTION_RENAME_RESTART] = "rename-restart",
    [ACTION_COREDUMP_DESTROY] = "coredump-destroy",
    [ACTION_COREDUMP_RESTART] = "coredump-restart", NULL,
};
static const char *const numa_mode_names[] = {
    [NUMA_MODE_STRICT] = "strict", [NUMA_MODE_PREFERRED] = "preferred",
    [NUMA_MODE_INTERLEAVE] = "interleave", [NUMA_MODE_RESTRICTIVE] = "restrictive", NULL,
};
static const char *const placement_names[] = { NULL, "static", "auto", NULL };
static const char *const memory_source_names[] = {
    [MEMORY_SOURCE_ANONYMOUS] = "anonymous", [MEMORY_SOURCE_FILE] = "file",
    [MEMORY_SOURCE_MEMFD] = "memfd", NULL,
};
static const char *const access_names[] = {
    [MEMORY_ACCESS_SHARED] = "shared",
    [MEMORY_ACCESS_PRIVATE] = "private",
    NULL,
};
static const char *const allocation_names[] = {
    [ALLOCATION_IMMEDIATE] = "immediate",
    [ALLOCATION_ONDEMAND] = "ondemand",
    NULL,
};
static const char *const firmware_names[] = {
    [FIRMWARE_BIOS] = "bios",
    [FIRMWARE_EFI] = "efi",
    NULL,
};
static const char *const loader_names[] = {
    [LOADER_ROM] = "rom",
    [LOADER_PFLASH] = "pflash",
    NULL,
};
static const char *const boot_names[] = {
    [BOOT_FD] = "fd", [BOOT_HD] = "hd", [BOOT_CDROM] = "cdrom", [BOOT_NETWORK] = "network", NULL,
};
static const char *const cpu_mode_names[] = {
    [CPU_CUSTOM] = "custom", [CPU_HOST_MODEL] = "host-model",
    [CPU_HOST_PASSTHROUGH] = "host-passthrough", [CPU_MAXIMUM] = "maximum", NULL,
};
static const char *const cpu_match_names[] = { NULL, "exact", "minimum", "strict", NULL };
static const char *const cpu_check_names[] = { NULL, "none", "partial", "full", NULL };
static const char *const cpu_fallback_names[] = { NULL, "allow", "forbid", NULL };
static const char *const feature_policy_names[] = {
    [CPU_FEATURE_FORCE] = "force", [CPU_FEATURE_REQUIRE] = "require",
    [CPU_FEATURE_OPTIONAL] = "optional", [CPU_FEATURE_DISABLE] = "disable",
    [CPU_FEATURE_FORBID] = "forbid", NULL,
};
static const char *const phys_addr_names[] = { NULL, "passthrough", "emulate", NULL };
static const char *const clock_names[] = {
    [CLOCK_OFFSET_UTC] = "utc", [CLOCK_OFFSET_LOCALTIME] = "localtime",
    [CLOCK_OFFSET_TIMEZONE] = "timezone", [CLOCK_OFFSET_VARIABLE] = "variable",
    [CLOCK_OFFSET_ABSOLUTE] = "absolute", NULL,
};
static const char *const timer_names[] = {
    [TIMER_PLATFORM] = "platform", [TIMER_PIT] = "pit", [TIMER_RTC] = "rtc",
    [TIMER_HPET] = "hpet", [TIMER_TSC] = "tsc", [TIMER_KVMCLOCK] = "kvmclock",
    [TIMER_HYPERVCLOCK] = "hypervclock", NULL,
};
static const char *const tick_names[] = {
    [TICK_DELAY] = "delay", [TICK_CATCHUP] = "catchup", [TICK_MERGE] = "merge",
    [TICK_DISCARD] = "discard", NULL,
};
static const char *const track_names[] = { NULL, "boot", "guest", "wall", "realtime", NULL };

static const Field huge_page_fields[] = {
    FIELD_SIZE(HugePage, size, .path = "@size", .is_required = true, .doc = "Page size."),
    FIELD_CPUSET(HugePage, nodeset, .path = "@nodeset", .doc = "Guest NUMA nodes it is for."),
    FIELD_END,
};
static const Schema huge_page_schema = { .element = "page", .size = sizeof(HugePage),
                                         .fields = huge_page_fields, .doc = "A huge page size." };

static const Field memory_node_fields[] = {
    FIELD_UINT(MemoryNode, cell, .path = "@cellid", .is_required = true, .doc = "Guest NUMA node."),
    FIELD_ENUM(MemoryNode, mode, numa_mode_names, .path = "@mode", .is_required = true,
               .doc = "How the host's nodes are used."),
    FIELD_CPUSET(MemoryNode, nodeset, .path = "@nodeset", .is_required = true,
                 .doc = "Host NUMA nodes."),
    FIELD_END,
};
static const Schema memory_node_schema = { .element = "memnode", .size = sizeof(MemoryNode),
                                           .fields = memory_node_fields,
                                           .doc = "Placement of one guest NUMA node's memory." };

static const Field boot_fields[] = {
    FIELD_ENUM(Boot, device, boot_names, .path = "@dev", .is_required = true,
               .doc = "`hd`, `cdrom`, `network` or `fd`."),
    FIELD_END,
};
static const Schema boot_schema = { .element = "boot", .size = sizeof(Boot), .fields = boot_fields,
                                    .doc = "A device class to boot from, in order." };

static const Field cpu_feature_fields[] = {
    FIELD_ENUM(CpuFeature, policy, feature_policy_names, .path = "@policy",
               .doc = "`require` by default."),
    FIELD_STRING(CpuFeature, name, .path = "@name", .is_required = true, .doc = "Feature's name."),
    FIELD_END,
};
static char *
cpu_feature_key(gconstpointer item)
{
    return g_strdup(((const CpuFeature *) item)->name);
}
static const Schema cpu_feature_schema = { .element = "feature", .size = sizeof(CpuFeature),
                                           .fields = cpu_feature_fields, .key = cpu_feature_key,
                                           .doc = "A CPU feature." };

static const Field distance_fields[] = {
    FIELD_UINT(NumaDistance, cell, .path = "@id", .is_required = true, .doc = "The other cell."),
    FIELD_UINT(NumaDistance, value, .path = "@value", .is_required = true, .min = 10, .max = 255,
               .doc = "Distance; 10 is local."),
    FIELD_END,
};
static const Schema distance_schema = { .element = "sibling", .size = sizeof(NumaDistance),
                                        .fields = distance_fields,
                                        .doc = "Distance to another NUMA cell." };

static const Field cell_fields[] = {
    FIELD_UINT(NumaCell, id, .path = "@id", .max = 127, .doc = "Number; by order if left out."),
    FIELD_CPUSET(NumaCell, cpus, .path = "@cpus", .doc = "The cell's virtual CPUs."),
    FIELD_SIZE(NumaCell, memory, .path = "@memory", .is_required = true, .doc = "The cell's memory."),
    FIELD_ENUM(NumaCell, access, access_names, .path = "@memAccess",
               .doc = "Whether the memory can be shared with other processes."),
    FIELD_YES_NO(NumaCell, discard, .path = "@discard", .doc = "Drop the backing file's content."),
    FIELD_LIST(NumaCell, distances, &distance_schema, .path = "distances/sibling",
               .doc = "Distances to other cells."),
    FIELD_END,
};
static const Schema cell_schema = { .element = "cell", .size = sizeof(NumaCell),
                                    .fields = cell_fields, .doc = "A guest NUMA node." };

static const Field timer_fields[] = {
    FIELD_ENUM(ClockTimer, name, timer_names, .path = "@name", .is_required = true,
               .doc = "Which timer."),
    FIELD_YES_NO(ClockTimer, present, .path = "@present", .doc = "Whether the guest has it."),
    FIELD_ENUM(ClockTimer, tick_policy, tick_names, .path = "@tickpolicy",
               .doc = "What missed ticks become."),
    FIELD_ENUM(ClockTimer, track, track_names, .path = "@track", .doc = "What it follows."),
    FIELD_END,
};
static char *
timer_key(gconstpointer item)
{
    return g_strdup(timer_names[((const ClockTimer *) item)->name]);
}
static const Schema timer_schema = { .element = "timer", .size = sizeof(ClockTimer),
                                     .fields = timer_fields, .key = timer_key,
                                     .doc = "A timer." };

static const Field domain_fields[] = {
    FIELD_ENUM(Domain, type, type_names, .path = "@type", .is_required = true,
               .doc = "`kvm`, or `qemu` for emulation."),
    { .type = TYPE_NONE, .path = "@id", .is_output = true, .doc = "libvirt's number of the run." },
    FIELD_STRING(Domain, name, .path = "name", .is_required = true, .change = CHANGE_IDENTITY,
                 .doc = "Name: the domain's identity."),
    FIELD_UUID(Domain, uuid, .path = "uuid", .change = CHANGE_IDENTITY,
               .doc = "UUID; derived at first sight and kept when left out."),
    FIELD_STRING(Domain, title, .path = "title", .change = CHANGE_NONE, .doc = "Short text."),
    FIELD_STRING(Domain, description, .path = "description", .change = CHANGE_NONE,
                 .doc = "Any text."),
    FIELD_RAW(Domain, metadata, .path = "metadata", .change = CHANGE_NONE,
              .doc = "Other programs' XML, kept; `vk:policy` is virtkeep's (docs/configuration.md)."),
    FIELD_SIZE(Domain, max_memory, .path = "maxMemory",
               .doc = "What memory can grow to with memory devices."),
    FIELD_UINT(Domain, max_memory_slots, .path = "maxMemory/@slots", .max = 256,
               .doc = "Slots for DIMMs; virtio-mem needs none."),
    FIELD_SIZE(Domain, memory, .path = "memory", .is_required = true, .change = CHANGE_NONE,
               .doc = "Boot memory and all memory devices together."),
    FIELD_ON_OFF(Domain, dump_core, .path = "memory/@dumpCore",
                 .doc = "Guest memory in QEMU's core dumps."),
    FIELD_SIZE(Domain, current_memory, .path = "currentMemory",
               .doc = "The balloon's target at start."),
    FIELD_FLAG(Domain, has_huge_pages, .path = "memoryBacking/hugepages",
               .doc = "Back memory with huge pages."),
    FIELD_LIST(Domain, huge_pages, &huge_page_schema, .path = "memoryBacking/hugepages/page",
               .doc = "Page sizes, each for some guest NUMA nodes."),
    FIELD_FLAG(Domain, no_share_pages, .path = "memoryBacking/nosharepages",
               .doc = "Keep the host from merging pages."),
    FIELD_FLAG(Domain, is_locked, .path = "memoryBacking/locked",
               .doc = "Lock memory in RAM; excludes virtio-mem."),
    FIELD_ENUM(Domain, memory_source, memory_source_names, .path = "memoryBacking/source/@type",
               .doc = "`anonymous`, `file` or `memfd`."),
    FIELD_ENUM(Domain, memory_access, access_names, .path = "memoryBacking/access/@mode",
               .doc = "`shared` or `private`."),
    FIELD_ENUM(Domain, memory_allocation, allocation_names,
               .path = "memoryBacking/allocation/@mode", .doc = "`immediate` or `ondemand`."),
    FIELD_UINT(Domain, allocation_threads, .path = "memoryBacking/allocation/@threads", .min = 1,
               .doc = "Threads that preallocate."),
    FIELD_FLAG(Domain, is_discard, .path = "memoryBacking/discard",
               .doc = "Drop the backing file's content when QEMU ends."),
    FIELD_UINT(Domain, vcpus, .path = "vcpu", .min = 1, .max = 4096, .doc = "Virtual CPUs."),
    FIELD_ENUM(Domain, vcpu_placement, placement_names, .path = "vcpu/@placement",
               .doc = "`static`; `auto` needs numad and is refused."),
    FIELD_CPUSET(Domain, vcpu_cpuset, .path = "vcpu/@cpuset",
                 .refuse = "pinning virtual CPUs is not supported yet",
                 .doc = "Host CPUs the virtual ones run on."),
    FIELD_UINT(Domain, vcpus_current, .path = "vcpu/@current", .min = 1,
               .doc = "How many of them are there at start."),
    FIELD_ENUM(Domain, numa_mode, numa_mode_names, .path = "numatune/memory/@mode",
               .doc = "How the host's NUMA nodes are used; `strict` by default."),
    FIELD_CPUSET(Domain, numa_nodeset, .path = "numatune/memory/@nodeset",
                 .doc = "Host NUMA nodes."),
    FIELD_ENUM(Domain, numa_placement, placement_names, .path = "numatune/memory/@placement",
               .doc = "`static`; `auto` needs numad and is refused."),
    FIELD_LIST(Domain, memory_nodes, &memory_node_schema, .path = "numatune/memnode",
               .doc = "Placement by guest NUMA node."),
    FIELD_ENUM(Domain, firmware, firmware_names, .path = "os/@firmware",
               .refuse = "choosing firmware is not supported yet; name it in <loader>",
               .doc = "Let virtkeep choose the firmware."),
    FIELD_STRING(Domain, os_type, .path = "os/type", .is_required = true, .doc = "`hvm`."),
    FIELD_STRING(Domain, arch, .path = "os/type/@arch", .doc = "`x86_64`, the default, or `i686`."),
    FIELD_STRING(Domain, machine, .path = "os/type/@machine",
                 .doc = "QEMU's machine type; `pc` by default."),
    FIELD_STRING(Domain, loader, .path = "os/loader", .doc = "Path of the firmware."),
    FIELD_YES_NO(Domain, loader_readonly, .path = "os/loader/@readonly",
                 .doc = "Whether the guest can write to it."),
    FIELD_YES_NO(Domain, loader_secure, .path = "os/loader/@secure",
                 .doc = "Secure Boot: needs smm."),
    FIELD_ENUM(Domain, loader_type, loader_names, .path = "os/loader/@type",
               .doc = "`rom` or `pflash`."),
    FIELD_STRING(Domain, nvram, .path = "os/nvram", .doc = "The guest's own variable store."),
    FIELD_STRING(Domain, nvram_template, .path = "os/nvram/@template",
                 .doc = "What it is made from when it is not there."),
    FIELD_STRING(Domain, kernel, .path = "os/kernel", .doc = "Kernel to boot directly."),
    FIELD_STRING(Domain, initrd, .path = "os/initrd", .doc = "Its initial RAM disk."),
    FIELD_STRING(Domain, cmdline, .path = "os/cmdline", .doc = "Its command line."),
    FIELD_LIST(Domain, boots, &boot_schema, .path = "os/boot", .doc = "What to boot from."),
    FIELD_YES_NO(Domain, boot_menu, .path = "os/bootmenu/@enable", .doc = "The firmware's menu."),
    FIELD_UINT(Domain, boot_menu_timeout, .path = "os/bootmenu/@timeout", .max = 65535,
               .doc = "How long it waits, in ms."),
    FIELD_YES_NO(Domain, bios_use_serial, .path = "os/bios/@useserial",
                 .doc = "The firmware talks on the serial port."),
    FIELD_INT(Domain, bios_reboot_timeout, .path = "os/bios/@rebootTimeout",
              .doc = "Wait before booting again, in ms; -1 is never."),
    FIELD_FLAG(Domain, acpi, .path = "features/acpi", .doc = "ACPI tables; needed to shut down."),
    FIELD_FLAG(Domain, apic, .path = "features/apic", .doc = "The APIC; always there on x86."),
    FIELD_ON_OFF(Domain, apic_eoi, .path = "features/apic/@eoi", .doc = "Paravirtual end of interrupt."),
    FIELD_FLAG(Domain, pae, .path = "features/pae", .doc = "Physical address extension."),
    FIELD_ON_OFF(Domain, kvm_hidden, .path = "features/kvm/hidden/@state",
                 .doc = "Hide KVM from the guest."),
    FIELD_ON_OFF(Domain, pmu, .path = "features/pmu/@state", .doc = "Performance counters."),
    FIELD_ON_OFF(Domain, vmport, .path = "features/vmport/@state", .doc = "VMware's I/O port."),
    FIELD_ON_OFF(Domain, smm, .path = "features/smm/@state", .doc = "System management mode."),
    FIELD_ON_OFF(Domain, ps2, .path = "features/ps2/@state", .doc = "The PS/2 controller."),
    FIELD_ENUM(Domain, cpu_mode, cpu_mode_names, .path = "cpu/@mode", .doc = "Where the model comes from."),
    FIELD_ENUM(Domain, cpu_match, cpu_match_names, .path = "cpu/@match",
               .doc = "`exact`, what QEMU gives; others are refused."),
    FIELD_ENUM(Domain, cpu_check, cpu_check_names, .path = "cpu/@check",
               .doc = "How the CPU is compared with the host's; `none` and `partial`."),
    FIELD_ON_OFF(Domain, cpu_migratable, .path = "cpu/@migratable",
                 .doc = "Leave out what hinders migration."),
    FIELD_STRING(Domain, cpu_model, .path = "cpu/model", .doc = "QEMU's CPU model."),
    FIELD_ENUM(Domain, cpu_fallback, cpu_fallback_names, .path = "cpu/model/@fallback",
               .doc = "Whether another model will do; virtkeep takes no other."),
    FIELD_STRING(Domain, cpu_vendor_id, .path = "cpu/model/@vendor_id",
                 .doc = "Vendor string the guest sees, 12 characters."),
    FIELD_STRING(Domain, cpu_vendor, .path = "cpu/vendor", .doc = "Vendor the host must have."),
    FIELD_UINT(Domain, sockets, .path = "cpu/topology/@sockets", .min = 1, .doc = "Sockets."),
    FIELD_UINT(Domain, dies, .path = "cpu/topology/@dies", .min = 1, .doc = "Dies a socket."),
    FIELD_UINT(Domain, clusters, .path = "cpu/topology/@clusters", .min = 1, .doc = "Clusters a die."),
    FIELD_UINT(Domain, cores, .path = "cpu/topology/@cores", .min = 1, .doc = "Cores a cluster."),
    FIELD_UINT(Domain, threads, .path = "cpu/topology/@threads", .min = 1, .doc = "Threads a core."),
    FIELD_ENUM(Domain, max_phys_addr_mode, phys_addr_names, .path = "cpu/maxphysaddr/@mode",
               .doc = "Where the address width comes from."),
    FIELD_UINT(Domain, max_phys_addr_bits, .path = "cpu/maxphysaddr/@bits", .min = 1, .max = 64,
               .doc = "Physical address width."),
    FIELD_LIST(Domain, cpu_features, &cpu_feature_schema, .path = "cpu/feature",
               .doc = "Features beside the model's."),
    FIELD_LIST(Domain, cells, &cell_schema, .path = "cpu/numa/cell", .doc = "Guest NUMA nodes."),
    FIELD_ENUM(Domain, clock_offset, clock_names, .path = "clock/@offset",
               .doc = "`utc` (default), `localtime`, `timezone`, `variable`, `absolute`."),
    FIELD_STRING(Domain, clock_timezone, .path = "clock/@timezone", .doc = "timezone: its name."),
    FIELD_STRING(Domain, clock_basis, .path = "clock/@basis", .doc = "variable: `utc` or `localtime`."),
    FIELD_STRING(Domain, clock_adjustment, .path = "clock/@adjustment",
                 .doc = "variable: seconds to add."),
    FIELD_STRING(Domain, clock_start, .path = "clock/@start", .doc = "absolute: seconds since 1970."),
    FIELD_LIST(Domain, timers, &timer_schema, .path = "clock/timer", .doc = "Timers."),
    FIELD_ENUM(Domain, on_poweroff, lifecycle_names, .path = "on_poweroff", .change = CHANGE_NONE,
               .doc = "What the guest's power-off does: `destroy` (default) or `restart`."),
    FIELD_ENUM(Domain, on_reboot, lifecycle_names, .path = "on_reboot",
               .doc = "What the guest's reboot does: `restart` (default) or `destroy`."),
    FIELD_ENUM(Domain, on_crash, lifecycle_names, .path = "on_crash", .change = CHANGE_NONE,
               .doc = "What a crash of the guest does: `destroy` (default), `restart` or `preserve`."),
    FIELD_YES_NO(Domain, suspend_to_mem, .path = "pm/suspend-to-mem/@enabled",
                 .doc = "Whether the guest can sleep."),
    FIELD_YES_NO(Domain, suspend_to_disk, .path = "pm/suspend-to-disk/@enabled",
                 .doc = "Whether the guest can hibernate."),
    FIELD_STRING(Domain, emulator, .path = "devices/emulator",
                 .doc = "QEMU's binary: one of the configuration's `emulators`."),
    FIELD_NO_EFFECT("virtkeep confines no process by security labels", .path = "seclabel",
                    .doc = "SELinux and AppArmor labels."),
    FIELD_END,
};

/* The rows above and one list a device kind, joined once. */
static Field all_fields[G_N_ELEMENTS(domain_fields) + 40];

const Schema domain_schema = {
    .element = "domain",
    .size = sizeof(Domain),
    .fields = all_fields,
    .doc = "A virtual machine.",
};

__attribute__((constructor)) static void
join_fields(void)
{
    static char paths[40][40];
    guint n = 0;

    for (const Field *field = domain_fields; field->path; field++)
        all_fields[n++] = *field;
    for (const Field *field = domain_io_fields; field->path; field++)
        all_fields[n++] = *field;
    for (guint i = 0; device_kinds[i]; i++) {
        g_snprintf(paths[i], sizeof(paths[i]), "devices/%s", device_kinds[i]->name);
        all_fields[n++] = (Field){
            .path = paths[i],
            .type = TYPE_LIST,
            .offset = device_kinds[i]->list_offset,
            .schema = device_kinds[i]->schema,
            .doc = device_kinds[i]->schema->doc,
        };
    }
    g_assert(n < G_N_ELEMENTS(all_fields));
}

void
domain_free(Domain *domain)
{
    if (domain)
        schema_free(&domain_schema, domain);
}

Domain *
domain_copy(const Domain *domain)
{
    return schema_copy(&domain_schema, domain);
}

char *
domain_format(const Domain *domain)
{
    g_autoptr(XmlNode) node = schema_format(&domain_schema, domain);

    return xml_format(node, NULL);
}

Domain *
domain_parse_own(const char *xml, GError **error)
{
    g_autoptr(Diagnostics) diagnostics = diagnostics_new("(state)");
    g_autoptr(XmlNode) node = xml_parse(xml, strlen(xml), diagnostics);
    g_autoptr(Domain) domain = NULL;

    if (node)
        domain = schema_parse(&domain_schema, node, "", NULL, diagnostics);
    if (diagnostics_has_errors(diagnostics)) {
        g_autofree char *text =
            diagnostic_format(diagnostics, diagnostics_first_error(diagnostics));

        g_set_error_literal(error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, text);
        return NULL;
    }
    return g_steal_pointer(&domain);
}

guint64
domain_boot_memory(const Domain *domain)
{
    guint64 cells = 0, devices = 0;

    for (guint i = 0; i < list_length(domain->cells); i++)
        cells += list_at(domain->cells, i, NumaCell)->memory.value;
    if (cells)
        return cells;
    for (guint i = 0; i < list_length(domain->memories); i++)
        devices += list_at(domain->memories, i, MemoryDevice)->size.value;
    return domain->memory.value > devices ? domain->memory.value - devices : 0;
}

bool
domain_is_q35(const Domain *domain)
{
    return domain->machine &&
           (g_str_equal(domain->machine, "q35") || g_str_has_prefix(domain->machine, "pc-q35"));
}

bool
domain_scsi_is_narrow(const Domain *domain, guint64 index)
{
    for (guint i = 0; i < list_length(domain->controllers); i++) {
        const Controller *controller = list_at(domain->controllers, i, Controller);

        if (controller->type == CONTROLLER_SCSI && controller->index.value == index)
            return controller->model == CONTROLLER_MODEL_LSILOGIC;
    }
    return false;
}

/* ---- rules over several rows ---- */

#define NAME_MAX_BYTES 200

/* NULL when good. A name is a file name too (RUN/NAME), with room for suffixes. */
static const char *
name_mistake(const char *name)
{
    if (!*name)
        return "a name is not empty";
    if (strchr(name, '/') || strchr(name, '\n'))
        return "a name has no '/' and no line break";
    if (*name == '.' || *name == '-')
        return "a name begins neither with '.' nor with '-'";
    if (strlen(name) > NAME_MAX_BYTES)
        return "a name has at most 200 bytes";
    return NULL;
}

bool
domain_name_is_valid(const char *name)
{
    return !name_mistake(name);
}

static void
validate_name(const Validation *v)
{
    const char *mistake = v->domain->name ? name_mistake(v->domain->name) : NULL;

    if (mistake)
        validation_error(v, "name", "domain-name", "%s", mistake);
}

static void
validate_memory(const Validation *v)
{
    const Domain *domain = v->domain;
    guint64 devices = 0, boot = domain_boot_memory(domain), n_dimms = 0;

    for (guint i = 0; i < list_length(domain->memories); i++) {
        const MemoryDevice *memory = list_at(domain->memories, i, MemoryDevice);

        if (memory->size.value > G_MAXUINT64 - devices)
            return validation_error(v, "devices/memory", "memory-size", "memory sizes overflow");
        devices += memory->size.value;
        n_dimms += memory->model == MEMORY_MODEL_DIMM || memory->model == MEMORY_MODEL_NVDIMM;
        if (domain->is_locked && memory->model == MEMORY_MODEL_VIRTIO_MEM)
            validation_error(v, "memoryBacking/locked", "memory-locked",
                             "locked memory and virtio-mem exclude each other");
    }
    if (domain->memory.is_set && !boot)
        validation_error(v, "memory", "memory-boot",
                         "no boot memory is left: <memory> counts the memory devices too");
    if (domain->max_memory.is_set && devices > 0 &&
        (boot > domain->max_memory.value || devices > domain->max_memory.value - boot)) {
        g_autofree char *sum = size_text(boot + devices);
        g_autofree char *max = size_text(domain->max_memory.value);

        validation_error(v, "maxMemory", "memory-maximum",
                         "boot memory and memory devices (%s) exceed maxMemory (%s)", sum, max);
    }
    if (domain->max_memory.is_set && domain->max_memory.value < boot)
        validation_error(v, "maxMemory", "memory-maximum", "maxMemory is below the boot memory");
    if (n_dimms > domain->max_memory_slots.value)
        validation_error(v, "maxMemory", "memory-slots", "%u DIMMs need as many slots",
                         (guint) n_dimms);
}

static void
validate_cells(const Validation *v)
{
    const Domain *domain = v->domain;
    guint n_cells = list_length(domain->cells);
    bool seen[128] = { false }, cpus[4096] = { false };

    for (guint i = 0; i < n_cells; i++) {
        const NumaCell *cell = list_at(domain->cells, i, NumaCell);
        g_autofree char *path = g_strdup_printf("cpu/numa/cell[%u]", i);
        guint64 id = cell->id.is_set ? cell->id.value : i;
        g_autoptr(GArray) members = cell->cpus ? cpuset_members(cell->cpus) : NULL;

        if (id >= n_cells)
            validation_error(v, path, "numa-cell", "cell ids run from 0 to %u", n_cells - 1);
        else if (seen[id])
            validation_error(v, path, "numa-cell", "cell %u is there twice", (guint) id);
        else
            seen[id] = true;
        for (guint c = 0; members && c < members->len; c++) {
            guint cpu = g_array_index(members, guint, c);

            if (domain->vcpus.is_set && cpu >= domain->vcpus.value)
                validation_error(v, path, "numa-cpus", "the guest has no virtual CPU %u", cpu);
            else if (cpus[cpu])
                validation_error(v, path, "numa-cpus", "virtual CPU %u is in two cells", cpu);
            cpus[cpu] = true;
        }
    }
}

static void
validate_cpu(const Validation *v)
{
    const Domain *domain = v->domain;
    guint64 vcpus = domain->vcpus.is_set ? domain->vcpus.value : 1;
    const OptUint *counts[] = { &domain->sockets, &domain->dies, &domain->clusters, &domain->cores,
                                &domain->threads };
    guint64 product = 1;
    bool has_topology = false;

    if (domain->vcpus_current.value > vcpus)
        validation_error(v, "vcpu/@current", "vcpu-current", "more than the %u virtual CPUs",
                         (guint) vcpus);
    for (guint i = 0; i < G_N_ELEMENTS(counts); i++) {
        has_topology |= counts[i]->is_set;
        product *= counts[i]->is_set ? MIN(counts[i]->value, 65536) : 1;
    }
    if (has_topology && product != vcpus)
        validation_error(v, "cpu/topology", "cpu-topology",
                         "the topology has %" G_GUINT64_FORMAT " CPUs, <vcpu> says %u", product,
                         (guint) vcpus);
    if (domain->vcpu_placement == 2 || domain->numa_placement == 2)
        validation_error(v, domain->vcpu_placement == 2 ? "vcpu/@placement"
                                                        : "numatune/memory/@placement",
                         "not-supported", "placement 'auto' needs numad, which virtkeep does not use");
    if (domain->cpu_mode == CPU_HOST_MODEL)
        validation_error(v, "cpu/@mode", "not-supported", "mode 'host-model' is not supported yet");
    if (domain->cpu_mode == CPU_HOST_PASSTHROUGH && domain->type == DOMAIN_TYPE_QEMU)
        validation_error(v, "cpu/@mode", "cpu-mode",
                         "host-passthrough needs KVM; for type='qemu' use mode='maximum'");
    if (domain->cpu_match > 1)
        validation_error(v, "cpu/@match", "not-supported", "match '%s' is not supported yet",
                         cpu_match_names[domain->cpu_match]);
    if (domain->cpu_check == 3)
        validation_error(v, "cpu/@check", "not-supported", "check 'full' is not supported");
    if (domain->cpu_mode == CPU_CUSTOM && !domain->cpu_model)
        validation_error(v, "cpu", "cpu-model", "mode 'custom' needs a <model>");
}

static void
validate_os(const Validation *v)
{
    const Domain *domain = v->domain;

    if (domain->os_type && !g_str_equal(domain->os_type, "hvm"))
        validation_error(v, "os/type", "os-type", "only 'hvm' is a QEMU guest");
    if (domain->arch && !g_str_equal(domain->arch, "x86_64") && !g_str_equal(domain->arch, "i686"))
        validation_error(v, "os/type/@arch", "os-arch", "only x86_64 and i686 guests are run");
    if ((domain->initrd || domain->cmdline) && !domain->kernel)
        validation_error(v, domain->initrd ? "os/initrd" : "os/cmdline", "os-kernel",
                         "needs a <kernel>");
    if (domain->loader && !g_path_is_absolute(domain->loader))
        validation_error(v, "os/loader", "os-loader", "must be an absolute path");
    if (domain->nvram && domain->loader_type != LOADER_PFLASH)
        validation_error(v, "os/nvram", "os-nvram", "needs <loader type='pflash'>");
    if (domain->loader_secure == TRISTATE_ON && domain->smm != TRISTATE_ON)
        validation_error(v, "os/loader/@secure", "os-secure",
                         "Secure Boot needs <smm state='on'/> in <features>");
    if (domain->boot_menu_timeout.is_set && domain->boot_menu != TRISTATE_ON)
        validation_error(v, "os/bootmenu/@timeout", "os-bootmenu", "needs enable='yes'");
}

static void
validate_lifecycle(const Validation *v)
{
    const Domain *domain = v->domain;
    const struct {
        const char *path;
        int action;
        guint allowed;
    } rows[] = {
        { "on_poweroff", domain->on_poweroff, 1u << ACTION_DESTROY | 1u << ACTION_RESTART },
        { "on_reboot", domain->on_reboot, 1u << ACTION_DESTROY | 1u << ACTION_RESTART },
        { "on_crash", domain->on_crash,
          1u << ACTION_DESTROY | 1u << ACTION_RESTART | 1u << ACTION_PRESERVE },
    };

    for (guint i = 0; i < G_N_ELEMENTS(rows); i++)
        if (rows[i].action && !(rows[i].allowed & 1u << rows[i].action))
            validation_error(v, rows[i].path, "not-supported", "'%s' is not supported",
                             lifecycle_names[rows[i].action]);
}

static void
validate_clock(const Validation *v)
{
    const Domain *domain = v->domain;

    if (domain->clock_timezone && domain->clock_offset != CLOCK_OFFSET_TIMEZONE)
        validation_error(v, "clock/@timezone", "clock", "is for offset='timezone'");
    if ((domain->clock_basis || domain->clock_adjustment) &&
        domain->clock_offset != CLOCK_OFFSET_VARIABLE)
        validation_error(v, "clock", "clock", "basis and adjustment are for offset='variable'");
    if (domain->clock_start && domain->clock_offset != CLOCK_OFFSET_ABSOLUTE)
        validation_error(v, "clock/@start", "clock", "is for offset='absolute'");
}

/* Boot order: each number once, and never beside <os><boot>. */
static void
validate_boot_order(const Validation *v)
{
    g_autoptr(GHashTable) seen = g_hash_table_new(g_direct_hash, g_direct_equal);

    for (guint k = 0; device_kinds[k]; k++) {
        const GPtrArray *devices = domain_devices(v->domain, device_kinds[k]);

        for (guint i = 0; i < list_length(devices); i++) {
            const DeviceInfo *info = devices->pdata[i];
            g_autofree char *path =
                g_strdup_printf("devices/%s[%u]/boot/@order", device_kinds[k]->name, i);

            if (!info->boot_order.is_set)
                continue;
            if (list_length(v->domain->boots))
                validation_error(v, path, "boot-order", "excludes <boot> in <os>");
            if (!g_hash_table_add(seen, GUINT_TO_POINTER((guint) info->boot_order.value)))
                validation_error(v, path, "boot-order", "%u is another device's place",
                                 (guint) info->boot_order.value);
        }
    }
}

static void
validate_devices(const Validation *v)
{
    for (guint k = 0; device_kinds[k]; k++) {
        const GPtrArray *devices = domain_devices(v->domain, device_kinds[k]);

        for (guint i = 0; device_kinds[k]->validate && i < list_length(devices); i++) {
            g_autofree char *path = g_strdup_printf("devices/%s[%u]", device_kinds[k]->name, i);
            Validation device = { v->domain, v->positions, v->diagnostics, path };

            device_kinds[k]->validate(&device, devices->pdata[i]);
        }
    }
}

void
domain_validate(const Domain *domain, const PositionMap *positions, Diagnostics *diagnostics)
{
    char root[] = "";
    Validation v = { domain, positions, diagnostics, root };

    validate_name(&v);
    validate_memory(&v);
    validate_cells(&v);
    validate_cpu(&v);
    validate_os(&v);
    validate_lifecycle(&v);
    validate_clock(&v);
    validate_boot_order(&v);
    domain_io_validate(&v);
    validate_devices(&v);
}
