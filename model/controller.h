/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/domain.h"

typedef enum {
    CONTROLLER_IDE = 1,
    CONTROLLER_FDC,
    CONTROLLER_SCSI,
    CONTROLLER_SATA,
    CONTROLLER_VIRTIO_SERIAL,
    CONTROLLER_CCID,
    CONTROLLER_USB,
    CONTROLLER_PCI
} ControllerType;

/* One enumeration for the models of all types; 0 = the type's default. */
typedef enum {
    CONTROLLER_MODEL_PCI_ROOT = 1,
    CONTROLLER_MODEL_PCIE_ROOT,
    CONTROLLER_MODEL_PCI_BRIDGE,
    CONTROLLER_MODEL_DMI_TO_PCI_BRIDGE,
    CONTROLLER_MODEL_PCIE_TO_PCI_BRIDGE,
    CONTROLLER_MODEL_PCIE_ROOT_PORT,
    CONTROLLER_MODEL_SWITCH_UPSTREAM_PORT,
    CONTROLLER_MODEL_SWITCH_DOWNSTREAM_PORT,
    CONTROLLER_MODEL_PCI_EXPANDER_BUS,
    CONTROLLER_MODEL_PCIE_EXPANDER_BUS,
    CONTROLLER_MODEL_PIIX3_UHCI,
    CONTROLLER_MODEL_PIIX4_UHCI,
    CONTROLLER_MODEL_EHCI,
    CONTROLLER_MODEL_ICH9_EHCI1,
    CONTROLLER_MODEL_ICH9_UHCI1,
    CONTROLLER_MODEL_ICH9_UHCI2,
    CONTROLLER_MODEL_ICH9_UHCI3,
    CONTROLLER_MODEL_VT82C686B_UHCI,
    CONTROLLER_MODEL_PCI_OHCI,
    CONTROLLER_MODEL_NEC_XHCI,
    CONTROLLER_MODEL_QEMU_XHCI,
    CONTROLLER_MODEL_NONE,
    CONTROLLER_MODEL_PIIX3,
    CONTROLLER_MODEL_PIIX4,
    CONTROLLER_MODEL_ICH6, /* ide */
    CONTROLLER_MODEL_AUTO,
    CONTROLLER_MODEL_BUSLOGIC,
    CONTROLLER_MODEL_LSILOGIC,
    CONTROLLER_MODEL_LSISAS1068,
    CONTROLLER_MODEL_LSISAS1078,
    CONTROLLER_MODEL_VIRTIO_SCSI,
    CONTROLLER_MODEL_VMPVSCSI,
    CONTROLLER_MODEL_AM53C974,
    CONTROLLER_MODEL_DC390,
    CONTROLLER_MODEL_VIRTIO,
    CONTROLLER_MODEL_VIRTIO_TRANSITIONAL,
    CONTROLLER_MODEL_VIRTIO_NON_TRANSITIONAL,
} ControllerModel;

typedef struct Controller {
    DeviceInfo info;
    int type; /* ControllerType */
    OptUint index;
    int model; /* ControllerModel */
    OptUint ports, vectors;
    OptUint queues, cmd_per_lun, max_sectors; /* driver */
    int ioeventfd;
    OptUint iothread;
    GPtrArray *iothreads;             /* IoThreadMapping */
    VirtioOptions virtio;
    char *model_name;                          /* model/@name, pci */
    OptUint chassis_nr, chassis, port, bus_nr; /* target, pci */
    OptUint mem_reserve;                       /* target/@memReserve, KiB */
    OptUint node;                              /* target/node */
    int hotplug;                               /* target/@hotplug on/off */
    OptUint pcihole64;                         /* bytes */
    OptUint master_startport;                  /* usb companions */
} Controller;

/* The first port of its master that a USB companion (ich9-uhci1, 2, 3) serves by default; unset for
 * what is no companion. */
OptUint controller_companion_port(const Controller *controller);

extern const DeviceKind controller_kind;
extern const char *const controller_type_names[];
extern const char *const controller_model_names[];
