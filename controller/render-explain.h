/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "controller/render-history.h"
#include "controller/subject.h"
#include "state/memory_devices.h"

/*
 * Explanation: one domain from all sides, collected for `explain`. Borrows the subject, owns the
 * rest.
 */
typedef struct Explanation {
    const Site *site;
    const Subject *subject;
    DomainPlan *plan;
    GPtrArray *devices; /* MemoryDeviceRecord*: what the last pass said of them */
    GPtrArray *policy;  /* PolicyLine* */
    History history;    /* actions and changes, the newest few */
} Explanation;

void explanation_clear(Explanation *explanation);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Explanation, explanation_clear)

/* Caller frees both. */
char *explanation_text(const Explanation *explanation, gint64 now, bool is_colored);
Json *explanation_json(const Explanation *explanation);
