/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The rules of an image: what its type of source needs, what each network protocol takes, which
 * formats QEMU reads, and where encryption and logins fit. libvirt's rules, found by the field that
 * can be mended.
 */
#include "model/storage-source.h"

#include <string.h>

#include "model/security-label.h"

static void G_GNUC_PRINTF(4, 5)
    refuse(const StorageCheck *check, const char *field, const char *code, const char *format, ...)
{
    g_autofree char *path = *check->path && field ? g_strconcat(check->path, "/", field, NULL)
                            : field               ? g_strdup(field)
                            : *check->path        ? g_strdup(check->path)
                                                  : NULL;
    g_autofree char *text = NULL;
    va_list args;

    va_start(args, format);
    text = g_strdup_vprintf(format, args);
    va_end(args);
    validation_error(check->validation, path, code, "%s", text);
}

/* ---- what a protocol takes ---- */

typedef struct Protocol {
    guint min_hosts, max_hosts; /* max 0: any number */
    bool has_unix, has_optional_name, has_auth;
    const char *refuse;
} Protocol;

static const Protocol protocols[] = {
    [PROTOCOL_NBD] = { 1, 1, .has_unix = true, .has_optional_name = true },
    [PROTOCOL_RBD] = { 0, 0, .has_auth = true },
    [PROTOCOL_ISCSI] = { 1, 1, .has_auth = true },
    [PROTOCOL_HTTP] = { 1, 1, .has_auth = true },
    [PROTOCOL_HTTPS] = { 1, 1, .has_auth = true },
    [PROTOCOL_FTP] = { 1, 1, .has_auth = true },
    [PROTOCOL_FTPS] = { 1, 1, .has_auth = true },
    [PROTOCOL_TFTP] = { 1, 1, .refuse = "QEMU speaks no TFTP any more" },
    [PROTOCOL_SSH] = { 1, 1, .has_auth = true },
    [PROTOCOL_GLUSTER] = { 1, 0, .has_unix = true },
    [PROTOCOL_NFS] = { 1, 1 },
    [PROTOCOL_SHEEPDOG] = { 0, 1, .refuse = "QEMU has no sheepdog any more" },
    [PROTOCOL_VXHS] = { 1, 1, .refuse = "QEMU has no vxhs any more" },
};

static void
check_hosts(const StorageCheck *check, const Protocol *protocol)
{
    const StorageSource *source = check->source;
    const char *name = storage_protocol_names[source->protocol];
    guint n = list_length(source->hosts);

    if (n < protocol->min_hosts)
        refuse(check, "source", "storage-hosts", "protocol '%s' needs a <host>", name);
    if (protocol->max_hosts && n > protocol->max_hosts)
        refuse(check, "source/host[1]", "storage-hosts", "protocol '%s' takes one <host> only",
               name);
    for (guint i = 0; i < n; i++) {
        const StorageHost *host = list_at(source->hosts, i, StorageHost);
        g_autofree char *path = g_strdup_printf("source/host[%u]", i);

        if (host->transport == TRANSPORT_RDMA)
            refuse(check, path, "not-supported", "QEMU has no transport 'rdma' any more");
        else if (host->transport == TRANSPORT_UNIX && !protocol->has_unix)
            refuse(check, path, "storage-hosts", "protocol '%s' is for transport 'tcp' only", name);
        else if (host->transport == TRANSPORT_UNIX && (!host->socket || host->name))
            refuse(check, path, "storage-hosts", "transport 'unix' needs a socket and no name");
        else if (host->transport != TRANSPORT_UNIX && (!host->name || host->socket))
            refuse(check, path, "storage-hosts", "transport 'tcp' needs a name and no socket");
        if (source->protocol == PROTOCOL_NFS && host->port.is_set)
            refuse(check, path, "storage-hosts", "protocol 'nfs' takes no port");
    }
}

