/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Small facts worth keeping: by key ("directory_dev_ino", "version"), and what an emulator binary
 * can do.
 */
#pragma once

#include "state/store.h"

/* *ret_value is NULL when there is none; free with g_free. */
gboolean store_fact_get(Store *store, const char *key, char **ret_value, GError **error);
/* `value` NULL removes it. */
gboolean store_fact_put(Store *store, const char *key, const char *value, GError **error);

/* The cached capabilities (JSON text) of the emulator at `path`; *ret_json is NULL unless they were
 * put for a binary of this very size and mtime. */
gboolean store_capabilities_get(Store *store, const char *path, guint64 size, gint64 mtime_ns,
                                char **ret_json, GError **error);
/* Replaces what was cached for `path`. Relaxed. */
gboolean store_capabilities_put(Store *store, const char *path, guint64 size, gint64 mtime_ns,
                                const char *json, GError **error);
