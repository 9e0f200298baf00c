/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Launch and adoption, with real QEMUs: what runs after the launcher died at each point, what is
 * said when QEMU dislikes its arguments, what the child inherits; and that a process is never
 * mistaken for ours.
 */
#include "qemu/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "qemu/monitor.h"
#include "tests/qemu/paused-qemu.h"
#include "tests/support/deadline.h"

static Scratch *scratch;

static int
setup(void **state)
{
    scratch = scratch_new();
    return 0;
}

static int
teardown(void **state)
{
    /* Each test ends what it started; a process left over is a failure. */
    return scratch_end(scratch) == 0 ? 0 : -1;
}

static void
assert_error(const GError *error, GQuark domain, int code, const char *words)
{
    assert_non_null(error);
    if (!g_error_matches(error, domain, code) || !strstr(error->message, words))
        fail_msg("%s %d: '%s'", g_quark_to_string(error->domain), error->code, error->message);
}

static ProcessState
state_of(const char *run_directory)
{
    g_autoptr(GError) error = NULL;
    ProcessState state;

    if (!process_adopt(run_directory, &state, NULL, NULL, &error))
        fail_msg("%s", error->message);
    return state;
}

static void
end_process(Process *process)
{
    assert_true(process_kill(process, NULL));
    assert_true(process_wait(process, PAUSED_QEMU_TIMEOUT_US));
    assert_false(process_is_alive(process));
    process_free(process);
}

static char *
proc_link(pid_t pid, int fd)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/fd/%d", (int) pid, fd);

    return g_file_read_link(path, NULL);
}

static guint64
status_field(pid_t pid, const char *field)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/status", (int) pid);
    g_autofree char *text = NULL;
    const char *at;

    assert_true(g_file_get_contents(path, &text, NULL, NULL));
    at = strstr(text, field);
    assert_non_null(at);
    return g_ascii_strtoull(at + strlen(field), NULL, 16);
}

static void
test_start(void **state)
{
    g_autofree char *run = scratch_path(scratch, "run/vm");
    g_autofree char *socket = launch_socket_path(run, LAUNCH_CONTROL);
    g_autoptr(GError) error = NULL;
    g_autofree char *status = NULL;
    g_autofree char *uuid = NULL;
    g_autoptr(GPtrArray) devices = NULL;
    Qmp *control;
    g_autoptr(Launch) launch = paused_qemu_start(scratch, "vm", false, NULL, &control);
    g_autoptr(Monitor) monitor = monitor_new_live(control);
    bool is_running = true;
    bool is_ours = false;
    struct stat info;
    guint64 size = 1;

    assert_true(monitor_query_status(monitor, &status, &is_running, &error));
    assert_string_equal(status, "prelaunch");
    assert_false(is_running);
    uuid = monitor_query_uuid(monitor, &error);
    assert_string_equal(uuid, launch_record(launch)->uuid);
    assert_true(monitor_query_token(monitor, launch_record(launch)->token, &is_ours, &error));
    assert_true(is_ours);
    assert_true(monitor_query_token(monitor, "0123", &is_ours, &error));
    assert_false(is_ours);
    devices = monitor_query_memory_devices(monitor, &error);
    assert_int_equal(devices->len, 1);
    assert_true(monitor_qom_set_size(monitor, "vm0", "requested-size", 64 << 20, &error));
    assert_true(monitor_qom_get_size(monitor, "vm0", "requested-size", &size, &error));
    assert_int_equal(size, 64 << 20);
    assert_int_equal(monitor_query_virtio_driver(monitor, "vm0"), MONITOR_DRIVER_ABSENT);
    assert_int_equal(monitor_query_virtio_driver(monitor, "none"), MONITOR_DRIVER_UNKNOWN);
    assert_int_equal(g_stat(run, &info), 0);
    assert_int_equal(info.st_mode & 07777, 0700);
    assert_int_equal(g_stat(socket, &info), 0);
    assert_int_equal(info.st_mode & 07777, 0600);
    assert_true(process_resident_size(launch_process(launch)) > 1024 * 1024);
    assert_null(paused_qemu_prepare(scratch, "vm", true, NULL, &error));
    assert_error(error, LAUNCH_ERROR, LAUNCH_ERROR_RUNNING, "runs already");
    g_clear_error(&error);
    assert_true(monitor_quit(monitor, &error));
    assert_true(process_wait(launch_process(launch), PAUSED_QEMU_TIMEOUT_US));
    assert_int_equal(state_of(run), PROCESS_GONE);
    assert_true(run_directory_clear(run, &error));
    assert_int_equal(state_of(run), PROCESS_NONE);
    assert_int_equal(g_access(run, F_OK), -1);
}

