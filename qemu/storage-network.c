/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Network sources: each protocol's driver with its properties, one function each in a table.
 *
 * ssh has one wrinkle. QEMU's own driver knows no passwords, keys or agents but those of the user
 * that runs it; where the file names some, nbdkit speaks ssh and QEMU speaks NBD to nbdkit's
 * socket. And HTTP cookies stand in the file but must not stand in a command line, so they pass
 * through a secret's file below the run directory.
 */
#include "qemu/storage.h"

#include <string.h>

#include "qemu/secret.h"

typedef struct NetworkNode {
    const DeviceContext *context;
    const StorageNode *node;
    const StorageSource *source;
    const char *id; /* the block node's name */
    Json *tree;
    GPtrArray *backends;
} NetworkNode;

static const StorageHost *
first_host(const StorageSource *source)
{
    static const StorageHost none;

    return list_length(source->hosts) ? list_at(source->hosts, 0, StorageHost) : &none;
}

static guint
host_port(const StorageSource *source, const StorageHost *host)
{
    return host->port.is_set ? host->port.value : storage_default_port(source->protocol);
}

/* "[::1]:80": an address that contains colons is bracketed. */
static char *
host_and_port(const StorageSource *source, const StorageHost *host)
{
    const char *name = host->name ? host->name : "";
    bool is_bracketed = strchr(name, ':') && *name != '[';

    return g_strdup_printf(is_bracketed ? "[%s]:%u" : "%s:%u", name, host_port(source, host));
}

static Json *
host_tree(const StorageSource *source, const StorageHost *host, bool has_type)
{
    Json *tree = json_new_object();
    g_autofree char *port = g_strdup_printf("%u", host_port(source, host));

    if (host->transport == TRANSPORT_UNIX) {
        json_set_string(tree, "type", "unix");
        json_set_string(tree, "path", host->socket);
        return tree;
    }
    if (has_type)
        json_set_string(tree, "type", "inet");
    json_set_string(tree, "host", host->name);
    json_set_string(tree, "port", port);
    return tree;
}

static Json *
host_list(const StorageSource *source, bool has_type)
{
    Json *list = json_new_array();

    for (guint i = 0; i < list_length(source->hosts); i++)
        json_append(list, host_tree(source, list_at(source->hosts, i, StorageHost), has_type));
    return list;
}

static void
add_login(const NetworkNode *n, const char *user_key, const char *secret_key)
{
    g_autofree char *id = g_strconcat(n->id, "-auth", NULL);

    if (!n->node->auth)
        return;
    json_set_string(n->tree, user_key, n->node->auth->username);
    secret_add(n->context, id, &n->node->auth->secret, n->backends);
    json_set_string(n->tree, secret_key, id);
}

static void
spell_nbd(const NetworkNode *n)
{
    g_autofree char *tls = g_strconcat(n->id, "-tls", NULL);
    Json *object;

    json_set(n->tree, "server", host_tree(n->source, first_host(n->source), true));
    json_set_string(n->tree, "export", n->source->name);
    device_tree_add_uint(n->tree, "reconnect-delay", &n->source->reconnect_delay);
    if (n->source->tls != TRISTATE_ON)
        return;
    object = json_new_object();
    json_set_string(object, "qom-type", "tls-creds-x509");
    json_set_string(object, "id", tls);
    json_set_string(object, "dir", host_facts_storage_tls(n->context->facts));
    json_set_string(object, "endpoint", "client");
    json_set_bool(object, "verify-peer", true);
    backend_add(n->backends, BACKEND_OBJECT, object);
    json_set_string(n->tree, "tls-creds", tls);
    json_set_string(n->tree, "tls-hostname", n->source->tls_hostname);
}

static void
need_rbd(const NetworkNode *n, const char *field, const char *feature)
{
    if (!capabilities_has_block_feature(n->context->capabilities, "rbd", feature))
        validation_error(&n->context->at, field, "not-in-qemu",
                         "this QEMU's block driver 'rbd' has no '%s'", feature);
}

