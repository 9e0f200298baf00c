/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/chardev.h"

typedef enum { SMARTCARD_HOST = 1, SMARTCARD_CERTIFICATES, SMARTCARD_PASSTHROUGH } SmartcardMode;
typedef struct SmartcardCertificate {
    char *name;
} SmartcardCertificate;

typedef struct Smartcard {
    DeviceInfo info;
    int mode;                /* SmartcardMode */
    GPtrArray *certificates; /* SmartcardCertificate */
    char *database;
    Chardev chardev; /* passthrough: only the host side is used */
} Smartcard;

extern const DeviceKind smartcard_kind;
#define SMARTCARD_DATABASE "/etc/pki/nssdb"
