/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Companions as processes, with a real one (qemu-pr-helper, which listens by itself) and with a
 * shell that is handed its socket: started, found again, started anew, ended; and what is left by a
 * launcher that dies.
 */
#include "qemu/companion-process.h"
#include "qemu/launch-files.h"
#include "tests/support/deadline.h"
#include "tests/support/scratch.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static Scratch *scratch;
static char *run_directory, *log_path;

/* A companion of no domain, as a kind's hook would make it. */
static Companion *
companion_of(GPtrArray *companions, const char *kind, const char *program)
{
    static const HostFacts facts = { .page_size = 4096 };
    DeviceContext context = { .at = { .path = (char *) "devices/disk[0]" }, .facts = &facts };
    Companion *companion = companion_add(&context, companions, kind, "disks", program, NULL);

    companion->socket = g_build_filename(run_directory, "c.sock", NULL);
    return companion;
}

static Companion *
real_helper(GPtrArray *companions)
{
    Companion *companion = companion_of(companions, "qemu-pr-helper", NULL);

    companion_argument(companion, "-k");
    companion_argument(companion, companion->socket);
    return companion;
}

static Companion *
shell(GPtrArray *companions, const char *script)
{
    Companion *companion = companion_of(companions, "swtpm", "/bin/sh");

    companion->is_handed = true;
    companion_argument(companion, "-c");
    companion_argument(companion, script);
    return companion;
}

static bool
can_connect(const char *path)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool is_connected;

    g_strlcpy(address.sun_path, path, sizeof address.sun_path);
    is_connected = connect(fd, (struct sockaddr *) &address, sizeof address) == 0;
    close(fd);
    return is_connected;
}

static void
assert_none_left(const char *socket_path)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) records = companion_records_read(run_directory, &error);

    assert_non_null(records);
    assert_int_equal(records->len, 0);
    assert_false(g_file_test(socket_path, G_FILE_TEST_EXISTS));
    assert_true(run_directory_clear(run_directory, &error));
    assert_false(g_file_test(run_directory, G_FILE_TEST_EXISTS));
}

static void
end_all(const char *socket_path)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) records = companion_records_read(run_directory, &error);

    assert_non_null(records);
    assert_true(companion_records_end(records, run_directory, &error));
    for (guint i = 0; i < records->len; i++) {
        assert_true(companion_record_look(records->pdata[i], &error));
        assert_false(((CompanionRecord *) records->pdata[i])->is_alive);
    }
    assert_none_left(socket_path);
}

static void
test_life(void **state)
{
    g_autoptr(GPtrArray) companions = companions_new(), records = NULL;
    Companion *companion = real_helper(companions);
    g_autofree char *program = companion_find_program(companion->program);
    g_autoptr(GError) error = NULL;
    g_autoptr(CompanionRecord) record = NULL;
    pid_t first;

    if (!program)
        skip();
    record = companion_start(companion, run_directory, log_path, &error);
    if (!record)
        fail_msg("%s", error->message);
    /* It listens as soon as it is said to be up, and its record is on disk. */
    assert_true(can_connect(companion->socket));
    records = companion_records_read(run_directory, &error);
    assert_int_equal(records->len, 1);
    assert_true(((CompanionRecord *) records->pdata[0])->is_alive);
    assert_int_equal(((CompanionRecord *) records->pdata[0])->process->pid, record->process->pid);

    first = record->process->pid;
    kill(first, SIGKILL);
    assert_within(10, companion_record_look(record, NULL) && !record->is_alive);
    if (!companion_restart(record, run_directory, &error))
        fail_msg("%s", error->message);
    assert_int_not_equal(record->process->pid, first);
    assert_true(can_connect(companion->socket));
    end_all(companion->socket);
}

static void
test_handed(void **state)
{
    g_autoptr(GPtrArray) companions = companions_new();
    Companion *companion = shell(companions, "test -S /proc/self/fd/3 && read -r x < /dev/zero");
    g_autoptr(GError) error = NULL;
    g_autoptr(CompanionRecord) record = companion_start(companion, run_directory, log_path, &error);

    assert_non_null(record);
    assert_true(can_connect(companion->socket));
    end_all(companion->socket);
    assert_false(can_connect(companion->socket));
}

/* SIGTERM does not impress it. */
static void
test_stubborn(void **state)
{
    g_autoptr(GPtrArray) companions = companions_new();
    Companion *companion =
        shell(companions, "trap '' TERM; echo deaf >&2; while :; do read -r x < /dev/zero; done");
    g_autoptr(GError) error = NULL;
    g_autoptr(CompanionRecord) record = companion_start(companion, run_directory, log_path, &error);

    assert_non_null(record);
    assert_within(10, ({
                      g_autofree char *words = process_log_tail(record->process);
                      strcmp(words, "deaf") == 0;
                  }));
    end_all(companion->socket);
}

