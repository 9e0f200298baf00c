/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * <features>: switches of the machine and of the CPU that no device owns.
 *
 * libvirt reads most of them as "there means on, unless @state says off"; the flag beside each
 * state keeps that apart from "not mentioned", where QEMU's own default holds.
 * domain_feature_state() is the one place that joins the two.
 *
 * Hyper-V's enlightenments are one array, indexed like their names; only four have more to say
 * than on and off. Features of other machines (pseries, Arm, RISC-V, containers) are refused by
 * name rather than passed over.
 */
#include "model/domain-section.h"
#include "model/hyperv.h"

#include <string.h>

static const char *const hyperv_mode_names[] = {
    [HYPERV_CUSTOM] = "custom",
    [HYPERV_PASSTHROUGH] = "passthrough",
    NULL,
};

static const char *const ioapic_driver_names[] = {
    [IOAPIC_KVM] = "kvm",
    [IOAPIC_QEMU] = "qemu",
    NULL,
};

#define ENLIGHTENMENT(which, name, about)                                                          \
    FIELD_ON_OFF(Hyperv, state[which], .path = name "/@state", .is_needed = true, .doc = about)

static const Field hyperv_fields[] = {
    FIELD_ENUM(Hyperv, mode, hyperv_mode_names, .path = "@mode",
               .doc = "`custom` (default): those named here; `passthrough`: all the host has."),
    ENLIGHTENMENT(HYPERV_RELAXED, "relaxed", "Relaxed timeouts."),
    ENLIGHTENMENT(HYPERV_VAPIC, "vapic", "Virtual APIC."),
    ENLIGHTENMENT(HYPERV_SPINLOCKS, "spinlocks", "Spinlock retries are told to the host."),
    FIELD_UINT(Hyperv, spinlock_retries, .path = "spinlocks/@retries", .min = 4095,
               .max = G_MAXUINT32, .doc = "After how many retries; at least 4095."),
    ENLIGHTENMENT(HYPERV_VPINDEX, "vpindex", "Virtual processor index."),
    ENLIGHTENMENT(HYPERV_RUNTIME, "runtime", "Processor run time."),
    ENLIGHTENMENT(HYPERV_SYNIC, "synic", "Synthetic interrupt controller."),
    ENLIGHTENMENT(HYPERV_STIMER, "stimer", "Synthetic timers."),
    FIELD_ON_OFF(Hyperv, stimer_direct, .path = "stimer/direct/@state", .is_needed = true,
                 .doc = "Timers expire as interrupts, not as messages."),
    ENLIGHTENMENT(HYPERV_RESET, "reset", "Hypervisor reset."),
    ENLIGHTENMENT(HYPERV_VENDOR_ID, "vendor_id", "Another vendor id than Microsoft's."),
    FIELD_STRING(Hyperv, vendor_id, .path = "vendor_id/@value", .doc = "It: at most 12 characters."),
    ENLIGHTENMENT(HYPERV_FREQUENCIES, "frequencies", "Frequency registers."),
    ENLIGHTENMENT(HYPERV_REENLIGHTENMENT, "reenlightenment", "Told after a migration."),
    ENLIGHTENMENT(HYPERV_TLBFLUSH, "tlbflush", "Paravirtual TLB flush."),
    FIELD_ON_OFF(Hyperv, tlbflush_direct, .path = "tlbflush/direct/@state",
                 .doc = "Flushes of nested guests go to the host directly."),
    FIELD_ON_OFF(Hyperv, tlbflush_extended, .path = "tlbflush/extended/@state",
                 .doc = "Flushes of single ranges."),
    ENLIGHTENMENT(HYPERV_IPI, "ipi", "Paravirtual inter-processor interrupts."),
    ENLIGHTENMENT(HYPERV_EVMCS, "evmcs", "Enlightened VMCS (Intel, nested)."),
    ENLIGHTENMENT(HYPERV_AVIC, "avic", "Works beside APICv."),
    ENLIGHTENMENT(HYPERV_EMSR_BITMAP, "emsr_bitmap", "Enlightened MSR bitmap."),
    ENLIGHTENMENT(HYPERV_XMM_INPUT, "xmm_input", "Hypercall input in XMM registers."),
    FIELD_END,
};
static const Schema hyperv_schema = {
    .element = "hyperv",
    .size = sizeof(Hyperv),
    .fields = hyperv_fields,
    .doc = "Enlightenments for Windows guests.",
};

