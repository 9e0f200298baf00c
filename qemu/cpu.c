/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The virtual CPU: model and features (-cpu), and how many of them in what topology (-smp).
 *
 * What host-model means is found out from QEMU (qemu/host-model.c) and comes with the host's facts:
 * a named model and how the host differs from it. Where it is not known, on a machine without KVM
 * that only shows a command line, the migratable form of the host's CPU stands for it. Features
 * are handed to QEMU as the file has them: `require` and `force` are on,
 * `disable` and `forbid` off, `optional` on (QEMU leaves away what the host lacks).
 */
#include "qemu/cpu.h"

#include <string.h>

#include "model/hyperv.h"
#include "model/panic.h"
#include "model/tuning.h"

#define DEFAULT_CPU "qemu64"

/* libvirt's names that differ from QEMU's by more than '_' for '-'. NULL: no switch of QEMU's, for
 * they are the guest's own to set (osxsave, ospke), the host's (monitoring), or were withdrawn. */
static const struct {
    const char *name, *qemu_name;
} feature_names[] = {
    { "pclmuldq", "pclmulqdq" }, { "osxsave", NULL },   { "ospke", NULL },   { "cmt", NULL },
    { "mbm_total", NULL },       { "mbm_local", NULL }, { "pconfig", NULL },
};

static void
add_feature(GString *text, const char *name, bool is_on)
{
    g_autofree char *qemu_name = g_strdelimit(g_strdup(name), "_", '-');

    for (guint i = 0; i < G_N_ELEMENTS(feature_names); i++) {
        if (strcmp(name, feature_names[i].name))
            continue;
        g_free(qemu_name);
        qemu_name = g_strdup(feature_names[i].qemu_name);
    }
    if (qemu_name)
        option_text_add_switch(text, qemu_name, is_on);
}

/* The machine's default: its QOM type name less the suffix "-x86_64-cpu". */
static void
add_default_model(const DeviceContext *context, GString *text)
{
    const Domain *domain = context->at.domain;
    const CapabilitiesMachine *machine =
        domain->machine ? capabilities_machine(context->capabilities, domain->machine) : NULL;
    const char *type = machine ? machine->default_cpu_type : NULL;
    const char *suffix = type ? strstr(type, "-x86_64-cpu") : NULL;
    g_autofree char *model = suffix ? g_strndup(type, suffix - type) : g_strdup(DEFAULT_CPU);

    option_text_add(text, NULL, model);
}

/* What QEMU gave these models first and took from them later, in newer machine types or altogether.
 * libvirt's models are without, with any machine and any QEMU. */
static const struct {
    const char *feature;
    const char *models[12];
} withdrawn[] = {
    { "intel-pt",
      { "Icelake-Server", "Icelake-Server-noTSX", "Icelake-Client", "Icelake-Client-noTSX" } },
    { "monitor", { "EPYC", "EPYC-IBPB", "Dhyana", "Opteron_G3" } },
    { "mpx",
      { "Skylake-Client", "Skylake-Client-IBRS", "Skylake-Client-noTSX-IBRS", "Skylake-Server",
        "Skylake-Server-IBRS", "Skylake-Server-noTSX-IBRS", "Cascadelake-Server",
        "Cascadelake-Server-noTSX", "Icelake-Server", "Icelake-Server-noTSX", "Icelake-Client" } },
};

static bool
has_feature(const Domain *domain, const char *name)
{
    for (guint i = 0; i < list_length(domain->cpu_features); i++)
        if (!g_strcmp0(list_at(domain->cpu_features, i, CpuFeature)->name, name))
            return true;
    return false;
}

static void
add_withdrawn(const Domain *domain, GString *text)
{
    for (guint i = 0; i < G_N_ELEMENTS(withdrawn); i++)
        if (g_strv_contains(withdrawn[i].models, domain->cpu_model) &&
            !has_feature(domain, withdrawn[i].feature))
            option_text_add_switch(text, withdrawn[i].feature, false);
}

static void
add_custom_model(const DeviceContext *context, GString *text)
{
    const Domain *domain = context->at.domain;

    if (!domain->cpu_model)
        return add_default_model(context, text);
    if (!capabilities_has_cpu(context->capabilities, domain->cpu_model))
        validation_error(&context->at, "cpu/model", "not-in-qemu",
                         "this QEMU has no CPU model '%s'", domain->cpu_model);
    option_text_add(text, NULL, domain->cpu_model);
    add_withdrawn(domain, text);
}

static void
add_host(const DeviceContext *context, GString *text)
{
    const Domain *domain = context->at.domain;

    if (domain->type != DOMAIN_TYPE_KVM)
        validation_error(&context->at, "cpu/@mode", "cpu-host",
                         "host-passthrough needs KVM (domain type 'kvm')");
    option_text_add(text, NULL, "host");
    option_text_add_switch(text, "migratable", domain->cpu_migratable != TRISTATE_OFF);
}

/* "At least this" is, for libvirt, all that the host has. */
bool
cpu_is_host_model(const Domain *domain)
{
    enum { MATCH_MINIMUM = 2 };

    return domain->cpu_match == MATCH_MINIMUM || domain->cpu_mode == CPU_HOST_MODEL;
}