static void
test_does_not_come_up(void **state)
{
    g_autoptr(GPtrArray) companions = companions_new();
    Companion *companion = shell(companions, "echo no luck >&2; exit 1");
    g_autoptr(GError) error = NULL;
    g_autoptr(CompanionRecord) record = NULL;

    companion->is_handed = false; /* to be waited for */
    record = companion_start(companion, run_directory, log_path, &error);
    assert_null(record);
    assert_non_null(strstr(error->message, "no luck"));
    assert_none_left(companion->socket);
}

static void
test_no_program(void **state)
{
    g_autoptr(GPtrArray) companions = companions_new();
    Companion *companion = companion_of(companions, "passt", "/nonexistent/passt");
    g_autoptr(GError) error = NULL;
    g_autoptr(CompanionRecord) record = companion_start(companion, run_directory, log_path, &error);

    assert_null(record);
    assert_non_null(strstr(error->message, "/nonexistent/passt is not there"));
    assert_none_left(companion->socket);
}

/* Whoever started it dies; it is found and ended by another. */
static void
test_orphan(void **state)
{
    g_autoptr(GPtrArray) companions = companions_new(), records = NULL;
    Companion *companion = shell(companions, "read -r x < /dev/zero");
    pid_t launcher = fork();
    int status;

    if (launcher == 0)
        _exit(companion_start(companion, run_directory, log_path, NULL) ? 0 : 1);
    assert_int_equal(waitpid(launcher, &status, 0), launcher);
    assert_int_equal(status, 0);
    records = companion_records_read(run_directory, NULL);
    assert_int_equal(records->len, 1);
    assert_true(((CompanionRecord *) records->pdata[0])->is_alive);
    end_all(companion->socket);
}

/* A pid that another process has now is nobody to be ended. */
static void
test_foreign(void **state)
{
    g_autoptr(GPtrArray) companions = companions_new(), records = NULL;
    Companion *companion = shell(companions, "read -r x < /dev/zero");
    g_autoptr(GError) error = NULL;
    g_autoptr(CompanionRecord) record = companion_start(companion, run_directory, log_path, &error);

    assert_non_null(record);
    end_all(companion->socket);
    record->process->pid = getpid();
    assert_true(launch_make_directory(run_directory, &error));
    assert_true(companion_record_write(record, run_directory, &error));
    records = companion_records_read(run_directory, &error);
    assert_int_equal(records->len, 1);
    assert_false(((CompanionRecord *) records->pdata[0])->is_alive);
    end_all(companion->socket);
}

/* Not a record, and nothing that is waited for. */
static void
test_no_records(void **state)
{
    static const char *const texts[] = {
        "",
        "[]",
        "{\"format_version\":1,\"kind\":\"k\",\"id\":\"i\",\"argv\":[1],"
        "\"process\":{\"format_version\":1,\"pid\":4,\"boot_id\":\"x\"}}",
    };
    g_autofree char *path = g_build_filename(run_directory, "i-k.companion", NULL);

    for (guint i = 0; i <= G_N_ELEMENTS(texts); i++) {
        g_autoptr(GError) error = NULL;

        if (i < G_N_ELEMENTS(texts))
            assert_true(g_file_set_contents(path, texts[i], -1, NULL));
        else
            assert_int_equal(mkfifo(path, 0600), 0);
        assert_null(companion_records_read(run_directory, &error));
        assert_non_null(strstr(error->message, "i-k.companion"));
        assert_int_equal(unlink(path), 0);
    }
}

static int
set_up(void **state)
{
    scratch = scratch_new();
    run_directory = scratch_path(scratch, "run/a");
    log_path = scratch_path(scratch, "log/a-c.log");
    return 0;
}

static int
make_run_directory(void **state)
{
    return launch_make_directory(run_directory, NULL) ? 0 : -1;
}

static int
tear_down(void **state)
{
    g_free(run_directory);
    g_free(log_path);
    scratch_free(scratch);
    return 0;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_life, make_run_directory),
        cmocka_unit_test_setup(test_handed, make_run_directory),
        cmocka_unit_test_setup(test_stubborn, make_run_directory),
        cmocka_unit_test_setup(test_does_not_come_up, make_run_directory),
        cmocka_unit_test_setup(test_no_program, make_run_directory),
        cmocka_unit_test_setup(test_orphan, make_run_directory),
        cmocka_unit_test_setup(test_foreign, make_run_directory),
        cmocka_unit_test_setup(test_no_records, make_run_directory),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
