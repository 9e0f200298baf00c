/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The life of companions, level-triggered like everything else:
 *
 *     no QEMU                  → none may be there: what is there is ended
 *     a QEMU is to be started  → what is there is ended, all are started, then QEMU
 *     QEMU runs                → one that ended is said once; started again, if QEMU takes it back
 *
 * So it does not matter where a controller was killed: companions that were started and whose QEMU
 * was not are ended by the next pass like those of a QEMU that crashed. Nobody has to remember
 * them: their records lie in the run directory from before their first instruction on, and in the
 * state for the day on which that directory is lost.
 *
 * One that keeps ending is not started for ever: when it ends within RESTART_GRACE_US of its start
 * it is left, and the domain says so.
 */
#include "controller/companions.h"

#include <string.h>

#include "controller/effect.h"
#include "controller/tuning.h"
#include "qemu/companion-process.h"
#include "qemu/launch-files.h"
#include "qemu/qmp.h"
#include "state/companions.h"

#define RESTART_GRACE_US (5 * G_USEC_PER_SEC)

/* ---- looking ---- */

static bool
is_listed(const GPtrArray *records, const char *kind, const char *id)
{
    for (guint i = 0; i < records->len; i++) {
        const CompanionRecord *record = records->pdata[i];

        if (!strcmp(record->kind, kind) && !strcmp(record->id, id))
            return true;
    }
    return false;
}

GPtrArray *
companions_gather(const Site *site, const char *name, const char *run_directory, GError **error)
{
    g_autoptr(GPtrArray) records = companion_records_read(run_directory, error);
    g_autoptr(GPtrArray) rows = NULL;

    if (!records || !(rows = store_companion_list(site->store, name, error)))
        return NULL;
    for (guint i = 0; i < rows->len; i++) {
        const CompanionRow *row = rows->pdata[i];
        g_autoptr(Json) json = json_parse(row->record, -1, NULL);
        g_autoptr(CompanionRecord) record = json ? companion_record_from_json(json) : NULL;

        if (!record || is_listed(records, record->kind, record->id))
            continue;
        if (!companion_record_look(record, error))
            return NULL;
        g_ptr_array_add(records, g_steal_pointer(&record));
    }
    return g_steal_pointer(&records);
}

char *
companions_failure(const GPtrArray *records)
{
    g_autoptr(GString) text = g_string_new(NULL);

    for (guint i = 0; i < records->len; i++) {
        const CompanionRecord *record = records->pdata[i];
        const char *words = record->last_words && *record->last_words ? record->last_words : NULL;

        if (!record->is_alive)
            g_string_append_printf(text, "%s%s of %s has ended%s%s", text->len ? "; " : "",
                                   record->kind, record->id, words ? ": " : "", words ? words : "");
    }
    return text->len ? g_strdup(text->str) : NULL;
}

void
companions_suspect(const GPtrArray *records, GError **error)
{
    g_autoptr(GString) names = g_string_new(NULL);

    if (!g_error_matches(*error, QMP_ERROR, QMP_ERROR_BUSY) &&
        !g_error_matches(*error, QMP_ERROR, QMP_ERROR_TIMEOUT))
        return;
    for (guint i = 0; i < records->len; i++) {
        const CompanionRecord *record = records->pdata[i];

        g_string_append_printf(names, "%s%s of %s", names->len ? ", " : "", record->kind,
                               record->id);
    }
    if (names->len)
        g_prefix_error(error,
                       "QEMU hangs, maybe on a program beside it that runs and does not "
                       "answer (%s): ",
                       names->str);
}

/* ---- what a domain needs ---- */

/* The companions of @domain, or with @kind of that @device alone. What is refused or not there is
 * in @diagnostics. */
static GPtrArray *
list_companions(const Site *site, const Subject *subject, const Domain *domain,
                const DeviceKind *kind, gconstpointer device, Diagnostics *diagnostics)
{
    HostFacts facts = host_facts(site->host, subject->run_directory, NULL, g_get_real_time());
    g_autofree char *tpm_directory = site_tpm_directory(site);
    GPtrArray *companions = companions_new();
    DeviceContext context = {
        .at = { .domain = domain,
                .positions = subject->input.positions,
                .diagnostics = diagnostics,
                .path = (char *) "" },
        .facts = &facts,
    };

    host_facts_add_pools(&facts, site->config);
    facts.tpm_directory = tpm_directory;
    if (kind)
        device_companions(&context, kind, device, companions);
    else
        device_companions_all(&context, companions);
    for (guint i = 0; i < companions->len; i++)
        companion_check(companions->pdata[i], &context);
    return companions;
}

void
companions_check(const Site *site, const Subject *subject, Diagnostics *diagnostics)
{
    g_ptr_array_unref(list_companions(site, subject, subject->desired, NULL, NULL, diagnostics));
}

