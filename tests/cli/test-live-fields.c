/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Fields of devices, and of the domain itself, that change while the guest runs: one real QEMU,
 * which lives through all of it and is asked, by a monitor that virtkeep leaves alone, what has
 * become of each. The tests run in this order.
 */
#include "tests/cli/domain-file.h"
#include "tests/cli/unplug.h"
#include "tests/support/deadline.h"
#include "tests/support/qemus.h"
#include "tests/support/views.h"
#include "tests/support/virtkeep.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <gio/gio.h>
#include <gio/gunixsocketaddress.h>

static Scratch *scratch;
static char *identity;

/* What the file says; a test changes what it is about, and the others stay. */
static struct {
    const char *display, *action, *first_order, *second_order, *boot, *on_reboot;
    char *serial;
} said = { .action = "reset", .boot = "", .on_reboot = "restart" };

#define NET(last, more)                                                                            \
    "<interface type='user'><mac address='52:54:00:00:00:" last "'/><model type='virtio'/>" more   \
    "</interface>"

static char *
order_text(const char *order)
{
    return order ? g_strdup_printf("<boot order='%s'/>", order) : g_strdup("");
}

static void
edit(void)
{
    g_autofree char *first = order_text(said.first_order), *second = order_text(said.second_order);
    g_autofree char *devices = g_strdup_printf(
        NET("01", "%s") NET("02", "%s") "<serial type='%s</serial>"
                                        "<watchdog model='i6300esb' action='%s'/>%s",
        first, second, said.serial, said.action, said.display);
    g_autofree char *xml = domain_file_xml(&(DomainFile){ .name = "a", .devices = devices });
    g_auto(GStrv) at_os = g_strsplit(xml, "</os>", 2);
    g_autofree char *all = g_strdup_printf("%s%s</os>\n  <on_reboot>%s</on_reboot>%s", at_os[0],
                                           said.boot, said.on_reboot, at_os[1]);

    g_free(scratch_write(scratch, "domains/a.xml", all));
}

static void
settle(void)
{
    edit();
    g_free(virtkeep_expect(scratch, 60, 0, "apply"));
    g_free(virtkeep_expect(scratch, 30, 0, "plan", "--exit-code"));
    assert_true(qemu_is(scratch, "a", identity));
    assert_int_equal(view_n_open_actions(scratch), 0);
}

/* ---- boot order ---- */

static gint64
boot_index(const char *id)
{
    g_autofree char *path = g_strconcat("/machine/peripheral/", id, NULL);
    g_autoptr(Json) index = NULL;
    Json *arguments = json_new_object();

    json_set_string(arguments, "path", path);
    json_set_string(arguments, "property", "bootindex");
    index = qemu_ask(scratch, "a", "qom-get", arguments);
    return json_int(index, -2);
}

/* Two that exchange their places are never in each other's way. */
static void
test_boot_order(void **state)
{
    said.first_order = "1";
    said.second_order = "2";
    settle();
    assert_int_equal(boot_index("net0"), 1);
    assert_int_equal(boot_index("net1"), 2);
    said.first_order = "2";
    said.second_order = "1";
    settle();
    assert_int_equal(boot_index("net0"), 2);
    assert_int_equal(boot_index("net1"), 1);
    said.first_order = said.second_order = NULL;
    settle();
    assert_int_equal(boot_index("net0"), -1);
    assert_int_equal(boot_index("net1"), -1);
}

static void
test_boot_devices(void **state)
{
    said.boot = "<boot dev='network'/>";
    settle();
    assert_int_equal(boot_index("net0"), 1);
    said.boot = "<boot dev='hd'/><boot dev='network'/>";
    settle();
    assert_int_equal(boot_index("net0"), 2);
    said.boot = "";
    settle();
    assert_int_equal(boot_index("net0"), -1);
}

/* ---- what QEMU does by itself ---- */

