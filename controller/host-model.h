/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "controller/subject.h"

/*
 * What host-model means for @domain on this host with @emulator (HostFacts.host_model): from the
 * state's cache, or asked (qemu/host-model.h). NULL when the domain does not ask for it, or nobody
 * can say: KVM does not work here. Caller frees.
 */
Json *site_host_model(const Site *site, const Domain *domain, const char *emulator);
