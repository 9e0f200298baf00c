/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Policy in a domain's own file: each attribute is read into its member, and a bad value is refused
 * where it stands.
 */
#include "model/spec.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define MIB ((guint64) 1 << 20)

static Spec *
spec_of(const char *attributes)
{
    g_autofree char *text =
        g_strdup_printf("<domain type='qemu'><name>a</name><memory>65536</memory>\n"
                        "<os><type arch='x86_64' machine='q35'>hvm</type></os>\n"
                        "<metadata><vk:policy xmlns:vk='" POLICY_NAMESPACE "'\n"
                        "%s/></metadata></domain>",
                        attributes);

    return spec_parse("a.xml", text, strlen(text));
}

static void
test_every_attribute(void **state)
{
    g_autoptr(Spec) spec =
        spec_of("run-strategy='always' restart-required='restart' prune='destroy'"
                " shutdown-timeout='5s' memory-step='8' memory-stall-timeout='2m'"
                " memory-guest-reserve='256MiB' memory-shrink-unguarded='refuse'"
                " memory-priority='-1000' memory-guarantee='1 GiB' memory-admission='refuse'"
                " memory-balloon='current'");
    Policy policy = policy_default();

    assert_true(spec_is_valid(spec));
    policy_override(&policy, &spec->policy);
    assert_int_equal(policy.run_strategy, RUN_ALWAYS);
    assert_int_equal(policy.restart_required, RESTART_RESTART);
    assert_int_equal(policy.prune, PRUNE_DESTROY);
    assert_int_equal(policy.shutdown_timeout, 5 * G_USEC_PER_SEC);
    assert_int_equal(policy.step, 8);
    assert_int_equal(policy.stall_timeout, 120 * G_USEC_PER_SEC);
    assert_int_equal(policy.guest_reserve, 256 * MIB);
    assert_int_equal(policy.shrink_unguarded, UNGUARDED_REFUSE);
    assert_int_equal(policy.memory_priority, -1000);
    assert_int_equal(policy.memory_guarantee, 1024 * MIB);
    assert_int_equal(policy.memory_admission, ADMISSION_REFUSE);
    assert_int_equal(policy.memory_balloon, BALLOON_CURRENT);
}

static void
test_bad_values(void **state)
{
    static const struct {
        const char *attribute, *wrong;
    } rows[] = {
        { "shutdown-timeout='soon'", "@shutdown-timeout: 'soon' is not a duration such as 60s" },
        { "memory-step='0'", "@memory-step: '0' is not auto, all, or a number of blocks" },
        { "memory-stall-timeout='0s'",
          "@memory-stall-timeout: '0s' is not a duration such as 60s, above zero" },
        { "memory-guest-reserve='5%'",
          "@memory-guest-reserve: '5%' is not auto or a size such as 256MiB" },
        { "memory-priority='high'",
          "@memory-priority: 'high' is not a whole number from -1000 to 1000" },
        { "memory-priority='1001'",
          "@memory-priority: '1001' is not a whole number from -1000 to 1000" },
        { "memory-guarantee='all'", "@memory-guarantee: 'all' is not a size such as 1GiB" },
    };

    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(Spec) spec = spec_of(rows[i].attribute);
        g_autofree char *lines = diagnostics_format(spec->diagnostics);
        g_autofree char *expected =
            g_strdup_printf("a.xml:4:1: error: metadata/vk:policy/%s [bad-value]\n", rows[i].wrong);

        assert_false(spec_is_valid(spec));
        assert_string_equal(lines, expected);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_attribute),
        cmocka_unit_test(test_bad_values),
    };

    return cmocka_run_group_tests_name("policy", tests, NULL, NULL);
}
