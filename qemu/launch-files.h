/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

#include "qemu/launch.h"

/*
 * What every process that is launched for a domain is given: a log, a listening socket, an
 * environment; and the directory for its records. Errors: LAUNCH_ERROR_FAILED, the path in front.
 */

/* Opens it for appending, made (0600) with its parents; *ret_offset: what is in it already. */
bool launch_open_log(const char *path, int *ret_fd, guint64 *ret_offset, GError **error);
/* A listening UNIX socket (0600) at @path in place of whatever is there; NULL path is a bug. */
bool launch_listen(const char *path, int *ret_fd, GError **error);
/* A directory of ours that others can't enter, whoever made it. */
bool launch_make_directory(const char *path, GError **error);
/* Refuses a path that a socket can't have (sun_path). */
bool launch_check_socket(const char *path, GError **error);
/* What a child needs of our environment, and its messages in English. To be freed with
 * g_strfreev(). */
char **launch_environment(void);
