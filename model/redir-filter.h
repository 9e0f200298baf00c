/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/device.h"

/* devices/redirfilter/usbdev: a rule of which USB devices a client may redirect; the first that
 * fits decides. Texts as written: a number, "-1" or NULL for any. */
typedef struct RedirRule {
    char *class_, *vendor, *product;
    char *version; /* "2.56", of the device: bcdDevice */
    int allow;     /* yes/no */
} RedirRule;

extern const Schema redir_rule_schema;

/* Reads a rule's number (decimal or 0x…) of at most @max: false when it is none. "-1" and NULL are
 * the number -1. */
bool redir_rule_number(const char *text, guint max, gint *ret_number);
/* "2.56" as USB writes it, 0x0256; the same otherwise. */
bool redir_rule_version(const char *text, gint *ret_number);
/* Rules over all of the domain's, for domain.c's sections. */
void redir_filter_validate(const Validation *validation);
