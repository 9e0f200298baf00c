/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/domain.h"
#include "model/storage-source.h"

/* Devices of the host that the guest is given. */
typedef enum {
    HOSTDEV_PCI = 1,
    HOSTDEV_USB,
    HOSTDEV_SCSI,
    HOSTDEV_SCSI_HOST,
    HOSTDEV_MDEV
} HostdevType;
typedef enum { HOSTDEV_SUBSYSTEM = 1, HOSTDEV_CAPABILITIES } HostdevMode;
typedef enum {
    HOSTDEV_MODEL_VFIO_PCI = 1,
    HOSTDEV_MODEL_VFIO_CCW,
    HOSTDEV_MODEL_VFIO_AP,
    HOSTDEV_MODEL_VIRTIO,
    HOSTDEV_MODEL_TRANSITIONAL,
    HOSTDEV_MODEL_NON_TRANSITIONAL
} HostdevModel;
typedef enum { GUEST_RESET_OFF = 1, GUEST_RESET_UNINITIALIZED, GUEST_RESET_ON } GuestReset;

typedef struct Hostdev {
    DeviceInfo info;
    int mode, type, model;          /* HostdevMode, HostdevType, HostdevModel */
    int managed;                    /* yes/no */
    int display, ramfb;             /* on/off */
    int driver_name;                /* 1: vfio */
    char *driver_model;             /* vfio: the variant */
    int address_type;               /* 1: pci, which may be left out */
    OptUint domain, slot, function; /* pci */
    OptUint bus;                    /* pci, usb, scsi */
    OptUint device;                 /* usb */
    char *adapter;                  /* scsi: "scsi_host0" */
    OptUint target, unit;           /* scsi */
    int is_iscsi;                   /* 1: scsi of a server */
    char *name, *initiator;         /* iscsi */
    GPtrArray *hosts;               /* StorageHost: iscsi */
    StorageAuth *auth;              /* iscsi */
    int raw_io, sgio;               /* yes/no; 1: filtered, 2: unfiltered */
    bool is_read_only, is_shareable;
    OptUint vendor, product;        /* usb */
    int startup_policy;
    int guest_reset;                /* GuestReset: usb */
    char *uuid;                     /* mdev */
    int protocol;                   /* 1: vhost (scsi_host) */
    char *wwpn;
    int teaming; /* 2: transient */
    char *teaming_persistent;
} Hostdev;

extern const DeviceKind hostdev_kind;

/* The number of a SCSI unit's adapter ("scsi_host3": 3); false when its name is none. */
bool hostdev_adapter_number(const Hostdev *hostdev, guint *ret_number);
/* The source of an iscsi unit as an image's; borrows from @hostdev. */
StorageSource hostdev_iscsi_source(const Hostdev *hostdev);
/* Whether it is a device of s390 machines: vfio-ccw, vfio-ap. */
bool hostdev_is_s390(const Hostdev *hostdev);
