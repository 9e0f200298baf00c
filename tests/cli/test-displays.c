/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Several guests with SPICE displays as virt-install writes them start at once, on a host without
 * certificates: each gets a port of its own.
 */
#include "tests/cli/domain-file.h"
#include "tests/support/qemus.h"
#include "tests/support/virtkeep.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static gint64
spice_port(Scratch *scratch, const char *name)
{
    g_autoptr(Json) spice = qemu_ask(scratch, name, "query-spice", NULL);

    assert_int_equal(json_get_int(spice, "tls-port", 0), 0);
    return json_get_int(spice, "port", 0);
}

static void
test_two(void **state)
{
    g_autoptr(Scratch) scratch = scratch_new();
    static const char *const names[] = { "a", "b" };

    g_free(scratch_write(scratch, "virtkeep.yaml", "tls: { spice: /nowhere }\n"));
    for (guint i = 0; i < G_N_ELEMENTS(names); i++)
        domain_file_write(scratch, &(DomainFile){
                                       .name = names[i],
                                       .devices = "<graphics type='spice' port='-1' tlsPort='-1' "
                                                  "autoport='yes'/>",
                                   });
    g_free(virtkeep_expect(scratch, 60, 0, "apply"));
    assert_true(spice_port(scratch, "a") > 0);
    assert_int_not_equal(spice_port(scratch, "a"), spice_port(scratch, "b"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_two) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