/* With `shutdown` a reset ends the guest, which -no-shutdown leaves there to be seen. */
static void
test_on_reboot(void **state)
{
    g_autoptr(Json) status = NULL;

    said.on_reboot = "destroy";
    settle();
    said.on_reboot = "restart";
    settle();
    json_free(qemu_ask(scratch, "a", "system_reset", NULL));
    status = qemu_ask(scratch, "a", "query-status", NULL);
    assert_string_equal(json_get_string(status, "status"), "running");
}

/* ---- watchdog ---- */

/* A boot sector that lets an ib700 (I/O port 0x443: enable, with 0 s to live) expire at every tick
 * of the PC's clock. */
static const guint8 expiring_sector[] = {
    0xfb,             /* sti */
    0xba, 0x43, 0x04, /* port 0x443 */
    0xb0, 0x0f,       /* 0 s */
    0xee,             /* out */
    0xf4,             /* hlt, until the next tick */
    0xeb, 0xfa,       /* again */
};

static void
write_expiring_disk(Scratch *box)
{
    g_autofree char *path = scratch_path(box, "expiring.img");
    guint8 sector[512] = { 0 };

    memcpy(sector, expiring_sector, sizeof(expiring_sector));
    sector[510] = 0x55;
    sector[511] = 0xaa;
    assert_true(g_file_set_contents(path, (const char *) sector, sizeof(sector), NULL));
}

static void
edit_watchdog(Scratch *box, const char *action)
{
    g_autofree char *xml = g_strdup_printf(
        "<domain type='qemu'><name>w</name><metadata><vk:policy xmlns:vk='urn:virtkeep:policy:1' "
        "shutdown-timeout='1s'/></metadata><memory unit='MiB'>64</memory><vcpu>1</vcpu>"
        "<os><type arch='x86_64' machine='pc'>hvm</type></os><devices>"
        "<disk type='file' device='disk'><driver name='qemu' type='raw'/>"
        "<source file='%s/expiring.img'/><target dev='hda' bus='ide'/></disk>"
        "<watchdog model='ib700' action='%s'/></devices></domain>",
        scratch_dir(box), action);

    g_free(scratch_write(box, "domains/w.xml", xml));
}

static bool
is_status(Scratch *box, const char *status)
{
    g_autoptr(Json) reply = qemu_ask(box, "w", "query-status", NULL);

    return !g_strcmp0(json_get_string(reply, "status"), status);
}

/* The guest may be stopped before the pass has ended, which the pass then says. */
static void
apply_stopping(Scratch *box, const char *action, const char *status)
{
    g_autoptr(CommandResult) result = NULL;

    edit_watchdog(box, action);
    result = virtkeep_run(box, 60, "apply");
    assert_true(result->status == 0 || result->status == 3);
    assert_within(60, is_status(box, status));
}

/* QEMU tells nobody what its watchdog will do; it is seen when it does it, at every expiry. */
static void
test_watchdog_action(void **state)
{
    g_autoptr(Scratch) box = scratch_new();
    g_autofree char *process = NULL;

    write_expiring_disk(box);
    edit_watchdog(box, "none");
    g_free(virtkeep_expect(box, 60, 0, "apply"));
    process = qemu_identity(box, "w");
    assert_true(is_status(box, "running"));
    apply_stopping(box, "pause", "watchdog");
    edit_watchdog(box, "none");
    g_free(virtkeep_expect(box, 60, 3, "apply")); /* it is told, and who paused it must go on */
    view_wait_domain(box, 10, "w", "OutOfSync", "Paused");
    json_free(qemu_ask(box, "w", "cont", NULL));
    g_free(virtkeep_expect(box, 60, 0, "apply"));
    assert_true(is_status(box, "running"));
    apply_stopping(box, "pause", "watchdog"); /* which it is since the other expiries did nothing */
    assert_true(qemu_is(box, "w", process));
    domain_file_write(box, &(DomainFile){ .name = "w", .policy = "run-strategy='halted'" });
    g_free(virtkeep_expect(box, 60, 0, "apply"));
}

/* ---- VNC ---- */

