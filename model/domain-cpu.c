/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * <cpu>: the virtual CPU's model and features, how many there are in what topology, and the
 * guest's NUMA nodes with their distances and (HMAT) what memory costs from where.
 *
 * libvirt knows the host's CPU from a database of its own and can therefore compare (match, check)
 * and choose (fallback). virtkeep has none: QEMU decides, and what is thus not compared is said as
 * a warning, never passed over. A cell without an id has its place in the list as number.
 */
#include "model/domain-section.h"
#include "model/iommu.h"
#include "model/quantity.h"

#include <string.h>

static const char *const cpu_mode_names[] = {
    [CPU_CUSTOM] = "custom",
    [CPU_HOST_MODEL] = "host-model",
    [CPU_HOST_PASSTHROUGH] = "host-passthrough",
    [CPU_MAXIMUM] = "maximum",
    NULL,
};
enum { MATCH_EXACT = 1, MATCH_MINIMUM, MATCH_STRICT };
static const char *const cpu_match_names[] = { NULL, "exact", "minimum", "strict", NULL };
enum { CHECK_NONE = 1, CHECK_PARTIAL, CHECK_FULL };
static const char *const cpu_check_names[] = { NULL, "none", "partial", "full", NULL };
static const char *const cpu_fallback_names[] = { NULL, "allow", "forbid", NULL };
static const char *const feature_policy_names[] = {
    [CPU_FEATURE_FORCE] = "force",       [CPU_FEATURE_REQUIRE] = "require",
    [CPU_FEATURE_OPTIONAL] = "optional", [CPU_FEATURE_DISABLE] = "disable",
    [CPU_FEATURE_FORBID] = "forbid",     NULL,
};
static const char *const phys_addr_names[] = {
    [PHYS_ADDR_PASSTHROUGH] = "passthrough",
    [PHYS_ADDR_EMULATE] = "emulate",
    NULL,
};
static const char *const cache_mode_names[] = {
    [CPU_CACHE_EMULATE] = "emulate",
    [CPU_CACHE_PASSTHROUGH] = "passthrough",
    [CPU_CACHE_DISABLE] = "disable",
    NULL,
};
static const char *const associativity_names[] = { NULL, "none", "direct", "full", NULL };
static const char *const cache_policy_names[] = { NULL, "none", "writeback", "writethrough", NULL };
static const char *const interconnect_names[] = { NULL, "access", "read", "write", NULL };

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
static const Schema cpu_feature_schema = { .element = "feature",
                                           .size = sizeof(CpuFeature),
                                           .fields = cpu_feature_fields,
                                           .key = cpu_feature_key,
                                           .doc = "A CPU feature." };

static const Field distance_fields[] = {
    FIELD_UINT(NumaDistance, cell, .path = "@id", .is_required = true, .doc = "The other cell."),
    FIELD_UINT(NumaDistance, value, .path = "@value", .is_required = true, .min = 10, .max = 255,
               .doc = "Distance; 10 is local."),
    FIELD_END,
};
static const Schema distance_schema = { .element = "sibling",
                                        .size = sizeof(NumaDistance),
                                        .fields = distance_fields,
                                        .doc = "Distance to another NUMA cell." };

static const Field cell_cache_fields[] = {
    FIELD_UINT(NumaCache, level, .path = "@level", .is_required = true, .min = 1, .max = 3,
               .doc = "Which cache: 1 is nearest to memory's initiator."),
    FIELD_ENUM(NumaCache, associativity, associativity_names, .path = "@associativity",
               .is_required = true, .doc = "How addresses map to it."),
    FIELD_ENUM(NumaCache, policy, cache_policy_names, .path = "@policy", .is_required = true,
               .doc = "When it writes."),
    FIELD_SIZE(NumaCache, size, .path = "size/@value", .is_required = true, .doc = "Its size."),
    FIELD_SIZE(NumaCache, line, .path = "line/@value", .is_required = true, .unit = 1,
               .doc = "Size of a line."),
    FIELD_END,
};
static const Schema cell_cache_schema = { .element = "cache",
                                          .size = sizeof(NumaCache),
                                          .fields = cell_cache_fields,
                                          .doc = "A cache beside the cell's memory (HMAT)." };

