/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A host for property tests of its memory budget. The truth is in HostGuest.devices, the ledger in
 * HostGuest.claims, and only a pass carries the one into the other, in the order in which the
 * controller does it:
 *
 *     look -> ask -> [grant is written] -> raise or lower requested -> the guest moves -> look
 *          -> [what is not held any more is given back]
 *
 * The first look gives back as well what a controller that died on the way left unused. A
 * controller may be killed at each arrow. Then nobody drives its guests, which go on moving,
 * until another takes over. A guest is asked for a part of what is to move (windows) or for all.
 */
#include "tests/reconcile/simulated-host.h"

#include <stdio.h>
#include <string.h>

#include "reconcile/memory-budget.h"
#include "reconcile/memory-queue.h"
#include "tests/reconcile/budget-reference.h"

static guint64
held(const HostDevice *device)
{
    return MAX(device->requested, device->current);
}

static bool
is_blocks(guint device)
{
    return device >= HOST_VM0;
}

/* --- pools and guests ------------------------------------------------------------------------- */

static void
add_pool(SimulatedHost *host, const char *name, guint64 page_size, guint64 nodes)
{
    MemoryPool *pool = &host->pools[host->n_pools++];

    *pool = (MemoryPool){ .name = (char *) name,
                          .page_size = page_size,
                          .nodes = nodes,
                          .capacity = 20 + chance_below(&host->chance, 100) };
    g_ptr_array_add(host->pool_list, pool);
}

void
host_begin(SimulatedHost *host, guint64 seed)
{
    GPtrArray *pool_list = host->pool_list, *claims = host->claims;

    host->chance.seed = seed;
    host->pool_list = pool_list ? pool_list : g_ptr_array_new();
    host->claims = claims ? claims : g_ptr_array_new();
    host->n_guests = host->n_pools = 0;
    host->clock = host->n_passes = host->n_moves = host->now = 0;
    host->is_compared = false;
    host->broken = NULL;
    g_ptr_array_set_size(host->pool_list, 0);
    g_ptr_array_set_size(host->claims, 0);
    add_pool(host, "memory", 0, 0);
    if (chance_of(&host->chance, 30))
        add_pool(host, "memory-node0", 0, 1);
    if (host->n_pools > 1)
        add_pool(host, "memory-node1", 0, 2);
    if (chance_of(&host->chance, 10))
        add_pool(host, "hugepages-2MiB", 2, 0);
}

void
host_clear(SimulatedHost *host)
{
    g_ptr_array_unref(host->pool_list);
    g_ptr_array_unref(host->claims);
}

static guint64
random_size(SimulatedHost *host, guint device)
{
    guint64 most = is_blocks(device) ? 48 : 24;

    return chance_of(&host->chance, 30) ? 0 : 1 + chance_below(&host->chance, most);
}

static void
edit(SimulatedHost *host, HostGuest *guest, guint device)
{
    MemoryClaim *claim = &guest->claims[device];
    guint64 size = random_size(host, device);

    if (device == HOST_BOOT)
        size = MAX(size, 1);
    guest->file[device] = claim->block ? size / claim->block * claim->block : size;
}

static void
edit_policy(SimulatedHost *host, HostGuest *guest)
{
    Chance *chance = &host->chance;
    gint64 priority = chance_of(chance, 60) ? 0 : (gint64) chance_below(chance, 5) - 2;

    for (guint i = 0; i < HOST_N_CLAIMS; i++) {
        guest->claims[i].priority = priority;
        guest->claims[i].guaranteed = chance_of(chance, 70) ? 0 : chance_below(chance, 20);
    }
}

