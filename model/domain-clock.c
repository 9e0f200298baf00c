/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * <clock>: what the guest's clock shows when it starts, and the timers it has.
 *
 * The offset decides which other attributes mean something; each stands only where it does. Of
 * timers, what QEMU's x86 machines can't do is refused here by libvirt's own rules: a real-time
 * clock that merges ticks, or one that follows the host's boot clock.
 */
#include "model/domain-section.h"

static const char *const clock_names[] = {
    [CLOCK_OFFSET_UTC] = "utc", [CLOCK_OFFSET_LOCALTIME] = "localtime",
    [CLOCK_OFFSET_TIMEZONE] = "timezone", [CLOCK_OFFSET_VARIABLE] = "variable",
    [CLOCK_OFFSET_ABSOLUTE] = "absolute", NULL,
};
static const char *const basis_names[] = {
    [CLOCK_BASIS_UTC] = "utc",
    [CLOCK_BASIS_LOCALTIME] = "localtime",
    NULL,
};
static const char *const timer_names[] = {
    [TIMER_PLATFORM] = "platform", [TIMER_PIT] = "pit", [TIMER_RTC] = "rtc",
    [TIMER_HPET] = "hpet", [TIMER_TSC] = "tsc", [TIMER_KVMCLOCK] = "kvmclock",
    [TIMER_HYPERVCLOCK] = "hypervclock", [TIMER_ARMVTIMER] = "armvtimer", NULL,
};
static const char *const tick_names[] = {
    [TICK_DELAY] = "delay", [TICK_CATCHUP] = "catchup", [TICK_MERGE] = "merge",
    [TICK_DISCARD] = "discard", NULL,
};
static const char *const track_names[] = {
    [TRACK_BOOT] = "boot", [TRACK_GUEST] = "guest", [TRACK_WALL] = "wall",
    [TRACK_REALTIME] = "realtime", NULL,
};

static const char *const mode_names[] = { NULL,       "auto",    "native", "emulate",
                                          "paravirt", "smpsafe", NULL };

#define PACED "QEMU paces catching up by itself"

