/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A guest address is one struct for every bus, as it is one element in libvirt's format: its
 * type says which members mean something, and the rows' conditions refuse the others. What a
 * missing member defaults to is for reconcile/resolve to say, since a pci address without slot
 * asks for one to be assigned while a drive address without unit means unit 0.
 */
#include "model/address.h"

static const char *const address_type_names[] = {
    [ADDRESS_PCI] = "pci",
    [ADDRESS_DRIVE] = "drive",
    [ADDRESS_VIRTIO_SERIAL] = "virtio-serial",
    [ADDRESS_CCID] = "ccid",
    [ADDRESS_USB] = "usb",
    [ADDRESS_ISA] = "isa",
    [ADDRESS_DIMM] = "dimm",
    [ADDRESS_UNASSIGNED] = "unassigned",
    [ADDRESS_CCW] = "ccw",
    NULL,
};

#define FOR(types) WHEN(Address, type, "@type", types)
#define PCI WHEN_IS(ADDRESS_PCI)
#define DRIVE WHEN_IS(ADDRESS_DRIVE)
#define USB WHEN_IS(ADDRESS_USB)
#define SERIAL WHEN_IS(ADDRESS_VIRTIO_SERIAL)
#define CCID WHEN_IS(ADDRESS_CCID)
#define DIMM WHEN_IS(ADDRESS_DIMM)
#define ISA WHEN_IS(ADDRESS_ISA)
#define CCW WHEN_IS(ADDRESS_CCW)
#define NO_ZPCI "no x86 machine has zPCI: only s390's PCI devices have such ids"

static const Field address_fields[] = {
    FIELD_ENUM(Address, type, address_type_names, .path = "@type", .is_required = true,
               .doc = "The kind of bus the address is on."),
    FIELD_HEX(Address, domain, .path = "@domain", .max = 0xffff, FOR(PCI), .doc = "PCI domain; 0."),
    FIELD_UINT(Address, controller, .path = "@controller", .max = G_MAXUINT32,
               FOR(DRIVE | SERIAL | CCID), .doc = "Index of the controller."),
    FIELD_HEX(Address, bus, .path = "@bus", .max = 0xff, FOR(PCI | DRIVE | USB | SERIAL),
              .doc = "Index of the bus: a PCI controller's or a USB controller's."),
    FIELD_HEX(Address, slot, .path = "@slot", .max = 0xff, FOR(PCI | CCID | DIMM),
              .doc = "Slot on the bus, 0 to 31 on PCI."),
    FIELD_HEX(Address, function, .path = "@function", .max = 7, FOR(PCI), .doc = "PCI function."),
    FIELD_ON_OFF(Address, multifunction, .path = "@multifunction", FOR(PCI),
                 .doc = "Whether function 0 announces more functions."),
    FIELD_UINT(Address, target, .path = "@target", .max = G_MAXUINT32, FOR(DRIVE),
               .doc = "SCSI target."),
    FIELD_UINT(Address, unit, .path = "@unit", .max = G_MAXUINT32, FOR(DRIVE),
               .doc = "Unit on the bus."),
    FIELD_STRING(Address, port, .path = "@port", FOR(USB | SERIAL),
                 .doc = "USB port path (`1.2`), or the virtio-serial port."),
    FIELD_HEX(Address, iobase, .path = "@iobase", .max = G_MAXUINT32, FOR(ISA), .doc = "I/O base."),
    FIELD_HEX(Address, irq, .path = "@irq", FOR(ISA), .doc = "Interrupt line."),
    FIELD_HEX(Address, base, .path = "@base", .is_bare_hex = true, FOR(DIMM),
              .doc = "Guest physical address."),
    FIELD_HEX(Address, cssid, .path = "@cssid", .max = 0xfe, FOR(CCW),
              .doc = "Channel subsystem; 0xfe is the virtual one."),
    FIELD_HEX(Address, ssid, .path = "@ssid", .max = 3, FOR(CCW), .doc = "Subchannel set."),
    FIELD_HEX(Address, devno, .path = "@devno", .max = 0xffff, FOR(CCW), .doc = "Device."),
    FIELD_NO_EFFECT(NO_ZPCI, .path = "zpci/@uid", .doc = "The device's own id."),
    FIELD_NO_EFFECT(NO_ZPCI, .path = "zpci/@fid", .doc = "Its function's."),
    FIELD_REFUSED("is for pseries machines", .path = "@reg", .doc = "Register on the VIO bus."),
    FIELD_END,
};

const Schema address_schema = {
    .element = "address",
    .size = sizeof(Address),
    .fields = address_fields,
    .doc = "Where the guest sees the device. Left out, it is assigned once and kept.",
};

Address *
address_new_pci(guint bus, guint slot, guint function)
{
    Address *address = g_new0(Address, 1);

    address->type = ADDRESS_PCI;
    address->domain = (OptUint){ 0, true };
    address->bus = (OptUint){ bus, true };
    address->slot = (OptUint){ slot, true };
    address->function = (OptUint){ function, true };
    return address;
}

Address *
address_new_drive(guint controller, guint bus, guint target, guint unit)
{
    Address *address = g_new0(Address, 1);

    address->type = ADDRESS_DRIVE;
    address->controller = (OptUint){ controller, true };
    address->bus = (OptUint){ bus, true };
    address->target = (OptUint){ target, true };
    address->unit = (OptUint){ unit, true };
    return address;
}

Address *
address_copy(const Address *address)
{
    return schema_copy(&address_schema, address);
}

void
address_free(Address *address)
{
    if (address)
        schema_free(&address_schema, address);
}
