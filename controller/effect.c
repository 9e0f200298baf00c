/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The doing half of a pass. One function an action kind, in a table.
 *
 * The order of things is what makes a kill at any instant harmless:
 *
 *     start:    intent | memory granted | companions, each as below | held child exists |
 *               pid, start time, token and document committed | its cgroup | exec |
 *               monitor answers, uuid agrees | start counted | prepared | cont | outcome
 *     shutdown: intent | system_powerdown | deadline ... (later pass) process gone | outcome
 *     destroy:  intent | quit, and SIGKILL by pidfd when it does not end | outcome
 *
 * Before exec nothing runs; after it the QEMU is found again by its run directory. Nothing is
 * rolled back: whoever comes next looks and plans.
 *
 * An intent waits for the disk. That of a start need not: power loss ends its QEMU, and the count
 * of the start, which brings it to the disk, comes before the guest runs.
 */
#include "controller/effect.h"

#include <errno.h>
#include <string.h>

#include <glib/gstdio.h>

#include "controller/balloon-move.h"
#include "controller/command-facts.h"
#include "controller/companions.h"
#include "controller/graphics-ports.h"
#include "controller/links.h"
#include "controller/memory-ledger.h"
#include "controller/memory-mark.h"
#include "controller/nvram.h"
#include "controller/optional-disk.h"
#include "controller/tuning.h"
#include "model/launch-security.h"
#include "qemu/command-line.h"
#include "qemu/device.h"
#include "qemu/launch-files.h"
#include "qemu/launch.h"
#include "qemu/observe.h"
#include "qemu/stray.h"
#include "state/memory_claims.h"

#define CONNECT_TIMEOUT_US (30 * G_USEC_PER_SEC)
#define QUIT_WAIT_US (5 * G_USEC_PER_SEC)

bool
effect_begin(const Site *site, const Subject *subject, const char *kind, const char *detail,
             gint64 *ret_id, GError **error)
{
    ActionOwner owner = host_owner(site->host);
    ActionCause cause = {
        .file = subject->input.file,
        .commit = site->scan->commit,
        .trigger = site->trigger,
    };

    return journal_begin(site->store, subject->name, kind, detail, &cause, &owner,
                         g_get_real_time(), ret_id, error);
}

void
effect_note_drift(const Subject *subject, const Site *site, const PlanAction *action)
{
    EventRecord event = { .domain = subject->name,
                          .kind = (char *) EVENT_DRIFT,
                          .detail = action->drift,
                          .at_us = g_get_real_time() };

    if (action->drift)
        (void) store_event_add(site->store, &event, NULL);
}

void
effect_end(const Site *site, gint64 id, ActionOutcome outcome, const char *failure)
{
    g_autoptr(GError) error = NULL;

    /* The effect is there whether this row can be written or not; an open row of a living
     * process is closed by its next pass, a dead one's by anyone's. */
    if (!journal_end(site->store, id, outcome, failure, g_get_real_time(), &error))
        g_debug("journal: %s", error->message);
}

/* Under one temporary name, so that being killed in between leaves nothing that the next writer
 * would not replace. */
static bool
write_applied(const char *run_directory, const char *xml, GError **error)
{
    g_autofree char *path = g_build_filename(run_directory, "applied.xml", NULL);
    g_autofree char *temporary = g_strconcat(path, ".tmp", NULL);

    if (!g_file_set_contents_full(temporary, xml, -1, G_FILE_SET_CONTENTS_NONE, 0600, error))
        return false;
    if (g_rename(temporary, path) == 0)
        return true;
    g_set_error(error, G_IO_ERROR, (int) g_io_error_from_errno(errno), "%s: %s", path,
                g_strerror(errno));
    return false;
}

/* The state last: as long as it has the former document, the next pass does all of this again. */
bool
effect_note_applied(Subject *subject, const Site *site, const Domain *applied, GError **error)
{
    g_autofree char *xml = domain_format(applied);

    return write_applied(subject->run_directory, xml, error) &&
           store_domain_put_applied(site->store, subject->name, xml, error);
}

/* ---- start ---- */

static char **
copy_environment(const CommandLine *line)
{
    const GPtrArray *variables = command_line_environment(line);
    g_autoptr(GStrvBuilder) builder = g_strv_builder_new();

    for (guint i = 0; i < variables->len; i++)
        g_strv_builder_add(builder, variables->pdata[i]);
    return g_strv_builder_end(builder);
}

