/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * `virtkeep status`: what the state file says, at once, whoever is at work and however hung a QEMU
 * is: no monitor is asked. One thing is checked beside it, since a lie would be worst there: that
 * the process a row names is still that process. What is newer than the last pass, `plan` and
 * `explain` show.
 *
 * The JSON has the field names and values of the state file's views (docs/state.md).
 */
#include <string.h>

#include "controller/commands.h"
#include "controller/host.h"
#include "controller/message.h"
#include "controller/render-status.h"
#include "controller/site.h"
#include "qemu/process.h"
#include "state/memory_devices.h"

/* ---- processes ---- */

static bool
is_process_gone(const DomainRecord *row, const char *boot_id)
{
    guint64 start_time;

    if (!row->process.pid)
        return false;
    return g_strcmp0(row->process.boot_id, boot_id) ||
           !process_start_time(row->process.pid, &start_time) ||
           start_time != row->process.pid_start_time;
}

/* The row as it would stand, had a pass seen it. */
static void
note_gone(DomainRecord *row)
{
    g_free(row->message);
    row->message =
        g_strdup_printf("its QEMU (pid %" G_GINT64_FORMAT ") is gone; the next pass will see to it",
                        row->process.pid);
    g_free(row->run_state);
    row->run_state = g_strdup("off");
    g_free(row->reason);
    row->reason = g_strdup("QemuGone");
    row->sync = SYNC_OUT_OF_SYNC;
    row->process.pid = 0;
    row->memory_current = row->memory_requested = 0;
}

static void
check_processes(GPtrArray *rows)
{
    g_autofree char *boot_id = process_boot_id(NULL);

    for (guint i = 0; i < rows->len; i++)
        if (is_process_gone(rows->pdata[i], boot_id))
            note_gone(rows->pdata[i]);
}

/* ---- which ---- */

static bool
is_wanted(const char *name, const char *const *names)
{
    return !*names || g_strv_contains(names, name);
}

static bool
check_names(const GPtrArray *rows, const char *const *names)
{
    g_autoptr(GPtrArray) known = g_ptr_array_new();
    bool is_good = true;

    for (guint i = 0; i < rows->len; i++)
        g_ptr_array_add(known, ((const DomainRecord *) rows->pdata[i])->name);
    for (; *names; names++) {
        g_autofree char *text = NULL;

        if (g_ptr_array_find_with_equal_func(known, *names, g_str_equal, NULL))
            continue;
        text = site_unknown_name(*names, known);
        message_error("%s", text);
        is_good = false;
    }
    return is_good;
}

static void
keep_wanted(GPtrArray *rows, const char *const *names)
{
    for (guint i = rows->len; i > 0; i--)
        if (!is_wanted(((const DomainRecord *) rows->pdata[i - 1])->name, names))
            g_ptr_array_remove_index(rows, i - 1);
}

/* ---- output ---- */

static bool
print_json(const GPtrArray *rows, const GPtrArray *devices, const Json *notes)
{
    g_autoptr(Json) json = message_json_new();
    Json *domains = json_new_array();

    for (guint i = 0; i < rows->len; i++)
        json_append(domains, status_json(rows->pdata[i], devices));
    json_set(json, "domains", domains);
    json_set(json, "notes", json_copy(notes));
    return message_print_json(json);
}

static bool
print_text(const GPtrArray *rows, const Json *notes, const Invocation *invocation)
{
    g_autofree char *text = NULL;

    for (guint i = 0; i < json_length(notes); i++)
        message_error("%s", json_get_string(json_at(notes, i), "text"));
    if (!rows->len) {
        message_note("no domain was seen yet; 'virtkeep plan' shows what the files say");
        return true;
    }
    text = status_text(rows, g_get_real_time(), terminal_has_color(1, invocation->global.color));
    return message_print(text);
}

static int
fail(const GError *error)
{
    message_error("%s", error->message);
    return EXIT_FAILED;
}

static int
run_status(const Invocation *invocation)
{
    g_autoptr(Config) config = invocation_config(invocation);
    g_autoptr(GError) error = NULL;
    g_autoptr(Store) store = NULL;
    g_autoptr(GPtrArray) rows = NULL, devices = NULL;
    g_autoptr(Json) notes = NULL;
    bool is_printed;

    if (!config)
        return EXIT_FAILED;
    store = store_open(config->state, STORE_READ_ONLY, &error);
    if (!store || !(rows = store_domain_list(store, &error)) ||
        !(devices = store_memory_device_list(store, NULL, &error)) ||
        !(notes = site_directory_notes(store, &error)))
        return fail(error);
    if (!check_names(rows, invocation->args))
        return EXIT_FAILED;
    keep_wanted(rows, invocation->args);
    check_processes(rows);
    is_printed = invocation->global.output == OUTPUT_JSON ? print_json(rows, devices, notes)
                                                          : print_text(rows, notes, invocation);
    return is_printed ? 0 : EXIT_FAILED;
}

const Command status_command = {
    .name = "status",
    .arguments = "[NAME...]",
    .summary = "Show how domains stand to their files",
    .doc = "Reads the state file only, so it answers at once, also while watch is at work or a\n"
           "QEMU hangs. MEMORY is what the guest has, what QEMU was asked for and what the file\n"
           "asks for; one figure where they agree. AGE is how long the domain has stood so.\n"
           "'virtkeep explain NAME' looks closer, and at this moment.",
    .examples = "  virtkeep status\n"
                "  virtkeep status web-1 --output json | jq -r '.domains[].sync'",
    .max_args = G_MAXUINT,
    .run = run_status,
};
