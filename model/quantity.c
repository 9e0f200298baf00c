/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Sizes, CPU sets, durations and times, as text and as numbers.
 *
 * Everything here reads what a person or libvirt wrote and says yes or no: no clamping and no
 * "almost". Arithmetic on sizes and durations is done in 128 bits and narrowed once at the end,
 * so that an overflow is a refusal, never a small number.
 *
 * libvirt compares units without regard to case, and so "kib" and "Byte" are read too; "KB" is
 * 1000 and "K", "KiB" are 1024 for it and for us. A CPU set is a list of numbers, ranges and
 * "^N" exclusions that are applied from left to right; its canonical text has ascending ranges
 * and is what all members of TYPE_CPUSET hold, so that two sets are equal when their texts are.
 */
#include "model/quantity.h"

#include <string.h>

#define CPUSET_MAX 4096u
#define DECIMALS_MAX 12

typedef unsigned __int128 Wide;

typedef struct Unit {
    const char *name;
    guint64 size;
} Unit;

static const char binary_prefixes[] = "KMGTPE";

guint64
size_unit_bytes(const char *unit)
{
    const char *prefix;
    guint64 base, bytes = 1;

    if (!g_ascii_strcasecmp(unit, "b") || !g_ascii_strcasecmp(unit, "byte") ||
        !g_ascii_strcasecmp(unit, "bytes"))
        return 1;
    prefix = *unit ? strchr(binary_prefixes, g_ascii_toupper(*unit)) : NULL;
    if (!prefix)
        return 0;
    if (!unit[1] || !g_ascii_strcasecmp(unit + 1, "ib"))
        base = 1024;
    else if (!g_ascii_strcasecmp(unit + 1, "b"))
        base = 1000;
    else
        return 0;
    for (const char *p = binary_prefixes; p <= prefix; p++)
        bytes *= base;
    return bytes;
}

/* A decimal number at @text as @ret_whole and @ret_fraction of @ret_scale; where it ends, or NULL
 * when there is none or it is too long. */
static const char *
read_decimal(const char *text, guint64 *ret_whole, guint64 *ret_fraction, guint64 *ret_scale)
{
    guint64 whole = 0, fraction = 0, scale = 1;
    const char *p = text;

    for (; g_ascii_isdigit(*p); p++) {
        guint digit = *p - '0';

        if (whole > (G_MAXUINT64 - digit) / 10)
            return NULL;
        whole = whole * 10 + digit;
    }
    if (p == text)
        return NULL;
    if (*p == '.') {
        const char *first = ++p;

        for (; g_ascii_isdigit(*p); p++, scale *= 10) {
            if (p - first == DECIMALS_MAX)
                return NULL;
            fraction = fraction * 10 + (*p - '0');
        }
        if (p == first)
            return NULL;
    }
    *ret_whole = whole;
    *ret_fraction = fraction;
    *ret_scale = scale;
    return p;
}

bool
size_parse(const char *text, guint64 *ret_bytes)
{
    guint64 whole, fraction, scale, unit = 1;
    const char *p = text + strspn(text, " \t");
    g_autofree char *name = NULL;
    Wide bytes;

    p = read_decimal(p, &whole, &fraction, &scale);
    if (!p)
        return false;
    name = g_strstrip(g_strdup(p));
    if (*name)
        unit = size_unit_bytes(name);
    else if (scale > 1)
        return false;
    if (!unit)
        return false;
    bytes = (Wide) whole * unit + (Wide) fraction * unit / scale;
    if (bytes > G_MAXUINT64)
        return false;
    *ret_bytes = (guint64) bytes;
    return true;
}

char *
size_text(guint64 bytes)
{
    static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
    guint i = 0;
    Wide hundredths;

    while (i + 1 < G_N_ELEMENTS(units) && bytes >> (10 * (i + 1)))
        i++;
    hundredths = (((Wide) bytes * 100) + ((Wide) 1 << (10 * i)) / 2) >> (10 * i);
    /* 1023.999 MiB is 1 GiB for people. */
    if (hundredths >= 102400 && i + 1 < G_N_ELEMENTS(units)) {
        hundredths = 100;
        i++;
    }
    if (hundredths % 100 == 0)
        return g_strdup_printf("%u %s", (guint) (hundredths / 100), units[i]);
    if (hundredths % 10 == 0)
        return g_strdup_printf("%u.%u %s", (guint) (hundredths / 100),
                               (guint) (hundredths / 10 % 10), units[i]);
    return g_strdup_printf("%u.%02u %s", (guint) (hundredths / 100), (guint) (hundredths % 100),
                           units[i]);
}

/* ---- CPU sets ---- */

static const char *
read_cpu(const char *text, guint *ret_cpu)
{
    guint cpu = 0;
    const char *p = text;

    for (; g_ascii_isdigit(*p); p++) {
        cpu = cpu * 10 + (*p - '0');
        if (cpu >= CPUSET_MAX)
            return NULL;
    }
    if (p == text)
        return NULL;
    *ret_cpu = cpu;
    return p;
}

static const char *
skip_space(const char *text)
{
    while (g_ascii_isspace(*text))
        text++;
    return text;
}

static bool
read_cpuset(const char *text, guint8 *members)
{
    const char *p = text;

    for (;;) {
        bool is_excluded;
        guint first, last;

        p = skip_space(p);
        is_excluded = *p == '^';
        p = read_cpu(p + is_excluded, &first);
        if (!p)
            return false;
        last = first;
        if (*p == '-' && (is_excluded || !(p = read_cpu(p + 1, &last)) || last < first))
            return false;
        for (guint cpu = first; cpu <= last; cpu++)
            members[cpu] = !is_excluded;
        p = skip_space(p);
        if (!*p)
            return true;
        if (*p++ != ',')
            return false;
    }
}

