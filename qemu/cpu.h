/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "qemu/device.h"

/* Whether @domain asks for the host's model, so that HostFacts.host_model is needed. */
bool cpu_is_host_model(const Domain *domain);
/* -cpu. */
void cpu_spell(const DeviceContext *context, CommandLine *line);
/* -smp. */
void cpu_spell_topology(const DeviceContext *context, CommandLine *line);
