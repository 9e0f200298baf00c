/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * watcher.h with the kernel's inotify: everything that can change what a scan finds is noticed,
 * what can't is not, and a lost event is as good as any.
 *
 * inotify delivers within the system call that causes an event, so after drain() all there is to
 * know is known: no test waits to see that nothing happens.
 */
#include "controller/watcher.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <glib/gstdio.h>

#include "tests/support/deadline.h"
#include "tests/support/scratch.h"

#define SETTLE_US 20000

typedef struct Fixture {
    Scratch *scratch;
    Watcher *watcher;
    guint n_changed;
} Fixture;

static void
count_change(gpointer data)
{
    ((Fixture *) data)->n_changed++;
}

static void
watch(Fixture *fixture, const char *name, gint64 settle_us)
{
    g_autofree char *root = scratch_path(fixture->scratch, name);
    g_autoptr(GError) error = NULL;

    fixture->watcher = watcher_new(root, settle_us, NULL, count_change, fixture, &error);
    if (!fixture->watcher)
        fail_msg("%s", error->message);
    assert_null(watcher_problem(fixture->watcher));
}

static int
set_up(void **state)
{
    Fixture *fixture = g_new0(Fixture, 1);

    fixture->scratch = scratch_new();
    *state = fixture;
    return 0;
}

static int
tear_down(void **state)
{
    Fixture *fixture = *state;

    watcher_free(fixture->watcher);
    scratch_free(fixture->scratch);
    g_free(fixture);
    return 0;
}

/* Takes all events that have happened so far. */
static void
drain(Fixture *fixture)
{
    guint64 n_events;

    do {
        n_events = watcher_statistics(fixture->watcher).n_events;
        g_main_context_iteration(NULL, FALSE);
    } while (watcher_statistics(fixture->watcher).n_events != n_events);
}

/* What has just been done is a change: it is pending, and changed() comes. */
static void
assert_change_(Fixture *fixture, const char *file, int line)
{
    guint n_before = fixture->n_changed;

    drain(fixture);
    if (fixture->n_changed == n_before && !watcher_statistics(fixture->watcher).is_pending)
        _fail(file, line);
    assert_within(10, fixture->n_changed > n_before &&
                          !watcher_statistics(fixture->watcher).is_pending);
}
#define assert_change(fixture) assert_change_(fixture, __FILE__, __LINE__)

static void
assert_no_change(Fixture *fixture)
{
    drain(fixture);
    assert_false(watcher_statistics(fixture->watcher).is_pending);
}

static void
write_file(Fixture *fixture, const char *name, const char *text)
{
    g_free(scratch_write(fixture->scratch, name, text));
}

