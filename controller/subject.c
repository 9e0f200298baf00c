/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Gathering what is known about one domain, without changing anything: `plan` and `status` look
 * with the same eyes as a pass that acts.
 *
 *     file    -> Spec -> resolve (with the allocations kept in the state) -> desired
 *     state   -> row: applied document, how the last QEMU ended, a shutdown under way
 *     run dir -> process (pid, start time, boot, token) -> monitor -> observed
 *
 * A QEMU that the state has forgotten (a state file that was moved away) is still ours: its run
 * directory holds its record and applied.xml. And one whose run directory was lost (removed,
 * mounted over, its record overwritten) is still running: the state knows which process it is. Only
 * where both say that it is gone is it gone, since a second QEMU on the same disks destroys them.
 * Where neither has ever seen one, and one may be started, the processes are asked (qemu/stray).
 */
#include "controller/subject.h"

#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "controller/balloon-move.h"
#include "controller/companions.h"
#include "controller/host-check.h"
#include "controller/links.h"
#include "controller/optional-disk.h"
#include "controller/restarts.h"
#include "controller/tuning.h"
#include "model/memory.h"
#include "model/regular-file.h"
#include "model/xml.h"
#include "qemu/disk-live.h"
#include "qemu/launch.h"
#include "qemu/observe.h"
#include "qemu/probe.h"
#include "qemu/stray.h"
#include "reconcile/actual.h"
#include "reconcile/memory-leave.h"
#include "reconcile/resolve.h"
#include "state/facts.h"
#include "state/history.h"

char *
site_run_directory(const Site *site, const char *name)
{
    return g_build_filename(site->config->run, name, NULL);
}

gint64
site_now(const Site *site)
{
    return site->recording ? recording_now(site->recording) : g_get_real_time();
}

/* A directory beside the state file. */
static char *
beside_state(const Site *site, const char *name)
{
    g_autofree char *directory = g_path_get_dirname(site->config->state);

    return g_build_filename(directory, name, NULL);
}

char *
site_memory_directory(const Site *site)
{
    return beside_state(site, "memory");
}

char *
site_nvram_directory(const Site *site)
{
    return beside_state(site, "nvram");
}

char *
site_tpm_directory(const Site *site)
{
    return beside_state(site, "tpm");
}

/* What a look will ask; QEMU answers it from now on. */
static void
ask_ahead(const Subject *subject)
{
    observe_ask(subject->monitor);
    if (subject->applied)
        observe_ask_details(subject->monitor, subject->applied);
}

static void
connect_monitor(Subject *subject, gint64 timeout)
{
    g_autofree char *path = launch_socket_path(subject->run_directory, LAUNCH_CONTROL);
    const ProcessRecord *record = process_record(subject->process);
    Qmp *qmp = qmp_open(path, timeout, &subject->monitor_error);
    bool is_ours = false;

    if (!qmp)
        return;
    subject->monitor = monitor_new_live(qmp);
    /* QEMU answers the rest while the file is resolved. */
    monitor_ask_token(subject->monitor);
    ask_ahead(subject);
    /* Whoever listens on the socket must be the process of the record. */
    if (monitor_query_token(subject->monitor, record->token, &is_ours, &subject->monitor_error) &&
        is_ours)
        return;
    if (!subject->monitor_error)
        g_set_error_literal(&subject->monitor_error, QMP_ERROR, QMP_ERROR_PROTOCOL,
                            "another QEMU than the recorded one listens on its control socket");
    g_clear_pointer(&subject->monitor, monitor_free);
}

/* Wall clock at which a process started, from its start time in clock ticks since boot. */
static gint64
start_wall_clock(guint64 start_ticks)
{
    struct timespec since_boot;
    gint64 age;

    clock_gettime(CLOCK_BOOTTIME, &since_boot);
    age = (gint64) since_boot.tv_sec * G_USEC_PER_SEC + since_boot.tv_nsec / 1000 -
          (gint64) (start_ticks * G_USEC_PER_SEC / sysconf(_SC_CLK_TCK));
    return g_get_real_time() - age;
}

