/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "controller/subject.h"

/*
 * MemoryMark: by which it is told that the ledger of the host's memory in the state file is the
 * newest there is, and of this boot.
 */

/* False with @error when the state can't be read. */
bool memory_mark_is_newest(const Site *site, bool *ret_is, GError **error);
/* Whether the ledger is of this boot of the host, be it the newest or not. */
bool memory_mark_is_of_boot(const Site *site, bool *ret_is, GError **error);
/* Commits the open transaction of the site's store, which changed the ledger. False with @error
 * when the ledger is not the newest, or it can't be written; the caller rolls back. */
bool memory_mark_commit(const Site *site, GError **error);
/* The ledger is the newest from now on: it was read back. */
bool memory_mark_begin(const Site *site, GError **error);
