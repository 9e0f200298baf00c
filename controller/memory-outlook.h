/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "controller/subject.h"
#include "reconcile/memory-forecast.h"

/*
 * MemoryOutlook: what a plan of several domains makes of the host's memory. Looks at the ledger and
 * changes nothing.
 */
typedef struct MemoryOutlook MemoryOutlook;

/* From the host and the ledger, or from what a recording says of them. NULL with @error. */
MemoryOutlook *memory_outlook_new(const Site *site, GError **error);
void memory_outlook_free(MemoryOutlook *outlook); /* NULL is allowed */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(MemoryOutlook, memory_outlook_free)

/* @subject's domain will hold what @plan, made of it, leads to. */
void memory_outlook_add(MemoryOutlook *outlook, const Subject *subject, const DomainPlan *plan);
/* Why the start that @plan has can't be made now, for the host's memory; NULL when it can.
 * @ret_is_never: it can never be made; written with a reason. Caller frees. */
char *memory_outlook_held(const MemoryOutlook *outlook, const Subject *subject,
                          const DomainPlan *plan, bool *ret_is_never);
/* How all that was added would come about. Caller frees. */
MemoryForecast *memory_outlook_forecast(const MemoryOutlook *outlook);
