/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/address.h"
#include "model/schema.h"

/*
 * What all device kinds share, and the table of kinds.
 *
 * Every device struct begins with a DeviceInfo, so that generic code (addresses, aliases, hot
 * plug) walks all devices without knowing them.
 */
typedef struct DeviceInfo {
    char *alias; /* QEMU id; generated unless the file gives one ("ua-…") */
    Address *address;
    OptUint boot_order;
    OptUint acpi_index;
    int rom_bar;     /* on/off */
    int rom_enabled; /* yes/no */
    char *rom_file;

    /* In no row, set by reconcile/resolve: where the device comes from. */
    guint file_place;         /* 1 + its index in the file's list; 0 = not known */
    bool is_implied;          /* no file speaks of it */
    bool is_address_assigned; /* nor, if of it, of its address */
} DeviceInfo;

/* Rows for a struct whose first member is `DeviceInfo info`. */
#define DEVICE_INFO_FIELDS(S)                                                                      \
    FIELD_STRUCT(S, info.address, &address_schema, .path = "address",                              \
                 .doc = "Where the guest sees the device; assigned and kept when left out."),      \
        FIELD_STRING(S, info.alias, .path = "alias/@name", .change = CHANGE_NONE,                  \
                     .doc = "QEMU id. Only names that begin with `ua-` are kept; others are "      \
                            "libvirt's own and are assigned anew."),                               \
        FIELD_UINT(S, info.acpi_index, .path = "acpi/@index", .min = 1, .max = 16383,              \
                   .doc = "PCI: ACPI index, the name the guest gives the device (`eno1`).")
#define DEVICE_BOOT_FIELDS(S)                                                                      \
    FIELD_UINT(S, info.boot_order, .path = "boot/@order", .is_needed = true, .min = 1, .max = 65535,                  \
               .change = CHANGE_LIVE, .doc = "Place in the boot order; excludes `os/boot`."),      \
        FIELD_REFUSED("is for s390x", .path = "boot/@loadparm", .doc = "Boot loader's parameter.")
#define DEVICE_ROM_FIELDS(S)                                                                       \
    FIELD_ON_OFF(S, info.rom_bar, .path = "rom/@bar", .doc = "Whether the option ROM is mapped."), \
        FIELD_YES_NO(S, info.rom_enabled, .path = "rom/@enabled",                                  \
                     .doc = "Whether there is a ROM."),                                            \
        FIELD_STRING(S, info.rom_file, .path = "rom/@file", .doc = "Image of the option ROM.")

/* What every virtio device's <driver> can say; all on/off. */
typedef struct VirtioOptions {
    int iommu, ats, packed, page_per_vq;
} VirtioOptions;

/* Rows for a struct with a member `VirtioOptions virtio`. */
#define DEVICE_VIRTIO_FIELDS(S)                                                                    \
    FIELD_ON_OFF(S, virtio.iommu, .path = "driver/@iommu",                                         \
                 .doc = "virtio: DMA goes through the guest's IOMMU."),                            \
        FIELD_ON_OFF(S, virtio.ats, .path = "driver/@ats", .doc = "virtio: address translation."), \
        FIELD_ON_OFF(S, virtio.packed, .path = "driver/@packed",                                   \
                     .doc = "virtio: packed virtqueues."),                                         \
        FIELD_ON_OFF(S, virtio.page_per_vq, .path = "driver/@page_per_vq",                         \
                     .doc = "virtio: a page of notifications for each virtqueue.")

typedef struct Domain Domain;

/* The context of a semantic check: reports at a path below the device's own. */
typedef struct Validation {
    const Domain *domain;
    const PositionMap *positions; /* may be NULL: no positions are known */
    Diagnostics *diagnostics;
    char *path; /* "devices/memory[0]"; "" for the domain */
} Validation;

/* @field: path below the device ("target/requested"), or NULL for the device itself. */
void validation_error(const Validation *validation, const char *field, const char *code,
                      const char *format, ...) G_GNUC_PRINTF(4, 5);