static void
free_undoing(gpointer data)
{
    PlanUndoing *undoing = data;

    g_free(undoing->what);
    g_free(undoing);
}

static void
free_unplug(gpointer data)
{
    PlanUnplug *unplug = data;

    g_free(unplug->device);
    g_free(unplug->refusal);
    g_free(unplug);
}

/* Memory devices that leave are desired without memory for as long as the guest has any. */
static void
empty_leaving(Subject *subject)
{
    if (subject->emptied)
        g_ptr_array_add(subject->retired, subject->emptied);
    subject->emptied = subject->desired && subject->applied
                           ? memory_emptied(subject->applied, subject->desired, subject->observed)
                           : NULL;
    subject->input.desired = subject->emptied ? subject->emptied : subject->desired;
}

void
subject_take_observed(Subject *subject, Observed *observed)
{
    const ProcessRecord *record = subject->process ? process_record(subject->process) : NULL;

    observed_free(subject->observed);
    subject->observed = observed;
    if (record && observed->run_state != RUN_STATE_OFF) {
        observed->pid = record->pid;
        observed->pid_start_time = record->start_time;
        observed->started_at = start_wall_clock(record->start_time);
    }
    subject->input.observed = observed;
    subject->input.now = observed->observed_at;
    empty_leaving(subject);
}

static Observed *
look_at_recording(const Subject *subject, const Recording *recording)
{
    gint64 now = recording_now(recording);
    g_autoptr(GError) error = NULL;
    Observed *observed = subject->monitor ? observe(subject->monitor, now, &error) : NULL;

    if (!observed)
        observed = error ? observe_unreachable(error->message, now) : observe_off(now);
    recording_amend(recording, subject->name, observed);
    return observed;
}

static Observed *
look(const Subject *subject)
{
    gint64 now = g_get_real_time();
    g_autoptr(GError) error = NULL;
    g_autofree char *message = NULL;
    Observed *observed;

    if (subject->process_state == PROCESS_FOREIGN)
        return observe_unreachable(subject->monitor_error
                                       ? subject->monitor_error->message
                                       : "the pid of its QEMU is another process's now",
                                   now);
    if (!subject->process || !process_is_alive(subject->process))
        return observe_off(now);
    if (subject->monitor) {
        ask_ahead(subject);
        observed = observe(subject->monitor, now, &error);
        if (observed)
            return observed;
    }
    message = g_strdup_printf(
        "its QEMU (pid %d) does not answer: %s%s", process_record(subject->process)->pid,
        error                    ? error->message
        : subject->monitor_error ? subject->monitor_error->message
                                 : "no monitor",
        subject->is_record_lost ? "; its run directory was lost while it runs, so put that back, "
                                  "or end the process"
                                : "");
    return observe_unreachable(message, now);
}

/* What of the applied document QEMU still has. */
static void
find_actual(Subject *subject)
{
    g_clear_pointer(&subject->actual, domain_free);
    g_ptr_array_set_size(subject->gone, 0);
    if (subject->applied)
        subject->actual = domain_actual(subject->applied, subject->observed, subject->gone);
    subject->input.applied = subject->actual ? subject->actual : subject->applied;
    subject->input.told = subject->applied;
}

static void
find_drift(Subject *subject)
{
    RunState state = subject->observed->run_state;

    g_clear_pointer(&subject->drift, g_free);
    if (subject->process && subject->monitor && subject->applied &&
        (state == RUN_STATE_RUNNING || state == RUN_STATE_PAUSED))
        subject->drift =
            tuning_drift(subject->applied, subject->monitor, process_record(subject->process)->pid);
    subject->input.drift = subject->drift;
}

static bool
is_medium_foreign(const Disk *disk, const ObservedDrive *drive)
{
    return drive->node && disk_takes_media(disk) && !disk_is_own_medium(disk, drive->node);
}

