/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The guest's variable store: boot entries, Secure Boot keys, all that firmware remembers.
 *
 * It is the guest's own from the moment it exists, like a disk: made from the template before the
 * first start, never overwritten, never deleted. The copy is made beside it under another name and
 * then linked into place, which fails when somebody was faster: then theirs is the one.
 */
#include "controller/nvram.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#include "model/storage-source.h"

static const char *
store_path(const Domain *domain)
{
    if (domain->nvram)
        return domain->nvram;
    return domain->nvram_source && domain->nvram_type == DISK_FILE ? domain->nvram_source->file
                                                                   : NULL;
}

static bool
refuse(GError **error, const char *path, const char *what)
{
    g_set_error(error, G_IO_ERROR, g_io_error_from_errno(errno), "%s: %s: %s", path, what,
                g_strerror(errno));
    return false;
}

static bool
put_in_place(const char *draft, const char *path, GError **error)
{
    bool is_there = link(draft, path) == 0 || errno == EEXIST;
    int problem = errno;

    (void) g_unlink(draft);
    errno = problem;
    return is_there || refuse(error, path, "the variable store can't be made");
}

bool
nvram_provide(const Domain *domain, GError **error)
{
    const char *path = store_path(domain);
    g_autofree char *directory = path ? g_path_get_dirname(path) : NULL;
    g_autofree char *draft = NULL;
    g_autofree char *content = NULL;
    gsize length;

    if (!path || g_file_test(path, G_FILE_TEST_EXISTS))
        return true;
    if (!domain->nvram_template) {
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND,
                    "%s: the variable store is not there, and no template is known for it", path);
        return false;
    }
    if (domain->nvram_format && domain->nvram_template_format &&
        domain->nvram_format != domain->nvram_template_format) {
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_NOT_SUPPORTED,
                    "%s: the variable store would need another format than its template %s", path,
                    domain->nvram_template);
        return false;
    }
    if (!g_file_get_contents(domain->nvram_template, &content, &length, error)) {
        g_prefix_error(error, "the variable store's template: ");
        return false;
    }
    if (g_mkdir_with_parents(directory, 0700) < 0)
        return refuse(error, directory, "the directory can't be made");
    draft = g_strdup_printf("%s.new.%d", path, (int) getpid());
    return g_file_set_contents_full(draft, content, length, G_FILE_SET_CONTENTS_DURABLE, 0600,
                                    error) &&
           put_in_place(draft, path, error);
}
