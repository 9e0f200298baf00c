/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The QMP client: one connection, one thread, every wait bounded.
 *
 * QMP is JSON objects, one a line. After connecting QEMU greets, the client negotiates
 * (qmp_capabilities), and then every command is answered by one object with the command's id;
 * events come in between at any time. So there is one reader, which sorts what arrives:
 *
 *     {"event": …}             queued for qmp_next_event()
 *     {"return"|"error", "id"} the answer, if the id is the one waited for; an answer to a
 *                              command given up on earlier is dropped
 *     anything else            PROTOCOL, and the connection is done with
 *
 * Commands can be sent ahead of waiting for their answers. Without out-of-band execution, which is
 * not negotiated, QEMU answers them in turn, so waiting for one answer drops those before it.
 * QEMU 7.2 reads its monitor byte by byte, about 3 us each: what several commands sent at once save
 * is not QEMU's time, but ours can be spent meanwhile.
 *
 * A monitor serves one client at a time. Connecting to a taken one succeeds (the kernel's
 * backlog), but the greeting stays out until the other client leaves: seen on QEMU 7.2, told
 * from a dead QEMU by the latter's EOF, and reported as BUSY.
 *
 * A QEMU may be in the hands of its guest: no line is longer than QMP_MAX_LINE, the queue of
 * events is bounded in number and size, and JSON is parsed with bounded depth and number of values.
 */
#include "qemu/qmp.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define READ_SIZE 65536

typedef struct Event {
    Json *json;
    gsize size; /* of its line */
} Event;

struct Qmp {
    int fd;
    GByteArray *input; /* received, not yet taken */
    GString *output;   /* asked, not yet sent */
    gsize n_scanned;   /* bytes of it known to hold no newline */
    GQueue events;     /* Event * */
    gsize n_event_bytes;
    guint64 n_lost_events;
    guint64 last_id;
    GError *broken; /* why the connection can't be used any more */
};

G_DEFINE_QUARK(virtkeep_qmp_error, qmp_error)

static const char *const classes[] = {
    [QMP_ERROR_GENERIC] = "GenericError",
    [QMP_ERROR_COMMAND_NOT_FOUND] = "CommandNotFound",
    [QMP_ERROR_DEVICE_NOT_FOUND] = "DeviceNotFound",
    [QMP_ERROR_DEVICE_NOT_ACTIVE] = "DeviceNotActive",
};

const char *
qmp_error_class(QmpError code)
{
    return code < G_N_ELEMENTS(classes) ? classes[code] : NULL;
}

GError *
qmp_error_from_json(const Json *refusal)
{
    const char *class = json_get_string(refusal, "class");
    const char *desc = json_get_string(refusal, "desc");
    QmpError code = QMP_ERROR_GENERIC;

    for (guint i = 0; i < G_N_ELEMENTS(classes); i++)
        if (g_strcmp0(class, classes[i]) == 0)
            code = i;
    return g_error_new_literal(QMP_ERROR, code, desc ? desc : "refused without a word");
}

static void
event_free(gpointer data)
{
    Event *event = data;

    json_free(event->json);
    g_free(event);
}

void
qmp_free(Qmp *qmp)
{
    if (!qmp)
        return;
    close(qmp->fd);
    g_byte_array_unref(qmp->input);
    g_string_free(qmp->output, TRUE);
    g_queue_clear_full(&qmp->events, event_free);
    g_clear_error(&qmp->broken);
    g_free(qmp);
}

int
qmp_fd(const Qmp *qmp)
{
    return qmp->fd;
}

guint64
qmp_n_lost_events(const Qmp *qmp)
{
    return qmp->n_lost_events;
}

/* Remembers why the connection is over; always false. */
G_GNUC_PRINTF(4, 5)
static bool
fail(Qmp *qmp, QmpError code, GError **error, const char *format, ...)
{
    va_list arguments;

    g_clear_error(&qmp->broken); /* what came before an end of file may be malformed too */
    va_start(arguments, format);
    qmp->broken = g_error_new_valist(QMP_ERROR, code, format, arguments);
    va_end(arguments);
    g_propagate_error(error, g_error_copy(qmp->broken));
    return false;
}

/* Waits until the descriptor is ready. False with TIMEOUT, also when the other side never pauses:
 * a QEMU that floods us with events doesn't hold us. An error of the connection counts as ready,
 * since reading it then says what it is. */
