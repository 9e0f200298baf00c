/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "controller/pass.h"
#include "controller/queue.h"

/*
 * Reconciler: the queue of domain names and what its workers share: configuration, host, and the
 * newest scan of the directory. `apply` and `watch` are both this; they differ in what enqueues and
 * in when they end. Thread-safe.
 */
typedef struct Reconciler Reconciler;

/* Called in a worker after each pass, before the name can run again. */
typedef void (*ReconcilerDone)(const char *name, const PassResult *result, gpointer data);

/* @config is referenced; @host is borrowed and must outlive it. */
Reconciler *reconciler_new(Config *config, const Host *host, ReconcilerDone done, gpointer data);
void reconciler_free(Reconciler *reconciler); /* stops it; NULL is allowed */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Reconciler, reconciler_free)

/* A connection to the state file that a worker need not open. Taken. Before the first name is
 * added. */
void reconciler_give_store(Reconciler *reconciler, Store *store);
Queue *reconciler_queue(Reconciler *reconciler);
/* What passes that begin from now on go by. @scan is referenced; @prune is taken, may be NULL. */
void reconciler_set_scan(Reconciler *reconciler, DirectoryScan *scan, PruneDecision *prune);
/* A new configuration (SIGHUP); passes that run end with the old one. */
void reconciler_set_config(Reconciler *reconciler, Config *config);
/* Enqueues with the reason that the journal will show. @trigger is static. */
void reconciler_add(Reconciler *reconciler, const char *name, const char *trigger, bool is_named);
