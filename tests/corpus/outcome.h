/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/domain.h"

/*
 * Outcome: everything that a domain's text leads to, as one text: the command line, what runs
 * beside QEMU, what is asked of QEMU before the guest runs, where its threads run, its limits, what
 * the host must have, and what is done when the guest ends. Two texts of one outcome are the same
 * machine.
 */

typedef enum {
    OUTCOME_REFUSED, /* reading, resolving or spelling it is an error */
    OUTCOME_MADE,
} OutcomeState;

/* @is_raw: the text is spelled as it stands, without rules and addresses (spellings.txt).
 * *@ret_text is for the caller to free in either case; of a refusal it is the first error. */
OutcomeState outcome_of(const char *text, bool is_raw, char **ret_text);