static char *
vnc_place(void)
{
    g_autoptr(Json) vnc = qemu_ask(scratch, "a", "query-vnc", NULL);

    return g_strdup_printf("%s:%s", json_get_string(vnc, "host"), json_get_string(vnc, "service"));
}

/* A viewer's first word with it; NULL where nobody listens. */
static GSocketConnection *
view(const char *place)
{
    g_autoptr(GSocketClient) client = g_socket_client_new();

    return g_socket_client_connect_to_host(client, place, 5900, NULL, NULL);
}

static void
test_vnc_address(void **state)
{
    g_autofree char *address = scratch_address();
    g_autofree char *wanted = g_strconcat(address, ":5999", NULL);
    g_autofree char *display =
        g_strdup_printf("<graphics type='vnc' port='5999' listen='%s' passwd='one'/>", address);
    g_autofree char *first = NULL, *second = NULL;
    g_autoptr(GSocketConnection) viewer = NULL, late = NULL;

    said.display = display;
    settle();
    first = vnc_place();
    assert_string_equal(first, wanted);
    viewer = view(first);
    assert_non_null(viewer);
    said.display = "<graphics type='vnc' autoport='yes' listen='127.0.0.1' passwd='one'/>";
    settle();
    second = vnc_place();
    assert_true(g_str_has_prefix(second, "127.0.0.1:59"));
    late = view(first);
    assert_null(late);
}

/* Where it can't listen it stays where it is, and says why. */
static void
test_vnc_address_in_use(void **state)
{
    g_autoptr(GSocketListener) other = g_socket_listener_new();
    guint16 port = g_socket_listener_add_any_inet_port(other, NULL, NULL);
    g_autofree char *display =
        g_strdup_printf("<graphics type='vnc' port='%u' listen='127.0.0.1' passwd='one'/>", port);
    const char *before = said.display;
    g_autofree char *place = NULL;
    g_autoptr(CommandResult) result = NULL;
    g_autoptr(GSocketConnection) viewer = NULL;

    if (port < 5900)
        skip();
    said.display = display;
    edit();
    result = virtkeep_run(scratch, 60, "apply");
    assert_int_not_equal(result->status, 0);
    view_wait_domain(scratch, 10, "a", "OutOfSync", "Refused");
    place = vnc_place();
    viewer = view(place);
    assert_non_null(viewer);
    said.display = before;
    settle();
}

static char *
read_bytes(GInputStream *input, gsize n)
{
    char *bytes = g_malloc0(n + 1);
    gsize got = 0;

    assert_true(g_input_stream_read_all(input, bytes, n, &got, NULL, NULL));
    assert_int_equal(got, n);
    return bytes;
}

/* Answers the display's challenge (RFC 6143, 7.2.2) with nonsense: QEMU's trace, which goes to the
 * domain's log, tells why it lets nobody in. Returns what has been logged so far. */
static char *
fail_to_enter(void)
{
    g_autofree char *place = vnc_place();
    g_autoptr(GSocketConnection) viewer = view(place);
    GInputStream *input = g_io_stream_get_input_stream(G_IO_STREAM(viewer));
    GOutputStream *output = g_io_stream_get_output_stream(G_IO_STREAM(viewer));
    g_autofree char *version = read_bytes(input, 12), *types = NULL, *challenge = NULL;
    g_autofree char *result = NULL;

    assert_true(g_output_stream_write_all(output, version, 12, NULL, NULL, NULL));
    types = read_bytes(input, 2);
    assert_int_equal(types[1], 2); /* a password */
    assert_true(g_output_stream_write_all(output, "\x02", 1, NULL, NULL, NULL));
    challenge = read_bytes(input, 16);
    assert_true(g_output_stream_write_all(output, challenge, 16, NULL, NULL, NULL));
    result = read_bytes(input, 4);
    assert_memory_equal(result, "\0\0\0\1", 4);
    return scratch_read(scratch, "log/a.log");
}

