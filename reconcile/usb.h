/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "reconcile/resolution.h"

/* Gives each USB device its controller and port (address-assignment.md 3). */
void resolve_usb_addresses(const Resolution *resolution);
