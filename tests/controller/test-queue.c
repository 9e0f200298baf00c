/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * queue.h with real threads: deduplicated, never one name twice at once, nothing lost, and what
 * failed waits. A pass that the test controls blocks at a gate, so order is made, not hoped for.
 */
#include "controller/queue.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "reconcile/backoff.h"

#define LONG_US (60 * G_USEC_PER_SEC) /* "in time", on a slow machine too */
#define MANY_NAMES 40
#define MANY_ADDS 3000

typedef struct Fixture {
    GMutex mutex;
    GCond changed;
    Queue *queue;
    GHashTable *n_runs; /* name -> how often its pass has begun */
    guint n_inside;     /* passes that have begun and not ended */
    gboolean is_closed; /* passes wait at the gate */
    QueueResult result; /* of every pass */
    gint64 last_begin;  /* of any pass */
} Fixture;

static QueueResult
pass_gate(const char *name, gpointer data)
{
    Fixture *fixture = data;
    QueueResult result;
    guint n_runs;

    g_mutex_lock(&fixture->mutex);
    n_runs = GPOINTER_TO_UINT(g_hash_table_lookup(fixture->n_runs, name)) + 1;
    g_hash_table_insert(fixture->n_runs, g_strdup(name), GUINT_TO_POINTER(n_runs));
    fixture->n_inside++;
    fixture->last_begin = g_get_monotonic_time();
    g_cond_broadcast(&fixture->changed);
    while (fixture->is_closed)
        g_cond_wait(&fixture->changed, &fixture->mutex);
    fixture->n_inside--;
    result = fixture->result;
    g_mutex_unlock(&fixture->mutex);
    return result;
}

static void
start(Fixture *fixture, guint n_workers)
{
    fixture->queue = queue_new(n_workers, pass_gate, fixture);
}

static int
set_up(void **state)
{
    Fixture *fixture = g_new0(Fixture, 1);

    g_mutex_init(&fixture->mutex);
    g_cond_init(&fixture->changed);
    fixture->n_runs = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    fixture->result.requeue_after = QUEUE_NEVER;
    *state = fixture;
    return 0;
}

static void
set_gate(Fixture *fixture, gboolean is_closed)
{
    g_mutex_lock(&fixture->mutex);
    fixture->is_closed = is_closed;
    g_cond_broadcast(&fixture->changed);
    g_mutex_unlock(&fixture->mutex);
}

static void
set_result(Fixture *fixture, bool is_failed, gint64 requeue_after)
{
    g_mutex_lock(&fixture->mutex);
    fixture->result = (QueueResult){ .is_failed = is_failed, .requeue_after = requeue_after };
    g_mutex_unlock(&fixture->mutex);
}

static int
tear_down(void **state)
{
    Fixture *fixture = *state;

    set_gate(fixture, FALSE);
    queue_free(fixture->queue);
    g_hash_table_unref(fixture->n_runs);
    g_mutex_clear(&fixture->mutex);
    g_cond_clear(&fixture->changed);
    g_free(fixture);
    return 0;
}

static guint
n_runs(Fixture *fixture, const char *name)
{
    guint n;

    g_mutex_lock(&fixture->mutex);
    n = GPOINTER_TO_UINT(g_hash_table_lookup(fixture->n_runs, name));
    g_mutex_unlock(&fixture->mutex);
    return n;
}

/* Until @n passes are inside. */
static void
wait_inside(Fixture *fixture, guint n)
{
    gint64 deadline = g_get_monotonic_time() + LONG_US;
    gboolean is_in_time = TRUE;

    g_mutex_lock(&fixture->mutex);
    while (fixture->n_inside != n && is_in_time)
        is_in_time = g_cond_wait_until(&fixture->changed, &fixture->mutex, deadline);
    g_mutex_unlock(&fixture->mutex);
    assert_true(is_in_time);
}