/* ---- noting ---- */

/* What the state says of them. A failure to write costs the view, and is made good by the next
 * pass. */
static void
note_rows(const Subject *subject, const Site *site)
{
    g_autoptr(GPtrArray) rows = g_ptr_array_new_with_free_func((GDestroyNotify) companion_row_free);

    for (guint i = 0; i < subject->companions->len; i++) {
        const CompanionRecord *record = subject->companions->pdata[i];
        g_autoptr(Json) json = companion_record_to_json(record);
        CompanionRow *row = g_new0(CompanionRow, 1);

        row->domain = g_strdup(subject->name);
        row->device = g_strdup(record->id);
        row->program = g_strdup(record->kind);
        row->pid = record->process->pid;
        row->state = g_strdup(record->is_alive ? "running" : "ended");
        row->since_us = record->started_at;
        row->message = g_strdup(record->last_words);
        row->record = json_format(json, false);
        g_ptr_array_add(rows, row);
    }
    (void) store_companions_set(site->store, subject->name, rows, NULL);
}

static bool
begin(const Subject *subject, const Site *site, const char *kind, const char *program,
      const char *id, gint64 *ret_id, GError **error)
{
    g_autofree char *device = g_strdup_printf("%s of %s", program, id);
    g_autoptr(Json) detail = json_new_object();
    g_autofree char *text = NULL;

    json_set_string(detail, "device", device);
    text = json_format(detail, false);
    return effect_begin(site, subject, kind, text, ret_id, error);
}

static void
note_end(const Subject *subject, const Site *site, const CompanionRecord *record)
{
    g_autofree char *detail = g_strdup_printf("%s of %s%s%s", record->kind, record->id,
                                              *record->last_words ? ": " : "", record->last_words);
    EventRecord event = { .domain = subject->name,
                          .kind = (char *) "companion-ended",
                          .detail = detail,
                          .at_us = g_get_real_time() };

    (void) store_event_add(site->store, &event, NULL);
}

/* ---- doing ---- */

static void
forget_all(Subject *subject)
{
    g_clear_pointer(&subject->companions, g_ptr_array_unref);
    subject->companions = g_ptr_array_new_with_free_func((GDestroyNotify) companion_record_free);
    g_clear_pointer(&subject->companion_failure, g_free);
    subject->input.companion_failure = NULL;
}

bool
companions_end(Subject *subject, const Site *site, GError **error)
{
    g_autoptr(GError) failure = NULL;
    gint64 id;

    if (!subject->companions)
        subject->companions = companions_gather(site, subject->name, subject->run_directory, error);
    if (!subject->companions || !subject->companions->len)
        return subject->companions != NULL;
    if (!effect_begin(site, subject, "end-companions", NULL, &id, error))
        return false;
    if (!companion_records_end(subject->companions, subject->run_directory, &failure)) {
        effect_end(site, id, ACTION_FAILED, failure->message);
        g_propagate_error(error, g_steal_pointer(&failure));
        return false;
    }
    forget_all(subject);
    note_rows(subject, site);
    effect_end(site, id, ACTION_DONE, NULL);
    return true;
}

static bool
start_one(Subject *subject, const Site *site, Companion *companion, GError **error)
{
    g_autofree char *log = g_strdup_printf("%s/%s-%s-%s.log", site->config->log, subject->name,
                                           companion->id, companion->kind);
    g_autoptr(GError) failure = NULL;
    CompanionRecord *record;
    gint64 id;

    if (!begin(subject, site, "start-companion", companion->kind, companion->id, &id, error))
        return false;
    companion->cgroup = tuning_cgroup(subject->name, site->config);
    record = companion_start(companion, subject->run_directory, log, &failure);
    if (record) {
        g_ptr_array_add(subject->companions, record);
        effect_end(site, id, ACTION_DONE, NULL);
        return true;
    }
    effect_end(site, id, ACTION_FAILED, failure->message);
    g_propagate_prefixed_error(error, g_steal_pointer(&failure), "%s of %s: ", companion->kind,
                               companion->id);
    return false;
}

bool
companions_start(Subject *subject, const Site *site, const Domain *domain, GError **error)
{
    g_autoptr(Diagnostics) diagnostics = diagnostics_new(subject->entry->file);
    g_autoptr(GPtrArray) companions =
        list_companions(site, subject, domain, NULL, NULL, diagnostics);
    g_autofree char *missing = diagnostics_errors(diagnostics);
    bool is_good = true;

    if (missing) {
        g_set_error_literal(error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND, missing);
        return false;
    }
    if (!companions_end(subject, site, error))
        return false;
    if (!companions->len)
        return true;
    if (!launch_make_directory(subject->run_directory, error))
        return false;
    for (guint i = 0; is_good && i < companions->len; i++)
        is_good = start_one(subject, site, companions->pdata[i], error);
    if (is_good) {
        note_rows(subject, site);
    } else {
        (void) companions_end(subject, site, NULL);
        (void) run_directory_clear(subject->run_directory, NULL);
    }
    return is_good;
}

