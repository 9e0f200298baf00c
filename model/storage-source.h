/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/device.h"

/*
 * Where the bytes of an image are: <source> as disks, the images behind them and firmware stores
 * have it (formatdomain, "Hard drives"), and secrets by reference.
 */
typedef enum {
    DISK_FILE = 1,
    DISK_BLOCK,
    DISK_DIR,
    DISK_NETWORK,
    DISK_VOLUME,
    DISK_NVME,
    DISK_VHOST_USER,
    DISK_VHOST_VDPA
} DiskType;
typedef enum {
    DISK_FORMAT_RAW = 1,
    DISK_FORMAT_QCOW2,
    DISK_FORMAT_QED,
    DISK_FORMAT_VMDK,
    DISK_FORMAT_VPC,
    DISK_FORMAT_VDI,
    DISK_FORMAT_VHDX,
    DISK_FORMAT_LUKS,
    DISK_FORMAT_FAT,
    DISK_FORMAT_QCOW,
    DISK_FORMAT_BOCHS,
    DISK_FORMAT_CLOOP,
    DISK_FORMAT_DMG,
    DISK_FORMAT_PLOOP,
    DISK_FORMAT_VHD,
    DISK_FORMAT_DIR,
    DISK_FORMAT_ISO,
    DISK_FORMAT_COW
} DiskFormat;
typedef enum {
    PROTOCOL_NBD = 1,
    PROTOCOL_RBD,
    PROTOCOL_ISCSI,
    PROTOCOL_HTTP,
    PROTOCOL_HTTPS,
    PROTOCOL_FTP,
    PROTOCOL_FTPS,
    PROTOCOL_TFTP,
    PROTOCOL_SSH,
    PROTOCOL_GLUSTER,
    PROTOCOL_NFS,
    PROTOCOL_SHEEPDOG,
    PROTOCOL_VXHS
} StorageProtocol;
typedef enum { TRANSPORT_TCP = 1, TRANSPORT_UNIX, TRANSPORT_RDMA } StorageTransport;
typedef enum { STARTUP_MANDATORY = 1, STARTUP_REQUISITE, STARTUP_OPTIONAL } StartupPolicy;
typedef enum { VOLUME_HOST = 1, VOLUME_DIRECT } VolumeMode;
typedef enum {
    ENCRYPTION_DEFAULT = 1,
    ENCRYPTION_QCOW,
    ENCRYPTION_LUKS,
    ENCRYPTION_LUKS2,
    ENCRYPTION_LUKS_ANY
} EncryptionFormat;
typedef enum { ENGINE_QEMU = 1, ENGINE_LIBRBD } EncryptionEngine;
typedef enum {
    SECRET_PASSPHRASE = 1,
    SECRET_ISCSI,
    SECRET_CEPH,
    SECRET_TLS,
    SECRET_VOLUME,
    SECRET_VTPM
} SecretType;

/* A secret by its uuid, or by type and usage. */
typedef struct SecretReference {
    int type; /* SecretType */
    char *uuid, *usage;
} SecretReference;

typedef struct StorageAuth {
    char *username;
    SecretReference secret;
} StorageAuth;

typedef struct StorageEncryption {
    int format, engine;
    GPtrArray *secrets; /* SecretReference */
} StorageEncryption;

typedef struct StorageHost {
    char *name, *socket;
    OptUint port;
    int transport;
} StorageHost;

typedef struct StorageCookie {
    char *name, *value;
} StorageCookie;

typedef struct StorageSlice {
    int type;             /* 1: storage */
    OptUint offset, size; /* bytes */
} StorageSlice;

typedef struct StorageImage StorageImage;

/* Which members count is a matter of the type, which stands beside it: validate_storage(). */
typedef struct StorageSource {
    char *file, *dev, *dir;
    char *fd_group;
    int startup_policy;
    int protocol; /* network */
    char *name, *query;
    int tls; /* yes/no */
    char *tls_hostname;
    char *pool, *volume; /* volume */
    int volume_mode;
    int access;  /* @type: 1 pci (nvme), 2 unix (vhost-user) */
    char *path;  /* vhost-user: the socket */
    int managed; /* nvme: yes/no */
    OptUint nvme_namespace;
    OptUint pci_domain, pci_bus, pci_slot, pci_function;
    GPtrArray *hosts;   /* StorageHost */
    GPtrArray *cookies; /* StorageCookie */
    GPtrArray *slices;  /* StorageSlice */
    StorageAuth *auth;
    StorageEncryption *encryption;
    char *snapshot, *config, *initiator;
    int ssl_verify; /* yes/no */
    OptUint readahead /* bytes */, timeout /* s */;
    char *user, *group;                       /* identity: nfs */
    char *username, *key_file, *agent_socket; /* identity: ssh */
    char *known_hosts;
    int reconnect;                              /* yes/no: vhost-user */
    OptUint reconnect_timeout, reconnect_delay; /* s: vhost-user; nbd */
    int reservations_managed;                   /* yes/no */
    int reservations_type, reservations_mode;
    char *reservations_path;
    StorageImage *data_store;
    GPtrArray *labels; /* DeviceLabel */
} StorageSource;

/* An image with its format: <backingStore>, <dataStore>. */
struct StorageImage {
    int type, format;
    OptUint metadata_cache; /* bytes */
    StorageSource *source;
    StorageImage *backing; /* NULL: not said. Without type: the chain ends. */
};

extern const char *const disk_type_names[], *const disk_format_names[];
extern const char *const storage_protocol_names[];
extern const Schema storage_host_schema, storage_source_schema, storage_auth_schema,
    storage_encryption_schema, storage_backing_schema;

/* Whether @source says where, for @type. */
bool storage_is_set(int type, const StorageSource *source);
/* "example.org" and 10809 by default for nbd; 0 = the protocol has none. */
guint storage_default_port(int protocol);

/* The rules of an image, reported at paths below @path ("" for the device itself). @auth and
 * @encryption are those in force, wherever they stand. */
typedef struct StorageCheck {
    const Validation *validation;
    const char *path;
    int type, format;
    const StorageSource *source;
    const StorageAuth *auth;
    const StorageEncryption *encryption;
} StorageCheck;

void storage_check(const StorageCheck *check);
/* The same for a chain of backing images; @path is the first one's. */
void storage_check_chain(const Validation *validation, const char *path, const StorageImage *image);
