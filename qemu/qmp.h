/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

#include "model/json.h"

/*
 * Qmp: one client connection to a QEMU's monitor, blocking with deadlines. Used by one thread
 * at a time. Deadlines are in microseconds from now, and must be > 0.
 */
typedef struct Qmp Qmp;

#define QMP_ERROR (qmp_error_quark())
GQuark qmp_error_quark(void);

/* The message of the first three is "COMMAND: <QEMU's words>". After TIMEOUT the connection can
 * still be used (a late reply is told by its id); after CLOSED or PROTOCOL it can't. */
typedef enum {
    QMP_ERROR_GENERIC,           /* QEMU refused: class GenericError and any not listed here */
    QMP_ERROR_COMMAND_NOT_FOUND, /* this QEMU has no such command */
    QMP_ERROR_DEVICE_NOT_FOUND,
    QMP_ERROR_DEVICE_NOT_ACTIVE,
    QMP_ERROR_TIMEOUT,
    QMP_ERROR_CLOSED,  /* QEMU is dead, or nobody listens on the socket */
    QMP_ERROR_BUSY,    /* connected, no greeting: another client holds the monitor, or QEMU hangs */
    QMP_ERROR_PROTOCOL /* what came is not QMP, or too long */
} QmpError;

/* The GError of QEMU's {"class":…,"desc":…}, its message the desc; and the class of a code that
 * QEMU itself sends ("GenericError"), NULL for those of the transport. */
GError *qmp_error_from_json(const Json *refusal);
const char *qmp_error_class(QmpError code);

#define QMP_DEFAULT_TIMEOUT_US (10 * G_USEC_PER_SEC)
#define QMP_MAX_LINE                                                                               \
    (16 * 1024 * 1024)      /* bytes; QEMU 7.2's longest, query-qmp-schema, is 200 kB              \
                             */
/* Queued; beyond that the oldest are dropped and counted. */
#define QMP_MAX_EVENTS 1024
#define QMP_MAX_EVENT_BYTES (1024 * 1024) /* as they were sent, all together */

/* Connects, reads the greeting, negotiates. */
Qmp *qmp_open(const char *path, gint64 timeout_us, GError **error);
/* The same on a connected socket. Takes @fd, also on failure. */
Qmp *qmp_open_fd(int fd, gint64 timeout_us, GError **error);
void qmp_free(Qmp *qmp); /* closes; accepts NULL */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Qmp, qmp_free)

/*
 * Runs a command and waits for its own reply; events that come meanwhile are queued. Takes
 * @arguments (an object, or NULL), also on failure. Returns the 'return' value, to be freed.
 */
Json *qmp_execute(Qmp *qmp, const char *command, Json *arguments, gint64 timeout_us,
                  GError **error);
/* The same with a descriptor passed along: QEMU gets a copy of @fd (borrowed; -1 = none), which
 * commands like getfd take. */
Json *qmp_execute_with_fd(Qmp *qmp, const char *command, Json *arguments, int fd, gint64 timeout_us,
                          GError **error);

/* Several at once: each is asked, and then answered in the same order. qmp_ask() takes @arguments,
 * only collects, and returns an id. qmp_send() sends what was collected, as far as it can without
 * waiting; the rest goes with the first wait. qmp_answer() is qmp_execute() of what was asked; it
 * drops the answers to what was asked before @id. Errors of sending are those of the next answer.
 */
guint64 qmp_ask(Qmp *qmp, const char *command, Json *arguments);
void qmp_send(Qmp *qmp);
Json *qmp_answer(Qmp *qmp, guint64 id, const char *command, gint64 timeout_us, GError **error);

/* For an event connection in a main loop: the descriptor to poll for input (owned by @qmp), and
 * the reader to call when it is ready. qmp_read_events() never blocks; it queues what came and
 * returns false with CLOSED or PROTOCOL when the connection is over. */
int qmp_fd(const Qmp *qmp);
bool qmp_read_events(Qmp *qmp, GError **error);
/* The oldest queued event as QEMU sent it ({"event":…,"data":{…},"timestamp":{…}}), or NULL. */
Json *qmp_next_event(Qmp *qmp);
/* Waits until an event is queued, and returns it. Error: TIMEOUT, CLOSED, PROTOCOL. */
Json *qmp_wait_event(Qmp *qmp, gint64 timeout_us, GError **error);
guint64 qmp_n_lost_events(const Qmp *qmp);
