/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Observations of recorded monitors: every state of QEMU's, what is said and what is left unsaid
 * when a QEMU can't answer, and figures that the guest doesn't give.
 */
#include "qemu/observe.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#define STATUS "{'execute':'query-status','return':{'status':'running','running':true}}"
#define QOM_GET(path, property, value)                                                             \
    "{'execute':'qom-get','arguments':{'path':'/machine/peripheral/" path                          \
    "','property':'" property "'},'return':" value "}"
#define NO_FIGURE "18446744073709551615"

/* @text in single quotes. */
static Observed *
observe_text(const char *text, GError **error)
{
    g_autofree char *quoted = g_strdelimit(g_strdup_printf("[%s]", text), "'", '"');
    g_autoptr(Json) replies = json_parse(quoted, -1, error);
    g_autoptr(Monitor) monitor = replies ? monitor_new_recorded(replies, error) : NULL;

    return monitor ? observe(monitor, 7, error) : NULL;
}

static void
test_states(void **state)
{
    static const struct {
        const char *status;
        RunState state;
    } states[] = {
        { "running", RUN_STATE_RUNNING },        { "suspended", RUN_STATE_RUNNING },
        { "prelaunch", RUN_STATE_PRELAUNCH },    { "paused", RUN_STATE_PAUSED },
        { "io-error", RUN_STATE_PAUSED },        { "watchdog", RUN_STATE_PAUSED },
        { "debug", RUN_STATE_PAUSED },           { "colo", RUN_STATE_PAUSED },
        { "shutdown", RUN_STATE_SHUTDOWN },      { "guest-panicked", RUN_STATE_CRASHED },
        { "internal-error", RUN_STATE_CRASHED }, { "inmigrate", RUN_STATE_MIGRATING },
        { "postmigrate", RUN_STATE_MIGRATING },  { "finish-migrate", RUN_STATE_MIGRATING },
        { "save-vm", RUN_STATE_MIGRATING },      { "restore-vm", RUN_STATE_MIGRATING },
        { "invented-later", RUN_STATE_PAUSED },
    };

    for (guint i = 0; i < G_N_ELEMENTS(states); i++) {
        g_autofree char *text =
            g_strdup_printf("{'execute':'query-status','return':{'status':'%s','running':false}}",
                            states[i].status);
        g_autoptr(Observed) observed = observe_text(text, NULL);

        assert_non_null(observed);
        assert_int_equal(observed->run_state, states[i].state);
        assert_string_equal(observed->qemu_status, states[i].status);
        assert_int_equal(observed->is_migrating, states[i].state == RUN_STATE_MIGRATING);
    }
}

/* Whatever isn't answered is not there; only the status must be. */
static void
test_nothing_but_status(void **state)
{
    g_autoptr(Observed) observed = observe_text(STATUS, NULL), nothing = NULL;
    g_autoptr(GError) error = NULL;

    assert_null(observed->message);
    assert_int_equal(observed->memories->len, 0);
    assert_int_equal(observed->device_ids->len, 0);
    assert_false(observed->has_balloon || observed->has_statistics || observed->is_migrating);
    assert_int_equal(observed->observed_at, 7);

    nothing = observe_text("", &error);
    assert_null(nothing);
    assert_true(g_error_matches(error, QMP_ERROR, QMP_ERROR_COMMAND_NOT_FOUND));
}

