/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/device.h"
#include "model/domain.h"
#include "model/json.h"
#include "model/memory.h"
#include "model/observed.h"
#include "model/policy.h"
#include "model/sync.h"
#include "reconcile/contest.h"

/*
 * Plan: what is to be done for a set of domains, and why. plan_domain() is pure: what the file
 * says, what was applied, what was observed and what is remembered go in; ordered actions come
 * out. The same function serves `plan`, `apply` and every pass of `watch`, so what was shown is
 * what is done.
 */
typedef enum {
    PLAN_ACTION_START = 1,     /* launch QEMU, check it, continue it */
    PLAN_ACTION_CONTINUE,      /* a QEMU that was started and never continued */
    PLAN_ACTION_SHUTDOWN,      /* ask the guest to power off; destroyed after shutdown-timeout */
    PLAN_ACTION_DESTROY,       /* end QEMU now */
    PLAN_ACTION_REAP,          /* end a QEMU whose guest has powered off */
    PLAN_ACTION_SET_MEMORY,    /* move a virtio-mem device's requested-size to its target */
    PLAN_ACTION_SET_BALLOON,   /* have the guest's balloon leave it another size */
    PLAN_ACTION_ADD_DEVICE,    /* plug a device into the running guest */
    PLAN_ACTION_REMOVE_DEVICE, /* ask the guest to let a device go */
    PLAN_ACTION_SET_DEVICE,    /* change what of a device can change while the guest runs */
    PLAN_ACTION_SET_DOMAIN,    /* the same of the domain itself */
    PLAN_ACTION_ADD_VCPU,      /* plug a virtual CPU */
    PLAN_ACTION_REMOVE_VCPU,   /* ask the guest to let one go */
    PLAN_ACTION_ADD_IOTHREAD,
    PLAN_ACTION_REMOVE_IOTHREAD,
} PlanActionKind;

/* Contract: "start", "continue", "shutdown", "destroy", "reap", "set-memory", "set-balloon",
 * "add-device", "remove-device", "set-device", "set-domain", "add-vcpu", "remove-vcpu",
 * "add-iothread", "remove-iothread". */
const char *plan_action_name(PlanActionKind kind);

typedef struct PlanAction {
    PlanActionKind kind;
    char *device;                  /* id, where the action is about one: "virtiomem0", "vcpu2"; else
                                      NULL */
    guint64 number;                /* of the virtual CPU or I/O thread */
    const DeviceKind *device_kind; /* of the three about devices */
    gconstpointer before, after; /* the device as applied and as desired; borrowed from PlanInput */
    char *drift;                 /* what differs though no file changed, as drift_what() takes it */
    guint64 from, to;            /* set-memory, set-balloon: bytes */
    guint steps;                 /* set-memory: how many writes of requested-size are expected */
    const char
        *purpose; /* shutdown: "stop", "restart": what follows once the guest is off; static */
    ChangeClass class_;
    GArray *because; /* guint: indexes into the domain's changes */
} PlanAction;

typedef enum {
    PLAN_NONE = 1, /* nothing to do */
    PLAN_START,
    PLAN_STOP,
    PLAN_RESTART,
    PLAN_UPDATE,
    PLAN_BLOCKED, /* something differs, and nothing may be done about it: see reason */
} PlanVerdict;

const char *plan_verdict_name(PlanVerdict verdict); /* contract: "none", "start", … */

typedef struct PlanContest {
    char *what; /* "input2", "net0: link/@state" */
    Contest contest;
} PlanContest;

typedef struct DomainPlan {
    char *name;
    char *file; /* NULL when no file is left */
    PlanVerdict verdict;
    GPtrArray *actions; /* PlanAction*, in order */
    GPtrArray *changes; /* Change* (model/schema.h), with positions */
    SyncState sync;     /* as far as planning knows; a pass refines it with memory conditions */
    char *reason_word;  /* CamelCase, stable: "Synced", "RestartRequired", "GuestShutDown", … */
    char *reason;       /* one sentence */
    GPtrArray *leaving; /* char*: ids of what the guest is to let go: "net1", "vcpu2" */
    bool is_restart_required;
    bool is_restart_waiting; /* it would be restarted now, were it not for others */
    gint64
        next_unplug; /* wall clock us: when a removal under way is asked for again; or G_MAXINT64 */
    GPtrArray *contests; /* PlanContest*: what is fought over, and left alone for now */
    gint64 retry_at;     /* wall clock us: when the first of it is put back again; 0: nothing is */
    char *desired_digest, *observed_digest; /* set by plan_add(), as its plan keeps them */
    Json *basis;                            /* what it was made from, field by field; the same */
} DomainPlan;

GPtrArray *plan_actions_new(void);  /* an empty list of PlanAction* that owns them */
GPtrArray *plan_contests_new(void); /* the same of PlanContest* */
void domain_plan_free(DomainPlan *plan);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DomainPlan, domain_plan_free)
/* Whether it starts a QEMU, be it anew. */
bool domain_plan_has_start(const DomainPlan *plan);

/* How the last QEMU of a domain ended. */
typedef enum {
    EXIT_NEVER = 0,      /* it never ran, or runs for the first time */
    EXIT_GUEST_SHUTDOWN, /* the guest powered off */
    EXIT_STOPPED,        /* virtkeep stopped it: halted, pruned, or for a restart */
    EXIT_CRASHED,        /* the process vanished, or the guest panicked */
} LastExit;

