/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/domain.h"

typedef enum { DISK_FILE = 1, DISK_BLOCK, DISK_DIR, DISK_NETWORK, DISK_VOLUME, DISK_NVME,
               DISK_VHOST_USER, DISK_VHOST_VDPA } DiskType;
typedef enum { DISK_DEVICE_DISK = 1, DISK_DEVICE_CDROM, DISK_DEVICE_FLOPPY,
               DISK_DEVICE_LUN } DiskDevice;
typedef enum { DISK_BUS_IDE = 1, DISK_BUS_SATA, DISK_BUS_SCSI, DISK_BUS_VIRTIO, DISK_BUS_USB,
               DISK_BUS_FDC, DISK_BUS_SD } DiskBus;
typedef enum { DISK_FORMAT_RAW = 1, DISK_FORMAT_QCOW2, DISK_FORMAT_QED, DISK_FORMAT_VMDK,
               DISK_FORMAT_VPC, DISK_FORMAT_VDI, DISK_FORMAT_VHDX, DISK_FORMAT_LUKS,
               DISK_FORMAT_FAT } DiskFormat;
typedef enum { DISK_CACHE_DEFAULT = 1, DISK_CACHE_NONE, DISK_CACHE_WRITETHROUGH,
               DISK_CACHE_WRITEBACK, DISK_CACHE_DIRECTSYNC, DISK_CACHE_UNSAFE } DiskCache;
typedef enum { DISK_IO_NATIVE = 1, DISK_IO_THREADS, DISK_IO_URING } DiskIo;
typedef enum { DISK_ERROR_STOP = 1, DISK_ERROR_REPORT, DISK_ERROR_IGNORE,
               DISK_ERROR_ENOSPACE } DiskErrorPolicy;
typedef enum { DISK_DISCARD_UNMAP = 1, DISK_DISCARD_IGNORE } DiskDiscard;
typedef enum { DETECT_ZEROES_OFF = 1, DETECT_ZEROES_ON, DETECT_ZEROES_UNMAP } DetectZeroes;

typedef struct Disk {
    DeviceInfo info;
    int type;   /* DiskType */
    int device; /* DiskDevice; absent = disk */
    char *driver_name;
    int format, cache, io, error_policy, rerror_policy, discard, detect_zeroes;
    int copy_on_read, discard_no_unref; /* on/off */
    int ioeventfd, event_idx;           /* on/off */
    OptUint queues, queue_size;
    char *file, *dev;    /* source */
    int startup_policy;
    char *target_dev;    /* "vda" */
    int bus;             /* DiskBus */
    int removable;       /* on/off: usb */
    int tray;            /* open, closed */
    OptUint rotation_rate;
    bool is_read_only, is_shareable, is_transient;
    char *serial, *wwn, *vendor, *product;
    OptUint logical_block, physical_block; /* bytes */
    OptUint cylinders, heads, sectors;     /* geometry */
    bool no_backing_store; /* an explicit, empty <backingStore/> */
} Disk;

extern const DeviceKind disk_kind;

/* Index of a target name: hda 0, vdb 1, sdaa 26; -1 when it has none. */
int disk_target_index(const char *target_dev);
DiskDevice disk_device(const Disk *disk); /* with the default */
DiskBus disk_bus(const Disk *disk);       /* from the target's name when not given */
