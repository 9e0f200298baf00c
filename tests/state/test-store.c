/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What goes into the state file comes out again, and the rules about old values hold: since,
 * pinned uuid, counted starts, suspension, open actions, thinning.
 */
#include "state/companions.h"
#include "state/domains.h"
#include "state/facts.h"
#include "state/history.h"
#include "state/journal.h"
#include "state/memory_devices.h"
#include "state/sqlite.h"
#include "tests/state/state-file.h"

#include <glib/gstdio.h>
#include <sys/stat.h>
#include <unistd.h>

static DomainRecord *
get(Store *store, const char *name)
{
    g_autoptr(GError) error = NULL;
    DomainRecord *record = NULL;
    assert_ok(store_domain_get(store, name, &record, &error));
    return record;
}

static void
put_memory(Store *store, const char *domain, const char *device, guint64 target, guint64 requested,
           guint64 current, const char *word, gint64 now_us)
{
    g_autoptr(GError) error = NULL;
    MemoryDeviceRecord record = {
        .domain = (char *) domain,
        .device = (char *) device,
        .block_size = 2 * MIB,
        .max_size = GIB,
        .target = target,
        .requested = requested,
        .current = current,
        .state = (char *) word,
        .stepping = (char *) "{\"window\":2097152}",
    };
    assert_ok(store_memory_device_put(store, &record, now_us, &error));
}

