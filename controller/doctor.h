/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "controller/config.h"

/*
 * What `virtkeep doctor` finds: one Finding for each thing it looked at, in order. A check only
 * looks: it creates, changes and starts nothing that outlives it.
 */
typedef enum {
    FINDING_OK,
    FINDING_WARN, /* something will not work, or not well */
    FINDING_FAIL, /* virtkeep, or most guests, will not work */
} FindingLevel;

typedef struct Finding {
    FindingLevel level;
    const char *check; /* "kvm"; static */
    char *text;
    char *advice; /* what to do; NULL when nothing */
} Finding;

/* Findings of one run. */
typedef struct Findings {
    GPtrArray *items; /* Finding* */
} Findings;

Findings *findings_new(void);
void findings_free(Findings *findings);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Findings, findings_free)
/* @check static; @advice copied, NULL when there is nothing to do. */
void findings_add(Findings *findings, FindingLevel level, const char *check, const char *advice,
                  const char *format, ...) G_GNUC_PRINTF(5, 6);
const char *finding_level_name(FindingLevel level); /* "ok", "warn", "fail" */

/* doctor-qemu.c: KVM, the emulators, firmware descriptors. */
void doctor_check_qemu(const Config *config, Findings *findings);
/* doctor-host.c: memory, huge pages, limits, inotify, bridges. */
void doctor_check_host(const Config *config, Findings *findings);
/* doctor-cgroup.c: whether domains can be held to limits. */
void doctor_check_cgroup(const Config *config, Findings *findings);
/* doctor-paths.c: the directories and files of the configuration. */
void doctor_check_paths(const Config *config, Findings *findings);