static void
check_auth(const StorageCheck *check, const Protocol *protocol)
{
    const StorageAuth *auth = check->auth;
    int wanted = check->source->protocol == PROTOCOL_RBD ? SECRET_CEPH : SECRET_ISCSI;

    if (!auth)
        return;
    if (check->type != DISK_NETWORK || !protocol || !protocol->has_auth)
        return refuse(check, "source", "storage-auth", "there is nothing to log in at");
    if (auth->secret.type && auth->secret.type != wanted)
        refuse(check, "source", "storage-auth", "a secret of type '%s' is needed",
               wanted == SECRET_CEPH ? "ceph" : "iscsi");
    if (!auth->secret.uuid == !auth->secret.usage)
        refuse(check, "source", "storage-auth", "the secret needs either uuid or usage");
}

static void
check_iscsi(const StorageCheck *check)
{
    const char *unit = check->source->name ? strchr(check->source->name, '/') : NULL;
    char *end = NULL;

    if (!unit)
        return;
    (void) g_ascii_strtoull(unit + 1, &end, 10);
    if (!g_ascii_isdigit(unit[1]) || *end)
        refuse(check, "source/@name", "storage-name", "what follows '/' is the unit's number");
}

/* Cookies are joined into one header: what would end a name or a value there is refused. */
static void
check_cookies(const StorageCheck *check)
{
    const GPtrArray *cookies = check->source->cookies;

    for (guint i = 0; i < list_length(cookies); i++) {
        const StorageCookie *cookie = list_at(cookies, i, StorageCookie);
        g_autofree char *path = g_strdup_printf("source/cookies/cookie[%u]", i);
        const char *name = cookie->name ? cookie->name : "n";

        if (!*name || strpbrk(name, "()<>@,;:\\\"/[]?={} \t\n"))
            refuse(check, path, "storage-cookie", "'%s' is no name of a cookie", name);
        if (cookie->value && strpbrk(cookie->value, ",;\\ \t\n"))
            refuse(check, path, "storage-cookie", "the value has no ',', ';', '\\' or blank");
        for (guint k = 0; k < i; k++)
            if (!g_strcmp0(list_at(cookies, k, StorageCookie)->name, cookie->name))
                refuse(check, path, "storage-cookie", "cookie '%s' is there twice", name);
    }
}

static void
check_options(const StorageCheck *check)
{
    const StorageSource *source = check->source;
    int protocol = source->protocol;
    bool is_http = protocol == PROTOCOL_HTTP || protocol == PROTOCOL_HTTPS;
    bool is_curl = is_http || protocol == PROTOCOL_FTP || protocol == PROTOCOL_FTPS;
    const struct {
        const char *path;
        bool is_used, is_good;
    } rows[] = {
        { "source/@query", source->query, is_http },
        { "source/cookies", list_length(source->cookies), is_http },
        { "source/ssl/@verify", source->ssl_verify,
          protocol == PROTOCOL_HTTPS || protocol == PROTOCOL_FTPS },
        { "source/readahead/@size", source->readahead.is_set, is_curl },
        { "source/timeout/@seconds", source->timeout.is_set, is_curl },
        { "source/@tls", source->tls, protocol == PROTOCOL_NBD },
        { "source/@tlsHostname", source->tls_hostname, protocol == PROTOCOL_NBD },
        { "source/reconnect/@delay", source->reconnect_delay.is_set, protocol == PROTOCOL_NBD },
        { "source/snapshot/@name", source->snapshot, protocol == PROTOCOL_RBD },
        { "source/config/@file", source->config, protocol == PROTOCOL_RBD },
        { "source/initiator/iqn/@name", source->initiator, protocol == PROTOCOL_ISCSI },
        { "source/identity/@user", source->user, protocol == PROTOCOL_NFS },
        { "source/identity/@group", source->group, protocol == PROTOCOL_NFS },
        { "source/identity/@username", source->username, protocol == PROTOCOL_SSH },
        { "source/identity/@keyfile", source->key_file, protocol == PROTOCOL_SSH },
        { "source/identity/@agentsock", source->agent_socket, protocol == PROTOCOL_SSH },
        { "source/knownHosts/@path", source->known_hosts, protocol == PROTOCOL_SSH },
    };

    for (guint i = 0; i < G_N_ELEMENTS(rows); i++)
        if (rows[i].is_used && !rows[i].is_good)
            refuse(check, rows[i].path, "storage-option", "protocol '%s' has no use for it",
                   protocol ? storage_protocol_names[protocol] : "(none)");
    check_cookies(check);
}

