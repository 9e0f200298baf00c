/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/domain.h"
#include "model/observed.h"

/*
 * @domain (resolved) as XML with what only a running QEMU can tell: <current> of each virtio-mem
 * device and <currentMemory>, as libvirt prints them of a live domain. @observed NULL: as it is.
 * Passwords are left out; *@ret_n_passwords (may be NULL) says how many. Valid as input again.
 * Caller frees.
 */
char *live_xml(const Domain *domain, const Observed *observed, guint *ret_n_passwords);
