/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "controller/memory-outlook.h"
#include "controller/options.h"
#include "controller/subject.h"

/*
 * SiteSetup: what commands that look at or act on domains begin with: configuration, host, state
 * file, the domains directory as it is now, and what may be pruned. Owns what its `site` borrows.
 */
typedef enum {
    SITE_LOOK, /* changes nothing: the state is opened read-only */
    SITE_ACT,  /* the state is made if need be; git at work in the directory is waited for */
} SiteMode;

typedef struct SiteSetup {
    Site site;
    Config *config;
    Host *host;
    Store *store;
    DirectoryScan *scan;
    PruneDecision *prune;
    Recording *recording; /* NULL: the real thing */
} SiteSetup;

/* NULL when that fails, and everything there is to say has been printed: return EXIT_FAILED. */
SiteSetup *site_open(const Invocation *invocation, SiteMode mode);
/* The same offline: QEMUs and state are what the recording says (controller/recording.h). */
SiteSetup *site_open_recorded(const Invocation *invocation, const char *recording_file);
void site_close(SiteSetup *setup); /* NULL is allowed */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(SiteSetup, site_close)

/* ---- its parts, for those who do them again ---- */

/* Reads the domains directory; names that files no longer say come from the state. @cache may be
 * NULL. NULL with @error when the state can't be read. */
DirectoryScan *site_scan(const Config *config, Store *store, DirectoryCache *cache, GError **error);
/* What may be pruned, given what the state manages and the directory accepted before.
 * @accept_directory: the operator vouches for the directory. */
PruneDecision *site_decide_prune(const Config *config, Store *store, const DirectoryScan *scan,
                                 bool accept_directory, GError **error);
/* For those who act: keeps the directory, once accepted, as the one to compare with, and notes
 * for `status` what is wrong with it as a whole. Writes only what changed. */
bool site_record_directory(Store *store, const DirectoryScan *scan, const PruneDecision *prune,
                           GError **error);
/* What was noted: an array of {"file"?, "text"}; empty when all is well. */
Json *site_directory_notes(Store *store, GError **error);

/* Looks at the domains @names (NULL-terminated; NULL or empty: all there are) and plans them.
 * @keep: what the plan shall keep of what it was made from. @outlook, may be NULL, is told of each.
 * What this host makes of their files beside errors goes to stderr. */
Plan *site_plan(const Site *site, const char *const *names, PlanKeep keep, MemoryOutlook *outlook,
                GError **error);

/* Whether there is anything to say about each of @names; if not, prints so for each, with names
 * that are near. */
bool site_check_names(const Site *site, const char *const *names);
/* "no domain 'web1'; did you mean web-1?": @known is char*. Caller frees. */
char *site_unknown_name(const char *name, const GPtrArray *known);
/* Prints to stderr what is wrong with files whose domain isn't known, and with the directory. */
void site_print_complaints(const Site *site);
/* The same as an array of {"file", "text"}. */
Json *site_complaints_json(const Site *site);
