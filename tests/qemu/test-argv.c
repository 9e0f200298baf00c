/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Command lines before a real QEMU: each domain of domains/ is resolved, spelled, started paused
 * and looked at. QEMU must take every option, every device must sit where the resolved domain says,
 * and the observation must find what was asked for. Then the same trees are given to the commands
 * of hot plug, since they are claimed to be the same.
 */
#include "qemu/command-line.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "model/disk.h"
#include "model/interface.h"
#include "model/memory.h"
#include "model/rng.h"
#include "model/spec.h"
#include "qemu/device.h"
#include "qemu/observe.h"
#include "qemu/probe.h"
#include "qemu/verbs.h"
#include "reconcile/resolve.h"
#include "tests/qemu/paused-qemu.h"
#include "tests/support/command.h"
#include "tests/support/deadline.h"

static Capabilities *capabilities;
static Scratch *scratch;

typedef struct Running {
    Domain *domain;
    Launch *launch;
    Monitor *monitor;
} Running;

/* --- the stage --- */

static void
write_file(const char *name, gsize size)
{
    g_autofree char *content = g_malloc0(size), *path = scratch_path(scratch, name);

    assert_true(g_file_set_contents(path, content, size, NULL));
}

static int
setup(void **state)
{
    g_autofree char *image = NULL;

    scratch = scratch_new();
    image = scratch_path(scratch, "a \"b\", c.qcow2");
    g_autoptr(CommandResult) result = command_run(
        scratch, 20,
        (const char *const[]){ "qemu-img", "create", "-q", "-f", "qcow2", image, "16M", NULL });
    assert_int_equal(result->status, 0);
    write_file("disk.raw", 1 << 20);
    write_file("own.raw", 1 << 20);
    write_file("floppy.raw", 1440 * 1024);
    write_file("code,1.fd", 2 << 20);
    write_file("vars.fd", 128 << 10);
    return 0;
}

static int
teardown(void **state)
{
    return scratch_end(scratch) == 0 ? 0 : -1;
}

static void
assert_no_errors(const Diagnostics *diagnostics)
{
    g_autofree char *text = diagnostics_format(diagnostics);

    if (diagnostics_has_errors(diagnostics))
        fail_msg("%s", text);
}

static HostFacts
scratch_facts(void)
{
    return (HostFacts){
        .page_size = 4096,
        .memory_directory = scratch_dir(scratch),
        .socket_directory = scratch_dir(scratch),
        .now = g_get_real_time(),
    };
}

static Domain *
load_domain(const char *name)
{
    g_autofree char *path = g_strdup_printf("%s/%s.xml", DOMAINS, name);
    g_autofree char *text = NULL;
    g_autoptr(GString) xml = NULL;
    g_autoptr(Spec) spec = NULL;
    g_autoptr(Diagnostics) diagnostics = diagnostics_new(path);
    Domain *domain;

    assert_true(g_file_get_contents(path, &text, NULL, NULL));
    xml = g_string_new(text);
    g_string_replace(xml, "@DIR@", scratch_dir(scratch), 0);
    spec = spec_parse(path, xml->str, xml->len);
    assert_no_errors(spec->diagnostics);
    domain = resolve_domain(spec->domain, NULL, &(ResolveContext){ "test" }, spec->positions,
                            diagnostics);
    assert_no_errors(diagnostics);
    return domain;
}

