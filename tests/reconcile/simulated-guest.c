/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A guest for property tests. What it keeps of the real ones: requests are accepted always and
 * followed or not; a guest that refused sleeps for 50 s unless it is notified, by any write of
 * requested-size; a reset unplugs all and the driver re-plugs up to requested; during a migration
 * or a pause nothing moves; the balloon samples once a second, and its time stamp is whole seconds.
 * What it leaves out: how long a block takes. A test chooses the time between two looks.
 */
#include "tests/reconcile/simulated-guest.h"

#define SECOND ((gint64) G_USEC_PER_SEC)
#define RETRY (50 * SECOND)

guint64
chance_next(Chance *chance)
{
    guint64 x = chance->seed += 0x9e3779b97f4a7c15; /* splitmix64 */

    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
    x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
    return x ^ (x >> 31);
}

guint64
chance_below(Chance *chance, guint64 n)
{
    return chance_next(chance) % n;
}

bool
chance_of(Chance *chance, guint percent)
{
    return chance_below(chance, 100) < percent;
}

guint64
guest_available(const SimulatedGuest *guest)
{
    guint64 total = guest->boot + guest->current;

    return total > guest->used ? total - guest->used : 0;
}

static void
sample(SimulatedGuest *guest)
{
    if (!guest->has_balloon || guest->is_silent || !guest->is_running || guest->is_booting)
        return;
    if (guest->sampled_at && guest->now - guest->sampled_at < SECOND)
        return;
    guest->sampled_at = guest->now;
    guest->sample_available = guest_available(guest);
    guest->sample_size = guest->current;
}

/* Where the guest would go if it were left alone for long. */
static guint64
destination(const SimulatedGuest *guest)
{
    switch (guest->mood) {
    case GUEST_WILLING:
    case GUEST_LAGGING:
        return guest->requested;
    case GUEST_PARTIAL:
        if (guest->requested > guest->current)
            return MAX(MIN(guest->requested, guest->most), guest->current);
        return MIN(MAX(guest->requested, guest->least), guest->current);
    case GUEST_REFUSING:
    case GUEST_N_MOODS:
        break;
    }
    return guest->current;
}

static void
move(SimulatedGuest *guest, Chance *chance)
{
    guint64 to = destination(guest);
    guint64 distance = to > guest->current ? to - guest->current : guest->current - to;

    if (!guest->is_running || guest->is_migrating || guest->is_booting || !guest->has_driver)
        return;
    if (guest->is_asleep && guest->now < guest->wakes_at)
        return;
    distance = distance / guest->granule * guest->granule;
    if (guest->mood == GUEST_LAGGING)
        distance = chance_below(chance, distance / guest->granule + 1) * guest->granule;
    guest->current = to > guest->current ? guest->current + distance : guest->current - distance;
    guest->is_asleep = distance == 0 && guest->requested != guest->current;
    guest->wakes_at = guest->now + RETRY;
}

void
guest_run(SimulatedGuest *guest, gint64 us, Chance *chance)
{
    gint64 before = (gint64) chance_below(chance, us + 1);

    guest->now += before;
    if (guest->is_booting && guest->is_running && guest->now >= guest->boots_at) {
        guest->is_booting = false;
        guest->has_driver = true;
    }
    if (chance_next(chance) % 2) {
        sample(guest);
        move(guest, chance);
    } else {
        move(guest, chance);
        sample(guest);
    }
    guest->now += us - before;
    sample(guest);
}

void
guest_request(SimulatedGuest *guest, guint64 requested)
{
    guest->requested = requested;
    guest->is_asleep = false;
}

void
guest_reset(SimulatedGuest *guest, gint64 boot_time)
{
    guest->current = 0;
    guest->has_driver = false;
    guest->is_booting = true;
    guest->boots_at = guest->now + boot_time;
    guest->is_asleep = false;
}

MemoryStepInput
guest_observe(const SimulatedGuest *guest, bool can_see_driver)
{
    MemoryDriver driver = guest->has_driver ? MEMORY_DRIVER_BOUND : MEMORY_DRIVER_UNBOUND;

    return (MemoryStepInput){
        .now = guest->now,
        .generation = guest->generation,
        .block = guest->block,
        .max = guest->max,
        .requested = guest->requested,
        .current = guest->current,
        .grant = MEMORY_STEP_UNLIMITED,
        .is_running = guest->is_running,
        .is_migrating = guest->is_migrating,
        .is_booting = guest->is_booting,
        .driver = can_see_driver ? driver : MEMORY_DRIVER_UNKNOWN,
        .guest_total = guest->boot + guest->current,
        .has_balloon = guest->has_balloon,
        .statistics_at = guest->sampled_at / SECOND * SECOND,
        .available = guest->sample_available,
    };
}
