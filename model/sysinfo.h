/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/device.h"

/* <sysinfo>: what the guest reads in its SMBIOS tables, and files of fw_cfg. */
typedef enum { SYSINFO_SMBIOS = 1, SYSINFO_FWCFG } SysinfoType;

typedef struct SysinfoEntry {
    char *name;
    char *file; /* fw_cfg: content from there */
    char *value;
} SysinfoEntry;

typedef struct SysinfoBoard { GPtrArray *entries; /* SysinfoEntry */ } SysinfoBoard;

typedef struct Sysinfo {
    int type; /* SysinfoType */
    GPtrArray *bios, *system, *chassis, *oem_strings, *files; /* SysinfoEntry */
    GPtrArray *boards; /* SysinfoBoard */
} Sysinfo;

extern const Schema sysinfo_schema;
/* Rules over all of the domain's, for domain.c's sections. */
void sysinfo_validate(const Validation *validation);
