/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Recorded monitors: a recording answers as the QEMU did that it was taken from, and what it
 * doesn't hold is refused.
 */
#include "qemu/monitor.h"

#include "qemu/hot-plug.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#define RECORDED                                                                                   \
    "[{\"execute\":\"query-status\",\"return\":{\"status\":\"prelaunch\",\"running\":false}},"     \
    "{\"execute\":\"query-status\",\"arguments\":{},\"return\":{\"status\":\"running\","           \
    "\"running\":true}},"                                                                          \
    "{\"execute\":\"qom-get\",\"arguments\":{\"property\":\"size\",\"path\":\"vm0\"},"             \
    "\"return\":8388608},"                                                                         \
    "{\"execute\":\"qom-get\",\"arguments\":{\"path\":\"vm1\",\"property\":\"size\"},"             \
    "\"error\":{\"class\":\"DeviceNotFound\",\"desc\":\"Device 'vm1' not found\"}},"               \
    "{\"execute\":\"query-memory-devices\",\"return\":[{\"type\":\"dimm\",\"data\":{}},"           \
    "{\"type\":\"virtio-mem\",\"data\":{\"id\":\"vm0\",\"memaddr\":4294967296,\"size\":8388608,"   \
    "\"requested-size\":16777216,\"max-size\":1073741824,\"block-size\":2097152,\"node\":1,"       \
    "\"memdev\":\"/objects/m\"}}]},"                                                               \
    "{\"execute\":\"x-query-virtio-status\",\"arguments\":{\"path\":"                              \
    "\"/machine/peripheral/vm0/virtio-backend\"},\"return\":{\"status\":{\"statuses\":["           \
    "\"VIRTIO_CONFIG_S_DRIVER_OK: Driver setup and ready\"]}}}]"

static Monitor *
recorded(const char *text)
{
    g_autoptr(Json) json = json_parse(text, -1, NULL);
    g_autoptr(GError) error = NULL;
    Monitor *monitor = monitor_new_recorded(json, &error);

    if (!monitor)
        fail_msg("%s", error->message);
    return monitor;
}

static void
test_answers(void **state)
{
    static const char *const expected[] = { "prelaunch", "running", "running" };
    g_autoptr(Monitor) monitor = recorded(RECORDED);
    g_autoptr(GPtrArray) devices = NULL;
    MonitorMemoryDevice *device;
    guint64 size = 0;

    for (guint i = 0; i < G_N_ELEMENTS(expected); i++) {
        g_autofree char *status = NULL;
        bool is_running;

        assert_true(monitor_query_status(monitor, &status, &is_running, NULL));
        assert_string_equal(status, expected[i]);
        assert_int_equal(is_running, i > 0);
    }
    assert_true(monitor_qom_get_size(monitor, "vm0", "size", &size, NULL));
    assert_int_equal(size, 8 << 20);
    devices = monitor_query_memory_devices(monitor, NULL);
    assert_int_equal(devices->len, 1);
    device = devices->pdata[0];
    assert_string_equal(device->id, "vm0");
    assert_true(device->memaddr == (guint64) 4 << 30);
    assert_int_equal(device->requested_size, 16 << 20);
    assert_int_equal(device->node, 1);
    assert_int_equal(monitor_query_virtio_driver(monitor, "vm0"), MONITOR_DRIVER_BOUND);
    assert_null(monitor_qmp(monitor));
}

static void
test_refusals(void **state)
{
    g_autoptr(Monitor) monitor = recorded(RECORDED);
    g_autoptr(GError) error = NULL;

    assert_null(monitor_qom_get(monitor, "vm1", "size", &error));
    assert_true(g_error_matches(error, QMP_ERROR, QMP_ERROR_DEVICE_NOT_FOUND));
    assert_string_equal(error->message, "qom-get: Device 'vm1' not found");
    g_clear_error(&error);
    assert_null(monitor_query_uuid(monitor, &error));
    assert_true(g_error_matches(error, QMP_ERROR, QMP_ERROR_COMMAND_NOT_FOUND));
    g_clear_error(&error);
    assert_false(monitor_qom_set_size(monitor, "vm0", "requested-size", 0, &error));
    assert_non_null(error);
}

/* What is recorded of a recording is that recording, as far as it was asked. */
static void
test_recording(void **state)
{
    g_autoptr(Monitor) monitor = recorded(RECORDED);
    g_autoptr(Monitor) replay = NULL;
    g_autoptr(Json) taken = NULL;
    g_autoptr(GError) error = NULL;
    g_autofree char *status = NULL;

    assert_null(monitor_recording(monitor));
    monitor_record(monitor);
    assert_true(monitor_query_status(monitor, NULL, NULL, NULL));
    assert_null(monitor_qom_get(monitor, "vm1", "size", NULL));
    taken = monitor_recording(monitor);
    assert_int_equal(json_length(taken), 2);
    replay = monitor_new_recorded(taken, &error);
    assert_non_null(replay);
    assert_true(monitor_query_status(replay, &status, NULL, NULL));
    assert_string_equal(status, "prelaunch");
    assert_null(monitor_qom_get(replay, "vm1", "size", &error));
    assert_string_equal(error->message, "qom-get: Device 'vm1' not found");
}

