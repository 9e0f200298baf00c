/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * `virtkeep wait NAME --for=…`: for scripts that go on when a domain has come to where it was sent.
 * It acts on nothing: watch, apply or the guest do.
 *
 * What counts is a look at the file and at QEMU themselves, never the state file alone: right
 * after an edit that still says Synced. But looks take a turn at the domain's monitor, so there is
 * one at first, one whenever a pass has noted something new, and one every few seconds.
 *
 *     look ── reached ──► 0
 *       │ └── can't be: the file is bad, the domain is suspended ──► 1
 *       └── wait until the state's row moves, or LOOK_EVERY_US ──► look;  time over ──► 3
 */
#include <string.h>
#include <unistd.h>

#include "controller/commands.h"
#include "controller/conditions.h"
#include "controller/message.h"
#include "controller/render-status.h"
#include "controller/site.h"
#include "model/memory.h"
#include "model/quantity.h"

#define LOOK_TIMEOUT_US G_USEC_PER_SEC
#define LOOK_EVERY_US (2 * G_USEC_PER_SEC)
#define POLL_US 50000

typedef enum { FOR_SYNCED = 1, FOR_RUNNING, FOR_STOPPED, FOR_MEMORY } WaitFor;
static const char *const for_names[] = { NULL, "synced", "running", "stopped", "memory", NULL };

typedef struct WaitOptions {
    int what;       /* WaitFor */
    gint64 timeout; /* us; 0: no limit */
} WaitOptions;

static const Option wait_options[] = {
    { .name = "for",
      .type = OPTION_ENUM,
      .offset = offsetof(WaitOptions, what),
      .argument = "synced|running|stopped|memory",
      .names = for_names,
      .doc = "what to wait for" },
    { .name = "timeout",
      .type = OPTION_DURATION,
      .offset = offsetof(WaitOptions, timeout),
      .argument = "D",
      .doc = "give up after D, with exit status 3; no limit without it" },
    OPTION_END,
};

typedef enum { WAIT_ON, WAIT_REACHED, WAIT_HOPELESS } WaitVerdict;

/* One look, as far as waiting needs it. */
typedef struct Look {
    WaitVerdict verdict;
    SyncState sync;
    char *reason, *message;
    char *run_state;
} Look;

static void
look_clear(Look *look)
{
    g_clear_pointer(&look->reason, g_free);
    g_clear_pointer(&look->message, g_free);
    g_clear_pointer(&look->run_state, g_free);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Look, look_clear)

/* ---- deciding ---- */

/* Each virtio-mem device of the file has what the file asks for. */
static bool
is_memory_there(const Subject *subject)
{
    const Domain *desired = subject->desired;

    if (!desired || !subject->observed->pid)
        return false;
    for (guint i = 0; i < list_length(desired->memories); i++) {
        const MemoryDevice *memory = list_at(desired->memories, i, MemoryDevice);
        const ObservedMemory *observed = observed_memory(subject->observed, memory->info.alias);

        if (memory->model != MEMORY_MODEL_VIRTIO_MEM)
            continue;
        if (!observed || observed->current != memory->requested.value ||
            observed->requested != memory->requested.value)
            return false;
    }
    return true;
}

static bool
is_reached(WaitFor what, const Subject *subject, const DomainPlan *plan)
{
    RunState run_state = subject->observed->run_state;

    switch (what) {
    case FOR_SYNCED:
        return plan->verdict == PLAN_NONE && plan->sync == SYNC_SYNCED;
    case FOR_RUNNING:
        return run_state == RUN_STATE_RUNNING;
    case FOR_STOPPED:
        return run_state == RUN_STATE_OFF;
    case FOR_MEMORY:
        return is_memory_there(subject);
    }
    g_assert_not_reached();
}

