/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The rows of <source>, and of what refers to one: backing images and data stores, which are the
 * same thing again, each with a format and perhaps a chain behind it.
 *
 * All types of sources share one struct. What belongs to which type can't be a condition of the
 * rows, since the type is the attribute of the element around them; it is a table in
 * storage-check.c.
 *
 * Passwords never stand in a domain's XML: <auth> and <encryption> name a secret, and secrets are
 * files (qemu/secret.h).
 */
#include "model/storage-source.h"

#include "model/security-label.h"

const char *const disk_type_names[] = {
    [DISK_FILE] = "file",
    [DISK_BLOCK] = "block",
    [DISK_DIR] = "dir",
    [DISK_NETWORK] = "network",
    [DISK_VOLUME] = "volume",
    [DISK_NVME] = "nvme",
    [DISK_VHOST_USER] = "vhostuser",
    [DISK_VHOST_VDPA] = "vhostvdpa",
    NULL,
};
const char *const disk_format_names[] = {
    [DISK_FORMAT_RAW] = "raw",
    [DISK_FORMAT_QCOW2] = "qcow2",
    [DISK_FORMAT_QED] = "qed",
    [DISK_FORMAT_VMDK] = "vmdk",
    [DISK_FORMAT_VPC] = "vpc",
    [DISK_FORMAT_VDI] = "vdi",
    [DISK_FORMAT_VHDX] = "vhdx",
    [DISK_FORMAT_LUKS] = "luks",
    [DISK_FORMAT_FAT] = "fat",
    [DISK_FORMAT_QCOW] = "qcow",
    [DISK_FORMAT_BOCHS] = "bochs",
    [DISK_FORMAT_CLOOP] = "cloop",
    [DISK_FORMAT_DMG] = "dmg",
    [DISK_FORMAT_PLOOP] = "ploop",
    [DISK_FORMAT_VHD] = "vhd",
    [DISK_FORMAT_DIR] = "dir",
    [DISK_FORMAT_ISO] = "iso",
    [DISK_FORMAT_COW] = "cow",
    NULL,
};
const char *const storage_protocol_names[] = {
    [PROTOCOL_NBD] = "nbd",     [PROTOCOL_RBD] = "rbd",
    [PROTOCOL_ISCSI] = "iscsi", [PROTOCOL_HTTP] = "http",
    [PROTOCOL_HTTPS] = "https", [PROTOCOL_FTP] = "ftp",
    [PROTOCOL_FTPS] = "ftps",   [PROTOCOL_TFTP] = "tftp",
    [PROTOCOL_SSH] = "ssh",     [PROTOCOL_GLUSTER] = "gluster",
    [PROTOCOL_NFS] = "nfs",     [PROTOCOL_SHEEPDOG] = "sheepdog",
    [PROTOCOL_VXHS] = "vxhs",   NULL,
};
static const char *const transport_names[] = {
    [TRANSPORT_TCP] = "tcp",
    [TRANSPORT_UNIX] = "unix",
    [TRANSPORT_RDMA] = "rdma",
    NULL,
};
static const char *const startup_policy_names[] = {
    [STARTUP_MANDATORY] = "mandatory",
    [STARTUP_REQUISITE] = "requisite",
    [STARTUP_OPTIONAL] = "optional",
    NULL,
};
static const char *const volume_mode_names[] = {
    [VOLUME_HOST] = "host",
    [VOLUME_DIRECT] = "direct",
    NULL,
};
static const char *const encryption_names[] = {
    [ENCRYPTION_DEFAULT] = "default",   [ENCRYPTION_QCOW] = "qcow",
    [ENCRYPTION_LUKS] = "luks",         [ENCRYPTION_LUKS2] = "luks2",
    [ENCRYPTION_LUKS_ANY] = "luks-any", NULL,
};
static const char *const engine_names[] = {
    [ENGINE_QEMU] = "qemu",
    [ENGINE_LIBRBD] = "librbd",
    NULL,
};
static const char *const secret_type_names[] = {
    [SECRET_PASSPHRASE] = "passphrase",
    [SECRET_ISCSI] = "iscsi",
    [SECRET_CEPH] = "ceph",
    [SECRET_TLS] = "tls",
    [SECRET_VOLUME] = "volume",
    [SECRET_VTPM] = "vtpm",
    NULL,
};
static const char *const access_names[] = { NULL, "pci", "unix", NULL };
static const char *const slice_names[] = { NULL, "storage", NULL };
static const char *const unix_names[] = { NULL, "unix", NULL };
static const char *const client_names[] = { NULL, "client", NULL };

