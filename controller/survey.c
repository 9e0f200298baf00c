/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Between the directory and the state: a scan says what files there are, the state says which
 * domains are managed, and prune_decide() says which of them have lost their file for good. The
 * directory that was last accepted is kept in the state as one fact, so that another directory
 * mounted in its place is noticed, by whichever command comes first.
 */
#include "controller/survey.h"

#include <string.h>
#include <unistd.h>

#include "model/json.h"
#include "state/domains.h"
#include "state/facts.h"

#define DIRECTORY_FACT "directory"

void
survey_clear(Survey *survey)
{
    g_clear_pointer(&survey->scan, directory_scan_unref);
    g_clear_pointer(&survey->prune, prune_decision_free);
}

/* Files that can't be read now keep the name they had. */
static void
remember_files(DirectoryCache *cache, const Config *config, const GPtrArray *rows)
{
    gsize length = strlen(config->domains);

    for (guint i = 0; i < rows->len; i++) {
        const DomainRecord *row = rows->pdata[i];
        const char *file = row->desired.file;

        if (file && g_str_has_prefix(file, config->domains) && file[length] == '/')
            directory_cache_remember(cache, file + length + 1, row->name);
    }
}

static bool
load_previous(Store *store, Json **ret_json, PruneDirectory *ret_directory, GError **error)
{
    g_autofree char *text = NULL;

    *ret_json = NULL;
    if (!store_fact_get(store, DIRECTORY_FACT, &text, error))
        return false;
    if (text)
        *ret_json = json_parse(text, -1, NULL);
    if (*ret_json)
        *ret_directory = (PruneDirectory){
            .root = json_get_string(*ret_json, "root"),
            .resolved = json_get_string(*ret_json, "resolved"),
            .dev = json_get_uint(*ret_json, "dev", 0),
            .ino = json_get_uint(*ret_json, "ino", 0),
        };
    return true;
}

static bool
save_directory(Store *store, const PruneDirectory *directory, GError **error)
{
    g_autoptr(Json) json = json_new_object();
    g_autofree char *text = NULL;

    json_set_string(json, "root", directory->root);
    json_set_string(json, "resolved", directory->resolved);
    json_set_uint(json, "dev", directory->dev);
    json_set_uint(json, "ino", directory->ino);
    text = json_format(json, false);
    return store_fact_put(store, DIRECTORY_FACT, text, error);
}

static const char *
first_invalid(const DirectoryScan *scan)
{
    for (guint i = 0; i < scan->entries->len; i++) {
        const DirectoryEntry *entry = scan->entries->pdata[i];

        if (entry->state != ENTRY_VALID)
            return entry->file;
    }
    return NULL;
}

static PruneDecision *
decide(const Config *config, const DirectoryScan *scan, const GPtrArray *rows,
       const PruneDirectory *previous, bool accept)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new();
    g_autofree PruneDomain *domains = g_new0(PruneDomain, rows->len);
    PruneFacts facts = {
        .directory = { scan->root, scan->resolved, scan->dev, scan->ino },
        .is_missing = scan->is_missing,
        .is_empty = scan->is_empty,
        .is_changing = scan->is_changing,
        .problem = scan->problem,
        .invalid_file = first_invalid(scan),
        .previous = previous,
        .accept_directory = accept,
        .max_prune = config->max_prune,
    };

    for (guint i = 0; i < scan->entries->len; i++) {
        const DirectoryEntry *entry = scan->entries->pdata[i];

        if (entry->name)
            g_ptr_array_add(names, entry->name);
    }
    g_ptr_array_add(names, NULL);
    facts.names = (const char *const *) names->pdata;
    for (guint i = 0; i < rows->len; i++) {
        const DomainRecord *row = rows->pdata[i];

        domains[i] = (PruneDomain){ row->name, row->sync == SYNC_ORPHANED };
    }
    return prune_decide(&facts, domains, rows->len);
}

bool
survey_take(const Config *config, Store *store, DirectoryCache *cache, bool accept, bool is_acting,
            Survey *ret_survey, GError **error)
{
    g_autoptr(GPtrArray) rows = store_domain_list(store, error);
    g_autoptr(Json) json = NULL;
    PruneDirectory previous = { 0 };
    PruneDirectory now;

    if (!rows || !load_previous(store, &json, &previous, error))
        return false;
    remember_files(cache, config, rows);
    ret_survey->scan = directory_scan(config->domains, geteuid() == 0, cache);
    ret_survey->prune = decide(config, ret_survey->scan, rows, json ? &previous : NULL, accept);
    if (!is_acting || !ret_survey->prune->is_accepted)
        return true;
    now = (PruneDirectory){ ret_survey->scan->root, ret_survey->scan->resolved,
                            ret_survey->scan->dev, ret_survey->scan->ino };
    if (save_directory(store, &now, error))
        return true;
    survey_clear(ret_survey);
    return false;
}
