/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

/*
 * Walk slots: the places of a random walk's file, and the file that a choice for each place makes.
 */
typedef enum {
    SLOT_DEVICES,
    SLOT_HEAD,   /* elements of <domain> */
    SLOT_OS,     /* elements of <os> */
    SLOT_GROUPS, /* elements of <throttlegroups> */
} SlotPlace;

/* Nothing, or one of the variants; from one variant to another is a live change. What has no key of
 * its own (two RNGs) is the same in all places: told apart by what they say, one that comes as
 * another goes would be the other one changed. '@' stands for the scratch directory. */
typedef struct Slot {
    const char *variants[5]; /* "" is nothing */
    SlotPlace place;
    bool stays;          /* once there: QEMU 7.2 takes it in and not out */
    bool ascends;        /* and only to a later variant */
    const char *program; /* beside QEMU; NULL: none (tests/support/programs.h) */
} Slot;

extern const Slot walk_slots[];
extern const guint walk_n_slots;

guint slot_n_variants(const Slot *slot);

/* The domain file. @chosen: a variant for each slot. Caller frees. */
char *walk_file_text(const char *machine, const guint *chosen, const char *scratch_dir);
