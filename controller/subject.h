/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "controller/config.h"
#include "controller/directory.h"
#include "controller/host.h"
#include "controller/recording.h"
#include "model/capabilities.h"
#include "qemu/monitor.h"
#include "qemu/process.h"
#include "reconcile/plan.h"
#include "reconcile/prune.h"
#include "state/domains.h"
#include "state/facts.h"
#include "state/history.h"
#include "state/journal.h"
#include "state/unplugs.h"

/*
 * Site: what every look at a domain needs. Used by one thread (the store's); the rest is shared.
 */
typedef struct Site {
    const Config *config;
    const Host *host;
    Store *store;
    const DirectoryScan *scan;
    const PruneDecision *prune; /* NULL: nothing was decided, so nothing is pruned */
    const Recording *recording; /* stands for QEMUs and clock; NULL: the real ones */
    const char *trigger;        /* why there is a pass: "file", "event", "timer", "apply" */
    bool is_named;              /* an operator named the domain */
    /* Has a pass made soon of a domain that waits for memory which is free now; NULL: nobody
     * can. */
    void (*wake)(const char *name, gpointer data);
    gpointer wake_data;
} Site;

/*
 * Subject: one domain at one moment, from all sides: the file's, the state's, and QEMU's.
 * subject_gather() changes nothing.
 */
typedef struct Subject {
    char *name;
    char *run_directory;         /* RUN/NAME */
    const DirectoryEntry *entry; /* borrowed from the scan; NULL when no file speaks for it */
    Spec *spec;                  /* the entry's; NULL when there is none to read */
    DomainRecord *row;           /* NULL when the state does not know it */
    ProcessState process_state;
    bool is_record_lost;      /* alive by the state's word, its run directory does not lead to it */
    bool has_no_stray;        /* looked for among the processes, and there was none */
    Process *process;         /* with PROCESS_ALIVE */
    ProcessRecord *elsewhere; /* a QEMU of its uuid that was launched as another domain; NULL */
    Monitor *monitor;         /* connected; NULL when there is no QEMU or it does not answer */
    GError *monitor_error;
    Observed *observed;
    Domain *desired;        /* resolved */
    PositionMap *positions; /* of desired's paths in the file */
    /* Both with the optional disks that were left out; NULL: there are none. */
    Domain *whole;
    PositionMap *whole_positions;
    Domain *applied;
    Domain *emptied; /* desired with memory devices that leave (reconcile/memory-leave.h); NULL */
    Domain *actual;  /* applied as QEMU shows it (reconcile/actual.h); NULL: no difference */
    GPtrArray *gone; /* char*: ids of devices that it has no more */
    GPtrArray *retired;  /* Domain*: former applied documents, which a plan may borrow from */
    GPtrArray *unplugs;  /* PlanUnplug*: removals under way */
    GPtrArray *undoings; /* PlanUndoing*: what was undone of late */
    Capabilities *capabilities; /* of desired's emulator; NULL until subject_probe() */
    char *emulator;
    Diagnostics *diagnostics;    /* of resolving and checking against this host; also notes */
    char *invalid;               /* why the file can't be acted on */
    GPtrArray *companions;       /* CompanionRecord, looked at; NULL: it could not be told */
    char *companion_failure;     /* which of them have ended; NULL */
    bool is_resumed;             /* the pass before this one was killed in the middle */
    char *drift;                 /* which thread was placed otherwise by somebody; NULL */
    char *missing;               /* what a start needs and this host has not; NULL */
    bool has_restart;            /* a place among the restarts at the same time is this domain's */
    char *restart_held;          /* who has all of the places; NULL */
    char *memory_held;           /* why there is no memory for its start; NULL */
    struct MemoryLedger *ledger; /* in a pass (controller/memory-ledger.h); borrowed */
    Policy policy;
    PlanInput input; /* borrows all the above */
} Subject;

/* NULL with @error only when the state can't be read. @monitor_timeout: us to wait for the monitor
 * while another client has it. */
Subject *subject_gather(const Site *site, const char *name, gint64 monitor_timeout, GError **error);
/* The same without the look at QEMU, whose answers are on their way: subject_observe() is to
 * follow, before anything reads observed, gone, actual or the input. */
Subject *subject_prepare(const Site *site, const char *name, gint64 monitor_timeout,
                         GError **error);
void subject_free(Subject *subject);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Subject, subject_free)

/* What the file says, resolved, with the optional disks that desired is without: what is kept. */
const Domain *subject_whole(const Subject *subject);
/* Looks at QEMU again, after an effect. */
void subject_observe(Subject *subject, const Site *site);
/* Takes @observed, a newer look at the same QEMU. */
void subject_take_observed(Subject *subject, Observed *observed);
/* Reads the removals under way anew. */
bool subject_load_unplugs(Subject *subject, const Site *site, GError **error);
/* The same of what somebody else undid, from the events. */
bool subject_load_undoings(Subject *subject, const Site *site, GError **error);
/* Finds the emulator and what it can do, from the state's cache or by probing it. */
bool subject_probe(Subject *subject, const Site *site, GError **error);

/* What the binary at @emulator can do: cached in the state by path, size and mtime. */
Capabilities *site_capabilities(const Site *site, const char *emulator, GError **error);

/* Every domain there is anything to say about: of files and of the state, sorted. char*. */
GPtrArray *site_domain_names(const Site *site, GError **error);
/* Wall clock, us. */
gint64 site_now(const Site *site);
/* RUN/NAME; caller frees. */
char *site_run_directory(const Site *site, const char *name);
/* Where guest memory in ordinary files goes: beside the state file. Caller frees. */
char *site_memory_directory(const Site *site);
/* Where emulated TPMs keep what they know. Caller frees. */
char *site_tpm_directory(const Site *site);
/* Where variable stores are made that no path is given for. Caller frees. */
char *site_nvram_directory(const Site *site);
