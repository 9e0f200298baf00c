/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What an emulator can do.
 *
 * A probe yields one JSON object, which is also what is cached; Capabilities is that object,
 * checked once for its form, with a table of the machines beside it. So there is nothing that
 * could be lost between probing, caching and asking. Devices and objects are members of objects
 * and found through their index; the lists are short and asked seldom.
 *
 * The built-in value has no object at all: every question about what exists is answered yes, and
 * machines are made up by the prefix of their names, each once, kept for good. It stands for the
 * newest QEMU the code knows: whoever writes a command line without a binary writes for that one.
 */
#include "model/capabilities.h"

#include <gio/gio.h>
#include <string.h>

#define FORMAT_VERSION 1

struct Capabilities {
    gint n_refs;
    Json *json;       /* NULL: built in */
    GArray *machines; /* CapabilitiesMachine, strings borrowed from json */
};

static Capabilities builtin;

Capabilities *
capabilities_builtin(void)
{
    return &builtin;
}

bool
capabilities_is_builtin(const Capabilities *capabilities)
{
    return !capabilities->json;
}

void
capabilities_free(Capabilities *capabilities)
{
    if (!capabilities || capabilities_is_builtin(capabilities) ||
        !g_atomic_int_dec_and_test(&capabilities->n_refs))
        return;
    json_free(capabilities->json);
    g_array_unref(capabilities->machines);
    g_free(capabilities);
}

Capabilities *
capabilities_ref(Capabilities *capabilities)
{
    if (!capabilities_is_builtin(capabilities))
        g_atomic_int_inc(&capabilities->n_refs);
    return capabilities;
}

Json *
capabilities_to_json(const Capabilities *capabilities)
{
    return capabilities->json ? json_copy(capabilities->json) : NULL;
}

/* Reading. */

static bool
has_form(const Json *json, GError **error)
{
    static const struct {
        const char *name;
        JsonType type;
    } members[] = {
        { "version", JSON_OBJECT }, { "target", JSON_STRING },  { "has_kvm", JSON_BOOL },
        { "machines", JSON_ARRAY }, { "devices", JSON_OBJECT }, { "objects", JSON_OBJECT },
        { "commands", JSON_ARRAY }, { "netdevs", JSON_ARRAY },  { "block_drivers", JSON_OBJECT },
        { "cpus", JSON_ARRAY },
    };

    if (json_get_int(json, "format_version", 0) != FORMAT_VERSION) {
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, "capabilities of another format");
        return false;
    }
    for (guint i = 0; i < G_N_ELEMENTS(members); i++) {
        const Json *member = json_get(json, members[i].name);

        if (member && json_type(member) == members[i].type)
            continue;
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, "capabilities without %s",
                    members[i].name);
        return false;
    }
    return true;
}

static GArray *
read_machines(const Json *machines)
{
    GArray *array = g_array_new(FALSE, FALSE, sizeof(CapabilitiesMachine));

    for (guint i = 0; i < json_length(machines); i++) {
        const Json *json = json_at(machines, i);
        CapabilitiesMachine machine = {
            .name = json_get_string(json, "name"),
            .alias = json_get_string(json, "alias"),
            .default_ram_id = json_get_string(json, "default_ram_id"),
            .default_cpu_type = json_get_string(json, "default_cpu_type"),
            .max_cpus = (guint) json_get_uint(json, "max_cpus", 0),
            .is_default = json_get_bool(json, "is_default", false),
            .is_deprecated = json_get_bool(json, "is_deprecated", false),
            .has_hotpluggable_cpus = json_get_bool(json, "has_hotpluggable_cpus", false),
        };

        if (machine.name)
            g_array_append_val(array, machine);
    }
    return array;
}

Capabilities *
capabilities_from_json(const Json *json, GError **error)
{
    Capabilities *capabilities;

    if (!has_form(json, error))
        return NULL;
    capabilities = g_new0(Capabilities, 1);
    capabilities->n_refs = 1;
    capabilities->json = json_copy(json);
    capabilities->machines = read_machines(json_get(capabilities->json, "machines"));
    return capabilities;
}

/* The binary. */

void
capabilities_version(const Capabilities *capabilities, guint *ret_major, guint *ret_minor,
                     guint *ret_micro)
{
    const Json *version = json_get(capabilities->json, "version");

    if (ret_major)
        *ret_major = (guint) json_get_uint(version, "major", 0);
    if (ret_minor)
        *ret_minor = (guint) json_get_uint(version, "minor", 0);
    if (ret_micro)
        *ret_micro = (guint) json_get_uint(version, "micro", 0);
}

const char *
capabilities_package(const Capabilities *capabilities)
{
    const char *package = json_get_string(json_get(capabilities->json, "version"), "package");

    return package ? package : "";
}

const char *
capabilities_target(const Capabilities *capabilities)
{
    return capabilities->json ? json_get_string(capabilities->json, "target") : "x86_64";
}

bool
capabilities_has_kvm(const Capabilities *capabilities)
{
    return !capabilities->json || json_get_bool(capabilities->json, "has_kvm", false);
}

/* What exists. */

static bool
array_has(const Json *array, const char *word)
{
    for (guint i = 0; i < json_length(array); i++)
        if (g_strcmp0(json_string(json_at(array, i)), word) == 0)
            return true;
    return false;
}

static bool
list_has(const Capabilities *capabilities, const char *list, const char *word)
{
    return !capabilities->json || array_has(json_get(capabilities->json, list), word);
}