static void
wait_runs(Fixture *fixture, const char *name, guint n)
{
    gint64 deadline = g_get_monotonic_time() + LONG_US;
    gboolean is_in_time = TRUE;

    g_mutex_lock(&fixture->mutex);
    while (GPOINTER_TO_UINT(g_hash_table_lookup(fixture->n_runs, name)) < n && is_in_time)
        is_in_time = g_cond_wait_until(&fixture->changed, &fixture->mutex, deadline);
    g_mutex_unlock(&fixture->mutex);
    assert_true(is_in_time);
}

static void
assert_idle(Fixture *fixture)
{
    assert_true(queue_wait_idle(fixture->queue, 0, LONG_US));
}

static void
test_queued_once(void **state)
{
    Fixture *fixture = *state;

    set_gate(fixture, TRUE);
    start(fixture, 1);
    queue_add(fixture->queue, "first");
    wait_inside(fixture, 1);
    for (int i = 0; i < 5; i++)
        queue_add(fixture->queue, "a");
    queue_add(fixture->queue, "b");
    assert_int_equal(queue_statistics(fixture->queue).n_running, 1);
    assert_int_equal(queue_statistics(fixture->queue).n_ready, 2);
    assert_false(queue_wait_idle(fixture->queue, 0, 1000));
    set_gate(fixture, FALSE);
    assert_idle(fixture);
    assert_int_equal(n_runs(fixture, "first"), 1);
    assert_int_equal(n_runs(fixture, "a"), 1);
    assert_int_equal(n_runs(fixture, "b"), 1);
    assert_int_equal(queue_statistics(fixture->queue).n_passes, 3);
}

static void
test_added_while_running_runs_again(void **state)
{
    Fixture *fixture = *state;

    set_gate(fixture, TRUE);
    start(fixture, 8);
    queue_add(fixture->queue, "a");
    wait_inside(fixture, 1);
    for (int i = 0; i < 3; i++)
        queue_add(fixture->queue, "a");
    queue_add(fixture->queue, "b"); /* that other workers are free is shown by this one */
    wait_inside(fixture, 2);
    assert_int_equal(n_runs(fixture, "a"), 1);
    set_gate(fixture, FALSE);
    assert_idle(fixture);
    assert_int_equal(n_runs(fixture, "a"), 2);
}

static void
test_names_run_side_by_side(void **state)
{
    Fixture *fixture = *state;

    set_gate(fixture, TRUE);
    start(fixture, 4);
    for (int i = 0; i < 6; i++) {
        g_autofree char *name = g_strdup_printf("vm-%d", i);

        queue_add(fixture->queue, name);
    }
    wait_inside(fixture, 4);
    assert_int_equal(queue_statistics(fixture->queue).n_running, 4);
    assert_int_equal(queue_statistics(fixture->queue).n_ready, 2);
    set_gate(fixture, FALSE);
    assert_idle(fixture);
    assert_int_equal(queue_statistics(fixture->queue).n_passes, 6);
}

/* More of them take what waits; fewer let those that run end, and begin no more than are left. */
static void
test_workers(void **state)
{
    Fixture *fixture = *state;

    set_gate(fixture, TRUE);
    start(fixture, 1);
    for (int i = 0; i < 4; i++) {
        g_autofree char *name = g_strdup_printf("vm-%d", i);

        queue_add(fixture->queue, name);
    }
    wait_inside(fixture, 1);
    queue_set_workers(fixture->queue, 3);
    wait_inside(fixture, 3);
    queue_set_workers(fixture->queue, 1);
    assert_int_equal(queue_statistics(fixture->queue).n_running, 3);
    set_gate(fixture, FALSE);
    assert_idle(fixture);
    assert_int_equal(queue_statistics(fixture->queue).n_passes, 4);
    set_gate(fixture, TRUE);
    queue_add(fixture->queue, "a");
    queue_add(fixture->queue, "b");
    wait_inside(fixture, 1);
    assert_int_equal(queue_statistics(fixture->queue).n_ready, 1);
}