/* In place, as a shell's > does. */
static void
overwrite(Fixture *fixture, const char *name)
{
    g_autofree char *path = scratch_path(fixture->scratch, name);
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    assert_true(fputs("x", file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void
move(Fixture *fixture, const char *from, const char *to)
{
    g_autofree char *source = scratch_path(fixture->scratch, from);
    g_autofree char *target = scratch_path(fixture->scratch, to);

    assert_int_equal(rename(source, target), 0);
}

static void
remove_file(Fixture *fixture, const char *name)
{
    g_autofree char *path = scratch_path(fixture->scratch, name);

    assert_int_equal(g_remove(path), 0);
}

static void
link_to(Fixture *fixture, const char *target, const char *name)
{
    g_autofree char *path = scratch_path(fixture->scratch, name);

    assert_int_equal(symlink(target, path), 0);
}

static void
make_directory(Fixture *fixture, const char *name)
{
    g_free(scratch_mkdir(fixture->scratch, name));
}

static void
test_files(void **state)
{
    Fixture *fixture = *state;
    g_autofree char *path = NULL;

    write_file(fixture, "d/a.xml", "1");
    watch(fixture, "d", SETTLE_US);
    assert_no_change(fixture);
    write_file(fixture, "d/a.xml", "2"); /* renamed over, as editors and git do */
    assert_change(fixture);
    overwrite(fixture, "d/a.xml");
    assert_change(fixture);
    write_file(fixture, "d/b.xml", "1");
    assert_change(fixture);
    move(fixture, "d/b.xml", "d/c.xml");
    assert_change(fixture);
    move(fixture, "d/c.xml", "c.xml"); /* out of the tree */
    assert_change(fixture);
    move(fixture, "c.xml", "d/c.xml"); /* and back */
    assert_change(fixture);
    remove_file(fixture, "d/c.xml");
    assert_change(fixture);
    path = scratch_path(fixture->scratch, "d/a.xml");
    assert_int_equal(chmod(path, 0), 0);
    assert_change(fixture);
}

static void
test_what_does_not_matter(void **state)
{
    Fixture *fixture = *state;
    guint64 n_events;

    write_file(fixture, "d/a.xml", "1");
    write_file(fixture, "d/notes.txt", "1");
    write_file(fixture, "d/.git/objects/x.xml", "1");
    watch(fixture, "d", SETTLE_US);
    n_events = watcher_statistics(fixture->watcher).n_events;
    write_file(fixture, "d/.git/objects/y.xml", "1"); /* not even watched */
    overwrite(fixture, "d/.git/HEAD");
    assert_no_change(fixture);
    assert_int_equal(watcher_statistics(fixture->watcher).n_events, n_events);
    overwrite(fixture, "d/.a.xml.swp");
    remove_file(fixture, "d/.a.xml.swp");
    assert_no_change(fixture);
    overwrite(fixture, "d/notes.txt");
    assert_no_change(fixture);
    write_file(fixture, "neighbour/x.xml", "1");
    write_file(fixture, "x.xml", "1"); /* beside the root */
    assert_no_change(fixture);
    assert_true(watcher_statistics(fixture->watcher).n_events > n_events);
    assert_int_equal(fixture->n_changed, 0);
}

static void
test_directories(void **state)
{
    Fixture *fixture = *state;

    write_file(fixture, "d/a.xml", "1");
    watch(fixture, "d", SETTLE_US);
    make_directory(fixture, "d/s/t/u");
    assert_change(fixture);
    write_file(fixture, "d/s/t/u/b.xml", "1"); /* watched since */
    assert_change(fixture);
    make_directory(fixture, "elsewhere/v");
    write_file(fixture, "elsewhere/v/c.xml", "1");
    assert_no_change(fixture);
    move(fixture, "elsewhere", "d/moved");
    assert_change(fixture);
    overwrite(fixture, "d/moved/v/c.xml");
    assert_change(fixture);
    move(fixture, "d/moved", "elsewhere");
    assert_change(fixture);
    overwrite(fixture, "elsewhere/v/c.xml"); /* no longer part of the tree */
    assert_no_change(fixture);
    move(fixture, "d/s", "d/.s"); /* hidden: likewise */
    assert_change(fixture);
    overwrite(fixture, "d/.s/t/u/b.xml");
    assert_no_change(fixture);
}

static void
test_root_comes_and_goes(void **state)
{
    Fixture *fixture = *state;

    watch(fixture, "p/q/d", SETTLE_US); /* nothing of it is there */
    make_directory(fixture, "p");
    assert_change(fixture);
    make_directory(fixture, "p/other");
    assert_no_change(fixture);
    write_file(fixture, "p/q/d/a.xml", "1");
    assert_change(fixture);
    overwrite(fixture, "p/q/d/a.xml");
    assert_change(fixture);
    move(fixture, "p/q", "p/away"); /* the root's parent */
    assert_change(fixture);
    overwrite(fixture, "p/away/d/a.xml");
    assert_no_change(fixture);
    write_file(fixture, "p/q/d/b.xml", "1"); /* another one in its place */
    assert_change(fixture);
    overwrite(fixture, "p/q/d/b.xml");
    assert_change(fixture);
    remove_file(fixture, "p/q/d/b.xml");
    assert_change(fixture);
    remove_file(fixture, "p/q/d");
    assert_change(fixture);
    make_directory(fixture, "p/q/d");
    assert_change(fixture);
}

/* git-sync: the root is a link that is replaced by rename. */
static void
test_switched_root(void **state)
{
    Fixture *fixture = *state;

    write_file(fixture, "git/trees/1/a.xml", "1");
    write_file(fixture, "git/trees/2/a.xml", "2");
    link_to(fixture, "trees/1", "git/current");
    link_to(fixture, "git/current", "d");
    watch(fixture, "d", SETTLE_US);
    overwrite(fixture, "git/trees/1/a.xml");
    assert_change(fixture);
    overwrite(fixture, "git/trees/2/a.xml");
    assert_no_change(fixture);
    link_to(fixture, "trees/2", "git/tmp");
    move(fixture, "git/tmp", "git/current"); /* a link in the middle */
    assert_change(fixture);
    overwrite(fixture, "git/trees/2/a.xml");
    assert_change(fixture);
    overwrite(fixture, "git/trees/1/a.xml");
    assert_no_change(fixture);
    remove_file(fixture, "d"); /* the outermost link */
    assert_change(fixture);
    link_to(fixture, "git/trees/1", "d");
    assert_change(fixture);
    overwrite(fixture, "git/trees/1/a.xml");
    assert_change(fixture);
    move(fixture, "git/trees/1", "git/trees/3"); /* leads nowhere now */
    assert_change(fixture);
    move(fixture, "git/trees/3", "git/trees/1");
    assert_change(fixture);
}

/* kubelet: web.xml -> ..data/web.xml, and ..data is replaced by rename. */
static void
test_switched_data(void **state)
{
    Fixture *fixture = *state;

    write_file(fixture, "d/..1/web.xml", "1");
    write_file(fixture, "d/..2/web.xml", "2");
    link_to(fixture, "..1", "d/..data");
    link_to(fixture, "..data/web.xml", "d/web.xml");
    watch(fixture, "d", SETTLE_US);
    overwrite(fixture, "d/..1/web.xml"); /* what the link leads to, hidden as it is */
    assert_change(fixture);
    overwrite(fixture, "d/..2/web.xml");
    assert_no_change(fixture);
    link_to(fixture, "..2", "d/..tmp");
    assert_no_change(fixture);
    move(fixture, "d/..tmp", "d/..data");
    assert_change(fixture);
    overwrite(fixture, "d/..2/web.xml");
    assert_change(fixture);
    overwrite(fixture, "d/..1/web.xml");
    assert_no_change(fixture);
}

static void
test_linked_directories(void **state)
{
    Fixture *fixture = *state;

    write_file(fixture, "d/.store/1/a.xml", "1");
    write_file(fixture, "outside/b.xml", "1");
    link_to(fixture, ".store/1", "d/web");
    link_to(fixture, "../outside", "d/out");
    link_to(fixture, ".", "d/self");
    link_to(fixture, "loop", "d/loop");
    watch(fixture, "d", SETTLE_US);
    overwrite(fixture, "d/.store/1/a.xml");
    assert_change(fixture);
    write_file(fixture, "d/.store/1/new.xml", "1");
    assert_change(fixture);
    overwrite(fixture, "outside/b.xml"); /* a scan does not read that */
    assert_no_change(fixture);
    link_to(fixture, ".store", "d/more"); /* a link's name says nothing of what it leads to */
    assert_change(fixture);
    write_file(fixture, "d/.store/c.xml", "1");
    assert_change(fixture);
}

static void
test_settles(void **state)
{
    Fixture *fixture = *state;
    gint64 begin, first;

    make_directory(fixture, "d");
    watch(fixture, "d", 40000);
    begin = g_get_monotonic_time();
    for (int i = 0; i < 50; i++) {
        g_autofree char *name = g_strdup_printf("d/vm-%d.xml", i);

        overwrite(fixture, name);
        drain(fixture);
    }
    first = g_get_monotonic_time();
    assert_within(10, fixture->n_changed > 0);
    /* Quiet for the settle time since the last event, unless writing took so long that the cap came
     * first. */
    if (first - begin < 40000)
        assert_int_equal(fixture->n_changed, 1);
    assert_true(g_get_monotonic_time() - begin >= 40000);
}

/* As a new configuration says: from the next event on. */
static void
test_other_settle_time(void **state)
{
    Fixture *fixture = *state;

    make_directory(fixture, "d");
    watch(fixture, "d", G_GINT64_CONSTANT(3600000000));
    watcher_set_settle(fixture->watcher, 1000);
    overwrite(fixture, "d/a.xml");
    assert_within(10, fixture->n_changed > 0);
}

/* Writes without a pause until the change is told. Returns the longest time between two looks. */
static gint64
write_until_changed(Fixture *fixture)
{
    guint n_before = fixture->n_changed, n_writes = 0;
    gint64 begin = g_get_monotonic_time(), longest = 0, last = begin;

    while (fixture->n_changed == n_before && last - begin < 120 * G_USEC_PER_SEC) {
        gint64 now;

        overwrite(fixture, "d/a.xml");
        n_writes++;
        g_main_context_iteration(NULL, FALSE);
        now = g_get_monotonic_time();
        longest = MAX(longest, now - last);
        last = now;
    }
    assert_int_equal(fixture->n_changed, n_before + 1);
    return longest;
}

/* A directory that is never quiet is read all the same. On a busy machine this program itself may
 * be what was quiet: then once more, with more time. */
static void
test_cap(void **state)
{
    Fixture *fixture = *state;
    gint64 settle_us = 10000, begin;

    make_directory(fixture, "d");
    watch(fixture, "d", settle_us);
    do {
        settle_us *= 2;
        watcher_set_settle(fixture->watcher, settle_us);
        begin = g_get_monotonic_time();
    } while (write_until_changed(fixture) >= settle_us && settle_us < 2 * G_USEC_PER_SEC);
    assert_true(g_get_monotonic_time() - begin >= WATCHER_CAP * settle_us);
}

static void
test_overflow(void **state)
{
    Fixture *fixture = *state;
    g_autofree char *text = NULL;
    guint64 most;
    guint n_before;

    g_file_get_contents("/proc/sys/fs/inotify/max_queued_events", &text, NULL, NULL);
    most = text ? g_ascii_strtoull(text, NULL, 10) : 0;
    if (most == 0 || most > 200000)
        skip();
    make_directory(fixture, "d");
    watch(fixture, "d", SETTLE_US);
    for (guint64 i = 0; i < most; i++) { /* created, closed, removed: three events each */
        overwrite(fixture, "d/a.xml");
        remove_file(fixture, "d/a.xml");
        if (i % 1024 == 0 && i * 2 > most)
            break;
    }
    overwrite(fixture, "d/last.xml"); /* this event is lost */
    n_before = fixture->n_changed;
    drain(fixture);
    assert_int_equal(watcher_statistics(fixture->watcher).n_overflows, 1);
    assert_within(10, fixture->n_changed > n_before);
    overwrite(fixture, "d/a.xml"); /* and it goes on as before */
    assert_change(fixture);
}

static void
test_hint(void **state)
{
    Fixture *fixture = *state;

    make_directory(fixture, "d");
    watch(fixture, "d", SETTLE_US);
    watcher_hint(fixture->watcher);
    assert_change(fixture);
    assert_int_equal(fixture->n_changed, 1);
}

/* Watches go with what they watched: a thousand directories made and removed leave none behind. */
static void
test_watches_do_not_pile_up(void **state)
{
    Fixture *fixture = *state;
    guint n_watches;

    make_directory(fixture, "d");
    watch(fixture, "d", 1000);
    n_watches = watcher_statistics(fixture->watcher).n_watches;
    for (int i = 0; i < 20; i++) {
        for (int j = 0; j < 50; j++) {
            g_autofree char *name = g_strdup_printf("d/s%d-%d", i, j);

            make_directory(fixture, name);
        }
        assert_change(fixture);
        assert_int_equal(watcher_statistics(fixture->watcher).n_watches, n_watches + 50);
        for (int j = 0; j < 50; j++) {
            g_autofree char *name = g_strdup_printf("d/s%d-%d", i, j);

            remove_file(fixture, name);
        }
        assert_change(fixture);
        assert_int_equal(watcher_statistics(fixture->watcher).n_watches, n_watches);
    }
}

static void
free_watcher(gpointer data)
{
    Fixture *fixture = data;

    fixture->n_changed++;
    g_clear_pointer(&fixture->watcher, watcher_free);
}

static void
test_freed_by_its_own_callback(void **state)
{
    Fixture *fixture = *state;
    g_autofree char *root = scratch_mkdir(fixture->scratch, "d");

    fixture->watcher = watcher_new(root, 0, NULL, free_watcher, fixture, NULL);
    overwrite(fixture, "d/a.xml");
    assert_within(10, fixture->n_changed == 1);
    assert_null(fixture->watcher);
}

#define watcher_test(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        watcher_test(test_files),
        watcher_test(test_what_does_not_matter),
        watcher_test(test_directories),
        watcher_test(test_root_comes_and_goes),
        watcher_test(test_switched_root),
        watcher_test(test_switched_data),
        watcher_test(test_linked_directories),
        watcher_test(test_settles),
        watcher_test(test_other_settle_time),
        watcher_test(test_cap),
        watcher_test(test_overflow),
        watcher_test(test_hint),
        watcher_test(test_watches_do_not_pile_up),
        watcher_test(test_freed_by_its_own_callback),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
