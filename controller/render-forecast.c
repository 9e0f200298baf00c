/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How memory would move between guests:
 *
 *     Memory
 *       memory  3 GiB of 3 GiB granted now, 3 GiB at most on the way, 2.5 GiB in the end
 *       1. db-1   virtiomem0  2 GiB -> 1 GiB
 *       2. web-1  virtiomem0  512 MiB -> 1 GiB  as db-1 gives back
 *       3. web-3  qemu, boot  0 B -> 576 MiB
 *       ! web-2 waits for 1 GiB: the budget of 3 GiB is used up: …
 *
 * What a domain does at once is one line. Pools that nobody has anything of, or that have no limit,
 * are left out.
 */
#include "controller/render-forecast.h"

#include "controller/terminal.h"
#include "model/quantity.h"

static bool
is_worth_a_line(const MemoryPoolPeak *peak)
{
    return peak->capacity != MEMORY_POOL_UNLIMITED && (peak->now || peak->peak);
}

static void
append_pool(GString *out, const MemoryPoolPeak *peak)
{
    g_autofree char *now = size_text(peak->now), *most = size_text(peak->peak);
    g_autofree char *end = size_text(peak->end), *capacity = size_text(peak->capacity);

    g_string_append_printf(out,
                           "  %s  %s of %s granted now, %s at most on the way, %s in the end\n",
                           peak->pool, now, capacity, most, end);
}

/* How many moves from @first on are one domain's, begun at the same time. */
static guint
n_together(const GPtrArray *moves, guint first)
{
    const MemoryForecastMove *move = moves->pdata[first];
    guint n = 1;

    while (first + n < moves->len) {
        const MemoryForecastMove *next = moves->pdata[first + n];

        if (g_strcmp0(next->domain, move->domain) || g_strcmp0(next->after, move->after) ||
            (next->to > next->from) != (move->to > move->from))
            break;
        n++;
    }
    return n;
}

static void
append_moves(GString *out, guint number, const MemoryForecastMove *const *moves, guint n,
             guint width)
{
    g_autofree char *name = text_printable(moves[0]->domain);
    g_autoptr(GString) devices = g_string_new(NULL);
    guint64 sum_from = 0, sum_to = 0;
    g_autofree char *from = NULL, *to = NULL, *printable = NULL;

    for (guint i = 0; i < n; i++) {
        g_string_append_printf(devices, "%s%s", i ? ", " : "", moves[i]->device);
        sum_from += moves[i]->from;
        sum_to += moves[i]->to;
    }
    from = size_text(sum_from);
    to = size_text(sum_to);
    printable = text_printable(devices->str);
    g_string_append_printf(out, "  %u. %-*s  %s  %s -> %s", number, (int) width, name, printable,
                           from, to);
    if (moves[0]->after) {
        g_autofree char *after = text_printable(moves[0]->after);

        g_string_append_printf(out, "  as %s gives back", after);
    }
    g_string_append_c(out, '\n');
}

static void
append_all_moves(GString *out, const GPtrArray *moves)
{
    guint width = 0, n;

    for (guint i = 0; i < moves->len; i++)
        width = MAX(width, text_width(((const MemoryForecastMove *) moves->pdata[i])->domain));
    for (guint i = 0, number = 1; i < moves->len; i += n, number++) {
        n = n_together(moves, i);
        append_moves(out, number, (const MemoryForecastMove *const *) moves->pdata + i, n, width);
    }
}

char *
forecast_text(const MemoryForecast *forecast, const PlanStyle *style)
{
    g_autoptr(GString) out = g_string_new(NULL);

    if (!forecast->peaks->len || (!forecast->moves->len && !forecast->waits->len))
        return g_strdup("");
    g_string_append_printf(out, "%sMemory%s\n", style_begin(STYLE_BOLD, style->is_colored),
                           style_end(STYLE_BOLD, style->is_colored));
    for (guint i = 0; i < forecast->peaks->len; i++)
        if (is_worth_a_line(forecast->peaks->pdata[i]))
            append_pool(out, forecast->peaks->pdata[i]);
    append_all_moves(out, forecast->moves);
    for (guint i = 0; i < forecast->waits->len; i++) {
        g_autofree char *text = text_printable(forecast->waits->pdata[i]);

        g_string_append_printf(out, "  %s!%s %s\n", style_begin(STYLE_CAUTION, style->is_colored),
                               style_end(STYLE_CAUTION, style->is_colored), text);
    }
    return g_strdup(out->str);
}

static Json *
pool_json(const MemoryPoolPeak *peak)
{
    Json *json = json_new_object();

    json_set_string(json, "name", peak->pool);
    json_set_uint(json, "capacity", peak->capacity);
    json_set_uint(json, "granted", peak->now);
    json_set_uint(json, "peak", peak->peak);
    json_set_uint(json, "end", peak->end);
    return json;
}

static Json *
move_json(const MemoryForecastMove *move)
{
    Json *json = json_new_object();

    json_set_string(json, "domain", move->domain);
    json_set_string(json, "device", move->device);
    json_set_uint(json, "from", move->from);
    json_set_uint(json, "to", move->to);
    json_set_string(json, "after", move->after);
    return json;
}

Json *
forecast_json(const MemoryForecast *forecast)
{
    Json *json = json_new_object(), *pools = json_new_array(), *moves = json_new_array();
    Json *waits = json_new_array();

    for (guint i = 0; i < forecast->peaks->len; i++)
        if (is_worth_a_line(forecast->peaks->pdata[i]))
            json_append(pools, pool_json(forecast->peaks->pdata[i]));
    for (guint i = 0; i < forecast->moves->len; i++)
        json_append(moves, move_json(forecast->moves->pdata[i]));
    for (guint i = 0; i < forecast->waits->len; i++)
        json_append(waits, json_new_string(forecast->waits->pdata[i]));
    json_set(json, "pools", pools);
    json_set(json, "moves", moves);
    json_set(json, "waits", waits);
    return json;
}