static guint
count_refusals(const char *why)
{
    g_autofree char *log = fail_to_enter();
    guint n = 0;

    for (const char *at = log; (at = strstr(at, why)); at++)
        n++;
    return n;
}

static void
trace_refusals(void)
{
    Json *arguments = json_new_object();

    json_set_string(arguments, "name", "vnc_auth_fail");
    json_set_bool(arguments, "enable", true);
    json_free(qemu_ask(scratch, "a", "trace-event-set-state", arguments));
}

static void
test_vnc_password(void **state)
{
    g_autofree char *history = NULL;

    trace_refusals();
    assert_int_equal(count_refusals("expired"), 0);
    said.display = "<graphics type='vnc' autoport='yes' listen='127.0.0.1' passwd='Sesam2'/>";
    settle();
    assert_int_equal(count_refusals("expired"), 0);
    said.display = "<graphics type='vnc' autoport='yes' listen='127.0.0.1' passwd='Sesam2' "
                   "passwdValidTo='2001-01-01T00:00:00'/>";
    settle();
    assert_int_equal(count_refusals("expired"), 1);
    said.display = "<graphics type='vnc' autoport='yes' listen='127.0.0.1' passwd='Sesam3'/>";
    settle();
    assert_int_equal(count_refusals("expired"), 1);
    history = virtkeep_expect(scratch, 10, 0, "history", "a");
    assert_null(strstr(history, "Sesam"));
    assert_int_equal(view_int(scratch, "SELECT count(*) FROM changes WHERE \"from\" LIKE "
                                       "'%%Sesam%%' OR \"to\" LIKE '%%Sesam%%'"),
                     0);
}

/* A display that asks nobody can't begin to, without a new QEMU. */
static void
test_vnc_password_gone(void **state)
{
    const char *before = said.display;

    said.display = "<graphics type='vnc' autoport='yes' listen='127.0.0.1'/>";
    edit();
    g_free(virtkeep_expect(scratch, 60, 3, "apply"));
    view_wait_domain(scratch, 10, "a", "RestartRequired", "RestartRequired");
    said.display = before;
    settle();
}

/* ---- serial port ---- */

static char *
serial_to(const char *type, const char *name, const char *mode)
{
    g_autofree char *path = scratch_path(scratch, name);

    return g_strdup_printf("%s'><source path='%s'%s/>", type, path, mode);
}

static char *
host_side(void)
{
    g_autoptr(Json) chardevs = qemu_ask(scratch, "a", "query-chardev", NULL);

    for (guint i = 0; i < json_length(chardevs); i++)
        if (!g_strcmp0(json_get_string(json_at(chardevs, i), "label"), "charserial0"))
            return g_strdup(json_get_string(json_at(chardevs, i), "filename"));
    return NULL;
}

static void
assert_serial(char *serial, const char *kind, const char *name)
{
    g_autofree char *side = NULL;

    g_free(said.serial);
    said.serial = serial;
    settle();
    side = host_side();
    if (!side || !strstr(side, kind) || !strstr(side, name))
        fail_msg("the serial port leads to %s, not to %s %s", side, kind, name);
}

static void
test_serial(void **state)
{
    assert_serial(serial_to("file", "one.log", ""), "file", "");
    assert_serial(serial_to("unix", "s.sock", " mode='bind'"), "unix", "s.sock");
    assert_serial(serial_to("unix", "t.sock", " mode='bind'"), "unix", "t.sock");
    assert_serial(g_strdup("null'>"), "null", "");
}

/* ---- nothing to be done ---- */

static void
test_description(void **state)
{
    g_autofree char *text = NULL, *exported = NULL, *titled = NULL;
    g_auto(GStrv) parts = NULL;

    edit();
    text = scratch_read(scratch, "domains/a.xml");
    parts = g_strsplit(text, "<metadata>", 2);
    titled = g_strconcat(parts[0],
                         "<title>of late</title><description>what for</description><metadata>"
                         "<my:note xmlns:my='urn:mine'>kept</my:note>",
                         parts[1], NULL);
    g_free(scratch_write(scratch, "domains/a.xml", titled));
    g_free(virtkeep_expect(scratch, 60, 0, "apply"));
    g_free(virtkeep_expect(scratch, 30, 0, "plan", "--exit-code"));
    assert_true(qemu_is(scratch, "a", identity));
    exported = virtkeep_expect(scratch, 10, 0, "export", "a");
    assert_non_null(strstr(exported, "<title>of late</title>"));
    assert_non_null(strstr(exported, "kept"));
    settle();
}

