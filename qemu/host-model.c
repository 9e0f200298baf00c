/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The host's CPU by a name that guests and other hosts know.
 *
 * `-cpu host` hands over whatever the host, its kernel and this QEMU have on that day. host-model
 * is meant to say it in words that another host can be held to: a named model, and what to add
 * and to take away. libvirt has a database of CPUs for that; QEMU has one too, and is asked for it:
 *
 *     query-cpu-definitions ──► names      query-cpu-model-expansion(static) ──► what each one is
 *     the same of `host` (KVM) or `max` (TCG) ──► what the host can do, migratable features only
 *
 * The nearest model is the one that differs in the fewest features, of the host's own vendor where
 * there is one. A feature that the host lacks counts twice: better to add than to take away. Then
 * named model plus differences is, by QEMU's own expansion, the host's CPU: a test says so.
 *
 * Only versioned names are taken (EPYC-v3): an alias means something else on another machine type.
 * What VMX consists of is not spelled out where there is no VMX: QEMU takes it away with it.
 */
#include "qemu/host-model.h"

#include <gio/gio.h>
#include <string.h>

#include "qemu/probe-session.h"

/* --- choosing --- */

/* The features to compare: name (borrowed from @host) to GINT_TO_POINTER(has it). */
static GHashTable *
features_of(const Json *host)
{
    GHashTable *features = g_hash_table_new(g_str_hash, g_str_equal);
    bool has_vmx = json_get_bool(host, "vmx", false);

    for (guint i = 0; i < json_length(host); i++) {
        const char *name = json_name_at(host, i);

        if (json_type(json_at(host, i)) == JSON_BOOL &&
            (has_vmx || !g_str_has_prefix(name, "vmx-")))
            g_hash_table_insert(features, (gpointer) name,
                                GINT_TO_POINTER(json_bool(json_at(host, i), false)));
    }
    return features;
}

/* Calls back with each feature in which @model differs from the host. */
static void
each_difference(GHashTable *host_features, const Json *model,
                void (*call)(const char *name, bool has_host, gpointer data), gpointer data)
{
    for (guint i = 0; i < json_length(model); i++) {
        const char *name = json_name_at(model, i);
        bool has_model = json_bool(json_at(model, i), false);
        gpointer has_host;

        if (g_hash_table_lookup_extended(host_features, name, NULL, &has_host) &&
            (has_host != NULL) != has_model)
            call(name, has_host != NULL, data);
    }
}

typedef struct Score {
    bool is_foreign; /* of another vendor than the host's */
    guint distance;
    bool is_other_chip; /* its family, model or stepping is not the host's */
} Score;

static bool
is_same_number(const Json *a, const Json *b, const char *name)
{
    return json_get_int(a, name, -1) == json_get_int(b, name, -1);
}

static void
add_distance(const char *name, bool has_host, gpointer distance)
{
    *(guint *) distance += has_host ? 1 : 2;
}

static Score
score_of(const Json *host, GHashTable *host_features, const Json *model)
{
    Score score = {
        .is_foreign =
            g_strcmp0(json_get_string(host, "vendor"), json_get_string(model, "vendor")) != 0,
        .is_other_chip =
            !is_same_number(host, model, "family") || !is_same_number(host, model, "model"),
    };

    each_difference(host_features, model, add_distance, &score.distance);
    return score;
}

/* Of equals the later one, which is the later version of a name. */
static bool
is_better(const Score *a, const Score *than)
{
    if (a->is_foreign != than->is_foreign)
        return !a->is_foreign;
    if (a->distance != than->distance)
        return a->distance < than->distance;
    return a->is_other_chip <= than->is_other_chip;
}

typedef struct Difference {
    const char *name;
    bool has_host;
} Difference;

static void
add_difference(const char *name, bool has_host, gpointer differences)
{
    Difference difference = { name, has_host };

    g_array_append_val((GArray *) differences, difference);
}

