/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/*
 * How each live field reaches a running QEMU, and what proves it: a row for each row of the schema
 * whose change class is live, and for each kind of device that plugs. docs/live-changes.md is
 * printed from it, and the test `live-changes-page` finds what is missing or left over.
 */
typedef struct LiveFact {
    /* Of the field in the domain ("devices/memory/target/requested"), or of the list for a device
     * that comes and goes ("devices/disk"). May hold '*' and '?' where fields of one group are told
     * alike; the first row that matches is the field's. */
    const char *path;
    const char *means; /* the QMP commands, or what else is done */
    const char *guest; /* what the guest must do for it: "nothing", … */
    /* "tests/cli/test-devices.c test_drift": a file and a function in it; NULL where no test sees
     * the effect on a real QEMU yet. */
    const char *test;
} LiveFact;

extern const LiveFact live_facts[]; /* ended by a row without path */

/* NULL = none. */
const LiveFact *live_fact_find(const char *path);
