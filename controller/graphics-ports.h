/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

#include "model/domain.h"

/* A copy of @domain in which each SPICE display that leaves a port open has a TCP port that is free
 * and stays so while @ret_held lives (sockets; caller unrefs). @certificates is the directory for
 * TLS, which may not be there. (VNC needs none: QEMU itself looks for one.) Caller frees. */
Domain *graphics_ports_choose(const Domain *domain, const char *certificates,
                              GPtrArray **ret_held);
