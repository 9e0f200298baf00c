/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The domain with one of each kind of disk, its images, and what its QEMU says of them.
 *
 *     Parts ─edit─► domains/a.xml ─settle: apply─► QEMU ─ask─► drives, nodes
 *
 * Whatever a test leaves of it, the next one edits it away: settle() holds apply to that, and finds
 * an empty plan, the same QEMU and no open action.
 */
#include "tests/cli/disk-domain.h"

#include "tests/cli/domain-file.h"
#include "tests/support/deadline.h"
#include "tests/support/qemus.h"
#include "tests/support/views.h"
#include "tests/support/virtkeep.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <gio/gio.h>
#include <gio/gunixsocketaddress.h>

#define PORT(index) "<controller type='pci' index='" index "' model='pcie-root-port'/>"
#define ALWAYS                                                                                     \
    PORT("1")                                                                                      \
    PORT("2")                                                                                      \
    PORT("3")                                                                                      \
    PORT("4")                                                                                      \
    PORT("5")                                                                                      \
    PORT("6")                                                                                      \
    PORT("7")                                                                                      \
    PORT("8")                                                                                      \
    "<controller type='usb' model='qemu-xhci'/><controller type='scsi' "                           \
    "model='virtio-scsi'/>"
#define IOTHREADS "<iothreads>1</iothreads>"

Scratch *scratch;
static char *identity;

/* ---- the file ---- */

void
edit(Parts parts)
{
    const char *dir = scratch_dir(scratch);
    g_autofree char *head = g_strconcat(IOTHREADS, parts.groups ? "<throttlegroups>" : "",
                                        parts.groups ? parts.groups : "",
                                        parts.groups ? "</throttlegroups>" : "", NULL);
    g_autofree char *devices = g_strdup_printf(
        ALWAYS "<disk type='file' device='disk'><driver name='qemu' type='raw'/>"
               "<source file='%s/a.img'/><target dev='vda' bus='virtio'/>%s</disk>"
               "<disk type='file' device='disk'><driver name='qemu' type='qcow2' %s>%s</driver>"
               "<source file='%s/over.qcow2'/><target dev='vdb' bus='virtio'/></disk>"
               "<disk type='file' device='cdrom'>%s<target dev='sda' bus='sata'/></disk>"
               "<disk type='file' device='floppy'>%s<target dev='fda' bus='fdc'/></disk>%s",
        dir, parts.vda ? parts.vda : "", parts.vdb_driver ? parts.vdb_driver : "",
        parts.vdb_within ? parts.vdb_within : "", dir, parts.cdrom ? parts.cdrom : "",
        parts.floppy ? parts.floppy : "", parts.more ? parts.more : "");

    domain_file_write(scratch, &(DomainFile){ .name = "a", .devices = devices, .head = head });
}

/* <driver> and <source> of an image in the scratch directory. */
char *
image(const char *format, const char *name)
{
    return g_strdup_printf("<driver name='qemu' type='%s'/><source file='%s/%s'/>", format,
                           scratch_dir(scratch), name);
}

void
assert_settled(void)
{
    g_free(virtkeep_expect(scratch, 60, 0, "apply"));
    g_free(virtkeep_expect(scratch, 10, 0, "plan", "--exit-code"));
    assert_true(qemu_is(scratch, "a", identity));
    assert_int_equal(view_n_open_actions(scratch), 0);
}

void
settle(Parts parts)
{
    edit(parts);
    assert_settled();
}

/* ---- what QEMU has ---- */

Json *
ask(const char *command, const char *argument, const char *value)
{
    Json *arguments = argument ? json_new_object() : NULL;

    if (argument)
        json_set_string(arguments, argument, value);
    return qemu_ask(scratch, "a", command, arguments);
}

/* The entry of query-block with this qdev. */
Json *
drive_of(const char *name, const char *qdev)
{
    g_autoptr(Json) list = qemu_ask(scratch, name, "query-block", NULL);

    for (guint i = 0; i < json_length(list); i++)
        if (!g_strcmp0(json_get_string(json_at(list, i), "qdev"), qdev))
            return json_copy(json_at(list, i));
    fail_msg("no drive %s", qdev);
    return NULL;
}

Json *
drive(const char *qdev)
{
    return drive_of("a", qdev);
}

