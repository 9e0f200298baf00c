/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * doctor: whether domains that declare limits can be held to them.
 *
 * It is no failure when they can't: most domains declare none, and `plan` names the line of each
 * that does. What is said here is what can be done about it, before there is such a domain.
 */
#include "controller/doctor.h"

#include <string.h>
#include <unistd.h>

#include "qemu/cgroup.h"

static const char *const wanted[] = { "cpu", "io", "memory" };

void
doctor_check_cgroup(const Config *config, Findings *findings)
{
    g_autofree char *controllers = cgroup_controllers(config->cgroup);
    g_auto(GStrv) list = g_strsplit(controllers ? controllers : "", " ", -1);
    const char *missing = NULL;

    for (guint i = 0; i < G_N_ELEMENTS(wanted); i++)
        if (!missing && !g_strv_contains((const char *const *) list, wanted[i]))
            missing = wanted[i];
    if (!controllers)
        findings_add(findings, FINDING_WARN, "cgroup",
                     "run the service, or set host.cgroup to a part of cgroup v2 that is "
                     "virtkeep's",
                     "%s is no cgroup v2: domains with limits won't start", config->cgroup);
    else if (missing)
        findings_add(findings, FINDING_WARN, "cgroup",
                     "Delegate=yes in the service's unit, and a host without cgroup v1",
                     "%s has no controller '%s': domains with such limits won't start",
                     config->cgroup, missing);
    else if (access(config->cgroup, W_OK) < 0)
        findings_add(findings, FINDING_WARN, "cgroup", "delegate it to this user",
                     "%s can't be written to: domains with limits won't start", config->cgroup);
    else
        findings_add(findings, FINDING_OK, "cgroup", NULL, "%s: %s", config->cgroup, controllers);
}
