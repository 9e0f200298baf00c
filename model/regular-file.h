/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* The text of the file @path: nothing but a regular file of at most @max bytes is read, and nothing
 * is waited for, as a FIFO or a device in its place would have us. Caller frees. Error:
 * G_FILE_ERROR, NOENT where there is none. */
char *regular_file_read(const char *path, gsize max, GError **error);