/* What of a drive only its disk tells: its image can have grown, its medium be another's. */
static void
look_at_drives(Subject *subject)
{
    const GPtrArray *disks = subject->applied ? subject->applied->disks : NULL;

    for (guint i = 0; i < list_length(disks); i++) {
        const Disk *disk = list_at(disks, i, Disk);
        ObservedDrive *drive = observed_drive(subject->observed, disk->info.alias);

        if (!drive)
            continue;
        drive->image_size = disk_image_size(disk);
        drive->is_foreign = is_medium_foreign(disk, drive);
    }
}

/* What can leave is asked of the QEMU that runs: its program can have been replaced. */
static void
look_at_leaving(Subject *subject)
{
    if (!subject->monitor || !subject->desired || !subject->applied ||
        !memory_is_leaving(subject->applied, subject->desired))
        return;
    subject->observed->can_unplug_memory = observe_memory_unplug(subject->monitor);
    empty_leaving(subject);
}

void
subject_observe(Subject *subject, const Site *site)
{
    subject_take_observed(subject, site->recording ? look_at_recording(subject, site->recording)
                                                   : look(subject));
    look_at_leaving(subject);
    if (!site->recording) {
        look_at_drives(subject);
        links_look(site, subject);
    }
    find_actual(subject);
    find_drift(subject);
}

/* What the state keeps of the process, as a record. NULL when it knows none. */
static ProcessRecord *
kept_record(const Subject *subject, const Site *site)
{
    const DomainProcess *known = subject->row ? &subject->row->process : NULL;
    ProcessRecord *record;

    if (!known || known->pid <= 1 || known->pid > G_MAXINT32 || !known->boot_id ||
        !process_token_is_valid(known->token))
        return NULL;
    record = g_new0(ProcessRecord, 1);
    record->pid = (pid_t) known->pid;
    record->start_time = known->pid_start_time;
    record->boot_id = g_strdup(known->boot_id);
    record->token = g_strdup(known->token);
    record->uuid = g_strdup(subject->row->desired.uuid);
    record->emulator = g_strdup(known->emulator);
    record->log_path = g_strdup_printf("%s/%s.log", site->config->log, subject->name);
    return record;
}

/* The run directory leads to no QEMU; the state may. */
static void
adopt_kept(Subject *subject, const Site *site)
{
    g_autoptr(ProcessRecord) record = kept_record(subject, site);
    g_autoptr(GError) error = NULL;
    g_autoptr(Process) process = NULL;
    ProcessState state;

    if (!record)
        return;
    if (!process_adopt_record(record, &state, &process, &error)) {
        subject->process_state = PROCESS_FOREIGN;
        g_clear_error(&subject->monitor_error);
        subject->monitor_error = g_steal_pointer(&error);
    } else if (state == PROCESS_ALIVE) {
        subject->process_state = PROCESS_ALIVE;
        subject->process = g_steal_pointer(&process);
        subject->is_record_lost = true;
        g_clear_error(&subject->monitor_error);
    }
}

static void
adopt(Subject *subject, const Site *site, gint64 timeout)
{
    g_autoptr(GError) error = NULL;

    if (!process_adopt(subject->run_directory, &subject->process_state, &subject->process, NULL,
                       &error)) {
        /* The record can't be read: nothing is known, so nothing may be started. */
        subject->process_state = PROCESS_FOREIGN;
        subject->monitor_error = g_steal_pointer(&error);
    }
    if (subject->process_state != PROCESS_ALIVE)
        adopt_kept(subject, site);
    if (subject->process_state == PROCESS_ALIVE)
        connect_monitor(subject, timeout);
}

static void
attach_recording(Subject *subject, const Recording *recording)
{
    subject->monitor = recording_monitor(recording, subject->name);
    subject->process_state =
        recording_is_running(recording, subject->name) ? PROCESS_ALIVE : PROCESS_NONE;
}