static const Field auth_fields[] = {
    FIELD_STRING(StorageAuth, username, .path = "@username", .is_required = true,
                 .doc = "Whom to log in as."),
    { .type = TYPE_NONE, .path = "@type", .no_effect = "the secret has a type", .doc = "Old." },
    FIELD_ENUM(StorageAuth, secret.type, secret_type_names, .path = "secret/@type",
               .is_required = true, .doc = "`iscsi`, or `ceph` for rbd."),
    FIELD_UUID(StorageAuth, secret.uuid, .path = "secret/@uuid",
               .doc = "The secret's file below the secret directory."),
    FIELD_STRING(StorageAuth, secret.usage, .path = "secret/@usage",
                 .doc = "The same by what it is for."),
    FIELD_END,
};
const Schema storage_auth_schema = { .element = "auth",
                                     .size = sizeof(StorageAuth),
                                     .fields = auth_fields,
                                     .doc = "A login at a server." };

static const Field secret_fields[] = {
    FIELD_ENUM(SecretReference, type, secret_type_names, .path = "@type", .is_required = true,
               .doc = "`passphrase`."),
    FIELD_UUID(SecretReference, uuid, .path = "@uuid",
               .doc = "The secret's file below the secret directory."),
    FIELD_STRING(SecretReference, usage, .path = "@usage", .doc = "The same by what it is for."),
    FIELD_END,
};
static const Schema secret_schema = { .element = "secret",
                                      .size = sizeof(SecretReference),
                                      .fields = secret_fields,
                                      .doc = "A secret by reference." };

static const Field encryption_fields[] = {
    FIELD_ENUM(StorageEncryption, format, encryption_names, .path = "@format", .is_required = true,
               .doc = "`luks`; with librbd also `luks2` and `luks-any`."),
    FIELD_ENUM(StorageEncryption, engine, engine_names, .path = "@engine",
               .doc = "Who encrypts; `qemu` by default."),
    FIELD_LIST(StorageEncryption, secrets, &secret_schema, .path = "secret",
               .doc = "The passphrase; librbd takes one for each layer."),
    FIELD_REFUSED("the image itself says how it is encrypted", .path = "cipher",
                  .doc = "How a new image is made."),
    FIELD_REFUSED("the image itself says how it is encrypted", .path = "ivgen",
                  .doc = "How a new image is made."),
    FIELD_END,
};
const Schema storage_encryption_schema = { .element = "encryption",
                                           .size = sizeof(StorageEncryption),
                                           .fields = encryption_fields,
                                           .doc = "How an image is encrypted." };

static const Field host_fields[] = {
    FIELD_STRING(StorageHost, name, .path = "@name", .doc = "Name or address."),
    FIELD_UINT(StorageHost, port, .path = "@port", .max = 65535,
               .doc = "Port; the protocol's own by default."),
    FIELD_ENUM(StorageHost, transport, transport_names, .path = "@transport",
               .doc = "`tcp`, the default, or `unix` for nbd and gluster."),
    FIELD_STRING(StorageHost, socket, .path = "@socket", .doc = "unix: path of the socket."),
    FIELD_END,
};
const Schema storage_host_schema = { .element = "host",
                                     .size = sizeof(StorageHost),
                                     .fields = host_fields,
                                     .doc = "A storage server." };

