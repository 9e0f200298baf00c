/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The QMP client. Commands, errors, events, busy monitors, a QEMU that hangs and one that is
 * killed: a real QEMU. What a real one never does, protocol faults, a thread at the other end of
 * a socket pair does.
 */
#include "qemu/qmp.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "qemu/monitor.h"
#include "tests/qemu/paused-qemu.h"
#include "tests/support/deadline.h"

#define SHORT_US (G_USEC_PER_SEC / 4)

static Scratch *scratch;
static Launch *launch; /* one QEMU for all tests of this file; -machine none */
static char *control_path;
static char *events_path;

static int
setup(void **state)
{
    Qmp *control;

    scratch = scratch_new();
    launch = paused_qemu_start(scratch, "qmp", true, NULL, &control);
    qmp_free(control);
    control_path = scratch_path(scratch, "run/qmp/control.sock");
    events_path = scratch_path(scratch, "run/qmp/events.sock");
    return 0;
}

static int
teardown(void **state)
{
    launch_abort(launch);
    launch_free(launch);
    g_free(control_path);
    g_free(events_path);
    return scratch_end(scratch) == 0 ? 0 : -1;
}

static Qmp *
open_or_fail(const char *path)
{
    g_autoptr(GError) error = NULL;
    Qmp *qmp = qmp_open(path, PAUSED_QEMU_TIMEOUT_US, &error);

    if (!qmp)
        fail_msg("%s", error->message);
    return qmp;
}

static void
assert_error(const GError *error, QmpError code, const char *words)
{
    assert_non_null(error);
    if (!g_error_matches(error, QMP_ERROR, (int) code) || !strstr(error->message, words))
        fail_msg("code %d, '%s'", error->code, error->message);
}

/* The real one. */

static void
test_commands_and_refusals(void **state)
{
    static const struct {
        const char *command;
        const char *arguments;
        QmpError code;
        const char *words;
    } cases[] = {
        { "no-such-command", NULL, QMP_ERROR_COMMAND_NOT_FOUND, "no-such-command: The command" },
        { "device_del", "{\"id\":\"nope\"}", QMP_ERROR_DEVICE_NOT_FOUND, "'nope' not found" },
        { "qom-get", "{\"path\":\"/machine\",\"property\":\"x\"}", QMP_ERROR_GENERIC, "Property" },
        { "qom-get", "{\"path\":1}", QMP_ERROR_GENERIC, "expected: string" },
    };
    g_autoptr(Qmp) qmp = open_or_fail(control_path);
    g_autoptr(Json) reply = NULL;

    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;
        Json *arguments = cases[i].arguments ? json_parse(cases[i].arguments, -1, NULL) : NULL;

        assert_null(qmp_execute(qmp, cases[i].command, arguments, PAUSED_QEMU_TIMEOUT_US, &error));
        assert_error(error, cases[i].code, cases[i].words);
    }
    reply = qmp_execute(qmp, "query-status", NULL, PAUSED_QEMU_TIMEOUT_US, NULL);
    assert_string_equal(json_get_string(reply, "status"), "prelaunch");
}

/* Events come on every monitor, between a command and its answer too. */
static void
test_events(void **state)
{
    g_autoptr(Qmp) control = open_or_fail(control_path);
    g_autoptr(Qmp) events = open_or_fail(events_path);
    g_autoptr(GError) error = NULL;
    static const char *const commands[] = { "cont", "stop" };
    static const char *const expected[] = { "RESUME", "STOP" };

    assert_null(qmp_next_event(events));
    assert_true(qmp_read_events(events, &error)); /* nothing there: doesn't wait */
    for (guint i = 0; i < 2; i++) {
        g_autoptr(Json) reply =
            qmp_execute(control, commands[i], NULL, PAUSED_QEMU_TIMEOUT_US, &error);
        g_autoptr(Json) seen = qmp_wait_event(events, PAUSED_QEMU_TIMEOUT_US, &error);
        g_autoptr(Json) queued = qmp_wait_event(control, PAUSED_QEMU_TIMEOUT_US, &error);

        assert_non_null(reply);
        assert_string_equal(json_get_string(seen, "event"), expected[i]);
        assert_string_equal(json_get_string(queued, "event"), expected[i]);
        assert_non_null(json_get(seen, "timestamp"));
    }
    assert_null(qmp_wait_event(events, 1000, &error));
    assert_error(error, QMP_ERROR_TIMEOUT, "");
}

