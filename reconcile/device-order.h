/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/controller.h"

/*
 * The order of the device lists, which decides about names and addresses (libvirt's
 * virDomainDiskInsert, virDomainControllerInsert, virDomainAssignControllerIndexes;
 * address-assignment.md 0.1 and 0.2).
 */

/* Puts @controller (taken over) where it belongs: behind the last of its type with a lower or no
 * index, a type not yet there at the end. */
void controller_insert(Domain *domain, Controller *controller);

/* Puts disks, controllers and videos in order and gives each controller its index. Nothing moves
 * in lists that are in order already. A controller without index takes that of a like one in
 * @previous (may be NULL), and else none that @previous uses. */
void order_devices(Domain *domain, const Domain *previous);

/* ICH9's USB 2 controllers, whose parts share an index and a slot. */
bool controller_is_usb2(const Controller *controller);

/* The controller of @type with @index, or NULL. Borrowed. */
Controller *controller_find(const Domain *domain, ControllerType type, guint index);
