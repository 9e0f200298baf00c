/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Medians, since one slow run on a machine that does other things too says nothing. A ratio is
 * the median of the ratios of pairs: the two of a pair were measured one right after the other, so
 * that a machine that was busy for a while was busy for both.
 */
#include "tests/bench/figures.h"

struct Figures {
    GArray *values; /* double, in order of measurement */
};

Figures *
figures_new(void)
{
    Figures *figures = g_new0(Figures, 1);

    figures->values = g_array_new(FALSE, FALSE, sizeof(double));
    return figures;
}

void
figures_free(Figures *figures)
{
    if (!figures)
        return;
    g_array_unref(figures->values);
    g_free(figures);
}

void
figures_add(Figures *figures, double value)
{
    g_array_append_val(figures->values, value);
}

guint
figures_count(const Figures *figures)
{
    return figures->values->len;
}

double
figures_last(const Figures *figures)
{
    g_assert(figures->values->len > 0);
    return g_array_index(figures->values, double, figures->values->len - 1);
}

static gint
compare(gconstpointer a, gconstpointer b)
{
    double x = *(const double *) a, y = *(const double *) b;

    return (x > y) - (x < y);
}

/* A sorted copy. */
static GArray *
sorted(const Figures *figures)
{
    GArray *values = g_array_copy(figures->values);

    g_array_sort(values, compare);
    return values;
}

double
figures_median(const Figures *figures)
{
    g_autoptr(GArray) values = sorted(figures);
    guint n = values->len;

    if (!n)
        return 0;
    return (g_array_index(values, double, (n - 1) / 2) + g_array_index(values, double, n / 2)) / 2;
}

static int
decimals(double value)
{
    return value < 10 ? 2 : value < 100 ? 1 : 0;
}

char *
figures_text(const Figures *figures)
{
    g_autoptr(GArray) values = sorted(figures);
    double median = figures_median(figures);
    int digits = decimals(median);

    if (!values->len)
        return g_strdup("-");
    return g_strdup_printf("%.*f (%.*f-%.*f, n=%u)", digits, median, digits,
                           g_array_index(values, double, 0), digits,
                           g_array_index(values, double, values->len - 1), values->len);
}

double
milliseconds_since(gint64 start_us)
{
    return (g_get_monotonic_time() - start_us) / 1000.0;
}

double
figures_ratio(const Figures *figures, const Figures *reference)
{
    g_autoptr(Figures) ratios = figures_new();

    g_assert(figures->values->len == reference->values->len && figures->values->len > 0);
    for (guint i = 0; i < figures->values->len; i++)
        figures_add(ratios, g_array_index(figures->values, double, i) /
                                g_array_index(reference->values, double, i));
    return figures_median(ratios);
}
