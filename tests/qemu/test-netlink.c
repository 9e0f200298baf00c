/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Netlink messages as bytes, built and read, without a socket: how attributes are padded and
 * nested, and that a length which lies is never followed.
 */
#include "qemu/netlink.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void
test_build(void **state)
{
    struct ifinfomsg header = { .ifi_index = 7 };
    g_autoptr(GByteArray) message =
        netlink_message_new(RTM_NEWLINK, NLM_F_CREATE, &header, sizeof header);
    const struct nlmsghdr *start = (const void *) message->data;
    static const guint8 expected[] = {
        /* IFLA_IFNAME, 4 + "br0\0" */
        8,
        0,
        IFLA_IFNAME,
        0,
        'b',
        'r',
        '0',
        0,
        /* IFLA_LINKINFO, nested: IFLA_INFO_KIND, 4 + "veth\0", padded to 4 */
        16,
        0,
        IFLA_LINKINFO,
        0x80,
        9,
        0,
        IFLA_INFO_KIND,
        0,
        'v',
        'e',
        't',
        'h',
        0,
        0,
        0,
        0,
        /* IFLA_MTU */
        8,
        0,
        IFLA_MTU,
        0,
        0xdc,
        5,
        0,
        0,
    };
    gsize nest;

    netlink_put_string(message, IFLA_IFNAME, "br0");
    nest = netlink_nest(message, IFLA_LINKINFO);
    netlink_put_string(message, IFLA_INFO_KIND, "veth");
    netlink_nest_end(message, nest);
    netlink_put_u32(message, IFLA_MTU, 1500);
    start = (const void *) message->data;
    assert_int_equal(start->nlmsg_type, RTM_NEWLINK);
    assert_int_equal(start->nlmsg_flags, NLM_F_REQUEST | NLM_F_CREATE);
    assert_int_equal(((const struct ifinfomsg *) NLMSG_DATA(start))->ifi_index, 7);
    assert_int_equal(message->len, NLMSG_HDRLEN + sizeof header + sizeof expected);
    assert_memory_equal(message->data + NLMSG_HDRLEN + sizeof header, expected, sizeof expected);
}

static void
test_read(void **state)
{
    static const guint8 bytes[] = {
        7, 0, 1, 0,    'a', 'b', 0, 0, /* three bytes and one of padding */
        8, 0, 2, 0x80, 1,   0,   0, 0, /* nested, which the type doesn't say */
        6, 0, 3, 0,    1,   0,   0, 0, /* two bytes only */
        6, 0, 4, 0,    'x', 'y',       /* no zero at the end, no padding after it */
    };
    g_autofree char *text = netlink_string(netlink_find(bytes, sizeof bytes, 1));
    g_autofree char *last = netlink_string(netlink_find(bytes, sizeof bytes, 4));

    assert_string_equal(text, "ab");
    assert_string_equal(last, "xy");
    assert_int_equal(netlink_u32(netlink_find(bytes, sizeof bytes, 2)), 1);
    assert_int_equal(netlink_u32(netlink_find(bytes, sizeof bytes, 3)), 0);
    assert_null(netlink_find(bytes, sizeof bytes, 5));
    assert_null(netlink_string(NULL));
    assert_int_equal(netlink_u32(NULL), 0);
}

/* Lengths that lie end the search; they are never followed. */
static void
test_read_malformed(void **state)
{
    static const guint8 none[] = { 0, 0, 1, 0, 0, 0, 0, 0 };
    static const guint8 beyond[] = { 200, 0, 1, 0, 0, 0, 0, 0 };
    static const guint8 before[] = { 8, 0, 1, 0, 0, 0, 0, 0, 255, 255, 2, 0 };

    assert_null(netlink_find(none, sizeof none, 1));
    assert_null(netlink_find(beyond, sizeof beyond, 1));
    assert_null(netlink_find(before, sizeof before, 2));
    assert_null(netlink_find(before, 3, 1));
    assert_non_null(netlink_find(before, sizeof before, 1));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_build),
        cmocka_unit_test(test_read),
        cmocka_unit_test(test_read_malformed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