static const Field cookie_fields[] = {
    FIELD_STRING(StorageCookie, name, .path = "@name", .is_required = true, .doc = "Its name."),
    FIELD_STRING(StorageCookie, value, .path = ".", .is_secret = true, .doc = "Its value."),
    FIELD_END,
};
static const Schema cookie_schema = { .element = "cookie",
                                      .size = sizeof(StorageCookie),
                                      .fields = cookie_fields,
                                      .doc = "An HTTP cookie." };

static const Field slice_fields[] = {
    FIELD_ENUM(StorageSlice, type, slice_names, .path = "@type", .is_required = true,
               .doc = "`storage`: where in the source the image is."),
    FIELD_UINT(StorageSlice, offset, .path = "@offset", .is_required = true, .doc = "Bytes."),
    FIELD_UINT(StorageSlice, size, .path = "@size", .is_required = true, .min = 1, .doc = "Bytes."),
    FIELD_END,
};
static const Schema slice_schema = { .element = "slice",
                                     .size = sizeof(StorageSlice),
                                     .fields = slice_fields,
                                     .doc = "A part of the source." };

static const Field data_store_fields[] = {
    FIELD_ENUM(StorageImage, type, disk_type_names, .path = "@type", .doc = "As of a disk."),
    FIELD_ENUM(StorageImage, format, disk_format_names, .path = "format/@type", .doc = "`raw`."),
    FIELD_STRUCT(StorageImage, source, &storage_source_schema, .path = "source",
                 .doc = "Where the data is."),
    FIELD_END,
};
static const Schema data_store_schema = { .element = "dataStore",
                                          .size = sizeof(StorageImage),
                                          .fields = data_store_fields,
                                          .doc =
                                              "qcow2: where the data is, apart from its tables." };

static const Field backing_fields[] = {
    FIELD_ENUM(StorageImage, type, disk_type_names, .path = "@type",
               .doc = "As of a disk; an empty element ends the chain."),
    { .type = TYPE_NONE,
      .path = "@index",
      .is_output = true,
      .doc = "libvirt's number of the image." },
    FIELD_ENUM(StorageImage, format, disk_format_names, .path = "format/@type",
               .doc = "Image format."),
    FIELD_SIZE(StorageImage, metadata_cache, .path = "format/metadata_cache/max_size", .unit = 1,
               .doc = "qcow2: most memory for its tables."),
    FIELD_STRUCT(StorageImage, source, &storage_source_schema, .path = "source",
                 .doc = "Where the image is."),
    FIELD_STRUCT(StorageImage, backing, &storage_backing_schema, .path = "backingStore",
                 .doc = "The next image of the chain."),
    FIELD_END,
};
const Schema storage_backing_schema = { .element = "backingStore",
                                        .size = sizeof(StorageImage),
                                        .fields = backing_fields,
                                        .doc = "The image behind an image." };

