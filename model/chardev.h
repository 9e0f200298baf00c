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
    CHARDEV_SPICEPORT,
    CHARDEV_QEMU_VDAGENT,
    CHARDEV_DBUS,
    CHARDEV_NMDM
} ChardevType;
typedef enum { CHARDEV_CONNECT = 1, CHARDEV_BIND } ChardevMode;
typedef enum { CHARDEV_RAW = 1, CHARDEV_TELNET, CHARDEV_TELNETS, CHARDEV_TLS } ChardevProtocol;
typedef enum {
    CHARDEV_TARGET_ISA_SERIAL = 1,
    CHARDEV_TARGET_USB_SERIAL,
    CHARDEV_TARGET_PCI_SERIAL,
    CHARDEV_TARGET_SERIAL,
    CHARDEV_TARGET_VIRTIO,
    CHARDEV_TARGET_ISA_DEBUG,
    CHARDEV_TARGET_GUESTFWD,
    CHARDEV_TARGET_XEN,
    CHARDEV_TARGET_SCLP,
    CHARDEV_TARGET_SCLP_LM,
    CHARDEV_TARGET_SYSTEM,
    CHARDEV_TARGET_SPAPR_VIO
} ChardevTarget;

typedef struct ChardevSource {
    int mode; /* ChardevMode */
    char *path, *host, *service, *channel;
    int append;                          /* on/off */
    int reconnect;                       /* yes/no */
    OptUint reconnect_timeout;           /* s */
    int tls;                             /* yes/no */
    int clipboard_copypaste, mouse_mode; /* qemu-vdagent: yes/no, ChardevMouse */
    GPtrArray *labels;                   /* DeviceLabel */
} ChardevSource;

typedef enum { CHARDEV_MOUSE_SERVER = 1, CHARDEV_MOUSE_CLIENT } ChardevMouse;

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
    char *target_model;   /* serial: "isa-serial" */
    char *target_address; /* guestfwd: IP address that the guest connects to */
} Chardev;

extern const char *const chardev_type_names[], *const chardev_protocol_names[];
extern const Schema chardev_source_schema;

/* The rows of the host side, for a struct S: @member leads to the Chardev's members ("" or
 * `chardev.`), @at to the element ("" or "backend/"). */
#define CHARDEV_BACKEND_FIELDS(S, member, at, ...)                                                 \
    CHARDEV_BACKEND_ROWS(S, member, at, CHANGE_RESTART, __VA_ARGS__)
#define CHARDEV_BACKEND_ROWS(S, member, at, class, ...)                                            \
    FIELD_ENUM(S, member type, chardev_type_names, .path = at "@type", .change = class,            \
               __VA_ARGS__.doc = "What the host side is."),                                        \
        FIELD_LIST(S, member sources, &chardev_source_schema, .path = at "source",                 \
                   .change = class, .doc = "Where it leads to."),                                  \
        FIELD_ENUM(S, member protocol, chardev_protocol_names, .path = at "protocol/@type",        \
                   .change = class, .doc = "tcp: protocol on the connection."),                    \
        FIELD_PATH(S, member log_file, .path = at "log/@file", .change = class,                    \
                   .doc = "Everything is also written here."),                                     \
        FIELD_ON_OFF(S, member log_append, .path = at "log/@append", .change = class,              \
                     .doc = "Keep what the log has.")

extern const DeviceKind serial_kind, parallel_kind, console_kind, channel_kind, redirdev_kind;

/* The source that says where to, or NULL. */
const ChardevSource *chardev_source(const Chardev *chardev);
/* Refuses what is wrong with a host side; @at as for CHARDEV_BACKEND_FIELDS. */
void validate_chardev_backend(const Validation *validation, const Chardev *chardev, const char *at);
