/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/domain.h"

/*
 * The domain's own rows stand in several files by subject; domain.c joins them to one table in
 * this order, which is also the order of a formatted document. A section's rows end with
 * FIELD_END and are of `Domain`.
 */
typedef struct DomainSection {
    const Field *fields;
    void (*validate)(const Validation *validation); /* rules over several rows; may be NULL */
} DomainSection;

extern const DomainSection domain_memory_section; /* memory, memoryBacking */
extern const DomainSection domain_tuning_section; /* vcpu, *tune, resource */
extern const DomainSection domain_os_section;     /* os, sysinfo, bootloader */
extern const DomainSection domain_features_section;
extern const DomainSection domain_cpu_section;    /* cpu, NUMA cells */
extern const DomainSection domain_clock_section;
extern const DomainSection domain_security_section; /* launchSecurity, seclabel, keywrap */
extern const DomainSection domain_namespace_section; /* qemu:commandline and its like */

extern const char *const memory_access_names[]; /* "shared", "private" */
