/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Small files that others may have written: records of the run directory, a checkout's references,
 * caches. Whoever can write the directory can put a FIFO there, which would hold a domain's lock
 * for ever, or a link to /dev/zero, which would be read until the memory is full. So it is opened
 * without waiting, looked at by its descriptor, and read to the size that it had then.
 */
#include "model/regular-file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static void
refuse_file(const char *path, GError **error)
{
    int problem = errno;

    g_set_error(error, G_FILE_ERROR, (int) g_file_error_from_errno(problem), "%s: %s", path,
                g_strerror(problem));
}

static char *
read_regular(int fd, const char *path, gsize max, GError **error)
{
    struct stat status;
    g_autofree char *text = NULL;
    gsize length = 0, size;
    ssize_t n = 1;

    if (fstat(fd, &status) < 0 || !S_ISREG(status.st_mode) || status.st_size > (off_t) max) {
        g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_INVAL,
                    "%s: not a regular file of at most %" G_GSIZE_FORMAT " bytes", path, max);
        return NULL;
    }
    size = (gsize) status.st_size;
    text = g_malloc(size + 1);
    while (length < size && n > 0) {
        n = read(fd, text + length, size - length);
        length += (gsize) MAX(n, 0);
    }
    if (n < 0) {
        refuse_file(path, error);
        return NULL;
    }
    text[length] = '\0';
    return g_steal_pointer(&text);
}

char *
regular_file_read(const char *path, gsize max, GError **error)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    char *text;

    if (fd < 0) {
        refuse_file(path, error);
        return NULL;
    }
    text = read_regular(fd, path, max, error);
    close(fd);
    return text;
}
