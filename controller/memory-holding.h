/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "controller/subject.h"
#include "model/memory-claim.h"

/*
 * MemoryHolding: the claims of a domain (MemoryClaim, as the ledger knows them but for grants) as
 * they follow from what was gathered about it. Arrays own their claims; the caller frees them.
 */

/* Whether it is known what the domain's QEMU holds: there is one, it answers, and what it was
 * started with is known. */
bool memory_holding_is_known(const Subject *subject);
/* What the running QEMU holds and the file makes of that; NULL while QEMU does not answer.
 * @plugging: a device of the file that is about to be plugged, or NULL; @known: claims of before,
 * among them those that wait to be plugged. */
GPtrArray *memory_holding_running(const Subject *subject, const Site *site, const GPtrArray *known,
                                  const char *plugging);
/* The same with what a QEMU that is to replace this one takes of @pools (MemoryPool) besides. */
GPtrArray *memory_holding_restart(const Subject *subject, const Site *site, const GPtrArray *known,
                                  const char *plugging, const GPtrArray *pools);
/* What a start as the file says takes. */
GPtrArray *memory_holding_start(const Subject *subject, const Site *site);
/* Of a QEMU that can't be asked: the most it can hold by the document that it was started with, or
 * by the file. Of one that answers and whose document is lost: what it says itself. */
GPtrArray *memory_holding_worst(const Subject *subject, const Site *site);
