/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/device.h"

/* Limits of a disk's I/O: <iotune>, and <throttlegroup> which disks share. Bytes or operations a
 * second; lengths of bursts in seconds. Absent or 0 = no limit. */
typedef enum { LIMIT_TOTAL, LIMIT_READ, LIMIT_WRITE } LimitOf;

typedef struct Limit {
    OptUint rate, burst, burst_length;
} Limit;

typedef struct Throttle {
    Limit bytes[3], operations[3]; /* by LimitOf */
    OptUint operation_size;        /* bytes that count as one operation */
    char *group;
} Throttle;

extern const Schema iotune_schema, throttle_group_schema;

/* Rules; @path is the element's, below the validation's own. */
void throttle_validate(const Validation *validation, const char *path, const Throttle *throttle);
