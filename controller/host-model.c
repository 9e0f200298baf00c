/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The cache of host models. What QEMU says of the host's CPU depends on the binary, and on the
 * host: its CPU, microcode, kernel and KVM module. A boot stands for all of these, so an answer is
 * kept with the binary's size and mtime and with the boot's id, and asked for anew when one of them
 * is another. That KVM did not work is not kept: it may have been a module that was not loaded.
 */
#include "controller/host-model.h"

#include <sys/stat.h>
#include <unistd.h>

#include "qemu/cpu.h"
#include "qemu/host-model.h"

#define PROBE_TIMEOUT_US (20 * G_USEC_PER_SEC)
#define KVM_DEVICE "/dev/kvm"

/* What an answer is good for. Caller frees; NULL when there is no such binary. */
static char *
validity(const Site *site, const char *emulator)
{
    struct stat status;

    if (stat(emulator, &status) < 0)
        return NULL;
    return g_strdup_printf("%" G_GINT64_FORMAT " %" G_GINT64_FORMAT ".%09ld %s",
                           (gint64) status.st_size, (gint64) status.st_mtim.tv_sec,
                           status.st_mtim.tv_nsec, site->host->boot_id);
}

static Json *
cached(const Site *site, const char *key, const char *valid_for)
{
    g_autofree char *text = NULL;
    g_autoptr(Json) row = NULL;

    if (!site->store || !store_fact_get(site->store, key, &text, NULL) || !text)
        return NULL;
    row = json_parse(text, -1, NULL);
    if (g_strcmp0(json_get_string(row, "valid_for"), valid_for))
        return NULL;
    return json_copy(json_get(row, "host_model"));
}

/* A cache that can't be written costs the next probe, nothing else. */
static void
keep(const Site *site, const char *key, const char *valid_for, const Json *model)
{
    g_autoptr(Json) row = json_new_object();
    g_autofree char *text = NULL;

    if (!site->store)
        return;
    json_set_string(row, "valid_for", valid_for);
    json_set(row, "host_model", json_copy(model));
    text = json_format(row, false);
    (void) store_fact_put(site->store, key, text, NULL);
}

Json *
site_host_model(const Site *site, const Domain *domain, const char *emulator)
{
    bool is_kvm = domain->type == DOMAIN_TYPE_KVM;
    g_autofree char *key = NULL, *valid_for = NULL;
    Json *model;

    if (!cpu_is_host_model(domain) || (is_kvm && access(KVM_DEVICE, R_OK | W_OK) < 0))
        return NULL;
    valid_for = validity(site, emulator);
    if (!valid_for)
        return NULL;
    key = g_strdup_printf("host_model:%s:%s", is_kvm ? "kvm" : "tcg", emulator);
    model = cached(site, key, valid_for);
    if (model)
        return model;
    model = host_model_probe(emulator, is_kvm, PROBE_TIMEOUT_US, NULL);
    if (model)
        keep(site, key, valid_for, model);
    return model;
}
