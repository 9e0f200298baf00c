/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Guest memory that the host can't read: one object, named by the machine.
 *
 * What the guest's owner gives as base64 is a file for SEV, in the run directory, and a property
 * for the others. QEMU asks the host's firmware whether it can; nothing is known of that here.
 *
 * Each kind is a row: the object's type and which of the file's members it takes.
 */
#include "qemu/launch-security.h"

#include "model/launch-security.h"

static const char *const object_types[] = {
    [LAUNCH_SEV] = "sev-guest",
    [LAUNCH_SEV_SNP] = "sev-snp-guest",
    [LAUNCH_TDX] = "tdx-guest",
    [LAUNCH_S390_PV] = NULL,
};

static void
add_text(Json *tree, const char *name, const char *text)
{
    if (text)
        json_set_string(tree, name, text);
}

static void
add_file(const DeviceContext *context, Json *tree, const char *name, const char *content,
         const char *file)
{
    g_autofree char *path = g_build_filename(context->facts->socket_directory, file, NULL);

    if (content)
        json_set_string(tree, name, path);
}

static void
add_amd(const LaunchSecurity *launch, Json *tree)
{
    device_tree_add_uint(tree, "cbitpos", &launch->cbitpos);
    device_tree_add_uint(tree, "reduced-phys-bits", &launch->reduced_phys_bits);
    json_set_uint(tree, "policy", launch->policy.value);
}

static void
add_snp(const LaunchSecurity *launch, Json *tree)
{
    add_text(tree, "guest-visible-workarounds", launch->workarounds);
    add_text(tree, "id-block", launch->id_block);
    add_text(tree, "id-auth", launch->id_auth);
    add_text(tree, "host-data", launch->host_data);
    device_tree_add_tristate(tree, "author-key-enabled", launch->author_key);
    if (launch->vcek)
        json_set_bool(tree, "vcek-disabled", launch->vcek == TRISTATE_OFF);
}

static void
add_tdx(const LaunchSecurity *launch, Json *tree)
{
    Json *socket;

    if (launch->policy.is_set)
        json_set_uint(tree, "attributes", launch->policy.value);
    add_text(tree, "mrconfigid", launch->config_id);
    add_text(tree, "mrowner", launch->owner);
    add_text(tree, "mrownerconfig", launch->owner_config);
    if (!launch->quote_socket)
        return;
    socket = json_new_object();
    json_set_string(socket, "type", "unix");
    json_set_string(socket, "path", launch->quote_socket);
    json_set(tree, "quote-generation-socket", socket);
}

void
launch_security_spell(const DeviceContext *context, CommandLine *line)
{
    const LaunchSecurity *launch = context->at.domain->launch_security;
    const char *type = launch ? object_types[launch->type] : NULL;
    Json *tree;

    if (!type)
        return;
    if (!capabilities_has_object(context->capabilities, type))
        validation_error(&context->at, "launchSecurity/@type", "not-in-qemu",
                         "this QEMU has no object '%s'", type);
    tree = json_new_object();
    json_set_string(tree, "qom-type", type);
    json_set_string(tree, "id", LAUNCH_SECURITY_ID);
    if (launch->type != LAUNCH_TDX)
        add_amd(launch, tree);
    if (launch->type == LAUNCH_SEV) {
        add_file(context, tree, "dh-cert-file", launch->dh_certificate, "dh-cert.base64");
        add_file(context, tree, "session-file", launch->session, "session.base64");
    }
    if (launch->type == LAUNCH_SEV_SNP)
        add_snp(launch, tree);
    if (launch->type == LAUNCH_TDX)
        add_tdx(launch, tree);
    device_tree_add_tristate(tree, "kernel-hashes", launch->kernel_hashes);
    command_line_add_tree(line, "-object", tree);
}
