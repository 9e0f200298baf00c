/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/domain.h"

typedef enum {
    INTERFACE_USER = 1,
    INTERFACE_BRIDGE,
    INTERFACE_NETWORK,
    INTERFACE_ETHERNET,
    INTERFACE_DIRECT,
    INTERFACE_VHOSTUSER,
    INTERFACE_HOSTDEV,
    INTERFACE_SERVER,
    INTERFACE_CLIENT,
    INTERFACE_MCAST,
    INTERFACE_UDP,
    INTERFACE_INTERNAL,
    INTERFACE_VDPA,
    INTERFACE_NULL,
    INTERFACE_VDS
} InterfaceType;
typedef enum { LINK_UP = 1, LINK_DOWN } LinkState;

typedef struct Interface {
    DeviceInfo info;
    int type; /* InterfaceType */
    char *mac;
    char *bridge;     /* source/@bridge */
    char *target_dev; /* tap name */
    char *model;      /* "virtio", "e1000e", "rtl8139", … */
    int link;         /* LinkState */
    OptUint mtu;
    int driver_name; /* qemu, vhost */
    OptUint queues, rx_queue_size, tx_queue_size;
    int ioeventfd, event_idx, tx_mode;
} Interface;

extern const DeviceKind interface_kind;
typedef enum { NET_DRIVER_QEMU = 1, NET_DRIVER_VHOST } NetDriver;