static void
creates_private_file(void **state)
{
    StateFile *file = *state;
    g_autoptr(Store) store = state_file_open(file, STORE_READ_WRITE);
    g_autofree char *parent = g_path_get_dirname(file->path);
    GStatBuf status;
    assert_int_equal(g_stat(file->path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
    assert_int_equal(g_stat(parent, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0700);
    g_autofree char *log_path = g_strconcat(file->path, "-wal", NULL);
    assert_int_equal(g_stat(log_path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
    /* Nothing of the making is left beside it. */
    guint n_files = 0;
    g_autoptr(GDir) directory = g_dir_open(parent, 0, NULL);
    while (g_dir_read_name(directory))
        n_files++;
    assert_int_equal(n_files, 3);
    assert_string_equal(store_path(store), file->path);
}

/* A file that was removed, or has another one in its place, is nobody else's any more. */
static void
notices_that_it_moved(void **state)
{
    StateFile *file = *state;
    g_autoptr(Store) store = state_file_open(file, STORE_READ_WRITE);
    assert_false(store_has_moved(store));
    assert_int_equal(g_unlink(file->path), 0);
    assert_true(store_has_moved(store));
    assert_true(g_file_set_contents(file->path, "", 0, NULL));
    assert_true(store_has_moved(store));
}

static void
opens_only_a_file(void **state)
{
    StateFile *file = *state;
    g_autofree char *parent = g_path_get_dirname(file->path);
    const StoreMode modes[] = { STORE_READ_ONLY, STORE_READ_WRITE };

    assert_int_equal(g_mkdir_with_parents(parent, 0700), 0);
    for (guint i = 0; i < 4; i++) {
        g_autoptr(GError) error = NULL;

        assert_int_equal(i / 2 ? mkfifo(file->path, 0600) : g_mkdir(file->path, 0700), 0);
        assert_null(store_open(file->path, modes[i % 2], &error));
        assert_non_null(strstr(error->message, "not a regular file"));
        assert_state_error(error, STATE_ERROR_IO);
        assert_int_equal(g_remove(file->path), 0);
    }
}

static void
reads_missing_file_as_empty(void **state)
{
    StateFile *file = *state;
    g_autoptr(GError) error = NULL;
    g_autoptr(Store) store = state_file_open(file, STORE_READ_ONLY);
    g_autoptr(GPtrArray) domains = store_domain_list(store, &error);
    assert_ok(domains);
    assert_int_equal(domains->len, 0);
    assert_false(store_domain_put_run_state(store, "web-1", "running", &error));
    assert_state_error(error, STATE_ERROR_READONLY);
    g_autofree char *parent = g_path_get_dirname(file->path);
    assert_false(g_file_test(parent, G_FILE_TEST_EXISTS));
}

static void
read_only_sees_and_refuses(void **state)
{
    StateFile *file = *state;
    g_autoptr(GError) error = NULL;
    g_autoptr(Store) writer = state_file_open(file, STORE_READ_WRITE);
    assert_ok(store_domain_put_run_state(writer, "web-1", "running", &error));
    g_autoptr(Store) reader = state_file_open(file, STORE_READ_ONLY);
    g_autoptr(DomainRecord) record = get(reader, "web-1");
    assert_string_equal(record->run_state, "running");
    assert_false(store_domain_put_run_state(reader, "web-1", "paused", &error));
    assert_state_error(error, STATE_ERROR_READONLY);
    /* Also without a writer, whose -wal and -shm are gone then. */
    g_clear_pointer(&writer, store_close);
    g_clear_pointer(&reader, store_close);
    reader = state_file_open(file, STORE_READ_ONLY);
    g_autoptr(DomainRecord) again = get(reader, "web-1");
    assert_string_equal(again->run_state, "running");
}

static void
keeps_a_domain(void **state)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(Store) store = state_file_open(*state, STORE_READ_WRITE);
    assert_null(get(store, "web-1"));

    DomainDesired desired = { .uuid = (char *) "0b9e2f6c-0000-4000-8000-000000000001",
                              .file = (char *) "web-1.xml",
                              .line = 3,
                              .commit = (char *) "abc123",
                              .digest = (char *) "sha256:00",
                              .memory_boot = 512 * MIB };
    DomainProcess process = { .pid = 4711,
                              .pid_start_time = 987654321,
                              .boot_id = (char *) "boot",
                              .token = (char *) "00112233445566778899aabbccddeeff",
                              .emulator = (char *) "/usr/bin/qemu-system-x86_64",
                              .memory_boot = 256 * MIB };
    DomainShutdown shutdown = { NOON, NOON + 60 * SECOND, (char *) "restart" };
    assert_ok(store_domain_put_desired(store, "web-1", &desired, &error));
    assert_ok(store_domain_put_resolved(store, "web-1", "<domain/>", &error));
    assert_ok(store_domain_put_applied(store, "web-1", "<domain id='1'/>", &error));
    assert_ok(store_domain_put_process(store, "web-1", &process, TRUE, &error));
    assert_ok(store_domain_put_run_state(store, "web-1", "running", &error));
    assert_ok(
        store_domain_put_sync(store, "web-1", SYNC_STALLED, "NoDriver", "it's", NOON, &error));
    assert_ok(store_domain_put_failure(store, "web-1", "refused", 3, NOON + SECOND, &error));
    assert_ok(store_domain_put_shutdown(store, "web-1", &shutdown, &error));
    assert_ok(store_domain_put_suspended(store, "web-1", TRUE, "by hand", NOON, &error));

    g_autoptr(DomainRecord) record = get(store, "web-1");
    assert_string_equal(record->name, "web-1");
    assert_string_equal(record->desired.uuid, desired.uuid);
    assert_string_equal(record->desired.file, "web-1.xml");
    assert_int_equal(record->desired.line, 3);
    assert_string_equal(record->desired.commit, "abc123");
    assert_string_equal(record->desired.digest, "sha256:00");
    assert_int_equal(record->desired.memory_boot, 512 * MIB);
    assert_string_equal(record->resolved_xml, "<domain/>");
    assert_string_equal(record->applied_xml, "<domain id='1'/>");
    assert_string_equal(record->run_state, "running");
    assert_int_equal(record->process.pid, 4711);
    assert_int_equal(record->process.pid_start_time, 987654321);
    assert_string_equal(record->process.boot_id, "boot");
    assert_string_equal(record->process.token, process.token);
    assert_string_equal(record->process.emulator, process.emulator);
    assert_int_equal(record->process.memory_boot, 256 * MIB);
    assert_int_equal(record->sync, SYNC_STALLED);
    assert_string_equal(record->reason, "NoDriver");
    assert_string_equal(record->message, "it's");
    assert_int_equal(record->since_us, NOON);
    assert_string_equal(record->last_error, "refused");
    assert_int_equal(record->n_failures, 3);
    assert_int_equal(record->next_attempt_us, NOON + SECOND);
    assert_int_equal(record->n_starts, 1);
    assert_null(record->last_exit);
    assert_int_equal(record->shutdown.requested_at_us, NOON);
    assert_int_equal(record->shutdown.deadline_us, NOON + 60 * SECOND);
    assert_string_equal(record->shutdown.purpose, "restart");
    assert_true(record->is_suspended);
    assert_string_equal(record->suspend_reason, "by hand");
    assert_int_equal(record->suspended_since_us, NOON);
    assert_int_equal(record->memory_boot, 256 * MIB);

    /* Adopted: no start is counted. NULLs clear. */
    assert_ok(store_domain_put_process(store, "web-1", &process, FALSE, &error));
    assert_ok(store_domain_put_failure(store, "web-1", NULL, 0, 0, &error));
    assert_ok(store_domain_put_shutdown(store, "web-1", NULL, &error));
    g_autoptr(DomainRecord) cleared = get(store, "web-1");
    assert_int_equal(cleared->n_starts, 1);
    assert_null(cleared->last_error);
    assert_int_equal(cleared->n_failures, 0);
    assert_int_equal(cleared->shutdown.deadline_us, 0);
    assert_null(cleared->shutdown.purpose);
}

static void
pins_the_uuid(void **state)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(Store) store = state_file_open(*state, STORE_READ_WRITE);
    DomainDesired desired = { .file = (char *) "a.xml" };
    assert_ok(store_domain_put_desired(store, "a", &desired, &error));
    desired.uuid = (char *) "first";
    assert_ok(store_domain_put_desired(store, "a", &desired, &error));
    desired.uuid = (char *) "second";
    desired.line = 9;
    assert_ok(store_domain_put_desired(store, "a", &desired, &error));
    g_autoptr(DomainRecord) record = get(store, "a");
    assert_string_equal(record->desired.uuid, "first");
    assert_int_equal(record->desired.line, 9);
}

static void
since_moves_with_sync_and_reason(void **state)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(Store) store = state_file_open(*state, STORE_READ_WRITE);
    static const struct {
        SyncState sync;
        const char *reason;
        const char *message;
        gint64 now_us, since_us;
    } steps[] = {
        { SYNC_PROGRESSING, "MemoryMoving", "1 of 4", 10, 10 },
        { SYNC_PROGRESSING, "MemoryMoving", "2 of 4", 20, 10 },
        { SYNC_PROGRESSING, "MemoryMoving", "3 of 4", 30, 10 },
        { SYNC_PROGRESSING, "Unplugging", "3 of 4", 40, 40 },
        { SYNC_SYNCED, "Unplugging", "3 of 4", 50, 50 },
        { SYNC_SYNCED, NULL, NULL, 60, 60 },
        { SYNC_SYNCED, NULL, NULL, 70, 60 },
        { SYNC_PROGRESSING, "MemoryMoving", "1 of 4", 80, 80 },
    };
    for (guint i = 0; i < G_N_ELEMENTS(steps); i++) {
        assert_ok(store_domain_put_sync(store, "a", steps[i].sync, steps[i].reason,
                                        steps[i].message, steps[i].now_us, &error));
        g_autoptr(DomainRecord) record = get(store, "a");
        assert_int_equal(record->sync, steps[i].sync);
        assert_int_equal(record->since_us, steps[i].since_us);
        assert_int_equal(g_strcmp0(record->message, steps[i].message), 0);
    }
    /* A memory device likewise, by its state word; a row made without sync starts at its first. */
    put_memory(store, "b", "vm0", GIB, 0, 0, "progressing", 10);
    put_memory(store, "b", "vm0", GIB, MIB, MIB, "progressing", 20);
    g_autoptr(MemoryDeviceRecord) device = NULL;
    assert_ok(store_memory_device_get(store, "b", "vm0", &device, &error));
    assert_int_equal(device->since_us, 10);
    assert_int_equal(device->current, MIB);
    put_memory(store, "b", "vm0", GIB, MIB, MIB, "stalled", 30);
    g_clear_pointer(&device, memory_device_record_free);
    assert_ok(store_memory_device_get(store, "b", "vm0", &device, &error));
    assert_int_equal(device->since_us, 30);
    assert_ok(store_domain_put_sync(store, "b", SYNC_UNKNOWN, NULL, NULL, 40, &error));
    g_autoptr(DomainRecord) record = get(store, "b");
    assert_int_equal(record->since_us, 40);
}

static void
suspension_keeps_its_first_time(void **state)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(Store) store = state_file_open(*state, STORE_READ_WRITE);
    assert_ok(store_domain_put_suspended(store, "a", TRUE, "one", 10, &error));
    assert_ok(store_domain_put_suspended(store, "a", TRUE, "two", 20, &error));
    g_autoptr(DomainRecord) suspended = get(store, "a");
    assert_string_equal(suspended->suspend_reason, "two");
    assert_int_equal(suspended->suspended_since_us, 10);
    assert_ok(store_domain_put_suspended(store, "a", FALSE, "three", 30, &error));
    g_autoptr(DomainRecord) resumed = get(store, "a");
    assert_false(resumed->is_suspended);
    assert_null(resumed->suspend_reason);
    assert_int_equal(resumed->suspended_since_us, 0);
    assert_ok(store_domain_put_suspended(store, "a", TRUE, NULL, 40, &error));
    g_autoptr(DomainRecord) again = get(store, "a");
    assert_int_equal(again->suspended_since_us, 40);
}

static void
sums_memory_and_forgets_it_at_exit(void **state)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(Store) store = state_file_open(*state, STORE_READ_WRITE);
    DomainDesired desired = { .memory_boot = 512 * MIB };
    DomainProcess process = { .pid = 1, .token = (char *) "t", .memory_boot = 256 * MIB };
    DomainShutdown shutdown = { 1, 2, (char *) "stop" };
    assert_ok(store_domain_put_desired(store, "a", &desired, &error));
    assert_ok(store_domain_put_process(store, "a", &process, TRUE, &error));
    assert_ok(store_domain_put_shutdown(store, "a", &shutdown, &error));
    put_memory(store, "a", "vm0", 64 * MIB, 32 * MIB, 16 * MIB, "progressing", 10);
    put_memory(store, "a", "vm1", 8 * MIB, 4 * MIB, 2 * MIB, "progressing", 10);
    put_memory(store, "b", "vm0", GIB, GIB, GIB, "converged", 10);

    g_autoptr(DomainRecord) running = get(store, "a");
    assert_int_equal(running->memory_boot, 256 * MIB);
    assert_int_equal(running->memory_current, (256 + 16 + 2) * MIB);
    assert_int_equal(running->memory_requested, (256 + 32 + 4) * MIB);
    assert_int_equal(running->memory_target, (256 + 64 + 8) * MIB);
    assert_int_equal(running->memory_max, 256 * MIB + 2 * GIB);

    assert_ok(store_domain_put_exit(store, "a", "crashed", 77, &error));
    g_autoptr(DomainRecord) stopped = get(store, "a");
    assert_int_equal(stopped->process.pid, 0);
    assert_null(stopped->process.token);
    assert_string_equal(stopped->last_exit, "crashed");
    assert_int_equal(stopped->last_exit_at_us, 77);
    assert_int_equal(stopped->shutdown.deadline_us, 0);
    assert_int_equal(stopped->memory_boot, 512 * MIB);
    assert_int_equal(stopped->memory_current, 0);
    assert_int_equal(stopped->memory_requested, 0);
    assert_int_equal(stopped->memory_target, (512 + 64 + 8) * MIB);
    g_autoptr(GPtrArray) devices = store_memory_device_list(store, "a", &error);
    assert_ok(devices);
    assert_int_equal(devices->len, 2);
    const MemoryDeviceRecord *device = devices->pdata[0];
    assert_string_equal(device->device, "vm0");
    assert_int_equal(device->target, 64 * MIB);
    assert_int_equal(device->requested, 0);
    assert_int_equal(device->current, 0);
    assert_string_equal(device->stepping, "{\"window\":2097152}");
    g_autoptr(GPtrArray) all = store_memory_device_list(store, NULL, &error);
    assert_int_equal(all->len, 3);
    assert_int_equal(((MemoryDeviceRecord *) all->pdata[2])->current, GIB);
}

