/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The virtual CPU: model and features (-cpu), and how many of them in what topology (-smp).
 *
 * virtkeep has no database of host CPUs. host-model is therefore the migratable form of the host's
 * CPU, which under KVM is at least what libvirt would pick, and under TCG the most that TCG can do;
 * a note says so. Features are handed to QEMU as the file has them: `require` and `force` are on,
 * `disable` and `forbid` off, `optional` on (QEMU leaves away what the host lacks).
 */
#include "qemu/cpu.h"

#include <string.h>

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

static void
add_host_model(const DeviceContext *context, GString *text)
{
    if (context->at.domain->type != DOMAIN_TYPE_KVM)
        return option_text_add(text, NULL, "max");
    option_text_add(text, NULL, "host");
    option_text_add_switch(text, "migratable", true);
}

static void
add_model(const DeviceContext *context, GString *text)
{
    const Domain *domain = context->at.domain;

    switch ((CpuMode) domain->cpu_mode) {
    case CPU_HOST_PASSTHROUGH:
        return add_host(context, text);
    case CPU_HOST_MODEL:
        return add_host_model(context, text);
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
    }
}

static void
add_physical_address(const Domain *domain, GString *text)
{
    enum { PASSTHROUGH = 1, EMULATE };

    if (domain->max_phys_addr_mode == EMULATE && domain->max_phys_addr_bits.is_set)
        option_text_add_uint(text, "phys-bits", domain->max_phys_addr_bits.value);
    if (domain->max_phys_addr_mode == PASSTHROUGH)
        option_text_add(text, "host-phys-bits", "on");
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
    option_text_add_tristate(text, "kvm-pv-eoi", domain->apic_eoi);
    if (domain->kvm_hidden == TRISTATE_ON)
        option_text_add(text, "kvm", "off");
    option_text_add_tristate(text, "pmu", domain->pmu);
    add_physical_address(domain, text);
    command_line_add(line, "-cpu", text->str);
}

void
cpu_spell_topology(const DeviceContext *context, CommandLine *line)
{
    const Domain *domain = context->at.domain;
    guint64 max = domain->vcpus.is_set ? domain->vcpus.value : 1;
    guint64 current = domain->vcpus_current.is_set ? domain->vcpus_current.value : max;
    bool has_topology = domain->cores.is_set || domain->sockets.is_set || domain->threads.is_set;
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
    option_text_add_uint(text, "cores", domain->cores.is_set ? domain->cores.value : 1);
    option_text_add_uint(text, "threads", domain->threads.is_set ? domain->threads.value : 1);
    command_line_add(line, "-smp", text->str);
}