static void
start(const char *name, Running *running)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(Diagnostics) diagnostics = diagnostics_new(name);
    g_autoptr(CommandLine) line = NULL;
    g_auto(GStrv) argv = NULL;
    g_autofree char *run = scratch_path(scratch, "run"), *log = scratch_path(scratch, "log");
    g_autofree char *token = process_token_new();
    HostFacts facts = scratch_facts();
    Qmp *qmp = NULL;

    running->domain = load_domain(name);
    line = command_line_build(running->domain, capabilities, &facts, NULL, diagnostics);
    assert_no_errors(diagnostics);
    argv = command_line_argv(line, PAUSED_QEMU_EMULATOR);
    running->launch = launch_prepare(&(LaunchSpec){ .name = name,
                                                    .run_directory = run,
                                                    .log_path = log,
                                                    .token = token,
                                                    .uuid = running->domain->uuid,
                                                    .argv = (const char *const *) argv },
                                     &error);
    if (running->launch && launch_go(running->launch, &error))
        qmp = launch_connect(running->launch, PAUSED_QEMU_TIMEOUT_US, &error);
    if (!qmp)
        fail_msg("%s: %s", name, error->message);
    running->monitor = monitor_new_live(qmp);
}

static void
stop(Running *running)
{
    g_autofree char *words = launch_stderr_tail(running->launch);

    /* QEMU may say where things are and what TCG can't do, and nothing else. */
    g_autoptr(GRegex) known = g_regex_new(
        "^.*(char device redirected|VNC server running|TCG doesn't support requested).*$",
        G_REGEX_MULTILINE, 0, NULL);
    g_autofree char *rest = g_regex_replace_literal(known, words, -1, 0, "", 0, NULL);
    if (*g_strstrip(rest))
        fail_msg("QEMU says: %s", rest);
    monitor_free(running->monitor);
    launch_abort(running->launch);
    launch_free(running->launch);
    domain_free(running->domain);
}

static guint64
query_uint(Monitor *monitor, const char *id, const char *property)
{
    g_autofree char *path = g_strdup_printf("/machine/peripheral/%s", id);
    g_autoptr(GError) error = NULL;
    g_autoptr(Json) value = monitor_qom_get(monitor, path, property, &error);

    if (!value)
        fail_msg("%s.%s: %s", id, property, error->message);
    return json_int(value, -1);
}

static char *
query_text(Monitor *monitor, const char *id, const char *property)
{
    g_autofree char *path = g_strdup_printf("/machine/peripheral/%s", id);
    g_autoptr(GError) error = NULL;
    g_autoptr(Json) value = monitor_qom_get(monitor, path, property, &error);

    if (!value)
        fail_msg("%s.%s: %s", id, property, error->message);
    return g_strdup(json_string(value));
}

/* --- checks --- */

static void
check_pci_address(const Running *running, const DeviceInfo *info)
{
    const Address *address = info->address;
    g_autofree char *bus = query_text(running->monitor, info->alias, "parent_bus");
    const char *expected = controller_id(running->domain, CONTROLLER_PCI, address->bus.value);

    assert_string_equal(strrchr(bus, '/') + 1, expected);
    assert_int_equal(query_uint(running->monitor, info->alias, "addr"),
                     address->slot.value << 3 | address->function.value);
}

/* Whether QEMU has a device of its own for it, with its id. */
static bool
has_id(const Observed *observed, const char *alias)
{
    for (guint i = 0; i < observed->device_ids->len; i++)
        if (!strcmp(observed->device_ids->pdata[i], alias))
            return true;
    return false;
}

static guint
check_addresses(const Running *running, const Observed *observed)
{
    guint n_checked = 0;

    for (guint k = 0; device_kinds[k]; k++) {
        const GPtrArray *devices = domain_devices(running->domain, device_kinds[k]);

        for (guint i = 0; i < list_length(devices); i++) {
            const DeviceInfo *info = list_at(devices, i, DeviceInfo);

            if (!info->address || info->address->type != ADDRESS_PCI ||
                !has_id(observed, info->alias))
                continue;
            check_pci_address(running, info);
            n_checked++;
        }
    }
    return n_checked;
}

static Observed *
check_observed(const Running *running)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *uuid = monitor_query_uuid(running->monitor, NULL);
    Observed *observed = observe(running->monitor, 42, &error);

    if (!observed)
        fail_msg("%s", error->message);
    assert_int_equal(observed->run_state, RUN_STATE_PRELAUNCH);
    assert_string_equal(uuid, running->domain->uuid);
    assert_int_equal(observed->observed_at, 42);
    assert_false(observed->is_migrating);
    return observed;
}

