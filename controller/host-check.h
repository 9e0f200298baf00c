/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "controller/subject.h"
#include "qemu/need.h"

/*
 * Whether this host has what a start of @subject's desired domain needs (qemu/need.h): one error
 * (host-lacks, or what else refuses a start) in @diagnostics for each thing it lacks. Looks, and
 * changes nothing. A recording has everything but what it says is absent.
 */
void host_check(const Site *site, const Subject *subject, Diagnostics *diagnostics);
/* What is wrong with one thing on this host; NULL: nothing. Caller frees. */
char *host_need_look(const HostNeed *need);
/* The same on this host or in the recording. */
char *host_check_need(const Site *site, const HostNeed *need);