/* The launcher is another process, which ends as a controller would. */
static pid_t
fork_launcher(bool is_released, int *ret_prepared)
{
    int prepared[2];
    pid_t pid;

    assert_int_equal(pipe2(prepared, O_CLOEXEC), 0);
    pid = fork();
    if (pid == 0) {
        Launch *launch = paused_qemu_prepare(scratch, "vm", true, NULL, NULL);

        if (!launch || (is_released && !launch_go(launch, NULL)))
            _exit(1);
        if (write(prepared[1], "p", 1) != 1)
            _exit(1);
        if (is_released)
            _exit(0);
        for (;;)
            pause();
    }
    close(prepared[1]);
    *ret_prepared = prepared[0];
    return pid;
}

static void
wait_prepared(int prepared)
{
    char byte;

    assert_int_equal(read(prepared, &byte, 1), 1);
    close(prepared);
}

static void
test_launcher_killed_before_go(void **state)
{
    g_autofree char *run = scratch_path(scratch, "run/vm");
    g_autoptr(ProcessRecord) record = NULL;
    g_autoptr(GError) error = NULL;
    g_autoptr(Process) held = NULL;
    g_autofree char *tail = NULL;
    int prepared;
    pid_t launcher = fork_launcher(false, &prepared);

    wait_prepared(prepared);
    record = process_record_read(run, NULL, &error);
    assert_non_null(record);
    held = process_new(process_record_copy(record), (int) syscall(SYS_pidfd_open, record->pid, 0));
    assert_true(process_is_alive(held));
    assert_false(process_has_token(record->pid, record->token)); /* no QEMU */
    kill(launcher, SIGKILL);
    assert_true(process_wait(held, PAUSED_QEMU_TIMEOUT_US));
    assert_int_equal(waitpid(launcher, NULL, 0), launcher);
    assert_int_equal(state_of(run), PROCESS_GONE);
    tail = process_log_tail(record);
    assert_string_equal(tail, "");
    assert_true(run_directory_clear(run, &error));
}

/* A held child whose launcher dies while it is being looked at is waited for, not called foreign.
 */
static void
test_adopt_while_child_is_held(void **state)
{
    g_autofree char *run = scratch_path(scratch, "run/vm");
    int prepared;
    pid_t launcher = fork_launcher(false, &prepared);

    wait_prepared(prepared);
    kill(launcher, SIGKILL);
    assert_int_equal(state_of(run), PROCESS_GONE);
    assert_int_equal(waitpid(launcher, NULL, 0), launcher);
    assert_true(run_directory_clear(run, NULL));
}

static void
test_qemu_outlives_launcher(void **state)
{
    g_autofree char *run = scratch_path(scratch, "run/vm");
    g_autofree char *socket = launch_socket_path(run, LAUNCH_CONTROL);
    g_autoptr(GError) error = NULL;
    g_autoptr(Monitor) monitor = NULL;
    g_autofree char *uuid = NULL;
    Process *process = NULL;
    ProcessState found;
    int prepared, status;
    pid_t launcher = fork_launcher(true, &prepared);
    Qmp *qmp;

    wait_prepared(prepared);
    assert_int_equal(waitpid(launcher, &status, 0), launcher);
    assert_int_equal(status, 0);
    assert_true(process_adopt(run, &found, &process, NULL, &error));
    assert_string_equal(process_state_name(found), "alive");
    qmp = qmp_open(socket, PAUSED_QEMU_TIMEOUT_US, &error);
    assert_non_null(qmp);
    monitor = monitor_new_live(qmp);
    uuid = monitor_query_uuid(monitor, &error);
    assert_string_equal(uuid, process_record(process)->uuid);
    assert_int_not_equal(getsid(process_record(process)->pid), getsid(0));
    end_process(process);
    assert_int_equal(state_of(run), PROCESS_GONE);
    assert_true(run_directory_clear(run, &error));
}

/* Two starts with different mistakes: each says its own words, not the other's. */
static void
test_bad_option(void **state)
{
    static const char *const mistakes[] = { "no-such-device-a", "no-such-device-b" };
    g_autofree char *run = scratch_path(scratch, "run/vm");

    for (guint i = 0; i < 2; i++) {
        const char *more[] = { "-device", mistakes[i], NULL };
        g_autoptr(GError) error = NULL;
        g_autoptr(Launch) launch = paused_qemu_prepare(scratch, "vm", false, more, &error);
        g_autofree char *tail = NULL;

        assert_non_null(launch);
        assert_true(launch_go(launch, &error));
        assert_null(launch_connect(launch, PAUSED_QEMU_TIMEOUT_US, &error));
        assert_error(error, LAUNCH_ERROR, LAUNCH_ERROR_EXITED, mistakes[i]);
        assert_null(strstr(error->message, mistakes[1 - i]));
        tail = launch_stderr_tail(launch);
        assert_non_null(strstr(tail, "is not a valid device model name"));
        launch_abort(launch);
        assert_int_equal(g_access(run, F_OK), -1);
    }
}

