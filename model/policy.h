/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/schema.h"

/*
 * Policy: what the XML does not say. The same names stand in the configuration file and, as
 * attributes, in a domain's <metadata><vk:policy xmlns:vk="urn:virtkeep:policy:1" …/></metadata>.
 * Precedence: defaults, first matching override, metadata.
 */
#define POLICY_NAMESPACE "urn:virtkeep:policy:1"

typedef enum { RUN_ALWAYS = 1, RUN_RERUN_ON_FAILURE, RUN_ONCE, RUN_MANUAL, RUN_HALTED } RunStrategy;
typedef enum { RESTART_REPORT = 1, RESTART_RESTART } RestartRequired;
typedef enum { PRUNE_KEEP = 1, PRUNE_SHUTDOWN, PRUNE_DESTROY } Prune;
typedef enum { UNGUARDED_REFUSE = 1, UNGUARDED_SMALL_STEPS, UNGUARDED_ALLOW } ShrinkUnguarded;
typedef enum { ADMISSION_WAIT = 1, ADMISSION_REFUSE } MemoryAdmission;
typedef enum { BALLOON_WHOLE = 1, BALLOON_CURRENT } MemoryBalloon;

#define STEP_AUTO (-1) /* step the window adaptively */
#define STEP_ALL 0     /* one single jump; n > 0: n blocks at a time */
#define RESERVE_AUTO G_MAXUINT64
#define MEMORY_PRIORITY_MAX 1000 /* and -1000 is the least */

/* Complete: every member has a value. */
typedef struct Policy {
    RunStrategy run_strategy;
    RestartRequired restart_required;
    Prune prune;
    gint64 shutdown_timeout; /* us */
    gint64 step;             /* STEP_AUTO, STEP_ALL or blocks */
    gint64 stall_timeout;    /* us */
    guint64 guest_reserve;   /* bytes or RESERVE_AUTO */
    ShrinkUnguarded shrink_unguarded;
    gint64 memory_priority;           /* among those that wait for the host's memory */
    guint64 memory_guarantee;         /* bytes of the host's memory kept for it */
    MemoryAdmission memory_admission; /* what a start that does not fit does */
    MemoryBalloon memory_balloon;     /* how a ballooned guest's boot memory counts */
} Policy;

/* What one place (the configuration's policy, an override, a file's metadata) says: texts as
 * written, NULL where silent. */
typedef struct PolicyOverrides {
    int run_strategy, restart_required, prune, shrink_unguarded; /* 0 = silent */
    int memory_admission, memory_balloon;
    char *shutdown_timeout, *step, *stall_timeout, *guest_reserve;
    char *memory_priority, *memory_guarantee;
} PolicyOverrides;

extern const Schema policy_schema; /* of PolicyOverrides: vk:policy's attributes */

Policy policy_default(void);
/* Checks one textual member by its attribute name; NULL when good, else what is wrong (caller
 * frees). */
char *policy_check(const char *name, const char *value);
/* @policy changed by what @overrides says (already checked). */
void policy_override(Policy *policy, const PolicyOverrides *overrides);

extern const char *const run_strategy_names[];
extern const char *const restart_required_names[];
extern const char *const prune_names[];
extern const char *const shrink_unguarded_names[];
extern const char *const memory_admission_names[];
extern const char *const memory_balloon_names[];
