/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Programs run by tests. Output goes to files rather than pipes: no reader is needed while
 * the program runs, a full pipe can't stop it, a QEMU that inherited the descriptor does not
 * keep the test waiting for an end of file, and a test that waits for a line looks at the
 * file. posix_spawn() rather than fork(), so that the scratch guard's pipe (close-on-exec)
 * never has a second holder.
 */
#include "tests/support/command.h"

#include "tests/support/deadline.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

struct Command {
    char *name;
    char *out_path;
    char *err_path;
    pid_t pid;
    bool is_reaped;
    int wait_status;
    gint64 started_us;
    gint64 ended_us;
};

void
command_result_free(CommandResult *result)
{
    if (!result)
        return;
    g_free(result->out);
    g_free(result->err);
    g_free(result);
}

static void
add_output(posix_spawn_file_actions_t *actions, int fd, const char *path)
{
    int error = posix_spawn_file_actions_addopen(actions, fd, path,
                                                 O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0600);

    g_assert(error == 0);
}

Command *
command_start(Scratch *scratch, const char *const *argv)
{
    static unsigned n_started;
    posix_spawn_file_actions_t actions;
    g_autofree char *base = g_strdup_printf("commands/%u", ++n_started);
    g_autofree char *parent = scratch_mkdir(scratch, "commands");
    Command *command = g_new0(Command, 1);
    int error;

    command->name = g_strjoinv(" ", (char **) argv);
    command->out_path = g_strdup_printf("%s/%s.out", scratch_dir(scratch), base);
    command->err_path = g_strdup_printf("%s/%s.err", scratch_dir(scratch), base);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    add_output(&actions, STDOUT_FILENO, command->out_path);
    add_output(&actions, STDERR_FILENO, command->err_path);
    command->started_us = g_get_monotonic_time();
    error = posix_spawnp(&command->pid, argv[0], &actions, NULL, (char *const *) argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    if (error != 0)
        g_error("command: %s: %s", argv[0], g_strerror(error));
    return command;
}

static void
reap(Command *command, int options)
{
    pid_t pid;

    if (command->is_reaped)
        return;
    do
        pid = waitpid(command->pid, &command->wait_status, options);
    while (pid < 0 && errno == EINTR);
    command->is_reaped = pid != 0;
    if (command->is_reaped)
        command->ended_us = g_get_monotonic_time();
}

void
command_free(Command *command)
{
    if (!command)
        return;
    command_signal(command, SIGKILL);
    reap(command, 0);
    g_free(command->name);
    g_free(command->out_path);
    g_free(command->err_path);
    g_free(command);
}

pid_t
command_pid(const Command *command)
{
    return command->pid;
}

bool
command_is_running(Command *command)
{
    reap(command, WNOHANG);
    return !command->is_reaped;
}

static char *
read_file(const char *path)
{
    char *text = NULL;

    return g_file_get_contents(path, &text, NULL, NULL) ? text : g_strdup("");
}

char *
command_output(const Command *command)
{
    return read_file(command->out_path);
}

char *
command_errors(const Command *command)
{
    return read_file(command->err_path);
}

void
command_signal(Command *command, int signal)
{
    /* Until it is reaped the pid is its own, even if it is dead. */
    if (!command->is_reaped)
        kill(command->pid, signal);
}

CommandResult *
command_wait(Command *command, double seconds)
{
    CommandResult *result;

    if (!is_within(seconds, !command_is_running(command))) {
        g_autofree char *out = command_output(command);
        g_autofree char *err = command_errors(command);

        command_signal(command, SIGKILL);
        reap(command, 0);
        print_error("%s: not finished after %g s\n%s%s", command->name, seconds, out, err);
        fail();
    }
    result = g_new0(CommandResult, 1);
    result->status = WIFSIGNALED(command->wait_status) ? 128 + WTERMSIG(command->wait_status)
                                                       : WEXITSTATUS(command->wait_status);
    result->out = command_output(command);
    result->err = command_errors(command);
    result->duration_us = command->ended_us - command->started_us;
    return result;
}

CommandResult *
command_run(Scratch *scratch, double seconds, const char *const *argv)
{
    g_autoptr(Command) command = command_start(scratch, argv);

    return command_wait(command, seconds);
}