/* Nothing but an operator's word or an edit will bring it about. */
static bool
is_hopeless(WaitFor what, const Subject *subject, const DomainPlan *plan)
{
    bool needs_passes = what == FOR_SYNCED || what == FOR_MEMORY;

    if (plan->sync == SYNC_INVALID || plan->sync == SYNC_SUSPENDED)
        return needs_passes;
    if (!subject->entry && needs_passes)
        return true;
    return what == FOR_RUNNING && plan->verdict == PLAN_NONE &&
           subject->observed->run_state == RUN_STATE_OFF &&
           subject->policy.run_strategy == RUN_HALTED;
}

static void
judge(WaitFor what, const Subject *subject, Look *look)
{
    g_autoptr(DomainPlan) plan = plan_domain(&subject->input);
    const char *reason, *message;

    look->sync = sync_now(subject, plan, &reason, &message);
    look->reason = g_strdup(reason);
    look->message = g_strdup(message);
    look->run_state = g_strdup(run_state_name(subject->observed->run_state));
    look->verdict = is_reached(what, subject, plan)    ? WAIT_REACHED
                    : is_hopeless(what, subject, plan) ? WAIT_HOPELESS
                                                       : WAIT_ON;
}

/* ---- looking ---- */

typedef struct Waiting {
    const Config *config;
    const Host *host;
    Store *store;
    DirectoryCache *cache;
    const char *name;
    WaitFor what;
    gint64 end; /* monotonic; G_MAXINT64: no limit */
    Progress *progress;
    GHashTable *starts; /* device -> current when first seen */
} Waiting;

static void
show_progress(Waiting *waiting, const Subject *subject)
{
    for (guint i = 0; subject->desired && i < list_length(subject->desired->memories); i++) {
        const MemoryDevice *memory = list_at(subject->desired->memories, i, MemoryDevice);
        const ObservedMemory *observed = observed_memory(subject->observed, memory->info.alias);
        guint64 *from;

        if (!observed || memory->model != MEMORY_MODEL_VIRTIO_MEM)
            continue;
        from = g_hash_table_lookup(waiting->starts, observed->id);
        if (!from) {
            from = g_memdup2(&observed->current, sizeof(*from));
            g_hash_table_insert(waiting->starts, g_strdup(observed->id), from);
        }
        progress_set(waiting->progress, observed->id, *from, observed->current,
                     memory->requested.value, NULL);
    }
    progress_draw(waiting->progress);
}

static bool
look_now(Waiting *waiting, Look *look, GError **error)
{
    g_autoptr(DirectoryScan) scan =
        site_scan(waiting->config, waiting->store, waiting->cache, error);
    g_autoptr(Subject) subject = NULL;
    Site site = {
        .config = waiting->config, .host = waiting->host, .store = waiting->store, .scan = scan
    };

    if (!scan)
        return false;
    subject = subject_gather(&site, waiting->name, LOOK_TIMEOUT_US, error);
    if (!subject)
        return false;
    look_clear(look);
    judge(waiting->what, subject, look);
    show_progress(waiting, subject);
    return true;
}

/* What of the row a pass changes. */
static char *
row_mark(const Waiting *waiting)
{
    g_autoptr(DomainRecord) row = NULL;

    if (!store_domain_get(waiting->store, waiting->name, &row, NULL) || !row)
        return g_strdup("");
    return g_strdup_printf("%s %d %s %" G_GINT64_FORMAT " %" G_GUINT64_FORMAT " %s", row->run_state,
                           row->sync, row->message, row->process.pid, row->memory_current,
                           row->desired.digest);
}

static void
pause_until_moved(const Waiting *waiting)
{
    g_autofree char *before = row_mark(waiting);
    gint64 end = MIN(g_get_monotonic_time() + LOOK_EVERY_US, waiting->end);

    while (g_get_monotonic_time() < end) {
        g_autofree char *now = NULL;

        g_usleep(POLL_US);
        now = row_mark(waiting);
        if (strcmp(before, now))
            return;
    }
}