static void
prepare(const Running *running)
{
    g_autoptr(GError) error = NULL;

    if (!device_prepare_all(running->monitor, running->domain, &error))
        fail_msg("%s", error->message);
}

static void
test_q35(void **state)
{
    Running running = { 0 };
    g_autoptr(Observed) observed = NULL, later = NULL;
    const ObservedMemory *memory;
    g_autofree char *serial = NULL;

    start("q35", &running);
    observed = check_observed(&running);
    assert_true(check_addresses(&running, observed) >= 25);

    assert_int_equal(observed->memories->len, 2);
    memory = observed_memory(observed, "virtiomem0");
    assert_int_equal(memory->max, 128 << 20);
    assert_int_equal(memory->block, 2 << 20);
    assert_int_equal(memory->requested, 64 << 20);
    assert_int_equal(memory->current, 0);
    assert_int_equal(memory->node, 0);
    assert_int_equal(memory->driver, DRIVER_UNBOUND);
    memory = observed_memory(observed, "virtiomem1");
    assert_int_equal(memory->requested, 0);
    assert_int_equal(memory->address, 0x180000000);
    assert_int_equal(memory->node, 1);

    serial = query_text(running.monitor, "virtio-disk0", "serial");
    assert_string_equal(serial, "S-1_2");

    assert_true(observed->has_balloon);
    assert_false(observed->has_statistics);
    assert_int_equal(observed->statistics_interval, 0);
    assert_int_equal(observed->balloon_actual, 128 << 20);
    prepare(&running);
    later = check_observed(&running);
    assert_int_equal(later->statistics_interval, 5);
    stop(&running);
}

static void
test_others(void **state)
{
    static const struct {
        const char *name;
        guint n_placed; /* at least so many PCI devices */
    } domains[] = { { "pc", 9 }, { "flash", 0 }, { "spice", 3 } };

    for (guint i = 0; i < G_N_ELEMENTS(domains); i++) {
        Running running = { 0 };
        g_autoptr(Observed) observed = NULL;

        start(domains[i].name, &running);
        observed = check_observed(&running);
        if (check_addresses(&running, observed) < domains[i].n_placed)
            fail_msg("%s: too few devices were looked at", domains[i].name);
        prepare(&running);
        prepare(&running); /* harmless twice */
        stop(&running);
    }
}

static void
test_requested(void **state)
{
    Running running = { 0 };
    g_autoptr(Observed) before = NULL, after = NULL, statistics = NULL;
    g_autoptr(GError) error = NULL;

    start("q35", &running);
    before = check_observed(&running);
    assert_true(verb_set_requested(running.monitor, "virtiomem1", 8 << 20, &error));
    assert_true(verb_set_requested(running.monitor, "virtiomem1", 8 << 20, &error));
    after = observe_memory(running.monitor, before, 43, &error);
    assert_non_null(after);
    assert_int_equal(observed_memory(after, "virtiomem1")->requested, 8 << 20);
    assert_int_equal(observed_memory(before, "virtiomem1")->requested, 0);
    assert_int_equal(observed_memory(after, "virtiomem1")->driver, DRIVER_UNBOUND);
    assert_int_equal(after->observed_at, 43);
    assert_int_equal(after->device_ids->len, before->device_ids->len);

    /* Not a multiple of the block: QEMU's own words. */
    assert_false(verb_set_requested(running.monitor, "virtiomem1", 1, &error));
    assert_non_null(strstr(error->message, "multiple"));
    g_clear_error(&error);

    assert_true(verb_refresh_statistics(running.monitor, "balloon0", 7, &error));
    statistics = observe_statistics(running.monitor, after, "balloon0", 44, &error);
    assert_non_null(statistics);
    assert_false(statistics->has_statistics); /* there is no guest */
    assert_true(verb_set_link(running.monitor, "net0", true, &error));
    stop(&running);
}

