/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Asking a QEMU binary what it can do.
 *
 * The binary is started once with no machine, asked over a socket pair, and ended: the answers
 * are taken together into the object that model/capabilities.h documents. Nothing is concluded
 * from the version.
 *
 * What may be asked is narrower than it looks. To list a type's properties QEMU makes an
 * instance of it, and some can't be made without a machine: QEMU 7.2 aborts on virtio-gpu-gl-pci
 * ("missing object type"), on the microvm machine and on vfio-user's object. So properties are
 * asked only of the types in a table, those that virtkeep writes, and of the pc and q35 machines;
 * properties of objects are read from the QMP schema, which is static.
 *
 * The process is held three ways: it dies with us (PR_SET_PDEATHSIG), it is told to quit, and it
 * is killed when it doesn't. Whatever happens it is reaped before the call returns. Its stderr goes
 * to a memory file, so that it can't block and its words are at hand.
 */
#include "qemu/probe.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "qemu/qmp.h"

#define END_GRACE_US (2 * G_USEC_PER_SEC) /* after a conversation that went wrong */
#define QMP_FD 3
#define WORDS_MAX 4096

/* Types whose properties are asked: those that qemu/ writes. Harmless to make an instance of. */
static const char *const device_types[] = {
    "AC97",
    "ES1370",
    "VGA",
    "bochs-display",
    "cirrus-vga",
    "e1000",
    "e1000e",
    "floppy",
    "hda-duplex",
    "hda-micro",
    "hda-output",
    "i6300esb",
    "i82801b11-bridge",
    "ib700",
    "ich9-ahci",
    "ich9-intel-hda",
    "ich9-usb-ehci1",
    "ich9-usb-uhci1",
    "ide-cd",
    "ide-hd",
    "intel-hda",
    "intel-iommu",
    "ioh3420",
    "isa-debugcon",
    "isa-fdc",
    "isa-parallel",
    "isa-serial",
    "lsi53c895a",
    "megasas",
    "mptsas1068",
    "nec-usb-xhci",
    "nvdimm",
    "nvme",
    "pc-dimm",
    "pci-bridge",
    "pci-serial",
    "pcie-pci-bridge",
    "pcie-root-port",
    "piix3-usb-uhci",
    "pvpanic",
    "pvpanic-pci",
    "pvscsi",
    "pxb",
    "pxb-pcie",
    "qemu-xhci",
    "qxl",
    "qxl-vga",
    "ramfb",
    "rtl8139",
    "scsi-block",
    "scsi-cd",
    "scsi-generic",
    "scsi-hd",
    "secondary-vga",
    "tpm-crb",
    "tpm-tis",
    "usb-audio",
    "usb-ehci",
    "usb-host",
    "usb-hub",
    "usb-kbd",
    "usb-mouse",
    "usb-net",
    "usb-redir",
    "usb-serial",
    "usb-storage",
    "usb-tablet",
    "vfio-pci",
    "vhost-user-blk-pci",
    "vhost-user-fs-pci",
    "vhost-vsock-pci",
    "virtconsole",
    "virtio-9p-pci",
    "virtio-balloon-pci",
    "virtio-blk-pci",
    "virtio-crypto-pci",
    "virtio-gpu-pci",
    "virtio-input-host-pci",
    "virtio-iommu-pci",
    "virtio-keyboard-pci",
    "virtio-mem-pci",
    "virtio-mouse-pci",
    "virtio-net-pci",
    "virtio-pmem-pci",
    "virtio-rng-pci",
    "virtio-scsi-pci",
    "virtio-serial-pci",
    "virtio-tablet-pci",
    "virtio-vga",
    "virtserialport",
    "vmcoreinfo",
    "vmgenid",
    "vmware-svga",
    "vmxnet3",
    "xio3130-downstream",
    "x3130-upstream",
};

G_DEFINE_QUARK(virtkeep_probe_error, probe_error)

/* The process. */

typedef struct {
    pid_t pid;
    int pidfd;
    int words_fd; /* its stderr */
    int socket;   /* -1 once the QMP client has it */
} Probe;

static void
die_with_us(gpointer parent)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != GPOINTER_TO_INT(parent))
        _exit(127);
}