static int
wait_for(Waiting *waiting, Look *look, GError **error)
{
    for (;;) {
        if (!look_now(waiting, look, error))
            return EXIT_FAILED;
        if (look->verdict == WAIT_REACHED)
            return EXIT_CONVERGED;
        if (look->verdict == WAIT_HOPELESS)
            return EXIT_FAILED;
        if (g_get_monotonic_time() >= waiting->end)
            return EXIT_NOT_CONVERGED;
        pause_until_moved(waiting);
    }
}

/* ---- saying ---- */

static bool
print_json(const Waiting *waiting, const Look *look, int status)
{
    g_autoptr(Json) json = message_json_new();

    json_set_string(json, "name", waiting->name);
    json_set_string(json, "for", for_names[waiting->what]);
    json_set_bool(json, "is_reached", status == EXIT_CONVERGED);
    json_set_text_or_null(json, "run_state", look->run_state);
    json_set_text_or_null(json, "sync", sync_state_name(look->sync));
    json_set_text_or_null(json, "reason", look->reason);
    json_set_text_or_null(json, "message", look->message);
    return message_print_json(json);
}

static void
say(const Waiting *waiting, const Look *look, int status)
{
    const char *what = for_names[waiting->what];

    if (status == EXIT_NOT_CONVERGED)
        message_error("%s: not %s in time: %s, %s: %s", waiting->name, what, look->run_state,
                      sync_state_name(look->sync), look->message);
    else if (status == EXIT_FAILED)
        message_error("%s: will not be %s: %s: %s", waiting->name, what,
                      sync_state_name(look->sync), look->message);
}

static int
run_on_site(const Invocation *invocation, SiteSetup *setup)
{
    const WaitOptions *options = invocation->options;
    g_autoptr(DirectoryCache) cache = directory_cache_new();
    g_autoptr(Progress) progress = progress_new(2, terminal_has_color(2, invocation->global.color));
    g_autoptr(GHashTable) starts = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    g_autoptr(GError) error = NULL;
    g_auto(Look) look = { 0 };
    Waiting waiting = {
        .config = setup->config,
        .host = setup->host,
        .store = setup->store,
        .cache = cache,
        .name = invocation->args[0],
        .what = options->what,
        .end = options->timeout ? g_get_monotonic_time() + options->timeout : G_MAXINT64,
        .progress = progress,
        .starts = starts,
    };
    int status = wait_for(&waiting, &look, &error);

    if (error) {
        message_error("%s: %s", waiting.name, error->message);
        return EXIT_FAILED;
    }
    say(&waiting, &look, status);
    if (invocation->global.output == OUTPUT_JSON && !print_json(&waiting, &look, status))
        return EXIT_FAILED;
    return status;
}

static int
run_wait(const Invocation *invocation)
{
    const WaitOptions *options = invocation->options;
    g_autoptr(SiteSetup) setup = NULL;

    if (!options->what) {
        message_error("'wait' needs --for=synced|running|stopped|memory");
        return EXIT_USAGE;
    }
    setup = site_open(invocation, SITE_LOOK);
    if (!setup || !site_check_names(&setup->site, invocation->args))
        return EXIT_FAILED;
    return run_on_site(invocation, setup);
}

const Command wait_command = {
    .name = "wait",
    .arguments = "NAME",
    .summary = "Wait until a domain is synced, running, stopped, or has its memory",
    .doc =
        "synced: as its file says now. running, stopped: its guest runs; it has no QEMU.\n"
        "memory: each virtio-mem device has exactly what the file asks for. Nothing is done\n"
        "about it: that is for watch, apply and the guest.\n\n"
        "Exit status: 0 when it has come about; 3 when the time is over; 1 on failure, and when\n"
        "it can't come about without an operator: the file is not valid, the domain suspended.",
    .examples = "  virtkeep wait web-1 --for=synced --timeout 2m\n"
                "  virtkeep suspend web-1 && virtkeep wait web-1 --for=stopped",
    .options = wait_options,
    .options_size = sizeof(WaitOptions),
    .min_args = 1,
    .max_args = 1,
    .run = run_wait,
};