#define OF_PSERIES "is a feature of pseries machines"
#define OF_ARM "is a feature of Arm machines"
#define OF_CONTAINERS "is a feature of containers"
#define SWITCH(member, name, about)                                                                \
    FIELD_FLAG(Domain, has_##member, .path = "features/" name, .doc = about),                      \
        FIELD_ON_OFF(Domain, member, .path = "features/" name "/@state", .doc = "`on` by default.")

static const Field features_fields[] = {
    FIELD_FLAG(Domain, acpi, .path = "features/acpi", .doc = "ACPI tables; needed to shut down."),
    FIELD_FLAG(Domain, apic, .path = "features/apic", .doc = "The APIC; always there on x86."),
    FIELD_ON_OFF(Domain, apic_eoi, .path = "features/apic/@eoi",
                 .doc = "Paravirtual end of interrupt."),
    FIELD_FLAG(Domain, pae, .path = "features/pae", .doc = "Physical address extension."),
    FIELD_NO_EFFECT("KVM uses nested paging where the host has it", .path = "features/hap",
                    .doc = "Hardware assisted paging."),
    { .type = TYPE_NONE, .path = "features/hap/@state", .is_output = true, .doc = "Not read." },
    FIELD_STRUCT(Domain, hyperv, &hyperv_schema, .path = "features/hyperv",
                 .doc = "Enlightenments for Windows guests."),
    FIELD_ON_OFF(Domain, kvm_hidden, .path = "features/kvm/hidden/@state", .is_needed = true,
                 .doc = "Hide KVM from the guest."),
    FIELD_ON_OFF(Domain, kvm_hint_dedicated, .path = "features/kvm/hint-dedicated/@state", .is_needed = true,
                 .doc = "Tell the guest that its CPUs are not shared."),
    FIELD_ON_OFF(Domain, kvm_poll_control, .path = "features/kvm/poll-control/@state", .is_needed = true,
                 .doc = "The guest may turn off the host's halt polling."),
    FIELD_ON_OFF(Domain, kvm_pv_ipi, .path = "features/kvm/pv-ipi/@state", .is_needed = true,
                 .doc = "Paravirtual inter-processor interrupts; `off` takes them away."),
    FIELD_ON_OFF(Domain, kvm_dirty_ring, .path = "features/kvm/dirty-ring/@state", .is_needed = true,
                 .doc = "Log dirtied pages in rings."),
    FIELD_UINT(Domain, kvm_dirty_ring_size, .path = "features/kvm/dirty-ring/@size", .min = 1024,
               .max = 65536, .doc = "Entries of a ring: a power of two."),
    SWITCH(pv_spinlock, "pvspinlock", "Paravirtual spinlocks."),
    SWITCH(pmu, "pmu", "Performance counters."),
    SWITCH(vmport, "vmport", "VMware's I/O port."),
    SWITCH(smm, "smm", "System management mode."),
    FIELD_SIZE(Domain, tseg, .path = "features/smm/tseg", .unit = 1u << 20,
               .doc = "Memory of system management mode (q35): whole MiB; 0 is QEMU's default."),
    SWITCH(vmcoreinfo, "vmcoreinfo", "Where a dump finds the guest kernel's layout."),
    FIELD_ON_OFF(Domain, ps2, .path = "features/ps2/@state", .doc = "The PS/2 controller."),
    FIELD_SIZE(Domain, tcg_tb_cache, .path = "features/tcg/tb-cache", .unit = 1u << 20,
               .doc = "Cache of translated code; only without KVM."),
    FIELD_YES_NO(Domain, async_teardown, .path = "features/async-teardown/@enabled",
                 .doc = "Give memory back beside the end of QEMU, not before."),
    FIELD_REFUSED(OF_ARM, .path = "features/gic", .doc = "Arm's interrupt controller."),
    FIELD_ENUM(Domain, ioapic_driver, ioapic_driver_names, .path = "features/ioapic/@driver",
               .doc = "`kvm`: in the kernel; `qemu`: the I/O APIC in QEMU (needed by intel-iommu's "
                      "interrupt remapping)."),
    FIELD_REFUSED("is Xen's; <hyperv> is what KVM has", .path = "features/viridian",
                  .doc = "Xen's Windows enlightenments."),
    FIELD_REFUSED("is a feature of Xen", .path = "features/xen", .doc = "Xen's features."),
    FIELD_REFUSED(OF_CONTAINERS, .path = "features/privnet", .doc = "Private network."),
    FIELD_REFUSED(OF_CONTAINERS, .path = "features/capabilities", .doc = "Capabilities."),
    FIELD_REFUSED("is set for the whole host (the kvm module's parameter ignore_msrs)",
                  .path = "features/msrs", .doc = "Unknown model specific registers."),
    FIELD_REFUSED(OF_PSERIES, .path = "features/hpt", .doc = "Hash page tables."),
    FIELD_REFUSED(OF_PSERIES, .path = "features/htm", .doc = "Transactional memory."),
    FIELD_REFUSED(OF_PSERIES, .path = "features/nested-hv", .doc = "Nested virtualization."),
    FIELD_REFUSED(OF_PSERIES, .path = "features/ccf-assist", .doc = "Count cache flush."),
    FIELD_REFUSED(OF_PSERIES, .path = "features/cfpc", .doc = "Cache flush on privilege change."),
    FIELD_REFUSED(OF_PSERIES, .path = "features/sbbc", .doc = "Speculation barrier."),
    FIELD_REFUSED(OF_PSERIES, .path = "features/ibs", .doc = "Indirect branch speculation."),
    FIELD_REFUSED(OF_ARM, .path = "features/ras", .doc = "Memory errors told to the guest."),
    FIELD_REFUSED(OF_ARM, .path = "features/mte", .doc = "Memory tagging."),
    FIELD_REFUSED("is a feature of RISC-V machines", .path = "features/aia",
                  .doc = "Advanced interrupts."),
    FIELD_END,
};

bool
domain_feature_is_on(bool is_there, int state)
{
    return state == TRISTATE_ON || (is_there && !state);
}

int
domain_feature_state(bool is_there, int state)
{
    return is_there && !state ? TRISTATE_ON : state;
}

static bool
has_hypervclock(const Domain *domain)
{
    for (guint i = 0; i < list_length(domain->timers); i++)
        if (list_at(domain->timers, i, ClockTimer)->name == TIMER_HYPERVCLOCK &&
            list_at(domain->timers, i, ClockTimer)->present != TRISTATE_OFF)
            return true;
    return false;
}

/* What an enlightenment is built on (QEMU's docs/system/i386/hyperv): QEMU may not start without; libvirt
 * leaves that to it. */
static void
validate_hyperv_needs(const Validation *v, const Hyperv *hyperv)
{
    static const struct {
        int feature, needs;
        const char *path, *name;
    } rows[] = {
        { HYPERV_SYNIC, HYPERV_VPINDEX, "features/hyperv/synic", "vpindex" },
        { HYPERV_STIMER, HYPERV_SYNIC, "features/hyperv/stimer", "synic" },
        { HYPERV_TLBFLUSH, HYPERV_VPINDEX, "features/hyperv/tlbflush", "vpindex" },
        { HYPERV_IPI, HYPERV_VPINDEX, "features/hyperv/ipi", "vpindex" },
        { HYPERV_EVMCS, HYPERV_VAPIC, "features/hyperv/evmcs", "vapic" },
    };

    for (guint i = 0; i < G_N_ELEMENTS(rows); i++)
        if (hyperv->state[rows[i].feature] == TRISTATE_ON &&
            hyperv->state[rows[i].needs] != TRISTATE_ON)
            validation_warning(v, rows[i].path, "hyperv-needs", "needs <%s state='on'/> beside it",
                               rows[i].name);
    if (hyperv->state[HYPERV_STIMER] == TRISTATE_ON && !has_hypervclock(v->domain))
        validation_warning(v, "features/hyperv/stimer", "hyperv-needs",
                           "needs the timer 'hypervclock' in <clock>");
}

static void
validate_hyperv(const Validation *v, const Hyperv *hyperv)
{
    const char *vendor = hyperv->vendor_id;

    if (hyperv->state[HYPERV_SPINLOCKS] == TRISTATE_ON && !hyperv->spinlock_retries.is_set)
        validation_error(v, "features/hyperv/spinlocks", "missing-attribute",
                         "<spinlocks state='on'> needs the attribute 'retries'");
    if (hyperv->state[HYPERV_VENDOR_ID] == TRISTATE_ON && (!vendor || !*vendor))
        validation_error(v, "features/hyperv/vendor_id", "missing-attribute",
                         "<vendor_id state='on'> needs the attribute 'value'");
    if (vendor && (strlen(vendor) > 12 || strchr(vendor, ',')))
        validation_error(v, "features/hyperv/vendor_id/@value", "hyperv-vendor",
                         "a vendor id has at most 12 characters and no comma");
    if (hyperv->mode != HYPERV_PASSTHROUGH)
        validate_hyperv_needs(v, hyperv);
}

static void
validate_smm(const Validation *v)
{
    const Domain *domain = v->domain;

    if (!domain->tseg.is_set)
        return;
    if (!domain_feature_is_on(domain->has_smm, domain->smm))
        validation_error(v, "features/smm/tseg", "features-tseg",
                         "a size of TSEG needs system management mode on");
    if (domain->machine && !domain_is_q35(domain))
        validation_error(v, "features/smm/tseg", "features-tseg", "only q35 machines have a TSEG");
    if (domain->tseg.value % (1u << 20))
        validation_error(v, "features/smm/tseg", "features-tseg",
                         "the size of TSEG is a multiple of 1 MiB");
}

static void
features_validate(const Validation *v)
{
    const Domain *domain = v->domain;
    guint64 ring = domain->kvm_dirty_ring_size.value;

    if (domain->hyperv)
        validate_hyperv(v, domain->hyperv);
    validate_smm(v);
    if (domain->kvm_dirty_ring == TRISTATE_ON && !domain->kvm_dirty_ring_size.is_set)
        validation_error(v, "features/kvm/dirty-ring", "missing-attribute",
                         "<dirty-ring state='on'> needs the attribute 'size'");
    if (ring & (ring - 1))
        validation_error(v, "features/kvm/dirty-ring/@size", "features-dirty-ring",
                         "the size of a ring is a power of two");
    if (domain->kvm_dirty_ring == TRISTATE_ON && domain->type == DOMAIN_TYPE_QEMU)
        validation_error(v, "features/kvm/dirty-ring", "features-dirty-ring",
                         "dirty rings are KVM's (domain type 'kvm')");
    if (domain->tcg_tb_cache.is_set && domain->type == DOMAIN_TYPE_KVM)
        validation_error(v, "features/tcg", "features-tcg",
                         "TCG's cache is not there with KVM (domain type 'qemu')");
    if (domain->ps2 == TRISTATE_OFF && domain_feature_is_on(domain->has_vmport, domain->vmport))
        validation_error(v, "features/ps2", "features-ps2",
                         "the VMware port needs the PS/2 controller");
}

const DomainSection domain_features_section = { features_fields, features_validate };
