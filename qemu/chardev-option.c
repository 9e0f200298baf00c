/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * -chardev takes no JSON in QEMU 7.2, and its keys are older than QMP's: `out` is `path`, an
 * address is flat. So the tree that chardev-add takes is the original, and the option's text is
 * derived from it here, by a table of the names that differ. A member that the table doesn't
 * name keeps its own (last) name: `append`, `server`, `telnet`, `logfile`.
 */
#include "qemu/chardev.h"

#include "qemu/command-line.h"

static const struct {
    const char *path; /* below backend.data */
    const char *key;  /* NULL: not said on the command line */
} renamed[] = {
    { "out", "path" },
    { "device", "path" },
    { "addr.type", NULL },
    { "addr.data.path", "path" },
    { "addr.data.host", "host" },
    { "addr.data.port", "port" },
    { "addr.data.str", "fd" },
    { "remote.type", NULL },
    { "remote.data.host", "host" },
    { "remote.data.port", "port" },
    { "local.type", NULL },
    { "local.data.host", "localaddr" },
    { "local.data.port", "localport" },
    { "type", "name" }, /* spicevmc */
    { "fqdn", "name" }, /* spiceport */
};

static const char *
option_key(const char *path, const char *name)
{
    for (guint i = 0; i < G_N_ELEMENTS(renamed); i++)
        if (g_str_equal(renamed[i].path, path))
            return renamed[i].key;
    return name;
}

static void
add_member(GString *text, const char *key, const Json *value)
{
    switch (json_type(value)) {
    case JSON_STRING:
        option_text_add(text, key, json_string(value));
        break;
    case JSON_BOOL:
        option_text_add_switch(text, key, json_bool(value, false));
        break;
    case JSON_INT:
        option_text_add_uint(text, key, json_int(value, 0));
        break;
    case JSON_NULL:
    case JSON_DOUBLE:
    case JSON_ARRAY:
    case JSON_OBJECT:
        break; /* no chardev has such members */
    }
}

static void
add_members(GString *text, const Json *object, const char *prefix)
{
    for (guint i = 0; i < json_length(object); i++) {
        const char *name = json_name_at(object, i);
        const Json *value = json_get(object, name);
        g_autofree char *path = g_strconcat(prefix, name, NULL);
        const char *key = option_key(path, name);

        if (json_type(value) == JSON_OBJECT) {
            g_autofree char *below = g_strconcat(path, ".", NULL);

            add_members(text, value, below);
        } else if (key) {
            add_member(text, key, value);
        }
    }
}

char *
chardev_option_text(const Json *properties)
{
    const Json *backend = json_get(properties, "backend");
    GString *text = g_string_new(json_get_string(backend, "type"));

    option_text_add(text, "id", json_get_string(properties, "id"));
    add_members(text, json_get(backend, "data"), "");
    return g_string_free(text, FALSE);
}
