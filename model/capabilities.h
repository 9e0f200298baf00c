/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

#include "model/json.h"

/*
 * Capabilities: what one emulator binary can do, as it said itself when probed (qemu/probe.h);
 * an immutable value, cheap to ask. Nothing is ever concluded from a version number.
 *
 * capabilities_builtin() stands for the newest QEMU that the code knows, for use without a
 * binary (`virtkeep argv`): it says yes to every device, property, object and command, and
 * knows machines by the prefix of their names.
 */
typedef struct Capabilities Capabilities;

/* One machine type. Strings are borrowed; NULL = not said by this QEMU. */
typedef struct {
    const char *name;             /* canonical: "pc-q35-7.2" */
    const char *alias;            /* "q35", or NULL */
    const char *default_ram_id;   /* id of the boot memory's backend: "pc.ram", or NULL */
    const char *default_cpu_type; /* QOM name: "qemu64-x86_64-cpu", or NULL */
    guint max_cpus;               /* 0 = not known */
    bool is_default;
    bool is_deprecated;
    bool has_hotpluggable_cpus;
} CapabilitiesMachine;

/* Static and shared: free it or not, capabilities_free() leaves it alone. */
Capabilities *capabilities_builtin(void);
bool capabilities_is_builtin(const Capabilities *capabilities);
void capabilities_free(Capabilities *capabilities); /* accepts NULL */
/* The same, to be freed once more; nobody changes them, so threads may share them. */
Capabilities *capabilities_ref(Capabilities *capabilities);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Capabilities, capabilities_free)

/*
 * The cached form; capabilities_builtin() has none (NULL). Reading back a value of another
 * form is an error (G_IO_ERROR_INVALID_DATA): the caller then probes again.
 * The object: {"format_version":1, "version":{"major","minor","micro","package"}, "target":S,
 * "has_kvm":B, "machines":[{"name",…,"properties":[S]}], "devices":{TYPE:[PROPERTY]},
 * "objects":{TYPE:[PROPERTY]}, "commands":[S], "netdevs":[S], "block_drivers":{DRIVER:[FEATURE]},
 * "cpus":[S]}.
 */
Json *capabilities_to_json(const Capabilities *capabilities);
Capabilities *capabilities_from_json(const Json *json, GError **error);

/* 7, 2, 22: for people only, never branch on it. @ret_* may be NULL. */
void capabilities_version(const Capabilities *capabilities, guint *ret_major, guint *ret_minor,
                          guint *ret_micro);
const char *capabilities_package(const Capabilities *capabilities); /* "Debian 1:7.2+dfsg…" or "" */
const char *capabilities_target(const Capabilities *capabilities); /* "x86_64" */
bool capabilities_has_kvm(const Capabilities *capabilities); /* compiled in, not: works here */

/*
 * Device types as `-device` names them, and their properties:
 * capabilities_has_device_property(c, "virtio-mem-pci", "dynamic-memslots"). Properties are known
 * of the types that the probe's table lists (qemu/probe.c), of others none: asking QEMU 7.2 for the
 * properties of just any type can abort it.
 */
bool capabilities_has_device(const Capabilities *capabilities, const char *device);
bool capabilities_has_device_property(const Capabilities *capabilities, const char *device,
                                      const char *property);
/* Types for `-object` (memory-backend-memfd, rng-random, …) and their properties. */
bool capabilities_has_object(const Capabilities *capabilities, const char *object);
bool capabilities_has_object_property(const Capabilities *capabilities, const char *object,
                                      const char *property);
bool capabilities_has_command(const Capabilities *capabilities, const char *command);
bool capabilities_has_netdev(const Capabilities *capabilities, const char *type);
bool capabilities_has_block_driver(const Capabilities *capabilities, const char *driver);
/* Of the drivers that the probe's table lists: a member ("discard-no-unref"), a member's member
 * ("encrypt.parent"), or a word that one can be ("encrypt.format=luks-any"). */
bool capabilities_has_block_feature(const Capabilities *capabilities, const char *driver,
                                    const char *feature);
bool capabilities_has_cpu(const Capabilities *capabilities, const char *model);

/* Looks a machine up by canonical name or alias ("q35" finds "pc-q35-7.2"); NULL = unknown.
 * capabilities_builtin() answers for every name, with the name itself as canonical. */
const CapabilitiesMachine *capabilities_machine(const Capabilities *capabilities,
                                                const char *name_or_alias);
/* The machine used when the file names none; NULL where the target has no default. */
const CapabilitiesMachine *capabilities_default_machine(const Capabilities *capabilities);
/* Whether `-machine NAME,property=` exists: ("q35", "hpet"), ("pc", "vmport"). Known of the q35 and
 * pc families, where a version that wasn't asked itself has what the family's alias has. */
bool capabilities_has_machine_property(const Capabilities *capabilities, const char *name_or_alias,
                                       const char *property);
guint capabilities_n_machines(const Capabilities *capabilities);
const CapabilitiesMachine *capabilities_machine_at(const Capabilities *capabilities, guint index);
