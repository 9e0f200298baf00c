/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The public words of the sync state: each value has one, each word leads back, and they are the
 * ones the contract names.
 */
#include "model/sync.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void
words_and_values_agree(void **state)
{
    static const char *const contract[] = {
        NULL,      "Synced",          "OutOfSync", "Progressing", "Stalled",   "Guarded",
        "Waiting", "RestartRequired", "Invalid",   "Orphaned",    "Suspended", "Failed",
    };
    assert_int_equal(G_N_ELEMENTS(contract), N_SYNC_STATES);
    for (guint i = 1; i < N_SYNC_STATES; i++) {
        assert_string_equal(sync_state_name(i), contract[i]);
        assert_int_equal(sync_state_parse(contract[i]), i);
    }
    assert_null(sync_state_name(SYNC_UNKNOWN));
    assert_null(sync_state_name(N_SYNC_STATES));
    assert_int_equal(sync_state_parse(NULL), SYNC_UNKNOWN);
    assert_int_equal(sync_state_parse("synced"), SYNC_UNKNOWN);
    assert_int_equal(sync_state_parse(""), SYNC_UNKNOWN);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_and_values_agree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
