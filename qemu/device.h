/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

#include "model/controller.h"
#include "model/device.h"
#include "model/domain.h"
#include "qemu/command-line.h"
#include "qemu/host-facts.h"
#include "qemu/monitor.h"

/*
 * How QEMU spells devices: property trees of the guest's side (the argument of -device and of
 * device_add alike) and of the host's side behind it, so that cold and hot plug can't drift.
 */
typedef enum {
    BACKEND_OBJECT,
    BACKEND_BLOCKDEV,
    BACKEND_NETDEV,
    BACKEND_CHARDEV,
} BackendKind;

typedef struct Companion Companion; /* qemu/companion.h */

typedef struct Backend {
    BackendKind kind;
    Json *properties; /* the arguments of backend_command(kind) */
} Backend;

void backend_free(Backend *backend);
const char *
backend_command(BackendKind kind); /* "object-add", "blockdev-add", "netdev_add", "chardev-add" */
/* The id by which it is removed again: "id" or "node-name"; borrowed. */
const char *backend_id(const Backend *backend);

/* What spelling happens in. Extends a Validation, so refusals carry the path of the device. */
typedef struct DeviceContext {
    Validation at; /* domain, positions, diagnostics, path */
    const Capabilities *capabilities;
    const HostFacts *facts;
    bool is_plugged; /* the device comes to a guest that runs */
} DeviceContext;

/* One kind: the functions may be NULL where a kind has no such part. They report with refuse()
 * and then return whatever they have. */
typedef struct DeviceSpelling {
    const DeviceKind *kind;
    /* The -device tree; NULL when the device needs none (built into the machine). */
    Json *(*properties)(const DeviceContext *context, gconstpointer device);
    /* Appends Backend*, in the order QEMU must see them. */
    void (*backends)(const DeviceContext *context, gconstpointer device, GPtrArray *backends);
    /* Options that exist only at boot (-vnc, -global). */
    void (*options)(const DeviceContext *context, gconstpointer device, CommandLine *line);
    /* What no option or property says, done over QMP once the device is there and before the guest
     * runs (or right after device_add). Harmless to do twice. */
    bool (*prepare)(Monitor *monitor, const Domain *domain, gconstpointer device, GError **error);
    /* Appends the Companion* that must run before QEMU starts; looks at nothing but the domain. */
    void (*companions)(const DeviceContext *context, gconstpointer device, GPtrArray *companions);
    /* Tells a running QEMU how @after differs from @before in what can change while the guest runs,
     * beyond what prepare() says (which is called next). Harmless to do twice. */
    bool (*update)(const DeviceContext *context, Monitor *monitor, gconstpointer before,
                   gconstpointer after, GError **error);
    /* What must be done before QEMU is asked to take the device out. It may be asked again later:
     * harmless to do twice. */
    void (*part)(Monitor *monitor, gconstpointer device);
    /* Removes what is left behind a device that is gone and that its backends don't tell. */
    bool (*sweep)(Monitor *monitor, gconstpointer device, GError **error);
    /* Why no QEMU can be started with this device yet, NULL = it can. Caller frees. Its command line
     * can be shown all the same. */
    char *(*launch_refusal)(const Domain *domain, gconstpointer device);
    /* Appends the HostNeed* of the device (qemu/need.h); looks at nothing but the domain. */
    void (*needs)(const DeviceContext *context, gconstpointer device, GPtrArray *needs);
    /* Devices of a lower rank come first on the command line; NULL = all equal. */
    guint (*rank)(const Domain *domain, gconstpointer device);
} DeviceSpelling;

