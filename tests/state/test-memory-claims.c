/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The ledger's rows: what goes in comes out, nothing is written when nothing changes, several
 * processes that grant at once never grant more than there is, and the views say of random pools
 * and claims what the rules in C say (model/memory-claim.h).
 */
#include "state/memory_claims.h"
#include "state/sqlite.h"
#include "tests/state/state-file.h"

static MemoryClaim
make_claim(const char *domain, const char *device)
{
    return (MemoryClaim){
        .domain = (char *) domain,
        .device = (char *) device,
        .page_size = 2 * MIB,
        .nodes = 1ull << 63 | 1,
        .block = 4 * MIB,
        .requested = 5 * GIB,
        .current = 6 * GIB,
        .granted = 7 * GIB,
        .wanted = 8 * GIB,
        .guaranteed = 9 * GIB,
        .priority = -10,
        .waiting_since = NOON,
        .giving_from = 11 * GIB,
        .is_running = true,
        .is_stuck = true,
        .stuck_at = 12 * GIB,
        .reason = (char *) "the guest keeps it",
        .owner_pid = 13,
        .owner_start_time = 14,
        .owner_boot_id = (char *) "boot",
        .qemu_pid = 15,
        .qemu_start_time = 16,
        .is_driven = true,
    };
}

static void
put(Store *store, const MemoryClaim *claim)
{
    g_autoptr(GError) error = NULL;
    assert_ok(store_memory_claim_put(store, claim, &error));
}

static GPtrArray *
list(Store *store)
{
    g_autoptr(GError) error = NULL;
    GPtrArray *claims = store_memory_claim_list(store, NULL, &error);
    assert_ok(claims);
    return claims;
}

static void
assert_names(Store *store, const char *expected)
{
    g_autoptr(GPtrArray) claims = list(store);
    g_autoptr(GString) names = g_string_new(NULL);
    for (guint i = 0; i < claims->len; i++) {
        const MemoryClaim *claim = claims->pdata[i];
        g_string_append_printf(names, "%s%s/%s", i ? " " : "", claim->domain, claim->device);
    }
    assert_string_equal(names->str, expected);
}

/* Every number but is_driven, which is of the moment, and the texts. */
static void
keeps_every_member(void **state)
{
    g_autoptr(Store) store = state_file_open(*state, STORE_READ_WRITE);
    MemoryClaim claim = make_claim("web-1", "virtiomem0");
    put(store, &claim);
    g_autoptr(GPtrArray) claims = list(store);
    assert_int_equal(claims->len, 1);

    const MemoryClaim read = *(const MemoryClaim *) claims->pdata[0];
    assert_string_equal(read.domain, claim.domain);
    assert_string_equal(read.device, claim.device);
    assert_string_equal(read.reason, claim.reason);
    assert_string_equal(read.owner_boot_id, claim.owner_boot_id);
    assert_false(read.is_driven);
    assert_true(read.is_running && read.is_stuck);
    const guint64 numbers[][2] = {
        { read.page_size, claim.page_size },
        { read.nodes, claim.nodes },
        { read.block, claim.block },
        { read.requested, claim.requested },
        { read.current, claim.current },
        { read.granted, claim.granted },
        { read.wanted, claim.wanted },
        { read.guaranteed, claim.guaranteed },
        { read.priority, claim.priority },
        { read.waiting_since, claim.waiting_since },
        { read.giving_from, claim.giving_from },
        { read.stuck_at, claim.stuck_at },
        { read.owner_pid, claim.owner_pid },
        { read.owner_start_time, claim.owner_start_time },
        { read.qemu_pid, claim.qemu_pid },
        { read.qemu_start_time, claim.qemu_start_time },
    };
    for (guint i = 0; i < G_N_ELEMENTS(numbers); i++)
        assert_true(numbers[i][0] == numbers[i][1]);
}

