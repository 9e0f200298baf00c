/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A state file can be older than what it tells of: put back from a copy, beside the name or into
 * the very file. Its grants may be less than what QEMUs hold by now, and would be believed.
 *
 * So each transaction that changes the ledger leaves a new mark, the boot's id and a random number,
 * in the state file and in the run directory (RUN/.ledger), and each looks whether both were the
 * same before. What was put back has another mark than the run directory, which is of this boot and
 * is not copied with it: then nothing is granted until all QEMUs have been read back
 * (controller/memory-read-back.c). A lost run directory reads the same.
 *
 *     begin ... | same mark in both? | RUN/.ledger written | fact written | commit
 *
 * The run directory is written first, under the state's write lock. Whoever is killed before the
 * commit leaves two marks: that costs reading back, and is on the safe side.
 */
#include "controller/memory-mark.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "model/regular-file.h"
#include "state/facts.h"

#define FACT "memory_ledger_mark"
#define FILE_NAME ".ledger"
#define MARK_MAX 256

static char *
mark_path(const Site *site)
{
    return g_build_filename(site->config->run, FILE_NAME, NULL);
}

/* Over the former one, which is as long: cut off first, some file systems wait for the disk. */
static bool
write_mark(const Site *site, const char *mark, GError **error)
{
    g_autofree char *path = mark_path(site);
    gssize length = strlen(mark);
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    struct stat status;
    gssize written = fd >= 0 ? write(fd, mark, length) : -1;
    bool is_good = written == length && fstat(fd, &status) == 0 &&
                   (status.st_size == length || ftruncate(fd, length) == 0);
    int number = written >= 0 && written < length ? ENOSPC : errno;

    if (fd >= 0)
        close(fd);
    if (!is_good)
        g_set_error(error, G_IO_ERROR, (int) g_io_error_from_errno(number), "%s: %s", path,
                    g_strerror(number));
    return is_good;
}

static char *
mark_new(const Site *site)
{
    return g_strdup_printf("%s %08x%08x", site->host->boot_id, g_random_int(), g_random_int());
}

/* Both are @ret_mark and of this boot, or that is NULL. */
static bool
read_mark(const Site *site, char **ret_mark, GError **error)
{
    g_autofree char *path = mark_path(site), *run = regular_file_read(path, MARK_MAX, NULL);
    g_autofree char *kept = NULL;

    if (!store_fact_get(site->store, FACT, &kept, error))
        return false;
    *ret_mark = NULL;
    if (kept && run && g_str_equal(kept, run) && g_str_has_prefix(kept, site->host->boot_id))
        *ret_mark = g_steal_pointer(&kept);
    return true;
}

bool
memory_mark_is_newest(const Site *site, bool *ret_is, GError **error)
{
    g_autofree char *mark = NULL;

    if (!read_mark(site, &mark, error))
        return false;
    *ret_is = mark != NULL;
    return true;
}

bool
memory_mark_is_of_boot(const Site *site, bool *ret_is, GError **error)
{
    g_autofree char *kept = NULL;

    if (!store_fact_get(site->store, FACT, &kept, error))
        return false;
    *ret_is = kept && g_str_has_prefix(kept, site->host->boot_id);
    return true;
}

/* @before, may be NULL, stands again where the commit fails. */
static bool
commit(const Site *site, const char *before, GError **error)
{
    g_autofree char *mark = mark_new(site);

    if (!write_mark(site, mark, error))
        return false;
    if (store_fact_put(site->store, FACT, mark, error) && store_commit(site->store, error))
        return true;
    if (before)
        (void) write_mark(site, before, NULL); /* or QEMUs are read back */
    return false;
}

bool
memory_mark_commit(const Site *site, GError **error)
{
    g_autofree char *before = NULL;

    if (!read_mark(site, &before, error))
        return false;
    if (before)
        return commit(site, before, error);
    g_set_error(error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND,
                "%s was put back or made anew: no memory is given out until it is known again what "
                "all QEMUs hold",
                store_path(site->store));
    return false;
}

bool
memory_mark_begin(const Site *site, GError **error)
{
    if (!store_begin_relaxed(site->store, error))
        return false;
    if (commit(site, NULL, error))
        return true;
    store_rollback(site->store);
    return false;
}
