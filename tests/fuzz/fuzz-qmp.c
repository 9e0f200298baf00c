/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Whatever a QEMU sends on its monitor, up to the byte at which it closes: no crash, no leak, and
 * every call comes back with an answer or an error, without waiting for what can't come any more.
 */
#include "tests/fuzz/fuzz.h"

#include <sys/socket.h>
#include <unistd.h>

#include "qemu/qmp.h"

#define TIMEOUT_US (10 * G_USEC_PER_SEC)

static void
drain(Qmp *qmp)
{
    Json *event;
    guint n = 0;

    while ((event = qmp_next_event(qmp))) {
        g_assert_nonnull(json_get_string(event, "event"));
        json_free(event);
        n++;
    }
    g_assert_cmpuint(n, <=, QMP_MAX_EVENTS);
}

static void
talk(Qmp *qmp)
{
    static const char *const commands[] = { "query-status", "query-block", "query-pci" };
    guint64 ids[G_N_ELEMENTS(commands)];

    for (guint i = 0; i < G_N_ELEMENTS(commands); i++)
        ids[i] = qmp_ask(qmp, commands[i], NULL);
    qmp_send(qmp);
    for (guint i = 0; i < G_N_ELEMENTS(commands); i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(Json) reply = qmp_answer(qmp, ids[i], commands[i], TIMEOUT_US, &error);

        g_assert_true(!reply == !!error);
        g_assert_false(g_error_matches(error, QMP_ERROR, QMP_ERROR_TIMEOUT));
    }
    while (qmp_read_events(qmp, NULL))
        drain(qmp);
    drain(qmp);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autoptr(GError) error = NULL;
    Qmp *qmp;
    int pair[2];

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), ==, 0);
    /* What does not fit is not sent: it ends there. */
    (void) send(pair[1], data, size, MSG_DONTWAIT | MSG_NOSIGNAL);
    shutdown(pair[1], SHUT_WR);
    qmp = qmp_open_fd(pair[0], TIMEOUT_US, &error);
    g_assert_true(!qmp == !!error);
    if (qmp)
        talk(qmp);
    qmp_free(qmp);
    close(pair[1]);
    return 0;
}