static bool
check_binary(const char *emulator, GError **error)
{
    struct stat status;

    if (stat(emulator, &status) < 0) {
        g_set_error(error, PROBE_ERROR,
                    errno == ENOENT ? PROBE_ERROR_NOT_FOUND : PROBE_ERROR_NOT_EXECUTABLE, "%s: %s",
                    emulator, g_strerror(errno));
        return false;
    }
    if (S_ISREG(status.st_mode) && access(emulator, X_OK) == 0)
        return true;
    g_set_error(error, PROBE_ERROR, PROBE_ERROR_NOT_EXECUTABLE, "%s: not an executable file",
                emulator);
    return false;
}

static bool
spawn(const char *emulator, Probe *probe, int socket, GError **error)
{
    const char *argv[] = { emulator,
                           "-S",
                           "-no-user-config",
                           "-nodefaults",
                           "-nographic",
                           "-machine",
                           "none",
                           "-chardev",
                           "socket,id=virtkeep-probe,fd=" G_STRINGIFY(QMP_FD),
                           "-mon",
                           "chardev=virtkeep-probe,mode=control",
                           NULL };
    g_auto(GStrv) environment = g_environ_setenv(g_get_environ(), "LC_ALL", "C", TRUE);
    g_autoptr(GError) problem = NULL;
    int target = QMP_FD;

    if (g_spawn_async_with_pipes_and_fds(
            "/", argv, (const char *const *) environment, G_SPAWN_DO_NOT_REAP_CHILD, die_with_us,
            GINT_TO_POINTER(getpid()), -1, probe->words_fd, probe->words_fd, &socket, &target, 1,
            &probe->pid, NULL, NULL, NULL, &problem))
        return true;
    g_set_error(error, PROBE_ERROR, PROBE_ERROR_NOT_EXECUTABLE, "%s", problem->message);
    return false;
}

static bool
probe_start(const char *emulator, Probe *probe, GError **error)
{
    int pair[2];
    bool is_started;

    probe->words_fd = memfd_create("virtkeep-probe", MFD_CLOEXEC);
    if (probe->words_fd < 0 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0) {
        g_set_error(error, PROBE_ERROR, PROBE_ERROR_FAILED, "%s: %s", emulator, g_strerror(errno));
        return false;
    }
    is_started = spawn(emulator, probe, pair[1], error);
    close(pair[1]);
    probe->socket = pair[0];
    if (is_started)
        probe->pidfd = (int) syscall(SYS_pidfd_open, probe->pid, 0);
    return is_started;
}

/* Gives the process until @deadline to end by itself, kills it, and reaps it. */
static void
probe_end(Probe *probe, gint64 deadline)
{
    struct pollfd ended = { .fd = probe->pidfd, .events = POLLIN };
    gint64 left = MAX(deadline - g_get_monotonic_time(), 0);

    if (probe->pid > 0) {
        while (probe->pidfd >= 0 && poll(&ended, 1, (int) (left / 1000)) < 0 && errno == EINTR)
            continue;
        kill(probe->pid, SIGKILL); /* our own child, not reaped yet: the pid is its own */
        while (waitpid(probe->pid, NULL, 0) < 0 && errno == EINTR)
            continue;
    }
    probe->pid = 0;
}

static char *
probe_words(const Probe *probe)
{
    char text[WORDS_MAX];
    ssize_t n = pread(probe->words_fd, text, sizeof text, 0);

    return n <= 0 ? g_strdup("") : g_strchomp(g_utf8_make_valid(text, n));
}

static void
probe_close(Probe *probe)
{
    const int fds[] = { probe->pidfd, probe->words_fd, probe->socket };

    for (guint i = 0; i < G_N_ELEMENTS(fds); i++)
        if (fds[i] >= 0)
            close(fds[i]);
}

/* Asking. */

typedef struct {
    Qmp *qmp;
    gint64 deadline;
} Session;

static Json *
ask(const Session *session, const char *command, const char *argument, const char *value,
    GError **error)
{
    Json *arguments = NULL;
    gint64 left = MAX(session->deadline - g_get_monotonic_time(), 1);

    if (argument) {
        arguments = json_new_object();
        json_set_string(arguments, argument, value);
    }
    return qmp_execute(session->qmp, command, arguments, left, error);
}

/* The @member of each object in @list. */
static Json *
names_of(const Json *list, const char *member)
{
    Json *names = json_new_array();

    for (guint i = 0; i < json_length(list); i++) {
        const char *name = json_get_string(json_at(list, i), member);

        if (name)
            json_append_string(names, name);
    }
    return names;
}

