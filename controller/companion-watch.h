/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/*
 * CompanionWatch: the helper processes of running QEMUs, held by `watch` to hear at once when one
 * ends. What it says is a hint that a pass is due.
 */
typedef struct CompanionWatch CompanionWatch;

/* In the main context: a companion of the domain @name has ended. */
typedef void (*CompanionWatchCallback)(const char *name, gpointer data);

/* @run: the run directory RUN. */
CompanionWatch *companion_watch_new(const char *run, CompanionWatchCallback callback,
                                    gpointer data);
/* In the main thread, when no other thread calls companion_watch_attach() any more. NULL is
 * allowed. */
void companion_watch_free(CompanionWatch *watch);

/* Watches the companions that the domain has now and that are not watched yet. From any thread. */
void companion_watch_attach(CompanionWatch *watch, const char *name);
