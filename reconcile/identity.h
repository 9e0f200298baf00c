/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "reconcile/resolution.h"

/* The name-based UUID (RFC 4122, version 5: SHA-1) of @name below @namespace_, lower case with
 * dashes. A namespace of 32 hex digits, with or without dashes (a UUID, /etc/machine-id), is
 * taken as those 16 bytes, any other text by its own hash. Caller frees. */
char *uuid_from_name(const char *namespace_, const char *name);

/* Gives the domain its uuid: the file's, else @previous's, else one made of @seed and the name. */
void resolve_uuid(Domain *domain, const Domain *previous, const char *seed);

/* Gives each interface without one its MAC address: its ancestor's, else 52:54:00 and three
 * octets made of the uuid and the place in the list. */
void resolve_macs(const Resolution *resolution);