static void
check_network(const StorageCheck *check)
{
    const StorageSource *source = check->source;
    const Protocol *protocol = &protocols[source->protocol];

    if (protocol->refuse)
        return refuse(check, "source/@protocol", "not-supported", "%s", protocol->refuse);
    if (!source->name && !protocol->has_optional_name)
        refuse(check, "source", "storage-name", "protocol '%s' needs a name",
               storage_protocol_names[source->protocol]);
    if (source->name && source->protocol == PROTOCOL_RBD && !strchr(source->name, '/'))
        refuse(check, "source/@name", "storage-name", "rbd needs POOL/IMAGE");
    if (source->name && source->protocol == PROTOCOL_GLUSTER && !strchr(source->name, '/'))
        refuse(check, "source/@name", "storage-name", "gluster needs VOLUME/PATH");
    if (source->protocol == PROTOCOL_ISCSI)
        check_iscsi(check);
    check_hosts(check, protocol);
}

/* ---- the other types ---- */

static void
check_nvme(const StorageCheck *check)
{
    const StorageSource *source = check->source;

    if (source->access != 1)
        refuse(check, "source/@type", "storage-nvme", "an NVMe source needs type='pci'");
    if (!source->nvme_namespace.is_set)
        refuse(check, "source/@namespace", "storage-nvme", "an NVMe source needs a namespace");
    if (!source->managed)
        refuse(check, "source/@managed", "storage-nvme", "an NVMe source needs managed");
    if (!source->pci_domain.value && !source->pci_bus.value && !source->pci_slot.value &&
        !source->pci_function.value)
        refuse(check, "source/address", "storage-nvme",
               "an NVMe source needs the device's address");
}

static void
check_vhost_user(const StorageCheck *check)
{
    const StorageSource *source = check->source;

    if (source->access != 2)
        refuse(check, "source/@type", "storage-vhost-user", "only type='unix' is there");
    if (source->reconnect == TRISTATE_ON && !source->reconnect_timeout.is_set)
        refuse(check, "source/reconnect", "storage-vhost-user", "needs a timeout");
}

static void
check_source(const StorageCheck *check)
{
    const StorageSource *source = check->source;

    switch ((DiskType) check->type) {
    case DISK_FILE:
    case DISK_BLOCK:
    case DISK_VHOST_VDPA:
    case DISK_DIR:
        return;
    case DISK_NETWORK:
        return check_network(check);
    case DISK_VOLUME:
        if (!source->pool || !source->volume)
            refuse(check, "source", "storage-volume", "needs both pool and volume");
        return;
    case DISK_NVME:
        return check_nvme(check);
    case DISK_VHOST_USER:
        return check_vhost_user(check);
    }
}

