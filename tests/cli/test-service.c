/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * `watch` as systemd runs it: what it says to the socket that it was given, in which order, and
 * how often the watchdog hears of it. Without a socket, and with a nonsensical one, it runs as
 * well.
 */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/support/deadline.h"
#include "tests/support/virtkeep.h"

#define PATIENCE 60 /* seconds */
#define WATCHDOG_MS 200

/* Bound to @name as the variable has it: '@' is of the abstract namespace. */
static int
listen_on(const char *name)
{
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct timeval patience = { .tv_sec = PATIENCE };
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    socklen_t length = offsetof(struct sockaddr_un, sun_path) + strlen(name);

    memcpy(address.sun_path, name, strlen(name));
    if (*name == '@')
        address.sun_path[0] = '\0';
    assert_true(fd >= 0 && bind(fd, (const struct sockaddr *) &address, length) == 0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience), 0);
    return fd;
}

/* The next that begins with @wanted. In between only status and watchdog are spoken of. */
static char *
hear(int fd, const char *wanted)
{
    gint64 end = g_get_monotonic_time() + PATIENCE * G_USEC_PER_SEC;
    char text[1024];

    for (;;) {
        ssize_t length = recv(fd, text, sizeof text - 1, 0);

        if (length < 0 || g_get_monotonic_time() > end)
            fail_msg("waiting for %s: %s", wanted, g_strerror(length < 0 ? errno : ETIMEDOUT));
        text[length] = '\0';
        if (g_str_has_prefix(text, wanted))
            return g_strdup(text);
        if (!g_str_has_prefix(text, "STATUS=") && !g_str_equal(text, "WATCHDOG=1"))
            fail_msg("waiting for %s: %s", wanted, text);
    }
}

static void
check_life(Scratch *scratch, const char *name)
{
    int fd = listen_on(name);
    g_autofree char *microseconds = g_strdup_printf("%d", WATCHDOG_MS * 1000);
    g_autofree char *status = NULL, *reloading = NULL;
    g_autoptr(Command) watch = NULL;
    g_autoptr(CommandResult) result = NULL;
    gint64 before, first;

    g_setenv("NOTIFY_SOCKET", name, TRUE);
    g_setenv("WATCHDOG_USEC", microseconds, TRUE);
    watch = virtkeep_start(scratch, "watch");
    g_unsetenv("NOTIFY_SOCKET");
    g_unsetenv("WATCHDOG_USEC");
    g_free(hear(fd, "READY=1"));
    g_free(scratch_write(scratch, "domains/a.xml", "<domain><name>a</name></domain>"));
    status = hear(fd, "STATUS=");
    assert_string_equal(status, "STATUS=1 domain, 1 Invalid");
    g_free(hear(fd, "WATCHDOG=1"));
    first = g_get_monotonic_time();
    g_free(hear(fd, "WATCHDOG=1"));
    assert_true(g_get_monotonic_time() - first >= WATCHDOG_MS * 1000 / 4);
    before = g_get_monotonic_time();
    command_signal(watch, SIGHUP);
    reloading = hear(fd, "RELOADING=1\nMONOTONIC_USEC=");
    first = g_ascii_strtoll(strchr(reloading, '\n') + strlen("\nMONOTONIC_USEC="), NULL, 10);
    assert_true(first >= before && first <= g_get_monotonic_time());
    g_free(hear(fd, "READY=1"));
    command_signal(watch, SIGTERM);
    g_free(hear(fd, "STOPPING=1"));
    result = command_wait(g_steal_pointer(&watch), PATIENCE);
    assert_int_equal(result->status, 0);
    close(fd);
}

static void
test_path(void **state)
{
    g_autoptr(Scratch) scratch = scratch_new();
    g_autofree char *path = scratch_path(scratch, "notify.sock");

    g_free(scratch_mkdir(scratch, "domains"));
    check_life(scratch, path);
}

static void
test_abstract(void **state)
{
    g_autoptr(Scratch) scratch = scratch_new();
    g_autofree char *name = g_strconcat("@", scratch_dir(scratch), NULL);

    g_free(scratch_mkdir(scratch, "domains"));
    check_life(scratch, name);
}

/* A variable that is not about this process, or leads nowhere. */
static void
test_nobody(void **state)
{
    g_autofree char *endless = g_strnfill(4096, 'x');
    const char *const names[] = { "", "/nonexistent/socket", "relative", endless };

    endless[0] = '/';
    for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autoptr(Scratch) scratch = scratch_new();
        g_autofree char *ready = scratch_path(scratch, "state.db");
        g_autoptr(Command) watch = NULL;
        g_autoptr(CommandResult) result = NULL;

        g_free(scratch_mkdir(scratch, "domains"));
        g_setenv("NOTIFY_SOCKET", names[i], TRUE);
        g_setenv("WATCHDOG_USEC", "1", TRUE);
        g_setenv("WATCHDOG_PID", "1", TRUE); /* of systemd itself, say */
        watch = virtkeep_start(scratch, "watch");
        assert_within(PATIENCE, g_file_test(ready, G_FILE_TEST_EXISTS));
        command_signal(watch, SIGTERM);
        result = command_wait(g_steal_pointer(&watch), PATIENCE);
        g_unsetenv("NOTIFY_SOCKET");
        g_unsetenv("WATCHDOG_USEC");
        g_unsetenv("WATCHDOG_PID");
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_path),
        cmocka_unit_test(test_abstract),
        cmocka_unit_test(test_nobody),
    };

    return cmocka_run_group_tests_name("service", tests, NULL, NULL);
}