char *
cpuset_normalize(const char *text)
{
    guint8 members[CPUSET_MAX + 1] = { 0 };
    g_autoptr(GString) out = g_string_new(NULL);

    if (!read_cpuset(text, members))
        return NULL;
    for (guint first = 0; first < CPUSET_MAX; first++) {
        guint last = first;

        if (!members[first])
            continue;
        while (members[last + 1])
            last++;
        g_string_append_printf(out, out->len ? ",%u" : "%u", first);
        if (last > first)
            g_string_append_printf(out, "-%u", last);
        first = last;
    }
    if (!out->len)
        return NULL;
    return g_strdup(out->str);
}

GArray *
cpuset_members(const char *cpuset)
{
    GArray *list = g_array_new(FALSE, FALSE, sizeof(guint));
    guint8 members[CPUSET_MAX + 1] = { 0 };

    if (!cpuset || !read_cpuset(cpuset, members))
        return list;
    for (guint cpu = 0; cpu < CPUSET_MAX; cpu++)
        if (members[cpu])
            g_array_append_val(list, cpu);
    return list;
}

bool
cpuset_contains(const char *cpuset, guint member)
{
    guint8 members[CPUSET_MAX + 1] = { 0 };

    return cpuset && member < CPUSET_MAX && read_cpuset(cpuset, members) && members[member];
}

/* ---- durations and times ---- */

static const Unit duration_units[] = {
    { "us", 1 },
    { "ms", 1000 },
    { "s", G_USEC_PER_SEC },
    { "m", 60 * (guint64) G_USEC_PER_SEC },
    { "h", 3600 * (guint64) G_USEC_PER_SEC },
    { "d", 86400 * (guint64) G_USEC_PER_SEC },
};

static guint64
duration_unit(const char *name, gsize length)
{
    for (guint i = 0; i < G_N_ELEMENTS(duration_units); i++)
        if (strlen(duration_units[i].name) == length &&
            !strncmp(duration_units[i].name, name, length))
            return duration_units[i].size;
    return 0;
}

bool
duration_parse(const char *text, gint64 *ret_us)
{
    const char *p = skip_space(text);
    Wide total = 0;

    if (g_str_equal(p, "0")) {
        *ret_us = 0;
        return true;
    }
    if (!*p)
        return false;
    while (*p) {
        guint64 whole, fraction, scale, unit;
        gsize length = 0;

        p = read_decimal(p, &whole, &fraction, &scale);
        if (!p)
            return false;
        p = skip_space(p);
        while (g_ascii_isalpha(p[length]))
            length++;
        unit = duration_unit(p, length);
        if (!unit)
            return false;
        total += (Wide) whole * unit + (Wide) fraction * unit / scale;
        if (total > G_MAXINT64)
            return false;
        p = skip_space(p + length);
    }
    *ret_us = (gint64) total;
    return true;
}

/* @value thousandths of @unit with as many decimals as they need. */
static char *
thousandths_text(guint64 value, const char *unit)
{
    guint fraction = value % 1000, digits = 3;

    while (digits && fraction % 10 == 0) {
        fraction /= 10;
        digits--;
    }
    if (!digits)
        return g_strdup_printf("%" G_GUINT64_FORMAT "%s", value / 1000, unit);
    return g_strdup_printf("%" G_GUINT64_FORMAT ".%0*u%s", value / 1000, (int) digits, fraction,
                           unit);
}

char *
duration_text(gint64 us)
{
    const char *sign = us < 0 ? "-" : "";
    guint64 left = us < 0 ? -(guint64) us : (guint64) us;
    g_autoptr(GString) out = g_string_new(sign);
    g_autofree char *small = NULL;

    if (left < 60 * (guint64) G_USEC_PER_SEC) {
        if (left == 0)
            small = g_strdup("0s");
        else if (left < 1000)
            small = g_strdup_printf("%uus", (guint) left);
        else if (left < G_USEC_PER_SEC)
            small = thousandths_text(left, "ms");
        else
            small = thousandths_text(left / 1000, "s");
        return g_strconcat(sign, small, NULL);
    }
    for (guint i = G_N_ELEMENTS(duration_units) - 1; i >= 2; i--) {
        guint64 count = left / duration_units[i].size;

        left %= duration_units[i].size;
        if (count)
            g_string_append_printf(out, "%" G_GUINT64_FORMAT "%s", count, duration_units[i].name);
    }
    return g_strdup(out->str);
}

char *
time_text(gint64 us)
{
    gint64 seconds = us / G_USEC_PER_SEC, fraction = us % G_USEC_PER_SEC;
    g_autoptr(GDateTime) time = NULL;
    g_autofree char *text = NULL;

    if (fraction < 0) {
        fraction += G_USEC_PER_SEC;
        seconds--;
    }
    time = g_date_time_new_from_unix_utc(seconds);
    if (!time)
        return g_strdup_printf("@%" G_GINT64_FORMAT, seconds);
    text = g_date_time_format(time, "%Y-%m-%dT%H:%M:%S");
    if (!fraction)
        return g_strconcat(text, "Z", NULL);
    return g_strdup_printf("%s.%06uZ", text, (guint) fraction);
}
