/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "controller/config.h"
#include "model/domain.h"
#include "qemu/launch.h"
#include "qemu/monitor.h"

/*
 * What the host gives a domain (<cputune>, <memtune>, <blkiotune>, <numatune>, <vcpus>), from the
 * look at the file to the end of its QEMU.
 */

/* Everything that this host can't give, each with its line: CPUs, NUMA nodes and block devices that
 * aren't there, limits without a cgroup to hold them. Looks only. */
void tuning_check(const Domain *domain, const Config *config, const PositionMap *positions,
                  Diagnostics *diagnostics);
/* The same of the virtual CPUs to be plugged: of the file alone. */
void tuning_check_vcpus(const Domain *domain, const PositionMap *positions,
                        Diagnostics *diagnostics);

/* launch_prepare() of a child whose memory comes from the NUMA nodes that the domain names. */
Launch *tuning_prepare(const Domain *domain, const LaunchSpec *spec, GError **error);
/* Before anything of the domain executes: makes its cgroup, with its limits, where it declares any,
 * and notes where in its run directory, which must be there. */
bool tuning_enclose(const Domain *domain, const Config *config, GError **error);
/* The directory of the cgroup that it was given; NULL: none. Caller frees. */
char *tuning_cgroup(const char *name, const Config *config);
/* Puts process @pid of the domain, its QEMU or a companion, into its cgroup; true where it has
 * none. */
bool tuning_confine(const char *name, const Config *config, pid_t pid, GError **error);
/* QEMU answers, its guest has not run: plugs virtual CPUs, places threads. Harmless to do twice. */
bool tuning_settle(const Domain *domain, const Config *config, Monitor *monitor, pid_t pid,
                   GError **error);
/* The guest runs: limits and placement of @before become those of @after. New threads are placed
 * too. Harmless to do twice. */
bool tuning_update(const Domain *before, const Domain *after, const Config *config,
                   Monitor *monitor, pid_t pid, GError **error);
/* The first of QEMU's threads that is placed otherwise than @domain says, as words; NULL: none is.
 * Looks only. Caller frees. */
char *tuning_drift(const Domain *domain, Monitor *monitor, pid_t pid);
/* After QEMU and its companions have ended, before the run directory is cleared: its cgroup goes,
 * wherever it was made. One that can't be removed is removed by the next start, unless host.cgroup
 * is another by then. */
void tuning_release(const char *name, const Config *config);
