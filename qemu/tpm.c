/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * TPMs: a backend (-tpmdev, which only the command line takes) and a device in front of it. An
 * emulated one is a process of its own, swtpm, whose socket is in the domain's run directory.
 *
 * The emulator's data channel is handed over by QEMU itself on that socket, so a socket is all
 * that QEMU must be told. Whoever runs swtpm must have started it before.
 */
#include "model/tpm.h"

#include "qemu/chardev.h"
#include "qemu/device.h"

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

static char *
tpm_launch_refusal(const Domain *domain, gconstpointer device)
{
    return ((const Tpm *) device)->backend == TPM_EMULATOR
               ? g_strdup("virtkeep does not start swtpm yet")
               : NULL;
}

const DeviceSpelling tpm_spelling = {
    .kind = &tpm_kind,
    .backends = tpm_backends,
    .properties = tpm_properties,
    .options = tpm_options,
    .launch_refusal = tpm_launch_refusal,
};
