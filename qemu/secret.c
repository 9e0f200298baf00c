/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Secrets by reference. QEMU reads the file itself, so that no secret passes through virtkeep, its
 * state or a command line, which anyone on the host can read.
 *
 * A usage is any text, often a path; its file's name is that text escaped as in a URI, so that it
 * stays within the directory.
 */
#include "qemu/secret.h"

char *
secret_file(const HostFacts *facts, const SecretReference *secret)
{
    static const char *const types[] = {
        [0] = "any",
        [SECRET_PASSPHRASE] = "passphrase",
        [SECRET_ISCSI] = "iscsi",
        [SECRET_CEPH] = "ceph",
        [SECRET_TLS] = "tls",
        [SECRET_VOLUME] = "volume",
        [SECRET_VTPM] = "vtpm",
    };
    g_autofree char *usage = secret->usage ? g_uri_escape_string(secret->usage, NULL, FALSE) : NULL;
    g_autofree char *name = secret->uuid
                                ? g_strdup(secret->uuid)
                                : g_strdup_printf("%s-%s", types[secret->type], usage ? usage : "");

    return g_build_filename(host_facts_secrets(facts), name, NULL);
}

static Json *
secret_tree(const char *id, const char *file, const char *format)
{
    Json *tree = json_new_object();

    json_set_string(tree, "qom-type", "secret");
    json_set_string(tree, "id", id);
    json_set_string(tree, "format", format);
    json_set_string(tree, "file", file);
    return tree;
}

void
secret_add_file(const char *id, const char *file, GPtrArray *backends)
{
    backend_add(backends, BACKEND_OBJECT, secret_tree(id, file, "raw"));
}

void
secret_add(const DeviceContext *context, const char *id, const SecretReference *secret,
           GPtrArray *backends)
{
    g_autofree char *file = secret_file(context->facts, secret);
    const char *format = secret->type == SECRET_CEPH ? "base64" : "raw";

    backend_add(backends, BACKEND_OBJECT, secret_tree(id, file, format));
}