static gint
compare_names(gconstpointer a, gconstpointer b)
{
    return strcmp(((const Difference *) a)->name, ((const Difference *) b)->name);
}

static Json *
differences_json(GHashTable *host_features, const Json *model)
{
    g_autoptr(GArray) differences = g_array_new(FALSE, FALSE, sizeof(Difference));
    Json *features = json_new_object();

    each_difference(host_features, model, add_difference, differences);
    g_array_sort(differences, compare_names);
    for (guint i = 0; i < differences->len; i++) {
        const Difference *difference = &g_array_index(differences, Difference, i);

        json_set_bool(features, difference->name, difference->has_host);
    }
    return features;
}

Json *
host_model_choose(const Json *host, const Json *models)
{
    g_autoptr(GHashTable) host_features = features_of(host);
    const Json *best = NULL;
    Score best_score = { 0 };
    Json *result;

    for (guint i = 0; i < json_length(models); i++) {
        const Json *model = json_at(models, i);
        Score score = score_of(host, host_features, json_get(model, "properties"));

        if (best && !is_better(&score, &best_score))
            continue;
        best = model;
        best_score = score;
    }
    if (!best)
        return NULL;
    result = json_new_object();
    json_set_string(result, "model", json_get_string(best, "name"));
    json_set(result, "features", differences_json(host_features, json_get(best, "properties")));
    return result;
}

/* --- asking --- */

/* What a model is, by its properties; NULL where QEMU can't say. */
static Json *
expand(const ProbeSession *session, const char *name, GError **error)
{
    Json *arguments = json_new_object(), *model = json_new_object();
    g_autoptr(Json) reply = NULL;

    json_set_string(model, "name", name);
    json_set_string(arguments, "type", "static");
    json_set(arguments, "model", model);
    reply = probe_session_ask(session, "query-cpu-model-expansion", arguments, error);
    return reply ? json_copy(json_get(json_get(reply, "model"), "props")) : NULL;
}

/* A version of a model that other hosts may have too. */
static bool
is_candidate(const Json *definition)
{
    return json_get_bool(definition, "migration-safe", false) &&
           !json_get_bool(definition, "static", false) && !json_get(definition, "alias-of") &&
           !json_get_bool(definition, "deprecated", false);
}

static Json *
ask_models(const ProbeSession *session, GError **error)
{
    g_autoptr(Json) definitions = probe_session_ask(session, "query-cpu-definitions", NULL, error);
    g_autoptr(Json) models = json_new_array();

    for (guint i = json_length(definitions); i > 0; i--) { /* QEMU lists the newest first */
        const Json *definition = json_at(definitions, i - 1);
        const char *name = json_get_string(definition, "name");
        Json *properties, *model;

        if (!name || !is_candidate(definition))
            continue;
        properties = expand(session, name, error);
        if (!properties)
            return NULL;
        model = json_new_object();
        json_set_string(model, "name", name);
        json_set(model, "properties", properties);
        json_append(models, model);
    }
    return definitions ? g_steal_pointer(&models) : NULL;
}

static Json *
ask(const ProbeSession *session, const char *host_name, GError **error)
{
    g_autoptr(Json) host = expand(session, host_name, error);
    g_autoptr(Json) models = host ? ask_models(session, error) : NULL;
    Json *result = models ? host_model_choose(host, models) : NULL;

    if (models && !result)
        g_set_error_literal(error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND, "QEMU has no CPU models");
    return result;
}

static Json *
ask_kvm(const ProbeSession *session, GError **error)
{
    return ask(session, "host", error);
}

static Json *
ask_tcg(const ProbeSession *session, GError **error)
{
    return ask(session, "max", error);
}

Json *
host_model_probe(const char *emulator, bool is_kvm, gint64 timeout_us, GError **error)
{
    return is_kvm ? probe_converse(emulator, "none,accel=kvm", timeout_us, ask_kvm, error)
                  : probe_converse(emulator, "none,accel=tcg", timeout_us, ask_tcg, error);
}
