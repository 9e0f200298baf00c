/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Setting up a site: the same few steps for every command that looks at domains, in one order:
 *
 *     configuration ─► state ─► (git at work? wait) ─► directory ─► what may be pruned
 *
 * Looking and acting differ in what they leave behind, not in what they see, so that `plan` shows
 * what `apply` does. The directory that was accepted last is a fact of the state, written by those
 * who act alone: a `plan` in a wrong checkout must not make that the one to compare with.
 *
 * What is wrong with the directory as a whole belongs to no domain's row, so it is noted as a fact
 * of its own for `status`, which reads the state and nothing else.
 */
#include "controller/site.h"

#include <string.h>
#include <unistd.h>

#include "controller/commit.h"
#include "controller/message.h"
#include "model/text.h"

/* Keys of store_fact_*. */
#define FACT_DIRECTORY "directory"
#define FACT_NOTES "directory_notes"

#define GIT_WAIT_US (10 * G_USEC_PER_SEC)
/* A directory fact that can't be read: no directory compares equal to it. */
#define NO_INODE 0

/* ---- the directory ---- */

/* "web/web-1.xml" of "/etc/virtkeep/domains/web/web-1.xml"; NULL when it is not below the root. */
static const char *
path_below(const char *root, const char *file)
{
    size_t length = strlen(root);

    if (!file || strncmp(file, root, length) || file[length] != '/')
        return NULL;
    return file + length + 1;
}

static void
remember_names(DirectoryCache *cache, const Config *config, const GPtrArray *rows)
{
    for (guint i = 0; i < rows->len; i++) {
        const DomainRecord *row = rows->pdata[i];
        const char *path = path_below(config->domains, row->desired.file);

        if (path)
            directory_cache_remember(cache, path, row->name);
    }
}

DirectoryScan *
site_scan(const Config *config, Store *store, DirectoryCache *cache, GError **error)
{
    g_autoptr(GPtrArray) rows = store_domain_list_files(store, error);
    g_autoptr(DirectoryCache) own = cache ? NULL : directory_cache_new();
    DirectoryCache *used = cache ? cache : own;

    if (!rows)
        return NULL;
    remember_names(used, config, rows);
    return directory_scan(config->domains, geteuid() == 0, used);
}

static PruneDirectory
scanned_directory(const DirectoryScan *scan)
{
    return (PruneDirectory){
        .root = scan->root, .resolved = scan->resolved, .dev = scan->dev, .ino = scan->ino
    };
}

static Json *
directory_json(const DirectoryScan *scan)
{
    Json *json = json_new_object();

    json_set_string(json, "root", scan->root);
    json_set_string(json, "resolved", scan->resolved);
    json_set_uint(json, "dev", scan->dev);
    json_set_uint(json, "ino", scan->ino);
    return json;
}

/* The directory accepted last, borrowing from *@ret_json. False: there is none. */
static bool
read_previous(Store *store, Json **ret_json, PruneDirectory *ret_previous, bool *ret_has_previous,
              GError **error)
{
    g_autofree char *text = NULL;

    if (!store_fact_get(store, FACT_DIRECTORY, &text, error))
        return false;
    *ret_has_previous = text != NULL;
    *ret_json = text ? json_parse(text, -1, NULL) : NULL;
    ret_previous->root = json_get_string(*ret_json, "root");
    ret_previous->resolved = json_get_string(*ret_json, "resolved");
    ret_previous->dev = json_get_uint(*ret_json, "dev", 0);
    ret_previous->ino = json_get_uint(*ret_json, "ino", NO_INODE);
    if (!ret_previous->root)
        ret_previous->root = "unknown";
    return true;
}

static GArray *
managed_domains(const GPtrArray *rows)
{
    GArray *domains = g_array_new(FALSE, TRUE, sizeof(PruneDomain));

    for (guint i = 0; i < rows->len; i++) {
        const DomainRecord *row = rows->pdata[i];
        PruneDomain domain = {
            .name = row->name,
            .is_orphaned = row->sync == SYNC_ORPHANED && g_strcmp0(row->reason, "PruneHeld"),
        };

        g_array_append_val(domains, domain);
    }
    return domains;
}

static GPtrArray *
names_with_file(const DirectoryScan *scan)
{
    GPtrArray *names = g_ptr_array_new();

    for (guint i = 0; i < scan->entries->len; i++) {
        const DirectoryEntry *entry = scan->entries->pdata[i];

        if (entry->name)
            g_ptr_array_add(names, entry->name);
    }
    g_ptr_array_add(names, NULL);
    return names;
}