static void
keeps_only_named_devices(void **state)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(Store) store = state_file_open(*state, STORE_READ_WRITE);
    put_memory(store, "a", "vm1", 0, 0, 0, "converged", 10);
    put_memory(store, "a", "vm11", 0, 0, 0, "converged", 10);
    put_memory(store, "a", "vm2", 0, 0, 0, "converged", 10);
    put_memory(store, "b", "vm3", 0, 0, 0, "converged", 10);
    const char *const keep[] = { "vm11", "vm2", NULL };
    assert_ok(store_memory_device_keep(store, "a", keep, &error));
    g_autoptr(GPtrArray) devices = store_memory_device_list(store, "a", &error);
    assert_int_equal(devices->len, 2);
    assert_string_equal(((MemoryDeviceRecord *) devices->pdata[0])->device, "vm11");
    assert_ok(store_memory_device_keep(store, "a", NULL, &error));
    g_autoptr(GPtrArray) rest = store_memory_device_list(store, NULL, &error);
    assert_int_equal(rest->len, 1);
    assert_string_equal(((MemoryDeviceRecord *) rest->pdata[0])->device, "vm3");
}

static void
removal_keeps_history(void **state)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(Store) store = state_file_open(*state, STORE_READ_WRITE);
    ActionOwner owner = { 100, 5, "boot" };
    gint64 id = 0;
    put_memory(store, "a", "vm0", 0, 0, 0, "converged", 10);
    assert_ok(journal_begin(store, "a", "shutdown", NULL, NULL, &owner, NOON, &id, &error));
    assert_ok(journal_end(store, id, ACTION_DONE, NULL, NOON + 1, &error));
    assert_ok(store_domain_remove(store, "a", &error));
    assert_ok(store_domain_remove(store, "a", &error));
    assert_null(get(store, "a"));
    g_autoptr(GPtrArray) devices = store_memory_device_list(store, NULL, &error);
    assert_int_equal(devices->len, 0);
    g_autoptr(GPtrArray) actions = store_action_list(store, &(HistoryFilter){ "a", 0, 0 }, &error);
    assert_int_equal(actions->len, 1);
}

