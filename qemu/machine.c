/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The machine itself: type and switches, accelerator, clock, and the chipset parts that QEMU
 * configures through -global. Machine types are taken as the resolved domain has them (pinned at
 * first sight), and refused when this emulator doesn't know them.
 *
 * A switch of -machine is asked for only when the domain says something about it, and refused when
 * this machine has none, so that what was declared never silently stays undone.
 */
#include "qemu/machine.h"

#include <string.h>

#include "model/memory.h"
#include "qemu/firmware.h"
#include "qemu/launch-security.h"
#include "qemu/numa.h"
#include "qemu/sound.h"

static const ClockTimer *
find_timer(const Domain *domain, TimerName name)
{
    for (guint i = 0; i < list_length(domain->timers); i++)
        if (list_at(domain->timers, i, ClockTimer)->name == (int) name)
            return list_at(domain->timers, i, ClockTimer);
    return NULL;
}

static void
add_switch(const DeviceContext *context, GString *text, const char *field, const char *property,
           int value)
{
    const char *machine = context->at.domain->machine;

    if (!value)
        return;
    if (!capabilities_has_machine_property(context->capabilities, machine, property))
        return validation_error(&context->at, field, "not-in-qemu",
                                "machine '%s' of this QEMU has no '%s' switch", machine, property);
    option_text_add_tristate(text, property, value);
}

static bool
has_nvdimm(const Domain *domain)
{
    for (guint i = 0; i < list_length(domain->memories); i++)
        if (list_at(domain->memories, i, MemoryDevice)->model == MEMORY_MODEL_NVDIMM)
            return true;
    return false;
}

/* SGX's pages are no devices: the machine takes their backends by number. */
static void
add_enclave_pages(const Domain *domain, GString *text)
{
    guint n = 0;

    for (guint i = 0; i < list_length(domain->memories); i++) {
        const MemoryDevice *memory = list_at(domain->memories, i, MemoryDevice);

        if (memory->model != MEMORY_MODEL_SGX_EPC)
            continue;
        g_string_append_printf(text, ",sgx-epc.%u.memdev=mem%s", n, memory->info.alias);
        if (memory->node.is_set)
            g_string_append_printf(text, ",sgx-epc.%u.node=%" G_GUINT64_FORMAT, n,
                                   memory->node.value);
        n++;
    }
}

static void
spell_accelerator(const Domain *domain, CommandLine *line)
{
    bool is_kvm = domain->type == DOMAIN_TYPE_KVM;
    g_autoptr(GString) text = g_string_new(is_kvm ? "kvm" : "tcg");

    if (is_kvm && domain->kvm_dirty_ring == TRISTATE_ON)
        option_text_add_uint(text, "dirty-ring-size", domain->kvm_dirty_ring_size.value);
    if (!is_kvm && domain->tcg_tb_cache.is_set)
        option_text_add_uint(text, "tb-size", domain->tcg_tb_cache.value >> 20);
    command_line_add(line, "-accel", text->str);
}

static void
spell_type(const DeviceContext *context, CommandLine *line)
{
    const Domain *domain = context->at.domain;
    const ClockTimer *hpet = find_timer(domain, TIMER_HPET);
    g_autoptr(GString) text = g_string_new(NULL);

    option_text_add(text, NULL, domain->machine);
    option_text_add(text, "usb", "off");
    add_switch(context, text, "features/vmport", "vmport",
               domain_feature_state(domain->has_vmport, domain->vmport));
    add_switch(context, text, "features/smm", "smm",
               domain_feature_state(domain->has_smm, domain->smm));
    if (domain->ioapic_driver)
        option_text_add(text, "kernel_irqchip",
                        domain->ioapic_driver == IOAPIC_KVM ? "on" : "split");
    add_switch(context, text, "features/ps2", "i8042", domain->ps2);
    option_text_add_switch(text, "dump-guest-core", domain->dump_core == TRISTATE_ON);
    if (domain->no_share_pages)
        option_text_add(text, "mem-merge", "off");
    if (has_nvdimm(domain))
        option_text_add(text, "nvdimm", "on");
    if (domain_has_hmat(domain))
        option_text_add(text, "hmat", "on");
    option_text_add(text, "memory-backend", memory_boot_backend_id(context));
    add_enclave_pages(domain, text);
    if (domain->launch_security)
        option_text_add(text, "confidential-guest-support", LAUNCH_SECURITY_ID);
    sound_add_machine(domain, text);
    firmware_add_machine(domain, text);
    if (hpet)
        add_switch(context, text, "clock/timer", "hpet", hpet->present);
    option_text_add_switch(text, "acpi", domain->acpi);
    command_line_add(line, "-machine", text->str);
}