static bool
wait_ready(int fd, short events, gint64 deadline, GError **error)
{
    struct pollfd ready = { .fd = fd, .events = events };

    for (;;) {
        gint64 left = deadline - g_get_monotonic_time();
        int n = poll(&ready, 1, left <= 0 ? 0 : (int) MIN((left + 999) / 1000, G_MAXINT));

        if (n > 0 && left >= 0)
            return true;
        if (n < 0 && errno != EINTR) {
            g_set_error(error, QMP_ERROR, QMP_ERROR_CLOSED, "poll: %s", g_strerror(errno));
            return false;
        }
        if (left <= 0) {
            g_set_error(error, QMP_ERROR, QMP_ERROR_TIMEOUT, "QEMU didn't answer in time");
            return false;
        }
    }
}

/* Takes what the socket holds, without waiting. False when the connection is over. */
static bool
receive(Qmp *qmp, GError **error)
{
    guint8 buffer[READ_SIZE];
    ssize_t n;

    do
        n = recv(qmp->fd, buffer, sizeof buffer, MSG_DONTWAIT);
    while (n < 0 && errno == EINTR);
    if (n < 0 && errno == EAGAIN)
        return true;
    if (n < 0)
        return fail(qmp, QMP_ERROR_CLOSED, error, "QEMU closed the monitor: %s", g_strerror(errno));
    if (n == 0)
        return fail(qmp, QMP_ERROR_CLOSED, error, "QEMU closed the monitor");
    g_byte_array_append(qmp->input, buffer, (guint) n);
    return true;
}

/* The next complete line, parsed, and its length. True with *ret_json NULL when there is none yet.
 */
static bool
take_line(Qmp *qmp, Json **ret_json, gsize *ret_length, GError **error)
{
    g_autoptr(GError) problem = NULL;
    const guint8 *start = qmp->input->data;
    const guint8 *newline = NULL;
    gsize length;

    *ret_json = NULL;
    if (qmp->input->len > qmp->n_scanned)
        newline = memchr(start + qmp->n_scanned, '\n', qmp->input->len - qmp->n_scanned);
    length = newline ? (gsize) (newline - start) : qmp->input->len;
    if (length > QMP_MAX_LINE)
        return fail(qmp, QMP_ERROR_PROTOCOL, error, "QEMU sent a line longer than %d bytes",
                    QMP_MAX_LINE);
    if (!newline) {
        qmp->n_scanned = length;
        return true;
    }
    *ret_length = length;
    *ret_json = json_parse((const char *) start, (gssize) length, &problem);
    g_byte_array_remove_range(qmp->input, 0, (guint) length + 1);
    qmp->n_scanned = 0;
    if (!*ret_json)
        return fail(qmp, QMP_ERROR_PROTOCOL, error, "QEMU sent no JSON: %s", problem->message);
    return true;
}

static Event *
pop_event(Qmp *qmp)
{
    Event *event = g_queue_pop_head(&qmp->events);

    if (event)
        qmp->n_event_bytes -= event->size;
    return event;
}

static void
queue_event(Qmp *qmp, Json *json, gsize size)
{
    Event *event = g_new0(Event, 1);

    *event = (Event){ json, size };
    g_queue_push_tail(&qmp->events, event);
    qmp->n_event_bytes += size;
    while (g_queue_get_length(&qmp->events) > QMP_MAX_EVENTS ||
           qmp->n_event_bytes > QMP_MAX_EVENT_BYTES) {
        event_free(pop_event(qmp));
        qmp->n_lost_events++;
    }
}

/* The next message that is no event, or NULL when none is there yet. Events are queued. */
static bool
take_message(Qmp *qmp, Json **ret_message, GError **error)
{
    for (;;) {
        g_autoptr(Json) message = NULL;
        gsize length;

        if (!take_line(qmp, &message, &length, error))
            return false;
        if (message && json_type(message) != JSON_OBJECT)
            return fail(qmp, QMP_ERROR_PROTOCOL, error, "QEMU sent something that is no object");
        if (message && json_get_string(message, "event")) {
            queue_event(qmp, g_steal_pointer(&message), length);
            continue;
        }
        *ret_message = g_steal_pointer(&message);
        return true;
    }
}

static bool
check_usable(const Qmp *qmp, GError **error)
{
    if (!qmp->broken)
        return true;
    g_propagate_error(error, g_error_copy(qmp->broken));
    return false;
}

