/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <glib.h>

/* A fuzz target: called with any bytes, it must neither crash nor leak, nor fail an assertion.
 * Under libFuzzer (-Dfuzz=true) by libFuzzer, else by replay.c. Always returns 0. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