bool
subject_load_unplugs(Subject *subject, const Site *site, GError **error)
{
    g_autoptr(GPtrArray) rows =
        site->recording ? g_ptr_array_new() : store_unplug_list(site->store, subject->name, error);

    g_ptr_array_set_size(subject->unplugs, 0);
    for (guint i = 0; rows && i < rows->len; i++) {
        const UnplugRecord *row = rows->pdata[i];
        PlanUnplug *unplug = g_new0(PlanUnplug, 1);

        *unplug = (PlanUnplug){ g_strdup(row->device), row->asked_at_us, row->last_asked_at_us,
                                row->n_asked, g_strdup(row->refusal) };
        g_ptr_array_add(subject->unplugs, unplug);
    }
    return rows != NULL;
}

bool
subject_load_undoings(Subject *subject, const Site *site, GError **error)
{
    HistoryFilter filter = { .domain = subject->name,
                             .since_us = site_now(site) - CONTEST_WINDOW_US };
    g_autoptr(GPtrArray) events =
        site->recording ? g_ptr_array_new() : store_event_list(site->store, &filter, error);

    g_ptr_array_set_size(subject->undoings, 0);
    for (guint i = 0; events && i < events->len; i++) {
        const EventRecord *event = events->pdata[i];
        bool is_drift = !g_strcmp0(event->kind, EVENT_DRIFT);
        PlanUndoing *undoing;

        if ((!is_drift && g_strcmp0(event->kind, EVENT_DEVICE_GONE)) || !event->detail)
            continue;
        undoing = g_new0(PlanUndoing, 1);
        *undoing = (PlanUndoing){ is_drift ? drift_what(event->detail) : g_strdup(event->detail),
                                  event->at_us };
        g_ptr_array_add(subject->undoings, undoing);
    }
    return events != NULL;
}

static Domain *
parse_kept(const char *xml)
{
    return xml ? domain_parse_own(xml, NULL) : NULL;
}

static void
load_applied(Subject *subject, const Site *site)
{
    g_autofree char *path = NULL, *xml = NULL;

    if (subject->process_state != PROCESS_ALIVE)
        return;
    subject->applied = parse_kept(subject->row ? subject->row->applied_xml : NULL);
    if (subject->applied || site->recording)
        return;
    path = g_build_filename(subject->run_directory, "applied.xml", NULL);
    xml = regular_file_read(path, XML_MAX_BYTES, NULL);
    subject->applied = parse_kept(xml);
}

/* A state that knows of no start is new, or was lost. */
static bool
may_have_stray(const Subject *subject)
{
    return subject->desired && subject->policy.run_strategy != RUN_HALTED &&
           (subject->process_state == PROCESS_NONE || subject->process_state == PROCESS_GONE) &&
           (!subject->row || !subject->row->n_starts);
}

static void
adopt_stray(Subject *subject, const Site *site, gint64 timeout)
{
    g_autofree char *log = g_strdup_printf("%s/%s.log", site->config->log, subject->name);
    g_autofree char *owner = NULL;
    g_autoptr(ProcessRecord) record = strays_find(site->host->strays, subject->desired->uuid,
                                                  subject->run_directory, log, &owner);
    ProcessState state;

    subject->has_no_stray = record == NULL;
    if (owner) {
        subject->process_state = PROCESS_FOREIGN;
        g_clear_error(&subject->monitor_error);
        stray_refuse(record, owner, &subject->monitor_error);
        subject->elsewhere = g_steal_pointer(&record);
        return;
    }
    if (!record || !process_adopt_record(record, &state, &subject->process, NULL) ||
        state != PROCESS_ALIVE)
        return;
    subject->process_state = PROCESS_ALIVE;
    subject->is_record_lost = true;
    g_clear_error(&subject->monitor_error);
    connect_monitor(subject, timeout);
    load_applied(subject, site);
}

static void
set_invalid(Subject *subject, const Diagnostics *diagnostics)
{
    const Diagnostic *first = diagnostics_first_error(diagnostics);

    subject->invalid = first ? diagnostic_format(diagnostics, first)
                             : g_strdup_printf("%s: not valid", diagnostics->file);
}