void
host_appear(SimulatedHost *host)
{
    static const guint64 blocks[] = { 1, 1, 1, 2, 4, 8 };
    Chance *chance = &host->chance;
    HostGuest *guest = &host->guests[host->n_guests];

    *guest = (HostGuest){ .mood = chance_below(chance, HOST_N_MOODS) };
    g_snprintf(guest->name, sizeof guest->name, "%02u", host->n_guests * 17 % 50);
    host->n_guests++;
    for (guint i = 0; i < HOST_N_CLAIMS; i++) {
        static const char *names[] = { "boot", "dimm0", "vm0", "vm1" };
        MemoryClaim *claim = &guest->claims[i];
        guint64 node = host->n_pools > 2 ? chance_below(chance, 4) : 0;

        *claim = (MemoryClaim){ .domain = guest->name, .device = (char *) names[i] };
        claim->is_driven = true;
        claim->nodes = node;
        if (host->pools[host->n_pools - 1].page_size && chance_of(chance, 50))
            claim->page_size = host->pools[host->n_pools - 1].page_size;
        if (is_blocks(i))
            claim->block = blocks[chance_below(chance, G_N_ELEMENTS(blocks))];
        g_ptr_array_add(host->claims, claim);
        if (i == HOST_BOOT || i == HOST_VM0 || chance_of(chance, 30))
            edit(host, guest, i);
    }
    edit_policy(host, guest);
}

/* --- checks ----------------------------------------------------------------------------------- */

/* What is granted in pool @i. */
static guint64
host_granted(const SimulatedHost *host, guint i)
{
    guint64 sum = 0;

    for (guint j = 0; j < host->claims->len; j++) {
        const MemoryClaim *claim = host->claims->pdata[j];

        if (memory_pool_holds(&host->pools[i], claim))
            sum += claim->granted;
    }
    return sum;
}

void
host_check(SimulatedHost *host)
{
    for (guint i = 0; i < host->n_guests; i++)
        for (guint j = 0; j < HOST_N_CLAIMS; j++)
            HOST_REQUIRE(host,
                         held(&host->guests[i].devices[j]) <= host->guests[i].claims[j].granted);
}

/* What an answer must be, whatever the situation. @before: what was granted in each pool. */
static void
check_limits(SimulatedHost *host, HostGuest *guest, const guint64 *limits)
{
    bool starts = true, starts_any = false;

    for (guint i = 0; i < HOST_N_CLAIMS; i++) {
        const MemoryClaim *claim = &guest->claims[i];
        guint64 least = MAX(memory_claim_held(claim), MIN(claim->granted, claim->wanted));
        bool is_withdrawn = memory_claim_is_stuck(claim) && claim->requested > claim->current &&
                            limits[i] == claim->current;

        HOST_REQUIRE(host, limits[i] >= least || is_withdrawn);
        HOST_REQUIRE(host, limits[i] <= MAX(least, claim->wanted));
        if (limits[i] > least && claim->block)
            HOST_REQUIRE(host, (limits[i] - least) % claim->block == 0);
        else if (limits[i] > least)
            HOST_REQUIRE(host, limits[i] == claim->wanted);
        if (guest->is_alive || claim->block || claim->wanted <= least)
            continue;
        starts &= limits[i] == claim->wanted;
        starts_any |= limits[i] == claim->wanted;
    }
    HOST_REQUIRE(host, starts || !starts_any);
    for (guint i = HOST_VM0; i < HOST_N_CLAIMS && !starts; i++)
        HOST_REQUIRE(host, limits[i] <= guest->claims[i].granted);
}

/* Nobody gets more than is left by those ahead once all has been given back, and all of that if
 * nothing is coming any more, and nothing gathered for giants. */
static void
check_order(SimulatedHost *host, HostGuest *guest, const guint64 *limits, guint first)
{
    guint64 ends[HOST_MOST_GUESTS * HOST_N_CLAIMS];
    bool is_coming = false;

    reference_ends(host->pool_list, host->claims, guest->name, ends);
    for (guint i = 0; i < host->claims->len; i++) {
        const MemoryClaim *claim = host->claims->pdata[i];
        guint64 now = MAX(claim->granted, memory_claim_held(claim));

        is_coming |= memory_claim_settles(claim, now) < now;
    }
    for (guint i = 0; i < HOST_N_CLAIMS; i++) {
        const MemoryClaim *claim = &guest->claims[i];

        if (memory_claim_is_stuck(claim) || claim->wanted < claim->granted)
            continue;
        HOST_REQUIRE(host, limits[i] <= ends[first + i]);
        HOST_REQUIRE(host, is_coming || host->now || limits[i] == ends[first + i]);
    }
}

