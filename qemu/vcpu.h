/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/domain.h"
#include "qemu/monitor.h"

/*
 * Virtual CPUs that are plugged: what stands in <vcpus> as enabled and hotpluggable. Whether that
 * happens before the guest runs or while it does, the arguments of device_add are the same.
 */

/* A place for a CPU, as query-hotpluggable-cpus has it. Its index in the list is libvirt's number
 * of the virtual CPU. */
typedef struct VcpuSlot {
    char *type;       /* the driver: "qemu64-x86_64-cpu" */
    Json *properties; /* where it is: socket-id, core-id, thread-id, … */
    char *path; /* QOM path of the CPU in it; NULL: none is there */
} VcpuSlot;

/* VcpuSlot*, by topology. Caller unrefs. Errors are QMP_ERROR. */
GPtrArray *vcpu_slots_query(Monitor *monitor, GError **error);
/* device_add's arguments for virtual CPU @number in @slot: id "vcpuN". Caller frees. */
Json *vcpu_tree(const VcpuSlot *slot, guint number);
/* Numbers (guint) of the CPUs that the domain has plugged at its start, in the order in which that
 * happens. Caller unrefs. */
GArray *domain_vcpus_plugged(const Domain *domain);
/* Plugs one into a running guest. Harmless where it is there. */
bool vcpu_plug(Monitor *monitor, guint number, GError **error);
/* Asks the guest to let one go, as hot_plug_ask(). It may have been made by -smp. */
bool vcpu_ask(Monitor *monitor, guint number, bool *ret_is_gone, GError **error);
/* Plugs those of them that aren't there. Harmless to do twice. */
bool vcpus_plug(Monitor *monitor, const Domain *domain, GError **error);
