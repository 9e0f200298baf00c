/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Whether QEMUs ever have more than a budget, although no two of them can be asked at one instant.
 *
 * A device's size and requested-size come from one query-memory-devices, which QEMU answers under
 * its big lock: what a guest holds, max(requested, current), is exact for some instant of the
 * round. But guests of one round are read at different instants: a drop in one that is read before
 * it and the rise in another that is read after it add up to a sum that never was. So two rounds
 * are put together:
 *
 *     round k  [a b c d]      T      [a b c d]  round k+1          at T each has at least
 *                             ^                                    min(round k, round k+1)
 *
 * A guest is asked to go one way at a time, so at T, after the one round and before the other, it
 * holds no less than the smaller of the two readings, and the sum of these is a sum that really
 * was: above the budget it is a breach, with no false alarm. What it can miss is a breach that is
 * over within a round; one that is made by asking before the other has given lasts as long as the
 * guest takes to give, which is many rounds.
 *
 * The ledger is read at each T, where SQLite gives a snapshot. Granted must not exceed the capacity
 * in any, and what a guest holds in a round must be granted before the round or after it, since a
 * grant comes before its use and goes after it.
 */
#include "tests/support/memory-monitor.h"

#include "model/json.h"

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

#define ROUND_US 5000
#define ANSWER_MS 20000 /* a QEMU that is silent for so long hangs */
#define BUSY_TIMEOUT_MS 5000
#define KIB 1024

#define QUERY "{\"execute\": \"query-memory-devices\"}\n"
#define OVERDRAWN                                                                                  \
    "SELECT pool || ': ' || granted || ' of ' || capacity FROM memory_budget"                      \
    " WHERE granted > capacity"
#define GRANTED "SELECT granted FROM memory_grants WHERE domain = ?1 AND device = 'virtiomem0'"

typedef struct Watched {
    const char *name;
    int fd;
    GString *received;
    guint64 requested, current;
    guint64 held, held_before; /* in the last two rounds */
    guint64 granted, granted_before;
} Watched;

struct MemoryMonitor {
    Watched *watched;
    guint n;
    guint64 constant;
    sqlite3 *db;
    sqlite3_stmt *overdrawn, *granted;
    GThread *thread;

    GMutex mutex; /* of what follows, and of `requested` and `current` */
    GCond is_ending, has_judged;
    bool is_over;
    bool has_ended; /* before it was over: a QEMU is silent */
    guint64 budget; /* G_MAXUINT64: nothing is judged */
    MemoryReport report;
};

void
memory_report_clear(MemoryReport *report)
{
    g_clear_pointer(&report->breach, g_free);
}

/* ---- QEMU ---- */

static Watched
connect_to(Scratch *scratch, const char *name)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    Watched watched = { .name = name, .received = g_string_new(NULL) };

    watched.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    snprintf(address.sun_path, sizeof(address.sun_path), "%s/run/%s/debug.sock",
             scratch_dir(scratch), name);
    if (connect(watched.fd, (struct sockaddr *) &address, sizeof(address)) < 0)
        fail_msg("%s: %s", address.sun_path, g_strerror(errno));
    return watched;
}

static bool
say(const Watched *watched, const char *line)
{
    return send(watched->fd, line, strlen(line), MSG_NOSIGNAL) == (ssize_t) strlen(line);
}

/* The next whole line, or NULL where QEMU is gone or silent. */
static char *
receive_line(Watched *watched)
{
    const char *end;
    char *line;

    while (!(end = strchr(watched->received->str, '\n'))) {
        struct pollfd readable = { .fd = watched->fd, .events = POLLIN };
        char part[4096];
        ssize_t length;

        if (poll(&readable, 1, ANSWER_MS) <= 0)
            return NULL;
        length = read(watched->fd, part, sizeof(part));
        if (length <= 0)
            return NULL;
        g_string_append_len(watched->received, part, length);
    }
    line = g_strndup(watched->received->str, end - watched->received->str);
    g_string_erase(watched->received, 0, end - watched->received->str + 1);
    return line;
}

/* What a command answered; events that come before are passed over. */
static Json *
receive_answer(Watched *watched)
{
    for (;;) {
        g_autofree char *line = receive_line(watched);
        g_autoptr(Json) json = line ? json_parse(line, -1, NULL) : NULL;

        if (!json || json_get(json, "error"))
            return NULL;
        if (json_get(json, "return"))
            return json_copy(json_get(json, "return"));
    }
}

/* ---- one round ---- */

static bool
read_device(MemoryMonitor *monitor, Watched *watched)
{
    g_autoptr(Json) answer = receive_answer(watched);
    const Json *data = json_get(json_at(answer, 0), "data");

    if (json_length(answer) != 1 || !json_get(data, "requested-size"))
        return false;
    g_mutex_lock(&monitor->mutex);
    watched->requested = json_get_uint(data, "requested-size", 0);
    watched->current = json_get_uint(data, "size", 0);
    g_mutex_unlock(&monitor->mutex);
    watched->held_before = watched->held;
    watched->held = MAX(watched->requested, watched->current);
    return true;
}

