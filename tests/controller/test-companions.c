/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Who is told to be the cause when a QEMU does not answer at its start: swtpm and virtiofsd are met
 * while it starts, and one that hangs holds it up without a word.
 */
#include "controller/companions.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "qemu/companion-process.h"
#include "qemu/qmp.h"

static char *
told(int code, guint n_records)
{
    CompanionRecord tpm = { .kind = (char *) "swtpm", .id = (char *) "tpm0", .is_alive = true };
    CompanionRecord share = { .kind = (char *) "virtiofsd",
                              .id = (char *) "fs0",
                              .is_alive = true };
    g_autoptr(GPtrArray) records = g_ptr_array_new();
    g_autoptr(GError) error = g_error_new_literal(QMP_ERROR, code, "no greeting");

    g_ptr_array_add(records, &tpm);
    g_ptr_array_add(records, &share);
    g_ptr_array_set_size(records, n_records);
    companions_suspect(records, &error);
    return g_strdup(error->message);
}

static void
test_suspected(void **state)
{
    g_autofree char *both = told(QMP_ERROR_BUSY, 2), *one = told(QMP_ERROR_TIMEOUT, 1);

    assert_non_null(strstr(both, "(swtpm of tpm0, virtiofsd of fs0): no greeting"));
    assert_non_null(strstr(one, "(swtpm of tpm0): no greeting"));
}

static void
test_not_suspected(void **state)
{
    g_autofree char *nobody = told(QMP_ERROR_BUSY, 0), *refused = told(QMP_ERROR_GENERIC, 2);

    assert_string_equal(nobody, "no greeting");
    assert_string_equal(refused, "no greeting");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_suspected),
        cmocka_unit_test(test_not_suspected),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
