/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "reconcile/resolution.h"

/* Gives each device on BUS_VIRTIO_SERIAL its port (address-assignment.md 4); consoles only reserve
 * one, their address stays as the file has it. A controller that is full gets a further one. */
void resolve_serial_addresses(const Resolution *resolution);