static gboolean
is_pid_100(const ActionOwner *owner, gpointer user_data)
{
    (*(guint *) user_data)++;
    return owner->pid == 100 && owner->start_time == 5 && !g_strcmp0(owner->boot_id, "boot");
}

static void
journals_actions(void **state)
{
    StateFile *file = *state;
    g_autoptr(GError) error = NULL;
    g_autoptr(Store) store = state_file_open(file, STORE_READ_WRITE);
    ActionOwner alive = { 100, 5, "boot" }, dead = { 100, 4, "boot" };
    ActionCause cause = { .file = "a.xml", .line = 31, .trigger = "file" };
    gint64 first, second, third;
    assert_ok(
        journal_begin(store, "a", "add-device", "{\"to\":1}", &cause, &dead, NOON, &first, &error));
    assert_ok(journal_begin(store, "a", "pause", NULL, NULL, &alive, NOON + 1, &second, &error));
    assert_ok(journal_begin(store, "b", "start", NULL, NULL, &dead, NOON + 2, &third, &error));
    assert_true(first < second && second < third);
    assert_false(
        journal_begin(store, "b", "start", "{not json", NULL, &dead, NOON, &third, &error));
    assert_state_error(error, STATE_ERROR_FAILED);

    g_autoptr(GPtrArray) open = journal_open_rows(store, "a", &error);
    assert_int_equal(open->len, 2);
    const ActionRecord *row = open->pdata[0];
    assert_int_equal(row->id, first);
    assert_string_equal(row->kind, "add-device");
    assert_string_equal(row->detail, "{\"to\":1}");
    assert_string_equal(row->cause_file, "a.xml");
    assert_int_equal(row->cause_line, 31);
    assert_null(row->cause_commit);
    assert_int_equal(row->outcome, ACTION_OPEN);
    assert_int_equal(row->finished_at_us, 0);
    assert_int_equal(row->owner_start_time, 4);

    guint n_asked = 0, n_closed = 99;
    assert_ok(journal_put_detail(store, first, "{\"to\":2}", &error));
    assert_ok(journal_close_interrupted(store, "a", &alive, is_pid_100, &n_asked, NOON + 9,
                                        &n_closed, &error));
    assert_int_equal(n_asked, 2);
    assert_int_equal(n_closed, 1);
    /* The first outcome stays. */
    assert_ok(journal_end(store, first, ACTION_DONE, NULL, NOON + 10, &error));
    assert_ok(journal_end(store, second, ACTION_FAILED, "QEMU's words", NOON + 11, &error));
    /* Taken over in time: not interrupted. */
    assert_ok(journal_adopt(store, third, &alive, &error));
    assert_ok(journal_close_interrupted(store, NULL, &alive, is_pid_100, &n_asked, NOON + 12,
                                        &n_closed, &error));
    assert_int_equal(n_closed, 0);
    assert_ok(journal_end(store, third, ACTION_SUPERSEDED, NULL, NOON + 13, &error));

    g_autofree char *told = state_file_query(
        file->path, "SELECT domain || ' ' || kind || ' ' || coalesce(detail, '-') || ' ' || cause"
                    " || ' ' || started_at || ' ' || finished_at || ' ' || outcome || ' ' ||"
                    " coalesce(error, '-') FROM actions ORDER BY started_at");
    assert_string_equal(
        told, "a add-device {\"to\":2} {\"file\":\"a.xml\",\"line\":31,\"trigger\":\"file\"}"
              " 2026-07-01T12:00:00.000000Z 2026-07-01T12:00:00.000009Z interrupted"
              " the controller ended before the outcome was known\n"
              "a pause - {} 2026-07-01T12:00:00.000001Z 2026-07-01T12:00:00.000011Z failed"
              " QEMU's words\n"
              "b start - {} 2026-07-01T12:00:00.000002Z 2026-07-01T12:00:00.000013Z superseded -");
}