/* What is said in words of another type: read, and of no use. */
static void
check_strangers(const StorageCheck *check)
{
    const StorageSource *source = check->source;
    const struct {
        const char *path;
        bool is_used;
        guint types;
    } rows[] = {
        { "source/@file", source->file, 1u << DISK_FILE },
        { "source/@dev", source->dev, 1u << DISK_BLOCK | 1u << DISK_VHOST_VDPA },
        { "source/@dir", source->dir, 1u << DISK_DIR },
        { "source/@protocol", source->protocol, 1u << DISK_NETWORK },
        { "source/@name", source->name, 1u << DISK_NETWORK },
        { "source/host", list_length(source->hosts), 1u << DISK_NETWORK },
        { "source/@pool", source->pool, 1u << DISK_VOLUME },
        { "source/@volume", source->volume, 1u << DISK_VOLUME },
        { "source/@mode", source->volume_mode, 1u << DISK_VOLUME },
        { "source/@type", source->access, 1u << DISK_NVME | 1u << DISK_VHOST_USER },
        { "source/@namespace", source->nvme_namespace.is_set, 1u << DISK_NVME },
        { "source/@managed", source->managed, 1u << DISK_NVME },
        { "source/address", source->pci_bus.is_set || source->pci_slot.is_set, 1u << DISK_NVME },
        { "source/@path", source->path, 1u << DISK_VHOST_USER },
        { "source/reconnect/@enabled", source->reconnect, 1u << DISK_VHOST_USER },
    };

    for (guint i = 0; i < G_N_ELEMENTS(rows); i++)
        if (rows[i].is_used && !(rows[i].types & 1u << check->type))
            refuse(check, rows[i].path, "not-here", "a source of type '%s' has no such thing",
                   disk_type_names[check->type]);
}

/* ---- format and encryption ---- */

static void
check_format(const StorageCheck *check)
{
    const char *field = *check->path ? "format/@type" : "driver/@type";

    switch (check->format) {
    case DISK_FORMAT_DIR:
        return refuse(check, field, "disk-format", "is a type of disk, not a format: type='dir'");
    case DISK_FORMAT_ISO:
        return refuse(check, field, "disk-format", "QEMU takes an ISO image for 'raw'");
    case DISK_FORMAT_COW:
    case DISK_FORMAT_VHD:
        return refuse(check, field, "disk-format", "QEMU can't read the format '%s'",
                      disk_format_names[check->format]);
    case DISK_FORMAT_LUKS:
        return refuse(check, field, "disk-format",
                      "write 'raw' here, and <encryption format='luks'> into the source");
    }
    if (check->type == DISK_DIR && check->format && check->format != DISK_FORMAT_FAT)
        refuse(check, field, "disk-format", "a directory becomes 'fat'");
    if (check->format == DISK_FORMAT_FAT && check->type != DISK_DIR && check->type != DISK_VOLUME)
        refuse(check, field, "disk-format", "'fat' is for directories: type='dir'");
}

static void
check_encryption(const StorageCheck *check)
{
    const StorageEncryption *encryption = check->encryption;
    const char *field = "source";
    bool is_rbd = check->type == DISK_NETWORK && check->source->protocol == PROTOCOL_RBD;
    guint n_secrets = list_length(encryption->secrets);

    if (encryption->format == ENCRYPTION_QCOW || encryption->format == ENCRYPTION_DEFAULT)
        refuse(check, field, "storage-encryption", "QEMU has no encryption but 'luks' any more");
    if (!n_secrets)
        refuse(check, field, "storage-encryption", "the encryption needs a <secret>");
    if (encryption->engine == ENGINE_LIBRBD) {
        if (!is_rbd)
            refuse(check, field, "storage-encryption", "engine 'librbd' is for protocol 'rbd'");
    } else {
        if (encryption->format == ENCRYPTION_LUKS2 || encryption->format == ENCRYPTION_LUKS_ANY)
            refuse(check, field, "storage-encryption", "engine 'qemu' has only 'luks'");
        if (n_secrets > 1)
            refuse(check, field, "storage-encryption", "engine 'qemu' takes one secret");
        if (check->format && check->format != DISK_FORMAT_RAW && check->format != DISK_FORMAT_QCOW2)
            refuse(check, field, "storage-encryption", "only raw and qcow2 can be encrypted");
    }
    for (guint i = 0; i < n_secrets; i++) {
        const SecretReference *secret = list_at(encryption->secrets, i, SecretReference);

        if (secret->type && secret->type != SECRET_PASSPHRASE)
            refuse(check, field, "storage-encryption", "a secret of type 'passphrase' is needed");
        if (!secret->uuid == !secret->usage)
            refuse(check, field, "storage-encryption", "the secret needs either uuid or usage");
    }
}