const char *last_exit_name(LastExit last_exit); /* NULL for EXIT_NEVER; "guest-shutdown", … */
LastExit last_exit_parse(const char *name);

/* A device that the guest was asked to let go and still has. */
typedef struct PlanUnplug {
    char *device;                   /* id */
    gint64 asked_at, last_asked_at; /* wall clock us */
    guint n_asked;
    char *refusal; /* what QEMU or the guest said against it, or NULL */
} PlanUnplug;

/* What goes in; everything is borrowed. */
typedef struct PlanInput {
    const char *name;
    const char *file;             /* NULL: no file */
    const Domain *desired;        /* resolved; NULL: no file, or not valid */
    const PositionMap *positions; /* of the file; may be NULL */
    const char *invalid;          /* not NULL: why the file can't be acted on (first diagnostic) */
    const Domain *applied;        /* what the QEMU observed was started with or changed to; NULL */
    const Domain *told;           /* what it was told; differs from applied in what somebody else
                                     changed or the guest let go. NULL: the same */
    const Observed *observed;     /* never NULL; RUN_STATE_OFF when there is no QEMU */
    Policy policy;

    const char *missing;           /* what a start needs and the host has not; NULL */
    const char *drift;             /* what of the host's CPUs somebody gave otherwise; NULL */
    const char *companion_failure; /* which helper processes of the QEMU have ended; NULL */

    const char *restart_held; /* whose restarts leave no place for one of this domain; NULL */
    bool is_restart_stuck;    /* and all of these failed */

    const char *memory_held; /* why the host's memory budget has no room for a start; NULL */
    bool is_memory_refused;  /* and that it is not waited for */

    bool is_orphaned;       /* managed, and its file is gone for good */
    const char *prune_held; /* why it is not pruned although policy says so; NULL */
    bool is_suspended;
    const char *suspend_reason;
    bool is_named; /* an operator named it in `apply NAME`: starts also what
                      run-strategy would leave off, except halted */
    guint n_starts;
    LastExit last_exit;
    const char *shutdown_purpose; /* "stop", "restart": one is under way; NULL */
    gint64 shutdown_deadline;     /* wall clock us */
    const GPtrArray *unplugs;     /* PlanUnplug*: removals under way; NULL = none */
    guint64 balloon_asked;        /* bytes; what the balloon was asked to leave, and has not yet; 0:
                                     nothing */
    const GPtrArray *undoings;    /* PlanUndoing*: what was undone of late; NULL = nothing */
    gint64 now;                   /* wall clock us */
} PlanInput;

DomainPlan *plan_domain(const PlanInput *input);

/* What a virtio-mem device is to have: what the file asks for, as far as the device of this QEMU
 * goes, in its blocks. A device that is to change otherwise keeps its size until the restart.
 * Bytes;
 * @observed has a block size. */
guint64 plan_memory_target(const MemoryDevice *desired, const ObservedMemory *observed);

/* What a plan keeps of what it was made from. Whole documents go into it, so only on demand: to
 * compute it takes longer than the plan. */
typedef enum {
    PLAN_KEEP_NOTHING,
    PLAN_KEEP_DIGESTS, /* to see that something moved */
    PLAN_KEEP_BASES,   /* and to say what */
} PlanKeep;

typedef struct Plan {
    gint64 created; /* wall clock us */
    PlanKeep keep;
    char *desired_digest, *observed_digest;
    GPtrArray *domains; /* DomainPlan*, by name */
} Plan;

Plan *plan_new(gint64 created, PlanKeep keep);
void plan_free(Plan *plan);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Plan, plan_free)
/* Takes @domain. What it was made from goes into what @plan keeps. @spec_digest: the file's, or
 * NULL. */
void plan_add(Plan *plan, DomainPlan *domain, const PlanInput *input, const char *spec_digest);
/* After the last plan_add(): sorts and computes the digests, if they are kept. */
void plan_finish(Plan *plan);
bool plan_has_changes(const Plan *plan); /* anything but none; blocked counts as a change */
/* Counts by verdict, index PlanVerdict. */
void plan_summary(const Plan *plan, guint ret_counts[PLAN_BLOCKED + 1]);

/* The contract's JSON (design.md 6), with the digests if they were kept. Caller frees. */
Json *plan_to_json(const Plan *plan);
/* What a saved plan has besides, as its member "basis": what each domain's was made from, field by
 * field. Caller frees. */
Json *plan_bases(const Plan *plan);
/* What `apply --plan` needs of a saved plan: digests, and per domain what it was made from. NULL
 * with G_IO_ERROR_INVALID_DATA. */
Plan *plan_from_json(const Json *json, GError **error);
/* Why @saved no longer holds, given the same plan made @now: which domain and which field moved;
 * NULL when the digests are equal. Caller frees. */
char *plan_staleness(const Plan *saved, const Plan *now);

/* How many writes of requested-size a move from @from to @to takes with policy step @step when the
 * guest follows promptly. */
#define PLAN_STEP_CAP ((guint64) 512 << 20)
guint plan_memory_steps(guint64 from, guint64 to, guint64 block, gint64 step);
