/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * `virtkeep history`: what was done, why, with what outcome and how long it took; beside it, on
 * request, what changed in the files and what QEMU or the controller reported. It reads the state
 * file's journal; newest last, as one reads a log. Domains that are gone keep their history.
 */
#include "controller/commands.h"
#include "controller/message.h"
#include "controller/render-history.h"
#include "controller/site.h"

typedef struct HistoryOptions {
    gint64 since; /* us before now; 0: from the start */
    OptUint limit;
    bool wants_changes, wants_events;
} HistoryOptions;

#define DEFAULT_LIMIT 50

static const Option history_options[] = {
    { .name = "since",
      .type = OPTION_DURATION,
      .offset = offsetof(HistoryOptions, since),
      .argument = "D",
      .doc = "only what happened in the last D: 30m, 12h, 7d" },
    { .name = "limit",
      .letter = 'n',
      .type = OPTION_UINT,
      .offset = offsetof(HistoryOptions, limit),
      .argument = "N",
      .doc = "the newest N of each kind; 0: all (50)" },
    { .name = "changes",
      .type = OPTION_FLAG,
      .offset = offsetof(HistoryOptions, wants_changes),
      .doc = "also what changed in the files" },
    { .name = "events",
      .type = OPTION_FLAG,
      .offset = offsetof(HistoryOptions, wants_events),
      .doc = "also what QEMU and watch reported" },
    OPTION_END,
};

static bool
read_history(Store *store, const HistoryFilter *filter, const HistoryOptions *options,
             History *history, GError **error)
{
    history->actions = store_action_list(store, filter, error);
    if (!history->actions)
        return false;
    if (options->wants_changes && !(history->changes = store_change_list(store, filter, error)))
        return false;
    if (options->wants_events && !(history->events = store_event_list(store, filter, error)))
        return false;
    return true;
}

static bool
is_empty(const History *history)
{
    return !history->actions->len && (!history->changes || !history->changes->len) &&
           (!history->events || !history->events->len);
}

/* Nothing is said of it: is it a domain at all? */
static bool
check_name(Store *store, const char *name)
{
    g_autoptr(GPtrArray) rows = store_domain_list(store, NULL);
    g_autoptr(GPtrArray) known = g_ptr_array_new();
    g_autofree char *text = NULL;

    for (guint i = 0; rows && i < rows->len; i++)
        g_ptr_array_add(known, ((const DomainRecord *) rows->pdata[i])->name);
    if (g_ptr_array_find_with_equal_func(known, name, g_str_equal, NULL))
        return true;
    text = site_unknown_name(name, known);
    message_error("%s", text);
    return false;
}

static bool
print_history(const History *history, const Invocation *invocation)
{
    g_autofree char *text = NULL;

    if (invocation->global.output == OUTPUT_JSON) {
        g_autoptr(Json) json = message_json_new();

        history_fill_json(history, json);
        return message_print_json(json);
    }
    if (is_empty(history))
        message_note("nothing was done yet");
    text = history_text(history, terminal_has_color(1, invocation->global.color));
    return message_print(text);
}

static int
run_history(const Invocation *invocation)
{
    const HistoryOptions *options = invocation->options;
    const char *name = invocation->args[0];
    HistoryFilter filter = {
        .domain = name,
        .since_us = options->since ? g_get_real_time() - options->since : 0,
        .limit = options->limit.is_set ? MIN(options->limit.value, G_MAXINT32) : DEFAULT_LIMIT,
    };
    g_autoptr(Config) config = invocation_config(invocation);
    g_autoptr(Store) store = NULL;
    g_autoptr(GError) error = NULL;
    g_auto(History) history = { 0 };

    if (!config)
        return EXIT_FAILED;
    store = store_open(config->state, STORE_READ_ONLY, &error);
    if (!store || !read_history(store, &filter, options, &history, &error)) {
        message_error("%s", error->message);
        return EXIT_FAILED;
    }
    if (name && is_empty(&history) && !options->since && !check_name(store, name))
        return EXIT_FAILED;
    return print_history(&history, invocation) ? 0 : EXIT_FAILED;
}

const Command history_command = {
    .name = "history",
    .arguments = "[NAME]",
    .summary = "Show what was done, and why",
    .doc =
        "One line an action: when it began, how long it took, what became of it, and its cause:\n"
        "the file and line, the commit, and what set it off. The newest is the last.",
    .examples = "  virtkeep history web-1\n"
                "  virtkeep history --since 1h --changes --events\n"
                "  virtkeep history --output json --limit 0 | jq '.actions[] | select(.error)'",
    .options = history_options,
    .options_size = sizeof(HistoryOptions),
    .max_args = 1,
    .run = run_history,
};
