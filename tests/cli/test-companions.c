/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Helper processes through the commands, with the real programs: a domain whose TPM is swtpm, whose
 * file system is virtiofsd, whose network is passt and whose display is on a dbus-daemon of its
 * own. Nothing of a guest runs; that each is really met is asked of QEMU. Tests that need a program
 * which isn't there, or may not do here what it must, are skipped.
 */
#include "tests/cli/domain-file.h"
#include "tests/cli/unplug.h"
#include "tests/support/deadline.h"
#include "tests/support/programs.h"
#include "tests/support/qemus.h"
#include "tests/support/views.h"
#include "tests/support/virtkeep.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <glib/gstdio.h>

#include "qemu/companion-process.h"

#define MAC "52:54:00:00:00:07"
#define SECRET "1f6c2d3e-1111-5000-8000-000000000007"

static Scratch *scratch;

static void
assert_text_has(const char *text, const char *part)
{
    if (!strstr(text, part))
        fail_msg("'%s' is not in:\n%s", part, text);
}

static void
write_domain(const char *policy, const char *devices)
{
    domain_file_write(scratch, &(DomainFile){ .name = "beside",
                                              .policy = policy,
                                              .devices = devices,
                                              .has_shared_memory = true });
}

/* Each device, and the program that it needs. */
static const struct {
    const char *program, *device;
} parts[] = {
    { "swtpm", "<tpm model='tpm-crb'><backend type='emulator' version='2.0'/></tpm>\n" },
    { "virtiofsd", "<filesystem type='mount'><driver type='virtiofs'/><source dir='%s/share'/>"
                   "<target dir='share'/></filesystem>\n" },
    { "passt", "<interface type='user'><backend type='passt'/><mac address='" MAC "'/>"
               "<model type='virtio'/></interface>\n" },
    { "dbus-daemon", "<graphics type='dbus'/>\n" },
};

/* The devices whose programs this host has. */
static char *
devices_here(unsigned *ret_n)
{
    g_autoptr(GString) text = g_string_new(NULL);

    *ret_n = 0;
    for (gsize i = 0; i < G_N_ELEMENTS(parts); i++) {
        if (!program_is_usable(parts[i].program))
            continue;
        g_string_append(text, parts[i].device);
        g_string_replace(text, "%s", scratch_dir(scratch), 0);
        ++*ret_n;
    }
    return g_strdup(text->str);
}

static int
companion_pid(const char *program)
{
    return (int) view_int(scratch, "SELECT pid FROM companions WHERE program = '%s'", program);
}

/* Processes whose stderr is a companion's log of domain "beside". */
static unsigned
n_companions(void)
{
    return processes_logging(scratch, "log/beside-");
}

static void
assert_nothing_left(void)
{
    g_autofree char *run = scratch_path(scratch, "run/beside");

    assert_int_equal(qemus_count(scratch, "beside"), 0);
    assert_within(10, n_companions() == 0);
    assert_false(g_file_test(run, G_FILE_TEST_EXISTS));
    assert_int_equal(view_int(scratch, "SELECT count(*) FROM companions"), 0);
    assert_int_equal(view_n_open_actions(scratch), 0);
}

/* That QEMU really talks to each that it meets on a socket. */
static void
assert_none_waits(void)
{
    g_autoptr(Json) chardevs = qemu_ask(scratch, "beside", "query-chardev", NULL);
    unsigned n_waiting = 0;

    for (guint i = 0; i < json_length(chardevs); i++) {
        const Json *chardev = json_at(chardevs, i);

        if (strstr(json_get_string(chardev, "filename"), "disconnected:") &&
            !g_str_has_prefix(json_get_string(chardev, "label"), "virtkeep-"))
            n_waiting++;
    }
    assert_int_equal(n_waiting, 0);
}

/* And to the TPM's. */
static void
assert_connected(void)
{
    g_autoptr(Json) tpms =
        program_is_usable("swtpm") ? qemu_ask(scratch, "beside", "query-tpm", NULL) : NULL;

    if (tpms)
        assert_string_equal(json_get_string(json_at(tpms, 0), "id"), "tpm-tpm0");
    assert_none_waits();
}

