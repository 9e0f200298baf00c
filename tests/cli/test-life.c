/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One domain's life as its operator sees it through the commands: started, looked at, suspended,
 * resumed, killed behind virtkeep's back, halted. A real QEMU without a guest system; one QEMU
 * lives through most of it, so the tests run in this order.
 */
#include "tests/cli/domain-file.h"
#include "tests/support/deadline.h"
#include "tests/support/qemus.h"
#include "tests/support/virtkeep.h"
#include "state/domains.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <glib/gstdio.h>

#include "model/json.h"
#include "model/spec.h"

#define MIB ((guint64) 1 << 20)

static Scratch *scratch;

/* The JSON that a command prints. */
#define run_json(status, ...)                                                                      \
    ({                                                                                             \
        g_autofree char *text_ =                                                                   \
            virtkeep_expect(scratch, 60, status, "--output", "json", __VA_ARGS__);                 \
        Json *json_ = json_parse(text_, -1, NULL);                                                 \
        assert_non_null(json_);                                                                    \
        json_;                                                                                     \
    })

static const Json *
first(const Json *json, const char *list)
{
    return json_at(json_get(json, list), 0);
}

static void
assert_text_has(const char *text, const char *part)
{
    if (!strstr(text, part))
        fail_msg("'%s' is not in:\n%s", part, text);
}

static void
test_start(void **state)
{
    domain_file_write(scratch, &(DomainFile){ .name = "a", .has_memory_device = true });
    g_free(virtkeep_expect(scratch, 60, 0, "apply"));
    assert_int_equal(qemus_count(scratch, "a"), 1);
    g_free(virtkeep_expect(scratch, 10, 0, "wait", "a", "--for=running"));
    g_free(virtkeep_expect(scratch, 10, 0, "wait", "a", "--for=synced"));
    g_free(virtkeep_expect(scratch, 10, 0, "wait", "a", "--for=memory"));
    g_free(virtkeep_expect(scratch, 10, 0, "plan", "--exit-code"));
}

static void
test_status(void **state)
{
    g_autofree char *text = virtkeep_expect(scratch, 10, 0, "status");
    g_autoptr(Json) json = run_json(0, "status", "a");
    const Json *domain = first(json, "domains");

    assert_text_has(text, "NAME  RUN      MEMORY  SYNC    REASON  AGE\n");
    assert_text_has(text, "\na     running  64 MiB  Synced  ");
    assert_string_equal(json_get_string(domain, "run_state"), "running");
    assert_string_equal(json_get_string(domain, "sync"), "Synced");
    assert_true(json_get_int(domain, "pid", 0) > 0);
    assert_int_equal(json_get_uint(domain, "memory_current", 0), 64 * MIB);
    assert_int_equal(json_get_uint(domain, "memory_max", 0), 320 * MIB);
    assert_string_equal(json_get_string(first(domain, "memory_devices"), "device"), "virtiomem0");
}

static void
test_explain(void **state)
{
    g_autofree char *text = virtkeep_expect(scratch, 10, 0, "explain", "a");
    g_autoptr(Json) json = run_json(0, "explain", "a");
    const Json *timeout = json_get(json_get(json, "policy"), "shutdown-timeout");
    const Json *prune = json_get(json_get(json, "policy"), "prune");

    assert_true(g_str_has_prefix(text, "a  running  Synced\n"));
    assert_text_has(text, "\nNext\n  nothing to do\n");
    assert_string_equal(json_get_string(timeout, "value"), "1s");
    assert_string_equal(json_get_string(timeout, "source"), "a.xml:4");
    assert_string_equal(json_get_string(prune, "source"), "default");
    assert_string_equal(json_get_string(first(json, "conditions"), "type"), "Valid");
    assert_string_equal(json_get_string(first(json, "actions"), "kind"), "start");
    assert_string_equal(json_get_string(json_get(json, "next"), "action"), "none");
}

