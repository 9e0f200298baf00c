/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "controller/memory-move.h"

/*
 * Balloon move: the part of a pass that has a guest's balloon leave it what the file says: asks,
 * and looks later. One row of the journal is the whole move, however many passes it takes, and
 * whoever makes them.
 */

/* Before a QEMU started with @domain is asked for the first time (balloon_inflate()): the row. */
bool balloon_move_expect(Subject *subject, const Site *site, const Domain *domain, GError **error);

/* What the open row asks for, bytes; 0 when there is none, or it can't be read. */
guint64 balloon_move_asked(const Site *site, const char *name);

/* Carries out @plan's set-balloon, or ends the row of one that has come about. Joins what it finds
 * to @move, and to @memories (PassMemory*). False with @error when QEMU or the state refused. */
bool balloon_move_run(Subject *subject, const Site *site, const DomainPlan *plan, MemoryMove *move,
                      GPtrArray *memories, GError **error);