static void
check_reservations(const StorageCheck *check)
{
    const StorageSource *source = check->source;

    if (!source->reservations_managed) {
        if (source->reservations_path)
            refuse(check, "source/reservations", "storage-reservations", "needs managed='no'");
        return;
    }
    if (source->reservations_managed == TRISTATE_OFF &&
        (!source->reservations_path || !source->reservations_type || !source->reservations_mode))
        refuse(check, "source/reservations", "storage-reservations",
               "needs <source type='unix' path='…' mode='client'/>");
    if (source->reservations_managed == TRISTATE_ON && source->reservations_path)
        refuse(check, "source/reservations/source/@path", "storage-reservations",
               "is for managed='no'");
}

/* What a qcow2 image keeps elsewhere is a raw image with rules of its own. */
static void
check_data_store(const StorageCheck *check)
{
    const StorageImage *store = check->source->data_store;
    StorageCheck own = *check;
    g_autofree char *path = g_strconcat(check->path, *check->path ? "/" : "", "source/dataStore", NULL);

    own.path = path;
    own.type = store->type ? store->type : DISK_FILE;
    own.format = store->format;
    own.source = store->source;
    own.auth = store->source ? store->source->auth : NULL;
    own.encryption = store->source ? store->source->encryption : NULL;
    if (!storage_is_set(own.type, own.source))
        return refuse(&own, NULL, "disk-source", "the data store has no source");
    if (store->format && store->format != DISK_FORMAT_RAW)
        return refuse(&own, "format/@type", "disk-format", "a data store is raw");
    if (own.type == DISK_VHOST_USER || own.type == DISK_VHOST_VDPA || own.encryption)
        return refuse(&own, "source", "disk-source", "can't be a data store");
    storage_check(&own);
}

static void
check_labels(const StorageCheck *check)
{
    g_autofree char *path =
        *check->path ? g_strconcat(check->path, "/source", NULL) : g_strdup("source");

    device_labels_validate(check->validation, path, check->source->labels);
}

void
storage_check(const StorageCheck *check)
{
    if (!check->type)
        return;
    check_format(check);
    if (!check->source)
        return;
    check_labels(check);
    check_strangers(check);
    if (storage_is_set(check->type, check->source)) {
        check_source(check);
        check_options(check);
    }
    if (check->type == DISK_NETWORK && !check->source->protocol &&
        (check->source->name || list_length(check->source->hosts)))
        refuse(check, "source", "storage-name", "needs a protocol");
    check_auth(check, check->source->protocol ? &protocols[check->source->protocol] : NULL);
    if (check->encryption)
        check_encryption(check);
    check_reservations(check);
    if (list_length(check->source->slices) > 1)
        refuse(check, "source/slices", "storage-slice", "there is one slice of type 'storage'");
    if (check->source->data_store)
        check_data_store(check);
    if (check->source->data_store && check->format != DISK_FORMAT_QCOW2)
        refuse(check, "source/dataStore", "disk-format", "only qcow2 keeps its data elsewhere");
}

void
storage_check_chain(const Validation *validation, const char *path, const StorageImage *image)
{
    StorageCheck check = { .validation = validation, .path = path };
    g_autofree char *below = NULL;

    if (!image || !image->type)
        return;
    check.type = image->type;
    check.format = image->format;
    check.source = image->source;
    check.auth = image->source ? image->source->auth : NULL;
    check.encryption = image->source ? image->source->encryption : NULL;
    if (!storage_is_set(image->type, image->source))
        validation_error(validation, path, "disk-source", "the backing image has no source");
    if (image->type == DISK_VHOST_USER || image->type == DISK_VHOST_VDPA)
        validation_error(validation, path, "disk-source", "can't be a backing image");
    storage_check(&check);
    if (!image->format)
        validation_error(validation, path, "disk-format", "the backing image's <format> is missing");
    below = g_strconcat(path, "/backingStore", NULL);
    storage_check_chain(validation, below, image->backing);
}
