/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Relative paths of a document are from the directory of its file.
 *
 * libvirt hands a relative name on as it is, and what it means is decided by the directory that
 * QEMU happens to run in. A file in a git checkout means the image that lies beside it. So names
 * are made absolute as soon as a document is read: whatever compares, keeps or starts it later, in
 * whichever process and directory, means the same file, and a document that was kept in the state
 * has no relative names any more.
 */
#include "model/schema-value.h"

static void
anchor(char **member, const char *directory)
{
    char *path;

    if (!*member || !**member || g_path_is_absolute(*member))
        return;
    path = g_canonicalize_filename(*member, directory);
    g_free(*member);
    *member = path;
}

void
schema_anchor_paths(const Schema *schema, gpointer item, const char *directory)
{
    for (const Field *field = schema->fields; field->path; field++) {
        GPtrArray *list;
        gpointer below;

        if (field->type == TYPE_PATH)
            anchor(field_member(field, item), directory);
        if (field->type == TYPE_STRUCT) {
            below = *(gpointer *) field_member(field, item);
            if (below)
                schema_anchor_paths(field->schema, below, directory);
        }
        if (field->type != TYPE_LIST)
            continue;
        list = *(GPtrArray **) field_member(field, item);
        for (guint i = 0; i < list_length(list); i++)
            schema_anchor_paths(field->schema, list->pdata[i], directory);
    }
}