static const Field timer_fields[] = {
    FIELD_ENUM(ClockTimer, name, timer_names, .path = "@name", .is_required = true,
               .doc = "Which timer."),
    FIELD_YES_NO(ClockTimer, present, .path = "@present", .doc = "Whether the guest has it."),
    FIELD_ENUM(ClockTimer, tick_policy, tick_names, .path = "@tickpolicy",
               .doc = "What missed ticks become."),
    FIELD_ENUM(ClockTimer, track, track_names, .path = "@track", .doc = "What it follows."),
    FIELD_UINT(ClockTimer, frequency, .path = "@frequency", .min = 1, .doc = "Of the TSC, in Hz."),
    FIELD_ENUM(ClockTimer, mode, mode_names, .path = "@mode",
               .no_effect = "QEMU has no modes of the TSC", .doc = "How the TSC is made."),
    FIELD_UINT(ClockTimer, catchup_threshold, .path = "catchup/@threshold", .no_effect = PACED,
               .doc = "Lost ticks before catching up."),
    FIELD_UINT(ClockTimer, catchup_slew, .path = "catchup/@slew", .no_effect = PACED,
               .doc = "How fast."),
    FIELD_UINT(ClockTimer, catchup_limit, .path = "catchup/@limit", .no_effect = PACED,
               .doc = "How much at most."),
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

static const Field clock_fields[] = {
    FIELD_ENUM(Domain, clock_offset, clock_names, .path = "clock/@offset",
               .doc = "`utc` (default), `localtime`, `timezone`, `variable`, `absolute`."),
    FIELD_STRING(Domain, clock_timezone, .path = "clock/@timezone", .doc = "timezone: its name."),
    FIELD_ENUM(Domain, clock_basis, basis_names, .path = "clock/@basis",
               .doc = "variable: what is adjusted; `utc` by default."),
    FIELD_STRING(Domain, clock_adjustment, .path = "clock/@adjustment",
                 .doc = "variable: seconds to add; elsewhere only `reset`."),
    FIELD_INT(Domain, clock_start, .path = "clock/@start",
              .doc = "absolute: seconds since 1970, UTC."),
    FIELD_LIST(Domain, timers, &timer_schema, .path = "clock/timer", .doc = "Timers."),
    FIELD_END,
};

#define TIMER(name) (1u << TIMER_##name)

/* What only some timers can be told. */
static void
validate_timer_options(const Validation *v, const char *path, const ClockTimer *timer)
{
    bool has_catchup = timer->catchup_threshold.is_set || timer->catchup_slew.is_set ||
                       timer->catchup_limit.is_set;
    const struct {
        const char *name;
        bool is_used;
        guint timers;
    } rows[] = {
        { "tickpolicy", timer->tick_policy, TIMER(RTC) | TIMER(PIT) | TIMER(HPET) | TIMER(TSC) },
        { "track", timer->track, TIMER(RTC) },
        { "frequency", timer->frequency.is_set, TIMER(TSC) },
        { "mode", timer->mode, TIMER(TSC) },
    };

    for (guint i = 0; i < G_N_ELEMENTS(rows); i++)
        if (rows[i].is_used && !(rows[i].timers & 1u << timer->name))
            validation_error(v, path, "clock-timer", "timer '%s' has no '%s'",
                             timer_names[timer->name], rows[i].name);
    if (has_catchup && timer->tick_policy != TICK_CATCHUP)
        validation_error(v, path, "clock-timer", "<catchup> is for tickpolicy='catchup'");
}

static void
validate_timer(const Validation *v, guint index, const ClockTimer *timer)
{
    g_autofree char *path = g_strdup_printf("clock/timer[%u]", index);
    guint policies = 0;

    switch ((TimerName) timer->name) {
    case TIMER_PLATFORM:
    case TIMER_ARMVTIMER:
        return validation_error(v, path, "clock-timer", "QEMU's x86 machines have no timer '%s'",
                                timer_names[timer->name]);
    case TIMER_PIT:
        policies = 1u << TICK_DELAY | 1u << TICK_DISCARD | 1u << TICK_CATCHUP;
        break;
    case TIMER_RTC:
        policies = 1u << TICK_DELAY | 1u << TICK_CATCHUP;
        if (timer->track == TRACK_BOOT)
            validation_error(v, path, "clock-timer", "the real-time clock can't track '%s'",
                             track_names[timer->track]);
        break;
    case TIMER_HPET:
    case TIMER_TSC:
    case TIMER_KVMCLOCK:
    case TIMER_HYPERVCLOCK:
        break;
    }
    for (guint i = 0; i < index; i++)
        if (list_at(v->domain->timers, i, ClockTimer)->name == timer->name)
            validation_error(v, path, "clock-timer", "timer '%s' is there twice",
                             timer_names[timer->name]);
    if (policies && timer->tick_policy && !(policies & 1u << timer->tick_policy))
        validation_error(v, path, "clock-timer", "timer '%s' can't '%s' missed ticks",
                         timer_names[timer->name], tick_names[timer->tick_policy]);
    if (!policies && timer->tick_policy)
        validation_warning(v, path, "no-effect", "a tick policy is for pit and rtc");
    validate_timer_options(v, path, timer);
}

static void
clock_validate(const Validation *v)
{
    const Domain *domain = v->domain;
    const char *adjustment = domain->clock_adjustment;
    gint64 seconds;

    if (domain->clock_timezone && domain->clock_offset != CLOCK_OFFSET_TIMEZONE)
        validation_error(v, "clock/@timezone", "clock", "is for offset='timezone'");
    if (domain->clock_offset == CLOCK_OFFSET_TIMEZONE && !domain->clock_timezone)
        validation_error(v, "clock", "missing-attribute", "offset='timezone' needs a timezone");
    if (domain->clock_basis && domain->clock_offset != CLOCK_OFFSET_VARIABLE)
        validation_error(v, "clock/@basis", "clock", "is for offset='variable'");
    if (domain->clock_start.is_set && domain->clock_offset != CLOCK_OFFSET_ABSOLUTE)
        validation_error(v, "clock/@start", "clock", "is for offset='absolute'");
    if (domain->clock_offset == CLOCK_OFFSET_ABSOLUTE && !domain->clock_start.is_set)
        validation_error(v, "clock", "missing-attribute", "offset='absolute' needs a start");
    if (adjustment && !g_str_equal(adjustment, "reset")) {
        if (!g_ascii_string_to_signed(adjustment, 10, G_MININT64, G_MAXINT64, &seconds, NULL))
            validation_error(v, "clock/@adjustment", "bad-value",
                             "expected a number of seconds or 'reset'");
        else if (domain->clock_offset == CLOCK_OFFSET_ABSOLUTE ||
                 domain->clock_offset == CLOCK_OFFSET_TIMEZONE)
            validation_error(v, "clock/@adjustment", "clock", "is for offset='variable'");
    }
    for (guint i = 0; i < list_length(domain->timers); i++)
        validate_timer(v, i, list_at(domain->timers, i, ClockTimer));
}

const DomainSection domain_clock_section = { clock_fields, clock_validate };
