/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Reading domain files: a thousand documents, each parsed and validated as a scan of the domains
 * directory does it, then resolved to ids and addresses as a pass does. The documents are those
 * given, one after the other until there are enough; what virtkeep refuses in them is part of the
 * work.
 *
 *     bench-parse FILE|DIRECTORY...
 */
#include <stdio.h>
#include <string.h>

#include "model/spec.h"
#include "reconcile/resolve.h"
#include "tests/bench/figures.h"

#define N_DOCUMENTS 1000
#define N_ROUNDS 7

typedef struct Document {
    char *name;
    char *text;
    gsize length;
} Document;

static void
document_free(gpointer data)
{
    Document *document = data;

    g_free(document->name);
    g_free(document->text);
    g_free(document);
}

static void
add_file(GPtrArray *documents, const char *path)
{
    Document *document = g_new0(Document, 1);

    document->name = g_strdup(path);
    if (g_str_has_suffix(path, ".xml") &&
        g_file_get_contents(path, &document->text, &document->length, NULL))
        g_ptr_array_add(documents, document);
    else
        document_free(document);
}

/* A path that is not there is passed over: the corpus lies beside the repository, if at all. */
static void
add_path(GPtrArray *documents, const char *path)
{
    g_autoptr(GDir) directory = g_dir_open(path, 0, NULL);
    const char *name;

    if (!directory) {
        add_file(documents, path);
        return;
    }
    while ((name = g_dir_read_name(directory))) {
        g_autofree char *file = g_build_filename(path, name, NULL);

        add_file(documents, file);
    }
}

static guint
parse_all(const GPtrArray *documents, GPtrArray *ret_specs)
{
    guint n_valid = 0;

    for (guint i = 0; i < N_DOCUMENTS; i++) {
        const Document *document = documents->pdata[i % documents->len];
        Spec *spec = spec_parse(document->name, document->text, document->length);

        n_valid += spec_is_valid(spec);
        g_ptr_array_add(ret_specs, spec);
    }
    return n_valid;
}

static void
resolve_all(const GPtrArray *specs)
{
    const ResolveContext context = { .uuid_seed = "bench" };

    for (guint i = 0; i < specs->len; i++) {
        const Spec *spec = specs->pdata[i];
        g_autoptr(Diagnostics) diagnostics = diagnostics_new(spec->file);

        if (spec_is_valid(spec))
            domain_free(resolve_domain(spec->domain, NULL, &context, spec->positions, diagnostics));
    }
}

static guint64
bytes_of(const GPtrArray *documents)
{
    guint64 bytes = 0;

    for (guint i = 0; i < N_DOCUMENTS; i++)
        bytes += ((const Document *) documents->pdata[i % documents->len])->length;
    return bytes;
}

int
main(int argc, char **argv)
{
    g_autoptr(GPtrArray) documents = g_ptr_array_new_with_free_func(document_free);
    g_autoptr(Figures) parsing = figures_new();
    g_autoptr(Figures) resolving = figures_new();
    g_autofree char *parse_text = NULL;
    g_autofree char *resolve_text = NULL;
    guint n_valid = 0;

    for (int i = 1; i < argc; i++)
        add_path(documents, argv[i]);
    if (!documents->len)
        g_error("no documents");
    for (guint round = 0; round < N_ROUNDS; round++) {
        g_autoptr(GPtrArray) specs = g_ptr_array_new_with_free_func((GDestroyNotify) spec_free);
        gint64 start = g_get_monotonic_time();

        n_valid = parse_all(documents, specs);
        figures_add(parsing, milliseconds_since(start));
        start = g_get_monotonic_time();
        resolve_all(specs);
        figures_add(resolving, milliseconds_since(start));
    }
    parse_text = figures_text(parsing);
    resolve_text = figures_text(resolving);
    printf("%u documents, %u files cycled, %" G_GUINT64_FORMAT " KiB, %u of them valid; ms\n"
           "| what | 1000 documents: median (range) | each, median |\n| --- | --- | --- |\n"
           "| parse, validate | %s | %.3f |\n| resolve (the valid ones) | %s | %.3f |\n"
           "libvirt 9.0, on another machine: virsh define, 1000 in one process, 4272 ms\n",
           N_DOCUMENTS, documents->len, bytes_of(documents) / 1024, n_valid, parse_text,
           figures_median(parsing) / N_DOCUMENTS, resolve_text,
           n_valid ? figures_median(resolving) / n_valid : 0.0);
    return 0;
}