static void
test_second_client_is_busy(void **state)
{
    g_autoptr(Qmp) first = open_or_fail(control_path);
    g_autoptr(Qmp) second = NULL;
    g_autoptr(GError) error = NULL;

    assert_null(qmp_open(control_path, SHORT_US, &error));
    assert_error(error, QMP_ERROR_BUSY, "control.sock: no greeting");
    g_clear_pointer(&first, qmp_free);
    second = open_or_fail(control_path);
}

/* A QEMU that hangs: TIMEOUT; and its late answer is not taken for that of the next command. */
static void
test_late_answer(void **state)
{
    pid_t pid = launch_record(launch)->pid;
    g_autoptr(Qmp) qmp = open_or_fail(control_path);
    g_autoptr(GError) error = NULL;
    g_autoptr(Json) reply = NULL;

    kill(pid, SIGSTOP);
    reply = qmp_execute(qmp, "query-version", NULL, SHORT_US, &error);
    kill(pid, SIGCONT);
    assert_null(reply);
    assert_error(error, QMP_ERROR_TIMEOUT, "query-version: ");
    reply = qmp_execute(qmp, "query-status", NULL, PAUSED_QEMU_TIMEOUT_US, NULL);
    assert_non_null(json_get_string(reply, "status"));
}

/* Sent at once: each has its own answer or refusal, and events come in between. */
static void
test_several_at_once(void **state)
{
    static const char *const commands[] = { "query-status", "no-such-command",
                                            "stop",         "query-version",
                                            "cont",         "query-name" };
    g_autoptr(Qmp) qmp = open_or_fail(control_path);
    g_autoptr(Json) reply = NULL;
    guint64 ids[G_N_ELEMENTS(commands)];

    reply = qmp_execute(qmp, "cont", NULL, PAUSED_QEMU_TIMEOUT_US, NULL);
    assert_non_null(reply);
    for (guint i = 0; i < G_N_ELEMENTS(commands); i++)
        ids[i] = qmp_ask(qmp, commands[i], NULL);
    qmp_send(qmp);
    for (guint i = 0; i < G_N_ELEMENTS(commands); i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(Json) answer =
            qmp_answer(qmp, ids[i], commands[i], PAUSED_QEMU_TIMEOUT_US, &error);

        if (i == 1)
            assert_error(error, QMP_ERROR_COMMAND_NOT_FOUND, "no-such-command: The command");
        else if (!answer)
            fail_msg("%s", error->message);
        if (i == 3)
            assert_non_null(json_get_string(answer, "package"));
    }
    g_clear_pointer(&reply, json_free);
    reply = qmp_execute(qmp, "stop", NULL, PAUSED_QEMU_TIMEOUT_US, NULL);
    assert_non_null(reply);
}

/* Those before the one that is waited for are dropped. */
static void
test_answers_left_out(void **state)
{
    g_autoptr(Qmp) qmp = open_or_fail(control_path);
    g_autoptr(Json) first = NULL, second = NULL;
    g_autoptr(GError) error = NULL;
    guint64 id;

    (void) qmp_ask(qmp, "query-version", NULL);
    id = qmp_ask(qmp, "query-status", NULL);
    (void) qmp_ask(qmp, "query-version", NULL);
    first = qmp_answer(qmp, id, "query-status", PAUSED_QEMU_TIMEOUT_US, &error);
    assert_non_null(json_get_string(first, "status"));
    second = qmp_execute(qmp, "query-status", NULL, PAUSED_QEMU_TIMEOUT_US, &error);
    assert_non_null(json_get_string(second, "status"));
}