static const Field latency_fields[] = {
    FIELD_UINT(NumaInterconnect, initiator, .path = "@initiator", .is_required = true,
               .doc = "The cell that asks."),
    FIELD_UINT(NumaInterconnect, target, .path = "@target", .is_required = true,
               .doc = "The cell that has the memory."),
    FIELD_UINT(NumaInterconnect, cache, .path = "@cache", .max = 3,
               .doc = "The target's cache that answers; memory itself if left out."),
    FIELD_ENUM(NumaInterconnect, type, interconnect_names, .path = "@type", .is_required = true,
               .doc = "What is done."),
    FIELD_UINT(NumaInterconnect, value, .path = "@value", .is_required = true,
               .doc = "Latency in nanoseconds."),
    FIELD_END,
};
static const Schema latency_schema = { .element = "latency",
                                       .size = sizeof(NumaInterconnect),
                                       .fields = latency_fields,
                                       .doc = "How long memory takes from a cell (HMAT)." };

static const Field bandwidth_fields[] = {
    FIELD_UINT(NumaInterconnect, initiator, .path = "@initiator", .is_required = true,
               .doc = "The cell that asks."),
    FIELD_UINT(NumaInterconnect, target, .path = "@target", .is_required = true,
               .doc = "The cell that has the memory."),
    FIELD_UINT(NumaInterconnect, cache, .path = "@cache", .max = 3,
               .doc = "The target's cache that answers; memory itself if left out."),
    FIELD_ENUM(NumaInterconnect, type, interconnect_names, .path = "@type", .is_required = true,
               .doc = "What is done."),
    FIELD_SIZE(NumaInterconnect, value, .path = "@value", .is_required = true,
               .doc = "Bytes a second."),
    FIELD_END,
};
static const Schema bandwidth_schema = { .element = "bandwidth",
                                         .size = sizeof(NumaInterconnect),
                                         .fields = bandwidth_fields,
                                         .doc = "How much memory gives to a cell (HMAT)." };

static const Field cell_fields[] = {
    FIELD_UINT(NumaCell, id, .path = "@id", .max = 127, .doc = "Number; by order if left out."),
    FIELD_CPUSET(NumaCell, cpus, .path = "@cpus", .doc = "The cell's virtual CPUs."),
    FIELD_SIZE(NumaCell, memory, .path = "@memory", .is_required = true,
               .doc = "The cell's memory."),
    FIELD_ENUM(NumaCell, access, memory_access_names, .path = "@memAccess",
               .doc = "Whether the memory can be shared with other processes."),
    FIELD_YES_NO(NumaCell, discard, .path = "@discard", .doc = "Drop the backing file's content."),
    FIELD_LIST(NumaCell, distances, &distance_schema, .path = "distances/sibling",
               .doc = "Distances to other cells."),
    FIELD_LIST(NumaCell, caches, &cell_cache_schema, .path = "cache",
               .doc = "Caches beside the memory (HMAT)."),
    FIELD_END,
};
static const Schema cell_schema = {
    .element = "cell", .size = sizeof(NumaCell), .fields = cell_fields, .doc = "A guest NUMA node."
};

