/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Aligned columns: cells are collected first, so that each column is as wide as its widest cell,
 * and printed with two spaces between. Nothing is padded behind the last column, so that output
 * can be compared and copied. Colour is put around a cell's text, never around its padding.
 */
#include "controller/terminal.h"

#define COLUMN_GAP 2

typedef struct Cell {
    char *text;
    Style style;
} Cell;

struct Table {
    GArray *cells; /* Cell; the headings are the first row */
    guint n_columns;
    bool *is_right; /* a column */
};

static void
cell_clear(gpointer data)
{
    g_free(((Cell *) data)->text);
}

Table *
table_new(const char *const *headings)
{
    Table *table = g_new0(Table, 1);

    table->n_columns = g_strv_length((char **) headings);
    table->is_right = g_new0(bool, table->n_columns);
    table->cells = g_array_new(FALSE, FALSE, sizeof(Cell));
    g_array_set_clear_func(table->cells, cell_clear);
    for (guint i = 0; i < table->n_columns; i++)
        table_add(table, STYLE_BOLD, headings[i]);
    return table;
}

void
table_free(Table *table)
{
    if (!table)
        return;
    g_array_unref(table->cells);
    g_free(table->is_right);
    g_free(table);
}

void
table_align_right(Table *table, guint column)
{
    g_assert(column < table->n_columns);
    table->is_right[column] = true;
}

void
table_add(Table *table, Style style, const char *text)
{
    Cell cell = { .text = text_printable(text ? text : "-"), .style = style };

    g_array_append_val(table->cells, cell);
}

guint
table_rows(const Table *table)
{
    return table->cells->len / table->n_columns - 1;
}

static void
append_padding(GString *out, guint n)
{
    g_string_append_printf(out, "%*s", (int) n, "");
}

char *
table_format(const Table *table, bool is_colored)
{
    g_autofree guint *widths = g_new0(guint, table->n_columns);
    GString *out = g_string_new(NULL);

    for (guint i = 0; i < table->cells->len; i++) {
        const Cell *cell = &g_array_index(table->cells, Cell, i);

        widths[i % table->n_columns] = MAX(widths[i % table->n_columns], text_width(cell->text));
    }
    for (guint i = 0; i < table->cells->len; i++) {
        const Cell *cell = &g_array_index(table->cells, Cell, i);
        guint column = i % table->n_columns;
        guint padding = widths[column] - text_width(cell->text);
        bool is_last = column + 1 == table->n_columns || i + 1 == table->cells->len;

        if (table->is_right[column])
            append_padding(out, padding);
        g_string_append(out, style_begin(cell->style, is_colored));
        g_string_append(out, cell->text);
        g_string_append(out, style_end(cell->style, is_colored));
        if (is_last)
            g_string_append_c(out, '\n');
        else
            append_padding(out, COLUMN_GAP + (table->is_right[column] ? 0 : padding));
    }
    return g_string_free(out, FALSE);
}