static void
test_killed_between_answers(void **state)
{
    Qmp *qmp = NULL;
    Launch *other = paused_qemu_start(scratch, "between", true, NULL, &qmp);
    g_autoptr(Json) reply = NULL;
    g_autoptr(GError) error = NULL;
    guint64 status = qmp_ask(qmp, "query-status", NULL), version, name;

    (void) qmp_ask(qmp, "quit", NULL);
    version = qmp_ask(qmp, "query-version", NULL);
    name = qmp_ask(qmp, "query-name", NULL);
    reply = qmp_answer(qmp, status, "query-status", PAUSED_QEMU_TIMEOUT_US, &error);
    assert_non_null(reply);
    assert_true(process_wait(launch_process(other), PAUSED_QEMU_TIMEOUT_US));
    for (guint i = 0; i < 2; i++) {
        assert_null(qmp_answer(qmp, i ? name : version, i ? "query-name" : "query-version",
                               PAUSED_QEMU_TIMEOUT_US, &error));
        assert_error(error, QMP_ERROR_CLOSED, i ? "query-name: " : "query-version: ");
        g_clear_error(&error);
    }
    qmp_free(qmp);
    launch_abort(other);
    launch_free(other);
}

/* What was announced and not asked is no answer any more once something else was done. */
static void
test_announced_is_forgotten(void **state)
{
    g_autoptr(Monitor) monitor = monitor_new_live(open_or_fail(control_path));
    g_autofree char *before = NULL, *after = NULL;

    monitor_ask(monitor, "query-status", NULL);
    monitor_ask(monitor, "query-name", NULL);
    monitor_send(monitor);
    assert_true(monitor_query_status(monitor, &before, NULL, NULL));
    assert_string_not_equal(before, "running");
    monitor_ask(monitor, "query-status", NULL);
    monitor_send(monitor);
    assert_true(monitor_cont(monitor, NULL));
    assert_true(monitor_query_status(monitor, &after, NULL, NULL));
    assert_string_equal(after, "running");
    assert_true(monitor_run(monitor, "stop", NULL, NULL));
}

static void
test_killed_qemu_is_an_eof(void **state)
{
    Qmp *qmp = NULL;
    Launch *other = paused_qemu_start(scratch, "killed", true, NULL, &qmp);
    g_autofree char *path = scratch_path(scratch, "run/killed/control.sock");
    g_autoptr(GError) error = NULL;
    gint64 start;

    assert_true(process_kill(launch_process(other), NULL));
    start = g_get_monotonic_time();
    assert_null(qmp_execute(qmp, "query-status", NULL, PAUSED_QEMU_TIMEOUT_US, &error));
    assert_error(error, QMP_ERROR_CLOSED, "query-status: ");
    assert_true(g_get_monotonic_time() - start < PAUSED_QEMU_TIMEOUT_US / 2);
    g_clear_error(&error);
    assert_false(qmp_read_events(qmp, &error)); /* remembered */
    assert_error(error, QMP_ERROR_CLOSED, "");
    qmp_free(qmp);
    g_clear_error(&error);
    assert_true(process_wait(launch_process(other), PAUSED_QEMU_TIMEOUT_US));
    assert_null(qmp_open(path, PAUSED_QEMU_TIMEOUT_US, &error)); /* nobody listens */
    assert_error(error, QMP_ERROR_CLOSED, "refused");
    launch_abort(other);
    launch_free(other);
}

static void
test_no_socket(void **state)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *path = g_strnfill(200, 'x');

    assert_null(qmp_open("/nonexistent/control.sock", SHORT_US, &error));
    assert_error(error, QMP_ERROR_CLOSED, "No such file");
    g_clear_error(&error);
    assert_null(qmp_open(path, SHORT_US, &error));
    assert_error(error, QMP_ERROR_CLOSED, "107");
}

/* Protocol faults. */

#define GREETING "{\"QMP\":{\"version\":{},\"capabilities\":[]}}\r\n"
#define READY "{\"return\":{},\"id\":1}\r\n"