/* What runs already is not held against a host that has changed since. What does not run needs the
 * host's CPUs, nodes and cgroups as it needs its disks: find_missing() looks. */
static void
check_tuning(Subject *subject, const Site *site)
{
    g_autoptr(Diagnostics) before = diagnostics_new(subject->entry->file);

    if (!subject->desired || site->recording)
        return;
    if (subject->applied) {
        tuning_check(subject->applied, site->config, NULL, before);
        tuning_check_vcpus(subject->applied, NULL, before);
    }
    if (diagnostics_has_errors(before))
        return;
    tuning_check_vcpus(subject->desired, subject->positions, subject->diagnostics);
    if (subject->applied)
        tuning_check(subject->desired, site->config, subject->positions, subject->diagnostics);
    if (diagnostics_has_errors(subject->diagnostics))
        g_clear_pointer(&subject->desired, domain_free);
}

static void
resolve_desired(Subject *subject, const Site *site)
{
    const DirectoryEntry *entry = subject->entry;
    g_autoptr(Domain) previous = NULL;
    g_autofree char *nvram = site_nvram_directory(site);
    ResolveContext context = { .uuid_seed = site->host->seed,
                               .firmware = site->host->firmware,
                               .nvram_directory = nvram };

    if (!entry)
        return;
    if (entry->state != ENTRY_VALID) {
        subject->invalid = g_strdup(entry->message ? entry->message : "not valid");
        return;
    }
    g_clear_pointer(&subject->diagnostics, diagnostics_free);
    g_clear_pointer(&subject->desired, domain_free);
    g_clear_pointer(&subject->positions, position_map_free);
    g_clear_pointer(&subject->whole, domain_free);
    g_clear_pointer(&subject->whole_positions, position_map_free);
    subject->diagnostics = diagnostics_new(entry->file);
    previous = parse_kept(subject->row ? subject->row->resolved_xml : NULL);
    /* A state that was lost: what runs still says what was allocated, and shall keep it. */
    if (!previous && subject->applied)
        previous = domain_copy(subject->applied);
    if (previous && subject->applied)
        domain_forget_planned_ports(previous, subject->applied);
    memory_validate_host(subject->spec->domain, subject->spec->positions, site->host->thp_size,
                         subject->diagnostics);
    if (!diagnostics_has_errors(subject->diagnostics))
        subject->desired = resolve_domain_positions(subject->spec->domain, previous, &context,
                                                    subject->spec->positions, &subject->positions,
                                                    subject->diagnostics);
    check_tuning(subject, site);
    if (!subject->desired)
        return set_invalid(subject, subject->diagnostics);
    optional_disks_leave_out(subject, site);
}

const Domain *
subject_whole(const Subject *subject)
{
    return subject->whole ? subject->whole : subject->desired;
}

/* The policy of a file that is gone stands in the metadata of what it last said. */
static void
find_policy(Subject *subject, const Site *site)
{
    const char *kept = subject->row ? subject->row->resolved_xml : NULL;

    if (subject->spec) {
        subject->policy = config_policy(site->config, subject->name, &subject->spec->policy);
    } else if (kept) {
        g_autoptr(Spec) spec = spec_parse("(state)", kept, strlen(kept));

        subject->policy = config_policy(site->config, subject->name, &spec->policy);
    } else {
        subject->policy = config_policy(site->config, subject->name, NULL);
    }
}

static bool
is_prunable(const Site *site, const char *name)
{
    return site->prune &&
           g_ptr_array_find_with_equal_func(site->prune->names, name, g_str_equal, NULL);
}

