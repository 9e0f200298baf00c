/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A recording stands in for QEMU and for the state file, and for nothing else: what is planned from
 * it runs through the same gathering, resolving and planning as the real thing.
 *
 *     recording ── domains' rows ──► an empty store in memory ──┐
 *               ── QMP replies ────► a recorded monitor ────────┼──► subject_gather() ──► plan
 *     directory ── files ───────────────────────────────────────┘
 *
 * Everything is checked when it is loaded: a mistake in a recording is named by domain and member,
 * never taken for a machine that is off.
 */
#include "controller/recording.h"

#include <string.h>

#include <gio/gio.h>

#include "model/domain.h"
#include "reconcile/plan.h"
#include "reconcile/resolve.h"

typedef struct RecordedDomain {
    char *name;
    char *applied, *resolved; /* canonical XML text; may be NULL */
    Json *replies;            /* NULL: no QMP */
    RunState run_state;
    bool has_run_state;
    gint64 pid, started_at;
    guint n_starts;
    char *last_exit;
    char *suspended;         /* why; NULL: it is not */
    DomainShutdown shutdown; /* purpose owned; NULL: none */
} RecordedDomain;

struct Recording {
    gint64 now;
    GPtrArray *domains;   /* RecordedDomain* */
    GPtrArray *absent;    /* char*: paths that the host lacks */
    guint64 memory_total; /* bytes; 0: not recorded */
};

static void
recorded_domain_free(gpointer data)
{
    RecordedDomain *domain = data;

    g_free(domain->name);
    g_free(domain->applied);
    g_free(domain->resolved);
    json_free(domain->replies);
    g_free(domain->last_exit);
    g_free(domain->suspended);
    g_free(domain->shutdown.purpose);
    g_free(domain);
}

void
recording_free(Recording *recording)
{
    if (!recording)
        return;
    g_ptr_array_unref(recording->domains);
    g_ptr_array_unref(recording->absent);
    g_free(recording);
}

/* ---- loading ---- */

G_GNUC_PRINTF(2, 3)
static bool
refuse(GError **error, const char *format, ...)
{
    va_list args;
    g_autofree char *text = NULL;

    va_start(args, format);
    text = g_strdup_vprintf(format, args);
    va_end(args);
    g_set_error_literal(error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, text);
    return false;
}

static bool
read_time(const Json *json, const char *member, gint64 *ret_us, GError **error)
{
    const char *text = json_get_string(json, member);
    g_autoptr(GDateTime) time = text ? g_date_time_new_from_iso8601(text, NULL) : NULL;

    if (!json_get(json, member))
        return true;
    if (!time)
        return refuse(error, "'%s' is not a time such as 2026-07-01T12:00:00Z", member);
    *ret_us = g_date_time_to_unix(time) * G_USEC_PER_SEC + g_date_time_get_microsecond(time);
    return true;
}

/* Recordings made by hand may leave out what resolving fills in; those of a state lack nothing. */
static Domain *
parse_document(const char *xml, GError **error)
{
    g_autoptr(Domain) domain = domain_parse_own(xml, error);
    g_autoptr(Diagnostics) diagnostics = diagnostics_new("document");
    ResolveContext context = { .uuid_seed = "" };
    Domain *resolved;

    if (!domain)
        return NULL;
    resolved = resolve_domain(domain, NULL, &context, NULL, diagnostics);
    if (!resolved) {
        g_autofree char *text = diagnostics_format(diagnostics);

        refuse(error, "%s", g_strchomp(text));
    }
    return resolved;
}

/* Text of a document that stands in @member itself or in the file named there. */
static bool
read_document(const Json *json, const char *member, const char *directory, char **ret_xml,
              GError **error)
{
    const char *value = json_get_string(json, member);
    g_autofree char *text = NULL;
    g_autoptr(Domain) domain = NULL;

    if (!json_get(json, member))
        return true;
    if (!value)
        return refuse(error, "'%s' is neither XML nor a path", member);
    if (g_strstr_len(value, -1, "<")) {
        text = g_strdup(value);
    } else {
        g_autofree char *path = g_canonicalize_filename(value, directory);

        if (!g_file_get_contents(path, &text, NULL, error))
            return false;
    }
    domain = parse_document(text, error);
    if (!domain) {
        g_prefix_error(error, "'%s': ", member);
        return false;
    }
    *ret_xml = domain_format(domain);
    return true;
}