typedef struct {
    const char *greeting; /* there from the start */
    const char *answers;  /* sent when the first command came */
    gsize n_repeat;       /* how often @answers is sent; 0: until nobody reads */
    bool is_held;         /* not closed at the end */
} Fault;

typedef struct {
    const Fault *fault;
    int fd;
} Server;

static bool
send_text(int fd, const char *text)
{
    gsize left = strlen(text);

    while (left > 0) {
        ssize_t n = send(fd, text, left, MSG_NOSIGNAL);

        if (n < 0)
            return false;
        text += n;
        left -= (gsize) n;
    }
    return true;
}

static gpointer
serve(gpointer data)
{
    Server *server = data;
    char command[4096];
    gsize n = 0;

    if (server->fault->answers && recv(server->fd, command, sizeof command, 0) > 0)
        while (send_text(server->fd, server->fault->answers) && ++n != server->fault->n_repeat)
            continue;
    if (server->fault->is_held) /* until the client leaves */
        while (recv(server->fd, command, sizeof command, 0) > 0)
            continue;
    close(server->fd);
    return NULL;
}

static GThread *
start_server(Server *server)
{
    send_text(server->fd, server->fault->greeting);
    return g_thread_new("server", serve, server);
}

/* Opens against a server with that fault; when it opens, executes one command. What is to be over
 * in vain is waited for shortly, and nothing else is: the server may be slow. */
static GError *
meet(const Fault *fault, QmpError expected)
{
    bool is_mute = !fault->answers || !*fault->answers;
    gint64 in_vain = expected == QMP_ERROR_BUSY || expected == QMP_ERROR_TIMEOUT
                         ? SHORT_US
                         : PAUSED_QEMU_TIMEOUT_US;
    int pair[2];
    Server server = { .fault = fault };
    GThread *thread;
    GError *error = NULL;
    Qmp *qmp;

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    server.fd = pair[1];
    thread = start_server(&server);
    qmp = qmp_open_fd(pair[0], is_mute ? in_vain : PAUSED_QEMU_TIMEOUT_US, &error);
    if (qmp)
        json_free(qmp_execute(qmp, "query-status", NULL, in_vain, &error));
    qmp_free(qmp);
    if (!qmp)
        shutdown(pair[1], SHUT_RDWR);
    g_thread_join(thread);
    return error;
}

static void
test_faults(void **state)
{
    static const struct {
        const char *name;
        Fault fault;
        QmpError code;
    } cases[] = {
        { "half a greeting, then gone", { "{\"QMP\":", NULL, 1, false }, QMP_ERROR_CLOSED },
        { "half a greeting, then nothing", { "{\"QMP\":", NULL, 1, true }, QMP_ERROR_BUSY },
        { "no QMP", { "SSH-2.0-OpenSSH_9.2\r\n", NULL, 1, true }, QMP_ERROR_PROTOCOL },
        { "JSON but no QMP", { "{\"hello\":1}\n", NULL, 1, true }, QMP_ERROR_PROTOCOL },
        { "an array", { "[]\n", NULL, 1, true }, QMP_ERROR_PROTOCOL },
        { "negotiation unanswered", { GREETING, "", 1, true }, QMP_ERROR_TIMEOUT },
        { "gone in the middle of a reply",
          { GREETING, READY "{\"retu", 1, false },
          QMP_ERROR_CLOSED },
        { "garbage for a reply", { GREETING, READY "}{\n", 1, true }, QMP_ERROR_PROTOCOL },
        { "neither reply nor event", { GREETING, READY "{}\n", 1, true }, QMP_ERROR_PROTOCOL },
        { "another's id",
          { GREETING, READY "{\"return\":1,\"id\":77}\n", 1, true },
          QMP_ERROR_TIMEOUT },
    };

    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = meet(&cases[i].fault, cases[i].code);

        if (!g_error_matches(error, QMP_ERROR, (int) cases[i].code))
            fail_msg("%s: %s", cases[i].name, error ? error->message : "no error");
    }
}

