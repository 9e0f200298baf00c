/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/schema.h"

/*
 * A made-up element with a member of every type, for the tests and the fuzzing of the schema
 * walkers: what they do must not depend on how the domain's tables happen to look.
 */
typedef enum { SAMPLE_FILE = 1, SAMPLE_BLOCK, SAMPLE_NETWORK } SampleDiskType;
typedef enum { SAMPLE_PCI = 1, SAMPLE_DRIVE } SampleAddressType;

typedef struct SampleAddress {
    int type;
    OptUint bus; /* two rows: hexadecimal in a PCI address, decimal in a drive's */
} SampleAddress;

typedef struct SampleDisk {
    int type;
    char *file, *dev;
    char *target;
    OptUint block; /* bytes */
    bool is_read_only;
    SampleAddress *address;
    GPtrArray *hosts; /* SampleHost */
} SampleDisk;

typedef struct SampleHost {
    char *name;
    OptUint port;
} SampleHost;

typedef struct SampleCell {
    OptUint id;
    OptUint memory, cache; /* bytes; they share one unit */
    char *cpus;
} SampleCell;

typedef struct SampleNote {
    char *text; /* the element's own */
    int importance;
} SampleNote;

typedef struct SamplePolicy {
    char *strategy;
    OptUint timeout;
} SamplePolicy;

typedef struct Sample {
    int type;
    char *name, *uuid, *mac, *title, *ignored;
    char *metadata;
    SamplePolicy *policy;
    OptUint memory, limit; /* bytes; limit is written as a bare number */
    int dump_core;
    OptUint rate; /* millionths */
    OptInt offset;
    OptUint port;
    GPtrArray *cells;  /* SampleCell */
    GPtrArray *disks;  /* SampleDisk */
    GPtrArray *labels; /* char: nothing is kept of them */
    GPtrArray *notes;  /* SampleNote */
} Sample;

extern const Schema sample_schema;