PruneDecision *
site_decide_prune(const Config *config, Store *store, const DirectoryScan *scan,
                  bool accept_directory, GError **error)
{
    g_autoptr(GPtrArray) rows = store_domain_list_files(store, error);
    g_autoptr(GPtrArray) names = names_with_file(scan);
    g_autofree char *complaint = directory_scan_complaint(scan);
    g_autoptr(GArray) domains = NULL;
    g_autoptr(Json) json = NULL;
    PruneDirectory previous;
    bool has_previous;
    PruneFacts facts = {
        .directory = scanned_directory(scan),
        .is_missing = scan->is_missing,
        .is_empty = scan->is_empty,
        .is_changing = scan->is_changing,
        .problem = scan->problem,
        .invalid_file = complaint,
        .names = (const char *const *) names->pdata,
        .accept_directory = accept_directory,
        .max_prune = config->max_prune,
    };

    if (!rows || !read_previous(store, &json, &previous, &has_previous, error))
        return NULL;
    facts.previous = has_previous ? &previous : NULL;
    domains = managed_domains(rows);
    return prune_decide(&facts, (const PruneDomain *) domains->data, domains->len);
}

/* ---- complaints ---- */

static void
add_complaint(Json *array, const char *file, const char *text)
{
    Json *json = json_new_object();

    json_set_string(json, "file", file);
    json_set_string(json, "text", text);
    json_append(array, json);
}

/* What no domain's row or plan says. */
static Json *
collect_complaints(const DirectoryScan *scan, const PruneDecision *prune)
{
    Json *array = json_new_array();

    if (scan->is_missing && (!prune || !prune->reason)) {
        g_autofree char *text = g_strdup_printf("the domains directory %s is missing", scan->root);

        add_complaint(array, NULL, text);
    }
    if (scan->problem && (!prune || !prune->reason))
        add_complaint(array, NULL, scan->problem);
    if (prune && prune->reason) {
        g_autofree char *text = g_strdup_printf("pruning is held: %s", prune->reason);

        add_complaint(array, NULL, text);
    }
    for (guint i = 0; i < scan->entries->len; i++) {
        const DirectoryEntry *entry = scan->entries->pdata[i];

        if (entry->state != ENTRY_VALID && !entry->name)
            add_complaint(array, entry->file, entry->message);
    }
    return array;
}

bool
site_record_directory(Store *store, const DirectoryScan *scan, const PruneDecision *prune,
                      GError **error)
{
    g_autoptr(Json) complaints = collect_complaints(scan, prune);
    g_autoptr(Json) directory = directory_json(scan);
    g_autofree char *notes = json_length(complaints) ? json_format(complaints, false) : NULL;
    g_autofree char *text = json_format(directory, false);

    if (prune->is_accepted && !store_fact_put(store, FACT_DIRECTORY, text, error))
        return false;
    return store_fact_put(store, FACT_NOTES, notes, error);
}

Json *
site_directory_notes(Store *store, GError **error)
{
    g_autofree char *text = NULL;
    Json *notes;

    if (!store_fact_get(store, FACT_NOTES, &text, error))
        return NULL;
    notes = text ? json_parse(text, -1, NULL) : NULL;
    return notes ? notes : json_new_array();
}

Json *
site_complaints_json(const Site *site)
{
    return collect_complaints(site->scan, site->prune);
}

void
site_print_complaints(const Site *site)
{
    g_autoptr(Json) complaints = site_complaints_json(site);

    for (guint i = 0; i < json_length(complaints); i++)
        message_error("%s", json_get_string(json_at(complaints, i), "text"));
}

/* ---- opening ---- */

void
site_close(SiteSetup *setup)
{
    if (!setup)
        return;
    prune_decision_free(setup->prune);
    directory_scan_unref(setup->scan);
    store_close(setup->store);
    host_free(setup->host);
    recording_free(setup->recording);
    config_unref(setup->config);
    g_free(setup);
}

static bool
fill_setup(SiteSetup *setup, GError **error)
{
    setup->scan = site_scan(setup->config, setup->store, NULL, error);
    if (!setup->scan)
        return false;
    setup->prune = site_decide_prune(setup->config, setup->store, setup->scan, false, error);
    if (!setup->prune)
        return false;
    setup->site = (Site){
        .config = setup->config,
        .host = setup->host,
        .store = setup->store,
        .scan = setup->scan,
        .prune = setup->prune,
        .recording = setup->recording,
    };
    return true;
}

SiteSetup *
site_open(const Invocation *invocation, SiteMode mode)
{
    g_autoptr(SiteSetup) setup = g_new0(SiteSetup, 1);
    g_autoptr(GError) error = NULL;

    setup->config = invocation_config(invocation);
    if (!setup->config)
        return NULL;
    setup->host = host_new();
    setup->store = store_open(setup->config->state,
                              mode == SITE_ACT ? STORE_READ_WRITE : STORE_READ_ONLY, &error);
    if (setup->store && mode == SITE_ACT)
        commit_wait(setup->config->domains, GIT_WAIT_US); /* the scan says so if it still is */
    if (setup->store && fill_setup(setup, &error))
        return g_steal_pointer(&setup);
    message_error("%s", error->message);
    return NULL;
}

