/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Ports of SPICE displays: two that are chosen at the same time are two, what is chosen can be had
 * by a server that starts as QEMU does, and TLS is asked for where it is meant.
 */
#include "controller/graphics-ports.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "model/graphics.h"
#include "model/spec.h"
#include "tests/support/scratch.h"

static Domain *
domain_with(const char *graphics)
{
    g_autofree char *address = scratch_address();
    g_autofree char *xml = g_strdup_printf(
        "<domain type='qemu'><name>a</name><memory>65536</memory><os><type>hvm</type></os>"
        "<devices><graphics type='spice' listen='%s' %s</devices></domain>",
        address, graphics);
    g_autoptr(Spec) spec = spec_parse("a.xml", xml, strlen(xml));

    assert_true(spec_is_valid(spec));
    return domain_copy(spec->domain);
}

static const Graphics *
display(const Domain *domain)
{
    return list_at(domain->graphics, 0, Graphics);
}

static bool
can_listen(gint64 port)
{
    g_autofree char *host = scratch_address();
    g_autoptr(GSocketAddress) address = g_inet_socket_address_new_from_string(host, port);
    g_autoptr(GSocket) socket =
        g_socket_new(G_SOCKET_FAMILY_IPV4, G_SOCKET_TYPE_STREAM, G_SOCKET_PROTOCOL_TCP, NULL);

    return g_socket_bind(socket, address, TRUE, NULL) && g_socket_listen(socket, NULL);
}

static void
test_two_at_once(void **state)
{
    g_autoptr(Domain) domain = domain_with("port='-1' autoport='yes'/>");
    g_autoptr(GPtrArray) first_held = NULL, second_held = NULL;
    g_autoptr(Domain) first = graphics_ports_choose(domain, "/nowhere", &first_held);
    g_autoptr(Domain) second = graphics_ports_choose(domain, "/nowhere", &second_held);

    assert_true(display(first)->port.value > 0);
    assert_int_not_equal(display(first)->port.value, display(second)->port.value);
    assert_int_not_equal(display(first)->auto_port, TRISTATE_ON);
    assert_true(can_listen(display(first)->port.value));
}

/* Of what is given, autoport means nothing; without it, all of it is meant. */
static void
test_tls(void **state)
{
    g_autoptr(Scratch) scratch = scratch_new();
    const struct {
        const char *graphics, *certificates;
        bool has_tls, lacks_plain;
    } rows[] = {
        { "port='-1' tlsPort='-1' autoport='yes'/>", "/nowhere", false },
        { "port='-1' tlsPort='-1' autoport='yes'/>", scratch_dir(scratch), true },
        { "port='-1' autoport='yes'/>", scratch_dir(scratch), false },
        { "autoport='yes' defaultMode='secure'/>", "/nowhere", true, true },
        { "autoport='yes' defaultMode='secure'><channel name='main' mode='insecure'/></graphics>",
          "/nowhere", true },
        { "tlsPort='5901'/>", "/nowhere", true, true },
        { "tlsPort='-1'/>", "/nowhere", true, true },
        { "/>", scratch_dir(scratch), false, true },
        { "autoport='yes'><channel name='main' mode='secure'/></graphics>", "/nowhere", true },
        { "port='5900' tlsPort='-1'/>", "/nowhere", true },
    };

    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(Domain) domain = domain_with(rows[i].graphics);
        g_autoptr(GPtrArray) held = NULL;
        g_autoptr(Domain) chosen = graphics_ports_choose(domain, rows[i].certificates, &held);

        if ((display(chosen)->tls_port.value > 0) != rows[i].has_tls)
            fail_msg("row %u: TLS port %" G_GINT64_FORMAT, i, display(chosen)->tls_port.value);
        if ((display(chosen)->port.value > 0) == rows[i].lacks_plain)
            fail_msg("row %u: port %" G_GINT64_FORMAT, i, display(chosen)->port.value);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_two_at_once),
        cmocka_unit_test(test_tls),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