static void
test_malformed(void **state)
{
    static const char *const texts[] = { "{}", "[1]", "[{\"execute\":\"cont\"}]",
                                         "[{\"return\":{}}]" };

    for (guint i = 0; i < G_N_ELEMENTS(texts); i++) {
        g_autoptr(Json) json = json_parse(texts[i], -1, NULL);
        g_autoptr(GError) error = NULL;

        assert_null(monitor_new_recorded(json, &error));
        assert_non_null(error);
    }
}

static GPtrArray *
query_memory(const char *sizes, guint n, GError **error)
{
    g_autoptr(GString) text = g_string_new("[{\"execute\":\"query-memory-devices\",\"return\":[");
    g_autoptr(Json) json = NULL;
    g_autoptr(Monitor) monitor = NULL;

    for (guint i = 0; i < n; i++)
        g_string_append_printf(text, "%s{\"type\":\"virtio-mem\",\"data\":{%s}}", i ? "," : "",
                               sizes);
    g_string_append(text, "]}]");
    json = json_parse(text->str, -1, NULL);
    monitor = monitor_new_recorded(json, NULL);
    return monitor_query_memory_devices(monitor, error);
}

/* What no virtio-mem device is, and others would divide by, or add up beyond 64 bits. */
static void
test_impossible_memory(void **state)
{
    static const char good[] =
        "\"block-size\":4096,\"max-size\":8192,\"size\":0,\"requested-size\":8192";
    static const char *const impossible[] = {
        "",
        "\"block-size\":0,\"max-size\":8192,\"size\":0,\"requested-size\":0",
        "\"block-size\":-4096,\"max-size\":8192,\"size\":0,\"requested-size\":0",
        "\"block-size\":12288,\"max-size\":24576,\"size\":0,\"requested-size\":0",
        "\"block-size\":4096,\"max-size\":8193,\"size\":0,\"requested-size\":0",
        "\"block-size\":4096,\"max-size\":8192,\"size\":12288,\"requested-size\":0",
        "\"block-size\":4096,\"max-size\":8192,\"size\":-1,\"requested-size\":0",
        "\"block-size\":4096,\"max-size\":8192,\"size\":0,\"requested-size\":12288",
        "\"block-size\":4096,\"max-size\":9223372036854771712,\"size\":0,\"requested-size\":0",
    };
    g_autoptr(GPtrArray) devices = query_memory(good, 256, NULL);
    g_autoptr(GError) many = NULL;

    assert_int_equal(devices->len, 256);
    assert_null(query_memory(good, 257, &many));
    for (guint i = 0; i < G_N_ELEMENTS(impossible); i++) {
        g_autoptr(GError) error = NULL;

        assert_null(query_memory(impossible[i], 1, &error));
        assert_true(g_error_matches(error, QMP_ERROR, QMP_ERROR_PROTOCOL));
    }
}

static void
test_impossible_memory_size(void **state)
{
    static const char *const sizes[] = {
        "\"base-memory\":4503599627370496,\"plugged-memory\":4503599627370496",
        "\"base-memory\":1",
        "\"plugged-memory\":0",
        "\"base-memory\":4503599627370497",
        "\"base-memory\":-1",
        "\"base-memory\":1,\"plugged-memory\":4503599627370497",
    };

    for (guint i = 0; i < G_N_ELEMENTS(sizes); i++) {
        g_autofree char *text = g_strdup_printf(
            "[{\"execute\":\"query-memory-size-summary\",\"return\":{%s}}]", sizes[i]);
        g_autoptr(Json) json = json_parse(text, -1, NULL);
        g_autoptr(Monitor) monitor = monitor_new_recorded(json, NULL);
        g_autoptr(GError) error = NULL;
        guint64 base, plugged;

        assert_int_equal(monitor_query_memory_size(monitor, &base, &plugged, &error), i < 2);
        assert_true(i < 2 || g_error_matches(error, QMP_ERROR, QMP_ERROR_PROTOCOL));
    }
}

/* A QEMU that says it removed what it goes on listing does not hold us, nor is it asked without
 * pause: two questions every 2 ms, for 2 s. */
static void
test_removed_for_ever(void **state)
{
    g_autoptr(Json) json = json_parse(
        "[{\"execute\":\"qom-list\",\"arguments\":{\"path\":\"/objects\"},"
        "\"return\":[{\"name\":\"limits-1\"}]},"
        "{\"execute\":\"object-del\",\"arguments\":{\"id\":\"limits-1\"},\"return\":{}}]",
        -1, NULL);
    g_autoptr(Monitor) monitor = monitor_new_recorded(json, NULL);
    g_autoptr(Json) asked = NULL;
    g_autoptr(GError) error = NULL;

    monitor_record(monitor);
    assert_false(hot_plug_sweep_named(monitor, BACKEND_OBJECT, "limits-", &error));
    assert_non_null(strstr(error->message, "limits-1: QEMU says that it is gone"));
    asked = monitor_recording(monitor);
    assert_in_range(json_length(asked), 4, 2 * (1000 + 2));
}

int
main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answers),           cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_recording),         cmocka_unit_test(test_malformed),
        cmocka_unit_test(test_impossible_memory), cmocka_unit_test(test_impossible_memory_size),
        cmocka_unit_test(test_removed_for_ever),
    };

    return cmocka_run_group_tests_name("monitor", tests, NULL, NULL);
}
