/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/schema.h"

/* What the host gives a domain: <cputune>, <memtune>, <blkiotune>, <vcpus>. Times are
 * microseconds, sizes bytes. */
typedef enum { PLACEMENT_STATIC = 1, PLACEMENT_AUTO } Placement;
typedef enum { SCHEDULER_BATCH = 1, SCHEDULER_IDLE, SCHEDULER_FIFO, SCHEDULER_RR } Scheduler;

typedef struct Vcpu {
    OptUint id;
    int enabled, hotpluggable; /* yes/no */
    OptUint order;
} Vcpu;

typedef struct ThreadPin { OptUint thread; char *cpus; } ThreadPin;
typedef struct ThreadScheduling {
    char *threads;
    int scheduler; /* Scheduler */
    OptInt priority;
} ThreadScheduling;

typedef struct CachePart { OptUint id, level; int type; OptUint size; } CachePart;
typedef struct ResourceMonitor { OptUint level; char *vcpus; } ResourceMonitor;
typedef struct CacheTune { char *vcpus; GPtrArray *caches, *monitors; } CacheTune;
typedef struct MemoryBandwidth { OptUint id, bandwidth; } MemoryBandwidth;
typedef struct MemoryTune { char *vcpus; GPtrArray *nodes, *monitors; } MemoryTune;

typedef struct CpuTune {
    OptUint shares, period, global_period, emulator_period, iothread_period;
    OptInt quota, global_quota, emulator_quota, iothread_quota;
    GPtrArray *vcpu_pins, *iothread_pins; /* ThreadPin */
    char *emulator_cpus;
    GPtrArray *vcpu_schedulings, *iothread_schedulings; /* ThreadScheduling */
    int emulator_scheduler;
    OptInt emulator_priority;
    GPtrArray *cache_tunes;  /* CacheTune */
    GPtrArray *memory_tunes; /* MemoryTune */
} CpuTune;

/* A limit of that size is none: VIR_DOMAIN_MEMORY_PARAM_UNLIMITED, in KiB there. */
#define MEMORY_UNLIMITED (G_GUINT64_CONSTANT(9007199254740991) * 1024)
typedef struct MemoryLimits { OptUint hard, soft, swap_hard; } MemoryLimits;

typedef struct BlockTuneDevice {
    char *device;
    OptUint weight, read_bytes, write_bytes, read_iops, write_iops;
} BlockTuneDevice;
typedef struct BlockTune { OptUint weight; GPtrArray *devices; } BlockTune;
