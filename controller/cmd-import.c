/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * `virtkeep import PATH...`: domain XML of libvirt's becomes a file of the domains directory. The
 * bytes are copied as they are: nothing is dropped or rewritten, so a file with anything that
 * virtkeep would not honour is refused with its lines, and nothing of it is copied.
 *
 * A file appears whole or not at all: it is written under a hidden name, which scans skip, and
 * linked into place, which fails where there is one. Each PATH stands for itself: what is good is
 * imported whatever the others are.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <glib/gstdio.h>

#include "controller/commands.h"
#include "controller/message.h"
#include "controller/spec-check.h"
#include "controller/site.h"
#include "model/xml.h"

typedef struct ImportOptions {
    bool is_forced, is_dry_run;
} ImportOptions;

static const Option import_options[] = {
    { .name = "dry-run",
      .letter = 'n',
      .type = OPTION_FLAG,
      .offset = offsetof(ImportOptions, is_dry_run),
      .doc = "check and say what would be done; write nothing" },
    { .name = "force",
      .type = OPTION_FLAG,
      .offset = offsetof(ImportOptions, is_forced),
      .doc = "replace NAME.xml where it is there" },
    OPTION_END,
};

typedef struct Import {
    const Invocation *invocation;
    const ImportOptions *options;
    const Config *config;
    DirectoryScan *scan;
    GHashTable *sources; /* by name and by uuid: the path that this call imported it from */
    Json *outcomes;
    guint n_failed;
} Import;

/* ---- writing ---- */

static bool
fail_errno(GError **error, const char *what)
{
    int code = errno;

    g_set_error(error, G_IO_ERROR, g_io_error_from_errno(code), "%s: %s", what, g_strerror(code));
    return false;
}

static bool
write_all(int fd, const char *text, gsize length)
{
    while (length) {
        ssize_t n = write(fd, text, length);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return false;
        text += n;
        length -= n;
    }
    return fsync(fd) == 0;
}

/* @hidden, written and complete, becomes @target. */
static bool
put_in_place(const char *hidden, const char *target, bool is_forced)
{
    if (is_forced)
        return rename(hidden, target) == 0;
    return link(hidden, target) == 0;
}

static bool
write_file(const char *target, const char *text, gsize length, mode_t mode, bool is_forced,
           GError **error)
{
    g_autofree char *directory = g_path_get_dirname(target);
    g_autofree char *hidden = g_build_filename(directory, ".import-XXXXXX", NULL);
    bool is_good;
    int fd;

    if (g_mkdir_with_parents(directory, 0755) < 0)
        return fail_errno(error, directory);
    fd = g_mkstemp_full(hidden, O_WRONLY | O_CLOEXEC, 0600);
    if (fd < 0)
        return fail_errno(error, directory);
    is_good = write_all(fd, text, length) && fchmod(fd, mode) == 0;
    close(fd);
    is_good = is_good && put_in_place(hidden, target, is_forced);
    if (!is_good)
        fail_errno(error, target);
    g_unlink(hidden);
    return is_good;
}

/* ---- one file ---- */

static bool
refuse(Import *import, const char *path, const char *name, const char *text)
{
    Json *json = json_new_object();

    message_error("%s: %s", path, text);
    json_set_string(json, "path", path);
    json_set_string(json, "name", name);
    json_set_string(json, "outcome", "refused");
    json_set_string(json, "error", text);
    json_append(import->outcomes, json);
    import->n_failed++;
    return false;
}

static void
note_done(Import *import, const char *path, const Domain *domain, const char *target)
{
    const char *name = domain->name;
    bool is_dry = import->options->is_dry_run;
    Json *json = json_new_object();

    json_set_string(json, "path", path);
    json_set_string(json, "name", name);
    json_set_string(json, "file", target);
    json_set_string(json, "outcome", is_dry ? "would-import" : "imported");
    json_append(import->outcomes, json);
    g_hash_table_insert(import->sources, g_strdup(domain->name), g_strdup(path));
    if (domain->uuid)
        g_hash_table_insert(import->sources, g_strdup(domain->uuid), g_strdup(path));
    message_note("%s: %s as %s", name, is_dry ? "would be imported" : "imported", target);
}

/* Another file of the directory that says it is this domain. */
static const DirectoryEntry *
find_other(const Import *import, const Domain *domain, const char *target)
{
    for (guint i = 0; i < import->scan->entries->len; i++) {
        const DirectoryEntry *entry = import->scan->entries->pdata[i];
        bool is_same = !g_strcmp0(entry->name, domain->name) ||
                       (domain->uuid && !g_strcmp0(entry->uuid, domain->uuid));

        if (is_same && strcmp(entry->file, target))
            return entry;
    }
    return NULL;
}

static bool
check_place(Import *import, const char *path, const Domain *domain, const char *target)
{
    const DirectoryEntry *other = find_other(import, domain, target);
    const char *source = g_hash_table_lookup(import->sources, domain->name);
    g_autofree char *text = NULL;

    if (!source && domain->uuid)
        source = g_hash_table_lookup(import->sources, domain->uuid);
    if (source || other) {
        text = g_strdup_printf("%s has the same name or uuid", source ? source : other->file);
        return refuse(import, path, domain->name, text);
    }
    if (import->options->is_forced || !g_file_test(target, G_FILE_TEST_EXISTS))
        return true;
    text = g_strdup_printf("%s is there already; --force replaces it", target);
    return refuse(import, path, domain->name, text);
}