static const Field cpu_fields[] = {
    FIELD_ENUM(Domain, cpu_mode, cpu_mode_names, .path = "cpu/@mode",
               .doc =
                   "Where the model comes from. `host-model` is the nearest model that QEMU has a "
                   "name for, with what the host has more and less (of migratable features)."),
    FIELD_ENUM(Domain, cpu_match, cpu_match_names, .path = "cpu/@match",
               .doc = "`exact`; with `minimum` the guest gets all the host has; `strict` is not "
                      "compared with the host."),
    FIELD_ENUM(Domain, cpu_check, cpu_check_names, .path = "cpu/@check",
               .doc = "How the CPU is compared with the host's before a start: QEMU's own check "
                      "is all there is."),
    FIELD_ON_OFF(Domain, cpu_migratable, .path = "cpu/@migratable",
                 .doc = "Leave out what hinders migration."),
    FIELD_REFUSED("is for s390x", .path = "cpu/@deprecated_features",
                  .doc = "Deprecated features of s390x."),
    FIELD_STRING(Domain, cpu_model, .path = "cpu/model", .doc = "QEMU's CPU model."),
    FIELD_ENUM(Domain, cpu_fallback, cpu_fallback_names, .path = "cpu/model/@fallback",
               .doc = "Whether another model will do; virtkeep takes no other."),
    FIELD_STRING(Domain, cpu_vendor_id, .path = "cpu/model/@vendor_id",
                 .doc = "Vendor string the guest sees, 12 characters."),
    FIELD_STRING(Domain, cpu_vendor, .path = "cpu/vendor", .doc = "Vendor the host must have."),
    FIELD_UINT(Domain, sockets, .path = "cpu/topology/@sockets", .min = 1, .doc = "Sockets."),
    FIELD_UINT(Domain, dies, .path = "cpu/topology/@dies", .min = 1, .doc = "Dies a socket."),
    FIELD_UINT(Domain, clusters, .path = "cpu/topology/@clusters", .min = 1,
               .doc = "Clusters a die."),
    FIELD_UINT(Domain, modules, .path = "cpu/topology/@modules", .min = 1,
               .doc = "Modules a cluster (QEMU 9.1 and later)."),
    FIELD_UINT(Domain, cores, .path = "cpu/topology/@cores", .min = 1, .doc = "Cores a cluster."),
    FIELD_UINT(Domain, threads, .path = "cpu/topology/@threads", .min = 1,
               .doc = "Threads a core."),
    FIELD_ENUM(Domain, cpu_cache_mode, cache_mode_names, .path = "cpu/cache/@mode",
               .doc = "What the guest is told of CPU caches."),
    FIELD_UINT(Domain, cpu_cache_level, .path = "cpu/cache/@level",
               .doc = "Of which: 3, with `emulate` only."),
    FIELD_ENUM(Domain, max_phys_addr_mode, phys_addr_names, .path = "cpu/maxphysaddr/@mode",
               .doc = "Where the address width comes from."),
    FIELD_UINT(Domain, max_phys_addr_bits, .path = "cpu/maxphysaddr/@bits", .min = 1, .max = 64,
               .doc = "Physical address width, with `emulate`."),
    FIELD_UINT(Domain, max_phys_addr_limit, .path = "cpu/maxphysaddr/@limit", .min = 1, .max = 64,
               .doc = "At most that much of the host's, with `passthrough`."),
    FIELD_LIST(Domain, cpu_features, &cpu_feature_schema, .path = "cpu/feature",
               .doc = "Features beside the model's."),
    FIELD_LIST(Domain, cells, &cell_schema, .path = "cpu/numa/cell", .doc = "Guest NUMA nodes."),
    FIELD_LIST(Domain, latencies, &latency_schema, .path = "cpu/numa/interconnects/latency",
               .doc = "Latencies between cells (HMAT)."),
    FIELD_LIST(Domain, bandwidths, &bandwidth_schema, .path = "cpu/numa/interconnects/bandwidth",
               .doc = "Bandwidths between cells (HMAT)."),
    FIELD_END,
};

guint64
domain_cell_id(const Domain *domain, guint index)
{
    const NumaCell *cell = list_at(domain->cells, index, NumaCell);

    return cell->id.is_set ? cell->id.value : index;
}

