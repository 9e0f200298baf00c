/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/controller.h"
#include "reconcile/resolution.h"

/* The devices a machine has without being asked, where the file does not give them: PS/2 mouse and
 * keyboard, USB controller 0, SATA controller 0 and the PCI root of a q35, a balloon
 * (address-assignment.md 0.3). A PCI controller 0 of the other machine's kind is an error. */
void imply_default_devices(const Resolution *resolution);

/* What other devices need: serial port 0 and the console that is its other name, the controllers
 * that drive addresses name, virtio-serial controllers, a video card for graphics
 * (address-assignment.md 0.4). Drive addresses must be there. */
void imply_needed_devices(const Resolution *resolution);

/* Adds the controller unless it is there. */
void imply_controller(const Resolution *resolution, ControllerType type, guint index,
                      ControllerModel model);
