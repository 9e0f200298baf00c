/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/domain.h"

/*
 * What a domain's limits are in cgroup v2: one write each. Pure; qemu/cgroup.h does them.
 */
typedef struct CgroupWrite {
    char *group;            /* "" = the domain's own; "vcpu3", "iothread1", "emulator": a group of
                               threads below it (thread_name() of qemu/threads.h) */
    const char *controller; /* "cpu", "cpuset", "io", "memory"; static */
    const char *file;       /* "cpu.max"; static */
    char *value;
    char *device; /* a block device's path: its number goes before the value; else NULL */
    char *path;   /* where the domain asks for it, for messages: "cputune/shares" */
} CgroupWrite;

/* CgroupWrite*, in the order in which they are written; empty for a domain that declares no limit.
 * What means "no limit" (a negative quota, a limit of libvirt's largest number) is none. Caller
 * unrefs. */
GPtrArray *cgroup_limits(const Domain *domain);
/* What is to be written so that a cgroup with the limits of @before has those of @after: what
 * differs, and the kernel's own value where there is no limit any more. Caller unrefs. */
GPtrArray *cgroup_limits_changed(const Domain *before, const Domain *after);
