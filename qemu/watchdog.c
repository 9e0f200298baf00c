/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Watchdogs: devices, but for ICH9's, which is there and only kept from acting by a switch. What
 * they do when they fire is one setting of QEMU's, said with the first of them.
 *
 * The last action given counts for QEMU, so it stands once; the model sees to it that all of
 * them agree.
 */
#include "model/watchdog.h"

#include "qemu/device.h"

static Json *
watchdog_properties(const DeviceContext *context, gconstpointer device)
{
    static const char *const drivers[] = { [WATCHDOG_I6300ESB] = "i6300esb",
                                           [WATCHDOG_IB700] = "ib700",
                                           [WATCHDOG_ITCO] = NULL,
                                           [WATCHDOG_DIAG288] = NULL };
    const Watchdog *watchdog = device;
    Json *tree;

    if (!drivers[watchdog->model])
        return NULL;
    tree = device_tree_new(context, drivers[watchdog->model]);
    device_tree_add_info(context, tree, &watchdog->info);
    return tree;
}

static const char *const actions[] = {
    [0] = "reset",
    [WATCHDOG_RESET] = "reset",
    [WATCHDOG_SHUTDOWN] = "shutdown",
    [WATCHDOG_POWEROFF] = "poweroff",
    [WATCHDOG_PAUSE] = "pause",
    [WATCHDOG_DUMP] = "pause", /* whoever watches dumps and resumes */
    [WATCHDOG_INJECT_NMI] = "inject-nmi",
    [WATCHDOG_NONE] = "none",
};

static void
watchdog_options(const DeviceContext *context, gconstpointer device, CommandLine *line)
{
    const Watchdog *watchdog = device;

    if (watchdog->model == WATCHDOG_ITCO)
        command_line_add(line, "-global", "ICH9-LPC.noreboot=off");
    if (watchdog == list_at(context->at.domain->watchdogs, 0, Watchdog))
        command_line_add(line, "-watchdog-action", actions[watchdog->action]);
}

/* Also of one that is plugged into a guest that had none. */
static bool
watchdog_prepare(Monitor *monitor, const Domain *domain, gconstpointer device, GError **error)
{
    Json *arguments = json_new_object();

    json_set_string(arguments, "action", actions[((const Watchdog *) device)->action]);
    return monitor_run(monitor, "watchdog-set-action", arguments, error);
}

const DeviceSpelling watchdog_spelling = {
    .kind = &watchdog_kind,
    .properties = watchdog_properties,
    .options = watchdog_options,
    .prepare = watchdog_prepare,
};
