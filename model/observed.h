/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/schema.h"

/*
 * Observed: what one domain's QEMU is and says right now. Made by qemu/observe, read by
 * reconcile/. Sizes in bytes, times in microseconds.
 */
typedef enum {
    RUN_STATE_OFF = 0,   /* no QEMU process */
    RUN_STATE_PRELAUNCH, /* started with -S, not yet continued */
    RUN_STATE_RUNNING,
    RUN_STATE_PAUSED,      /* by someone, or io-error, watchdog: see message */
    RUN_STATE_SHUTDOWN,    /* the guest powered off; the QEMU process is still there */
    RUN_STATE_CRASHED,     /* guest-panicked, internal-error */
    RUN_STATE_MIGRATING,   /* inmigrate, postmigrate, save-vm, … */
    RUN_STATE_UNREACHABLE, /* the process lives, its monitor does not answer */
} RunState;

const char *run_state_name(RunState state); /* "off", "prelaunch", "running", … */

typedef enum { DRIVER_UNKNOWN, DRIVER_UNBOUND, DRIVER_BOUND } DriverState;

typedef struct ObservedMemory {
    char *id; /* "virtiomem0" */
    guint64 block, max, requested, current;
    guint64 address; /* guest physical */
    gint64 node;
    DriverState driver;
} ObservedMemory;

/* What the guest has as a disk: a drive, whose medium may be out. */
typedef struct ObservedDrive {
    char *device;       /* "virtio-disk0" */
    char *node;         /* block node; NULL = no medium */
    char *file;         /* what QEMU opened it as; NULL = no medium, or not known */
    guint64 size;       /* bytes the guest sees */
    guint64 image_size; /* bytes the host has of a raw image, set by the controller; 0 = unknown */
    bool is_removable, is_tray_open, is_locked;
    bool is_foreign; /* the medium is not the one that virtkeep put in; set by the controller */
} ObservedDrive;
/* Of a network card whose link can be read (qemu/link-state.c); others are not listed. */
typedef struct ObservedLink {
    char *device; /* "net0" */
    bool is_up;
} ObservedLink;
/* Of an interface whose link on the host is no more where virtkeep put it; others are not listed. */
typedef struct ObservedPort {
    char *device; /* "net0" */
    char *of;     /* the bridge that its tap is a port of; NULL = none, or the link itself is gone */
} ObservedPort;
typedef struct ObservedIoThread {
    guint64 number;
    guint64 poll_max, poll_grow, poll_shrink;
} ObservedIoThread;

typedef struct Observed {
    RunState run_state;
    char *qemu_status; /* QEMU's own word: "running", "io-error", … */
    gint64 pid;             /* 0 = none */
    guint64 pid_start_time; /* clock ticks since boot, /proc/PID/stat field 22 */
    gint64 started_at;      /* wall clock us; 0 = unknown */
    GPtrArray *memories;    /* ObservedMemory */
    bool has_balloon;
    guint64 balloon_actual; /* bytes */
    bool has_statistics;
    gint64 statistics_at;         /* wall clock us, QEMU's last-update (whole seconds) */
    guint64 statistics_available; /* stat-available-memory, bytes */
    guint64 statistics_total;
    gint64 statistics_interval; /* s; guest-stats-polling-interval */
    bool is_migrating;
    bool can_unplug_memory; /* QEMU takes virtio-mem devices out; asked by the controller where the
                               file has dropped one */
    GPtrArray *drives;     /* ObservedDrive */
    GPtrArray *links;      /* ObservedLink */
    GPtrArray *ports;      /* ObservedPort; set by the controller */
    GPtrArray *device_ids; /* char*: /machine/peripheral children, sorted */
    bool has_vcpus, has_iothreads; /* whether the following are known */
    GArray *vcpus;     /* guint: numbers of the virtual CPUs that are there, ascending */
    GArray *iothreads; /* ObservedIoThread: those that virtkeep names */
    gint64 observed_at;    /* wall clock us */
    char *message;         /* why UNREACHABLE, or what paused it; may be NULL */
} Observed;

Observed *observed_new(void);
void observed_free(Observed *observed);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Observed, observed_free)
GPtrArray *observed_drives_new(void); /* an empty list that owns its items */
GPtrArray *observed_links_new(void);  /* the same of ObservedLink */
const ObservedLink *observed_link(const Observed *observed, const char *device); /* as above */
void observed_add_port(Observed *observed, const char *device, const char *of);
const ObservedPort *observed_port(const Observed *observed, const char *device); /* as above */
ObservedDrive *observed_drive(const Observed *observed, const char *device); /* NULL = not known */
bool observed_has_vcpu(const Observed *observed, guint number);
const ObservedIoThread *observed_iothread(const Observed *observed, guint64 number);
const ObservedMemory *observed_memory(const Observed *observed, const char *id);