bool
companions_plug(Subject *subject, const Site *site, const DeviceKind *kind, gconstpointer device,
                GError **error)
{
    g_autoptr(Diagnostics) diagnostics = diagnostics_new(subject->entry->file);
    g_autoptr(GPtrArray) companions =
        list_companions(site, subject, subject->desired, kind, device, diagnostics);
    g_autofree char *missing = diagnostics_errors(diagnostics);

    if (missing) {
        g_set_error_literal(error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND, missing);
        return false;
    }
    for (guint i = 0; subject->companions && i < companions->len; i++) {
        Companion *companion = companions->pdata[i];

        if (is_listed(subject->companions, companion->kind, companion->id))
            continue;
        if (!start_one(subject, site, companion, error))
            return false;
        note_rows(subject, site);
    }
    return true;
}

bool
companions_unplug(Subject *subject, const Site *site, const char *alias, GError **error)
{
    g_autoptr(GPtrArray) own = g_ptr_array_new();
    gint64 id;

    for (guint i = 0; subject->companions && i < subject->companions->len; i++)
        if (!g_strcmp0(((CompanionRecord *) subject->companions->pdata[i])->id, alias))
            g_ptr_array_add(own, subject->companions->pdata[i]);
    if (!own->len)
        return true;
    if (!effect_begin(site, subject, "end-companions", NULL, &id, error))
        return false;
    if (!companion_records_end(own, subject->run_directory, error)) {
        effect_end(site, id, ACTION_FAILED, "one does not end");
        return false;
    }
    for (guint i = 0; i < own->len; i++)
        g_ptr_array_remove(subject->companions, own->pdata[i]);
    note_rows(subject, site);
    effect_end(site, id, ACTION_DONE, NULL);
    return true;
}

bool
companions_confine(const Subject *subject, const Site *site, GError **error)
{
    for (guint i = 0; subject->companions && i < subject->companions->len; i++) {
        const CompanionRecord *record = subject->companions->pdata[i];

        if (record->is_alive &&
            !tuning_confine(subject->name, site->config, record->process->pid, error))
            return false;
    }
    return true;
}

void
companions_blame(Subject *subject, GError **error)
{
    g_autofree char *failure = NULL;

    for (guint i = 0; i < subject->companions->len; i++)
        if (!companion_record_look(subject->companions->pdata[i], NULL))
            return;
    failure = companions_failure(subject->companions);
    if (!error || !*error)
        return;
    if (failure)
        g_prefix_error(error, "%s; ", failure);
    else
        companions_suspect(subject->companions, error);
}

/* Whether it shall be tried; once more only when the last time went well for a while. */
static bool
is_worth_restart(const CompanionRecord *record)
{
    gint64 age = g_get_real_time() - record->started_at;

    return record->can_restart && (!record->n_restarts || ABS(age) > RESTART_GRACE_US);
}

static bool
restart_one(Subject *subject, const Site *site, CompanionRecord *record, GError **error)
{
    g_autoptr(GError) failure = NULL;
    bool is_up;
    gint64 id;

    if (!begin(subject, site, "restart-companion", record->kind, record->id, &id, error))
        return false;
    g_free(record->cgroup);
    record->cgroup = tuning_cgroup(subject->name, site->config);
    is_up = companion_restart(record, subject->run_directory, &failure);
    effect_end(site, id, is_up ? ACTION_DONE : ACTION_FAILED, is_up ? NULL : failure->message);
    if (!is_up)
        return companion_record_look(record, error);
    return true;
}

static bool
notice_one(Subject *subject, const Site *site, CompanionRecord *record, GError **error)
{
    note_end(subject, site, record);
    record->is_noted = true;
    if (!companion_record_write(record, subject->run_directory, error))
        return false;
    return !is_worth_restart(record) || restart_one(subject, site, record, error);
}

bool
companions_keep(Subject *subject, const Site *site, GError **error)
{
    g_autoptr(GPtrArray) rows = store_companion_list(site->store, subject->name, error);
    bool is_news;

    if (!rows || !subject->companions)
        return rows != NULL;
    is_news = rows->len != subject->companions->len;
    for (guint i = 0; i < subject->companions->len; i++) {
        CompanionRecord *record = subject->companions->pdata[i];

        if (record->is_alive || record->is_noted)
            continue;
        is_news = true;
        if (!notice_one(subject, site, record, error))
            return false;
    }
    if (!is_news)
        return true;
    note_rows(subject, site);
    g_free(subject->companion_failure);
    subject->companion_failure = companions_failure(subject->companions);
    subject->input.companion_failure = subject->companion_failure;
    return true;
}
