/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * TPMs: a backend (-tpmdev, which only the command line takes) and a device in front of it. An
 * emulated one is a process of its own, swtpm, whose socket is in the domain's run directory.
 *
 * The emulator's data channel is handed over by QEMU itself on that socket, so a socket is all
 * that QEMU must be told. swtpm is a companion (qemu/companion.h): it serves a socket that we
 * listen on, and ends with QEMU's connection. Its state is the guest's, like a disk: it is kept by
 * the domain's uuid, made by swtpm at its first start and never deleted. There is no manufacturing
 * step (swtpm_setup), so the TPM has no certificates of a maker, and only swtpm's own PCR banks.
 */
#include "model/tpm.h"

#include <string.h>

#include "qemu/chardev.h"
#include "qemu/companion.h"
#include "qemu/device.h"
#include "qemu/need.h"
#include "qemu/secret.h"

#define SOCKET_ID "chrtpm"

static void
tpm_backends(const DeviceContext *context, gconstpointer device, GPtrArray *backends)
{
    const Tpm *tpm = device;
    g_autofree char *own =
        g_strdup_printf("%s/%s-swtpm.sock", context->facts->socket_directory, tpm->info.alias);

    if (tpm->backend != TPM_PASSTHROUGH)
        backend_add(
            backends, BACKEND_CHARDEV,
            socket_client_tree(SOCKET_ID, tpm->backend == TPM_EXTERNAL ? tpm->source_path : own));
}

static Json *
tpm_properties(const DeviceContext *context, gconstpointer device)
{
    const Tpm *tpm = device;
    g_autofree char *backend = backend_name("tpm-", &tpm->info);
    Json *tree = device_tree_new(context, tpm->model == TPM_CRB ? "tpm-crb" : "tpm-tis");

    json_set_string(tree, "tpmdev", backend);
    device_tree_add_info(context, tree, &tpm->info);
    return tree;
}

static void
tpm_options(const DeviceContext *context, gconstpointer device, CommandLine *line)
{
    const Tpm *tpm = device;
    g_autofree char *id = backend_name("tpm-", &tpm->info);
    g_autoptr(GString) text = g_string_new(NULL);
    bool is_passthrough = tpm->backend == TPM_PASSTHROUGH;

    option_text_add(text, NULL, is_passthrough ? "passthrough" : "emulator");
    option_text_add(text, "id", id);
    if (is_passthrough)
        option_text_add(text, "path", tpm->device ? tpm->device : "/dev/tpm0");
    else
        option_text_add(text, "chardev", SOCKET_ID);
    command_line_add(line, "-tpmdev", text->str);
}

static void
add_state(const DeviceContext *context, const Tpm *tpm, Companion *swtpm)
{
    bool is_file = tpm->source_type == TPM_SOURCE_FILE;
    g_autofree char *own =
        g_build_filename(context->facts->tpm_directory, context->at.domain->uuid, NULL);
    const char *path = tpm->source_path ? tpm->source_path : own;

    if (strchr(path, ','))
        validation_error(&context->at, "backend/source/@path", "not-launchable",
                         "swtpm can't be given a path with a comma");
    companion_argument(swtpm, "--tpmstate");
    if (is_file)
        companion_argumentf(swtpm, "backend-uri=file://%s,mode=0600", path);
    else
        companion_argumentf(swtpm, "dir=%s,mode=0600", path);
    swtpm->directory = is_file ? g_path_get_dirname(path) : g_strdup(path);
}

/* The state is encrypted where it lies, and where a migration would carry it. */
static void
add_secret(const DeviceContext *context, const Tpm *tpm, Companion *swtpm)
{
    const SecretReference secret = { .uuid = tpm->secret };
    g_autofree char *file = tpm->secret ? secret_file(context->facts, &secret) : NULL;

    if (!file)
        return;
    companion_need(swtpm, NEED_FILE, file, "backend/encryption/@secret");
    companion_argument(swtpm, "--key");
    companion_argumentf(swtpm, "pwdfile=%s,mode=aes-256-cbc", file);
    companion_argument(swtpm, "--migration-key");
    companion_argumentf(swtpm, "pwdfile=%s,mode=aes-256-cbc", file);
}

static void
refuse_setup(const DeviceContext *context, const Tpm *tpm)
{
    const struct {
        bool is_used;
        const char *field;
    } needs[] = {
        { tpm->has_sha1, "backend/active_pcr_banks/sha1" },
        { tpm->has_sha256, "backend/active_pcr_banks/sha256" },
        { tpm->has_sha384, "backend/active_pcr_banks/sha384" },
        { tpm->has_sha512, "backend/active_pcr_banks/sha512" },
        { tpm->profile_source, "backend/profile/@source" },
        { tpm->profile_name, "backend/profile/@name" },
        { tpm->remove_disabled, "backend/profile/@removeDisabled" },
    };

    for (guint i = 0; i < G_N_ELEMENTS(needs); i++)
        if (needs[i].is_used)
            validation_error(&context->at, needs[i].field, "not-launchable",
                             "virtkeep does not run swtpm_setup, which would set it up");
}

static void
tpm_companions(const DeviceContext *context, gconstpointer device, GPtrArray *companions)
{
    const Tpm *tpm = device;
    Companion *swtpm;

    if (tpm->backend != TPM_EMULATOR)
        return;
    refuse_setup(context, tpm);
    swtpm = companion_add(context, companions, "swtpm", tpm->info.alias, NULL, NULL);
    swtpm->socket = companion_socket(context, tpm->info.alias, "swtpm");
    swtpm->is_handed = true;
    companion_argument(swtpm, "socket");
    companion_argument(swtpm, "--ctrl");
    companion_argumentf(swtpm, "type=unixio,fd=%d", COMPANION_FD);
    add_state(context, tpm, swtpm);
    add_secret(context, tpm, swtpm);
    if (tpm->debug.is_set) {
        companion_argument(swtpm, "--log");
        companion_argumentf(swtpm, "level=%u", (guint) tpm->debug.value);
    }
    companion_argument(swtpm, tpm->version == TPM_1_2 ? NULL : "--tpm2");
    companion_argument(swtpm, "--terminate"); /* when QEMU hangs up */
}

static void
tpm_needs(const DeviceContext *context, gconstpointer device, GPtrArray *needs)
{
    const Tpm *tpm = device;

    if (tpm->backend == TPM_PASSTHROUGH) {
        need_add(context, needs, HOST_CHARACTER, "backend/device/@path",
                 tpm->device ? tpm->device : "/dev/tpm0");
        need_set_written(needs);
    } else if (tpm->backend == TPM_EXTERNAL) {
        need_add(context, needs, HOST_SOCKET, "backend/source/@path", tpm->source_path);
    }
}

const DeviceSpelling tpm_spelling = {
    .kind = &tpm_kind,
    .backends = tpm_backends,
    .properties = tpm_properties,
    .options = tpm_options,
    .companions = tpm_companions,
    .needs = tpm_needs,
};
