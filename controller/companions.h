/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "controller/subject.h"

/*
 * Companions of a domain in its life: started before its QEMU, watched beside it, ended after it.
 * Each start, restart and end is an action of the journal ("start-companion", …).
 */

/* What there is of the domain: records of its run directory, and those that only the state still
 * has, looked at. CompanionRecord; NULL with @error when it can't be told. */
GPtrArray *companions_gather(const Site *site, const char *name, const char *run_directory,
                             GError **error);
/* One sentence on those that have ended though their QEMU runs; NULL: all is well. */
char *companions_failure(const GPtrArray *records);
/* Refuses what the subject's desired domain needs of the host to be started and is not there, or
 * can't be done: each with the file's line. */
void companions_check(const Site *site, const Subject *subject, Diagnostics *diagnostics);

/* Starts those that @domain needs, in place of whatever an earlier start left. False: none of them
 * is left. */
bool companions_start(Subject *subject, const Site *site, const Domain *domain, GError **error);
/* To *@error, which must be set, which of @records a QEMU that does not answer may wait for. */
void companions_suspect(const GPtrArray *records, GError **error);
/* Puts the last words of those that have ended in front of @error, which is why QEMU did not
 * come up. */
void companions_blame(Subject *subject, GError **error);
/* The same of one device that is to be plugged into the running QEMU, of the desired domain; those
 * that are there stay. */
bool companions_plug(Subject *subject, const Site *site, const DeviceKind *kind,
                     gconstpointer device, GError **error);
/* The device @alias has left the running QEMU: ends those that were its own. */
bool companions_unplug(Subject *subject, const Site *site, const char *alias, GError **error);
/* The domain's QEMU runs: notices those that ended, and starts again those that can be. Nothing is
 * done for a suspended domain. */
bool companions_keep(Subject *subject, const Site *site, GError **error);
/* The domain may have been given a cgroup: they are put into it. Harmless to do twice. */
bool companions_confine(const Subject *subject, const Site *site, GError **error);
/* The domain's QEMU has ended: ends them. */
bool companions_end(Subject *subject, const Site *site, GError **error);
