/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "reconcile/memory-queue.h"

/*
 * MemoryAnswers: what memory_budget_allocate() answers to many domains one after another, while
 * they take and give between. The same answers, for a fraction of the work.
 */
typedef struct MemoryAnswers MemoryAnswers;

/* When they ask: all at the same time, at which nobody has waited long
 * (reconcile/memory-patience.h).
 */
#define MEMORY_NO_TIME 0

/* Borrows both, MemoryPool* and MemoryClaim*. The claims may change in what a pass changes of them,
 * if memory_answers_expire() is told. */
MemoryAnswers *memory_answers_new(const GPtrArray *pools, const GPtrArray *claims);
void memory_answers_free(MemoryAnswers *answers);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(MemoryAnswers, memory_answers_free)

/* @own: guint, the numbers of all claims of one domain; it asks. Writes ret_limits[i] of these. */
void memory_answers_ask(MemoryAnswers *answers, const GArray *own, guint64 *ret_limits);
/* Whether what all may hold stays as it is when claims of the domain of @own take what they may and
 * no more. If not, memory_answers_expire() is to be told of a change of any of them. */
bool memory_answers_outlast(const MemoryAnswers *answers, const GArray *own);
void memory_answers_expire(MemoryAnswers *answers);

/* The queue as it was if no domain asked, served, when it was made: after memory_answers_expire().
 * Borrowed until then. */
const MemoryQueue *memory_answers_queue(MemoryAnswers *answers);
/* Whether the domain of @own gets out of this queue what it gets if it asks. */
bool memory_answers_are_common(const MemoryAnswers *answers, const GArray *own);
/* Whether everybody is known to get all that they want, from now on. */
bool memory_answers_are_plenty(const MemoryAnswers *answers);