static void
test_all_run(void **state)
{
    unsigned n;
    g_autofree char *devices = devices_here(&n);
    g_autofree char *text = NULL;

    if (!n)
        skip();
    g_free(scratch_mkdir(scratch, "share"));
    write_domain(NULL, devices);
    g_free(virtkeep_expect(scratch, 60, 0, "apply"));
    assert_int_equal(qemus_count(scratch, "beside"), 1);
    assert_int_equal(view_int(scratch, "SELECT count(*) FROM companions WHERE state = 'running'"),
                     n);
    assert_true(n_companions() >= n);
    assert_connected();
    text = virtkeep_expect(scratch, 10, 0, "explain", "beside");
    assert_text_has(text, "\n  Companions       yes  ");
    g_free(virtkeep_expect(scratch, 10, 0, "plan", "--exit-code"));
    assert_int_equal(view_int(scratch, "SELECT count(*) FROM actions WHERE outcome = 'done' AND "
                                       "kind = 'start-companion'"),
                     n);
}

static void
test_qemu_killed(void **state)
{
    int before = companion_pid("swtpm");

    if (before < 0)
        skip();
    qemu_signal(scratch, "beside", SIGKILL);
    assert_within(10, qemus_count(scratch, "beside") == 0);
    g_free(virtkeep_expect(scratch, 60, 0, "apply"));
    assert_int_equal(qemus_count(scratch, "beside"), 1);
    assert_int_not_equal(companion_pid("swtpm"), before);
    assert_connected();
}

static void
test_companion_killed(void **state)
{
    int pid = companion_pid("swtpm");
    g_autofree char *text = NULL;
    g_autofree char *identity = qemu_identity(scratch, "beside");
    gint64 n_said = view_int(scratch, "SELECT count(*) FROM events WHERE kind = "
                                      "'companion-ended'");

    if (pid < 0)
        skip();
    kill(pid, SIGKILL);
    assert_within(10, processes_logging(scratch, "log/beside-tpm0-") == 0);
    g_free(virtkeep_expect(scratch, 60, 3, "apply"));
    assert_true(view_domain_is(scratch, "beside", "OutOfSync", "CompanionEnded"));
    assert_true(view_is(scratch, "ended", "SELECT state FROM companions WHERE program = 'swtpm'"));
    assert_int_equal(view_int(scratch, "SELECT count(*) FROM events WHERE kind = "
                                       "'companion-ended' AND detail LIKE 'swtpm of tpm0%%'"),
                     n_said + 1);
    text = virtkeep_expect(scratch, 10, 0, "explain", "beside");
    assert_text_has(text, "swtpm of tpm0 has ended");
    /* It is said once, and the guest is left alone. */
    g_free(virtkeep_expect(scratch, 60, 3, "apply"));
    assert_int_equal(view_int(scratch, "SELECT count(*) FROM events WHERE kind = "
                                       "'companion-ended'"),
                     n_said + 1);
    assert_true(qemu_is(scratch, "beside", identity));
}

/* In the record of swtpm, which must have it once: @pattern is a regular expression. */
static void
forge(const char *pattern, const char *replacement)
{
    static const char name[] = "run/beside/tpm0-swtpm.companion";
    g_autofree char *record = scratch_read(scratch, name), *forged = NULL;
    g_autoptr(GRegex) regex = g_regex_new(pattern, 0, 0, NULL);

    assert_true(g_regex_match(regex, record, 0, NULL));
    forged = g_regex_replace_literal(regex, record, -1, 0, replacement, 0, NULL);
    g_free(scratch_write(scratch, name, forged));
}

/* Where QEMU would take it back, it is there again at once. That swtpm's record says so is this
 * test's doing: of the programs here, none that can be restarted runs without hardware. */
static void
test_restarted(void **state)
{
    g_autofree char *just_now = NULL;
    int pid = companion_pid("swtpm");

    if (pid < 0)
        skip();
    forge("\"can_restart\": false", "\"can_restart\": true");
    kill(pid, SIGKILL);
    assert_within(10, processes_logging(scratch, "log/beside-tpm0-") == 0);
    g_free(virtkeep_expect(scratch, 60, 0, "apply"));
    assert_int_equal(processes_logging(scratch, "log/beside-tpm0-"), 1);
    assert_int_not_equal(companion_pid("swtpm"), pid);
    assert_true(view_is(scratch, "done",
                        "SELECT outcome FROM actions WHERE kind = "
                        "'restart-companion'"));
    /* The next end comes too soon, however long it took to come here: it is left, and said. */
    kill(companion_pid("swtpm"), SIGKILL);
    assert_within(10, processes_logging(scratch, "log/beside-tpm0-") == 0);
    just_now = g_strdup_printf("\"started_at\": %" G_GINT64_FORMAT, g_get_real_time());
    forge("\"started_at\": *[0-9]+", just_now);
    g_free(virtkeep_expect(scratch, 60, 3, "apply"));
    assert_true(view_domain_is(scratch, "beside", "OutOfSync", "CompanionEnded"));
    assert_int_equal(processes_logging(scratch, "log/beside-tpm0-"), 0);
    /* For the next test: a new start. */
    qemu_signal(scratch, "beside", SIGKILL);
    assert_within(10, qemus_count(scratch, "beside") == 0);
    g_free(virtkeep_expect(scratch, 60, 0, "apply"));
}