static void
test_history(void **state)
{
    g_autofree char *text = virtkeep_expect(scratch, 10, 0, "history", "a");
    g_autoptr(Json) json = run_json(0, "history", "--changes", "--events", "--since", "1h");
    g_autoptr(Json) nothing = run_json(0, "history", "--since", "1us");
    const Json *action = first(json, "actions");

    assert_text_has(text, "  start  a.xml, by apply  done in ");
    assert_int_equal(json_length(json_get(json, "actions")), 1);
    assert_string_equal(json_get_string(action, "outcome"), "done");
    assert_string_equal(json_get_string(json_get(action, "cause"), "trigger"), "apply");
    assert_non_null(json_get(json, "changes"));
    assert_int_equal(json_length(json_get(nothing, "actions")), 0);
    assert_null(json_get(nothing, "changes"));
}

/* What is exported is a valid file, and asks for nothing that isn't there. */
static void
test_export(void **state)
{
    g_autofree char *xml = virtkeep_expect(scratch, 10, 0, "export", "a");
    g_autofree char *file = NULL, *kept = scratch_read(scratch, "domains/a.xml");
    g_autofree char *plan = NULL;

    assert_text_has(xml, "<requested unit='KiB'>0</requested>");
    assert_text_has(xml, "<current unit='KiB'>0</current>");
    assert_text_has(xml, "<currentMemory unit='KiB'>65536</currentMemory>");
    file = scratch_write(scratch, "exported.xml", xml);
    g_free(virtkeep_expect(scratch, 10, 0, "validate", file));
    g_free(scratch_write(scratch, "domains/a.xml", xml));
    plan = virtkeep_expect(scratch, 10, 0, "plan", "--exit-code");
    assert_text_has(plan, "Nothing to do");
    g_free(scratch_write(scratch, "domains/a.xml", kept));
}

/* What only the operator can do about it. */
static void
test_explain_says_what_helps(void **state)
{
    g_autofree char *file = scratch_path(scratch, "domains/a.xml");
    g_autofree char *needs_restart = NULL, *orphaned = NULL;

    domain_file_write(scratch, &(DomainFile){ .name = "a", .vcpus = 2, .has_memory_device = true });
    needs_restart = virtkeep_expect(scratch, 10, 0, "explain", "a");
    assert_text_has(needs_restart, "policy restart-required=restart\n");
    assert_int_equal(unlink(file), 0);
    orphaned = virtkeep_expect(scratch, 10, 0, "explain", "a");
    assert_text_has(orphaned, "\nNext\n  nothing, until its file is back");
    domain_file_write(scratch, &(DomainFile){ .name = "a", .has_memory_device = true });
}

static void
test_suspended(void **state)
{
    g_autoptr(Json) status = NULL, plan = NULL;
    g_autoptr(CommandResult) result = NULL;
    g_autofree char *explained = NULL;
    g_autofree char *identity = qemu_identity(scratch, "a");

    g_free(virtkeep_expect(scratch, 30, 0, "suspend", "a", "--reason", "looking into it"));
    domain_file_write(
        scratch,
        &(DomainFile){ .name = "a", .has_memory_device = true, .policy = "run-strategy='halted'" });
    status = run_json(0, "status");
    assert_string_equal(json_get_string(first(status, "domains"), "sync"), "Suspended");
    assert_string_equal(json_get_string(first(status, "domains"), "message"), "looking into it");
    plan = run_json(0, "plan", "a");
    assert_string_equal(json_get_string(first(plan, "domains"), "action"), "none");
    explained = virtkeep_expect(scratch, 10, 0, "explain", "a");
    assert_text_has(explained, "\nNext\n  nothing, until it is resumed");
    g_free(virtkeep_expect(scratch, 30, 0, "apply", "--no-wait"));
    assert_true(qemu_is(scratch, "a", identity));
    /* Nothing but `resume` will bring it about. */
    result = virtkeep_run(scratch, 10, "wait", "a", "--for=synced", "--timeout", "5s");
    assert_int_equal(result->status, 1);
    assert_text_has(result->err, "looking into it");
}