/* What a command line alone does not set up, and nothing else here does yet. */
static bool
check_launchable(const Domain *domain, GError **error)
{
    const LaunchSecurity *security = domain->launch_security;
    const char *missing = NULL;

    if (security && (security->dh_certificate || security->session))
        missing = "launchSecurity: virtkeep does not make SEV's session files yet";
    if (missing)
        g_set_error_literal(error, G_IO_ERROR, G_IO_ERROR_NOT_SUPPORTED, missing);
    return !missing && device_check_launch(domain, error);
}

/* NULL with @error. Free both with g_strfreev(). */
static char **
build_argv(Subject *subject, const Site *site, const Domain *domain, const Links *links,
           char ***ret_environment, GError **error)
{
    g_autoptr(CommandFacts) facts =
        command_facts_new(site, domain, subject->emulator, subject->run_directory);
    g_autoptr(Diagnostics) diagnostics = diagnostics_new(subject->entry->file);
    g_autoptr(CommandLine) line = NULL;

    facts->host.links = (const HostLink *) (const void *) links->links->data;
    facts->host.n_links = links->links->len;
    line = command_line_build(domain, subject->capabilities, &facts->host, subject->input.positions,
                              diagnostics);
    if (!line) {
        const Diagnostic *first = diagnostics_first_error(diagnostics);
        g_autofree char *text =
            first ? diagnostic_format(diagnostics, first) : g_strdup("no command line can be made");

        g_set_error_literal(error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT, text);
        return NULL;
    }
    *ret_environment = copy_environment(line);
    return command_line_argv(line, subject->emulator);
}

/* What must be known of a process before it becomes a QEMU, and, with @is_start, before its guest
 * runs. Power loss ends a QEMU and what the first commit was for; but a guest that has run has seen
 * its addresses and is counted, whatever happens. */
static bool
commit_process(Subject *subject, const Site *site, const ProcessRecord *record, gboolean is_start,
               GError **error)
{
    g_autofree char *xml = domain_format(subject->desired);
    g_autofree char *whole = domain_format(subject_whole(subject));
    DomainProcess process = {
        .pid = record->pid,
        .pid_start_time = record->start_time,
        .boot_id = record->boot_id,
        .token = record->token,
        .emulator = record->emulator,
        .memory_boot = domain_boot_memory(subject->desired),
    };

    if (is_start ? !store_begin(site->store, error) : !store_begin_relaxed(site->store, error))
        return false;
    if (store_domain_put_process(site->store, subject->name, &process, is_start, error) &&
        store_domain_put_resolved(site->store, subject->name, whole, error) &&
        store_domain_put_applied(site->store, subject->name, xml, error) &&
        store_memory_claim_set_qemu(site->store, subject->name, record->pid, record->start_time,
                                    error) &&
        memory_mark_commit(site, error))
        return true;
    store_rollback(site->store);
    return false;
}

static bool
check_identity(Monitor *monitor, const Domain *desired, GError **error)
{
    g_autofree char *uuid = monitor_query_uuid(monitor, error);

    if (!uuid)
        return false;
    if (!g_strcmp0(uuid, desired->uuid))
        return true;
    g_set_error(error, LAUNCH_ERROR, LAUNCH_ERROR_FAILED, "the QEMU that answers has uuid %s",
                uuid);
    return false;
}

static bool
bring_up(Subject *subject, const Site *site, Launch *launch, GError **error)
{
    g_autofree char *xml = domain_format(subject->desired);
    Qmp *qmp;

    if (!write_applied(subject->run_directory, xml, error) ||
        !tuning_confine(subject->name, site->config, launch_record(launch)->pid, error) ||
        !launch_go(launch, error))
        return false;
    qmp = launch_connect(launch, CONNECT_TIMEOUT_US, error);
    if (!qmp)
        return false;
    subject->monitor = monitor_new_live(qmp);
    return check_identity(subject->monitor, subject->desired, error) &&
           commit_process(subject, site, launch_record(launch), TRUE, error) &&
           tuning_settle(subject->desired, site->config, subject->monitor,
                         launch_record(launch)->pid, error) &&
           balloon_move_expect(subject, site, subject->desired, error) &&
           device_prepare_all(subject->monitor, subject->desired, error) &&
           monitor_cont(subject->monitor, error);
}

/* Writes out which version of "q35" or "pc" this QEMU means; resolve keeps it from here on. */
static void
pin_machine(Subject *subject)
{
    const CapabilitiesMachine *machine =
        capabilities_machine(subject->capabilities, subject->desired->machine);

    if (!machine || !machine->name || !g_strcmp0(machine->name, subject->desired->machine))
        return;
    g_free(subject->desired->machine);
    subject->desired->machine = g_strdup(machine->name);
    if (subject->whole) {
        g_free(subject->whole->machine);
        subject->whole->machine = g_strdup(machine->name);
    }
}