static const Field source_fields[] = {
    FIELD_PATH(StorageSource, file, .path = "@file", .doc = "type `file`: its path."),
    FIELD_PATH(StorageSource, dev, .path = "@dev",
               .doc = "types `block` and `vhostvdpa`: path of the host's device."),
    FIELD_PATH(StorageSource, dir, .path = "@dir",
               .doc = "type `dir`: directory that becomes a FAT file system."),
    FIELD_STRING(StorageSource, fd_group, .path = "@fdgroup",
                 .no_effect = "no program hands virtkeep open files; QEMU opens the path",
                 .doc = "libvirt: use a file opened by the caller."),
    FIELD_ENUM(StorageSource, startup_policy, startup_policy_names, .path = "@startupPolicy",
               .change = CHANGE_NONE,
               .doc = "What an image that can't be opened, or whose chain can't, means at a start: an "
                      "error, or (`optional`) that the guest does without the disk until it is "
                      "there; a CD-ROM or floppy drive is empty. `requisite` (media only) is "
                      "`mandatory` here, where no guest comes from another host."),
    { .type = TYPE_NONE,
      .path = "@index",
      .is_output = true,
      .doc = "libvirt's number of the image." },
    FIELD_ENUM(StorageSource, protocol, storage_protocol_names, .path = "@protocol",
               .doc = "type `network`: how the server is spoken to."),
    FIELD_STRING(StorageSource, name, .path = "@name", .doc = "What it calls the image."),
    FIELD_STRING(StorageSource, query, .path = "@query", .doc = "http, https: query string."),
    FIELD_YES_NO(StorageSource, tls, .path = "@tls", .doc = "nbd: encrypt the connection."),
    FIELD_STRING(StorageSource, tls_hostname, .path = "@tlsHostname",
                 .doc = "nbd: name expected in the server's certificate."),
    FIELD_STRING(StorageSource, pool, .path = "@pool",
                 .doc = "type `volume`: a pool of the configuration."),
    FIELD_STRING(StorageSource, volume, .path = "@volume", .doc = "File below the pool's path."),
    FIELD_ENUM(StorageSource, volume_mode, volume_mode_names, .path = "@mode",
               .doc = "iSCSI pools, which virtkeep has not: `host`."),
    FIELD_ENUM(StorageSource, access, access_names, .path = "@type",
               .doc = "`pci` of type `nvme`, `unix` of type `vhostuser`."),
    FIELD_PATH(StorageSource, path, .path = "@path", .doc = "vhostuser: the server's socket."),
    FIELD_YES_NO(StorageSource, managed, .path = "@managed",
                 .doc = "nvme: whether the device is taken from its driver for the guest."),
    FIELD_UINT(StorageSource, nvme_namespace, .path = "@namespace", .min = 1,
               .doc = "nvme: which namespace."),
    FIELD_HEX(StorageSource, pci_domain, .path = "address/@domain", .max = 0xffff,
              .doc = "nvme: the device's PCI domain."),
    FIELD_HEX(StorageSource, pci_bus, .path = "address/@bus", .max = 0xff, .doc = "Bus."),
    FIELD_HEX(StorageSource, pci_slot, .path = "address/@slot", .max = 0x1f, .doc = "Slot."),
    FIELD_HEX(StorageSource, pci_function, .path = "address/@function", .max = 7,
              .doc = "Function."),
    { .type = TYPE_NONE,
      .path = "address/@type",
      .no_effect = "it is always PCI",
      .doc = "`pci`." },
    FIELD_LIST(StorageSource, hosts, &storage_host_schema, .path = "host", .doc = "Servers."),
    FIELD_STRING(StorageSource, snapshot, .path = "snapshot/@name", .doc = "rbd: a snapshot."),
    FIELD_STRING(StorageSource, config, .path = "config/@file",
                 .doc = "rbd: the client's configuration file."),
    FIELD_STRUCT(StorageSource, auth, &storage_auth_schema, .path = "auth",
                 .doc = "A login at the server."),
    FIELD_STRUCT(StorageSource, encryption, &storage_encryption_schema, .path = "encryption",
                 .doc = "How the image is encrypted."),
    FIELD_YES_NO(StorageSource, reservations_managed, .path = "reservations/@managed",
                 .doc = "Persistent reservations: whether the helper is virtkeep's."),
    { .type = TYPE_NONE,
      .path = "reservations/@migration",
      .no_effect = "virtkeep migrates no guests",
      .doc = "Whether they survive a migration." },
    FIELD_ENUM(StorageSource, reservations_type, unix_names, .path = "reservations/source/@type",
               .doc = "`unix`."),
    FIELD_STRING(StorageSource, reservations_path, .path = "reservations/source/@path",
                 .doc = "The helper's socket."),
    FIELD_ENUM(StorageSource, reservations_mode, client_names, .path = "reservations/source/@mode",
               .doc = "`client`."),
    FIELD_STRING(StorageSource, initiator, .path = "initiator/iqn/@name",
                 .doc = "iscsi: the initiator's name."),
    FIELD_LIST(StorageSource, slices, &slice_schema, .path = "slices/slice",
               .doc = "Where in the source the image is."),
    FIELD_YES_NO(StorageSource, ssl_verify, .path = "ssl/@verify",
                 .doc = "https, ftps: check the server's certificate."),
    FIELD_LIST(StorageSource, cookies, &cookie_schema, .path = "cookies/cookie",
               .doc = "http, https: sent with every request."),
    FIELD_UINT(StorageSource, readahead, .path = "readahead/@size",
               .doc = "http, https, ftp, ftps: bytes read ahead."),
    FIELD_UINT(StorageSource, timeout, .path = "timeout/@seconds",
               .doc = "http, https, ftp, ftps: how long to wait for the server."),
    FIELD_STRING(StorageSource, user, .path = "identity/@user", .doc = "nfs: user, as `+NUMBER`."),
    FIELD_STRING(StorageSource, group, .path = "identity/@group",
                 .doc = "nfs: group, as `+NUMBER`."),
    FIELD_STRING(StorageSource, username, .path = "identity/@username", .doc = "ssh: user."),
    FIELD_STRING(StorageSource, key_file, .path = "identity/@keyfile", .doc = "ssh: private key."),
    FIELD_STRING(StorageSource, agent_socket, .path = "identity/@agentsock",
                 .doc = "ssh: the agent's socket."),
    FIELD_STRING(StorageSource, known_hosts, .path = "knownHosts/@path",
                 .doc = "ssh: file of the hosts' keys; only nbdkit can be told."),
    FIELD_YES_NO(StorageSource, reconnect, .path = "reconnect/@enabled",
                 .doc = "vhostuser: whether to connect again."),
    FIELD_UINT(StorageSource, reconnect_timeout, .path = "reconnect/@timeout",
               .doc = "vhostuser: after how many seconds."),
    FIELD_UINT(StorageSource, reconnect_delay, .path = "reconnect/@delay",
               .doc = "nbd: how many seconds to try to connect again."),
    FIELD_STRUCT(StorageSource, data_store, &data_store_schema, .path = "dataStore",
                 .doc = "qcow2: where the data is."),
    FIELD_LIST(StorageSource, labels, &device_label_schema, .path = "seclabel",
               .no_effect = SECURITY_LABEL_NO_EFFECT, .doc = "Labels of the file."),
    FIELD_NO_EFFECT("QEMU's helper connects again by itself", .path = "reservations/source/reconnect",
                    .doc = "Connecting again."),
    FIELD_NO_EFFECT("the host's device is one function", .path = "address/@multifunction",
                    .doc = "nvme: not read of a host's address."),
    { .type = TYPE_NONE, .path = "privateData", .is_output = true, .doc = "libvirt's own." },
    FIELD_END,
};
const Schema storage_source_schema = { .element = "source",
                                       .size = sizeof(StorageSource),
                                       .fields = source_fields,
                                       .doc = "Where an image is. What may be there depends on the "
                                              "type of the disk." };