/* The one way to see that a reset ends the guest is to let it. */
static void
test_on_reboot_ends(void **state)
{
    said.on_reboot = "destroy";
    settle();
    json_free(qemu_ask(scratch, "a", "system_reset", NULL));
    assert_within(10, ({
                      g_autoptr(Json) status = qemu_ask(scratch, "a", "query-status", NULL);
                      !g_strcmp0(json_get_string(status, "status"), "shutdown");
                  }));
}

/* ---- both at once ---- */

#define PORT(index) "<controller type='pci' index='" index "' model='pcie-root-port'/>"
#define MIXED_ALWAYS                                                                               \
    "<emulator>/usr/bin/qemu-system-x86_64</emulator>" PORT("1") PORT("2") PORT("3")
#define MIXED_BEFORE MIXED_ALWAYS "<memballoon model='virtio'><stats period='2'/></memballoon>\n"
#define MIXED_AFTER                                                                                \
    MIXED_ALWAYS "<memballoon model='virtio'><stats period='7'/></memballoon>\n"                   \
                 "<rng model='virtio'><backend model='builtin'/></rng>\n"                          \
                 "<sound model='ich9'/>\n"

/* The plan's rows of that class: "a.xml:12  devices/rng[0]". Their padding is one blank. */
static char *
rows_of(const char *plan, const char *change_class)
{
    g_auto(GStrv) lines = g_strsplit(plan, "\n", -1);
    g_autofree char *end = g_strdup_printf("(%s)", change_class);
    g_autoptr(GString) rows = g_string_new(NULL);

    for (guint i = 0; lines[i]; i++) {
        char place[64], path[64];

        if (g_str_has_suffix(lines[i], end) && sscanf(lines[i], " %63s %63s", place, path) == 2)
            g_string_append_printf(rows, "%s %s\n", place, path);
    }
    return g_strdup(rows->str);
}

static gint64
mixed_figure(Scratch *box, const char *id, const char *property)
{
    g_autofree char *path = g_strconcat("/machine/peripheral/", id, NULL);
    Json *arguments = json_new_object();
    g_autoptr(Json) value = NULL;

    json_set_string(arguments, "path", path);
    json_set_string(arguments, "property", property);
    value = qemu_ask(box, "m", "qom-get", arguments);
    return json_int(value, -1);
}

static bool
has_rng(Scratch *box)
{
    Json *arguments = json_new_object();
    g_autoptr(Json) list = NULL;

    json_set_string(arguments, "path", "/machine/peripheral");
    list = qemu_ask(box, "m", "qom-list", arguments);
    for (guint i = 0; i < json_length(list); i++)
        if (!g_strcmp0(json_get_string(json_at(list, i), "name"), "rng0"))
            return true;
    return false;
}

static guint
line_of(Scratch *box, const char *text)
{
    g_autofree char *xml = scratch_read(box, "domains/m.xml");
    const char *at = strstr(xml, text);
    guint line = 1;

    assert_non_null(at);
    for (const char *c = xml; c < at; c++)
        line += *c == '\n';
    return line;
}

/* An edit of fields of both kinds: the live ones are done now, as QEMU tells; the others are
 * reported, these and no more, each with its line, and are no longer when the file is changed
 * back. That QEMU lives through it. */