/* The registry, in command line order: a row here is all that the rest of qemu/ needs of a kind. */
#define DEVICE_SPELLINGS(ROW)                                                                      \
    ROW(iommu)                                                                                     \
    ROW(controller)                                                                                \
    ROW(memory)                                                                                    \
    ROW(hub)                                                                                       \
    ROW(disk)                                                                                      \
    ROW(filesystem)                                                                                \
    ROW(interface)                                                                                 \
    ROW(smartcard)                                                                                 \
    ROW(serial)                                                                                    \
    ROW(parallel)                                                                                  \
    ROW(channel)                                                                                   \
    ROW(console)                                                                                   \
    ROW(tpm)                                                                                       \
    ROW(input)                                                                                     \
    ROW(audio)                                                                                     \
    ROW(graphics)                                                                                  \
    ROW(video)                                                                                     \
    ROW(sound)                                                                                     \
    ROW(watchdog)                                                                                  \
    ROW(redirdev)                                                                                  \
    ROW(hostdev)                                                                                   \
    ROW(balloon)                                                                                   \
    ROW(rng)                                                                                       \
    ROW(panic)                                                                                     \
    ROW(shmem)                                                                                     \
    ROW(vsock)                                                                                     \
    ROW(crypto)                                                                                    \
    ROW(pstore)
#define DEVICE_SPELLING_DECLARE(name) extern const DeviceSpelling name##_spelling;
DEVICE_SPELLINGS(DEVICE_SPELLING_DECLARE)

extern const DeviceSpelling *const device_spellings[];              /* ended by NULL */
const DeviceSpelling *device_spelling_find(const DeviceKind *kind); /* NULL = none */

/* The two sides of one device, for hot plug. Either may be empty. */
typedef struct DeviceTrees {
    GPtrArray *backends; /* Backend* */
    Json *device;        /* device_add's arguments, or NULL */
} DeviceTrees;

/* NULL when something had to be refused; @diagnostics says what. @path names the device in it. */
DeviceTrees *device_trees_build(const Domain *domain, const DeviceKind *kind, gconstpointer device,
                                const char *path, const Capabilities *capabilities,
                                const HostFacts *facts, const PositionMap *positions,
                                Diagnostics *diagnostics);
void device_trees_free(DeviceTrees *trees);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DeviceTrees, device_trees_free)

/* Appends everything the domain's devices are, in command line order. */
void device_spell_all(const DeviceContext *context, CommandLine *line);
/* prepare() of every device: between the launch and `cont`. The error names the device. */
bool device_prepare_all(Monitor *monitor, const Domain *domain, GError **error);
/* launch_refusal() of every device: false and G_IO_ERROR_NOT_SUPPORTED for the first. */
bool device_check_launch(const Domain *domain, GError **error);
void backends_spell(const GPtrArray *backends, CommandLine *line);

/* For the kinds' files. */
void backend_add(GPtrArray *backends, BackendKind kind, Json *properties); /* takes @properties */
/* A tree that begins with the driver; refuses when this QEMU has no such device. */
Json *device_tree_new(const DeviceContext *context, const char *driver);
/* False, and refused, when the driver lacks a property that the file needs. @field as for
 * validation_error(). */
bool device_needs_property(const DeviceContext *context, const char *field, const char *driver,
                           const char *property);
/* id, bus and address, boot order, ROM, ACPI index: what stands in DeviceInfo. */
void device_tree_add_info(const DeviceContext *context, Json *tree, const DeviceInfo *info);
/* Sets a bool where the Tristate is not absent. */
void device_tree_add_tristate(Json *tree, const char *name, int value);
void device_tree_add_uint(Json *tree, const char *name, const OptUint *value);
/* Bus and place of a drive address on a SCSI controller. */
void device_tree_add_scsi(const DeviceContext *context, Json *tree, const Address *address);
void device_tree_add_virtio(Json *tree, const VirtioOptions *options);
/* "virtio-net" with VIRTIO_MODEL_TRANSITIONAL: "virtio-net-pci-transitional". Caller frees. */
char *virtio_driver(const char *prefix, int virtio_model);
/* The id of a controller, which is also the first part of its bus's name; NULL when the domain has
 * none. Borrowed from @domain or static. needed_controller() refuses then (no-controller). */
const char *controller_id(const Domain *domain, ControllerType type, guint64 index);
const char *needed_controller(const DeviceContext *context, ControllerType type, guint64 index);
/* The boot index QEMU is given: the device's own order, or what <os><boot> means for it. False:
 * none. */
bool device_boot_index(const Domain *domain, const DeviceInfo *info, guint64 *ret_index);
/* "<prefix><alias>": ids of backends. Caller frees. */
char *backend_name(const char *prefix, const DeviceInfo *info);