/* Waits for the next message that is no event. */
static Json *
wait_message(Qmp *qmp, gint64 deadline, GError **error)
{
    for (;;) {
        Json *message;

        if (!take_message(qmp, &message, error))
            return NULL;
        if (message)
            return message;
        if (!wait_ready(qmp->fd, POLLIN, deadline, error) || !receive(qmp, error))
            return NULL;
    }
}

/* As much as there is room for; @fd, unless it is -1, goes with the first byte. */
static ssize_t
send_some(int to, const char *bytes, gsize n, int fd)
{
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(sizeof fd)];
    } control = { .space = { 0 } };
    struct iovec part = { (char *) bytes, n };
    struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };

    if (fd >= 0) {
        control.header = (struct cmsghdr){ .cmsg_len = CMSG_LEN(sizeof fd),
                                           .cmsg_level = SOL_SOCKET,
                                           .cmsg_type = SCM_RIGHTS };
        memcpy(CMSG_DATA(&control.header), &fd, sizeof fd);
        message.msg_control = &control;
        message.msg_controllen = sizeof control.space;
    }
    return sendmsg(to, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* Sends what was asked, @fd (-1: none) with its first byte. Without @deadline (0): as much as there
 * is room for. */
static bool
send_output(Qmp *qmp, int fd, gint64 deadline, GError **error)
{
    while (qmp->output->len > 0) {
        ssize_t n = send_some(qmp->fd, qmp->output->str, qmp->output->len, fd);

        if (n >= 0) {
            fd = -1;
            g_string_erase(qmp->output, 0, n);
        } else if (errno == EAGAIN) {
            if (!deadline)
                return true;
            /* Half a command can't be taken back: from here on the two disagree. */
            if (!wait_ready(qmp->fd, POLLOUT, deadline, NULL))
                return fail(qmp, QMP_ERROR_TIMEOUT, error, "QEMU doesn't read its monitor");
        } else if (errno != EINTR) {
            return fail(qmp, QMP_ERROR_CLOSED, error, "QEMU closed the monitor: %s",
                        g_strerror(errno));
        }
    }
    return true;
}

static Json *
wait_reply(Qmp *qmp, guint64 id, gint64 deadline, GError **error)
{
    for (;;) {
        g_autoptr(Json) message = wait_message(qmp, deadline, error);

        if (!message)
            return NULL;
        if (!json_get(message, "return") && !json_get(message, "error")) {
            fail(qmp, QMP_ERROR_PROTOCOL, error, "QEMU sent neither an answer nor an event");
            return NULL;
        }
        /* QEMU leaves the id out where it could not even parse the command. */
        if (json_get(message, "id") && json_get_uint(message, "id", 0) != id)
            continue;
        if (json_get(message, "error")) {
            g_propagate_error(error, qmp_error_from_json(json_get(message, "error")));
            return NULL;
        }
        return json_copy(json_get(message, "return"));
    }
}

guint64
qmp_ask(Qmp *qmp, const char *command, Json *arguments)
{
    g_autoptr(Json) message = json_new_object();
    g_autofree char *text = NULL;

    json_set_string(message, "execute", command);
    if (arguments)
        json_set(message, "arguments", arguments);
    json_set_uint(message, "id", ++qmp->last_id);
    text = json_format(message, false);
    g_string_append(qmp->output, text);
    g_string_append_c(qmp->output, '\n');
    return qmp->last_id;
}

void
qmp_send(Qmp *qmp)
{
    if (!qmp->broken)
        (void) send_output(qmp, -1, 0, NULL); /* what fails is remembered */
}

/* The answer to @id, after what was asked is sent, with @fd. */
static Json *
send_and_wait(Qmp *qmp, guint64 id, const char *command, int fd, gint64 deadline, GError **error)
{
    Json *reply = NULL;

    if (check_usable(qmp, error) && send_output(qmp, fd, deadline, error))
        reply = wait_reply(qmp, id, deadline, error);
    if (!reply)
        g_prefix_error(error, "%s: ", command);
    return reply;
}

Json *
qmp_answer(Qmp *qmp, guint64 id, const char *command, gint64 timeout_us, GError **error)
{
    return send_and_wait(qmp, id, command, -1, g_get_monotonic_time() + timeout_us, error);
}

Json *
qmp_execute(Qmp *qmp, const char *command, Json *arguments, gint64 timeout_us, GError **error)
{
    return qmp_execute_with_fd(qmp, command, arguments, -1, timeout_us, error);
}

Json *
qmp_execute_with_fd(Qmp *qmp, const char *command, Json *arguments, int fd, gint64 timeout_us,
                    GError **error)
{
    gint64 deadline = g_get_monotonic_time() + timeout_us;

    /* What was asked before must not carry the descriptor. */
    if (fd >= 0 && !qmp->broken)
        (void) send_output(qmp, -1, deadline, NULL);
    return send_and_wait(qmp, qmp_ask(qmp, command, arguments), command, fd, deadline, error);
}

/* Events. */

bool
qmp_read_events(Qmp *qmp, GError **error)
{
    g_autoptr(Json) message = NULL;

    if (!check_usable(qmp, error))
        return false;
    /* What came before an EOF is still taken: the last event says why QEMU left. */
    if (!receive(qmp, error)) {
        while (take_message(qmp, &message, NULL) && message)
            g_clear_pointer(&message, json_free);
        return false;
    }
    do {
        g_clear_pointer(&message, json_free); /* an answer that nobody waits for */
        if (!take_message(qmp, &message, error))
            return false;
    } while (message);
    return true;
}

Json *
qmp_next_event(Qmp *qmp)
{
    Event *event = pop_event(qmp);
    Json *json = event ? event->json : NULL;

    g_free(event);
    return json;
}

Json *
qmp_wait_event(Qmp *qmp, gint64 timeout_us, GError **error)
{
    gint64 deadline = g_get_monotonic_time() + timeout_us;

    while (g_queue_is_empty(&qmp->events)) {
        if (!wait_ready(qmp->fd, POLLIN, deadline, error))
            return NULL;
        if (!qmp_read_events(qmp, error) && g_queue_is_empty(&qmp->events))
            return NULL;
        if (!g_queue_is_empty(&qmp->events))
            g_clear_error(error);
    }
    return qmp_next_event(qmp);
}

/* Opening. */

static bool
greet(Qmp *qmp, gint64 deadline, GError **error)
{
    guint64 negotiation = qmp_ask(qmp, "qmp_capabilities", NULL);
    g_autoptr(GError) problem = NULL;
    g_autoptr(Json) greeting = NULL, reply = NULL;

    qmp_send(qmp); /* QEMU reads it after it has greeted */
    greeting = wait_message(qmp, deadline, &problem);
    if (!greeting && g_error_matches(problem, QMP_ERROR, QMP_ERROR_TIMEOUT)) {
        g_set_error(error, QMP_ERROR, QMP_ERROR_BUSY,
                    "no greeting: another client holds the monitor, or QEMU hangs");
        return false;
    }
    if (!greeting) {
        g_propagate_error(error, g_steal_pointer(&problem));
        return false;
    }
    if (!json_get(greeting, "QMP"))
        return fail(qmp, QMP_ERROR_PROTOCOL, error, "what answers is no QMP monitor");
    reply = send_and_wait(qmp, negotiation, "qmp_capabilities", -1, deadline, error);
    return reply != NULL;
}

Qmp *
qmp_open_fd(int fd, gint64 timeout_us, GError **error)
{
    g_autoptr(Qmp) qmp = g_new0(Qmp, 1);

    qmp->fd = fd;
    qmp->input = g_byte_array_new();
    qmp->output = g_string_new(NULL);
    g_queue_init(&qmp->events);
    if (!greet(qmp, g_get_monotonic_time() + timeout_us, error))
        return NULL;
    return g_steal_pointer(&qmp);
}

Qmp *
qmp_open(const char *path, gint64 timeout_us, GError **error)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int fd;
    Qmp *qmp;

    if (strlen(path) >= sizeof address.sun_path) {
        g_set_error(error, QMP_ERROR, QMP_ERROR_CLOSED, "%s: longer than the %zu bytes of a socket",
                    path, sizeof address.sun_path - 1);
        return NULL;
    }
    strcpy(address.sun_path, path);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *) &address, sizeof address) < 0) {
        /* EAGAIN: so many wait for the monitor that the backlog is full */
        QmpError code = errno == EAGAIN ? QMP_ERROR_BUSY : QMP_ERROR_CLOSED;

        g_set_error(error, QMP_ERROR, code, "%s: %s", path, g_strerror(errno));
        if (fd >= 0)
            close(fd);
        return NULL;
    }
    qmp = qmp_open_fd(fd, timeout_us, error);
    if (!qmp)
        g_prefix_error(error, "%s: ", path);
    return qmp;
}