static void
fill_input(Subject *subject, const Site *site)
{
    const DomainRecord *row = subject->row;
    PlanInput *input = &subject->input;

    input->name = subject->name;
    input->file = subject->entry ? subject->entry->file : NULL;
    input->desired = subject->desired;
    input->positions = subject->positions;
    input->invalid = subject->invalid;
    input->applied = input->told = subject->applied;
    input->companion_failure = subject->companion_failure;
    input->missing = subject->missing;
    input->unplugs = subject->unplugs;
    input->undoings = subject->undoings;
    input->balloon_asked = balloon_move_asked(site, subject->name);
    input->policy = subject->policy;
    input->is_named = site->is_named;
    input->is_orphaned = !subject->entry;
    if (!subject->entry && (!is_prunable(site, subject->name) || site->prune->hold))
        input->prune_held =
            site->prune && site->prune->reason ? site->prune->reason : "the directory was not read";
    if (!row)
        return;
    input->is_suspended = row->is_suspended;
    input->suspend_reason = row->suspend_reason;
    input->n_starts = row->n_starts;
    input->last_exit = last_exit_parse(row->last_exit);
    /* A QEMU that the state says is there and is not: it ended behind our back. */
    if (row->process.pid && subject->process_state != PROCESS_ALIVE)
        input->last_exit = row->shutdown.deadline_us ? EXIT_STOPPED : EXIT_CRASHED;
    if (row->shutdown.deadline_us) {
        input->shutdown_purpose = row->shutdown.purpose;
        input->shutdown_deadline = row->shutdown.deadline_us;
    }
}

static void
find_companions(Subject *subject, const Site *site)
{
    bool is_alive = subject->process_state == PROCESS_ALIVE;

    if (site->recording) {
        subject->companions = g_ptr_array_new();
        return;
    }
    subject->companions = companions_gather(site, subject->name, subject->run_directory, NULL);
    if (subject->companions && is_alive)
        subject->companion_failure = companions_failure(subject->companions);
}

/* What a start needs of this host and does not find. */
static void
find_missing(Subject *subject, const Site *site)
{
    g_autoptr(Diagnostics) diagnostics = NULL;

    if (!subject->desired || !subject->entry)
        return;
    diagnostics = diagnostics_new(subject->entry->file);
    subject->input.positions = subject->positions;
    if (!site->recording) {
        companions_check(site, subject, diagnostics);
        links_check(site, subject, diagnostics);
        if (!subject->applied)
            tuning_check(subject->desired, site->config, subject->positions, diagnostics);
    }
    /* A look can hang (on a lost NFS server), so it is not taken for a guest that just runs. */
    if (subject->process_state != PROCESS_ALIVE ||
        subject->policy.restart_required == RESTART_RESTART)
        host_check(site, subject, diagnostics);
    diagnostics_sort(diagnostics);
    subject->missing = diagnostics_errors(diagnostics);
}

Subject *
subject_prepare(const Site *site, const char *name, gint64 monitor_timeout, GError **error)
{
    g_autoptr(Subject) subject = g_new0(Subject, 1);

    subject->name = g_strdup(name);
    subject->gone = g_ptr_array_new_with_free_func(g_free);
    subject->retired = g_ptr_array_new_with_free_func((GDestroyNotify) domain_free);
    subject->unplugs = g_ptr_array_new_with_free_func(free_unplug);
    subject->undoings = g_ptr_array_new_with_free_func(free_undoing);
    subject->run_directory = site_run_directory(site, name);
    if (!store_domain_get(site->store, name, &subject->row, error))
        return NULL;
    subject->entry = directory_scan_find(site->scan, name);
    subject->spec = subject->entry ? directory_entry_spec(subject->entry) : NULL;
    if (site->recording)
        attach_recording(subject, site->recording);
    else
        adopt(subject, site, monitor_timeout);
    load_applied(subject, site);
    if (subject->monitor)
        ask_ahead(subject);
    if (!subject_load_unplugs(subject, site, error) ||
        !subject_load_undoings(subject, site, error) || !restarts_load(subject, site, error))
        return NULL;
    resolve_desired(subject, site);
    find_policy(subject, site);
    if (!site->recording && may_have_stray(subject))
        adopt_stray(subject, site, monitor_timeout);
    if (subject->is_record_lost && !subject->row && subject->applied)
        resolve_desired(subject, site); /* it keeps what the QEMU was given */
    find_companions(subject, site);
    find_missing(subject, site);
    fill_input(subject, site);
    return g_steal_pointer(&subject);
}

