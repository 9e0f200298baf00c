/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/schema.h"

/* libvirt's way past its own model: arguments, environment and device properties for QEMU as they
 * are. Arbitrary code, hence behind the configuration's allow-qemu-namespace. */
#define QEMU_NAMESPACE "http://libvirt.org/schemas/domain/qemu/1.0"

typedef struct QemuArgument { char *value; } QemuArgument;
typedef struct QemuVariable { char *name, *value; } QemuVariable;
typedef struct QemuCommandLine {
    GPtrArray *arguments; /* QemuArgument */
    GPtrArray *variables; /* QemuVariable */
} QemuCommandLine;

typedef enum { OVERRIDE_STRING = 1, OVERRIDE_SIGNED, OVERRIDE_UNSIGNED, OVERRIDE_BOOL,
               OVERRIDE_REMOVE } OverrideType;
typedef struct QemuProperty {
    char *name;
    int type; /* OverrideType */
    char *value;
} QemuProperty;
typedef struct QemuOverride {
    char *alias;           /* of the device */
    GPtrArray *properties; /* QemuProperty */
} QemuOverride;
typedef struct QemuOverrides { GPtrArray *devices; /* QemuOverride */ } QemuOverrides;