/* All are asked before the first answer is waited for. Returns who did not answer, or NULL. */
static const char *
read_devices(MemoryMonitor *monitor)
{
    for (guint i = 0; i < monitor->n; i++)
        if (!say(&monitor->watched[i], QUERY))
            return monitor->watched[i].name;
    for (guint i = 0; i < monitor->n; i++)
        if (!read_device(monitor, &monitor->watched[i]))
            return monitor->watched[i].name;
    return NULL;
}

/* The first column of the first row, NULL where there is none; or an error, told as text. */
static char *
first_text(MemoryMonitor *monitor, sqlite3_stmt *statement)
{
    int code = sqlite3_step(statement);
    char *text = NULL;

    if (code == SQLITE_ROW)
        text = g_strdup((const char *) sqlite3_column_text(statement, 0));
    else if (code != SQLITE_DONE)
        text = g_strdup(sqlite3_errmsg(monitor->db));
    sqlite3_reset(statement);
    return text;
}

/* What breaks the ledger's own promise, NULL if nothing does. */
static char *
read_ledger(MemoryMonitor *monitor)
{
    for (guint i = 0; i < monitor->n; i++) {
        Watched *watched = &monitor->watched[i];
        g_autofree char *text = NULL;

        sqlite3_bind_text(monitor->granted, 1, watched->name, -1, SQLITE_STATIC);
        text = first_text(monitor, monitor->granted);
        watched->granted_before = watched->granted;
        watched->granted = text ? g_ascii_strtoull(text, NULL, 10) : 0;
    }
    return first_text(monitor, monitor->overdrawn);
}

/* What all of them had at the instant between the two last rounds, at least. */
static guint64
least_sum(const MemoryMonitor *monitor)
{
    guint64 sum = monitor->constant;

    for (guint i = 0; i < monitor->n; i++)
        sum += MIN(monitor->watched[i].held_before, monitor->watched[i].held);
    return sum;
}

static char *
describe(const MemoryMonitor *monitor, const char *what)
{
    GString *text = g_string_new(what);

    for (guint i = 0; i < monitor->n; i++) {
        const Watched *watched = &monitor->watched[i];

        g_string_append_printf(text,
                               "; %s: requested %" G_GUINT64_FORMAT " current %" G_GUINT64_FORMAT
                               " granted %" G_GUINT64_FORMAT " KiB",
                               watched->name, watched->requested / KIB, watched->current / KIB,
                               watched->granted / KIB);
    }
    return g_string_free(text, FALSE);
}

/* Of the two last rounds; @overdrawn: of the ledger, NULL if it is in order. */
static char *
find_breach(const MemoryMonitor *monitor, const char *overdrawn)
{
    if (overdrawn)
        return describe(monitor, overdrawn);
    if (least_sum(monitor) > monitor->budget) {
        g_autofree char *what =
            g_strdup_printf("the sum is %" G_GUINT64_FORMAT " of %" G_GUINT64_FORMAT " KiB",
                            least_sum(monitor) / KIB, monitor->budget / KIB);

        return describe(monitor, what);
    }
    for (guint i = 0; i < monitor->n; i++) {
        const Watched *watched = &monitor->watched[i];

        if (watched->held > MAX(watched->granted, watched->granted_before)) {
            g_autofree char *what =
                g_strdup_printf("%s holds more than it is granted", watched->name);

            return describe(monitor, what);
        }
    }
    return NULL;
}

/* The budget may have begun to hold between the two rounds that are compared, not after. */
static void
judge(MemoryMonitor *monitor, const char *overdrawn, gint64 since_last_us)
{
    MemoryReport *report = &monitor->report;

    g_mutex_lock(&monitor->mutex);
    if (monitor->budget != G_MAXUINT64) {
        report->n_rounds++;
        report->longest_us = MAX(report->longest_us, since_last_us);
        report->peak = MAX(report->peak, least_sum(monitor));
        if (!report->breach)
            report->breach = find_breach(monitor, overdrawn);
        g_cond_signal(&monitor->has_judged);
    }
    g_mutex_unlock(&monitor->mutex);
}

static void
end_early(MemoryMonitor *monitor, const char *silent)
{
    g_mutex_lock(&monitor->mutex);
    if (!monitor->report.breach)
        monitor->report.breach = g_strdup_printf("%s no longer answers", silent);
    monitor->has_ended = true;
    g_cond_signal(&monitor->has_judged);
    g_mutex_unlock(&monitor->mutex);
}

/* True when it is over. */
static bool
wait_until(MemoryMonitor *monitor, gint64 end)
{
    bool is_over;

    g_mutex_lock(&monitor->mutex);
    while (!monitor->is_over && g_cond_wait_until(&monitor->is_ending, &monitor->mutex, end))
        ;
    is_over = monitor->is_over;
    g_mutex_unlock(&monitor->mutex);
    return is_over;
}

