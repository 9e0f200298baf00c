/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/domain.h"

/* A copy of @domain in which each SPICE display that leaves its port open has a TCP port that was
 * free a moment ago. (VNC needs none: QEMU itself looks for one.) Caller frees. */
Domain *graphics_ports_choose(const Domain *domain);