bool
storage_is_set(int type, const StorageSource *source)
{
    if (!source)
        return false;
    switch ((DiskType) type) {
    case DISK_FILE:
        return source->file && *source->file;
    case DISK_BLOCK:
    case DISK_VHOST_VDPA:
        return source->dev && *source->dev;
    case DISK_DIR:
        return source->dir && *source->dir;
    case DISK_NETWORK:
        return source->protocol;
    case DISK_VOLUME:
        return source->pool || source->volume;
    case DISK_NVME:
        return source->access || source->nvme_namespace.is_set;
    case DISK_VHOST_USER:
        return source->path;
    }
    return false;
}

guint
storage_default_port(int protocol)
{
    static const guint ports[] = {
        [PROTOCOL_NBD] = 10809, [PROTOCOL_ISCSI] = 3260,    [PROTOCOL_HTTP] = 80,
        [PROTOCOL_HTTPS] = 443, [PROTOCOL_FTP] = 21,        [PROTOCOL_FTPS] = 990,
        [PROTOCOL_TFTP] = 69,   [PROTOCOL_SSH] = 22,        [PROTOCOL_GLUSTER] = 24007,
        [PROTOCOL_VXHS] = 9999, [PROTOCOL_SHEEPDOG] = 7000,
    };

    return protocol < (int) G_N_ELEMENTS(ports) ? ports[protocol] : 0;
}