void validation_note(const Validation *validation, const char *field, const char *code,
                     const char *format, ...) G_GNUC_PRINTF(4, 5);
void validation_warning(const Validation *validation, const char *field, const char *code,
                        const char *format, ...) G_GNUC_PRINTF(4, 5);
/* The rules of DeviceInfo: the same for all kinds. */
typedef struct DeviceKind DeviceKind;
void device_info_validate(const Validation *validation, const DeviceKind *kind,
                          const DeviceInfo *info);
/* Refuses the VirtioOptions of a device that is no virtio one. */
void validate_no_virtio_options(const Validation *validation, const VirtioOptions *options);

/* The bus a device needs, for address assignment (address-assignment.md 2.1). */
typedef enum {
    BUS_NONE,       /* no address of its own */
    BUS_PCI,        /* conventional PCI endpoint; also PCIe machines put it on a bridge */
    BUS_PCIE,       /* PCIe endpoint on q35, PCI on pc */
    BUS_INTEGRATED, /* PCI, on bus 0 only */
    BUS_DRIVE,
    BUS_USB,
    BUS_VIRTIO_SERIAL,
    BUS_CCID,
    BUS_ISA,
    BUS_DIMM,
} DeviceBus;

/*
 * One row a device kind. Adding a device: its file in model/ with struct, schema, validation
 * and bus; its file in qemu/; a row in device.c's table and one in qemu/device.c's.
 */
struct DeviceKind {
    const char *name;   /* "memory": the element below <devices> */
    size_t list_offset; /* of the GPtrArray* in Domain */
    const Schema *schema;
    /* Rules beyond single fields. May be NULL. */
    void (*validate)(const Validation *validation, gconstpointer device);
    /* Writes out what libvirt's QEMU driver makes of absent members, so that saying it in the file
     * changes nothing (model/default.h). What QEMU's own defaults decide stays absent. May be
     * NULL. */
    void (*fill_defaults)(const Domain *domain, gpointer device);
    /* Where @device sits; NULL = BUS_NONE. Model and machine of @domain may decide. */
    DeviceBus (*bus)(const Domain *domain, gconstpointer device);
    /* Whether QEMU takes @device in and out of a running guest, where its bus does. NULL = none of
     * this kind; device_plugs() where there are no exceptions. */
    bool (*is_pluggable)(gconstpointer device);
    bool (*is_unpluggable)(gconstpointer device); /* NULL = what can be plugged in comes out */
    /* What changing @field, a row of the schema, or anything below it takes between @before and
     * @after, where that depends on more than the row. "Live" holds for all that is below it; another
     * answer that is @field->change leaves it to the rows. NULL = always as the rows say. */
    ChangeClass (*change_class)(gconstpointer before, gconstpointer after, const Field *field);
    /* Whether one that is written differently can be the other one still. NULL = always. */
    bool (*can_become)(gconstpointer before, gconstpointer after);
    /* PCI assignment order of address-assignment.md 2.4 (1 first); kinds of equal rank go in
     * table order. 0 = not on PCI. */
    guint pci_rank;
    guint (*device_pci_rank)(gconstpointer device); /* where it differs within a kind; or NULL */
    /* Likewise for USB ports (address-assignment.md 3, "walk order"); kinds of rank 0 go first. */
    guint usb_rank;
    /* Prefix of the generated alias and its number, "virtiomem%u" style ids need more: NULL
     * means "<alias_prefix><index in the list>". Caller frees. */
    const char *alias_prefix;
    char *(*alias)(const Domain *domain, gconstpointer device, guint index);
};

bool device_plugs(gconstpointer device); /* true */

/* The above, with the row's own answer where the kind has none. */
ChangeClass device_change_class(const DeviceKind *kind, gconstpointer before, gconstpointer after,
                                const Field *field);

extern const DeviceKind *const device_kinds[]; /* ended by NULL; in element order */

const DeviceKind *device_kind_find(const char *name);
GPtrArray *domain_devices(const Domain *domain, const DeviceKind *kind); /* may be NULL; borrowed */