/* librbd's layers of encryption: each has the next one as its parent. */
static Json *
rbd_encryption(const NetworkNode *n, guint index)
{
    static const char *const formats[] = {
        [ENCRYPTION_LUKS] = "luks",
        [ENCRYPTION_LUKS2] = "luks2",
        [ENCRYPTION_LUKS_ANY] = "luks-any",
    };
    const StorageEncryption *encryption = n->node->encryption;
    g_autofree char *id = g_strdup_printf("%s-key%u", n->id, index);
    g_autofree char *feature = g_strconcat("encrypt.format=", formats[encryption->format], NULL);
    Json *tree = json_new_object();

    need_rbd(n, "source/encryption/@format", feature);
    secret_add(n->context, id, list_at(encryption->secrets, index, SecretReference), n->backends);
    json_set_string(tree, "format", formats[encryption->format]);
    json_set_string(tree, "key-secret", id);
    if (index + 1 < encryption->secrets->len) {
        if (index == 0)
            need_rbd(n, "source/encryption/secret", "encrypt.parent");
        json_set(tree, "parent", rbd_encryption(n, index + 1));
    }
    return tree;
}

static void
spell_rbd(const NetworkNode *n)
{
    g_auto(GStrv) parts = g_strsplit(n->source->name, "/", 3);
    guint n_parts = g_strv_length(parts);

    json_set_string(n->tree, "pool", parts[0]);
    if (n_parts == 3)
        json_set_string(n->tree, "namespace", parts[1]);
    json_set_string(n->tree, "image", n_parts ? parts[n_parts - 1] : "");
    json_set_string(n->tree, "snapshot", n->source->snapshot);
    json_set_string(n->tree, "conf", n->source->config);
    if (list_length(n->source->hosts))
        json_set(n->tree, "server", host_list(n->source, false));
    if (n->node->auth) {
        Json *methods = json_new_array();

        json_append_string(methods, "cephx");
        json_append_string(methods, "none");
        json_set(n->tree, "auth-client-required", methods);
    }
    add_login(n, "user", "key-secret");
    if (n->node->encryption && n->node->encryption->engine == ENGINE_LIBRBD &&
        list_length(n->node->encryption->secrets))
        json_set(n->tree, "encrypt", rbd_encryption(n, 0));
}

static void
set_unit(Json *tree, const char *portal, const char *target, guint64 unit)
{
    json_set_string(tree, "portal", portal);
    json_set_string(tree, "target", target);
    json_set_uint(tree, "lun", unit);
    json_set_string(tree, "transport", "tcp");
}

void
storage_add_iscsi(const DeviceContext *context, const StoragePlace *place, Json *tree)
{
    if (!capabilities_has_block_driver(context->capabilities, "iscsi"))
        validation_error(&context->at, "source", "not-in-qemu",
                         "this QEMU has no block driver 'iscsi'");
    json_set_string(tree, "driver", "iscsi");
    set_unit(tree, place->portal, place->target, place->unit);
}

static void
spell_iscsi(const NetworkNode *n)
{
    g_auto(GStrv) parts = g_strsplit(n->source->name, "/", 2);
    g_autofree char *portal = host_and_port(n->source, first_host(n->source));

    set_unit(n->tree, portal, parts[0],
             parts[0] && parts[1] ? g_ascii_strtoull(parts[1], NULL, 10) : 0);
    add_login(n, "user", "password-secret");
    json_set_string(n->tree, "initiator-name", n->source->initiator);
}

static void
spell_curl(const NetworkNode *n)
{
    const StorageSource *source = n->source;
    g_autofree char *server = host_and_port(source, first_host(source));
    g_autofree char *path =
        g_uri_escape_string(source->name, G_URI_RESERVED_CHARS_ALLOWED_IN_PATH, FALSE);
    g_autofree char *url =
        g_strdup_printf("%s://%s%s%s%s%s", storage_protocol_names[source->protocol], server,
                        *path == '/' ? "" : "/", path, source->query ? "?" : "",
                        source->query ? source->query : "");

    json_set_string(n->tree, "url", url);
    add_login(n, "username", "password-secret");
    if (source->ssl_verify)
        json_set_bool(n->tree, "sslverify", source->ssl_verify == TRISTATE_ON);
    if (source->readahead.value)
        json_set_uint(n->tree, "readahead", source->readahead.value);
    if (source->timeout.value)
        json_set_uint(n->tree, "timeout", source->timeout.value);
    if (list_length(source->cookies)) {
        g_autofree char *id = g_strconcat(n->id, "-cookies", NULL);
        g_autofree char *file = g_build_filename(n->context->facts->socket_directory, id, NULL);

        secret_add_file(id, file, n->backends);
        json_set_string(n->tree, "cookie-secret", id);
    }
}