static bool
read_run_state(RecordedDomain *domain, const Json *json, GError **error)
{
    const char *name = json_get_string(json, "run_state");

    domain->run_state = RUN_STATE_OFF;
    if (!json_get(json, "run_state"))
        return true;
    for (RunState state = RUN_STATE_OFF; state <= RUN_STATE_UNREACHABLE; state++) {
        if (g_strcmp0(name, run_state_name(state)))
            continue;
        domain->run_state = state;
        domain->has_run_state = true;
        return true;
    }
    return refuse(error, "'run_state' is '%s', which is no such", name ? name : "not text");
}

static bool
read_replies(RecordedDomain *domain, const Json *json, GError **error)
{
    const Json *replies = json_get(json, "qmp");
    g_autoptr(Monitor) monitor = NULL;

    if (!replies)
        return domain->has_run_state ||
               refuse(error, "neither 'qmp' nor 'run_state' says what its QEMU is");
    monitor = monitor_new_recorded(replies, error);
    domain->replies = json_copy(replies);
    return monitor && (domain->has_run_state || monitor_query_status(monitor, NULL, NULL, error));
}

static bool
read_memory_of_state(RecordedDomain *domain, const Json *json, GError **error)
{
    const Json *shutdown = json_get(json, "shutdown");

    /* Whether it ever ran is all that a plan asks. */
    domain->n_starts = json_get_uint(json, "n_starts", domain->applied ? 1 : 0) != 0;
    domain->last_exit = g_strdup(json_get_string(json, "last_exit"));
    domain->suspended = g_strdup(json_get_string(json, "suspended"));
    if (domain->last_exit && !last_exit_parse(domain->last_exit))
        return refuse(error, "'last_exit' is '%s', which is no such", domain->last_exit);
    if (!shutdown)
        return true;
    domain->shutdown.purpose = g_strdup(json_get_string(shutdown, "purpose"));
    if (!read_time(shutdown, "deadline", &domain->shutdown.deadline_us, error))
        return false;
    if (!domain->shutdown.purpose || !domain->shutdown.deadline_us)
        return refuse(error, "'shutdown' needs 'purpose' and 'deadline'");
    return true;
}

static bool
check_members(const Json *json, GError **error)
{
    static const char *const known[] = { "name",      "applied",   "resolved",   "qmp",
                                         "run_state", "pid",       "started_at", "n_starts",
                                         "last_exit", "suspended", "shutdown",   NULL };

    for (guint i = 0; i < json_length(json); i++)
        if (!g_strv_contains(known, json_name_at(json, i)))
            return refuse(error, "unknown member '%s'", json_name_at(json, i));
    return true;
}

static bool
read_domain(RecordedDomain *domain, const Json *json, const char *directory, GError **error)
{
    domain->pid = json_get_int(json, "pid", 1);
    return check_members(json, error) && read_run_state(domain, json, error) &&
           read_replies(domain, json, error) &&
           read_document(json, "applied", directory, &domain->applied, error) &&
           read_document(json, "resolved", directory, &domain->resolved, error) &&
           read_time(json, "started_at", &domain->started_at, error) &&
           read_memory_of_state(domain, json, error);
}

static RecordedDomain *
find(const Recording *recording, const char *name)
{
    for (guint i = 0; i < recording->domains->len; i++) {
        RecordedDomain *domain = recording->domains->pdata[i];

        if (!strcmp(domain->name, name))
            return domain;
    }
    return NULL;
}

static bool
read_domains(Recording *recording, const Json *domains, const char *directory, GError **error)
{
    if (!domains || json_type(domains) != JSON_ARRAY)
        return refuse(error, "'domains' is not an array");
    for (guint i = 0; i < json_length(domains); i++) {
        const Json *json = json_at(domains, i);
        const char *name = json_type(json) == JSON_OBJECT ? json_get_string(json, "name") : NULL;
        RecordedDomain *domain;

        if (!name)
            return refuse(error, "domain %u has no name", i);
        if (find(recording, name))
            return refuse(error, "domain '%s' is there twice", name);
        domain = g_new0(RecordedDomain, 1);
        domain->name = g_strdup(name);
        g_ptr_array_add(recording->domains, domain);
        if (!read_domain(domain, json, directory, error)) {
            g_prefix_error(error, "domain '%s': ", name);
            return false;
        }
    }
    return true;
}

