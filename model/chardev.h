/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/domain.h"

/* Character devices: <serial>, <parallel>, <console>, <channel> share their backend. */
typedef enum {
    CHARDEV_NULL = 1,
    CHARDEV_VC,
    CHARDEV_PTY,
    CHARDEV_DEV,
    CHARDEV_FILE,
    CHARDEV_PIPE,
    CHARDEV_STDIO,
    CHARDEV_UDP,
    CHARDEV_TCP,
    CHARDEV_UNIX,
    CHARDEV_SPICEVMC,
    CHARDEV_SPICEPORT
} ChardevType;
typedef enum { CHARDEV_CONNECT = 1, CHARDEV_BIND } ChardevMode;
typedef enum { CHARDEV_RAW = 1, CHARDEV_TELNET, CHARDEV_TELNETS, CHARDEV_TLS } ChardevProtocol;
typedef enum {
    CHARDEV_TARGET_ISA_SERIAL = 1,
    CHARDEV_TARGET_USB_SERIAL,
    CHARDEV_TARGET_PCI_SERIAL,
    CHARDEV_TARGET_SERIAL,
    CHARDEV_TARGET_VIRTIO,
    CHARDEV_TARGET_ISA_DEBUG
} ChardevTarget;

typedef struct ChardevSource {
    int mode; /* ChardevMode */
    char *path, *host, *service, *channel;
    int append; /* on/off */
} ChardevSource;

typedef struct Chardev {
    DeviceInfo info;
    int type;           /* ChardevType */
    GPtrArray *sources; /* ChardevSource; two for udp */
    int protocol;
    char *log_file;
    int log_append;    /* on/off */
    int target_type;   /* ChardevTarget */
    char *target_name; /* channel: "org.qemu.guest_agent.0" */
    OptUint target_port;
    char *target_model; /* serial: "isa-serial" */
} Chardev;

extern const DeviceKind serial_kind, parallel_kind, console_kind, channel_kind;

/* The source that says where to, or NULL. */
const ChardevSource *chardev_source(const Chardev *chardev);