void
machine_spell(const DeviceContext *context, CommandLine *line)
{
    const Domain *domain = context->at.domain;

    if (!domain->machine)
        validation_error(&context->at, "os/type", "no-machine", "no machine type is known");
    else if (!capabilities_machine(context->capabilities, domain->machine))
        validation_error(&context->at, "os/type/@machine", "not-in-qemu",
                         "this QEMU has no machine type '%s'", domain->machine);
    else
        spell_type(context, line);
    if (domain->type == DOMAIN_TYPE_KVM && !capabilities_has_kvm(context->capabilities))
        validation_error(&context->at, "@type", "not-in-qemu", "this QEMU was built without KVM");
    spell_accelerator(domain, line);
}

/* --- clock --- */

static char *
wall_clock_text(gint64 seconds)
{
    g_autoptr(GDateTime) time = g_date_time_new_from_unix_utc(seconds);

    return time ? g_date_time_format(time, "%Y-%m-%dT%H:%M:%S") : NULL;
}

/* Seconds that this host's local time is ahead of UTC at @seconds. */
static gint64
local_offset(gint64 seconds)
{
    g_autoptr(GDateTime) time = g_date_time_new_from_unix_local(seconds);

    return time ? g_date_time_get_utc_offset(time) / G_USEC_PER_SEC : 0;
}

static void
add_clock_base(const DeviceContext *context, GString *text)
{
    const Domain *domain = context->at.domain;
    const char *adjustment = domain->clock_adjustment;
    gint64 now = context->facts->now / G_USEC_PER_SEC;
    g_autofree char *base = NULL;

    switch ((ClockOffset) domain->clock_offset) {
    case CLOCK_OFFSET_LOCALTIME:
    case CLOCK_OFFSET_TIMEZONE: /* the zone is in the environment: command_line_environment() */
        return option_text_add(text, "base", "localtime");
    case CLOCK_OFFSET_ABSOLUTE:
        base = wall_clock_text(domain->clock_start.value);
        return option_text_add(text, "base", base);
    case CLOCK_OFFSET_VARIABLE:
        if (domain->clock_basis == CLOCK_BASIS_LOCALTIME)
            now += local_offset(now);
        now += adjustment ? g_ascii_strtoll(adjustment, NULL, 10) : 0;
        base = wall_clock_text(now);
        return option_text_add(text, "base", base);
    case CLOCK_OFFSET_UTC:
        break;
    }
    option_text_add(text, "base", "utc");
}

static const char *const rtc_clocks[] = {
    [TRACK_GUEST] = "vm",
    [TRACK_WALL] = "host",
    [TRACK_REALTIME] = "rt",
};

void
machine_spell_clock(const DeviceContext *context, CommandLine *line)
{
    const ClockTimer *rtc = find_timer(context->at.domain, TIMER_RTC);
    g_autoptr(GString) text = g_string_new(NULL);

    add_clock_base(context, text);
    if (rtc && rtc->track < (int) G_N_ELEMENTS(rtc_clocks))
        option_text_add(text, "clock", rtc_clocks[rtc->track]);
    if (rtc && rtc->tick_policy == TICK_CATCHUP)
        option_text_add(text, "driftfix", "slew");
    command_line_add(line, "-rtc", text->str);
}

/* --- chipset --- */

static void
spell_pit(const Domain *domain, CommandLine *line)
{
    const ClockTimer *pit = find_timer(domain, TIMER_PIT);

    /* KVM's PIT. QEMU has no such switch for its own, and takes this one in silence under TCG. */
    if (!pit)
        return;
    if (!pit->tick_policy || pit->tick_policy == TICK_DELAY)
        command_line_add(line, "-global", "kvm-pit.lost_tick_policy=delay");
    if (pit->tick_policy == TICK_DISCARD)
        command_line_add(line, "-global", "kvm-pit.lost_tick_policy=discard");
}

static void
spell_sleep(const Domain *domain, const char *property, int is_enabled, CommandLine *line)
{
    if (is_enabled)
        command_line_addf(line, "-global", "%s.%s=%d",
                          domain_is_q35(domain) ? "ICH9-LPC" : "PIIX4_PM", property,
                          is_enabled == TRISTATE_OFF);
}

void
machine_spell_globals(const DeviceContext *context, CommandLine *line)
{
    const Domain *domain = context->at.domain;

    spell_pit(domain, line);
    spell_sleep(domain, "disable_s3", domain->suspend_to_mem, line);
    spell_sleep(domain, "disable_s4", domain->suspend_to_disk, line);
    if (domain->tseg.value)
        command_line_addf(line, "-global", "mch.extended-tseg-mbytes=%" G_GUINT64_FORMAT,
                          domain->tseg.value >> 20);
    if (domain->loader_secure == TRISTATE_ON)
        command_line_add(line, "-global", "driver=cfi.pflash01,property=secure,value=on");
}