static bool
ask_names(const Session *session, const char *command, Json *result, const char *into,
          GError **error)
{
    g_autoptr(Json) reply = ask(session, command, NULL, NULL, error);

    if (reply)
        json_set(result, into, names_of(reply, "name"));
    return reply != NULL;
}

static bool
ask_binary(const Session *session, Json *result, GError **error)
{
    g_autoptr(Json) version = ask(session, "query-version", NULL, NULL, error);
    g_autoptr(Json) target = version ? ask(session, "query-target", NULL, NULL, error) : NULL;
    g_autoptr(Json) kvm = target ? ask(session, "query-kvm", NULL, NULL, error) : NULL;
    const char *package = json_get_string(version, "package");
    const char *arch = json_get_string(target, "arch");
    Json *numbers;

    if (!kvm)
        return false;
    numbers = json_copy(json_get(version, "qemu"));
    json_set_string(numbers, "package", package ? package : "");
    json_set(result, "version", numbers);
    json_set_string(result, "target", arch ? arch : "");
    json_set_bool(result, "has_kvm", json_get_bool(kvm, "present", false));
    return true;
}

static bool
ask_machine_properties(const Session *session, const char *name, Json *machine, GError **error)
{
    g_autofree char *type = g_strconcat(name, "-machine", NULL);
    g_autoptr(Json) reply = ask(session, "qom-list-properties", "typename", type, error);

    if (reply)
        json_set(machine, "properties", names_of(reply, "name"));
    return reply != NULL;
}

static Json *
machine_new(const Json *said)
{
    Json *machine = json_new_object();

    json_set_string(machine, "name", json_get_string(said, "name"));
    json_set_string(machine, "alias", json_get_string(said, "alias"));
    json_set_string(machine, "default_ram_id", json_get_string(said, "default-ram-id"));
    json_set_string(machine, "default_cpu_type", json_get_string(said, "default-cpu-type"));
    json_set_uint(machine, "max_cpus", json_get_uint(said, "cpu-max", 0));
    json_set_bool(machine, "is_default", json_get_bool(said, "is-default", false));
    json_set_bool(machine, "is_deprecated", json_get_bool(said, "deprecated", false));
    json_set_bool(machine, "has_hotpluggable_cpus",
                  json_get_bool(said, "hotpluggable-cpus", false));
    return machine;
}

static bool
ask_machines(const Session *session, Json *result, GError **error)
{
    g_autoptr(Json) reply = ask(session, "query-machines", NULL, NULL, error);
    g_autoptr(Json) machines = json_new_array();

    for (guint i = 0; i < json_length(reply); i++) {
        const Json *said = json_at(reply, i);
        const char *name = json_get_string(said, "name");
        const char *alias = json_get_string(said, "alias");
        bool is_asked = g_strcmp0(alias, "pc") == 0 || g_strcmp0(alias, "q35") == 0;
        g_autoptr(Json) machine = machine_new(said);

        if (is_asked && !ask_machine_properties(session, name, machine, error))
            return false;
        json_append(machines, g_steal_pointer(&machine));
    }
    json_set(result, "machines", g_steal_pointer(&machines));
    return reply != NULL;
}

static bool
ask_devices(const Session *session, Json *result, GError **error)
{
    g_autoptr(Json) reply = ask(session, "qom-list-types", "implements", "device", error);
    g_autoptr(Json) devices = json_new_object();

    if (!reply)
        return false;
    for (guint i = 0; i < json_length(reply); i++) {
        const char *name = json_get_string(json_at(reply, i), "name");

        if (name && !json_get_bool(json_at(reply, i), "abstract", false))
            json_set(devices, name, json_new_array());
    }
    for (guint i = 0; i < G_N_ELEMENTS(device_types); i++) {
        g_autoptr(Json) properties = NULL;

        if (!json_get(devices, device_types[i]))
            continue;
        properties = ask(session, "device-list-properties", "typename", device_types[i], error);
        if (!properties)
            return false;
        json_set(devices, device_types[i], names_of(properties, "name"));
    }
    json_set(result, "devices", g_steal_pointer(&devices));
    return true;
}

/* The schema: a list of definitions, types named by numbers. A command's variants are the object
 * that its "arg-type" names: {"variants": [{"case": "user", "type": "123"}, …]}. */

static const Json *
schema_find(GHashTable *schema, const char *name)
{
    return name ? g_hash_table_lookup(schema, name) : NULL;
}

