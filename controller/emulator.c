/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What each emulator can do, found out once.
 *
 *     this process has it ── no ──> the state has it ── no ──> a file of the user's has it
 *                                                                         └─ no ──> probe
 *
 * A probe's answer is told to all that can be told; the file is for who can't write a state.
 *
 * Known by path, size and time of change, so an upgrade is noticed wherever it stands. The process
 * keeps one of them: to parse the state's text took 2.5 ms of an edit's way to its guest, and hosts
 * have one QEMU. It is read by many threads and changed by none.
 */
#include "controller/subject.h"

#include <sys/stat.h>

#include "controller/capability-cache.h"
#include "qemu/probe.h"
#include "state/facts.h"

#define PROBE_TIMEOUT_US (20 * G_USEC_PER_SEC)

typedef struct Known {
    char *emulator;
    gint64 size, mtime_ns;
    Capabilities *capabilities;
} Known;

static GMutex known_mutex;
static Known known;

static Capabilities *
known_capabilities(const char *emulator, const struct stat *status, gint64 mtime_ns)
{
    Capabilities *found = NULL;

    g_mutex_lock(&known_mutex);
    if (!g_strcmp0(known.emulator, emulator) && known.size == status->st_size &&
        known.mtime_ns == mtime_ns)
        found = capabilities_ref(known.capabilities);
    g_mutex_unlock(&known_mutex);
    return found;
}

static void
keep_known(const char *emulator, const struct stat *status, gint64 mtime_ns,
           Capabilities *capabilities)
{
    g_mutex_lock(&known_mutex);
    g_free(known.emulator);
    capabilities_free(known.capabilities);
    known =
        (Known){ g_strdup(emulator), status->st_size, mtime_ns, capabilities_ref(capabilities) };
    g_mutex_unlock(&known_mutex);
}

static Capabilities *
stored_capabilities(Store *store, const char *emulator, const struct stat *status, gint64 mtime_ns)
{
    g_autofree char *text = NULL;
    g_autoptr(Json) json = NULL;

    if (!store_capabilities_get(store, emulator, status->st_size, mtime_ns, &text, NULL) || !text)
        return NULL;
    json = json_parse(text, -1, NULL);
    return json ? capabilities_from_json(json, NULL) : NULL;
}

static Capabilities *
probe_and_keep(const Site *site, const char *emulator, const struct stat *status, gint64 mtime_ns,
               GError **error)
{
    Capabilities *capabilities = probe_emulator(emulator, PROBE_TIMEOUT_US, error);
    g_autoptr(Json) json = NULL;
    g_autofree char *text = NULL;

    if (!capabilities)
        return NULL;
    json = capabilities_to_json(capabilities);
    text = json_format(json, false);
    if (!store_capabilities_put(site->store, emulator, status->st_size, mtime_ns, text, NULL))
        capability_cache_put(emulator, status, capabilities);
    return capabilities;
}

Capabilities *
site_capabilities(const Site *site, const char *emulator, GError **error)
{
    g_autoptr(Capabilities) capabilities = NULL;
    struct stat status;
    gint64 mtime_ns;

    if (stat(emulator, &status) < 0)
        return probe_emulator(emulator, PROBE_TIMEOUT_US, error); /* says what is wrong */
    mtime_ns = (gint64) status.st_mtim.tv_sec * 1000000000 + status.st_mtim.tv_nsec;
    capabilities = known_capabilities(emulator, &status, mtime_ns);
    if (capabilities)
        return g_steal_pointer(&capabilities);
    capabilities = stored_capabilities(site->store, emulator, &status, mtime_ns);
    if (!capabilities)
        capabilities = capability_cache_get(emulator, &status);
    if (!capabilities)
        capabilities = probe_and_keep(site, emulator, &status, mtime_ns, error);
    if (!capabilities)
        return NULL;
    keep_known(emulator, &status, mtime_ns, capabilities);
    return g_steal_pointer(&capabilities);
}