static void
filters_history(void **state)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(Store) store = state_file_open(*state, STORE_READ_WRITE);
    for (guint i = 0; i < 10; i++) {
        ChangeRecord change = { .domain = (char *) (i % 2 ? "odd" : "even"),
                                .path = (char *) "vcpu",
                                .from = NULL,
                                .to = (char *) "2",
                                .change_class = (char *) "restart",
                                .file = (char *) "x.xml",
                                .line = i,
                                .commit = (char *) "c0ffee",
                                .at_us = NOON + i };
        EventRecord event = { i % 2 ? (char *) "odd" : NULL, (char *) "RESET", NULL, NOON + i };
        assert_ok(store_change_add(store, &change, &error));
        assert_ok(store_event_add(store, &event, &error));
    }
    static const struct {
        HistoryFilter filter;
        guint n, newest;
    } reads[] = {
        { { NULL, 0, 0 }, 10, 9 },        { { "even", 0, 0 }, 5, 8 },
        { { "even", 0, 2 }, 2, 8 },       { { NULL, NOON + 7, 0 }, 3, 9 },
        { { "odd", NOON + 7, 0 }, 2, 9 }, { { "odd", NOON + 7, 1 }, 1, 9 },
    };
    for (guint i = 0; i < G_N_ELEMENTS(reads); i++) {
        g_autoptr(GPtrArray) changes = store_change_list(store, &reads[i].filter, &error);
        assert_ok(changes);
        assert_int_equal(changes->len, reads[i].n);
        assert_int_equal(((ChangeRecord *) changes->pdata[0])->at_us, NOON + reads[i].newest);
    }
    g_autoptr(GPtrArray) changes = store_change_list(store, NULL, &error);
    const ChangeRecord *change = changes->pdata[0];
    assert_string_equal(change->domain, "odd");
    assert_string_equal(change->path, "vcpu");
    assert_null(change->from);
    assert_string_equal(change->to, "2");
    assert_string_equal(change->change_class, "restart");
    assert_string_equal(change->file, "x.xml");
    assert_int_equal(change->line, 9);
    assert_string_equal(change->commit, "c0ffee");
    g_autoptr(GPtrArray) events = store_event_list(store, NULL, &error);
    assert_int_equal(events->len, 10);
    assert_null(((EventRecord *) events->pdata[1])->domain);
    assert_string_equal(((EventRecord *) events->pdata[0])->kind, "RESET");
}