static void
test_delayed(void **state)
{
    Fixture *fixture = *state;
    gint64 begin = g_get_monotonic_time();

    start(fixture, 2);
    queue_add_after(fixture->queue, "a", 30000);
    queue_add_after(fixture->queue, "a", 600 * (gint64) G_USEC_PER_SEC); /* never delays */
    wait_runs(fixture, "a", 1);
    assert_true(fixture->last_begin - begin >= 30000);
    assert_idle(fixture);
    assert_int_equal(queue_statistics(fixture->queue).n_delayed, 0);

    queue_add_after(fixture->queue, "b", 600 * (gint64) G_USEC_PER_SEC);
    assert_idle(fixture);
    assert_int_equal(n_runs(fixture, "b"), 0);
    queue_add(fixture->queue, "b"); /* hastens */
    wait_runs(fixture, "b", 1);
    assert_idle(fixture);
    assert_int_equal(n_runs(fixture, "b"), 1);
    assert_int_equal(queue_statistics(fixture->queue).n_delayed, 0);
}

static void
test_requeue_after(void **state)
{
    Fixture *fixture = *state;

    set_result(fixture, false, 1000);
    start(fixture, 2);
    queue_add(fixture->queue, "a");
    wait_runs(fixture, "a", 5);
    set_result(fixture, false, 600 * (gint64) G_USEC_PER_SEC);
    assert_true(queue_wait_idle(fixture->queue, 60 * (gint64) G_USEC_PER_SEC, LONG_US));
    assert_int_equal(queue_statistics(fixture->queue).n_delayed, 1);
    set_result(fixture, false, 0); /* at once */
    queue_add(fixture->queue, "b");
    wait_runs(fixture, "b", 5);
    set_result(fixture, false, QUEUE_NEVER);
    assert_idle(fixture);
}

static void
test_failure_waits(void **state)
{
    Fixture *fixture = *state;
    gint64 first_begin;

    set_gate(fixture, TRUE);
    set_result(fixture, true, QUEUE_NEVER);
    start(fixture, 2);
    queue_add(fixture->queue, "a");
    wait_inside(fixture, 1);
    first_begin = fixture->last_begin;
    set_gate(fixture, FALSE);
    assert_idle(fixture);
    for (int i = 0; i < 3; i++)
        queue_add(fixture->queue, "a"); /* events do not hasten it */
    queue_add(fixture->queue, "b");     /* others are not held up */
    wait_runs(fixture, "b", 1);
    assert_true(queue_statistics(fixture->queue).n_failures >= 1);
    set_result(fixture, false, QUEUE_NEVER);
    wait_runs(fixture, "a", 2); /* it is tried again by itself */
    assert_true(fixture->last_begin - first_begin >= BACKOFF_FIRST / 2);
    assert_true(queue_wait_idle(fixture->queue, 10 * BACKOFF_FIRST, LONG_US));
}

/* A pass that fails and wants to come back says the earliest, not the latest. */
static void
test_failure_with_requeue(void **state)
{
    Fixture *fixture = *state;
    gint64 first_begin;

    set_gate(fixture, TRUE);
    set_result(fixture, true, 0);
    start(fixture, 1);
    queue_add(fixture->queue, "a");
    wait_inside(fixture, 1);
    first_begin = fixture->last_begin;
    set_gate(fixture, FALSE);
    wait_runs(fixture, "a", 2);
    assert_true(fixture->last_begin - first_begin >= BACKOFF_FIRST / 2);
    set_result(fixture, true, 600 * (gint64) G_USEC_PER_SEC);
    queue_add_fresh(fixture->queue, "a");
    wait_runs(fixture, "a", 3);
    assert_true(queue_wait_idle(fixture->queue, 60 * (gint64) G_USEC_PER_SEC, LONG_US));
    assert_int_equal(queue_statistics(fixture->queue).n_delayed, 1);
}

