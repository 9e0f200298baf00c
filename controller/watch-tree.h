/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/*
 * Calls @place for each directory whose events can change what a scan of @root finds, before it
 * looks into that directory, so that nothing that happens in between goes unseen.
 * @name: only events of this entry matter there; NULL: the directory is part of the tree.
 * The same directory may be named more than once. @directory is an absolute path.
 */
typedef void (*WatchPlace)(const char *directory, const char *name, gpointer data);

void watch_tree(const char *root, WatchPlace place, gpointer data);