static void
add_sample(Store *store, const char *device, gint64 at_us)
{
    g_autoptr(GError) error = NULL;
    SampleRecord sample = { (char *) "a", (char *) device, 3, 2, 4, at_us };
    assert_ok(store_sample_add(store, &sample, &error));
}

/* The number of samples of device vm0 whose age is in [from, to). */
static guint
count_samples(Store *store, gint64 from_us, gint64 to_us)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) samples = store_sample_list(store, NULL, &error);
    guint n = 0;
    for (guint i = 0; i < samples->len; i++) {
        const SampleRecord *sample = samples->pdata[i];
        gint64 age = NOON - sample->at_us;
        n += g_str_equal(sample->device, "vm0") && age >= from_us && age < to_us;
    }
    return n;
}

static void
thins_samples(void **state)
{
    StateFile *file = *state;
    g_autoptr(GError) error = NULL;
    g_autoptr(Store) store = state_file_open(file, STORE_READ_WRITE);
    const gint64 minute = 60 * SECOND, hour = 60 * minute, day = 24 * hour;
    assert_ok(store_begin(store, &error));
    for (gint64 age = 0; age < 2 * hour; age += SECOND)
        add_sample(store, "vm0", NOON - age);
    for (gint64 age = 2 * hour; age < 32 * day; age += 20 * SECOND)
        add_sample(store, "vm0", NOON - age);
    for (gint64 age = 0; age < 2 * hour; age += 2 * minute)
        add_sample(store, "vm1", NOON - age);
    assert_ok(store_commit(store, &error));

    HistoryLimits limits = HISTORY_LIMITS_DEFAULT;
    assert_ok(store_prune_history(store, NOON, &limits, &error));
    assert_int_equal(count_samples(store, 0, 10 * minute), 600);
    assert_in_range(count_samples(store, 10 * minute, hour), 300, 302);
    assert_in_range(count_samples(store, hour, day), 23 * 60, 23 * 60 + 2);
    assert_in_range(count_samples(store, day, 30 * day), 29 * 96, 29 * 96 + 2);
    assert_int_equal(count_samples(store, 30 * day + SECOND, 40 * day), 0);
    /* Another device is thinned for itself: it was coarse enough. */
    g_autofree char *n_other =
        state_file_query(file->path, "SELECT count(*) FROM samples WHERE device = 'vm1'");
    assert_string_equal(n_other, "60");
    /* The last of each bucket is what is kept. */
    g_autofree char *kept = state_file_query(
        file->path,
        "SELECT DISTINCT at % 10000000 FROM t_sample WHERE device = 'vm0'"
        " AND at BETWEEN 1782907200000000 - 3000000000 AND 1782907200000000 - 700000000");
    assert_string_equal(kept, "9000000");

    /* Twice does nothing more; a day later all but what a day leaves is gone. */
    guint n = count_samples(store, 0, 40 * day);
    assert_ok(store_prune_history(store, NOON, &limits, &error));
    assert_int_equal(count_samples(store, 0, 40 * day), n);
    assert_ok(store_prune_history(store, NOON + 2 * day, &limits, &error));
    assert_in_range(count_samples(store, 0, day), 96, 98);
}