static bool
read_absent(Recording *recording, const Json *absent, GError **error)
{
    for (guint i = 0; absent && i < json_length(absent); i++) {
        const char *path = json_string(json_at(absent, i));

        if (!path || *path != '/')
            return refuse(error, "'absent' lists absolute paths");
        g_ptr_array_add(recording->absent, g_strdup(path));
    }
    return true;
}

static bool
read_recording(Recording *recording, const char *text, gsize length, const char *directory,
               GError **error)
{
    g_autoptr(Json) json = json_parse(text, length, error);

    if (!json)
        return false;
    if (json_type(json) != JSON_OBJECT || json_get_int(json, "format_version", 0) != 1)
        return refuse(error, "not a recording of format_version 1");
    recording->now = g_get_real_time();
    recording->memory_total = json_get_uint(json, "memory_total", 0);
    return read_time(json, "now", &recording->now, error) &&
           read_absent(recording, json_get(json, "absent"), error) &&
           read_domains(recording, json_get(json, "domains"), directory, error);
}

Recording *
recording_load(const char *file, GError **error)
{
    g_autoptr(Recording) recording = g_new0(Recording, 1);
    g_autofree char *text = NULL;
    g_autofree char *directory = NULL;
    g_autofree char *absolute = g_canonicalize_filename(file, NULL);
    gsize length;

    recording->domains = g_ptr_array_new_with_free_func(recorded_domain_free);
    recording->absent = g_ptr_array_new_with_free_func(g_free);
    directory = g_path_get_dirname(absolute);
    if (!g_file_get_contents(file, &text, &length, error))
        return NULL;
    if (!read_recording(recording, text, length, directory, error)) {
        g_prefix_error(error, "%s: ", file);
        return NULL;
    }
    return g_steal_pointer(&recording);
}

/* ---- what it stands in for ---- */

guint64
recording_memory_total(const Recording *recording)
{
    return recording->memory_total;
}

gint64
recording_now(const Recording *recording)
{
    return recording->now;
}

static bool
is_running(const RecordedDomain *domain)
{
    return domain && (domain->replies || domain->run_state != RUN_STATE_OFF);
}

bool
recording_is_running(const Recording *recording, const char *name)
{
    return is_running(find(recording, name));
}

static bool
fill_process(const RecordedDomain *domain, Store *store, GError **error)
{
    DomainProcess process = { .pid = domain->pid };

    for (guint i = 0; i < domain->n_starts; i++)
        if (!store_domain_put_process(store, domain->name, &process, TRUE, error))
            return false;
    if (!is_running(domain))
        return store_domain_put_exit(store, domain->name, domain->last_exit, 0, error);
    return !domain->shutdown.purpose ||
           store_domain_put_shutdown(store, domain->name, &domain->shutdown, error);
}

bool
recording_fill(const Recording *recording, Store *store, GError **error)
{
    for (guint i = 0; i < recording->domains->len; i++) {
        const RecordedDomain *domain = recording->domains->pdata[i];
        const char *resolved = domain->resolved ? domain->resolved : domain->applied;

        if (!store_domain_put_resolved(store, domain->name, resolved, error) ||
            !store_domain_put_applied(store, domain->name, domain->applied, error) ||
            !fill_process(domain, store, error) ||
            !store_domain_put_suspended(store, domain->name, domain->suspended != NULL,
                                        domain->suspended, recording->now, error))
            return false;
    }
    return true;
}

Monitor *
recording_monitor(const Recording *recording, const char *name)
{
    const RecordedDomain *domain = find(recording, name);

    return domain && domain->replies ? monitor_new_recorded(domain->replies, NULL) : NULL;
}

void
recording_amend(const Recording *recording, const char *name, Observed *observed)
{
    const RecordedDomain *domain = find(recording, name);

    if (!is_running(domain))
        return;
    if (domain->has_run_state)
        observed->run_state = domain->run_state;
    observed->pid = domain->pid;
    observed->started_at = domain->started_at;
}

bool
recording_is_absent(const Recording *recording, const char *path)
{
    return g_ptr_array_find_with_equal_func(recording->absent, path, g_str_equal, NULL);
}
