/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Domains directories that are not as they should be, while a QEMU runs: files that are no domain,
 * bombs, two files of one name, files that come and go while they are read, directories that are
 * emptied, switched, or swapped for another one, more changes than inotify can tell. A broken file
 * is not a deleted one, and a deleted one is not an order to destroy.
 */
#include "tests/fault/plain.h"
#include "tests/support/deadline.h"
#include "tests/support/qemus.h"
#include "tests/support/views.h"
#include "tests/support/virtkeep.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define MIB ((guint64) 1 << 20)
#define ALL_STEPS "memory-step='all'"
#define DESTROYED ALL_STEPS " prune='destroy'"

static Scratch *scratch;
static Command *watch;
static char *identity;

static void
request(unsigned mib)
{
    plain_write(scratch, &(Plain){ .name = "p", .policy = ALL_STEPS, .requested_mib = mib });
}

static int
begin(void **state)
{
    scratch = scratch_new();
    request(0);
    g_free(virtkeep_expect(scratch, 60, 0, "apply"));
    identity = qemu_identity(scratch, "p");
    assert_non_null(identity);
    return 0;
}

static int
end(void **state)
{
    g_clear_pointer(&watch, command_free);
    g_clear_pointer(&identity, g_free);
    g_clear_pointer(&scratch, scratch_free);
    return 0;
}

static void
remove_file(const char *name)
{
    g_autofree char *path = scratch_path(scratch, name);

    assert_int_equal(g_unlink(path), 0);
}

static bool
has_said(const char *words)
{
    g_autofree char *errors = command_errors(watch);

    return strstr(errors, words) != NULL;
}

/* What the state says was said by `apply`: `watch` is at work when it says so itself. */
static void
start_watch(void)
{
    watch = virtkeep_start(scratch, "watch");
    assert_within(30, has_said("p: Synced"));
}

/* --- files that are no domain --- */

/* @count times @text. */
static char *
repeat(const char *text, unsigned count)
{
    GString *all = g_string_new(NULL);

    while (count--)
        g_string_append(all, text);
    return g_string_free(all, FALSE);
}

static char *
nested_elements(void)
{
    return repeat("<devices>", 10 * 1024 * 1024 / 9);
}

static char *
many_elements(void)
{
    g_autofree char *elements = repeat("<a/>\n", 2 * 1024 * 1024);

    return g_strconcat("<domain type='qemu'>\n<name>p</name>\n", elements, "</domain>\n", NULL);
}

static char *
entity_bomb(void)
{
    return g_strdup(
        "<!DOCTYPE domain [\n"
        "<!ENTITY a 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'>\n"
        "<!ENTITY b '&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;'>\n"
        "<!ENTITY c '&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;'>\n"
        "<!ENTITY d '&c;&c;&c;&c;&c;&c;&c;&c;&c;&c;&c;&c;&c;&c;&c;&c;&c;&c;&c;&c;'>\n"
        "<!ENTITY e '&d;&d;&d;&d;&d;&d;&d;&d;&d;&d;&d;&d;&d;&d;&d;&d;&d;&d;&d;&d;'>\n"
        "]>\n"
        "<domain type='qemu'><name>p</name><title>&e;</title></domain>\n");
}

static char *
external_entity(void)
{
    return g_strdup("<!DOCTYPE domain [<!ENTITY a SYSTEM 'file:///etc/passwd'>]>\n"
                    "<domain type='qemu'><name>p</name><title>&a;</title></domain>\n");
}

/* The good file with one thing changed. */
static char *
changed(const char *from, const char *to)
{
    g_autofree char *good = plain_xml(&(Plain){ .name = "p", .policy = ALL_STEPS });
    g_auto(GStrv) parts = g_strsplit(good, from, 2);

    assert_non_null(parts[1]);
    return g_strjoinv(to, parts);
}

static char *
cut_short(void)
{
    char *text = changed("</domain>", "</domain>");

    text[strlen(text) / 2] = '\0';
    return text;
}

static char *
unknown_element(void)
{
    return changed("<devices>", "<devices><flux-capacitor/>");
}

static char *
odd_request(void)
{
    return changed("<requested unit='MiB'>0<", "<requested unit='MiB'>33<");
}

static char *
other_machine(void)
{
    return changed("</name>", "</name><uuid>c7a5fdbd-edaf-9455-926a-d65c16db1809</uuid>");
}

static char *
nothing(void)
{
    return g_strdup("");
}