static void
bounds_history(void **state)
{
    StateFile *file = *state;
    g_autoptr(GError) error = NULL;
    g_autoptr(Store) store = state_file_open(file, STORE_READ_WRITE);
    ActionOwner owner = { 1, 2, NULL };
    gint64 open_id, id;
    assert_ok(store_begin(store, &error));
    assert_ok(journal_begin(store, "a", "set-memory", NULL, NULL, &owner, 1, &open_id, &error));
    for (guint i = 0; i < 100; i++) {
        gint64 at = NOON - i * SECOND;
        EventRecord event = { NULL, (char *) "RESET", NULL, at };
        ChangeRecord change = { .domain = (char *) "a", .path = (char *) "vcpu", .at_us = at };
        assert_ok(store_event_add(store, &event, &error));
        assert_ok(store_change_add(store, &change, &error));
        assert_ok(journal_begin(store, "a", "pause", NULL, NULL, &owner, at, &id, &error));
        assert_ok(journal_end(store, id, ACTION_DONE, NULL, at, &error));
        add_sample(store, "vm0", at);
    }
    assert_ok(store_commit(store, &error));
    static const char counts[] = "SELECT (SELECT count(*) FROM actions) || ' ' ||"
                                 " (SELECT count(*) FROM changes) || ' ' ||"
                                 " (SELECT count(*) FROM events) || ' ' ||"
                                 " (SELECT count(*) FROM samples)";
    HistoryLimits none = { 0 }, age = { .max_age_us = 49 * SECOND }, rows = { .max_rows = 20 };
    assert_ok(store_prune_history(store, NOON, &none, &error));
    g_autofree char *all = state_file_query(file->path, counts);
    assert_string_equal(all, "101 100 100 100");
    assert_ok(store_prune_history(store, NOON, &age, &error));
    g_autofree char *young = state_file_query(file->path, counts);
    assert_string_equal(young, "51 50 50 50");
    assert_ok(store_prune_history(store, NOON, &rows, &error));
    g_autofree char *few = state_file_query(file->path, counts);
    assert_string_equal(few, "21 20 20 20");
    g_autoptr(GPtrArray) open = journal_open_rows(store, NULL, &error);
    assert_int_equal(open->len, 1);
}

static void
keeps_facts(void **state)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(Store) store = state_file_open(*state, STORE_READ_WRITE);
    char *none = (char *) "unset";
    assert_ok(store_fact_get(store, "version", &none, &error));
    assert_null(none);
    assert_ok(store_fact_put(store, "version", "0.1", &error));
    assert_ok(store_fact_put(store, "version", "0.2", &error));
    g_autofree char *value = NULL;
    assert_ok(store_fact_get(store, "version", &value, &error));
    assert_string_equal(value, "0.2");
    assert_ok(store_fact_put(store, "version", NULL, &error));
    assert_ok(store_fact_get(store, "version", &none, &error));
    assert_null(none);

    assert_ok(store_capabilities_put(store, "/bin/qemu", 100, 7, "{}", &error));
    static const struct {
        const char *path;
        guint64 size;
        gint64 mtime_ns;
        const char *json;
    } lookups[] = { { "/bin/qemu", 100, 7, "{}" },
                    { "/bin/qemu", 101, 7, NULL },
                    { "/bin/qemu", 100, 8, NULL },
                    { "/bin/other", 100, 7, NULL } };
    for (guint i = 0; i < G_N_ELEMENTS(lookups); i++) {
        g_autofree char *json = NULL;
        assert_ok(store_capabilities_get(store, lookups[i].path, lookups[i].size,
                                         lookups[i].mtime_ns, &json, &error));
        assert_int_equal(g_strcmp0(json, lookups[i].json), 0);
    }
    assert_ok(store_capabilities_put(store, "/bin/qemu", 101, 9, "{\"a\":1}", &error));
    g_autofree char *json = NULL;
    assert_ok(store_capabilities_get(store, "/bin/qemu", 101, 9, &json, &error));
    assert_string_equal(json, "{\"a\":1}");
}

static void
transactions_are_whole(void **state)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(Store) store = state_file_open(*state, STORE_READ_WRITE);
    assert_ok(store_begin(store, &error));
    assert_ok(store_domain_put_run_state(store, "a", "running", &error));
    put_memory(store, "a", "vm0", 0, 0, 0, "converged", 1);
    store_rollback(store);
    assert_null(get(store, "a"));

    /* After a failed write nothing of it stays, nor of what would follow. */
    ActionOwner owner = { 1, 2, NULL };
    gint64 id;
    assert_ok(store_begin(store, &error));
    assert_ok(store_domain_put_run_state(store, "a", "running", &error));
    assert_false(journal_begin(store, "a", "start", "{", NULL, &owner, 1, &id, &error));
    g_clear_error(&error);
    assert_false(store_domain_put_run_state(store, "b", "running", &error));
    assert_state_error(error, STATE_ERROR_FAILED);
    assert_false(store_commit(store, &error));
    assert_state_error(error, STATE_ERROR_FAILED);
    assert_null(get(store, "a"));
    assert_null(get(store, "b"));
    assert_ok(store_domain_put_run_state(store, "b", "running", &error));

    assert_ok(store_begin(store, &error));
    assert_ok(store_domain_put_exit(store, "c", "destroyed", 1, &error));
    assert_ok(store_commit(store, &error));
    g_autoptr(DomainRecord) record = get(store, "c");
    assert_non_null(record);
}

