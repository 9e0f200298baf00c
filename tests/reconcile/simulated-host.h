/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/memory-claim.h"
#include "tests/reconcile/simulated-guest.h"

/*
 * SimulatedHost: guests, what their QEMUs really hold, the ledger's claims, and one pass over a
 * domain as the controller makes it. Sizes are small numbers. A pass is checked against what
 * memory_budget_allocate() promises; what does not hold is in `broken`.
 */
#define HOST_MOST_GUESTS 50
#define HOST_MOST_POOLS 4

enum { HOST_BOOT, HOST_DIMM, HOST_VM0, HOST_VM1, HOST_N_CLAIMS };

typedef enum {
    HOST_WILLING,  /* does at once what it is asked */
    HOST_SLOW,     /* at least a block of it */
    HOST_REFUSING, /* nothing */
    HOST_N_MOODS
} HostMood;

/* What a QEMU really has. */
typedef struct {
    guint64 requested, current;
} HostDevice;

typedef struct {
    char name[4];
    MemoryClaim claims[HOST_N_CLAIMS]; /* the ledger's */
    HostDevice devices[HOST_N_CLAIMS]; /* the truth */
    guint64 file[HOST_N_CLAIMS];       /* what the file asks for */
    guint n_idle[HOST_N_CLAIMS];       /* passes in which it did not move */
    bool is_alive;                     /* there is a QEMU */
    bool is_pinned;                    /* the guest does not move, whatever becomes of it */
    HostMood mood;
} HostGuest;

typedef struct {
    Chance chance;
    MemoryPool pools[HOST_MOST_POOLS];
    GPtrArray *pool_list, *claims; /* borrowed pointers into this */
    HostGuest guests[HOST_MOST_GUESTS];
    guint n_guests, n_pools;
    gint64 clock;              /* each time something is noted */
    gint64 now;                /* what passes go by: 0, or so late that giants are gathered for */
    guint64 n_passes, n_moves; /* bytes that passes moved */
    bool is_compared;          /* each pass to the reference as well */
    const char *broken;
} SimulatedHost;

#define HOST_REQUIRE(host, condition)                                                              \
    do {                                                                                           \
        if (!(condition) && !(host)->broken)                                                       \
            (host)->broken = G_STRINGIFY(__LINE__) ": " #condition;                                \
    } while (0)

/* An empty host with random pools. host_clear() frees what it owns. */
void host_begin(SimulatedHost *host, guint64 seed);
void host_clear(SimulatedHost *host);
/* Adds a guest with a random file, not yet started. */
void host_appear(SimulatedHost *host);
/* One pass over guest @i by the controller that drives it; nothing if that died. @may_die: it may
 * be killed on the way. */
void host_pass(SimulatedHost *host, guint i, bool may_die);
/* Only what a pass does first: looks, and notes what waits. */
void host_look(SimulatedHost *host, guint i);
/* One of all that can happen between two passes. */
void host_trouble(SimulatedHost *host);
/* Requires the bound of every pool, and that nobody has more than is granted. */
void host_check(SimulatedHost *host);
/* Prints everything, for a history that is traced. */
void host_print(const SimulatedHost *host, const char *what);