static const Json *
schema_variants(GHashTable *schema, const char *command)
{
    const char *arguments = json_get_string(schema_find(schema, command), "arg-type");

    return json_get(schema_find(schema, arguments), "variants");
}

static Json *
schema_objects(GHashTable *schema)
{
    const Json *variants = schema_variants(schema, "object-add");
    Json *objects = json_new_object();

    for (guint i = 0; i < json_length(variants); i++) {
        const Json *variant = json_at(variants, i);
        const Json *type = schema_find(schema, json_get_string(variant, "type"));
        const char *name = json_get_string(variant, "case");

        if (name)
            json_set(objects, name, names_of(json_get(type, "members"), "name"));
    }
    return objects;
}

static bool
ask_schema(const Session *session, Json *result, GError **error)
{
    g_autoptr(Json) reply = ask(session, "query-qmp-schema", NULL, NULL, error);
    g_autoptr(GHashTable) schema = g_hash_table_new(g_str_hash, g_str_equal);

    if (!reply)
        return false;
    for (guint i = 0; i < json_length(reply); i++) {
        const char *name = json_get_string(json_at(reply, i), "name");

        if (name)
            g_hash_table_insert(schema, (char *) name, (gpointer) json_at(reply, i));
    }
    json_set(result, "objects", schema_objects(schema));
    json_set(result, "netdevs", names_of(schema_variants(schema, "netdev_add"), "case"));
    json_set(result, "block_drivers", names_of(schema_variants(schema, "blockdev-add"), "case"));
    return true;
}

static Json *
ask_all(const Session *session, GError **error)
{
    g_autoptr(Json) result = json_new_object();

    json_set_int(result, "format_version", 1);
    if (!ask_binary(session, result, error) || !ask_machines(session, result, error) ||
        !ask_devices(session, result, error) || !ask_schema(session, result, error) ||
        !ask_names(session, "query-commands", result, "commands", error) ||
        !ask_names(session, "query-cpu-definitions", result, "cpus", error))
        return NULL;
    return g_steal_pointer(&result);
}

static Json *
converse(Probe *probe, gint64 deadline, GError **error)
{
    gint64 left = MAX(deadline - g_get_monotonic_time(), 1);
    g_autoptr(Qmp) qmp = qmp_open_fd(probe->socket, left, error);
    Session session = { .qmp = qmp, .deadline = deadline };
    g_autoptr(Json) result = NULL;
    g_autoptr(Json) reply = NULL;

    probe->socket = -1;
    if (!qmp)
        return NULL;
    result = ask_all(&session, error);
    reply = ask(&session, "quit", NULL, NULL, NULL);
    return g_steal_pointer(&result);
}

static void
refuse(const char *emulator, const GError *problem, const char *words, GError **error)
{
    bool is_late = g_error_matches(problem, QMP_ERROR, QMP_ERROR_TIMEOUT) ||
                   g_error_matches(problem, QMP_ERROR, QMP_ERROR_BUSY);

    if (is_late)
        g_set_error(error, PROBE_ERROR, PROBE_ERROR_TIMEOUT, "%s: it didn't answer in time%s%s",
                    emulator, *words ? ": " : "", words);
    else
        g_set_error(error, PROBE_ERROR, PROBE_ERROR_FAILED, "%s: can't be asked what it can do: %s",
                    emulator, *words ? words : problem->message);
}

Capabilities *
probe_emulator(const char *emulator, gint64 timeout_us, GError **error)
{
    Probe probe = { .pidfd = -1, .words_fd = -1, .socket = -1 };
    gint64 deadline = g_get_monotonic_time() + timeout_us;
    g_autoptr(GError) problem = NULL;
    g_autoptr(Json) result = NULL;
    g_autofree char *words = NULL;

    if (!check_binary(emulator, error))
        return NULL;
    if (!probe_start(emulator, &probe, error)) {
        probe_close(&probe);
        return NULL;
    }
    result = converse(&probe, deadline, &problem);
    /* Perhaps it hasn't even heard that it is to quit. */
    probe_end(&probe, result ? deadline : MIN(deadline, g_get_monotonic_time() + END_GRACE_US));
    words = probe_words(&probe);
    probe_close(&probe);
    if (!result) {
        refuse(emulator, problem, words, error);
        return NULL;
    }
    return capabilities_from_json(result, error);
}