static GPtrArray *
set_companions(Store *store, const char *first, const char *second, const char *word)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) rows = g_ptr_array_new();
    CompanionRow companions[] = {
        { .domain = (char *) "a",
          .device = (char *) first,
          .program = (char *) "swtpm",
          .pid = 7,
          .state = (char *) word,
          .since_us = NOON,
          .record = (char *) "{}" },
        { .domain = (char *) "a",
          .device = (char *) second,
          .program = (char *) "passt",
          .pid = 8,
          .state = (char *) "running",
          .since_us = NOON,
          .record = (char *) "{}" },
    };
    for (guint i = 0; i < G_N_ELEMENTS(companions); i++)
        if (companions[i].device)
            g_ptr_array_add(rows, &companions[i]);
    assert_ok(store_companions_set(store, "a", rows, &error));
    GPtrArray *list = store_companion_list(store, "a", &error);
    assert_ok(list);
    return list;
}

static void
companions_are_a_set(void **state)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(Store) store = state_file_open(*state, STORE_READ_WRITE);
    DomainDesired desired = { .file = (char *) "a.xml", .digest = (char *) "d" };
    assert_ok(store_domain_put_desired(store, "a", &desired, &error));
    g_autoptr(GPtrArray) both = set_companions(store, "tpm0", "net0", "running");
    assert_int_equal(both->len, 2);
    assert_string_equal(((CompanionRow *) both->pdata[0])->device, "net0");
    g_autoptr(GPtrArray) one = set_companions(store, "tpm0", NULL, "ended");
    assert_int_equal(one->len, 1);
    assert_string_equal(((CompanionRow *) one->pdata[0])->state, "ended");
    assert_int_equal(((CompanionRow *) one->pdata[0])->pid, 7);
    g_autoptr(GPtrArray) none = set_companions(store, NULL, NULL, NULL);
    assert_int_equal(none->len, 0);
    /* They go with their domain. */
    g_autoptr(GPtrArray) again = set_companions(store, "tpm0", NULL, "running");
    assert_int_equal(again->len, 1);
    assert_ok(store_domain_remove(store, "a", &error));
    g_autoptr(GPtrArray) left = store_companion_list(store, "a", &error);
    assert_int_equal(left->len, 0);
}

static void
unchanged_puts_write_nothing(void **state)
{
    StateFile *file = *state;
    g_autoptr(GError) error = NULL;
    g_autoptr(Store) store = state_file_open(file, STORE_READ_WRITE);
    DomainDesired desired = { .file = (char *) "a.xml", .digest = (char *) "d" };
    g_autoptr(GBytes) before = NULL;
    for (guint i = 0; i < 3; i++) {
        assert_ok(store_domain_put_desired(store, "a", &desired, &error));
        assert_ok(store_domain_put_sync(store, "a", SYNC_SYNCED, NULL, "ok", NOON + i, &error));
        assert_ok(store_domain_put_run_state(store, "a", "running", &error));
        assert_ok(store_domain_put_failure(store, "a", NULL, 0, 0, &error));
        assert_ok(store_fact_put(store, "version", "0.1", &error));
        put_memory(store, "a", "vm0", 1, 1, 1, "converged", NOON + i);
        g_ptr_array_unref(set_companions(store, "tpm0", "net0", "running"));
        g_autoptr(GBytes) after = state_file_bytes(file->path);
        if (i > 0)
            assert_true(g_bytes_equal(before, after));
        g_clear_pointer(&before, g_bytes_unref);
        before = g_steal_pointer(&after);
    }
}

static void
checks_structure(void **state)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(Store) store = state_file_open(*state, STORE_READ_WRITE);
    assert_ok(store_check(store, &error));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        state_test(creates_private_file),
        state_test(notices_that_it_moved),
        state_test(opens_only_a_file),
        state_test(reads_missing_file_as_empty),
        state_test(read_only_sees_and_refuses),
        state_test(keeps_a_domain),
        state_test(pins_the_uuid),
        state_test(since_moves_with_sync_and_reason),
        state_test(suspension_keeps_its_first_time),
        state_test(sums_memory_and_forgets_it_at_exit),
        state_test(keeps_only_named_devices),
        state_test(removal_keeps_history),
        state_test(journals_actions),
        state_test(filters_history),
        state_test(thins_samples),
        state_test(bounds_history),
        state_test(keeps_facts),
        state_test(transactions_are_whole),
        state_test(companions_are_a_set),
        state_test(unchanged_puts_write_nothing),
        state_test(checks_structure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