static void
test_resumed_and_halted(void **state)
{
    g_autoptr(Json) json = NULL;

    g_free(virtkeep_expect(scratch, 30, 0, "resume", "a"));
    g_free(virtkeep_expect(scratch, 10, 3, "wait", "a", "--for=stopped", "--timeout", "200ms"));
    /* The firmware hears no ACPI: it is ended after shutdown-timeout, one second here. */
    g_free(virtkeep_expect(scratch, 60, 0, "apply"));
    assert_int_equal(qemus_count(scratch, "a"), 0);
    g_free(virtkeep_expect(scratch, 10, 0, "wait", "a", "--for=stopped"));
    json = run_json(0, "status", "a");
    assert_string_equal(json_get_string(first(json, "domains"), "run_state"), "off");
    assert_int_equal(json_type(json_get(first(json, "domains"), "pid")), JSON_NULL);
    g_free(virtkeep_expect(scratch, 10, 1, "wait", "a", "--for=running"));
}

static void
test_killed_behind_our_back(void **state)
{
    g_autofree char *plan = NULL;
    g_autoptr(Json) json = NULL;

    domain_file_write(scratch, &(DomainFile){ .name = "a", .has_memory_device = true });
    g_free(virtkeep_expect(scratch, 60, 0, "apply"));
    qemu_signal(scratch, "a", SIGKILL);
    assert_within(10, qemus_count(scratch, "a") == 0);
    json = run_json(0, "status", "a");
    assert_string_equal(json_get_string(first(json, "domains"), "run_state"), "off");
    assert_string_equal(json_get_string(first(json, "domains"), "reason"), "QemuGone");
    plan = virtkeep_expect(scratch, 10, 2, "plan", "--exit-code");
    assert_text_has(plan, "+ a  start");
}

static void
test_invalid(void **state)
{
    g_autofree char *kept = scratch_read(scratch, "domains/a.xml");
    g_autoptr(CommandResult) waited = NULL;
    g_autoptr(Json) json = NULL;

    g_free(scratch_write(scratch, "domains/a.xml", "<domain type='qemu'>\n  <name>a</name>\n"));
    /* Cut short, the file still belongs to its domain. */
    json = run_json(0, "plan", "a");
    assert_string_equal(json_get_string(first(json, "domains"), "action"), "blocked");
    assert_string_equal(json_get_string(first(json, "domains"), "sync"), "Invalid");
    waited = virtkeep_run(scratch, 10, "wait", "a", "--for=synced", "--timeout", "5s");
    assert_int_equal(waited->status, 1);
    assert_text_has(waited->err, "domains/a.xml:");
    g_free(scratch_write(scratch, "domains/a.xml", kept));
}

static bool
was_held_by(const char *lock, int pid)
{
    g_autofree char *text = scratch_read(scratch, lock), *number = g_strdup_printf("%d", pid);

    return text && strstr(text, number);
}

static bool
has_next_attempt(const char *name, gint64 after)
{
    g_autofree char *path = scratch_path(scratch, "state.db");
    g_autoptr(Store) store = store_open(path, STORE_READ_ONLY, NULL);
    g_autoptr(DomainRecord) row = NULL;

    return store && store_domain_get(store, name, &row, NULL) && row && row->n_failures &&
           row->next_attempt_us > after;
}

/* When watch will come back to what fails by itself. */
static void
test_next_attempt(void **state)
{
    g_autofree char *file = scratch_path(scratch, "domains/fails.xml");
    gint64 begin = g_get_real_time();
    g_autoptr(Command) watch = NULL;
    g_autoptr(CommandResult) result = NULL;

    domain_file_write(scratch, &(DomainFile){
                                   .name = "fails",
                                   .devices = "<disk type='file'><source file='/nowhere/a'/>"
                                              "<target dev='vda' bus='virtio'/></disk>",
                               });
    watch = virtkeep_start(scratch, "watch");
    assert_within(30, has_next_attempt("fails", begin));
    command_signal(watch, SIGTERM);
    result = command_wait(watch, 20);
    assert_int_equal(result->status, 0);
    assert_int_equal(g_unlink(file), 0);
}