static void
test_fresh(void **state)
{
    Fixture *fixture = *state;
    guint n_before, n_after;
    gint64 begin;

    set_result(fixture, true, QUEUE_NEVER);
    start(fixture, 1);
    queue_add(fixture->queue, "a");
    wait_runs(fixture, "a", 1);
    assert_idle(fixture);
    queue_add_fresh(fixture->queue, "a"); /* at once */
    wait_runs(fixture, "a", 2);
    set_result(fixture, false, QUEUE_NEVER);
    assert_true(queue_wait_idle(fixture->queue, 10 * BACKOFF_FIRST, LONG_US));

    set_result(fixture, true, QUEUE_NEVER);
    set_gate(fixture, TRUE); /* while it runs, on what is old by now: again at once */
    n_before = n_runs(fixture, "a");
    queue_add_fresh(fixture->queue, "a");
    wait_runs(fixture, "a", n_before + 1);
    queue_add_fresh(fixture->queue, "a");
    begin = g_get_monotonic_time();
    set_gate(fixture, FALSE);
    wait_runs(fixture, "a", n_before + 2);
    assert_idle(fixture);
    n_after = n_runs(fixture, "a");
    if (g_get_monotonic_time() - begin < BACKOFF_FIRST / 2) /* else it may have been tried again */
        assert_int_equal(n_after, n_before + 2);
}

static gpointer
stop(gpointer data)
{
    queue_stop(((Fixture *) data)->queue);
    return NULL;
}

static void
test_stop(void **state)
{
    Fixture *fixture = *state;
    guint n_before;
    GThread *stopper;

    set_gate(fixture, TRUE);
    start(fixture, 1);
    queue_add(fixture->queue, "a");
    wait_inside(fixture, 1);
    queue_add(fixture->queue, "b");
    queue_add_after(fixture->queue, "c", 1000);
    stopper = g_thread_new("stop", stop, fixture);
    set_gate(fixture, FALSE);
    g_thread_join(stopper);
    /* The passes that ran have ended, and none begins any more, due or not. */
    assert_int_equal(fixture->n_inside, 0);
    assert_int_equal(queue_statistics(fixture->queue).n_running, 0);
    assert_int_equal(n_runs(fixture, "a"), 1);
    n_before = n_runs(fixture, "b") + n_runs(fixture, "c");
    queue_add(fixture->queue, "b");
    queue_add(fixture->queue, "d");
    queue_stop(fixture->queue);
    assert_int_equal(n_runs(fixture, "b") + n_runs(fixture, "c"), n_before);
    assert_int_equal(n_runs(fixture, "d"), 0);
}

static void
test_remove(void **state)
{
    Fixture *fixture = *state;

    set_gate(fixture, TRUE);
    set_result(fixture, true, 0);
    start(fixture, 1);
    queue_add(fixture->queue, "a");
    wait_inside(fixture, 1);
    queue_add(fixture->queue, "a");
    queue_add(fixture->queue, "b");
    queue_remove(fixture->queue, "a"); /* running, queued again, about to fail: all forgotten */
    queue_remove(fixture->queue, "b");
    queue_remove(fixture->queue, "unknown");
    set_gate(fixture, FALSE);
    assert_true(queue_wait_idle(fixture->queue, LONG_US, LONG_US));
    assert_int_equal(n_runs(fixture, "a"), 1);
    assert_int_equal(n_runs(fixture, "b"), 0);
    assert_int_equal(queue_statistics(fixture->queue).n_delayed, 0);
    set_result(fixture, false, QUEUE_NEVER);
    queue_add(fixture->queue, "a"); /* without its past */
    wait_runs(fixture, "a", 2);
}

/* ---- many threads ---- */

typedef struct Crowd {
    Queue *queue;
    gint version[MANY_NAMES]; /* what the world is at */
    gint seen[MANY_NAMES];    /* what the last pass saw */
    gint inside[MANY_NAMES];
    gint n_overlaps;
} Crowd;

