/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The schema of the state file and its history. Internal to state/ and its tests. */
#pragma once

#include "state/sqlite.h"

/* PRAGMA application_id of our files: "vkst". */
#define STATE_APPLICATION_ID 0x766b7374

/* Append-only: migrations[N] takes a file of user_version N to N + 1. */
extern const char *const state_migrations[];
extern const guint n_state_migrations;

/* The file's user_version, 0 for an empty one. Changes nothing.
 * STATE_ERROR_NEWER: beyond `n_known`. STATE_ERROR_DAMAGED: not SQLite, or another program's. */
gboolean state_migrations_identify(Sqlite *db, guint n_known, guint *ret_version, GError **error);

/* Bring the file to version `n`, each step in a transaction of its own; safe against others
 * who do the same at once. Nothing is written when it is there already. */
gboolean state_migrations_apply(Sqlite *db, const char *const *migrations, guint n, GError **error);