/* --- the guest -------------------------------------------------------------------------------- */

static void
move_device(SimulatedHost *host, HostGuest *guest, guint i)
{
    HostDevice *device = &guest->devices[i];
    guint64 block = guest->claims[i].block, distance, step;

    distance = device->requested > device->current ? device->requested - device->current
                                                   : device->current - device->requested;
    if (!distance || guest->mood == HOST_REFUSING)
        return;
    step = (1 + chance_below(&host->chance, 8)) * block;
    if (guest->mood == HOST_WILLING || step > distance)
        step = distance;
    if (device->requested > device->current)
        device->current += step;
    else
        device->current -= step;
}

/* The guest goes its way. */
static void
host_move(SimulatedHost *host, guint i)
{
    HostGuest *guest = &host->guests[i];

    for (guint j = HOST_VM0; j < HOST_N_CLAIMS && guest->is_alive && !guest->is_pinned; j++)
        move_device(host, guest, j);
}

/* --- the pass --------------------------------------------------------------------------------- */

/* What of the file a pass goes by: boot memory is at most what it is until the next start. */
static guint64
wanted_of(const HostGuest *guest, guint i)
{
    if (!guest->file[HOST_BOOT])
        return 0;
    if (i == HOST_BOOT && guest->is_alive)
        return MIN(guest->file[i], guest->devices[i].current);
    if (i == HOST_DIMM && guest->file[i] && guest->devices[i].current)
        return guest->devices[i].current; /* another size is another DIMM */
    return guest->file[i];
}

static void
look_at(SimulatedHost *host, HostGuest *guest, guint i)
{
    MemoryClaim *claim = &guest->claims[i];

    claim->is_running = guest->is_alive;
    claim->requested = guest->devices[i].requested;
    claim->current = guest->devices[i].current;
    claim->wanted = wanted_of(guest, i);
    claim->is_stuck = memory_claim_is_stuck(claim);
    claim->granted = memory_claim_held(claim);
    if (claim->wanted <= claim->granted)
        claim->waiting_since = 0;
    else if (!guest->is_alive && i != HOST_BOOT)
        claim->waiting_since = guest->claims[HOST_BOOT].waiting_since; /* a start is one wait */
    else if (!claim->waiting_since)
        claim->waiting_since = ++host->clock;
}

void
host_look(SimulatedHost *host, guint i)
{
    HostGuest *guest = &host->guests[i];

    for (guint j = 0; j < HOST_N_CLAIMS && guest->claims[0].is_driven; j++)
        look_at(host, guest, j);
}

static void
set_driven(HostGuest *guest, bool is_driven)
{
    for (guint i = 0; i < HOST_N_CLAIMS; i++)
        guest->claims[i].is_driven = is_driven;
}

/* A controller that dies here leaves things as they are. */
static bool
dies(SimulatedHost *host, HostGuest *guest, bool may_die)
{
    if (!may_die || chance_below(&host->chance, 64))
        return false;
    set_driven(guest, false);
    return true;
}

static void
ask(SimulatedHost *host, HostGuest *guest, guint64 *ret_limits)
{
    guint64 limits[HOST_MOST_GUESTS * HOST_N_CLAIMS], before[HOST_MOST_POOLS];
    guint first = HOST_N_CLAIMS * (guest - host->guests);

    for (guint i = 0; i < host->n_pools; i++)
        before[i] = host_granted(host, i);
    memory_budget_allocate(host->pool_list, host->claims, guest->name, host->now, limits);
    check_limits(host, guest, limits + first);
    if (host->is_compared)
        check_order(host, guest, limits + first, first);
    for (guint i = 0; i < HOST_N_CLAIMS; i++) {
        MemoryClaim *claim = &guest->claims[i];

        ret_limits[i] = limits[first + i];
        claim->granted = MAX(memory_claim_held(claim), ret_limits[i]);
    }
    for (guint i = 0; i < host->n_pools; i++)
        HOST_REQUIRE(host, host_granted(host, i) <= MAX(before[i], host->pools[i].capacity));
}

