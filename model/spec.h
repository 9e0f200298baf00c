/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/domain.h"
#include "model/policy.h"

/*
 * Spec: what one file of the domains directory says, with the positions for diagnostics and the
 * policy that stands in its metadata. Immutable once made.
 */
typedef struct Spec {
    char *file;     /* as named to the user */
    char *digest;   /* sha256 of the file's bytes, hex */
    Domain *domain; /* never NULL; may be incomplete when diagnostics has errors */
    PositionMap *positions;
    PolicyOverrides policy;
    Diagnostics *diagnostics; /* of reading and validating; not empty also on success (notes) */
} Spec;

/* Reads @length bytes of text that came from @file, which need not be there: relative paths in
 * the text are from its directory. Never NULL. */
Spec *spec_parse(const char *file, const char *text, gsize length);
/* Reads the file: regular, at most XML_MAX_BYTES. NULL with @error when it can't be read
 * (G_IO_ERROR_NOT_FOUND if it vanished). */
Spec *spec_load(const char *file, GError **error);
Spec *spec_ref(Spec *spec);
void spec_free(Spec *spec); /* gives one reference back; NULL is allowed */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Spec, spec_free)
bool spec_is_valid(const Spec *spec);