static const struct {
    char *(*text)(void);
    const char *words;
} bad_files[] = {
    { cut_short, "p.xml:" },   { nothing, "p.xml:" },         { unknown_element, "p.xml:" },
    { odd_request, "p.xml:" }, { nested_elements, "p.xml:" }, { many_elements, "p.xml:" },
    { entity_bomb, "p.xml:" }, { external_entity, "p.xml:" }, { other_machine, "uuid" },
};

static void
test_bad_files(void **state)
{
    for (guint i = 0; i < G_N_ELEMENTS(bad_files); i++) {
        g_autofree char *text = bad_files[i].text();
        g_autoptr(CommandResult) result = NULL;
        gint64 actions = view_int(scratch, "SELECT count(*) FROM actions");

        g_free(scratch_write(scratch, "domains/p.xml", text));
        result = virtkeep_run(scratch, 30, "apply", "--timeout", "20s");
        if (result->status != 1 || !strstr(result->err, bad_files[i].words) ||
            strlen(result->err) > 65536)
            fail_msg("file %u: status %d, %zu bytes:\n%.2000s", i, result->status,
                     strlen(result->err), result->err);
        assert_int_equal(view_int(scratch, "SELECT count(*) FROM actions"), actions);
        assert_true(qemu_is(scratch, "p", identity));
        assert_int_equal(qemu_requested(scratch, "p"), 0);
        assert_true(view_is(scratch, "running", "SELECT run_state FROM domains WHERE name = 'p'"));
        request(0);
        g_free(virtkeep_expect(scratch, 30, 0, "apply"));
    }
}

/* --- two files --- */

static void
test_two_files_of_one_name(void **state)
{
    g_autofree char *xml =
        plain_xml(&(Plain){ .name = "p", .policy = ALL_STEPS, .requested_mib = 32 });
    g_autoptr(CommandResult) result = NULL;

    request(64);
    g_free(scratch_write(scratch, "domains/other.xml", xml));
    result = virtkeep_run(scratch, 30, "apply");
    assert_int_equal(result->status, 1);
    assert_non_null(strstr(result->err, "other.xml"));
    assert_non_null(strstr(result->err, "p.xml"));
    assert_int_equal(qemu_requested(scratch, "p"), 0);
    assert_true(view_is(scratch, "Invalid", "SELECT sync FROM domains WHERE name = 'p'"));
    assert_true(qemu_is(scratch, "p", identity));

    remove_file("domains/p.xml");
    g_free(virtkeep_expect(scratch, 30, 3, "apply", "--no-wait"));
    assert_int_equal(qemu_requested(scratch, "p"), 32 * MIB);
    assert_true(qemu_is(scratch, "p", identity));
}

/* --- what is gone --- */

static void
test_removed_is_kept(void **state)
{
    start_watch();
    plain_write(scratch, &(Plain){ .name = "q", .policy = "run-strategy='manual'" });
    remove_file("domains/p.xml");
    view_wait_domain(scratch, 20, "p", "Orphaned", "Orphaned");
    assert_true(qemu_is(scratch, "p", identity));
    request(32);
    assert_within(20, qemu_requested(scratch, "p") == 32 * MIB);
    assert_true(qemu_is(scratch, "p", identity));
}

static void
test_emptied_prunes_nothing(void **state)
{
    plain_write(scratch, &(Plain){ .name = "p", .policy = DESTROYED });
    start_watch();
    remove_file("domains/p.xml");
    view_wait_domain(scratch, 20, "p", "Orphaned", "PruneHeld");
    assert_true(qemu_is(scratch, "p", identity));
    {
        g_autofree char *message =
            view_text(scratch, "SELECT message FROM domains WHERE name = 'p'");

        assert_non_null(strstr(message, "empty"));
    }
    plain_write(scratch, &(Plain){ .name = "p", .policy = DESTROYED });
    view_wait_domain(scratch, 20, "p", "Synced", "Synced");
    assert_true(qemu_is(scratch, "p", identity));
}

/* Renamed away, another one in its place, as a mount point that was not mounted looks. */
static void
test_swapped_prunes_nothing(void **state)
{
    g_autofree char *domains = scratch_path(scratch, "domains");
    g_autofree char *away = scratch_path(scratch, "away");
    g_autofree char *xml = plain_xml(&(Plain){ .name = "q", .policy = "run-strategy='manual'" });

    plain_write(scratch, &(Plain){ .name = "p", .policy = DESTROYED });
    start_watch();
    assert_int_equal(g_rename(domains, away), 0);
    view_wait_domain(scratch, 20, "p", "Orphaned", "PruneHeld");
    g_free(scratch_write(scratch, "domains/q.xml", xml));
    view_wait_domain(scratch, 20, "q", "Synced", "Stopped");
    assert_true(view_domain_is(scratch, "p", "Orphaned", "PruneHeld"));
    assert_true(qemu_is(scratch, "p", identity));
    /* The file back, at another place. */
    plain_write(scratch, &(Plain){ .name = "p", .policy = ALL_STEPS, .requested_mib = 32 });
    assert_within(20, qemu_requested(scratch, "p") == 32 * MIB);
    assert_true(qemu_is(scratch, "p", identity));
}

