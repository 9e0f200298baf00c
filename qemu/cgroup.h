/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <sys/types.h>

/*
 * The cgroup of a domain: PARENT/guest-NAME, in a part of cgroup v2 that was delegated to virtkeep.
 * There is one only for a domain that declares limits. It is made before its QEMU executes, with
 * the limits in it, and found again by its name. Errors are G_IO_ERROR.
 *
 * @parent: an absolute path; @writes: of cgroup_limits(), at least one.
 */

/* Why a cgroup below @parent can't have @controller ("memory"), NULL = nothing speaks against it.
 * Looks only. Caller frees. */
char *cgroup_refusal(const char *parent, const char *controller);
/* The controllers that cgroups below @parent can have, as one line; NULL when it is no cgroup v2.
 * Caller frees. */
char *cgroup_controllers(const char *parent);
/* Makes it anew, with every limit written; what a former QEMU left of it is removed. */
bool cgroup_create(const char *parent, const char *name, const GPtrArray *writes, GError **error);
/* Changes the limits of a domain that runs as process @pid. Where it had no cgroup it gets one; what
 * it has of memory until then is not counted. Harmless to do twice. */
bool cgroup_change(const char *parent, const char *name, pid_t pid, const GPtrArray *writes,
                   GError **error);
/* Puts a process into the one of @directory, cgroup_directory()'s, with all its threads, where it
 * is not in it yet. */
bool cgroup_enter(const char *directory, pid_t pid, GError **error);
/* PARENT/guest-NAME, whether it is there or not. Caller frees. */
char *cgroup_directory(const char *parent, const char *name);
/* Puts QEMU's threads (QemuThread of qemu/threads.h) into the groups that there are for them. True
 * where there is no cgroup. */
bool cgroup_attach_threads(const char *parent, const char *name, const GArray *threads,
                           GError **error);
/* Once its processes have ended. True when there is none. */
bool cgroup_remove(const char *parent, const char *name, GError **error);
/* "MAJOR:MINOR" of a block device. NULL with @error when @path is none. Caller frees. */
char *cgroup_device_number(const char *path, GError **error);