static RunState
run_state(Monitor *monitor)
{
    g_autoptr(Observed) observed = observe(monitor, 1, NULL);

    assert_non_null(observed);
    return observed->run_state;
}

/* <on_reboot>destroy: the guest's reset leaves QEMU there, in the state of a powered-off guest. */
static void
test_reboot_destroys(void **state)
{
    Running running = { 0 };

    start("q35", &running);
    assert_true(monitor_cont(running.monitor, NULL));
    assert_true(monitor_system_reset(running.monitor, NULL));
    assert_within(20, run_state(running.monitor) == RUN_STATE_SHUTDOWN);
    stop(&running);
}

/* --- hot plug --- */

static void
plug(const Running *running, const DeviceKind *kind, gconstpointer device)
{
    HostFacts facts = scratch_facts();
    g_autoptr(Diagnostics) diagnostics = diagnostics_new("plug");
    g_autoptr(GError) error = NULL;
    g_autoptr(DeviceTrees) trees = device_trees_build(running->domain, kind, device, "device",
                                                      capabilities, &facts, NULL, diagnostics);

    assert_no_errors(diagnostics);
    for (guint i = 0; i < trees->backends->len; i++) {
        const Backend *backend = trees->backends->pdata[i];

        if (!monitor_run(running->monitor, backend_command(backend->kind),
                         json_copy(backend->properties), &error))
            fail_msg("%s", error->message);
    }
    if (!monitor_run(running->monitor, "device_add", json_copy(trees->device), &error))
        fail_msg("%s", error->message);
}

/* The devices of "q35" that sit on root ports, added to one that was started without them. */
static void
test_hot_plug(void **state)
{
    Running running = { 0 };
    g_autoptr(Domain) full = NULL;
    g_autoptr(Observed) observed = NULL;
    g_autoptr(GPtrArray) plugged = g_ptr_array_new();
    const DeviceKind *const kinds[] = { &interface_kind, &rng_kind, &disk_kind };
    const Domain *domain;

    start("plug", &running);
    domain = running.domain;
    full = load_domain("plugged");
    for (guint k = 0; k < G_N_ELEMENTS(kinds); k++) {
        const GPtrArray *devices = domain_devices(full, kinds[k]);

        for (guint i = 0; i < list_length(devices); i++) {
            plug(&running, kinds[k], devices->pdata[i]);
            g_ptr_array_add(plugged, devices->pdata[i]);
        }
    }
    plug(&running, device_kind_find("channel"), full->channels->pdata[0]);
    plug(&running, device_kind_find("input"), full->inputs->pdata[0]);
    assert_int_equal(plugged->len, 3);
    assert_int_equal(list_length(domain->disks), 0);

    observed = check_observed(&running);
    for (guint i = 0; i < plugged->len; i++) {
        const DeviceInfo *info = plugged->pdata[i];

        assert_true(has_id(observed, info->alias));
        check_pci_address(&running, info);
    }
    assert_true(has_id(observed, "channel0"));
    stop(&running);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_q35, setup, teardown),
        cmocka_unit_test_setup_teardown(test_others, setup, teardown),
        cmocka_unit_test_setup_teardown(test_requested, setup, teardown),
        cmocka_unit_test_setup_teardown(test_reboot_destroys, setup, teardown),
        cmocka_unit_test_setup_teardown(test_hot_plug, setup, teardown),
    };
    g_autoptr(GError) error = NULL;
    int failed;

    capabilities = probe_emulator(PAUSED_QEMU_EMULATOR, PROBE_DEFAULT_TIMEOUT_US, &error);
    if (!capabilities) {
        g_printerr("%s\n", error->message);
        return 1;
    }
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    capabilities_free(capabilities);
    return failed;
}