/* Starts what has all that it needs for it, stops what shall not be. */
static void
start_or_stop(HostGuest *guest)
{
    bool is_wanted = guest->file[HOST_BOOT] > 0;

    if (guest->is_alive && !is_wanted) {
        memset(guest->devices, 0, sizeof guest->devices);
        guest->is_alive = false;
    }
    if (guest->is_alive || !is_wanted)
        return;
    for (guint i = 0; i < HOST_VM0; i++)
        if (guest->claims[i].granted < guest->claims[i].wanted)
            return;
    guest->is_alive = true;
    for (guint i = 0; i < HOST_VM0; i++)
        guest->devices[i] = (HostDevice){ guest->claims[i].wanted, guest->claims[i].wanted };
    for (guint i = HOST_VM0; i < HOST_N_CLAIMS; i++) {
        const MemoryClaim *claim = &guest->claims[i];
        guint64 most = MIN(claim->granted, claim->wanted);

        guest->devices[i] = (HostDevice){ .requested = most / claim->block * claim->block };
    }
}

static void
plug(HostGuest *guest)
{
    const MemoryClaim *claim = &guest->claims[HOST_DIMM];
    HostDevice *device = &guest->devices[HOST_DIMM];

    if (!guest->is_alive)
        return;
    if (claim->wanted == 0 && guest->mood != HOST_REFUSING && !guest->is_pinned)
        *device = (HostDevice){ 0 };
    else if (!device->current && claim->granted >= claim->wanted)
        *device = (HostDevice){ claim->wanted, claim->wanted };
}

static void
request(SimulatedHost *host, HostGuest *guest, guint i, guint64 limit)
{
    const MemoryClaim *claim = &guest->claims[i];
    HostDevice *device = &guest->devices[i];
    guint64 to = MIN(MIN(claim->granted, limit), claim->wanted), n;

    if (!guest->is_alive)
        return;
    if (to > device->requested) /* what it was asked to give and still has */
        device->requested = MIN(MAX(device->requested, device->current), to);
    n = (MAX(to, device->requested) - MIN(to, device->requested)) / claim->block;
    if (guest->mood != HOST_WILLING && n > 1 && limit >= claim->requested)
        n = 1 + chance_below(&host->chance, n);
    device->requested = to > device->requested ? device->requested + n * claim->block
                                               : device->requested - n * claim->block;
}

/* What is not held any more is given back; what did not move is found stuck. */
static void
settle(SimulatedHost *host, HostGuest *guest, const HostDevice *before)
{
    for (guint i = 0; i < HOST_N_CLAIMS; i++) {
        MemoryClaim *claim = &guest->claims[i];
        const HostDevice *device = &guest->devices[i];
        guint64 granted = claim->granted;

        look_at(host, guest, i);
        host->n_moves += granted != claim->granted || device->current != before[i].current ||
                         device->requested != before[i].requested;
        guest->n_idle[i] = device->current == before[i].current ? guest->n_idle[i] + 1 : 0;
        if (guest->n_idle[i] < 3 || !guest->is_alive ||
            (device->current == device->requested && device->current <= claim->wanted))
            continue;
        claim->is_stuck = true;
        claim->stuck_at = device->current;
    }
}

void
host_pass(SimulatedHost *host, guint i, bool may_die)
{
    HostGuest *guest = &host->guests[i];
    guint64 limits[HOST_N_CLAIMS];
    HostDevice before[HOST_N_CLAIMS];

    if (!guest->claims[0].is_driven)
        return;
    host->n_passes++;
    memcpy(before, guest->devices, sizeof before);
    host_look(host, i);
    ask(host, guest, limits);
    if (chance_below(&host->chance, 8) == 0)
        ask(host, guest, limits); /* as it does from time to time in a long slice */
    if (dies(host, guest, may_die))
        return;
    start_or_stop(guest);
    plug(guest);
    for (guint j = HOST_VM0; j < HOST_N_CLAIMS; j++)
        request(host, guest, j, limits[j]);
    host_check(host);
    if (dies(host, guest, may_die))
        return;
    host_move(host, i);
    settle(host, guest, before);
    host_check(host);
}

