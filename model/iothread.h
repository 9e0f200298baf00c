/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/device.h"

/* I/O threads, and which of them serve a device. */
typedef struct IoThread {
    OptUint id;
    OptUint pool_min, pool_max;               /* worker threads */
    OptUint poll_max, poll_grow, poll_shrink; /* ns; factors */
} IoThread;

typedef struct IoThreadQueue {
    OptUint id;
} IoThreadQueue;

/* driver/iothreads/iothread: a thread, and the virtqueues that it serves. */
typedef struct IoThreadMapping {
    OptUint id;
    GPtrArray *queues; /* IoThreadQueue; all of them or none have any */
} IoThreadMapping;

extern const Schema iothread_schema, iothread_mapping_schema;

/* Ids of the domain's threads: those given, and the lowest free ones up to <iothreads>. GArray of
 * guint64, in order; caller unrefs. */
GArray *domain_iothread_ids(const Domain *domain);
/* Whether a device of the domain names that thread. */
bool domain_uses_iothread(const Domain *domain, guint64 id);
/* Whether the id is one of them. */
bool domain_has_iothread(const Domain *domain, guint64 id);
void iothreads_validate(const Validation *validation);
/* The <driver> of a device: @iothread, or @mappings of @queues. */
void iothread_use_validate(const Validation *validation, const OptUint *iothread,
                           const GPtrArray *mappings, const OptUint *queues);

/* The domain's rows of iothreads and throttle groups (domain-io.c), and their rules. */
extern const Field domain_io_fields[];
void domain_io_validate(const Validation *validation);