static bool
map_has(const Capabilities *capabilities, const char *map, const char *type)
{
    return !capabilities->json || json_get(json_get(capabilities->json, map), type);
}

static bool
map_has_property(const Capabilities *capabilities, const char *map, const char *type,
                 const char *property)
{
    return !capabilities->json ||
           array_has(json_get(json_get(capabilities->json, map), type), property);
}

bool
capabilities_has_device(const Capabilities *capabilities, const char *device)
{
    return map_has(capabilities, "devices", device);
}

bool
capabilities_has_device_property(const Capabilities *capabilities, const char *device,
                                 const char *property)
{
    return map_has_property(capabilities, "devices", device, property);
}

bool
capabilities_has_object(const Capabilities *capabilities, const char *object)
{
    return map_has(capabilities, "objects", object);
}

bool
capabilities_has_object_property(const Capabilities *capabilities, const char *object,
                                 const char *property)
{
    return map_has_property(capabilities, "objects", object, property);
}

bool
capabilities_has_command(const Capabilities *capabilities, const char *command)
{
    return list_has(capabilities, "commands", command);
}

bool
capabilities_has_netdev(const Capabilities *capabilities, const char *type)
{
    return list_has(capabilities, "netdevs", type);
}

bool
capabilities_has_block_driver(const Capabilities *capabilities, const char *driver)
{
    return map_has(capabilities, "block_drivers", driver);
}

bool
capabilities_has_block_feature(const Capabilities *capabilities, const char *driver,
                               const char *feature)
{
    return map_has_property(capabilities, "block_drivers", driver, feature);
}

bool
capabilities_has_cpu(const Capabilities *capabilities, const char *model)
{
    return list_has(capabilities, "cpus", model);
}

/* Machines. */

/* Ids of the boot memory's backend, by the machine's name. */
static const struct {
    const char *prefix;
    const char *default_ram_id;
} builtin_families[] = {
    { "pc", "pc.ram" },           { "q35", "pc.ram" },         { "isapc", "pc.ram" },
    { "microvm", "microvm.ram" }, { "virt", "mach-virt.ram" }, { "", NULL },
};

static const CapabilitiesMachine *
builtin_machine(const char *name)
{
    static GMutex lock;
    static GHashTable *machines;
    g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&lock);
    CapabilitiesMachine *machine;

    if (!machines)
        machines = g_hash_table_new(g_str_hash, g_str_equal);
    machine = g_hash_table_lookup(machines, name);
    if (machine)
        return machine;
    machine = g_new0(CapabilitiesMachine, 1);
    machine->name = g_intern_string(name);
    machine->is_default = strcmp(name, "pc") == 0;
    machine->has_hotpluggable_cpus = true;
    for (guint i = 0; i < G_N_ELEMENTS(builtin_families); i++) {
        if (!g_str_has_prefix(name, builtin_families[i].prefix))
            continue;
        machine->default_ram_id = builtin_families[i].default_ram_id;
        break;
    }
    g_hash_table_insert(machines, (char *) machine->name, machine);
    return machine;
}

guint
capabilities_n_machines(const Capabilities *capabilities)
{
    return capabilities->machines ? capabilities->machines->len : 0;
}

const CapabilitiesMachine *
capabilities_machine_at(const Capabilities *capabilities, guint index)
{
    if (index >= capabilities_n_machines(capabilities))
        return NULL;
    return &g_array_index(capabilities->machines, CapabilitiesMachine, index);
}

const CapabilitiesMachine *
capabilities_machine(const Capabilities *capabilities, const char *name_or_alias)
{
    if (capabilities_is_builtin(capabilities))
        return builtin_machine(name_or_alias);
    for (guint i = 0; i < capabilities->machines->len; i++) {
        const CapabilitiesMachine *machine = capabilities_machine_at(capabilities, i);

        if (strcmp(machine->name, name_or_alias) == 0 ||
            g_strcmp0(machine->alias, name_or_alias) == 0)
            return machine;
    }
    return NULL;
}

const CapabilitiesMachine *
capabilities_default_machine(const Capabilities *capabilities)
{
    if (capabilities_is_builtin(capabilities))
        return builtin_machine("pc");
    for (guint i = 0; i < capabilities->machines->len; i++)
        if (capabilities_machine_at(capabilities, i)->is_default)
            return capabilities_machine_at(capabilities, i);
    return NULL;
}

static const Json *
machine_properties(const Capabilities *capabilities, const char *name)
{
    const Json *machines = json_get(capabilities->json, "machines");

    for (guint i = 0; i < json_length(machines); i++)
        if (g_strcmp0(json_get_string(json_at(machines, i), "name"), name) == 0)
            return json_get(json_at(machines, i), "properties");
    return NULL;
}

bool
capabilities_has_machine_property(const Capabilities *capabilities, const char *name_or_alias,
                                  const char *property)
{
    const CapabilitiesMachine *machine = capabilities_machine(capabilities, name_or_alias);
    const CapabilitiesMachine *family;
    const Json *properties;

    if (capabilities_is_builtin(capabilities))
        return true;
    if (!machine)
        return false;
    properties = machine_properties(capabilities, machine->name);
    if (!properties) {
        bool is_q35 = g_str_has_prefix(machine->name, "pc-q35-");
        bool is_pc = g_str_has_prefix(machine->name, "pc-i440fx-");

        family = is_q35 || is_pc ? capabilities_machine(capabilities, is_q35 ? "q35" : "pc") : NULL;
        properties = family ? machine_properties(capabilities, family->name) : NULL;
    }
    return array_has(properties, property);
}
