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
 * How the process is held: qemu/probe-session.c.
 */
#include "qemu/probe.h"

#include "qemu/probe-session.h"

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

static Json *
ask(const ProbeSession *session, const char *command, const char *argument, const char *value,
    GError **error)
{
    Json *arguments = NULL;

    if (argument) {
        arguments = json_new_object();
        json_set_string(arguments, argument, value);
    }
    return probe_session_ask(session, command, arguments, error);
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
ask_names(const ProbeSession *session, const char *command, Json *result, const char *into,
          GError **error)
{
    g_autoptr(Json) reply = ask(session, command, NULL, NULL, error);

    if (reply)
        json_set(result, into, names_of(reply, "name"));
    return reply != NULL;
}

static bool
ask_binary(const ProbeSession *session, Json *result, GError **error)
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
ask_machine_properties(const ProbeSession *session, const char *name, Json *machine, GError **error)
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
ask_machines(const ProbeSession *session, Json *result, GError **error)
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
ask_devices(const ProbeSession *session, Json *result, GError **error)
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

/* Block drivers whose features matter; of the others only the name is kept. */
static const char *const featured_drivers[] = { "qcow2", "rbd", NULL };

/* Appends the members of the object @type, each after @prefix: "NAME", "NAME=WORD" for each word
 * of an enumeration, and one level further "NAME.MEMBER". */
static void
add_features(GHashTable *schema, const Json *type, const char *prefix, bool is_inner,
             Json *features)
{
    const Json *members = json_get(type, "members");

    for (guint i = 0; i < json_length(members); i++) {
        const char *name = json_get_string(json_at(members, i), "name");
        const Json *its = schema_find(schema, json_get_string(json_at(members, i), "type"));
        g_autofree char *path = g_strconcat(prefix, name, NULL);
        g_autofree char *below = g_strconcat(path, ".", NULL);
        const Json *words = json_get(its, "values");

        json_append_string(features, path);
        for (guint k = 0; k < json_length(words); k++) {
            g_autofree char *word = g_strconcat(path, "=", json_string(json_at(words, k)), NULL);

            json_append_string(features, word);
        }
        if (!is_inner)
            add_features(schema, its, below, true, features);
    }
}

static Json *
schema_block_drivers(GHashTable *schema)
{
    const Json *variants = schema_variants(schema, "blockdev-add");
    Json *drivers = json_new_object();

    for (guint i = 0; i < json_length(variants); i++) {
        const Json *variant = json_at(variants, i);
        const char *name = json_get_string(variant, "case");
        Json *features = json_new_array();

        if (name && g_strv_contains(featured_drivers, name))
            add_features(schema, schema_find(schema, json_get_string(variant, "type")), "", false,
                         features);
        if (name)
            json_set(drivers, name, features);
        else
            json_free(features);
    }
    return drivers;
}

static bool
ask_schema(const ProbeSession *session, Json *result, GError **error)
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
    json_set(result, "block_drivers", schema_block_drivers(schema));
    return true;
}

static Json *
ask_all(const ProbeSession *session, GError **error)
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

Capabilities *
probe_emulator(const char *emulator, gint64 timeout_us, GError **error)
{
    g_autoptr(Json) result = probe_converse(emulator, "none", timeout_us, ask_all, error);

    return result ? capabilities_from_json(result, error) : NULL;
}
