/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Sizes, CPU sets, durations and times: what is read, what is refused, what is written.
 *
 * Each function has a table of texts and what they mean, and a table of texts that mean nothing.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "model/quantity.h"

#define KIB 1024ull
#define MIB (1024 * KIB)
#define GIB (1024 * MIB)

static void
units(void **state)
{
    static const struct {
        const char *unit;
        guint64 bytes;
    } cases[] = {
        { "b", 1 },
        { "byte", 1 },
        { "bytes", 1 },
        { "KB", 1000 },
        { "k", KIB },
        { "K", KIB },
        { "KiB", KIB },
        { "kib", KIB },
        { "MB", 1000000 },
        { "M", MIB },
        { "MiB", MIB },
        { "GB", 1000000000 },
        { "G", GIB },
        { "TB", 1000000000000 },
        { "TiB", 1024 * GIB },
        { "PB", 1000000000000000 },
        { "P", 1024 * 1024 * GIB },
        { "EB", 1000000000000000000 },
        { "EiB", 1024 * 1024 * GIB * 1024 },
        { "", 0 },
        { "KiBi", 0 },
        { "Ki", 0 },
        { "ZB", 0 },
        { "bit", 0 },
        { " K", 0 },
    };

    for (guint i = 0; i < G_N_ELEMENTS(cases); i++)
        if (size_unit_bytes(cases[i].unit) != cases[i].bytes)
            fail_msg("'%s' is %" G_GUINT64_FORMAT, cases[i].unit, size_unit_bytes(cases[i].unit));
}

static void
sizes_are_read(void **state)
{
    static const struct {
        const char *text;
        guint64 bytes;
    } cases[] = {
        { "0", 0 },
        { "1073741824", GIB },
        { "512MiB", 512 * MIB },
        { "2 GiB", 2 * GIB },
        { " 2G ", 2 * GIB },
        { "1.5 GiB", 3 * GIB / 2 },
        { "0.001 KB", 1 },
        { "18446744073709551615", G_MAXUINT64 },
        { "15 EiB", G_MAXUINT64 / (1 << 30) / (1 << 30) * GIB * GIB },
    };
    static const char *const bad[] = { "",
                                       " ",
                                       "-1",
                                       "+1",
                                       "1.5",
                                       "1.",
                                       ".5 GiB",
                                       "MiB",
                                       "1 XB",
                                       "0x10",
                                       "1 GiB 2",
                                       "1e3",
                                       "1,5 GB",
                                       "16 EiB",
                                       "18446744073709551616",
                                       "99999999999999999999999",
                                       "1.0000000000000 GiB" };

    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        guint64 bytes = 42;

        if (!size_parse(cases[i].text, &bytes) || bytes != cases[i].bytes)
            fail_msg("'%s' is %" G_GUINT64_FORMAT, cases[i].text, bytes);
    }
    for (guint i = 0; i < G_N_ELEMENTS(bad); i++) {
        guint64 bytes = 42;

        if (size_parse(bad[i], &bytes) || bytes != 42)
            fail_msg("'%s' is %" G_GUINT64_FORMAT, bad[i], bytes);
    }
}

static void
sizes_are_written(void **state)
{
    static const struct {
        guint64 bytes;
        const char *text;
    } cases[] = {
        { 0, "0 B" },
        { 1023, "1023 B" },
        { 1024, "1 KiB" },
        { 320 * MIB, "320 MiB" },
        { GIB, "1 GiB" },
        { 3 * GIB / 2, "1.5 GiB" },
        { 5 * GIB / 4, "1.25 GiB" },
        { GIB + 1, "1 GiB" },
        { GIB - 1, "1 GiB" },
        { 10 * GIB / 3, "3.33 GiB" },
        { 1024 * GIB + 11 * GIB, "1.01 TiB" },
        { G_MAXUINT64, "16 EiB" },
    };

    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *text = size_text(cases[i].bytes);

        assert_string_equal(text, cases[i].text);
    }
}

