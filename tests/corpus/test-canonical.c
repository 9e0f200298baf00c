/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What is written is what was read: over every valid document of the corpus (libvirt's normalised
 * ones too), format(parse(x)) is canonical. The text is read again to a document that differs from
 * the first in nothing, and is written again to the same text; so the resolved document that state
 * keeps as text, and compares with the next file, loses nothing and never seems changed. The same
 * holds for the resolved document itself, and resolving that again changes nothing.
 *
 *     test-canonical DIRECTORY...
 */
#include <stdio.h>
#include <string.h>

#include "model/spec.h"
#include "reconcile/resolve.h"

#define SKIPPED 77

typedef struct Tally {
    guint n_files, n_valid, n_resolved, n_failed;
} Tally;

static gint
compare_names(gconstpointer a, gconstpointer b)
{
    return strcmp(*(char *const *) a, *(char *const *) b);
}

static void
complain(Tally *tally, const char *file, const char *what, const char *detail)
{
    printf("%s: %s: %s\n", file, what, detail);
    tally->n_failed++;
}

/* Prints what differs between two readings of one document. */
static void
expect_equal(Tally *tally, const char *file, const char *what, const Domain *a, const Domain *b)
{
    g_autoptr(GPtrArray) changes = g_ptr_array_new_with_free_func((GDestroyNotify) change_free);

    schema_compare(&domain_schema, a, b, "", changes);
    for (guint i = 0; i < changes->len; i++) {
        const Change *change = changes->pdata[i];
        g_autofree char *detail = g_strdup_printf("%s: '%s' became '%s'", change->path,
                                                  change->from ? change->from : "(absent)",
                                                  change->to ? change->to : "(absent)");

        complain(tally, file, what, detail);
    }
}

/* The first line that differs, as detail of a complaint. */
static void
expect_same_text(Tally *tally, const char *file, const char *what, const char *a, const char *b)
{
    g_auto(GStrv) first = g_strsplit(a, "\n", -1);
    g_auto(GStrv) second = g_strsplit(b, "\n", -1);
    guint i = 0;

    if (g_str_equal(a, b))
        return;
    while (first[i] && second[i] && g_str_equal(first[i], second[i]))
        i++;
    g_autofree char *detail =
        g_strdup_printf("line %u: '%s' became '%s'", i + 1, first[i] ? first[i] : "(end)",
                        second[i] ? second[i] : "(end)");

    complain(tally, file, what, detail);
}

static void
check_resolved(Tally *tally, const Spec *spec)
{
    const ResolveContext context = { .uuid_seed = "corpus" };
    g_autoptr(Diagnostics) diagnostics = diagnostics_new(spec->file);
    g_autoptr(Domain) resolved =
        resolve_domain(spec->domain, NULL, &context, spec->positions, diagnostics);
    g_autoptr(GError) error = NULL;
    g_autoptr(Domain) read = NULL;
    g_autoptr(Domain) again = NULL;
    g_autofree char *text = NULL;
    g_autofree char *text_again = NULL;

    if (!resolved)
        return; /* refused: no firmware here, no place for a device */
    tally->n_resolved++;
    text = domain_format(resolved);
    read = domain_parse_own(text, &error);
    if (!read)
        return complain(tally, spec->file, "its resolved text is refused", error->message);
    text_again = domain_format(read);
    expect_same_text(tally, spec->file, "resolved and written twice", text, text_again);
    expect_equal(tally, spec->file, "resolved, written and read", resolved, read);
    again = resolve_domain(read, read, &context, NULL, diagnostics);
    if (!again)
        return complain(tally, spec->file, "resolved twice", "is refused");
    expect_equal(tally, spec->file, "resolved twice", read, again);
}

static void
check_file(Tally *tally, const char *directory, const char *name)
{
    g_autofree char *path = g_build_filename(directory, name, NULL);
    g_autofree char *text = NULL;
    g_autofree char *text_again = NULL;
    g_autoptr(Spec) spec = NULL;
    g_autoptr(Spec) again = NULL;
    gsize length;

    tally->n_files++;
    if (!g_file_get_contents(path, &text, &length, NULL))
        return complain(tally, name, "read", "it can't be");
    spec = spec_parse(name, text, length);
    if (!spec_is_valid(spec))
        return;
    tally->n_valid++;
    g_free(text);
    text = domain_format(spec->domain);
    again = spec_parse(name, text, strlen(text));
    if (!spec_is_valid(again))
        return complain(tally, name, "its own text is refused",
                        diagnostics_first_error(again->diagnostics)->text);
    text_again = domain_format(again->domain);
    expect_same_text(tally, name, "written twice", text, text_again);
    expect_equal(tally, name, "written and read", spec->domain, again->domain);
    check_resolved(tally, spec);
}

static bool
check_directory(Tally *tally, const char *path)
{
    g_autoptr(GDir) directory = g_dir_open(path, 0, NULL);
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    const char *name;

    if (!directory)
        return false;
    while ((name = g_dir_read_name(directory)))
        if (g_str_has_suffix(name, ".xml"))
            g_ptr_array_add(names, g_strdup(name));
    g_ptr_array_sort(names, compare_names);
    for (guint i = 0; i < names->len; i++)
        check_file(tally, path, names->pdata[i]);
    return true;
}

int
main(int argc, char **argv)
{
    Tally tally = { 0 };

    for (int i = 1; i < argc; i++) {
        if (!check_directory(&tally, argv[i])) {
            printf("no corpus at %s\n", argv[i]);
            return SKIPPED;
        }
    }
    printf("%u files, %u of them valid, %u resolved; %u faults\n", tally.n_files, tally.n_valid,
           tally.n_resolved, tally.n_failed);
    return tally.n_failed || !tally.n_resolved;
}
