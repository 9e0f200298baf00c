/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Companions as values, and what of them must exist.
 *
 *     hook of the kind ── Companion ──► companion_check: is everything there?     (plan, apply)
 *                            └────────► companion-process: run it                 (apply)
 *
 * The first half decides and touches nothing, so that the same companions can be shown, checked
 * and run. What must exist is listed where it is known to be needed, with the field that says so,
 * and looked for in one place: an absent program or directory is named with the file's line before
 * anything is started.
 *
 * A program is looked for by name unless the configuration or the domain gives a path: helpers live
 * outside of $PATH on most distributions (/usr/libexec, /usr/lib/qemu).
 */
#include "qemu/companion.h"

#include <string.h>
#include <unistd.h>

const char *const companion_programs[] = { "swtpm",       "virtiofsd",      "passt",
                                           "dbus-daemon", "qemu-pr-helper", NULL };

static const char *const directories[] = { "/usr/bin",          "/usr/libexec", "/usr/lib/qemu",
                                           "/usr/lib",          "/usr/sbin",    "/usr/local/bin",
                                           "/usr/local/libexec" };

static void
need_free(gpointer data)
{
    CompanionNeed *need = data;

    g_free(need->path);
    g_free(need->field);
    g_free(need);
}

void
companion_free(Companion *companion)
{
    if (!companion)
        return;
    g_free(companion->id);
    g_free(companion->where);
    g_free(companion->program);
    g_ptr_array_unref(companion->arguments);
    g_free(companion->socket);
    g_ptr_array_unref(companion->needs);
    g_free(companion->directory);
    g_free(companion->file);
    g_free(companion->content);
    g_free(companion->cgroup);
    g_free(companion);
}

GPtrArray *
companions_new(void)
{
    return g_ptr_array_new_with_free_func((GDestroyNotify) companion_free);
}

Companion *
companion_add(const DeviceContext *context, GPtrArray *companions, const char *kind, const char *id,
              const char *program, const char *field)
{
    const HostFacts *facts = context->facts;
    Companion *companion = g_new0(Companion, 1);

    g_assert(g_strv_contains(companion_programs, kind));
    if (!program && facts->find_helper)
        program = facts->find_helper(facts->helpers, kind);
    companion->kind = kind;
    companion->id = g_strdup(id);
    companion->where = g_strdup(context->at.path);
    companion->program = g_strdup(program ? program : kind);
    companion->arguments = g_ptr_array_new_with_free_func(g_free);
    companion->needs = g_ptr_array_new_with_free_func(need_free);
    companion_need(companion, NEED_PROGRAM, companion->program, field);
    g_ptr_array_add(companions, companion);
    return companion;
}

void
companion_argument(Companion *companion, const char *argument)
{
    if (argument)
        g_ptr_array_add(companion->arguments, g_strdup(argument));
}

void
companion_argumentf(Companion *companion, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    g_ptr_array_add(companion->arguments, g_strdup_vprintf(format, args));
    va_end(args);
}

void
companion_need(Companion *companion, CompanionNeedKind kind, const char *path, const char *field)
{
    CompanionNeed *need = g_new0(CompanionNeed, 1);

    need->kind = kind;
    need->path = g_strdup(path);
    need->field = g_strdup(field);
    g_ptr_array_add(companion->needs, need);
}

static void
ask_device(const DeviceContext *context, const DeviceSpelling *spelling, guint index,
           GPtrArray *companions)
{
    const GPtrArray *devices = domain_devices(context->at.domain, spelling->kind);
    g_autofree char *path = g_strdup_printf("devices/%s[%u]", spelling->kind->name, index);
    DeviceContext own = *context;

    own.at.path = path;
    spelling->companions(&own, devices->pdata[index], companions);
}

void
device_companions_all(const DeviceContext *context, GPtrArray *companions)
{
    for (guint k = 0; device_spellings[k]; k++) {
        const DeviceSpelling *spelling = device_spellings[k];
        guint n = list_length(domain_devices(context->at.domain, spelling->kind));

        for (guint i = 0; spelling->companions && i < n; i++)
            ask_device(context, spelling, i, companions);
    }
}

void
device_companions(const DeviceContext *context, const DeviceKind *kind, gconstpointer device,
                  GPtrArray *companions)
{
    const DeviceSpelling *spelling = device_spelling_find(kind);
    GPtrArray *devices = domain_devices(context->at.domain, kind);
    guint index;

    if (spelling && spelling->companions && devices && g_ptr_array_find(devices, device, &index))
        ask_device(context, spelling, index, companions);
}

char *
companion_socket(const DeviceContext *context, const char *alias, const char *suffix)
{
    return g_strdup_printf("%s/%s-%s.sock", context->facts->socket_directory, alias, suffix);
}

bool
companion_allows_program(const HostFacts *facts, const char *kind, const char *path)
{
    const char *own = facts->find_helper ? facts->find_helper(facts->helpers, kind) : NULL;
    g_autofree char *directory = g_path_get_dirname(path);
    g_autofree char *name = g_path_get_basename(path);

    if (!g_strcmp0(own, path))
        return true;
    for (guint i = 0; i < G_N_ELEMENTS(directories); i++)
        if (!strcmp(directory, directories[i]))
            return !strcmp(name, kind);
    return false;
}

char *
companion_find_program(const char *program)
{
    char *found;

    if (g_path_is_absolute(program))
        return access(program, X_OK) == 0 ? g_strdup(program) : NULL;
    found = g_find_program_in_path(program);
    if (found && g_path_is_absolute(found))
        return found;
    g_clear_pointer(&found, g_free);
    for (guint i = 0; !found && i < G_N_ELEMENTS(directories); i++) {
        g_autofree char *path = g_build_filename(directories[i], program, NULL);

        if (access(path, X_OK) == 0)
            found = g_steal_pointer(&path);
    }
    return found;
}

static bool
is_met(const CompanionNeed *need)
{
    g_autofree char *program = NULL;

    if (need->kind == NEED_DIRECTORY)
        return g_file_test(need->path, G_FILE_TEST_IS_DIR);
    if (need->kind == NEED_FILE)
        return access(need->path, R_OK) == 0;
    program = companion_find_program(need->path);
    return program != NULL;
}

void
companion_check(const Companion *companion, const DeviceContext *context)
{
    static const char *const texts[] = {
        [NEED_FILE] = "%s is not there or can't be read",
        [NEED_DIRECTORY] = "%s is not a directory",
        [NEED_PROGRAM] = "the program %s is not there; install it, or name it in the "
                         "configuration's helpers",
    };
    Validation at = context->at;

    at.path = companion->where;
    for (guint i = 0; i < companion->needs->len; i++) {
        const CompanionNeed *need = companion->needs->pdata[i];
        g_autoptr(GString) text = g_string_new(texts[need->kind]);

        if (is_met(need))
            continue;
        g_string_replace(text, "%s", need->path, 1);
        validation_error(&at, need->field, "missing", "%s", text->str);
    }
}