static void
test_symlink_is_switched(void **state)
{
    g_autofree char *domains = scratch_path(scratch, "domains");
    g_autofree char *first = scratch_path(scratch, "first");
    g_autofree char *next = scratch_path(scratch, "next");
    g_autofree char *xml =
        plain_xml(&(Plain){ .name = "p", .policy = ALL_STEPS, .requested_mib = 32 });

    assert_int_equal(g_rename(domains, first), 0);
    assert_int_equal(symlink("first", domains), 0);
    g_free(scratch_write(scratch, "second/p.xml", xml));
    start_watch();
    assert_int_equal(symlink("second", next), 0);
    assert_int_equal(g_rename(next, domains), 0);
    assert_within(20, qemu_requested(scratch, "p") == 32 * MIB);
    assert_true(qemu_is(scratch, "p", identity));
}

/* --- what changes faster than it is read --- */

/* A writer who never puts a whole file there at once. */
static const char restless[] = "while :; do cat \"$1\" > \"$2\"; rm -f \"$2\"; done";

static void
test_vanishing_while_read(void **state)
{
    g_autofree char *xml =
        plain_xml(&(Plain){ .name = "p", .policy = ALL_STEPS, .requested_mib = 32 });
    g_autofree char *source = scratch_write(scratch, "p.source", xml);
    g_autofree char *file = scratch_path(scratch, "domains/p.xml");
    const char *const argv[] = { "sh", "-c", restless, "sh", source, file, NULL };
    g_autoptr(Command) writer = NULL;

    plain_write(scratch, &(Plain){ .name = "q", .policy = "run-strategy='manual'" });
    g_free(virtkeep_expect(scratch, 30, 0, "apply"));
    start_watch();
    writer = command_start(scratch, argv);
    for (guint i = 0; i < 30; i++) {
        g_autoptr(CommandResult) result = virtkeep_run(scratch, 30, "apply", "--no-wait");

        if (result->status != 0 && result->status != 1 && result->status != 3)
            fail_msg("status %d:\n%s", result->status, result->err);
        assert_true(qemu_is(scratch, "p", identity));
    }
    command_signal(writer, SIGKILL);
    assert_within(10, !command_is_running(writer));
    request(64);
    assert_within(30, qemu_requested(scratch, "p") == 64 * MIB);
    assert_true(command_is_running(watch));
    assert_true(qemu_is(scratch, "p", identity));
}

static unsigned
inotify_limit(void)
{
    g_autofree char *text = NULL;

    if (!g_file_get_contents("/proc/sys/fs/inotify/max_queued_events", &text, NULL, NULL))
        return 16384;
    return (unsigned) g_ascii_strtoull(text, NULL, 10);
}

/* While `watch` does not read its events there come more than the kernel keeps; the edit is behind
 * them, so no event tells of it. */
static void
test_inotify_overflow(void **state)
{
    unsigned n = inotify_limit();

    if (n > 1000000)
        skip();
    start_watch();
    command_signal(watch, SIGSTOP);
    for (unsigned i = 0; i < n; i++) {
        g_autofree char *name = g_strdup_printf("domains/.%u", i); /* hidden: no hint */
        g_autofree char *path = scratch_path(scratch, name);
        int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

        assert_true(fd >= 0);
        close(fd);
        g_unlink(path);
    }
    request(64);
    command_signal(watch, SIGCONT);
    assert_within(30, qemu_requested(scratch, "p") == 64 * MIB);
    assert_true(qemu_is(scratch, "p", identity));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_bad_files, begin, end),
        cmocka_unit_test_setup_teardown(test_two_files_of_one_name, begin, end),
        cmocka_unit_test_setup_teardown(test_removed_is_kept, begin, end),
        cmocka_unit_test_setup_teardown(test_emptied_prunes_nothing, begin, end),
        cmocka_unit_test_setup_teardown(test_swapped_prunes_nothing, begin, end),
        cmocka_unit_test_setup_teardown(test_symlink_is_switched, begin, end),
        cmocka_unit_test_setup_teardown(test_vanishing_while_read, begin, end),
        cmocka_unit_test_setup_teardown(test_inotify_overflow, begin, end),
    };

    return cmocka_run_group_tests_name("fault-directory", tests, NULL, NULL);
}
