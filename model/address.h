/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/schema.h"

/* Where the guest sees a device: libvirt's <address> element (formatdomain, "Device addresses"). */
typedef enum {
    ADDRESS_ABSENT,
    ADDRESS_PCI,
    ADDRESS_DRIVE,
    ADDRESS_VIRTIO_SERIAL,
    ADDRESS_CCID,
    ADDRESS_USB,
    ADDRESS_ISA,
    ADDRESS_DIMM,
    ADDRESS_UNASSIGNED,
    ADDRESS_CCW,
} AddressType;

typedef struct Address {
    int type; /* AddressType */
    /* pci; bus also drive, usb */
    OptUint domain, bus, slot, function;
    int multifunction;                /* Tristate */
    OptUint controller, target, unit; /* drive; controller also virtio-serial, ccid */
    char *port;                       /* usb: "1.2"; virtio-serial: "1" */
    OptUint iobase, irq;              /* isa */
    OptUint base;                     /* dimm: guest physical address */
    OptUint cssid, ssid, devno;       /* ccw: s390's channel subsystem */
} Address;

extern const Schema address_schema;

Address *address_new_pci(guint bus, guint slot, guint function);
Address *address_new_drive(guint controller, guint bus, guint target, guint unit);
Address *address_copy(const Address *address);
void address_free(Address *address);