static void
test_emulator_cannot_run(void **state)
{
    g_autofree char *run = scratch_path(scratch, "run/vm");
    g_autofree char *log = scratch_path(scratch, "log/vm.log");
    g_autofree char *text = scratch_write(scratch, "not-a-program", "no\n");
    g_autofree char *missing = scratch_path(scratch, "missing");
    g_autofree char *token = process_token_new();
    const struct {
        const char *path;
        const char *words;
    } cases[] = { { missing, "No such file" }, { text, "Permission denied" } };

    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        const char *argv[] = { cases[i].path, NULL };
        g_autoptr(GError) error = NULL;
        g_autoptr(Launch) launch = launch_prepare(
            &(LaunchSpec){
                .name = "vm", .run_directory = run, .log_path = log, .token = token, .argv = argv },
            &error);

        assert_non_null(launch);
        assert_false(launch_go(launch, &error));
        assert_error(error, LAUNCH_ERROR, LAUNCH_ERROR_EXEC, cases[i].words);
        assert_non_null(strstr(error->message, cases[i].path));
        assert_int_equal(g_access(run, F_OK), -1);
    }
}

static void
test_path_too_long(void **state)
{
    g_autofree char *name = g_strnfill(100, 'n');
    g_autofree char *parent = scratch_path(scratch, "run");
    g_autofree char *run = g_build_filename(parent, name, NULL);
    g_autofree char *log = scratch_path(scratch, "long/vm.log");
    g_autofree char *log_directory = scratch_path(scratch, "long");
    g_autofree char *fits = g_strdup_printf("/%s", name);
    g_autoptr(GError) error = NULL;

    fits[107 - strlen("/control.sock")] = '\0';
    assert_true(launch_check_run_directory("/run/virtkeep/web-1", &error));
    assert_true(launch_check_run_directory(fits, &error));
    assert_null(paused_qemu_prepare(scratch, name, true, NULL, &error));
    assert_error(error, LAUNCH_ERROR, LAUNCH_ERROR_PATH_TOO_LONG, "107");
    assert_non_null(strstr(error->message, run));
    assert_int_equal(g_access(run, F_OK), -1);
    assert_int_equal(g_access(log_directory, F_OK), -1);
}

/* The child has what it needs and nothing else, be it open, ignored or blocked in us. */
static void
test_inheritance(void **state)
{
    int leaked = open("/dev/zero", O_RDONLY); /* no O_CLOEXEC on purpose */
    int high = fcntl(leaked, F_DUPFD, 90);
    g_autofree char *run = scratch_path(scratch, "run/vm");
    g_autofree char *log = scratch_path(scratch, "log/vm.log");
    g_autofree char *token = process_token_new();
    const char *argv[] = { PAUSED_QEMU_EMULATOR, "-machine", "none", "-display", "none", NULL };
    LaunchFd passed = { open("/dev/full", O_RDWR | O_CLOEXEC), 17 };
    g_autoptr(GError) error = NULL;
    g_autoptr(Launch) launch = NULL;
    g_autofree char *first = NULL;
    g_autofree char *second = NULL;
    g_autofree char *extra = NULL;
    pid_t pid;
    Qmp *qmp;

    signal(SIGUSR1, SIG_IGN);
    launch = launch_prepare(&(LaunchSpec){ .name = "vm",
                                           .run_directory = run,
                                           .log_path = log,
                                           .token = token,
                                           .argv = argv,
                                           .fds = &passed,
                                           .n_fds = 1 },
                            &error);
    assert_non_null(launch);
    pid = launch_record(launch)->pid;
    assert_int_equal(status_field(pid, "SigIgn:"), 0);
    assert_int_equal(status_field(pid, "SigBlk:"), 0);
    signal(SIGUSR1, SIG_DFL);
    assert_true(launch_go(launch, &error));
    qmp = launch_connect(launch, PAUSED_QEMU_TIMEOUT_US, &error);
    assert_non_null(qmp);
    qmp_free(qmp);
    first = proc_link(pid, 0);
    second = proc_link(pid, 2);
    extra = proc_link(pid, 17);
    assert_string_equal(first, "/dev/null");
    assert_string_equal(second, log);
    assert_string_equal(extra, "/dev/full");
    for (int fd = 0; fd < 256; fd++) {
        g_autofree char *target = proc_link(pid, fd);

        assert_string_not_equal(target ? target : "", "/dev/zero");
    }
    launch_abort(launch);
    close(leaked);
    close(high);
    close(passed.fd);
}