static void
test_endless_line(void **state)
{
    g_autofree char *text = g_strnfill(1024 * 1024, 'x');
    Fault fault = { "", NULL, 0, false };
    g_autofree char *line = g_strconcat("{\"QMP\":\"", text, NULL);
    g_autoptr(GError) error = NULL;

    fault.greeting = GREETING;
    fault.answers = line;
    error = meet(&fault, QMP_ERROR_PROTOCOL);
    assert_error(error, QMP_ERROR_PROTOCOL, "longer than");
}

/* Events without end don't hold a command beyond its deadline, nor fill the memory. They come in
 * bulk, faster than they can be parsed, so that the socket is never empty. */
static void
test_event_flood(void **state)
{
    g_autoptr(GString) bulk = g_string_new(NULL);
    Fault fault = { GREETING READY, NULL, 0, false };
    int buffer = 8 * 1024 * 1024;
    int pair[2];
    Server server = { .fault = &fault };
    g_autoptr(GError) error = NULL;
    GThread *thread;
    Qmp *qmp;
    guint n = 0;

    for (guint i = 0; i < 4096; i++)
        g_string_append(bulk, "{\"event\":\"X\",\"data\":{}}\n");
    fault.answers = bulk->str;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    setsockopt(pair[1], SOL_SOCKET, SO_SNDBUFFORCE, &buffer, sizeof buffer); /* root may */
    server.fd = pair[1];
    thread = start_server(&server);
    qmp = qmp_open_fd(pair[0], PAUSED_QEMU_TIMEOUT_US, &error);
    assert_non_null(qmp);
    for (guint i = 0; qmp_n_lost_events(qmp) == 0; i++) { /* the server may be slow */
        assert_true(i < 100);
        assert_null(qmp_execute(qmp, "query-status", NULL, SHORT_US, &error));
        assert_error(error, QMP_ERROR_TIMEOUT, "");
        g_clear_error(&error);
    }
    for (Json *event; (event = qmp_next_event(qmp)); n++)
        json_free(event);
    assert_int_equal(n, QMP_MAX_EVENTS);
    qmp_free(qmp);
    g_thread_join(thread);
}

/* Few events, but large ones: what is kept of them is bounded as well. */
static void
test_large_events(void **state)
{
    g_autofree char *filling = g_strnfill(300 * 1024, 'x');
    g_autofree char *event = g_strdup_printf("{\"event\":\"X\",\"data\":\"%s\"}\n", filling);
    Fault fault = { GREETING READY, event, 20, false };
    int pair[2];
    Server server = { .fault = &fault };
    g_autoptr(GError) error = NULL;
    GThread *thread;
    Qmp *qmp;
    guint n = 0;

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    server.fd = pair[1];
    thread = start_server(&server);
    qmp = qmp_open_fd(pair[0], PAUSED_QEMU_TIMEOUT_US, &error);
    assert_non_null(qmp);
    assert_null(qmp_execute(qmp, "query-status", NULL, PAUSED_QEMU_TIMEOUT_US, &error));
    assert_error(error, QMP_ERROR_CLOSED, "");
    for (Json *json; (json = qmp_next_event(qmp)); n++)
        json_free(json);
    assert_int_equal(n, QMP_MAX_EVENT_BYTES / (300 * 1024));
    assert_int_equal(qmp_n_lost_events(qmp), 20 - n);
    qmp_free(qmp);
    g_thread_join(thread);
}

int
main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_commands_and_refusals),
        cmocka_unit_test(test_events),
        cmocka_unit_test(test_second_client_is_busy),
        cmocka_unit_test(test_late_answer),
        cmocka_unit_test(test_several_at_once),
        cmocka_unit_test(test_answers_left_out),
        cmocka_unit_test(test_killed_between_answers),
        cmocka_unit_test(test_announced_is_forgotten),
        cmocka_unit_test(test_killed_qemu_is_an_eof),
        cmocka_unit_test(test_no_socket),
        cmocka_unit_test(test_faults),
        cmocka_unit_test(test_endless_line),
        cmocka_unit_test(test_event_flood),
        cmocka_unit_test(test_large_events),
    };

    return cmocka_run_group_tests_name("qmp", tests, setup, teardown);
}
