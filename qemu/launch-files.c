/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Files, sockets and surroundings of what is launched. QEMU and its companions get the same: a log
 * of their own to append to, whose length before them is remembered, so that their last words can
 * be told from those of their predecessors; sockets that nobody else may connect to; nothing of our
 * environment but what they need, and nothing of systemd's (NOTIFY_SOCKET).
 */
#include "qemu/launch-files.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG 16

static bool
refuse(const char *what, GError **error)
{
    g_set_error(error, LAUNCH_ERROR, LAUNCH_ERROR_FAILED, "%s: %s", what, g_strerror(errno));
    return false;
}

char **
launch_environment(void)
{
    static const char *const passed[] = {
        "PATH",         "HOME", "USER", "LOGNAME", "TMPDIR", "XDG_CONFIG_HOME", "XDG_RUNTIME_DIR",
        "SSL_CERT_FILE"
    };
    char **environment = NULL;

    for (guint i = 0; i < G_N_ELEMENTS(passed); i++)
        if (g_getenv(passed[i]))
            environment = g_environ_setenv(environment, passed[i], g_getenv(passed[i]), TRUE);
    return g_environ_setenv(environment, "LC_ALL", "C", TRUE);
}

bool
launch_open_log(const char *path, int *ret_fd, guint64 *ret_offset, GError **error)
{
    g_autofree char *directory = g_path_get_dirname(path);
    struct stat status;
    int fd;

    if (g_mkdir_with_parents(directory, 0700) < 0)
        return refuse(directory, error);
    fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY, 0600);
    if (fd < 0)
        return refuse(path, error);
    if (fstat(fd, &status) < 0) {
        refuse(path, error);
        close(fd);
        return false;
    }
    *ret_fd = fd;
    *ret_offset = (guint64) status.st_size;
    return true;
}

bool
launch_make_directory(const char *path, GError **error)
{
    struct stat status;

    if (g_mkdir_with_parents(path, 0700) < 0 || lstat(path, &status) < 0)
        return refuse(path, error);
    if (!S_ISDIR(status.st_mode) || status.st_uid != geteuid()) {
        g_set_error(error, LAUNCH_ERROR, LAUNCH_ERROR_FAILED, "%s: not a directory of this user",
                    path);
        return false;
    }
    return chmod(path, 0700) == 0 ? true : refuse(path, error);
}

bool
launch_check_socket(const char *path, GError **error)
{
    gsize limit = sizeof((struct sockaddr_un *) NULL)->sun_path - 1;

    if (strlen(path) <= limit)
        return true;
    g_set_error(error, LAUNCH_ERROR, LAUNCH_ERROR_PATH_TOO_LONG,
                "%s: a path of %zu bytes; a socket's may have %zu. Use a shorter run directory",
                path, strlen(path), limit);
    return false;
}

bool
launch_listen(const char *path, int *ret_fd, GError **error)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int fd;

    if (!launch_check_socket(path, error))
        return false;
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    g_strlcpy(address.sun_path, path, sizeof address.sun_path);
    unlink(path);
    if (fd >= 0 && bind(fd, (struct sockaddr *) &address, sizeof address) == 0 &&
        chmod(path, 0600) == 0 && listen(fd, BACKLOG) == 0) {
        *ret_fd = fd;
        return true;
    }
    refuse(path, error);
    if (fd >= 0)
        close(fd);
    return false;
}