/* Records that don't name our process. */
static void
test_forged_records(void **state)
{
    g_autofree char *run = scratch_path(scratch, "run/vm");
    g_autoptr(GError) error = NULL;
    g_autoptr(Process) process = NULL;
    ProcessState found;
    Qmp *qmp;
    g_autoptr(Launch) launch = paused_qemu_start(scratch, "vm", true, NULL, &qmp);
    const ProcessRecord *real = launch_record(launch);
    ProcessRecord forged = *real;

    qmp_free(qmp);
    assert_int_equal(state_of(run), PROCESS_ALIVE);
    forged.token = (char *) "00000000000000000000000000000000";
    assert_true(process_record_write(&forged, run, &error));
    assert_int_equal(state_of(run), PROCESS_FOREIGN);
    forged = *real;
    forged.start_time++; /* the pid was used again */
    assert_true(process_record_write(&forged, run, &error));
    assert_true(process_adopt(run, &found, &process, NULL, &error));
    assert_int_equal(found, PROCESS_FOREIGN);
    assert_null(process);
    forged = *real;
    forged.boot_id = (char *) "another boot";
    assert_true(process_record_write(&forged, run, &error));
    assert_int_equal(state_of(run), PROCESS_GONE);
    forged = *real;
    forged.pid = getpid();
    assert_true(process_start_time(getpid(), &forged.start_time));
    assert_true(process_record_write(&forged, run, &error));
    assert_int_equal(state_of(run), PROCESS_FOREIGN);
    g_free(scratch_write(scratch, "run/vm/process.json", "{\"pid\": 1}"));
    assert_false(process_adopt(run, &found, NULL, NULL, &error));
    assert_non_null(strstr(error->message, "process.json"));
    assert_true(process_is_alive(launch_process(launch))); /* nobody touched it */
    launch_abort(launch);
}

/* What stands in a record's place is not waited for, and not read without end. */
static void
test_no_record(void **state)
{
    g_autofree char *run = scratch_mkdir(scratch, "run/no-record");
    g_autofree char *path = g_build_filename(run, "process.json", NULL);

    for (guint i = 0; i < 5; i++) {
        g_autoptr(GError) error = NULL;
        ProcessState found;

        switch (i) {
        case 0:
            assert_int_equal(mkfifo(path, 0600), 0);
            break;
        case 1:
            assert_int_equal(symlink("/dev/zero", path), 0);
            break;
        case 2:
            assert_int_equal(mkdir(path, 0700), 0);
            break;
        case 3:
            assert_true(g_file_set_contents(path, "", 0, NULL));
            assert_int_equal(truncate(path, (off_t) 1 << 40), 0);
            break;
        case 4:
            assert_true(g_file_set_contents(path, "", 0, NULL));
            break;
        }
        assert_false(process_adopt(run, &found, NULL, NULL, &error));
        assert_non_null(strstr(error->message, "process.json"));
        assert_int_equal(remove(path), 0);
    }
    assert_int_equal(state_of(run), PROCESS_NONE);
}

static void
test_clear_keeps_others_files(void **state)
{
    g_autofree char *run = scratch_path(scratch, "run/kept");
    g_autofree char *file = scratch_write(scratch, "run/kept/notes.txt", "mine\n");
    g_autofree char *record = scratch_write(scratch, "run/kept/process.json", "");
    g_autofree char *unfinished = scratch_write(scratch, "run/kept/applied.xml.X1Y2Z3", "");
    g_autofree char *socket = scratch_path(scratch, "run/kept/channel0.sock");
    g_autoptr(GError) error = NULL;

    assert_int_equal(mknod(socket, S_IFSOCK | 0600, 0), 0);
    assert_true(run_directory_clear(run, &error));
    assert_int_equal(g_access(file, F_OK), 0);
    assert_int_equal(g_access(record, F_OK), -1);
    assert_int_equal(g_access(unfinished, F_OK), -1);
    assert_int_equal(g_access(socket, F_OK), -1);
}

int
main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_start),
        cmocka_unit_test(test_launcher_killed_before_go),
        cmocka_unit_test(test_adopt_while_child_is_held),
        cmocka_unit_test(test_qemu_outlives_launcher),
        cmocka_unit_test(test_bad_option),
        cmocka_unit_test(test_emulator_cannot_run),
        cmocka_unit_test(test_path_too_long),
        cmocka_unit_test(test_inheritance),
        cmocka_unit_test(test_forged_records),
        cmocka_unit_test(test_no_record),
        cmocka_unit_test(test_clear_keeps_others_files),
    };

    return cmocka_run_group_tests_name("launch", tests, setup, teardown);
}
