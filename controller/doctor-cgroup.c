/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * doctor: whether domains that declare limits can be held to them.
 *
 * It is no failure when they can't: most domains declare none, and `plan` names the line of each
 * that does. What is said here is what can be done about it, before there is such a domain.
 */
#include "controller/doctor.h"

#include "qemu/cgroup.h"

static const char *const wanted[] = { "cpu", "io", "memory" };

void
doctor_check_cgroup(const Config *config, Findings *findings)
{
    g_autofree char *controllers = cgroup_controllers(config->cgroup);

    for (guint i = 0; i < G_N_ELEMENTS(wanted); i++) {
        g_autofree char *refusal = cgroup_refusal(config->cgroup, wanted[i]);

        if (refusal)
            return findings_add(findings, FINDING_WARN, "cgroup",
                                "set host.cgroup to a cgroup v2 that is virtkeep's, as its service "
                                "has one (Delegate=, with systemd 254 or later)",
                                "domains with limits won't start: %s", refusal);
    }
    findings_add(findings, FINDING_OK, "cgroup", NULL, "%s: %s", config->cgroup, controllers);
}