static QueueResult
look(const char *name, gpointer data)
{
    Crowd *crowd = data;
    int i = atoi(name);

    if (g_atomic_int_add(&crowd->inside[i], 1) != 0)
        g_atomic_int_inc(&crowd->n_overlaps);
    g_atomic_int_set(&crowd->seen[i], g_atomic_int_get(&crowd->version[i]));
    g_thread_yield();
    g_atomic_int_add(&crowd->inside[i], -1);
    return (QueueResult){ .requeue_after = QUEUE_NEVER };
}

static gpointer
change_and_add(gpointer data)
{
    Crowd *crowd = data;
    g_autoptr(GRand) random = g_rand_new_with_seed(GPOINTER_TO_UINT(g_thread_self()));

    for (int n = 0; n < MANY_ADDS; n++) {
        int i = g_rand_int_range(random, 0, MANY_NAMES);
        g_autofree char *name = g_strdup_printf("%d", i);

        g_atomic_int_inc(&crowd->version[i]);
        if (n % 3 == 0)
            queue_add_fresh(crowd->queue, name);
        else if (n % 3 == 1)
            queue_add(crowd->queue, name);
        else
            queue_add_after(crowd->queue, name, n % 50);
    }
    return NULL;
}

/* Every change is seen by a pass that began after it, and no name runs twice at once. */
static void
test_nothing_is_lost(void **state)
{
    Crowd crowd = { 0 };
    GThread *threads[4];

    crowd.queue = queue_new(8, look, &crowd);
    for (guint i = 0; i < G_N_ELEMENTS(threads); i++)
        threads[i] = g_thread_new("add", change_and_add, &crowd);
    for (guint i = 0; i < G_N_ELEMENTS(threads); i++)
        g_thread_join(threads[i]);
    assert_true(queue_wait_idle(crowd.queue, G_USEC_PER_SEC, LONG_US));
    assert_int_equal(crowd.n_overlaps, 0);
    for (int i = 0; i < MANY_NAMES; i++)
        assert_int_equal(crowd.seen[i], crowd.version[i]);
    queue_free(crowd.queue);
}

#define queue_test(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

/* How often threads of the name that workers have went to sleep by themselves, so far. */
static guint64
n_sleeps(void)
{
    g_autoptr(GDir) tasks = g_dir_open("/proc/self/task", 0, NULL);
    guint64 n = 0;
    const char *task;

    while (tasks && (task = g_dir_read_name(tasks))) {
        g_autofree char *path = g_build_filename("/proc/self/task", task, "status", NULL);
        g_autofree char *text = NULL;
        const char *line;

        if (!g_file_get_contents(path, &text, NULL, NULL) || !strstr(text, "Name:\tworker"))
            continue;
        line = strstr(text, "\nvoluntary_ctxt_switches:");
        n += line ? g_ascii_strtoull(strchr(line, ':') + 1, NULL, 10) : 0;
    }
    return n;
}

/* Not all workers for each name: in an hour of one name a second that is an hour of eight. */
static void
test_a_name_wakes_one_worker(void **state)
{
    Fixture *fixture = *state;
    guint64 before;

    start(fixture, 8);
    queue_add_after(fixture->queue, "later", LONG_US);
    assert_true(queue_wait_idle(fixture->queue, 0, LONG_US));
    before = n_sleeps();
    for (guint i = 0; i < MANY_ADDS / 10; i++) {
        queue_add(fixture->queue, "name");
        assert_true(queue_wait_idle(fixture->queue, 0, LONG_US));
    }
    /* One that takes it, one that keeps watch now, and the mutex between them and us. */
    assert_in_range(n_sleeps() - before, 1, 5 * MANY_ADDS / 10);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        queue_test(test_queued_once),
        queue_test(test_added_while_running_runs_again),
        queue_test(test_names_run_side_by_side),
        queue_test(test_workers),
        queue_test(test_delayed),
        queue_test(test_requeue_after),
        queue_test(test_failure_waits),
        queue_test(test_failure_with_requeue),
        queue_test(test_fresh),
        queue_test(test_stop),
        queue_test(test_remove),
        cmocka_unit_test(test_nothing_is_lost),
        queue_test(test_a_name_wakes_one_worker),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