/* Who may read the copy: whoever may read the original, never more, and nobody else writes. */
static mode_t
mode_of_copy(const char *path)
{
    struct stat status;

    return stat(path, &status) < 0 ? 0600 : (status.st_mode & 0044) | 0600;
}

/* Relative paths are from the file's directory, so that the copy would mean other files. */
static bool
check_paths(Import *import, const char *path, const char *text, gsize length, const Domain *domain,
            const char *target)
{
    g_autoptr(Spec) moved = spec_parse(target, text, length);

    if (schema_equal(&domain_schema, domain, moved->domain))
        return true;
    return refuse(import, path, domain->name,
                  "it names files relative to its directory, which a copy is not in: "
                  "write the whole paths");
}

static bool
import_text(Import *import, const char *path, const char *text, gsize length)
{
    g_autoptr(Spec) spec = spec_parse(path, text, length);
    const Domain *domain = spec->domain;
    g_autofree char *base = NULL, *target = NULL;
    g_autoptr(GError) error = NULL;

    spec_check_places(spec);
    message_diagnostics(spec->diagnostics, terminal_has_color(2, import->invocation->global.color));
    if (!spec_is_valid(spec))
        return refuse(import, path, domain->name, "not imported");
    base = g_strconcat(domain->name, ".xml", NULL);
    target = g_build_filename(import->config->domains, base, NULL);
    if (!check_place(import, path, domain, target) ||
        !check_paths(import, path, text, length, domain, target))
        return false;
    if (!import->options->is_dry_run &&
        !write_file(target, text, length, mode_of_copy(path), import->options->is_forced, &error))
        return refuse(import, path, domain->name, error->message);
    note_done(import, path, domain, target);
    return true;
}

static void
import_file(Import *import, const char *path)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *text = NULL;
    gsize length;
    struct stat status;
    bool is_there = stat(path, &status) == 0;

    if (is_there && !S_ISREG(status.st_mode)) {
        refuse(import, path, NULL, "not a regular file");
    } else if (is_there && status.st_size > XML_MAX_BYTES) {
        refuse(import, path, NULL, "too large for a domain file");
    } else if (!g_file_get_contents(path, &text, &length, &error)) {
        refuse(import, path, NULL, error->message);
    } else {
        import_text(import, path, text, length);
    }
}

static gint
compare_paths(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *) a, *(const char *const *) b);
}

/* The *.xml right in a directory: of /etc/libvirt/qemu these are the domains. */
static void
import_directory(Import *import, const char *path)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GDir) directory = g_dir_open(path, 0, &error);
    g_autoptr(GPtrArray) files = g_ptr_array_new_with_free_func(g_free);
    const char *name;

    if (!directory) {
        refuse(import, path, NULL, error->message);
        return;
    }
    while ((name = g_dir_read_name(directory)))
        if (g_str_has_suffix(name, ".xml") && name[0] != '.')
            g_ptr_array_add(files, g_build_filename(path, name, NULL));
    g_ptr_array_sort(files, compare_paths);
    if (!files->len)
        refuse(import, path, NULL, "no *.xml in it");
    for (guint i = 0; i < files->len; i++)
        import_file(import, files->pdata[i]);
}

static int
run_import(const Invocation *invocation)
{
    g_autoptr(SiteSetup) setup = site_open(invocation, SITE_LOOK);
    g_autoptr(GHashTable) sources = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    g_autoptr(Json) json = message_json_new();
    Import import = { .invocation = invocation,
                      .options = invocation->options,
                      .sources = sources };

    if (!setup)
        return EXIT_FAILED;
    import.config = setup->config;
    import.scan = setup->scan;
    import.outcomes = json_new_array();
    for (const char *const *path = invocation->args; *path; path++) {
        if (g_file_test(*path, G_FILE_TEST_IS_DIR))
            import_directory(&import, *path);
        else
            import_file(&import, *path);
    }
    json_set(json, "files", import.outcomes);
    if (invocation->global.output == OUTPUT_JSON && !message_print_json(json))
        return EXIT_FAILED;
    return import.n_failed ? EXIT_FAILED : 0;
}

const Command import_command = {
    .name = "import",
    .arguments = "PATH...",
    .summary = "Check libvirt's domain XML and copy it into the domains directory",
    .doc =
        "PATH is a file or a directory of *.xml. Each is copied as NAME.xml, byte for byte, if\n"
        "virtkeep honours all of it; what is not supported is said with its line, and the file\n"
        "is left out. Existing files are never replaced without --force. A running watch starts\n"
        "what is imported: shut it down in libvirt first.",
    .examples = "  virtkeep import --dry-run /etc/libvirt/qemu\n"
                "  virsh dumpxml --inactive web-1 > web-1.xml && virtkeep import web-1.xml",
    .options = import_options,
    .options_size = sizeof(ImportOptions),
    .min_args = 1,
    .max_args = G_MAXUINT,
    .run = run_import,
};