/* What the host has and a migration keeps. TCG's counterpart is the most that it can do. */
static void
add_host_model(const DeviceContext *context, GString *text)
{
    const Json *known = context->facts->host_model;
    const Json *features = json_get(known, "features");

    if (known) {
        option_text_add(text, NULL, json_get_string(known, "model"));
        for (guint i = 0; i < json_length(features); i++)
            option_text_add_switch(text, json_name_at(features, i),
                                   json_bool(json_at(features, i), false));
        return;
    }
    if (context->at.domain->type != DOMAIN_TYPE_KVM)
        return option_text_add(text, NULL, "max");
    option_text_add(text, NULL, "host");
    option_text_add_switch(text, "migratable", true);
}

static void
add_model(const DeviceContext *context, GString *text)
{
    const Domain *domain = context->at.domain;
    if (cpu_is_host_model(domain))
        return add_host_model(context, text);
    switch ((CpuMode) domain->cpu_mode) {
    case CPU_HOST_PASSTHROUGH:
        return add_host(context, text);
    case CPU_HOST_MODEL:
        return;
    case CPU_MAXIMUM:
        option_text_add(text, NULL, "max");
        return option_text_add_tristate(text, "migratable", domain->cpu_migratable);
    case CPU_CUSTOM:
        break;
    }
    add_custom_model(context, text);
}

static void
add_features(const Domain *domain, GString *text)
{
    for (guint i = 0; i < list_length(domain->cpu_features); i++) {
        const CpuFeature *feature = list_at(domain->cpu_features, i, CpuFeature);

        add_feature(text, feature->name,
                    feature->policy != CPU_FEATURE_DISABLE &&
                        feature->policy != CPU_FEATURE_FORBID);
    }
}

/* <clock><timer> rows that are CPU properties. */
static void
add_timers(const Domain *domain, GString *text)
{
    for (guint i = 0; i < list_length(domain->timers); i++) {
        const ClockTimer *timer = list_at(domain->timers, i, ClockTimer);

        if (timer->name == TIMER_KVMCLOCK)
            option_text_add_tristate(text, "kvmclock", timer->present);
        if (timer->name == TIMER_HYPERVCLOCK && timer->present == TRISTATE_ON)
            option_text_add(text, "hv-time", "on");
        if (timer->name == TIMER_TSC && timer->frequency.is_set)
            option_text_add_uint(text, "tsc-frequency", timer->frequency.value);
    }
}

static void
add_physical_address(const Domain *domain, GString *text)
{
    if (domain->max_phys_addr_mode == PHYS_ADDR_EMULATE && domain->max_phys_addr_bits.is_set)
        option_text_add_uint(text, "phys-bits", domain->max_phys_addr_bits.value);
    if (domain->max_phys_addr_mode == PHYS_ADDR_PASSTHROUGH)
        option_text_add(text, "host-phys-bits", "on");
    if (domain->max_phys_addr_limit.is_set)
        option_text_add_uint(text, "host-phys-bits-limit", domain->max_phys_addr_limit.value);
}

/* What the guest reads of caches: the host's, or QEMU's emulated third level, or neither. Models
 * that are the host's bring the host's caches unless told otherwise. */
static void
add_cache(const Domain *domain, GString *text)
{
    bool is_host = domain->cpu_mode == CPU_HOST_PASSTHROUGH || domain->cpu_mode == CPU_MAXIMUM;

    if (!domain->cpu_cache_mode)
        return;
    if (domain->cpu_cache_mode == CPU_CACHE_PASSTHROUGH)
        option_text_add(text, "host-cache-info", "on");
    else if (is_host)
        option_text_add(text, "host-cache-info", "off");
    option_text_add_switch(text, "l3-cache", domain->cpu_cache_mode == CPU_CACHE_EMULATE);
}

static const char *const enlightenments[HYPERV_N] = {
    [HYPERV_RELAXED] = "hv-relaxed",
    [HYPERV_VAPIC] = "hv-vapic",
    [HYPERV_SPINLOCKS] = "hv-spinlocks",
    [HYPERV_VPINDEX] = "hv-vpindex",
    [HYPERV_RUNTIME] = "hv-runtime",
    [HYPERV_SYNIC] = "hv-synic",
    [HYPERV_STIMER] = "hv-stimer",
    [HYPERV_RESET] = "hv-reset",
    [HYPERV_VENDOR_ID] = "hv-vendor-id",
    [HYPERV_FREQUENCIES] = "hv-frequencies",
    [HYPERV_REENLIGHTENMENT] = "hv-reenlightenment",
    [HYPERV_TLBFLUSH] = "hv-tlbflush",
    [HYPERV_IPI] = "hv-ipi",
    [HYPERV_EVMCS] = "hv-evmcs",
    [HYPERV_AVIC] = "hv-avic",
    [HYPERV_EMSR_BITMAP] = "hv-emsr-bitmap",
    [HYPERV_XMM_INPUT] = "hv-xmm-input",
};