bool
has_node(const char *qdev, const char *node)
{
    g_autoptr(Json) entry = drive(qdev);

    return !g_strcmp0(json_get_string(json_get(entry, "inserted"), "node-name"), node);
}

/* NULL: there is none. */
Json *
node(const char *name)
{
    g_autoptr(Json) arguments = json_new_object(), list = NULL;

    json_set_bool(arguments, "flat", true);
    list = qemu_ask(scratch, "a", "query-named-block-nodes", g_steal_pointer(&arguments));
    for (guint i = 0; i < json_length(list); i++)
        if (!g_strcmp0(json_get_string(json_at(list, i), "node-name"), name))
            return json_copy(json_at(list, i));
    return NULL;
}

bool
is_node(const char *name, const char *file)
{
    g_autoptr(Json) found = node(name);
    g_autofree char *path = file ? scratch_path(scratch, file) : NULL;

    return file ? found && !g_strcmp0(json_get_string(found, "file"), path) : !found;
}

guint
count(const char *command, const char *argument, const char *value)
{
    g_autoptr(Json) list = ask(command, argument, value);

    return json_length(list);
}

guint
n_backends(void)
{
    return count("qom-list", "path", "/objects") + count("query-named-block-nodes", NULL, NULL) +
           count("query-chardev", NULL, NULL);
}

/* ---- images ---- */

void
make_raw(const char *name, off_t size)
{
    g_autofree char *path = scratch_path(scratch, name);

    assert_true(g_file_set_contents(path, "", 0, NULL));
    assert_int_equal(truncate(path, size), 0);
}

#define run(...)                                                                                   \
    do {                                                                                           \
        g_autoptr(CommandResult) result =                                                          \
            command_run(scratch, 30, (const char *const[]){ __VA_ARGS__, NULL });                  \
        if (result->status)                                                                        \
            fail_msg("%s", result->err);                                                           \
    } while (0)

/* Its name is there a moment before. */
static bool
is_listening(const char *path)
{
    g_autoptr(GSocketClient) client = g_socket_client_new();
    g_autoptr(GSocketAddress) address = g_unix_socket_address_new(path);
    g_autoptr(GSocketConnection) connection =
        g_socket_client_connect(client, G_SOCKET_CONNECTABLE(address), NULL, NULL);

    return connection != NULL;
}

/* Has the image open, for writing. */
Command *
serve_nbd(const char *image_name, const char *socket_name)
{
    g_autofree char *socket = scratch_path(scratch, socket_name);
    g_autofree char *path = scratch_path(scratch, image_name);
    Command *server =
        command_start(scratch, (const char *const[]){ "qemu-nbd", "-f", "raw", "-x", "export", "-e",
                                                      "8", "-t", "-k", socket, path, NULL });

    assert_within(10, is_listening(socket));
    return server;
}

void
make_qcow2(const char *name, const char *backing)
{
    g_autofree char *path = scratch_path(scratch, name);
    g_autofree char *behind = backing ? scratch_path(scratch, backing) : NULL;

    if (behind)
        run("qemu-img", "create", "-q", "-f", "qcow2", "-b", behind, "-F", "qcow2", path);
    else
        run("qemu-img", "create", "-q", "-f", "qcow2", path, "4M");
}

/* ---- from its beginning to its end ---- */

void
disk_domain_new(void)
{
    scratch = scratch_new();
    g_free(scratch_mkdir(scratch, "domains"));
    make_raw("a.img", MIB);
    make_raw("c.iso", MIB);
    make_raw("f.img", 1474560);
    make_qcow2("base.qcow2", NULL);
    make_qcow2("over.qcow2", "base.qcow2");
    make_qcow2("d.qcow2", NULL);
    make_qcow2("e.qcow2", "d.qcow2");
}

void
disk_domain_start(void)
{
    edit((Parts){ 0 });
    g_free(virtkeep_expect(scratch, 60, 0, "apply"));
    identity = qemu_identity(scratch, "a");
}

int
disk_domain_end(void)
{
    domain_file_write(scratch, &(DomainFile){ .name = "a", .policy = "run-strategy='halted'" });
    g_free(virtkeep_expect(scratch, 60, 0, "apply"));
    g_clear_pointer(&identity, g_free);
    return scratch_end(g_steal_pointer(&scratch)) == 0 ? 0 : -1;
}
