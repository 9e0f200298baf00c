/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/domain.h"
#include "model/tuning.h"
#include "qemu/threads.h"

/*
 * Placement: which of the host's CPUs a thread of QEMU may run on and how it is scheduled there,
 * and which of its NUMA nodes the memory comes from. Errors are G_IO_ERROR.
 */
typedef struct ThreadPlacement {
    const char *cpus; /* canonical set; NULL: all that there are */
    char *cpus_path;  /* where the domain says so: "cputune/vcpupin[0]"; NULL with cpus */
    int scheduler;    /* Scheduler of model/tuning.h; 0 = nothing is said */
    int priority;     /* of fifo and rr */
    char *scheduler_path;
} ThreadPlacement;

/* Whether the domain says anything of where its threads run, or how. */
bool placement_is_declared(const Domain *domain);
/* What it says of one thread; its own pin, else <vcpu cpuset>. Pure; @ret is to be cleared. */
void placement_find(const Domain *domain, ThreadRole role, guint64 number, ThreadPlacement *ret);
void placement_clear(ThreadPlacement *placement);

/* Sets affinity and scheduling of @threads (QemuThread) as the domain says; nothing where it says
 * nothing. @before: what it said until now, and no longer need be so; NULL: nothing. The error
 * names thread, path and CPU set. Harmless to do twice. */
bool placement_apply(const Domain *before, const Domain *domain, const GArray *threads,
                     GError **error);
/* The first of @threads that the kernel has placed otherwise than the domain says, as words; NULL
 * when all are as they should be. Caller frees. */
char *placement_drift(const Domain *domain, const GArray *threads);

/* The memory policy of <numatune><memory> for the calling thread: a process that it makes then
 * inherits it. placement_memory_leave() is to be called in any case; it goes back to the default.
 */
bool placement_memory_enter(const Domain *domain, GError **error);
void placement_memory_leave(const Domain *domain);