static void
add_hyperv(const Hyperv *hyperv, GString *text)
{
    if (!hyperv)
        return;
    if (hyperv->mode == HYPERV_PASSTHROUGH)
        option_text_add(text, "hv-passthrough", "on");
    for (guint i = 0; i < HYPERV_N; i++) {
        if (hyperv->state[i] != TRISTATE_ON)
            continue;
        if (i == HYPERV_SPINLOCKS)
            g_string_append_printf(text, ",%s=0x%" G_GINT64_MODIFIER "x", enlightenments[i],
                                   hyperv->spinlock_retries.value);
        else if (i == HYPERV_VENDOR_ID)
            option_text_add(text, enlightenments[i], hyperv->vendor_id);
        else
            option_text_add(text, enlightenments[i], "on");
    }
    if (hyperv->state[HYPERV_STIMER] == TRISTATE_ON && hyperv->stimer_direct == TRISTATE_ON)
        option_text_add(text, "hv-stimer-direct", "on");
    if (hyperv->state[HYPERV_TLBFLUSH] == TRISTATE_ON && hyperv->tlbflush_direct == TRISTATE_ON)
        option_text_add(text, "hv-tlbflush-direct", "on");
    if (hyperv->state[HYPERV_TLBFLUSH] == TRISTATE_ON && hyperv->tlbflush_extended == TRISTATE_ON)
        option_text_add(text, "hv-tlbflush-ext", "on");
}

/* What the guest is told of KVM. Absent and off are one where QEMU's default is off. */
static void
add_kvm(const Domain *domain, GString *text)
{
    option_text_add_tristate(text, "kvm-pv-eoi", domain->apic_eoi);
    option_text_add_tristate(text, "kvm-pv-unhalt",
                             domain_feature_state(domain->has_pv_spinlock, domain->pv_spinlock));
    if (domain->kvm_hidden == TRISTATE_ON)
        option_text_add(text, "kvm", "off");
    if (domain->kvm_hint_dedicated == TRISTATE_ON)
        option_text_add(text, "kvm-hint-dedicated", "on");
    if (domain->kvm_poll_control == TRISTATE_ON)
        option_text_add(text, "kvm-poll-control", "on");
    if (domain->kvm_pv_ipi == TRISTATE_OFF)
        option_text_add(text, "kvm-pv-ipi", "off");
}

void
cpu_spell(const DeviceContext *context, CommandLine *line)
{
    const Domain *domain = context->at.domain;
    g_autoptr(GString) text = g_string_new(NULL);

    add_model(context, text);
    option_text_add(text, "vendor", domain->cpu_vendor_id);
    add_features(domain, text);
    add_timers(domain, text);
    add_kvm(domain, text);
    add_hyperv(domain->hyperv, text);
    if (domain_has_panic(domain, PANIC_HYPERV))
        option_text_add(text, "hv-crash", "on");
    option_text_add_tristate(text, "pmu", domain_feature_state(domain->has_pmu, domain->pmu));
    add_cache(domain, text);
    add_physical_address(domain, text);
    command_line_add(line, "-cpu", text->str);
}

/* CPUs that are there before the guest starts and can't be taken out; the others are plugged. */
static guint
n_cold_cpus(const Domain *domain)
{
    guint n = domain_vcpus_current(domain);

    for (guint i = 0; i < list_length(domain->vcpu_list); i++) {
        const Vcpu *vcpu = list_at(domain->vcpu_list, i, Vcpu);

        n -= vcpu->enabled == TRISTATE_ON && vcpu->hotpluggable == TRISTATE_ON;
    }
    return n;
}

void
cpu_spell_topology(const DeviceContext *context, CommandLine *line)
{
    const Domain *domain = context->at.domain;
    guint64 max = domain->vcpus.is_set ? domain->vcpus.value : 1;
    guint64 current = n_cold_cpus(domain);
    bool has_topology = domain->cores.is_set || domain->sockets.is_set || domain->threads.is_set ||
                        domain->dies.is_set || domain->clusters.is_set || domain->modules.is_set;
    g_autoptr(GString) text = g_string_new(NULL);

    g_string_append_printf(text, "%" G_GUINT64_FORMAT, current);
    if (current != max)
        option_text_add_uint(text, "maxcpus", max);
    option_text_add_uint(text, "sockets",
                         !has_topology            ? max
                         : domain->sockets.is_set ? domain->sockets.value
                                                  : 1);
    /* Levels that not every machine knows: QEMU refuses them by name even as 1. */
    if (domain->dies.value > 1)
        option_text_add_uint(text, "dies", domain->dies.value);
    if (domain->clusters.value > 1)
        option_text_add_uint(text, "clusters", domain->clusters.value);
    if (domain->modules.value > 1)
        option_text_add_uint(text, "modules", domain->modules.value);
    option_text_add_uint(text, "cores", domain->cores.is_set ? domain->cores.value : 1);
    option_text_add_uint(text, "threads", domain->threads.is_set ? domain->threads.value : 1);
    command_line_add(line, "-smp", text->str);
}