static void
cpusets(void **state)
{
    static const struct {
        const char *text, *canonical;
    } cases[] = {
        { "0", "0" },
        { "0-3,^2,7", "0-1,3,7" },
        { "7,0,1 , 2-2", "0-2,7" },
        { "0-3,^2,2", "0-3" },
        { "4095", "4095" },
        { "0-4095", "0-4095" },
        { "007", "7" },
        { "", NULL },
        { ",", NULL },
        { "1,", NULL },
        { "1-", NULL },
        { "3-1", NULL },
        { "-1", NULL },
        { "4096", NULL },
        { "0-99999999999999999999", NULL },
        { "0,^0", NULL },
        { "0-3,^1-2", NULL },
        { "all", NULL },
        { "1 2", NULL },
    };

    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *canonical = cpuset_normalize(cases[i].text);

        if (g_strcmp0(canonical, cases[i].canonical))
            fail_msg("'%s' is %s", cases[i].text, canonical);
        if (canonical) {
            g_autofree char *again = cpuset_normalize(canonical);

            assert_string_equal(again, canonical);
        }
    }
}

static void
cpuset_members_are_listed(void **state)
{
    static const guint expected[] = { 0, 1, 3, 4095 };
    g_autoptr(GArray) members = cpuset_members("0-1,3,4095"), none = cpuset_members(NULL);

    assert_int_equal(members->len, G_N_ELEMENTS(expected));
    assert_memory_equal(members->data, expected, sizeof expected);
    assert_int_equal(none->len, 0);
    assert_true(cpuset_contains("0-1,3", 3));
    assert_false(cpuset_contains("0-1,3", 2));
    assert_false(cpuset_contains("0-4095", 4096));
    assert_false(cpuset_contains(NULL, 0));
}

static void
durations_are_read(void **state)
{
    static const struct {
        const char *text;
        gint64 us;
    } cases[] = {
        { "0", 0 },
        { "60s", 60000000 },
        { "5m", 300000000 },
        { "250ms", 250000 },
        { "3us", 3 },
        { "1h30m", 5400000000 },
        { "1h 30m", 5400000000 },
        { "2d", 172800000000 },
        { "1.5s", 1500000 },
        { "106751991d", 106751991ll * 86400 * 1000000 },
    };
    static const char *const bad[] = { "",     " ",  "60",  "s",    "-5s",        "5x",
                                       "1h30", "5 ", "1.s", "5sec", "106751992d", "5s!" };

    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        gint64 us = 42;

        if (!duration_parse(cases[i].text, &us) || us != cases[i].us)
            fail_msg("'%s' is %" G_GINT64_FORMAT, cases[i].text, us);
    }
    for (guint i = 0; i < G_N_ELEMENTS(bad); i++) {
        gint64 us = 42;

        if (duration_parse(bad[i], &us) || us != 42)
            fail_msg("'%s' is %" G_GINT64_FORMAT, bad[i], us);
    }
}

static void
durations_are_written(void **state)
{
    static const struct {
        gint64 us;
        const char *text;
    } cases[] = {
        { 0, "0s" },
        { 7, "7us" },
        { 1500, "1.5ms" },
        { 250000, "250ms" },
        { 1500000, "1.5s" },
        { 59999999, "59.999s" },
        { 60000000, "1m" },
        { 150000000, "2m30s" },
        { 5400000000, "1h30m" },
        { 86401000000, "1d1s" },
        { -150000000, "-2m30s" },
        { -7, "-7us" },
    };

    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *text = duration_text(cases[i].us);

        assert_string_equal(text, cases[i].text);
    }
    for (gint64 us = 1; us < G_MAXINT64 / 7; us *= 7) {
        g_autofree char *text = duration_text(us);
        gint64 again;

        assert_true(duration_parse(text, &again));
        assert_true(again <= us && us - again < G_USEC_PER_SEC);
    }
}

static void
times_are_written(void **state)
{
    static const struct {
        gint64 us;
        const char *text;
    } cases[] = {
        { 0, "1970-01-01T00:00:00Z" },
        { 1753920000000000, "2025-07-31T00:00:00Z" },
        { 1753920000000042, "2025-07-31T00:00:00.000042Z" },
        { -1, "1969-12-31T23:59:59.999999Z" },
    };

    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *text = time_text(cases[i].us);

        assert_string_equal(text, cases[i].text);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(units),
        cmocka_unit_test(sizes_are_read),
        cmocka_unit_test(sizes_are_written),
        cmocka_unit_test(cpusets),
        cmocka_unit_test(cpuset_members_are_listed),
        cmocka_unit_test(durations_are_read),
        cmocka_unit_test(durations_are_written),
        cmocka_unit_test(times_are_written),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
