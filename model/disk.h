/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/domain.h"
#include "model/storage-source.h"
#include "model/throttle.h"

typedef enum {
    DISK_DEVICE_DISK = 1,
    DISK_DEVICE_CDROM,
    DISK_DEVICE_FLOPPY,
    DISK_DEVICE_LUN
} DiskDevice;
typedef enum {
    DISK_BUS_IDE = 1,
    DISK_BUS_SATA,
    DISK_BUS_SCSI,
    DISK_BUS_VIRTIO,
    DISK_BUS_USB,
    DISK_BUS_FDC,
    DISK_BUS_SD
} DiskBus;
typedef enum {
    DISK_MODEL_VIRTIO = 1,
    DISK_MODEL_TRANSITIONAL,
    DISK_MODEL_NON_TRANSITIONAL
} DiskModel;
typedef enum {
    DISK_CACHE_DEFAULT = 1,
    DISK_CACHE_NONE,
    DISK_CACHE_WRITETHROUGH,
    DISK_CACHE_WRITEBACK,
    DISK_CACHE_DIRECTSYNC,
    DISK_CACHE_UNSAFE
} DiskCache;
typedef enum { DISK_IO_NATIVE = 1, DISK_IO_THREADS, DISK_IO_URING } DiskIo;
typedef enum {
    DISK_ERROR_STOP = 1,
    DISK_ERROR_REPORT,
    DISK_ERROR_IGNORE,
    DISK_ERROR_ENOSPACE
} DiskErrorPolicy;
typedef enum { DISK_DISCARD_UNMAP = 1, DISK_DISCARD_IGNORE } DiskDiscard;
typedef enum { DETECT_ZEROES_OFF = 1, DETECT_ZEROES_ON, DETECT_ZEROES_UNMAP } DetectZeroes;
typedef enum {
    SNAPSHOT_NO = 1,
    SNAPSHOT_INTERNAL,
    SNAPSHOT_EXTERNAL,
    SNAPSHOT_MANUAL
} DiskSnapshot;
typedef enum { TRAY_OPEN = 1, TRAY_CLOSED } DiskTray;
typedef enum { GEOMETRY_NONE = 1, GEOMETRY_AUTO, GEOMETRY_LBA } DiskTranslation;
typedef enum { SGIO_FILTERED = 1, SGIO_UNFILTERED } DiskSgio;

/* throttlefilters/throttlefilter: the first is nearest to the image. */
typedef struct ThrottleFilter {
    char *group;
} ThrottleFilter;

typedef struct Disk {
    DeviceInfo info;
    VirtioOptions virtio;
    int type;   /* DiskType; file by default */
    int device; /* DiskDevice; absent = disk */
    int model;  /* DiskModel: virtio only */
    int raw_io; /* yes/no: lun */
    int sgio, snapshot;
    char *driver_name;
    int format, cache, io, error_policy, rerror_policy, discard, detect_zeroes;
    int copy_on_read, discard_no_unref; /* on/off */
    int ioeventfd, event_idx;           /* on/off */
    OptUint queues, queue_size;
    OptUint metadata_cache; /* bytes */
    OptUint iothread;
    GPtrArray *iothreads; /* IoThreadMapping */
    StorageSource *source;
    StorageImage *backing;         /* NULL: the image's header says it */
    StorageAuth *auth;             /* the old place of the source's */
    StorageEncryption *encryption; /* likewise */
    char *target_dev;              /* "vda" */
    int bus;                       /* DiskBus */
    int removable;                 /* on/off: usb */
    int tray;                      /* DiskTray */
    OptUint rotation_rate;
    bool is_read_only, is_shareable, is_transient;
    int transient_share; /* yes/no */
    char *serial, *wwn, *vendor, *product;
    OptUint logical_block, physical_block, discard_granularity; /* bytes */
    OptUint cylinders, heads, sectors;                          /* geometry */
    int translation;
    Throttle *iotune;
    GPtrArray *throttle_filters; /* ThrottleFilter */
} Disk;

extern const DeviceKind disk_kind;
extern const char *const disk_bus_names[];

/* Index of a target name: hda 0, vdb 1, sdaa 26; -1 when it has none. */
int disk_target_index(const char *target_dev);
DiskDevice disk_device(const Disk *disk); /* with the default */
DiskBus disk_bus(const Disk *disk);       /* from the target's name when not given */
DiskType disk_type(const Disk *disk);     /* with the default */
/* Whether an image is named; a CD-ROM or floppy may have none. */
bool disk_has_source(const Disk *disk);
/* Login and encryption, wherever they stand; may be NULL. */
const StorageAuth *disk_auth(const Disk *disk);
const StorageEncryption *disk_encryption(const Disk *disk);
/* A drive whose medium comes and goes: a CD-ROM or floppy with a tray. */
bool disk_takes_media(const Disk *disk);
/* The kind's change_class (disk-change.c). */
ChangeClass disk_change_class(gconstpointer before, gconstpointer after, const Field *field);
/* Rules beyond single fields (disk-check.c). */
/* No two disks have one target. */
void disk_targets_validate(const Validation *v);
void disk_validate(const Validation *validation, gconstpointer item);