static void
forgets_what_is_not_kept(void **state)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(Store) store = state_file_open(*state, STORE_READ_WRITE);
    static const char *const rows[][2] = { { "b", "qemu" },  { "b", "boot" }, { "a", "dimm1" },
                                           { "a", "dimm0" }, { "a", "boot" }, { "a", "dimm" } };
    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        MemoryClaim claim = make_claim(rows[i][0], rows[i][1]);
        put(store, &claim);
    }
    assert_names(store, "a/boot a/dimm a/dimm0 a/dimm1 b/boot b/qemu");
    const char *const keep[] = { "boot", "dimm1", NULL };
    assert_ok(store_memory_claim_keep(store, "a", keep, &error));
    assert_names(store, "a/boot a/dimm1 b/boot b/qemu");
    assert_ok(store_memory_claim_keep(store, "b", NULL, &error));
    assert_names(store, "a/boot a/dimm1");
    assert_ok(store_memory_claim_clear(store, &error));
    assert_names(store, "");
}

static void
put_pools(Store *store, const MemoryPool *pools, guint n)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) array = g_ptr_array_new();
    for (guint i = 0; i < n; i++)
        g_ptr_array_add(array, (gpointer) &pools[i]);
    assert_ok(store_memory_pool_put_all(store, array, &error));
}

static void
assert_pools(Store *store, const MemoryPool *pools, guint n)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) read = store_memory_pool_list(store, &error);
    assert_ok(read);
    assert_int_equal(read->len, n);
    for (guint i = 0; i < n; i++) {
        const MemoryPool *pool = read->pdata[i];
        assert_string_equal(pool->name, pools[i].name);
        assert_true(pool->page_size == pools[i].page_size && pool->nodes == pools[i].nodes &&
                    pool->capacity == pools[i].capacity);
    }
}

static void
replaces_all_pools(void **state)
{
    g_autoptr(Store) store = state_file_open(*state, STORE_READ_WRITE);
    const MemoryPool first[] = {
        { (char *) "hugepages-2MiB", 2 * MIB, 0, 64 * MIB },
        { (char *) "memory", 0, 0, MEMORY_POOL_UNLIMITED },
        { (char *) "memory-node0", 0, 1, GIB },
    };
    const MemoryPool second[] = {
        { (char *) "memory", 0, 0, 2 * GIB },
        { (char *) "memory-node1", 0, 2, GIB },
    };
    put_pools(store, first, G_N_ELEMENTS(first));
    assert_pools(store, first, G_N_ELEMENTS(first));
    put_pools(store, second, G_N_ELEMENTS(second));
    assert_pools(store, second, G_N_ELEMENTS(second));
    put_pools(store, NULL, 0);
    assert_pools(store, NULL, 0);
}

static void
writes_nothing_when_nothing_changes(void **state)
{
    StateFile *file = *state;
    g_autoptr(GError) error = NULL;
    g_autoptr(Store) store = state_file_open(file, STORE_READ_WRITE);
    const MemoryPool pools[] = { { (char *) "memory", 0, 0, 2 * GIB } };
    MemoryClaim claim = make_claim("a", "boot");
    const char *const keep[] = { "boot", NULL };
    g_autoptr(GBytes) before = NULL;
    for (guint i = 0; i < 3; i++) {
        assert_ok(store_begin_relaxed(store, &error));
        put(store, &claim);
        assert_ok(store_memory_claim_keep(store, "a", keep, &error));
        assert_ok(store_commit(store, &error));
        put_pools(store, pools, G_N_ELEMENTS(pools));
        g_autoptr(GBytes) after = state_file_bytes(file->path);
        if (i > 0)
            assert_true(g_bytes_equal(before, after));
        g_clear_pointer(&before, g_bytes_unref);
        before = g_steal_pointer(&after);
    }
}

#define CAPACITY (64 * MIB)
#define N_PROCESSES 4

static guint64
sum_granted(Store *store)
{
    g_autoptr(GPtrArray) claims = list(store);
    guint64 sum = 0;
    for (guint i = 0; i < claims->len; i++)
        sum += ((const MemoryClaim *) claims->pdata[i])->granted;
    return sum;
}