static void
test_everything(void **state)
{
    static const char text[] = STATUS
        ",{'execute':'qom-list','arguments':{'path':'/machine/peripheral'},'return':["
        "{'name':'vm0','type':'child<virtio-mem-pci>'},{'name':'type','type':'string'},"
        "{'name':'ua-b','type':'child<virtio-balloon-pci>'},"
        "{'name':'net0','type':'child<e1000e>'}]}"
        ",{'execute':'query-memory-devices','return':[{'type':'virtio-mem','data':{'id':'vm0',"
        "'memaddr':4294967296,'size':8388608,'requested-size':16777216,'max-size':1073741824,"
        "'block-size':2097152,'node':1,'memdev':'/objects/m'}}]}"
        ",{'execute':'query-balloon','return':{'actual':67108864}}"
        ",{'execute':'x-query-virtio-status','arguments':{'path':"
        "'/machine/peripheral/vm0/virtio-backend'},'return':{'status':{'statuses':["
        "'VIRTIO_CONFIG_S_DRIVER_OK: Driver setup and ready']}}}"
        "," QOM_GET("ua-b", "guest-stats",
                    "{'last-update':1700000000,'stats':{'stat-available-memory':123,"
                    "'stat-total-memory':" NO_FIGURE "}}")       //
        "," QOM_GET("ua-b", "guest-stats-polling-interval", "5") //
        ",{'execute':'query-migrate','return':{'status':'active'}}";
    g_autoptr(GError) error = NULL;
    g_autoptr(Observed) observed = observe_text(text, &error);
    const ObservedMemory *memory;

    if (!observed)
        fail_msg("%s", error->message);
    assert_int_equal(observed->device_ids->len, 3);
    assert_string_equal(observed->device_ids->pdata[0], "net0");
    assert_string_equal(observed->device_ids->pdata[1], "ua-b");
    memory = observed_memory(observed, "vm0");
    assert_int_equal(memory->address, 4294967296);
    assert_int_equal(memory->current, 8388608);
    assert_int_equal(memory->requested, 16777216);
    assert_int_equal(memory->max, 1073741824);
    assert_int_equal(memory->block, 2097152);
    assert_int_equal(memory->node, 1);
    assert_int_equal(memory->driver, DRIVER_BOUND);
    assert_true(observed->has_balloon && observed->has_statistics);
    assert_int_equal(observed->balloon_actual, 67108864);
    assert_int_equal(observed->statistics_at, G_GINT64_CONSTANT(1700000000) * G_USEC_PER_SEC);
    assert_int_equal(observed->statistics_available, 123);
    assert_int_equal(observed->statistics_total, 0);
    assert_int_equal(observed->statistics_interval, 5);
    assert_true(observed->is_migrating);
}

/* Statistics count only with a time and with what is available. */
static void
test_statistics(void **state)
{
    static const char *const useless[] = {
        "{'last-update':0,'stats':{'stat-available-memory':" NO_FIGURE "}}",
        "{'last-update':0,'stats':{'stat-available-memory':5}}",
        "{'last-update':1700000000,'stats':{'stat-available-memory':" NO_FIGURE "}}",
        "{'last-update':1700000000,'stats':{}}",
        "{'last-update':9223372036854775807,'stats':{'stat-available-memory':5}}",
        "{}",
    };

    for (guint i = 0; i < G_N_ELEMENTS(useless); i++) {
        g_autofree char *text = g_strconcat(
            STATUS ",{'execute':'query-balloon','return':{'actual':1}},"
                   "{'execute':'qom-get','arguments':{'path':'/machine/peripheral/balloon0',"
                   "'property':'guest-stats'},'return':",
            useless[i], "}", NULL);
        g_autoptr(Observed) observed = observe_text(text, NULL);

        assert_true(observed->has_balloon);
        assert_false(observed->has_statistics);
        assert_int_equal(observed->statistics_at, 0);
        assert_int_equal(observed->statistics_available, 0);
    }
}

static void
test_without_monitor(void **state)
{
    g_autoptr(Observed) off = observe_off(3), lost = observe_unreachable("no answer", 4);

    assert_int_equal(off->run_state, RUN_STATE_OFF);
    assert_int_equal(off->observed_at, 3);
    assert_int_equal(lost->run_state, RUN_STATE_UNREACHABLE);
    assert_string_equal(lost->message, "no answer");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_states),          cmocka_unit_test(test_nothing_but_status),
        cmocka_unit_test(test_everything),      cmocka_unit_test(test_statistics),
        cmocka_unit_test(test_without_monitor),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