static bool
needs_nbdkit(const NetworkNode *n)
{
    return n->source->protocol == PROTOCOL_SSH &&
           (n->node->auth || n->source->key_file || n->source->agent_socket);
}

static void
spell_nbdkit(const NetworkNode *n)
{
    g_autofree char *name = g_strdup_printf("nbdkit-%s.sock", n->id);
    g_autofree char *path = g_build_filename(n->context->facts->socket_directory, name, NULL);
    Json *server = json_new_object();

    json_set_string(server, "type", "unix");
    json_set_string(server, "path", path);
    json_set(n->tree, "server", server);
}

static void
spell_ssh(const NetworkNode *n)
{
    if (n->source->known_hosts)
        validation_warning(&n->context->at, "source/knownHosts/@path", "ssh-known-hosts",
                           "QEMU knows only the known_hosts of the user that runs it");
    json_set_string(n->tree, "path", n->source->name);
    json_set(n->tree, "server", host_tree(n->source, first_host(n->source), false));
    json_set_string(n->tree, "user", n->source->username);
}

static void
spell_gluster(const NetworkNode *n)
{
    g_auto(GStrv) parts = g_strsplit(n->source->name, "/", 2);

    json_set_string(n->tree, "volume", parts[0]);
    json_set_string(n->tree, "path", parts[0] && parts[1] ? parts[1] : "");
    json_set(n->tree, "server", host_list(n->source, true));
    json_set_uint(n->tree, "debug", 4);
}

/* "+1000" or "0": a number; names would make the command line a matter of this host's users. */
static void
add_nfs_identity(const NetworkNode *n, const char *key, const char *field, const char *text)
{
    guint64 number = 0;

    if (!text)
        return;
    if (!g_str_equal(text, "root") &&
        !g_ascii_string_to_unsigned(*text == '+' ? text + 1 : text, 10, 0, G_MAXUINT32, &number,
                                    NULL))
        return validation_error(&n->context->at, field, "not-supported",
                                "write the number: '+1000'");
    json_set_uint(n->tree, key, number);
}

static void
spell_nfs(const NetworkNode *n)
{
    Json *server = json_new_object();
    g_autofree char *path = *n->source->name == '/' ? g_strdup(n->source->name)
                                                    : g_strconcat("/", n->source->name, NULL);

    json_set_string(server, "type", "inet");
    json_set_string(server, "host", first_host(n->source)->name);
    json_set(n->tree, "server", server);
    json_set_string(n->tree, "path", path);
    add_nfs_identity(n, "user", "source/identity/@user", n->source->user);
    add_nfs_identity(n, "group", "source/identity/@group", n->source->group);
}

static void (*const spellings[])(const NetworkNode *n) = {
    [PROTOCOL_NBD] = spell_nbd,   [PROTOCOL_RBD] = spell_rbd,    [PROTOCOL_ISCSI] = spell_iscsi,
    [PROTOCOL_HTTP] = spell_curl, [PROTOCOL_HTTPS] = spell_curl, [PROTOCOL_FTP] = spell_curl,
    [PROTOCOL_FTPS] = spell_curl, [PROTOCOL_SSH] = spell_ssh,    [PROTOCOL_GLUSTER] = spell_gluster,
    [PROTOCOL_NFS] = spell_nfs,
};

void
storage_add_network(const DeviceContext *context, const StorageNode *node, const char *id,
                    Json *tree, GPtrArray *backends)
{
    NetworkNode n = { context, node, node->source, id, tree, backends };
    int protocol = node->source->protocol;
    const char *driver = needs_nbdkit(&n) ? "nbd" : storage_protocol_names[protocol];

    if (!capabilities_has_block_driver(context->capabilities, driver))
        return validation_error(&context->at, "source/@protocol", "not-in-qemu",
                                "this QEMU has no block driver '%s'", driver);
    json_set_string(tree, "driver", driver);
    if (needs_nbdkit(&n))
        spell_nbdkit(&n);
    else if (protocol < (int) G_N_ELEMENTS(spellings) && spellings[protocol])
        spellings[protocol](&n);
}
