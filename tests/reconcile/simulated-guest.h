/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

#include "reconcile/memory-step.h"

/* A reproducible source of chance. */
typedef struct {
    guint64 seed;
} Chance;

guint64 chance_next(Chance *chance);
guint64 chance_below(Chance *chance, guint64 n); /* 0 .. n - 1; n > 0 */
bool chance_of(Chance *chance, guint percent);

/*
 * SimulatedGuest: a guest with one virtio-mem device as QEMU 7.2 and Linux behave, without either,
 * so that a million histories fit into seconds. It tells the truth that memory stepping can only
 * guess: `sample_size` is the size that the balloon's sample was really taken at.
 * Sizes in bytes, times in microseconds.
 */
typedef enum {
    GUEST_WILLING,  /* takes all at once */
    GUEST_LAGGING,  /* a random part of it */
    GUEST_PARTIAL,  /* all within [least, most] */
    GUEST_REFUSING, /* nothing */
    GUEST_N_MOODS
} GuestMood;

typedef struct {
    gint64 now;
    guint64 generation;
    guint64 block, max, boot;
    guint64 granule; /* it takes and gives multiples of this only */
    guint64 requested, current;
    guint64 used; /* by what runs in it */

    GuestMood mood;
    guint64 least, most;
    bool is_asleep; /* refused and waits for a notification, or for ... */
    gint64 wakes_at;

    bool is_running, is_migrating, is_booting, has_driver;
    gint64 boots_at; /* while is_booting: when the driver binds */

    bool has_balloon, is_silent; /* silent: no driver for it */
    gint64 sampled_at;           /* 0: never */
    guint64 sample_available, sample_size;
} SimulatedGuest;

/* Lets @us pass: it boots, moves memory, and the balloon samples once a second. */
void guest_run(SimulatedGuest *guest, gint64 us, Chance *chance);
/* qom-set requested-size, the same value included. */
void guest_request(SimulatedGuest *guest, guint64 requested);
/* system_reset: all is unplugged, requested-size stays; the driver is back @boot_time later. */
void guest_reset(SimulatedGuest *guest, gint64 boot_time);
guint64 guest_available(const SimulatedGuest *guest);
/* What an observation of it says; target and grant are the caller's. */
MemoryStepInput guest_observe(const SimulatedGuest *guest, bool can_see_driver);