bool
domain_has_hmat(const Domain *domain)
{
    for (guint i = 0; i < list_length(domain->cells); i++)
        if (list_length(list_at(domain->cells, i, NumaCell)->caches))
            return true;
    return list_length(domain->latencies) || list_length(domain->bandwidths);
}

static void
validate_distances(const Validation *v, guint index, const NumaCell *cell)
{
    guint n_cells = list_length(v->domain->cells);
    guint64 id = domain_cell_id(v->domain, index);

    for (guint i = 0; i < list_length(cell->distances); i++) {
        const NumaDistance *distance = list_at(cell->distances, i, NumaDistance);
        g_autofree char *path =
            g_strdup_printf("cpu/numa/cell[%u]/distances/sibling[%u]", index, i);
        bool is_own = distance->cell.value == id;

        for (guint k = 0; k < i; k++)
            if (list_at(cell->distances, k, NumaDistance)->cell.value == distance->cell.value)
                validation_error(v, path, "numa-distance", "the distance to cell %u is there twice",
                                 (guint) distance->cell.value);
        if (distance->cell.value >= n_cells)
            validation_error(v, path, "numa-distance", "the guest has no NUMA cell %u",
                             (guint) distance->cell.value);
        else if (distance->value.is_set && is_own != (distance->value.value == 10))
            validation_error(v, path, "numa-distance",
                             is_own ? "a cell's distance to itself is 10"
                                    : "10 is the distance of a cell to itself");
    }
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
        guint64 id = domain_cell_id(domain, i);
        g_autoptr(GArray) members = cell->cpus ? cpuset_members(cell->cpus) : NULL;

        if (id >= n_cells)
            validation_error(v, path, "numa-cell", "cell ids run from 0 to %u", n_cells - 1);
        else if (seen[id])
            validation_error(v, path, "numa-cell", "cell %u is there twice", (guint) id);
        else
            seen[id] = true;
        if (cell->memory.value > G_MAXINT64)
            validation_error(v, path, "numa-memory", "the cell's memory is out of range");
        for (guint c = 0; members && c < members->len; c++) {
            guint cpu = g_array_index(members, guint, c);

            if (domain->vcpus.is_set && cpu >= domain->vcpus.value)
                validation_error(v, path, "numa-cpus", "the guest has no virtual CPU %u", cpu);
            else if (cpu < G_N_ELEMENTS(cpus) && cpus[cpu])
                validation_error(v, path, "numa-cpus", "virtual CPU %u is in two cells", cpu);
            if (cpu < G_N_ELEMENTS(cpus))
                cpus[cpu] = true;
        }
        validate_distances(v, i, cell);
    }
}

static bool
has_cache(const Domain *domain, guint64 id, guint64 level)
{
    for (guint i = 0; i < list_length(domain->cells); i++) {
        const NumaCell *cell = list_at(domain->cells, i, NumaCell);

        for (guint k = 0; domain_cell_id(domain, i) == id && k < list_length(cell->caches); k++)
            if (list_at(cell->caches, k, NumaCache)->level.value == level)
                return true;
    }
    return false;
}

static bool
is_same_link(const NumaInterconnect *a, const NumaInterconnect *b)
{
    return a->initiator.value == b->initiator.value && a->target.value == b->target.value &&
           a->cache.value == b->cache.value && a->type == b->type;
}

static void
validate_interconnects(const Validation *v, const GPtrArray *list, const char *name)
{
    guint n_cells = list_length(v->domain->cells);

    for (guint i = 0; i < list_length(list); i++) {
        const NumaInterconnect *link = list_at(list, i, NumaInterconnect);
        g_autofree char *path = g_strdup_printf("cpu/numa/interconnects/%s[%u]", name, i);

        if (link->initiator.value >= n_cells || link->target.value >= n_cells)
            validation_error(v, path, "numa-interconnect",
                             "initiator and target are NUMA cells of the guest");
        if (link->cache.value && !has_cache(v->domain, link->target.value, link->cache.value))
            validation_error(v, path, "numa-interconnect", "cell %u has no <cache> of level %u",
                             (guint) link->target.value, (guint) link->cache.value);
        for (guint k = 0; k < i; k++)
            if (is_same_link(list_at(list, k, NumaInterconnect), link))
                validation_error(v, path, "numa-interconnect", "this is said twice");
    }
}