static void
test_restart_by_policy(void **state)
{
    unsigned n;
    g_autofree char *devices = devices_here(&n);

    if (companion_pid("swtpm") < 0)
        skip();
    write_domain("restart-required='restart'", devices);
    g_free(virtkeep_expect(scratch, 60, 0, "apply"));
    assert_true(view_domain_is(scratch, "beside", "Synced", "Synced"));
    assert_int_equal(view_int(scratch, "SELECT count(*) FROM companions WHERE state = 'running'"),
                     n);
    assert_connected();
}

/* No guest is stopped that could not be started again. */
static void
test_not_stopped_for_what_is_missing(void **state)
{
    g_autofree char *identity = qemu_identity(scratch, "beside");
    g_autofree char *config = scratch_path(scratch, "virtkeep.yaml");

    if (!identity)
        skip();
    g_free(scratch_write(scratch, "virtkeep.yaml", "helpers: { passt: /nonexistent/passt }\n"));
    write_domain("restart-required='restart'",
                 "<interface type='user'><backend type='passt'/><mac address='" MAC "'/>"
                 "<model type='e1000e'/></interface>\n");
    g_free(virtkeep_expect(scratch, 60, 3, "apply"));
    assert_true(view_domain_is(scratch, "beside", "RestartRequired", "Missing"));
    assert_true(qemu_is(scratch, "beside", identity));
    assert_int_equal(g_unlink(config), 0);
}

/* `watch` hears it by itself: the resync is minutes away. */
static void
test_watch_notices(void **state)
{
    g_autoptr(Command) watch = NULL;
    g_autoptr(CommandResult) result = NULL;
    unsigned n;
    g_autofree char *devices = devices_here(&n);
    int pid = companion_pid("swtpm");

    if (pid < 0)
        skip();
    write_domain(NULL, devices);
    watch = virtkeep_start(scratch, "-v", "watch");
    view_wait_domain(scratch, 20, "beside", "Synced", "Synced");
    assert_within(20, ({
                      g_autofree char *said = command_errors(watch);
                      said &&strstr(said, "beside: Synced");
                  }));
    kill(pid, SIGKILL);
    view_wait_domain(scratch, 20, "beside", "OutOfSync", "CompanionEnded");
    command_signal(watch, SIGTERM);
    result = command_wait(watch, 20);
    assert_int_equal(result->status, 0);
    /* Both kinds outlive it. */
    assert_int_equal(qemus_count(scratch, "beside"), 1);
    assert_true(n_companions() >= n - 1);
}

static void
test_halted(void **state)
{
    unsigned n;
    g_autofree char *devices = devices_here(&n);

    if (!n)
        skip();
    write_domain("run-strategy='halted'", devices);
    g_free(virtkeep_expect(scratch, 60, 0, "apply"));
    assert_nothing_left();
}

/* Chardevs, devices, and descriptors of its QEMU: nothing of a device is behind it afterwards. */
typedef struct Remains {
    guint n_chardevs, n_devices, n_descriptors;
} Remains;

static guint
count(const char *command, const char *path)
{
    Json *arguments = path ? json_new_object() : NULL;
    g_autoptr(Json) list = NULL;

    if (path)
        json_set_string(arguments, "path", path);
    list = qemu_ask(scratch, "beside", command, arguments);
    return json_length(list);
}

static guint
count_descriptors(const char *identity)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/fd", atoi(identity));
    g_autoptr(GDir) directory = g_dir_open(path, 0, NULL);
    guint n = 0;

    assert_non_null(directory);
    while (g_dir_read_name(directory))
        n++;
    return n;
}