/* Also where the state knows of starts: one that was put back from a copy does not know of this. */
static bool
check_no_stray(const Subject *subject, GError **error)
{
    g_autoptr(ProcessRecord) stray = NULL;
    g_autofree char *owner = NULL;

    if (subject->has_no_stray) /* in this pass, so under its lock */
        return true;
    stray = stray_find(subject->desired->uuid, subject->run_directory, NULL, &owner);
    if (!stray)
        return true;
    stray_refuse(stray, owner, error);
    return false;
}

/* Asked once more where the pass asked before: a restart could not be granted all of it while the
 * former QEMU had its own. */
static bool
grant_memory(Subject *subject, GError **error)
{
    MemoryGrant grant;

    if (!memory_ledger_ask_start(subject->ledger, &grant, error))
        return false;
    if (grant == MEMORY_GRANTED)
        return true;
    g_set_error_literal(error, G_IO_ERROR, G_IO_ERROR_NO_SPACE,
                        memory_ledger_wait(subject->ledger));
    return false;
}

/* After an attempt: what can't be removed now is removed by the next one. */
static void
clean_up(Subject *subject, const Site *site)
{
    (void) companions_end(subject, site, NULL);
    tuning_release(subject->name, site->config);
    (void) run_directory_clear(subject->run_directory, NULL);
}

static bool
launch_domain(Subject *subject, const Site *site, GError **error)
{
    g_autofree char *log = g_strdup_printf("%s/%s.log", site->config->log, subject->name);
    g_autofree char *token = process_token_new();
    g_autoptr(Domain) placed = NULL;
    g_autoptr(GPtrArray) ports = NULL; /* held until QEMU has them */
    g_auto(GStrv) argv = NULL, environment = NULL;
    g_autoptr(Launch) launch = NULL;
    g_autoptr(Links) links = NULL;
    LaunchSpec spec = { .name = subject->name,
                        .run_directory = subject->run_directory,
                        .log_path = log,
                        .token = token,
                        .uuid = subject->desired->uuid };

    if (!launch_check_run_directory(subject->run_directory, error) ||
        !launch_check_not_running(subject->run_directory, error) ||
        !check_no_stray(subject, error) || !subject_probe(subject, site, error) ||
        !check_launchable(subject->desired, error) || !nvram_provide(subject->desired, error))
        return false;
    pin_machine(subject);
    placed = graphics_ports_choose(subject->desired, site->config->tls_spice, &ports);
    if (!grant_memory(subject, error))
        return false;
    memory_ledger_limit(subject->ledger, placed);
    links = links_make(site, subject, placed, error);
    argv = links ? build_argv(subject, site, placed, links, &environment, error) : NULL;
    if (!argv)
        return false;
    spec.fds = (const LaunchFd *) (const void *) links->fds->data;
    spec.n_fds = links->fds->len;
    spec.argv = (const char *const *) argv;
    spec.environment = (const char *const *) environment;
    if (!launch_make_directory(subject->run_directory, error) ||
        !tuning_enclose(subject->desired, site->config, error) ||
        !companions_start(subject, site, placed, error)) {
        clean_up(subject, site);
        return false;
    }
    launch = tuning_prepare(subject->desired, &spec, error);
    g_clear_pointer(&links, links_free); /* the taps are the child's from here on */
    if (!launch) {
        clean_up(subject, site);
        return false;
    }
    if (!commit_process(subject, site, launch_record(launch), FALSE, error) ||
        !bring_up(subject, site, launch, error)) {
        g_clear_pointer(&subject->monitor, monitor_free);
        companions_blame(subject, error);
        launch_abort(launch);
        clean_up(subject, site);
        (void) store_domain_put_exit(site->store, subject->name, NULL, g_get_real_time(), NULL);
        return false;
    }
    subject->process = launch_steal_process(launch);
    subject->process_state = PROCESS_ALIVE;
    subject->applied = domain_copy(subject->desired);
    subject->input.applied = subject->input.told = subject->applied;
    return true;
}

static void
note_left_out(const Subject *subject, const Site *site)
{
    const GPtrArray *items = subject->diagnostics->items;

    for (guint i = 0; i < items->len; i++) {
        const Diagnostic *item = items->pdata[i];
        EventRecord event = { .domain = subject->name,
                              .kind = (char *) item->code,
                              .detail = item->text,
                              .at_us = g_get_real_time() };

        if (g_str_equal(item->code, MEDIUM_MISSING) || g_str_equal(item->code, DISK_MISSING))
            (void) store_event_add(site->store, &event, NULL);
    }
}