/* --- trouble ---------------------------------------------------------------------------------- */

/* It re-plugs up to requested. */
static void
reboot(HostGuest *guest)
{
    for (guint i = HOST_VM0; i < HOST_N_CLAIMS; i++)
        guest->devices[i].current = 0;
}

static void
die(HostGuest *guest)
{
    memset(guest->devices, 0, sizeof guest->devices);
    guest->is_alive = false;
}

/* Somebody raises a request behind our back; it is found, and then it is a fact. */
static void
meddle(SimulatedHost *host, HostGuest *guest)
{
    guint i = HOST_VM0 + chance_below(&host->chance, 2);
    MemoryClaim *claim = &guest->claims[i];

    if (!guest->is_alive)
        return;
    guest->devices[i].requested += chance_below(&host->chance, 8) * claim->block;
    claim->granted = MAX(claim->granted, held(&guest->devices[i]));
    claim->requested = guest->devices[i].requested;
}

static void
leave(HostGuest *guest)
{
    memset(guest->file, 0, sizeof guest->file);
    for (guint i = 0; i < HOST_N_CLAIMS; i++)
        guest->claims[i].guaranteed = 0;
}

void
host_trouble(SimulatedHost *host)
{
    Chance *chance = &host->chance;
    guint64 kind = chance_below(chance, 24);
    HostGuest *guest = &host->guests[chance_below(chance, host->n_guests)];
    MemoryPool *pool = &host->pools[chance_below(chance, host->n_pools)];

    if (kind < 8)
        edit(host, guest, chance_below(chance, HOST_N_CLAIMS));
    else if (kind < 11)
        guest->mood = chance_below(chance, HOST_N_MOODS);
    else if (kind == 11)
        edit_policy(host, guest);
    else if (kind == 12)
        reboot(guest);
    else if (kind == 13)
        die(guest);
    else if (kind == 14)
        pool->capacity =
            chance_of(chance, 5) ? MEMORY_POOL_UNLIMITED : 10 + chance_below(chance, 120);
    else if (kind < 17)
        set_driven(guest, kind == 15 && !guest->claims[0].is_driven);
    else if (kind == 17 && chance_of(chance, 20))
        meddle(host, guest);
    else if (kind == 18 && host->n_guests < HOST_MOST_GUESTS && chance_of(chance, 50))
        host_appear(host);
    else if (kind == 19 && chance_of(chance, 20))
        leave(guest);
    else
        host_move(host, guest - host->guests);
}

void
host_print(const SimulatedHost *host, const char *what)
{
    printf("--- %s\n", what);
    for (guint i = 0; i < host->n_pools; i++)
        printf("%s: %" G_GUINT64_FORMAT " of %" G_GUINT64_FORMAT "\n", host->pools[i].name,
               host_granted(host, i), host->pools[i].capacity);
    for (guint i = 0; i < host->claims->len; i++) {
        const MemoryClaim *claim = host->claims->pdata[i];
        const HostGuest *guest = &host->guests[i / HOST_N_CLAIMS];
        const HostDevice *device = &guest->devices[i % HOST_N_CLAIMS];

        if (!claim->wanted && !claim->granted && !claim->guaranteed)
            continue;
        printf("%s %-5s %s%s%s%s pages %2u nodes %u block %u: has %2u/%2u (%2u/%2u) granted %2u "
               "wanted %2u guaranteed %2u priority %2d since %d\n",
               claim->domain, claim->device, claim->is_running ? "r" : "-",
               claim->is_driven ? "d" : "-", memory_claim_is_stuck(claim) ? "s" : "-",
               guest->mood == HOST_WILLING ? "w" : "-", (guint) claim->page_size,
               (guint) claim->nodes, (guint) claim->block, (guint) device->current,
               (guint) device->requested, (guint) claim->current, (guint) claim->requested,
               (guint) claim->granted, (guint) claim->wanted, (guint) claim->guaranteed,
               (gint) claim->priority, (gint) claim->waiting_since);
    }
}
