/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * From a file to a Spec: read, parse, check. Everything that can be said about the file by itself
 * is said here, in its diagnostics, ordered by position; the domain is there even when the file is
 * bad, as far as it was understood, so that a caller can still tell whose file it is.
 */
#include "model/spec.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <gio/gio.h>

static void
read_policy(Spec *spec, const XmlNode *root)
{
    const XmlNode *metadata = xml_node_child(root, "metadata"), *node = NULL;
    const char *path = "metadata/vk:policy";
    PolicyOverrides *policy;

    for (guint i = 0; metadata && metadata->children && i < metadata->children->len; i++) {
        const XmlNode *child = metadata->children->pdata[i];

        if (g_strcmp0(child->namespace_, POLICY_NAMESPACE))
            continue;
        if (!g_str_equal(child->name, "policy"))
            diagnostics_add(spec->diagnostics, SEVERITY_ERROR, child->at, "unknown-element",
                            "virtkeep's namespace has no element <%s>", child->name);
        else if (node)
            diagnostics_add(spec->diagnostics, SEVERITY_ERROR, child->at, "duplicate-element",
                            "there is already a <policy>");
        else
            node = child;
    }
    if (!node)
        return;
    policy = schema_parse(&policy_schema, node, path, spec->positions, spec->diagnostics);
    for (const Field *field = policy_schema.fields; field->path; field++) {
        const char *value =
            field->type == TYPE_STRING ? G_STRUCT_MEMBER(char *, policy, field->offset) : NULL;
        g_autofree char *wrong = value ? policy_check(field->path + 1, value) : NULL;
        g_autofree char *attribute = g_strdup_printf("%s/%s", path, field->path);

        if (wrong)
            diagnostics_add(spec->diagnostics, SEVERITY_ERROR,
                            position_map_get(spec->positions, attribute), "bad-value", "%s: %s",
                            attribute, wrong);
    }
    spec->policy = *policy;
    g_free(policy); /* its strings moved */
}

/* Among the first @n_first. */
static bool
has_error_at(const Diagnostics *diagnostics, guint n_first, Position at)
{
    for (guint i = 0; i < n_first; i++) {
        const Diagnostic *diagnostic = diagnostics->items->pdata[i];

        if (diagnostic->severity == SEVERITY_ERROR && diagnostic->at.line == at.line &&
            diagnostic->at.column == at.column)
            return true;
    }
    return false;
}

/* The rules over several fields. Where a field could not be read, what they would say of it
 * follows from that, and is left out. */
static void
validate(Spec *spec)
{
    g_autoptr(Diagnostics) rules = diagnostics_new(spec->file);
    guint n_read = spec->diagnostics->items->len;

    domain_validate(spec->domain, spec->positions, rules);
    for (guint i = 0; i < rules->items->len; i++) {
        const Diagnostic *rule = rules->items->pdata[i];

        if (!has_error_at(spec->diagnostics, n_read, rule->at))
            diagnostics_add(spec->diagnostics, rule->severity, rule->at, rule->code, "%s",
                            rule->text);
    }
    diagnostics_sort(spec->diagnostics);
}

static void
anchor_paths(const Spec *spec)
{
    g_autofree char *path = g_canonicalize_filename(spec->file, NULL);
    g_autofree char *directory = g_path_get_dirname(path);

    schema_anchor_paths(&domain_schema, spec->domain, directory);
}

Spec *
spec_parse(const char *file, const char *text, gsize length)
{
    Spec *spec = g_atomic_rc_box_new0(Spec);
    g_autoptr(XmlNode) root = NULL;

    spec->file = g_strdup(file);
    spec->diagnostics = diagnostics_new(file);
    spec->positions = position_map_new();
    spec->digest = g_compute_checksum_for_data(G_CHECKSUM_SHA256, (const guchar *) text, length);
    root = xml_parse(text, length, spec->diagnostics);
    if (root && (!g_str_equal(root->name, "domain") || root->namespace_)) {
        diagnostics_add(spec->diagnostics, SEVERITY_ERROR, root->at, "not-a-domain",
                        "the root element is <%s>, not <domain>", root->name);
        g_clear_pointer(&root, xml_node_free);
    }
    if (!root) {
        spec->domain = g_new0(Domain, 1);
        return spec;
    }
    spec->domain = schema_parse(&domain_schema, root, "", spec->positions, spec->diagnostics);
    anchor_paths(spec);
    read_policy(spec, root);
    validate(spec);
    return spec;
}

static char *
read_all(int fd, gsize *ret_length, GError **error)
{
    g_autofree char *buffer = g_malloc(XML_MAX_BYTES + 1);
    gsize length = 0;

    /* One byte beyond the limit is read, so that xml_parse() can say that there is too much. */
    while (length < XML_MAX_BYTES + 1) {
        ssize_t n = read(fd, buffer + length, XML_MAX_BYTES + 1 - length);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            g_set_error(error, G_IO_ERROR, g_io_error_from_errno(errno), "%s", g_strerror(errno));
            return NULL;
        }
        if (n == 0)
            break;
        length += n;
    }
    *ret_length = length;
    return g_realloc(g_steal_pointer(&buffer), MAX(length, 1));
}

Spec *
spec_load(const char *file, GError **error)
{
    g_autofree char *text = NULL;
    gsize length = 0;
    struct stat status;
    /* NONBLOCK: a FIFO in the directory must not hang the controller. */
    int fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

    if (fd < 0) {
        g_set_error(error, G_IO_ERROR, g_io_error_from_errno(errno), "%s: %s", file,
                    g_strerror(errno));
        return NULL;
    }
    if (fstat(fd, &status) < 0 || !S_ISREG(status.st_mode))
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_NOT_REGULAR_FILE, "%s: not a regular file", file);
    else
        text = read_all(fd, &length, error);
    close(fd);
    return text ? spec_parse(file, text, length) : NULL;
}

static void
spec_clear(gpointer data)
{
    Spec *spec = data;

    g_free(spec->file);
    g_free(spec->digest);
    domain_free(spec->domain);
    position_map_free(spec->positions);
    schema_clear(&policy_schema, &spec->policy);
    diagnostics_free(spec->diagnostics);
}

Spec *
spec_ref(Spec *spec)
{
    return g_atomic_rc_box_acquire(spec);
}

void
spec_free(Spec *spec)
{
    if (spec)
        g_atomic_rc_box_release_full(spec, spec_clear);
}

bool
spec_is_valid(const Spec *spec)
{
    return !diagnostics_has_errors(spec->diagnostics);
}