/* APIC ids beyond 8 bits need a q35 machine whose IOMMU remaps interrupts to such ids; one that the
 * file does not speak of is implied. */
static void
validate_many_vcpus(const Validation *v, guint64 vcpus)
{
    const Iommu *iommu =
        list_length(v->domain->iommus) ? list_at(v->domain->iommus, 0, Iommu) : NULL;

    if (vcpus <= MOST_VCPUS_OF_APIC)
        return;
    if (v->domain->machine && !domain_is_q35(v->domain))
        validation_error(v, "vcpu", "vcpus", "more than %u are for q35 machines",
                         MOST_VCPUS_OF_APIC);
    else if (iommu && (iommu->model != IOMMU_INTEL || iommu->eim == TRISTATE_OFF))
        validation_error(v, "vcpu", "vcpus",
                         "more than %u need <iommu model='intel'><driver eim='on'/>",
                         MOST_VCPUS_OF_APIC);
}

static void
validate_topology(const Validation *v)
{
    const Domain *domain = v->domain;
    guint64 vcpus = domain->vcpus.is_set ? domain->vcpus.value : 1;
    const OptUint *counts[] = { &domain->sockets, &domain->dies,  &domain->clusters,
                                &domain->modules, &domain->cores, &domain->threads };
    guint64 product = 1;
    bool has_topology = false;

    for (guint i = 0; i < G_N_ELEMENTS(counts); i++) {
        has_topology |= counts[i]->is_set;
        product *= counts[i]->is_set ? MIN(counts[i]->value, 1024) : 1;
    }
    if (has_topology && !(domain->sockets.is_set && domain->cores.is_set && domain->threads.is_set))
        validation_error(v, "cpu/topology", "missing-attribute",
                         "<topology> needs the attributes sockets, cores and threads");
    if (domain->clusters.value > 1)
        validation_error(v, "cpu/topology/@clusters", "cpu-topology",
                         "x86 machines have no clusters");
    validate_many_vcpus(v, vcpus);
    if (has_topology && product != vcpus)
        validation_error(v, "cpu/topology", "cpu-topology",
                         "the topology has %" G_GUINT64_FORMAT " CPUs, <vcpu> says %u", product,
                         (guint) vcpus);
}

static void
validate_cache(const Validation *v)
{
    const Domain *domain = v->domain;
    bool is_host = domain->cpu_mode == CPU_HOST_PASSTHROUGH || domain->cpu_mode == CPU_MAXIMUM;

    if (domain->cpu_cache_level.is_set && !domain->cpu_cache_mode)
        validation_error(v, "cpu/cache", "missing-attribute", "<cache> needs the attribute 'mode'");
    if (domain->cpu_cache_mode == CPU_CACHE_PASSTHROUGH && !is_host)
        validation_error(v, "cpu/cache", "cpu-cache",
                         "mode 'passthrough' is for host-passthrough and maximum");
    if (domain->cpu_cache_mode == CPU_CACHE_EMULATE && domain->cpu_cache_level.value != 3)
        validation_error(v, "cpu/cache", "cpu-cache", "mode 'emulate' is for level 3 only");
    if (domain->cpu_cache_mode > CPU_CACHE_EMULATE && domain->cpu_cache_level.is_set)
        validation_error(v, "cpu/cache/@level", "cpu-cache", "a level is for mode 'emulate'");
}

