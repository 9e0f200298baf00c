/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/*
 * Rules of devices as rows: what stands in the document, and the code of the one error it gets, or
 * that it gets none. A row that is refused for another reason fails, so a rule can't hide behind a
 * mistake of the row.
 */
typedef struct Rule {
    const char *code;             /* NULL: good */
    const char *domain, *devices; /* XML in <domain> and in <devices> */
    const char *os;               /* in <os>; NULL: nothing but the machine */
} Rule;

/* A whole test program: main()'s result. */
int rules_check(const Rule *rules, guint n_rules);
