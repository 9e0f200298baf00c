/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Several guests with SPICE displays as virt-install writes them start at once, on a host without
 * certificates: each gets a port of its own. And a given port that another has: what QEMU says of
 * it, in several lines, is told by every command in one.
 */
#include "tests/cli/domain-file.h"
#include "tests/support/qemus.h"
#include "tests/support/virtkeep.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <gio/gio.h>

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

static void
assert_one_line(Scratch *scratch, const char *command)
{
    g_autofree char *text = virtkeep_expect(scratch, 10, 0, command, "a");

    if (!strstr(text, "QEMU exited: ") || !strstr(text, "; ") || strstr(text, "\\x0a"))
        fail_msg("%s says:\n%s", command, text);
}

static void
test_port_in_use(void **state)
{
    g_autoptr(Scratch) scratch = scratch_new();
    g_autoptr(GSocketAddress) address = g_inet_socket_address_new_from_string("127.0.0.1", 0);
    g_autoptr(GSocket) socket =
        g_socket_new(G_SOCKET_FAMILY_IPV4, G_SOCKET_TYPE_STREAM, G_SOCKET_PROTOCOL_TCP, NULL);
    g_autoptr(GSocketAddress) bound = NULL;
    g_autofree char *devices = NULL;

    assert_true(g_socket_bind(socket, address, TRUE, NULL) && g_socket_listen(socket, NULL));
    bound = g_socket_get_local_address(socket, NULL);
    devices = g_strdup_printf("<graphics type='spice' port='%u' autoport='no'/>",
                              g_inet_socket_address_get_port(G_INET_SOCKET_ADDRESS(bound)));
    domain_file_write(scratch, &(DomainFile){ .name = "a", .devices = devices });
    g_free(virtkeep_expect(scratch, 60, 1, "apply"));
    assert_one_line(scratch, "status");
    assert_one_line(scratch, "explain");
    assert_one_line(scratch, "history");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_two),
        cmocka_unit_test(test_port_in_use),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
