/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

#include "model/diagnostic.h"
#include "model/policy.h"
#include "qemu/host-facts.h"

/*
 * Config: virtkeep.yaml with its defaults filled in and the command line's paths put over it.
 * Immutable once loaded; shared between threads by reference.
 */
#define MAX_RESTARTS_LIMIT 1000u

/* host.memory-budget: what all guests together may have of the host's memory. */
typedef enum { BUDGET_AUTO, BUDGET_NONE, BUDGET_SIZE, BUDGET_PERCENT } BudgetForm;
typedef struct ConfigBudget {
    BudgetForm form;
    guint64 value; /* bytes, or per cent of MemTotal */
} ConfigBudget;

/* One `overrides` entry: the first whose pattern matches a domain's name holds. */
typedef struct ConfigOverride {
    char *match; /* glob, as fnmatch(3) */
    PolicyOverrides policy;
} ConfigOverride;

typedef struct ConfigNetwork {
    char *name;
    HostNetwork to;
} ConfigNetwork;

typedef struct ConfigPool {
    char *name;
    char *path; /* absolute; NULL: iscsi */
    char *host, *target;
    guint port;
} ConfigPool;

typedef struct Config {
    char *file; /* absolute; NULL when there is none and all is default */

    char *domains, *state, *run, *log; /* absolute */
    gint64 settle_time;                /* us of quiet before a changed directory is read */
    gint64 resync;                     /* us between full passes over every domain */
    guint workers;

    PolicyOverrides policy;
    GPtrArray *overrides; /* ConfigOverride*, in order; never NULL */

    ConfigBudget memory_budget;
    guint64 memory_reserve; /* bytes */
    guint64 qemu_overhead;  /* bytes */

    char *cgroup; /* absolute: below it are the cgroups of domains */

    guint max_prune;    /* per cent of the managed domains */
    guint max_restarts; /* at the same time */

    char *secrets;                               /* absolute */
    char *tls_spice, *tls_storage, *tls_chardev; /* absolute */

    GPtrArray *networks; /* ConfigNetwork*; never NULL */
    GPtrArray *pools;    /* ConfigPool*; never NULL */
    GPtrArray *helpers;  /* ConfigPool*: paths of programs; never NULL */
    gboolean allow_qemu_namespace;
    GPtrArray *emulators; /* char*, absolute; never NULL, never empty */
} Config;

/* The command line's say; NULL members are silent. Relative ones count from the working
 * directory. */
typedef struct ConfigPaths {
    const char *config, *domains, *state, *run, *log;
} ConfigPaths;

/*
 * Reads @paths->config, or the default file where that is NULL (which may be missing). Mistakes
 * and notes are put into *@ret_diagnostics (never NULL afterwards, also on failure; caller frees;
 * its file is the configuration file). NULL with @error when the file can't be read or has
 * mistakes (G_IO_ERROR_INVALID_DATA: the diagnostics say what).
 * Relative paths in the file count from the file's directory.
 */
Config *config_load(const ConfigPaths *paths, Diagnostics **ret_diagnostics, GError **error);
/* The same from text; @file names it. NULL when @diagnostics has errors. */
Config *config_parse(const char *file, const char *text, gsize length, Diagnostics *diagnostics);
/* Where this user's configuration is looked for. Caller frees. */
char *config_default_file(void);
/* All defaults, as for user id @uid. */
Config *config_default(uid_t uid);
Config *config_ref(Config *config);
void config_unref(Config *config); /* NULL is allowed */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Config, config_unref)

/* Defaults, the configuration's policy, its first matching override, @metadata (may be NULL). */
Policy config_policy(const Config *config, const char *domain_name,
                     const PolicyOverrides *metadata);
/* NULL when there is no such. */
const char *config_helper_path(const Config *config, const char *program);
const HostNetwork *config_network(const Config *config, const char *name);
const ConfigPool *config_pool(const Config *config, const char *pool);
bool config_allows_emulator(const Config *config, const char *path);
/* What guests may have of ordinary memory on a host that has @total bytes in all (MemTotal),
 * @huge_pages of them in pools of huge pages; MEMORY_POOL_UNLIMITED where the budget is none. */
guint64 config_memory_budget(const Config *config, guint64 total, guint64 huge_pages);

/* Reference page (Markdown) of every key, for docs/configuration.md. Caller frees. */
char *config_document(void);