static gpointer
run(gpointer data)
{
    MemoryMonitor *monitor = data;
    gint64 begun = g_get_monotonic_time(), before;

    do {
        g_autofree char *overdrawn = NULL;
        const char *silent;

        before = begun;
        begun = g_get_monotonic_time();
        silent = read_devices(monitor);
        if (silent) {
            end_early(monitor, silent);
            break;
        }
        overdrawn = read_ledger(monitor);
        judge(monitor, overdrawn, begun - before);
    } while (!wait_until(monitor, begun + ROUND_US));
    return NULL;
}

/* ---- public ---- */

static sqlite3_stmt *
prepare(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *statement = NULL;

    if (sqlite3_prepare_v2(db, sql, -1, &statement, NULL) != SQLITE_OK)
        fail_msg("%s: %s", sql, sqlite3_errmsg(db));
    return statement;
}

static void
open_ledger(MemoryMonitor *monitor, Scratch *scratch)
{
    g_autofree char *path = scratch_path(scratch, "state.db");

    if (sqlite3_open_v2(path, &monitor->db, SQLITE_OPEN_READONLY, NULL) != SQLITE_OK)
        fail_msg("%s: %s", path, sqlite3_errmsg(monitor->db));
    sqlite3_busy_timeout(monitor->db, BUSY_TIMEOUT_MS);
    monitor->overdrawn = prepare(monitor->db, OVERDRAWN);
    monitor->granted = prepare(monitor->db, GRANTED);
}

MemoryMonitor *
memory_monitor_new(Scratch *scratch, const char *const *names, guint n, guint64 constant)
{
    MemoryMonitor *monitor = g_new0(MemoryMonitor, 1);

    monitor->watched = g_new0(Watched, n);
    monitor->n = n;
    monitor->constant = constant;
    monitor->budget = G_MAXUINT64;
    g_mutex_init(&monitor->mutex);
    g_cond_init(&monitor->is_ending);
    g_cond_init(&monitor->has_judged);
    for (guint i = 0; i < n; i++) {
        g_autofree char *greeting = NULL;
        g_autoptr(Json) answer = NULL;

        monitor->watched[i] = connect_to(scratch, names[i]);
        greeting = receive_line(&monitor->watched[i]);
        if (greeting && say(&monitor->watched[i], "{\"execute\": \"qmp_capabilities\"}\n"))
            answer = receive_answer(&monitor->watched[i]);
        if (!answer)
            fail_msg("%s: no answer on its debug monitor", names[i]);
    }
    open_ledger(monitor, scratch);
    g_assert_null(read_devices(monitor));
    g_free(read_ledger(monitor));
    monitor->thread = g_thread_new("memory-monitor", run, monitor);
    return monitor;
}

void
memory_monitor_free(MemoryMonitor *monitor)
{
    if (!monitor)
        return;
    g_mutex_lock(&monitor->mutex);
    monitor->is_over = true;
    g_cond_signal(&monitor->is_ending);
    g_mutex_unlock(&monitor->mutex);
    g_thread_join(monitor->thread);
    for (guint i = 0; i < monitor->n; i++) {
        close(monitor->watched[i].fd);
        g_string_free(monitor->watched[i].received, TRUE);
    }
    sqlite3_finalize(monitor->overdrawn);
    sqlite3_finalize(monitor->granted);
    sqlite3_close(monitor->db);
    memory_report_clear(&monitor->report);
    g_mutex_clear(&monitor->mutex);
    g_cond_clear(&monitor->is_ending);
    g_cond_clear(&monitor->has_judged);
    g_free(monitor->watched);
    g_free(monitor);
}

void
memory_monitor_begin(MemoryMonitor *monitor, guint64 budget)
{
    g_mutex_lock(&monitor->mutex);
    memory_report_clear(&monitor->report);
    monitor->report = (MemoryReport){ 0 };
    monitor->budget = budget;
    g_mutex_unlock(&monitor->mutex);
}

MemoryReport
memory_monitor_end(MemoryMonitor *monitor)
{
    MemoryReport report;
    guint n_wanted;

    g_mutex_lock(&monitor->mutex);
    n_wanted = monitor->report.n_rounds + 2;
    while (monitor->report.n_rounds < n_wanted && !monitor->has_ended)
        g_cond_wait(&monitor->has_judged, &monitor->mutex);
    report = monitor->report;
    monitor->report = (MemoryReport){ 0 };
    monitor->budget = G_MAXUINT64;
    g_mutex_unlock(&monitor->mutex);
    return report;
}

guint64
memory_monitor_requested(MemoryMonitor *monitor, guint index)
{
    guint64 requested;

    g_mutex_lock(&monitor->mutex);
    requested = monitor->watched[index].requested;
    g_mutex_unlock(&monitor->mutex);
    return requested;
}

guint64
memory_monitor_current(MemoryMonitor *monitor, guint index)
{
    guint64 current;

    g_mutex_lock(&monitor->mutex);
    current = monitor->watched[index].current;
    g_mutex_unlock(&monitor->mutex);
    return current;
}
