/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/spec.h"

/* A small valid domain "tuned" of 4 virtual CPUs and 2 I/O threads, with @more elements. Fails the
 * test when the result isn't valid. */
Spec *tuned_spec(const char *more);