/* Offline nothing of this machine counts: the same recording gives the same plan everywhere. */
static Host *
host_of_recording(void)
{
    Host *host = host_new();

    g_free(host->seed);
    host->seed = g_strdup("");
    host->thp_size = 2u << 20;
    return host;
}

SiteSetup *
site_open_recorded(const Invocation *invocation, const char *recording_file)
{
    g_autoptr(SiteSetup) setup = g_new0(SiteSetup, 1);
    g_autoptr(GError) error = NULL;

    setup->config = invocation_config(invocation);
    if (!setup->config)
        return NULL;
    setup->host = host_of_recording();
    setup->recording = recording_load(recording_file, &error);
    if (setup->recording)
        setup->store = store_open("(recording)", STORE_MEMORY, &error);
    if (setup->store && recording_fill(setup->recording, setup->store, &error) &&
        fill_setup(setup, &error))
        return g_steal_pointer(&setup);
    message_error("%s", error->message);
    return NULL;
}

/* ---- plans and names ---- */

/* A look must not wait long behind another client of the monitor, and not forever behind none. */
#define LOOK_TIMEOUT_US (3 * G_USEC_PER_SEC)

/* What this host makes of the file, beside what can't be had. */
static void
print_remarks(const Subject *subject)
{
    g_autoptr(Diagnostics) remarks =
        subject->diagnostics ? diagnostics_remarks(subject->diagnostics) : NULL;

    if (remarks)
        message_diagnostics(remarks, false);
}

static bool
plan_one(const Site *site, Plan *plan, const char *name, MemoryOutlook *outlook, GError **error)
{
    g_autoptr(Subject) subject = subject_gather(site, name, LOOK_TIMEOUT_US, error);
    DomainPlan *domain;

    if (!subject) {
        g_prefix_error(error, "%s: ", name);
        return false;
    }
    print_remarks(subject);
    domain = plan_domain(&subject->input);
    if (outlook)
        memory_outlook_add(outlook, subject, domain);
    plan_add(plan, domain, &subject->input, subject->spec ? subject->spec->digest : NULL);
    return true;
}

Plan *
site_plan(const Site *site, const char *const *names, PlanKeep keep, MemoryOutlook *outlook,
          GError **error)
{
    g_autoptr(Plan) plan = plan_new(site_now(site), keep);
    g_autoptr(GPtrArray) all = NULL;

    if (!names || !*names) {
        all = site_domain_names(site, error);
        if (!all)
            return NULL;
    }
    for (guint i = 0; all && i < all->len; i++)
        if (!plan_one(site, plan, all->pdata[i], outlook, error))
            return NULL;
    for (; !all && *names; names++)
        if (!plan_one(site, plan, *names, outlook, error))
            return NULL;
    plan_finish(plan);
    return g_steal_pointer(&plan);
}

#define MAX_DISTANCE 2

static bool
is_near(const char *name, const char *known)
{
    return text_distance(name, known) <= MAX_DISTANCE || g_str_has_prefix(known, name) ||
           g_str_has_prefix(name, known);
}

#define MAX_SUGGESTIONS 5

char *
site_unknown_name(const char *name, const GPtrArray *known)
{
    g_autoptr(GString) text = g_string_new(NULL);
    guint n = 0;

    g_string_printf(text, "no domain '%s'", name);
    if (!known->len)
        return g_strdup_printf("%s; there are none at all", text->str);
    for (guint i = 0; i < known->len && n < MAX_SUGGESTIONS; i++) {
        if (!is_near(name, known->pdata[i]))
            continue;
        g_string_append_printf(text, "%s%s", n++ ? ", " : "; did you mean ",
                               (const char *) known->pdata[i]);
    }
    if (n)
        g_string_append_c(text, '?');
    else
        g_string_append(text, "; 'virtkeep status' lists them");
    return g_strdup(text->str);
}

bool
site_check_names(const Site *site, const char *const *names)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) known = site_domain_names(site, &error);
    bool is_good = true;

    if (!known) {
        message_error("%s", error->message);
        return false;
    }
    for (; names && *names; names++) {
        g_autofree char *text = NULL;

        if (g_ptr_array_find_with_equal_func(known, *names, g_str_equal, NULL))
            continue;
        text = site_unknown_name(*names, known);
        message_error("%s", text);
        is_good = false;
    }
    return is_good;
}
