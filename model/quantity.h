/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

/*
 * Sizes and CPU sets as libvirt writes them.
 * Units (libvirt, "Memory Allocation"): b, bytes; KB MB GB TB PB EB (powers of 1000); k, K, KiB, M,
 * MiB, G, GiB, T, TiB, P, PiB, E, EiB (powers of 1024).
 */

/* Bytes in one @unit, 0 when there is no such unit. */
guint64 size_unit_bytes(const char *unit);
/* "512MiB", "2 GiB", "1073741824" (bytes): as configuration files and people write them.
 * False on garbage or overflow. */
bool size_parse(const char *text, guint64 *ret_bytes);
/* "1 GiB", "1.5 GiB", "320 MiB", "0 B": for people; exact where two decimals are enough. */
char *size_text(guint64 bytes);

/* "0-3,^2,7" to a canonical "0-1,3,7"; NULL on garbage or a number of 4096 or more. */
char *cpuset_normalize(const char *text);
/* The members of a canonical set, ascending. GArray of guint; caller unrefs. */
GArray *cpuset_members(const char *cpuset);
bool cpuset_contains(const char *cpuset, guint member);

/* "60s", "5m", "250ms", "1h30m", "2d"; microseconds. False on garbage. */
bool duration_parse(const char *text, gint64 *ret_us);
/* "1.5s", "2m30s": for people. */
char *duration_text(gint64 us);
/* RFC 3339 UTC with seconds (and microseconds when @us is not whole): wall clock us since 1970. */
char *time_text(gint64 us);
