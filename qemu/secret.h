/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/storage-source.h"
#include "qemu/device.h"

/*
 * Secrets that a domain's XML refers to: files below HostFacts.secret_directory, whose whole
 * content is the secret (no line break at the end unless it belongs to it). Caller frees.
 */

/* UUID, or TYPE-USAGE with every byte that isn't a letter, a digit or one of "-._" as %XX. */
char *secret_file(const HostFacts *facts, const SecretReference *secret);
/* An -object secret named @id. Ceph's are base64 text as Ceph writes them. */
void secret_add(const DeviceContext *context, const char *id, const SecretReference *secret,
                GPtrArray *backends);
/* The same of a file that is written at launch. */
void secret_add_file(const char *id, const char *file, GPtrArray *backends);
