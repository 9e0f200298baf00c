/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/spec.h"

/* Documents for the tests of resolve and diff. */

/* A valid q35 or pc domain named "web", of 1 GiB where @head has no <memory unit=…>, with @devices
 * (XML) in <devices>. @head is what else stands before them, or NULL. Devices begin on line 6. */
Spec *document_parse(const char *machine, const char *head, const char *devices);

/* Resolves it; a diagnostic fails the test. */
Domain *document_resolve(const Spec *spec, const Domain *previous);

/* All diagnostics of resolving what must not resolve. Caller frees. */
char *document_refusal(const Spec *spec, const Domain *previous);

/* "pci 0000:01:00.0", "drive 0-0-0-1", "serial 0-1", "usb 0:2", "none"; of the @index-th device
 * of kind @kind. Caller frees. */
char *address_of(const Domain *domain, const char *kind, guint index);
const char *alias_of(const Domain *domain, const char *kind, guint index);