static void
test_live_and_restart(void **state)
{
    g_autoptr(Scratch) box = scratch_new();
    g_autofree char *process = NULL, *plan = NULL, *live = NULL, *restart = NULL, *status = NULL;
    g_autofree char *expected = NULL;

    domain_file_write(box, &(DomainFile){ .name = "m", .devices = MIXED_BEFORE });
    g_free(virtkeep_expect(box, 60, 0, "apply"));
    process = qemu_identity(box, "m");
    assert_int_equal(mixed_figure(box, "balloon0", "guest-stats-polling-interval"), 2);
    domain_file_write(box, &(DomainFile){ .name = "m", .vcpus = 2, .devices = MIXED_AFTER });
    g_free(virtkeep_expect(box, 60, 3, "apply"));

    assert_true(qemu_is(box, "m", process));
    assert_int_equal(mixed_figure(box, "balloon0", "guest-stats-polling-interval"), 7);
    assert_true(has_rng(box));
    assert_int_equal(view_n_open_actions(box), 0);
    view_wait_domain(box, 10, "m", "RestartRequired", "RestartRequired");
    plan = virtkeep_expect(box, 30, 2, "plan", "--exit-code");
    live = rows_of(plan, "live");
    restart = rows_of(plan, "restart");
    expected = g_strdup_printf("m.xml:%u vcpu\nm.xml:%u cpu/numa/cell[0]/@cpus\n"
                               "m.xml:%u devices/sound[0]\n",
                               line_of(box, "<vcpu>"), line_of(box, "<cell id='0'"),
                               line_of(box, "<sound"));
    assert_string_equal(live, "");
    assert_string_equal(restart, expected);
    status = virtkeep_expect(box, 10, 0, "status", "m");
    assert_non_null(strstr(status, "vcpu (1 to 2), cpu/numa/cell[0]/@cpus (0 to 0-1), "
                                   "devices/sound[0] (absent to sound sound0)"));
    assert_null(strstr(status, "rng"));

    domain_file_write(box, &(DomainFile){ .name = "m", .devices = MIXED_BEFORE });
    unplug_by_resets(box, "m"); /* the rng is the guest's to let go */
    g_free(virtkeep_expect(box, 60, 0, "apply"));
    g_free(virtkeep_expect(box, 30, 0, "plan", "--exit-code"));
    view_wait_domain(box, 10, "m", "Synced", "Synced");
    assert_true(qemu_is(box, "m", process));
    assert_int_equal(mixed_figure(box, "balloon0", "guest-stats-polling-interval"), 2);
    assert_false(has_rng(box));
    domain_file_write(box, &(DomainFile){ .name = "m", .policy = "run-strategy='halted'" });
    g_free(virtkeep_expect(box, 60, 0, "apply"));
}

static int
begin(void **state)
{
    scratch = scratch_new();
    g_free(scratch_mkdir(scratch, "domains"));
    said.serial = g_strdup("pty'>");
    said.display = "<graphics type='vnc' autoport='yes' listen='127.0.0.1' passwd='one'/>";
    edit();
    g_free(virtkeep_expect(scratch, 60, 0, "apply"));
    identity = qemu_identity(scratch, "a");
    return 0;
}

static int
end(void **state)
{
    g_clear_pointer(&identity, g_free);
    g_clear_pointer(&said.serial, g_free);
    domain_file_write(scratch, &(DomainFile){ .name = "a", .policy = "run-strategy='halted'" });
    g_free(virtkeep_expect(scratch, 60, 0, "apply"));
    return scratch_end(g_steal_pointer(&scratch)) == 0 ? 0 : -1;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_boot_order),     cmocka_unit_test(test_boot_devices),
        cmocka_unit_test(test_on_reboot),      cmocka_unit_test(test_watchdog_action),
        cmocka_unit_test(test_vnc_address),    cmocka_unit_test(test_vnc_address_in_use),
        cmocka_unit_test(test_vnc_password),   cmocka_unit_test(test_vnc_password_gone),
        cmocka_unit_test(test_serial),         cmocka_unit_test(test_description),
        cmocka_unit_test(test_on_reboot_ends), cmocka_unit_test(test_live_and_restart),
    };

    return cmocka_run_group_tests_name("cli-live-fields", tests, begin, end);
}