/* Takes a MiB wherever one is free, and gives all of it back when there is none, 200 times. */
static gboolean
take_and_give(const StateFile *file, guint index)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(Store) store = store_open(file->path, STORE_READ_WRITE, &error);
    g_autofree char *name = g_strdup_printf("domain-%u", index);
    MemoryClaim claim = { .domain = name, .device = (char *) "virtiomem0", .block = MIB };
    for (guint i = 0; store && i < 200; i++) {
        if (!store_begin_relaxed(store, &error))
            return FALSE;
        guint64 sum = sum_granted(store);
        if (sum > CAPACITY)
            return FALSE;
        claim.granted = sum + MIB <= CAPACITY ? claim.granted + MIB : 0;
        if (!store_memory_claim_put(store, &claim, &error) || !store_commit(store, &error))
            return FALSE;
    }
    return store != NULL;
}

static void
many_grant_at_once(void **state)
{
    StateFile *file = *state;
    pid_t pids[N_PROCESSES];
    g_autoptr(Store) store = state_file_open(file, STORE_READ_WRITE);
    g_clear_pointer(&store, store_close); /* made, and not across fork */
    for (guint i = 0; i < N_PROCESSES; i++)
        pids[i] = state_file_fork(file, take_and_give, i);
    for (guint i = 0; i < N_PROCESSES; i++)
        assert_int_equal(state_file_wait(pids[i]), 0);
    store = state_file_open(file, STORE_READ_WRITE);
    assert_true(sum_granted(store) <= CAPACITY);
}

/* Random pools and claims, whose views are compared with what C says of them. */
static const MemoryPool view_pools[] = {
    { (char *) "memory", 0, 0, 40 * GIB },
    { (char *) "memory-node0", 0, 1, 4 * GIB },
    { (char *) "memory-node63", 0, 1ull << 63, MEMORY_POOL_UNLIMITED },
    { (char *) "memory-pair", 0, 1ull << 63 | 1, 30 * GIB },
    { (char *) "hugepages-2MiB", 2 * MIB, 0, 0 },
    { (char *) "hugepages-1GiB-node1", GIB, 2, 8 * GIB },
};

static GPtrArray *
random_claims(GRand *random)
{
    static const guint64 page_sizes[] = { 0, 0, 2 * MIB, GIB };
    static const guint64 nodes[] = { 0, 1, 1ull << 63, 1ull << 63 | 1, 2, 3 };
    GPtrArray *claims = memory_claims_new();
    for (guint i = 0; i < 40; i++) {
        MemoryClaim *claim = g_new0(MemoryClaim, 1);
        claim->domain = g_strdup_printf("domain-%u", i / 4);
        claim->device = g_strdup_printf("device-%u", i % 4);
        claim->page_size = page_sizes[g_rand_int_range(random, 0, G_N_ELEMENTS(page_sizes))];
        claim->nodes = nodes[g_rand_int_range(random, 0, G_N_ELEMENTS(nodes))];
        claim->requested = g_rand_int_range(random, 0, 5) * GIB;
        claim->current = g_rand_int_range(random, 0, 5) * GIB;
        claim->granted = memory_claim_held(claim) + g_rand_int_range(random, 0, 2) * GIB;
        claim->wanted = g_rand_int_range(random, 0, 7) * GIB;
        claim->guaranteed = g_rand_int_range(random, 0, 7) * GIB;
        claim->is_stuck = g_rand_int_range(random, 0, 8) == 0;
        claim->waiting_since = g_rand_boolean(random) ? NOON : 0;
        g_ptr_array_add(claims, claim);
    }
    return claims;
}