/* The resync is minutes away: what makes `watch` look is `resume`. */
static void
test_resume_wakes_watch(void **state)
{
    g_autoptr(Command) watch = NULL;
    g_autoptr(CommandResult) result = NULL;

    g_free(virtkeep_expect(scratch, 30, 0, "suspend", "a"));
    watch = virtkeep_start(scratch, "watch");
    assert_within(10, was_held_by("run/.a.lock", command_pid(watch)));
    g_free(virtkeep_expect(scratch, 30, 0, "resume", "a"));
    g_free(virtkeep_expect(scratch, 60, 0, "wait", "a", "--for=running", "--timeout", "30s"));
    command_signal(watch, SIGTERM);
    result = command_wait(watch, 20);
    assert_int_equal(result->status, 0);
    assert_int_equal(qemus_count(scratch, "a"), 1);
}

static bool
has_said(const Command *watch, const char *part)
{
    g_autofree char *text = command_errors(watch);

    return text && strstr(text, part);
}

/* What holds pruning back is what the last scan found, not what the first one did. */
static void
test_watch_says_why_pruning_is_held(void **state)
{
    g_autoptr(Command) watch = NULL;
    g_autoptr(CommandResult) result = NULL;
    g_autofree char *file = scratch_path(scratch, "domains/a.xml");
    g_autofree char *aside = scratch_path(scratch, "a.xml");

    watch = virtkeep_start(scratch, "-v", "watch");
    assert_within(20, has_said(watch, "a: "));
    assert_false(has_said(watch, "pruning is held"));
    assert_int_equal(g_rename(file, aside), 0);
    assert_within(20, has_said(watch, "pruning is held: "));
    assert_int_equal(g_rename(aside, file), 0);
    command_signal(watch, SIGTERM);
    result = command_wait(watch, 20);
    assert_int_equal(result->status, 0);
}

static void
test_no_passwords(void **state)
{
    static const char *const commands[] = { "plan", "explain", "export" };
    g_autofree char *file = NULL, *text = NULL;

    domain_file_write(scratch, &(DomainFile){ .name = "p",
                                              .policy = "run-strategy='manual'",
                                              .devices = "    <graphics type='vnc' port='5987' "
                                                         "passwd='hush-42'/>\n" });
    for (gsize i = 0; i < G_N_ELEMENTS(commands); i++) {
        g_autoptr(CommandResult) result =
            virtkeep_run(scratch, 10, "--output", "json", commands[i], "p");

        assert_int_equal(result->status, 0);
        assert_null(strstr(result->out, "hush-42"));
        assert_null(strstr(result->err, "hush-42"));
    }
    file = scratch_path(scratch, "domains/p.xml");
    text = virtkeep_expect(scratch, 30, 0, "argv", file);
    assert_text_has(text, "password=on");
    assert_null(strstr(text, "hush-42"));
}

static int
set_up(void **state)
{
    scratch = scratch_new();
    return 0;
}

static int
tear_down(void **state)
{
    scratch_free(scratch);
    return 0;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_start),
        cmocka_unit_test(test_status),
        cmocka_unit_test(test_explain),
        cmocka_unit_test(test_history),
        cmocka_unit_test(test_export),
        cmocka_unit_test(test_explain_says_what_helps),
        cmocka_unit_test(test_suspended),
        cmocka_unit_test(test_resumed_and_halted),
        cmocka_unit_test(test_killed_behind_our_back),
        cmocka_unit_test(test_invalid),
        cmocka_unit_test(test_resume_wakes_watch),
        cmocka_unit_test(test_watch_says_why_pruning_is_held),
        cmocka_unit_test(test_no_passwords),
        cmocka_unit_test(test_next_attempt),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