static void
validate_phys_addr(const Validation *v)
{
    const Domain *domain = v->domain;

    if (domain->max_phys_addr_mode == PHYS_ADDR_EMULATE && !domain->max_phys_addr_bits.is_set)
        validation_error(v, "cpu/maxphysaddr", "missing-attribute", "mode 'emulate' needs bits");
    if (domain->max_phys_addr_mode == PHYS_ADDR_PASSTHROUGH && domain->max_phys_addr_bits.is_set)
        validation_error(v, "cpu/maxphysaddr/@bits", "cpu-maxphysaddr",
                         "is for mode 'emulate'; 'passthrough' takes the host's width");
    if (domain->max_phys_addr_mode == PHYS_ADDR_PASSTHROUGH && domain->cpu_mode &&
        domain->cpu_mode != CPU_HOST_PASSTHROUGH && domain->cpu_mode != CPU_MAXIMUM)
        validation_error(v, "cpu/maxphysaddr/@mode", "cpu-maxphysaddr",
                         "'passthrough' is for host-passthrough and maximum");
    if (domain->max_phys_addr_limit.is_set && domain->max_phys_addr_mode != PHYS_ADDR_PASSTHROUGH)
        validation_error(v, "cpu/maxphysaddr/@limit", "cpu-maxphysaddr",
                         "is for mode 'passthrough'");
}

static void
validate_model(const Validation *v)
{
    const Domain *domain = v->domain;

    if (domain->cpu_mode == CPU_HOST_PASSTHROUGH && domain->type == DOMAIN_TYPE_QEMU)
        validation_error(v, "cpu/@mode", "cpu-mode",
                         "host-passthrough needs KVM; for type='qemu' use mode='maximum'");
    if (domain->cpu_match == MATCH_STRICT)
        validation_warning(v, "cpu/@match", "cpu-match",
                           "whether the host's CPU has more than the model is not compared");
    if (domain->cpu_check == CHECK_FULL)
        validation_warning(v, "cpu/@check", "cpu-check",
                           "features that this host lacks are reported by QEMU, and not compared "
                           "before the start");
    if ((!domain->cpu_mode || domain->cpu_mode == CPU_CUSTOM) && !domain->cpu_model &&
        list_length(domain->cpu_features))
        validation_error(v, "cpu", "cpu-model", "features need a <model> or a mode");
    if (domain->cpu_vendor && !domain->cpu_model)
        validation_error(v, "cpu/vendor", "cpu-vendor", "a vendor needs a <model>");
    if (domain->cpu_vendor_id &&
        (strlen(domain->cpu_vendor_id) != 12 || strchr(domain->cpu_vendor_id, ',')))
        validation_error(v, "cpu/model/@vendor_id", "cpu-vendor",
                         "a vendor string has 12 characters, none of them a comma");
    if (domain->cpu_migratable && domain->cpu_mode != CPU_HOST_PASSTHROUGH &&
        domain->cpu_mode != CPU_MAXIMUM)
        validation_error(v, "cpu/@migratable", "cpu-migratable",
                         "is for modes host-passthrough and maximum");
    if (domain->cpu_vendor)
        validation_warning(v, "cpu/vendor", "cpu-vendor",
                           "that the host's CPU is of this vendor is not compared");
}

static void
validate_features(const Validation *v)
{
    g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);

    for (guint i = 0; i < list_length(v->domain->cpu_features); i++) {
        const CpuFeature *feature = list_at(v->domain->cpu_features, i, CpuFeature);
        g_autofree char *path = g_strdup_printf("cpu/feature[%u]", i);

        if (feature->name && !g_hash_table_add(seen, feature->name))
            validation_error(v, path, "cpu-feature", "feature '%s' is there twice", feature->name);
    }
}

static void
cpu_validate(const Validation *v)
{
    validate_cells(v);
    validate_interconnects(v, v->domain->latencies, "latency");
    validate_interconnects(v, v->domain->bandwidths, "bandwidth");
    validate_topology(v);
    validate_model(v);
    validate_features(v);
    validate_cache(v);
    validate_phys_addr(v);
}

const DomainSection domain_cpu_section = { cpu_fields, cpu_validate };