static void
append_budget(GString *text, const MemoryPool *pool, const GPtrArray *claims)
{
    guint64 granted = 0, held = 0, guaranteed = 0, used = 0, waiting = 0;
    g_autoptr(GHashTable) domains = g_hash_table_new(g_str_hash, g_str_equal);
    for (guint i = 0; i < claims->len; i++) {
        const MemoryClaim *claim = claims->pdata[i];
        if (!memory_pool_holds(pool, claim))
            continue;
        granted += claim->granted;
        held += memory_claim_held(claim);
        guaranteed += claim->guaranteed;
        used += MAX(claim->granted, claim->guaranteed);
        if (claim->waiting_since && memory_claim_missing(claim)) {
            waiting += memory_claim_missing(claim);
            g_hash_table_add(domains, claim->domain);
        }
    }
    bool is_limited = pool->capacity != MEMORY_POOL_UNLIMITED;
    g_autofree char *capacity = g_strdup_printf("%" G_GUINT64_FORMAT, pool->capacity);
    g_autofree char *free_size =
        g_strdup_printf("%" G_GUINT64_FORMAT, pool->capacity > used ? pool->capacity - used : 0);
    g_string_append_printf(text,
                           "%s%s: %s %" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT
                           " %s %u %" G_GUINT64_FORMAT,
                           text->len ? "\n" : "", pool->name, is_limited ? capacity : "-", granted,
                           held, guaranteed, is_limited ? free_size : "-",
                           g_hash_table_size(domains), waiting);
}

/* The pool that holds @claim and lies within every other one that does. */
static const char *
narrowest(const MemoryClaim *claim)
{
    const MemoryPool *found = NULL;
    for (guint i = 0; i < G_N_ELEMENTS(view_pools); i++) {
        const MemoryPool *pool = &view_pools[i];
        if (!memory_pool_holds(pool, claim))
            continue;
        if (!found || !found->nodes || (pool->nodes && !(pool->nodes & ~found->nodes)))
            found = pool;
    }
    return found ? found->name : "-";
}

static const char *
state_word(const MemoryClaim *claim)
{
    if (claim->is_stuck)
        return "stuck";
    if (claim->waiting_since && memory_claim_missing(claim))
        return "waiting";
    return memory_claim_excess(claim) ? "giving" : "held";
}

static void
views_follow_the_rules(void **state)
{
    StateFile *file = *state;
    g_autoptr(GError) error = NULL;
    g_autoptr(Store) store = state_file_open(file, STORE_READ_WRITE);
    g_autoptr(GRand) random = g_rand_new_with_seed(5);
    put_pools(store, view_pools, G_N_ELEMENTS(view_pools));
    for (guint round = 0; round < 20; round++) {
        g_autoptr(GPtrArray) claims = random_claims(random);
        g_autoptr(GString) grants = g_string_new(NULL);
        g_autoptr(GString) budget = g_string_new(NULL);
        assert_ok(store_begin_relaxed(store, &error));
        for (guint i = 0; i < claims->len; i++) {
            const MemoryClaim *claim = claims->pdata[i];
            put(store, claim);
            g_string_append_printf(grants, "%s%s/%s: %s %s %s", i ? "\n" : "", claim->domain,
                                   claim->device, narrowest(claim), state_word(claim),
                                   claim->waiting_since ? "2026-07-01T12:00:00.000000Z" : "-");
        }
        assert_ok(store_commit(store, &error));
        for (guint i = 0; i < G_N_ELEMENTS(view_pools); i++)
            append_budget(budget, &view_pools[i], claims);

        g_autofree char *grants_view = state_file_query(
            file->path, "SELECT domain || '/' || device || ': ' || coalesce(pool, '-') || ' ' ||"
                        " state || ' ' || coalesce(since, '-')"
                        " FROM memory_grants ORDER BY length(domain), domain, device");
        assert_string_equal(grants_view, grants->str);
        g_autofree char *budget_view = state_file_query(
            file->path,
            "SELECT pool || ': ' || coalesce(capacity, '-') || ' ' || granted || ' ' || held ||"
            " ' ' || guaranteed || ' ' || coalesce(free, '-') || ' ' || n_waiting || ' ' || waiting"
            " FROM memory_budget ORDER BY page_size, pool"); /* as view_pools is */
        assert_string_equal(budget_view, budget->str);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        state_test(keeps_every_member), state_test(forgets_what_is_not_kept),
        state_test(replaces_all_pools), state_test(writes_nothing_when_nothing_changes),
        state_test(many_grant_at_once), state_test(views_follow_the_rules),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