static EffectOutcome
run_start(Subject *subject, const Site *site, const PlanAction *action, GError **error)
{
    optional_disks_leave_out(subject, site); /* what the QEMU before still had, in a restart */
    if (launch_domain(subject, site, error)) {
        note_left_out(subject, site);
        return EFFECT_DONE;
    }
    (void) links_sweep(subject, NULL); /* or by the next pass */
    return EFFECT_FAILED;
}

/* ---- the others ---- */

static EffectOutcome
run_continue(Subject *subject, const Site *site, const PlanAction *action, GError **error)
{
    if (!check_identity(subject->monitor, subject->desired, error) ||
        !tuning_settle(subject->applied, site->config, subject->monitor,
                       process_record(subject->process)->pid, error) ||
        !balloon_move_expect(subject, site, subject->applied, error) ||
        !device_prepare_all(subject->monitor, subject->applied, error) ||
        !monitor_cont(subject->monitor, error))
        return EFFECT_FAILED;
    return EFFECT_DONE;
}

static EffectOutcome
run_shutdown(Subject *subject, const Site *site, const PlanAction *action, GError **error)
{
    gint64 now = g_get_real_time();
    DomainShutdown shutdown = {
        .requested_at_us = now,
        .deadline_us = now + subject->policy.shutdown_timeout,
        .purpose = (char *) action->purpose,
    };

    /* Asked first: a guest that is asked twice, since nobody could note that it was asked, powers
     * off as well; one of which it is noted but who never was, would be destroyed in the end. */
    if (!monitor_system_powerdown(subject->monitor, error) ||
        !store_domain_put_shutdown(site->store, subject->name, &shutdown, error))
        return EFFECT_FAILED;
    return EFFECT_PENDING;
}

/* Its QEMU has ended: nothing of the host's is to be left. */
static bool
leave(Subject *subject, const Site *site, GError **error)
{
    if (!companions_end(subject, site, error) || !links_sweep(subject, error))
        return false;
    tuning_release(subject->name, site->config);
    return run_directory_clear(subject->run_directory, error);
}

/* Ends QEMU: by its monitor, and by the kernel when that does not help. */
static EffectOutcome
run_end(Subject *subject, const Site *site, const PlanAction *action, GError **error)
{
    LastExit last_exit = action->kind == PLAN_ACTION_REAP ? EXIT_GUEST_SHUTDOWN : EXIT_STOPPED;

    if (subject->observed->run_state == RUN_STATE_CRASHED)
        last_exit = EXIT_CRASHED;
    if (subject->input.shutdown_purpose)
        last_exit = EXIT_STOPPED; /* it powered off because it was asked to */
    if (subject->monitor)
        (void) monitor_quit(subject->monitor, NULL);
    g_clear_pointer(&subject->monitor, monitor_free);
    if (!process_wait(subject->process, QUIT_WAIT_US) &&
        (!process_kill(subject->process, error) || !process_wait(subject->process, QUIT_WAIT_US))) {
        if (error && !*error)
            g_set_error_literal(error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT,
                                "its QEMU does not end, not even killed");
        return EFFECT_FAILED;
    }
    g_clear_pointer(&subject->process, process_free);
    subject->process_state = PROCESS_GONE;
    if (!store_domain_put_exit(site->store, subject->name, last_exit_name(last_exit),
                               g_get_real_time(), error) ||
        !leave(subject, site, error))
        return EFFECT_FAILED;
    g_clear_pointer(&subject->applied, domain_free);
    subject->input.applied = subject->input.told = NULL;
    subject->input.last_exit = last_exit;
    subject->input.shutdown_purpose = NULL;
    return EFFECT_DONE;
}

static const struct {
    EffectOutcome (*run)(Subject *subject, const Site *site, const PlanAction *action,
                         GError **error);
} effects[] = {
    [PLAN_ACTION_START] = { run_start },       [PLAN_ACTION_CONTINUE] = { run_continue },
    [PLAN_ACTION_SHUTDOWN] = { run_shutdown }, [PLAN_ACTION_DESTROY] = { run_end },
    [PLAN_ACTION_REAP] = { run_end },
};

static bool
is_of_kind(const ActionRecord *row, PlanActionKind kind)
{
    return !g_strcmp0(row->kind, plan_action_name(kind));
}

void
effect_end_shutdown(const Subject *subject, const Site *site, ActionOutcome outcome,
                    const char *failure)
{
    g_autoptr(GPtrArray) rows = journal_open_rows(site->store, subject->name, NULL);

    for (guint i = 0; rows && i < rows->len; i++) {
        const ActionRecord *row = rows->pdata[i];

        if (is_of_kind(row, PLAN_ACTION_SHUTDOWN))
            effect_end(site, row->id, outcome, failure);
    }
}

