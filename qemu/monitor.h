/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

#include "model/json.h"
#include "qemu/qmp.h"

/*
 * Monitor: something that answers QMP commands. A live QEMU, or replies recorded in a file
 * (`plan --observed FILE`, the golden cases): those who ask can't tell. Errors are QMP_ERROR.
 */
typedef struct Monitor Monitor;

/* Takes @qmp. */
Monitor *monitor_new_live(Qmp *qmp);
/* @replies: an array of {"execute":S, "arguments":{…}?, "return":V | "error":{"class":S,
 * "desc":S}}; borrowed only during the call. A query is answered by the entry with equal command
 * and arguments; of several, by each in turn and then by the last again. What isn't recorded is
 * QMP_ERROR_COMMAND_NOT_FOUND. Error: G_IO_ERROR_INVALID_DATA when @replies is not of that form. */
Monitor *monitor_new_recorded(const Json *replies, GError **error);
void monitor_free(Monitor *monitor); /* accepts NULL */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Monitor, monitor_free)

/* The live connection, borrowed, for its events; NULL for a recorded one. */
Qmp *monitor_qmp(Monitor *monitor);
/* From now on remember every reply and error, in the form monitor_new_recorded() reads. */
void monitor_record(Monitor *monitor);
Json *monitor_recording(const Monitor *monitor); /* a copy; NULL if not asked to record */

/* Any command. @arguments is borrowed, may be NULL. Returns the 'return' value, to be freed. */
Json *monitor_query(Monitor *monitor, const char *command, const Json *arguments, GError **error);
/* The same for a command whose answer says nothing; takes @arguments. */
bool monitor_run(Monitor *monitor, const char *command, Json *arguments, GError **error);

/* Announces a question that monitor_query() will ask, so that QEMU answers it meanwhile; only for
 * such as change nothing. @arguments is borrowed, may be NULL. Announced ones are to be asked in
 * the same order; what is asked without having been announced forgets them all. Announcing twice is
 * announcing once. monitor_send() sends them, without waiting; else the first query does. A
 * recording needs none of it. */
void monitor_ask(Monitor *monitor, const char *command, const Json *arguments);
void monitor_send(Monitor *monitor);

/* Gives QEMU a copy of @fd, which later commands call @name (no digit in front); one that it has
 * under this name is closed. Error: QMP_ERROR_COMMAND_NOT_FOUND for a recording. */
bool monitor_pass_fd(Monitor *monitor, const char *name, int fd, GError **error);
/* Has QEMU close what it was passed and no command has taken. Success when there is none. */
bool monitor_close_fd(Monitor *monitor, const char *name, GError **error);

/* Verbs. `{}` means that QEMU took the command, not that the thing happened. */
bool monitor_cont(Monitor *monitor, GError **error);
bool monitor_system_powerdown(Monitor *monitor, GError **error);
bool monitor_system_reset(Monitor *monitor, GError **error);
/* QEMU may close the connection before its answer is read: that counts as success. */
bool monitor_quit(Monitor *monitor, GError **error);

#define MONITOR_PERIPHERAL "/machine/peripheral"
/* Path of the device @id in the object tree; to be freed. */
char *monitor_device_path(const char *id);
/* @path: absolute, or a partial one such as a device id ("virtiomem0"). */
Json *monitor_qom_get(Monitor *monitor, const char *path, const char *property, GError **error);
void monitor_ask_qom_get(Monitor *monitor, const char *path, const char *property);
bool monitor_qom_set(Monitor *monitor, const char *path, const char *property, Json *value,
                     GError **error); /* takes @value */
bool monitor_qom_get_size(Monitor *monitor, const char *path, const char *property,
                          guint64 *ret_bytes, GError **error);
bool monitor_qom_set_size(Monitor *monitor, const char *path, const char *property, guint64 bytes,
                          GError **error);

/* QEMU's RunState in its own words ("running", "prelaunch", "paused", "shutdown", …). */
bool monitor_query_status(Monitor *monitor, char **ret_status, bool *ret_is_running,
                          GError **error);
/* The machine's uuid, lower case with dashes. To be freed. */
char *monitor_query_uuid(Monitor *monitor, GError **error);
void monitor_ask_token(Monitor *monitor);
/* Whether this QEMU's own chardevs carry virtkeep's @token (see qemu/process.h). */
bool monitor_query_token(Monitor *monitor, const char *token, bool *ret_is_ours, GError **error);

/* A virtio-mem device as query-memory-devices has it; sizes and address in bytes. */
typedef struct {
    char *id; /* the device's id without virtkeep's or libvirt's alias rules; "" when it has none */
    char *memdev; /* QOM path of the backend */
    guint64 memaddr;
    guint64 requested_size;
    guint64 size; /* what the guest has */
    guint64 max_size;
    guint64 block_size;
    guint64 node;
} MonitorMemoryDevice;

void monitor_memory_device_free(MonitorMemoryDevice *device);
/* Array of MonitorMemoryDevice*, the virtio-mem ones only, in QEMU's order. What every virtio-mem
 * device is (block_size a power of two, max_size a multiple of it, the others at most max_size)
 * holds for each, and their sizes together fit 64 bits: another answer is an error, PROTOCOL. */
GPtrArray *monitor_query_memory_devices(Monitor *monitor, GError **error);
/* Bytes: what the machine was started with, and what memory devices of all kinds have. False with
 * @error; PROTOCOL where the former is not said, or either is more than a machine can have. */
bool monitor_query_memory_size(Monitor *monitor, guint64 *ret_base, guint64 *ret_plugged,
                               GError **error);

/* Whether the guest has a driver on a virtio device. */
typedef enum {
    MONITOR_DRIVER_UNKNOWN, /* this QEMU can't say (x-query-virtio-status: from 7.2, unstable) */
    MONITOR_DRIVER_ABSENT,
    MONITOR_DRIVER_BOUND
} MonitorDriver;

/* @device_id: the id of the PCI device ("virtiomem0"). Never fails: not being told is UNKNOWN. */
MonitorDriver monitor_query_virtio_driver(Monitor *monitor, const char *device_id);
void monitor_ask_virtio_driver(Monitor *monitor, const char *device_id);