static Remains
look(const char *identity)
{
    return (Remains){ count("query-chardev", NULL), count("qom-list", "/machine/peripheral"),
                      count_descriptors(identity) };
}

static bool
is_as(const Remains *before, const char *identity)
{
    Remains now = look(identity);

    return !memcmp(&now, before, sizeof(now));
}

/* A device that comes while the guest runs brings its helper, which goes when it has gone. Its
 * going is the guest's to allow, and nothing of a guest runs here: the reset that ends it stands
 * for that. Twice, since the second one is another process. */
static void
assert_plugged(gsize part)
{
    static const char port[] = "<controller type='pci' index='1' model='pcie-root-port'/>"
                               "<controller type='pci' index='2' model='pcie-root-port'/>\n";
    g_autoptr(GString) device = g_string_new(parts[part].device);
    g_autofree char *identity = NULL, *with = NULL;
    int former = 0;
    Remains before;

    g_string_replace(device, "%s", scratch_dir(scratch), 0);
    write_domain(NULL, port);
    g_free(virtkeep_expect(scratch, 60, 0, "apply"));
    identity = qemu_identity(scratch, "beside");
    assert_int_equal(n_companions(), 0);
    before = look(identity);
    with = g_strconcat(port, device->str, NULL);
    for (guint i = 0; i < 2; i++) {
        write_domain(NULL, with);
        g_free(virtkeep_expect(scratch, 60, 0, "apply"));
        assert_int_equal(count("qom-list", "/machine/peripheral"), before.n_devices + 1);
        assert_true(companion_pid(parts[part].program) > 0);
        assert_int_not_equal(companion_pid(parts[part].program), former);
        former = companion_pid(parts[part].program);
        assert_none_waits();
        write_domain(NULL, port);
        g_free(virtkeep_expect(scratch, 60, 3, "apply", "--no-wait"));
        assert_true(n_companions() > 0); /* the guest may still use it */
        unplug_by_resets(scratch, "beside");
        assert_within(10, n_companions() == 0);
        assert_int_equal(view_int(scratch, "SELECT count(*) FROM companions"), 0);
        assert_within(10, is_as(&before, identity)); /* monitors are closed a little later */
    }
    assert_true(qemu_is(scratch, "beside", identity));
    write_domain("run-strategy='halted'", NULL);
    g_free(virtkeep_expect(scratch, 60, 0, "apply"));
    assert_nothing_left();
}

static void
test_plugged(void **state)
{
    if (!program_is_usable("passt"))
        skip();
    assert_plugged(2);
}

static void
test_filesystem_plugged(void **state)
{
    g_autofree char *share = NULL;

    if (!program_is_usable("virtiofsd"))
        skip();
    share = scratch_mkdir(scratch, "share");
    assert_plugged(1);
    assert_true(g_file_test(share, G_FILE_TEST_IS_DIR));
}

static char *
state_of_tpm(void)
{
    g_autofree char *uuid = view_text(scratch, "SELECT uuid FROM domains WHERE name = 'beside'");
    g_autofree char *name = g_strdup_printf("tpm/%s/tpm2-00.permall", uuid);

    return scratch_path(scratch, name);
}

/* The TPM's state is kept, and with a secret it is not what it would be without. */
static void
test_tpm_state(void **state)
{
    g_autofree char *path = state_of_tpm(), *content = NULL, *config = NULL;

    if (!program_is_usable("swtpm"))
        skip();
    assert_true(g_file_test(path, G_FILE_TEST_EXISTS));
    write_domain(NULL, "<tpm model='tpm-crb'><backend type='emulator' version='2.0'>"
                       "<encryption secret='" SECRET "'/></backend></tpm>\n");
    config = virtkeep_expect(scratch, 10, 0, "plan");
    assert_text_has(config, "blocked");
    assert_text_has(config, "beside.xml:");
    assert_text_has(config, "/etc/virtkeep/secrets/" SECRET " is not there");
    assert_nothing_left();
}

