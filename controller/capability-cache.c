/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * To probe a QEMU takes 0.2 s, and `argv` on a laptop that runs no guest would pay them for each
 * file. What is kept is a file an emulator, with all that it depends on: the emulator, and this
 * program, whose questions may be others in another version. Whatever else the file holds, cut
 * short or overwritten, is no answer, and is replaced by the next one. Nor is what another user
 * could have written: with sudo the directory may be in that one's home.
 */
#include "controller/capability-cache.h"

#include <gio/gio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "model/json.h"
#include "model/regular-file.h"

#define CACHE_MAX (4u << 20)

static char *
cache_file(const char *emulator)
{
    g_autofree char *digest = g_compute_checksum_for_string(G_CHECKSUM_SHA256, emulator, -1);
    g_autofree char *name = g_strdup_printf("capabilities-%.16s.json", digest);

    return g_build_filename(g_get_user_cache_dir(), "virtkeep", name, NULL);
}

static bool
is_ours(const char *path)
{
    struct stat status;

    return lstat(path, &status) == 0 && status.st_uid == geteuid() &&
           !(status.st_mode & (S_IWGRP | S_IWOTH));
}

static void
add_file(Json *basis, const char *name, const char *path, const struct stat *status)
{
    g_autofree char *text = g_strdup_printf(
        "%s %" G_GINT64_FORMAT " %" G_GINT64_FORMAT ".%09ld", path, (gint64) status->st_size,
        (gint64) status->st_mtim.tv_sec, (long) status->st_mtim.tv_nsec);

    json_set_string(basis, name, text);
}

/* What the answer depends on. */
static Json *
basis_of(const char *emulator, const struct stat *status)
{
    Json *basis = json_new_object();
    struct stat self;

    json_set_string(basis, "version", VIRTKEEP_VERSION);
    add_file(basis, "emulator", emulator, status);
    if (stat("/proc/self/exe", &self) == 0)
        add_file(basis, "program", "", &self);
    return basis;
}

Capabilities *
capability_cache_get(const char *emulator, const struct stat *status)
{
    g_autofree char *file = cache_file(emulator), *directory = g_path_get_dirname(file);
    g_autofree char *text = NULL;
    g_autoptr(Json) basis = basis_of(emulator, status), json = NULL;

    if (is_ours(directory) && is_ours(file))
        text = regular_file_read(file, CACHE_MAX, NULL);
    json = text ? json_parse(text, -1, NULL) : NULL;
    if (!json || json_type(json) != JSON_OBJECT || !json_get(json, "basis") ||
        !json_get(json, "capabilities") || !json_equal(json_get(json, "basis"), basis))
        return NULL;
    return capabilities_from_json(json_get(json, "capabilities"), NULL);
}

void
capability_cache_put(const char *emulator, const struct stat *status,
                     const Capabilities *capabilities)
{
    g_autofree char *file = cache_file(emulator), *directory = g_path_get_dirname(file);
    g_autofree char *text = NULL;
    g_autoptr(Json) json = json_new_object();

    json_set(json, "basis", basis_of(emulator, status));
    json_set(json, "capabilities", capabilities_to_json(capabilities));
    text = json_format(json, false);
    if (g_mkdir_with_parents(directory, 0700) == 0 && is_ours(directory))
        (void) g_file_set_contents_full(file, text, -1, G_FILE_SET_CONTENTS_CONSISTENT, 0600, NULL);
}