Subject *
subject_gather(const Site *site, const char *name, gint64 monitor_timeout, GError **error)
{
    Subject *subject = subject_prepare(site, name, monitor_timeout, error);

    if (subject)
        subject_observe(subject, site);
    return subject;
}

void
subject_free(Subject *subject)
{
    if (!subject)
        return;
    g_free(subject->name);
    g_free(subject->run_directory);
    g_free(subject->restart_held);
    g_free(subject->memory_held);
    g_clear_pointer(&subject->row, domain_record_free);
    spec_free(subject->spec);
    monitor_free(subject->monitor);
    process_free(subject->process);
    process_record_free(subject->elsewhere);
    g_clear_error(&subject->monitor_error);
    observed_free(subject->observed);
    domain_free(subject->desired);
    position_map_free(subject->positions);
    domain_free(subject->whole);
    domain_free(subject->emptied);
    position_map_free(subject->whole_positions);
    domain_free(subject->applied);
    domain_free(subject->actual);
    g_clear_pointer(&subject->gone, g_ptr_array_unref);
    g_clear_pointer(&subject->retired, g_ptr_array_unref);
    g_clear_pointer(&subject->unplugs, g_ptr_array_unref);
    g_clear_pointer(&subject->undoings, g_ptr_array_unref);
    capabilities_free(subject->capabilities);
    g_free(subject->emulator);
    g_clear_pointer(&subject->diagnostics, diagnostics_free);
    g_free(subject->invalid);
    g_clear_pointer(&subject->companions, g_ptr_array_unref);
    g_free(subject->companion_failure);
    g_free(subject->drift);
    g_free(subject->missing);
    g_free(subject);
}

/* ---- the emulator ---- */

static char *
choose_emulator(const Subject *subject, const Site *site, GError **error)
{
    const char *named = subject->desired->emulator;

    if (!named)
        return g_strdup(site->config->emulators->pdata[0]);
    if (config_allows_emulator(site->config, named))
        return g_strdup(named);
    g_set_error(error, G_IO_ERROR, G_IO_ERROR_PERMISSION_DENIED,
                "emulator %s is not one of the configuration's emulators", named);
    return NULL;
}

bool
subject_probe(Subject *subject, const Site *site, GError **error)
{
    if (subject->capabilities)
        return true;
    subject->emulator = choose_emulator(subject, site, error);
    if (!subject->emulator)
        return false;
    subject->capabilities = site_capabilities(site, subject->emulator, error);
    return subject->capabilities != NULL;
}

/* ---- names ---- */

static gint
compare_strings(gconstpointer a, gconstpointer b)
{
    return g_strcmp0(*(char *const *) a, *(char *const *) b);
}

static void
add_name(GPtrArray *names, GHashTable *seen, const char *name)
{
    /* A file that is bad may name anything; what can't be a name is nobody's. */
    if (name && domain_name_is_valid(name) && g_hash_table_add(seen, (gpointer) name))
        g_ptr_array_add(names, g_strdup(name));
}

GPtrArray *
site_domain_names(const Site *site, GError **error)
{
    g_autoptr(GPtrArray) rows = store_domain_list_files(site->store, error);
    g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);
    GPtrArray *names;

    if (!rows)
        return NULL;
    names = g_ptr_array_new_with_free_func(g_free);
    for (guint i = 0; i < site->scan->entries->len; i++)
        add_name(names, seen, ((const DirectoryEntry *) site->scan->entries->pdata[i])->name);
    for (guint i = 0; i < rows->len; i++)
        add_name(names, seen, ((const DomainRecord *) rows->pdata[i])->name);
    g_ptr_array_sort(names, compare_strings);
    return names;
}