void
effect_end_lost(const Subject *subject, const Site *site)
{
    g_autoptr(GPtrArray) rows = journal_open_rows(site->store, subject->name, NULL);

    for (guint i = 0; rows && i < rows->len; i++) {
        const ActionRecord *row = rows->pdata[i];
        bool is_move =
            is_of_kind(row, PLAN_ACTION_SET_MEMORY) || is_of_kind(row, PLAN_ACTION_SET_BALLOON) ||
            is_of_kind(row, PLAN_ACTION_REMOVE_DEVICE) || is_of_kind(row, PLAN_ACTION_REMOVE_VCPU);
        bool is_pending = is_of_kind(row, PLAN_ACTION_SHUTDOWN) && subject->input.shutdown_purpose;

        if (is_move && !subject->process)
            effect_end(site, row->id, ACTION_SUPERSEDED, "its QEMU ended");
        else if (!is_move && !is_pending)
            effect_end(site, row->id, ACTION_INTERRUPTED, "its outcome could not be recorded");
    }
}

/* In a transaction that is not waited for. */
static bool
begin_start(const Site *site, const Subject *subject, const char *kind, gint64 *ret_id,
            GError **error)
{
    if (!store_begin_relaxed(site->store, error))
        return false;
    if (effect_begin(site, subject, kind, NULL, ret_id, error) && store_commit(site->store, error))
        return true;
    store_rollback(site->store);
    return false;
}

EffectOutcome
effect_run(Subject *subject, const Site *site, const PlanAction *action, GError **error)
{
    const char *kind = plan_action_name(action->kind);
    bool is_start = action->kind == PLAN_ACTION_START;
    g_autoptr(GError) failure = NULL;
    EffectOutcome outcome;
    gint64 id;

    g_assert(action->kind < G_N_ELEMENTS(effects) && effects[action->kind].run);
    if (is_start ? !begin_start(site, subject, kind, &id, error)
                 : !effect_begin(site, subject, kind, NULL, &id, error))
        return EFFECT_FAILED;
    if (action->kind == PLAN_ACTION_DESTROY && subject->input.shutdown_purpose)
        effect_end_shutdown(subject, site, ACTION_TIMEOUT, "the guest did not power off in time");
    outcome = effects[action->kind].run(subject, site, action, &failure);
    if (outcome == EFFECT_FAILED) {
        effect_end(site, id, ACTION_FAILED, failure->message);
        g_propagate_error(error, g_steal_pointer(&failure));
    } else if (outcome == EFFECT_DONE) {
        effect_end(site, id, ACTION_DONE, NULL);
        if (action->kind == PLAN_ACTION_REAP)
            effect_end_shutdown(subject, site, ACTION_DONE, NULL);
    }
    return outcome;
}

/* ---- what happened behind our back ---- */

bool
effect_note_exit(Subject *subject, const Site *site, GError **error)
{
    bool was_asked = subject->input.shutdown_purpose != NULL;
    LastExit last_exit = was_asked ? EXIT_STOPPED : EXIT_CRASHED;

    effect_end_shutdown(subject, site, ACTION_DONE, NULL);
    if (!store_domain_put_exit(site->store, subject->name, last_exit_name(last_exit),
                               g_get_real_time(), error))
        return false;
    if (!was_asked) {
        EventRecord event = { .domain = subject->name,
                              .kind = (char *) "qemu-vanished",
                              .detail = (char *) "its QEMU process ended without being asked to",
                              .at_us = g_get_real_time() };

        (void) store_event_add(site->store, &event, NULL);
    }
    subject->input.shutdown_purpose = NULL;
    subject->input.last_exit = last_exit;
    return leave(subject, site, error);
}

bool
effect_note_adoption(Subject *subject, const Site *site, GError **error)
{
    const ProcessRecord *record = process_record(subject->process);
    DomainProcess process = {
        .pid = record->pid,
        .pid_start_time = record->start_time,
        .boot_id = record->boot_id,
        .token = record->token,
        .emulator = record->emulator,
        .memory_boot = subject->applied ? domain_boot_memory(subject->applied) : 0,
    };
    EventRecord event = {
        .domain = subject->name,
        .kind = (char *) "adopted",
        .detail = (char *) "a QEMU that the state did not know was found in its run directory",
        .at_us = g_get_real_time()
    };

    (void) store_event_add(site->store, &event, NULL);
    if (!store_domain_put_process(site->store, subject->name, &process, TRUE, error))
        return false;
    return !subject->applied || effect_note_applied(subject, site, subject->applied, error);
}