/* Every absence is named, with its line, and nothing is started. */
static void
test_missing(void **state)
{
    g_autofree char *plan = NULL;
    g_autoptr(CommandResult) result = NULL;

    g_free(scratch_write(scratch, "virtkeep.yaml",
                         "helpers: { swtpm: /nonexistent/swtpm, passt: /nonexistent/passt }\n"));
    write_domain(NULL, "<interface type='user'><backend type='passt'/><mac address='" MAC "'/>"
                       "<model type='virtio'/></interface>\n"
                       "<tpm model='tpm-crb'><backend type='emulator' version='2.0'/></tpm>\n");
    plan = virtkeep_expect(scratch, 10, 0, "plan");
    assert_text_has(plan, "beside.xml:13:");
    assert_text_has(plan, "devices/interface[0]: the program /nonexistent/passt is not there");
    assert_text_has(plan, "beside.xml:14:");
    assert_text_has(plan, "devices/tpm[0]: the program /nonexistent/swtpm is not there");
    result = virtkeep_run(scratch, 30, "apply");
    assert_int_not_equal(result->status, 0);
    assert_text_has(result->err, "/nonexistent/swtpm is not there");
    assert_int_equal(qemus_count(scratch, NULL), 0);
}

/* A program that does not come up says why, and takes nothing else with it. */
static void
test_ends_at_once(void **state)
{
    g_autofree char *program = NULL, *config = NULL;
    g_autoptr(CommandResult) result = NULL;

    program = scratch_write(scratch, "bad-passt", "#!/bin/sh\necho no network today >&2\nexit 3\n");
    assert_int_equal(g_chmod(program, 0700), 0);
    config = g_strdup_printf("helpers: { passt: %s }\n", program);
    g_free(scratch_write(scratch, "virtkeep.yaml", config));
    result = virtkeep_run(scratch, 30, "apply");
    assert_int_not_equal(result->status, 0);
    assert_text_has(result->err, "passt of net0: ");
    assert_text_has(result->err, "no network today");
    assert_nothing_left();
}

/* Handed its socket, it dies before QEMU is there: QEMU's words are followed by its own. */
static void
test_ends_before_qemu(void **state)
{
    g_autofree char *program = NULL, *config = NULL;
    g_autoptr(CommandResult) result = NULL;

    program = scratch_write(scratch, "bad-swtpm", "#!/bin/sh\necho out of chips >&2\nexit 3\n");
    assert_int_equal(g_chmod(program, 0700), 0);
    config = g_strdup_printf("helpers: { swtpm: %s }\n", program);
    g_free(scratch_write(scratch, "virtkeep.yaml", config));
    write_domain(NULL, "<tpm model='tpm-crb'><backend type='emulator' version='2.0'/></tpm>\n");
    result = virtkeep_run(scratch, 30, "apply");
    assert_int_not_equal(result->status, 0);
    assert_text_has(result->err, "out of chips");
    assert_nothing_left();
}

/* One that handles no signals is ended all the same. */
static void
test_stubborn(void **state)
{
    g_autofree char *program = NULL, *config = NULL;
    g_autoptr(CommandResult) result = NULL;

    program = scratch_write(scratch, "bad-swtpm",
                            "#!/bin/sh\ntrap '' TERM\necho I stay >&2\n"
                            "while :; do read -r x < /dev/zero; done\n");
    assert_int_equal(g_chmod(program, 0700), 0);
    config = g_strdup_printf("helpers: { swtpm: %s }\nemulators: [ /bin/false ]\n", program);
    g_free(scratch_write(scratch, "virtkeep.yaml", config));
    write_domain(NULL, "<tpm model='tpm-crb'><backend type='emulator' version='2.0'/></tpm>\n");
    result = virtkeep_run(scratch, 30, "apply");
    assert_int_not_equal(result->status, 0);
    assert_nothing_left();
}

static int
set_up(void **state)
{
    scratch = scratch_new();
    return 0;
}

static int
tear_down(void **state)
{
    scratch_free(scratch);
    return 0;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_run),
        cmocka_unit_test(test_qemu_killed),
        cmocka_unit_test(test_restarted),
        cmocka_unit_test(test_companion_killed),
        cmocka_unit_test(test_restart_by_policy),
        cmocka_unit_test(test_not_stopped_for_what_is_missing),
        cmocka_unit_test(test_watch_notices),
        cmocka_unit_test(test_halted),
        cmocka_unit_test(test_plugged),
        cmocka_unit_test(test_filesystem_plugged),
        cmocka_unit_test(test_tpm_state),
        cmocka_unit_test(test_missing),
        cmocka_unit_test(test_ends_at_once),
        cmocka_unit_test(test_ends_before_qemu),
        cmocka_unit_test(test_stubborn),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
