/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "reconcile/resolution.h"

/* Gives serial and parallel ports their number (the guest's COM1 is 0): the file's, else the
 * ancestor's, else one above those before it in the list. Consoles are numbered by place. */
void resolve_chardev_ports(const Resolution *resolution);
