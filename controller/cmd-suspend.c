/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * `virtkeep suspend` and `virtkeep resume`: take a domain out of reconciliation and put it back. It
 * is a mark in the state file, which every pass reads; nothing is done to the QEMU.
 *
 * When `suspend` returns, nothing more is done to the domain: the mark is written first, then the
 * domain's lock is taken once, so that a pass under way has ended.
 */
#include "controller/commands.h"
#include "controller/lock.h"
#include "controller/message.h"
#include "controller/render-status.h"
#include "controller/site.h"
#include "controller/wake.h"

#define PASS_WAIT_US (20 * G_USEC_PER_SEC)

typedef struct SuspendOptions {
    char *reason;
} SuspendOptions;

static const Option suspend_options[] = {
    { .name = "reason",
      .type = OPTION_STRING,
      .offset = offsetof(SuspendOptions, reason),
      .argument = "TEXT",
      .doc = "why, for those who meet it later" },
    OPTION_END,
};

static bool
mark(const SiteSetup *setup, const char *name, bool is_suspended, const char *reason,
     GError **error)
{
    EventRecord event = { .domain = (char *) name,
                          .kind = (char *) (is_suspended ? "suspended" : "resumed"),
                          .detail = (char *) reason,
                          .at_us = g_get_real_time() };

    return store_domain_put_suspended(setup->store, name, is_suspended, reason, event.at_us,
                                      error) &&
           store_event_add(setup->store, &event, error);
}

/* What `status` says of it until a pass does. */
static bool
put_sync(const SiteSetup *setup, const char *name, bool is_suspended, const char *reason,
         GError **error)
{
    gint64 now = g_get_real_time();

    if (is_suspended)
        return store_domain_put_sync(setup->store, name, SYNC_SUSPENDED, "Suspended",
                                     reason && *reason ? reason : "suspended", now, error);
    return store_domain_put_sync(setup->store, name, SYNC_OUT_OF_SYNC, "Resumed",
                                 "the next pass looks at it", now, error);
}

/* A pass that began before the mark ends; none after it does anything. */
static Lock *
wait_for_pass(const SiteSetup *setup, const char *name)
{
    g_autoptr(GError) error = NULL;
    Lock *lock = lock_acquire(setup->config->run, name, PASS_WAIT_US, NULL, &error);

    if (!lock)
        message_note("%s: a pass under way may still act: %s", name, error->message);
    return lock;
}

static bool
print_outcome(const Invocation *invocation, const char *name, bool is_suspended, const char *reason)
{
    g_autoptr(Json) json = message_json_new();

    if (invocation->global.output != OUTPUT_JSON) {
        message_note("%s: %s", name,
                     is_suspended ? "suspended; 'virtkeep resume' puts it back"
                                  : "resumed; the next pass looks at it");
        return true;
    }
    json_set_string(json, "name", name);
    json_set_bool(json, "is_suspended", is_suspended);
    json_set_text_or_null(json, "suspend_reason", reason);
    return message_print_json(json);
}

static int
run_mark(const Invocation *invocation, bool is_suspended, const char *reason)
{
    const char *name = invocation->args[0];
    g_autoptr(SiteSetup) setup = site_open(invocation, SITE_ACT);
    g_autoptr(GError) error = NULL;
    g_autoptr(Lock) lock = NULL;

    if (!setup || !site_check_names(&setup->site, invocation->args))
        return EXIT_FAILED;
    if (mark(setup, name, is_suspended, reason, &error)) {
        lock = wait_for_pass(setup, name);
        put_sync(setup, name, is_suspended, reason, &error);
        wake_touch(setup->config->run);
    }
    if (error) {
        message_error("%s: %s", name, error->message);
        return EXIT_FAILED;
    }
    return print_outcome(invocation, name, is_suspended, reason) ? 0 : EXIT_FAILED;
}

static int
run_suspend(const Invocation *invocation)
{
    const SuspendOptions *options = invocation->options;

    return run_mark(invocation, true, options->reason);
}

static int
run_resume(const Invocation *invocation)
{
    return run_mark(invocation, false, NULL);
}

const Command suspend_command = {
    .name = "suspend",
    .arguments = "NAME",
    .summary = "Take a domain out of reconciliation",
    .doc =
        "The domain is left as it is, running or not, whatever becomes of its file, until it is\n"
        "resumed. Its guest is not paused. When the command returns, nothing more is done to\n"
        "the domain.",
    .examples = "  virtkeep suspend web-1 --reason 'looking into its disk'\n"
                "  virtkeep resume web-1",
    .options = suspend_options,
    .options_size = sizeof(SuspendOptions),
    .min_args = 1,
    .max_args = 1,
    .run = run_suspend,
};

const Command resume_command = {
    .name = "resume",
    .arguments = "NAME",
    .summary = "Put a suspended domain back into reconciliation",
    .doc =
        "The next pass makes it as its file says; 'virtkeep plan NAME' shows what that will be,\n"
        "'virtkeep apply NAME' does it now.",
    .examples = "  virtkeep plan web-1\n"
                "  virtkeep resume web-1",
    .min_args = 1,
    .max_args = 1,
    .run = run_resume,
};
