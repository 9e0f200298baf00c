/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The types of fields, one row each.
 *
 * A type knows how its member is read from text, written as text, copied, cleared and compared;
 * parse, format, copy and compare are walkers that look the type up here and know none. A new
 * type is one row. Members are reached by their address only, so the table holds for every
 * struct; that the address really is of the type named is what the FIELD_* macros check when
 * they are compiled.
 *
 * Values are canonical once parsed: a UUID has dashes and small letters, a CPU set ascending
 * ranges, a size is bytes. So comparing members compares meaning, and format(parse(x)) is a
 * fixed point. What is out of bounds is told apart from what is no value at all, since the first
 * is a mistake of judgement and the second one of spelling.
 */
#include "model/schema-value.h"

#include <string.h>

#include "model/quantity.h"

const char *const yes_no_names[] = { NULL, "yes", "no", NULL };
const char *const on_off_names[] = { NULL, "on", "off", NULL };

/* ---- numbers ---- */

static bool
read_digits(const char *text, guint base, guint64 *ret_value)
{
    guint64 value = 0;

    if (!*text)
        return false;
    for (; *text; text++) {
        int digit = g_ascii_xdigit_value(*text);

        if (digit < 0 || (guint) digit >= base || value > (G_MAXUINT64 - digit) / base)
            return false;
        value = value * base + digit;
    }
    *ret_value = value;
    return true;
}

static ValueResult
store_uint(const Field *field, guint64 value, OptUint *member)
{
    if (value < field->min || (field->max && value > field->max))
        return VALUE_OUT_OF_RANGE;
    *member = (OptUint){ .value = value, .is_set = true };
    return VALUE_GOOD;
}

static ValueResult
parse_uint(const Field *field, const char *text, guint64 unit, gpointer member)
{
    guint64 value;

    if (!read_digits(text, 10, &value))
        return VALUE_BAD;
    return store_uint(field, value, member);
}

static ValueResult
parse_hex(const Field *field, const char *text, guint64 unit, gpointer member)
{
    bool is_hex = g_str_has_prefix(text, "0x") || g_str_has_prefix(text, "0X");
    guint base = is_hex || field->is_bare_hex ? 16 : *text == '0' ? 8 : 10;
    guint64 value;

    if (!read_digits(is_hex ? text + 2 : text, base, &value))
        return VALUE_BAD;
    return store_uint(field, value, member);
}

static ValueResult
parse_size(const Field *field, const char *text, guint64 unit, gpointer member)
{
    guint64 value;

    if (!read_digits(text, 10, &value) || value > G_MAXUINT64 / unit)
        return VALUE_BAD;
    return store_uint(field, value * unit, member);
}

static ValueResult
parse_fraction(const Field *field, const char *text, guint64 unit, gpointer member)
{
    const char *point = strchr(text, '.');
    g_autofree char *whole_text = point ? g_strndup(text, point - text) : g_strdup(text);
    guint64 whole, value, scale = 1000000;

    if (!read_digits(whole_text, 10, &whole) || whole > G_MAXUINT64 / scale - 1)
        return VALUE_BAD;
    value = whole * scale;
    if (point && !point[1])
        return VALUE_BAD;
    for (const char *p = point ? point + 1 : ""; *p; p++) {
        scale /= 10;
        /* A seventh decimal is below what is kept. */
        if (!g_ascii_isdigit(*p) || (!scale && *p != '0'))
            return VALUE_BAD;
        value += (*p - '0') * scale;
    }
    return store_uint(field, value, member);
}

static ValueResult
parse_int(const Field *field, const char *text, guint64 unit, gpointer member)
{
    bool is_negative = *text == '-';
    guint64 magnitude;
    gint64 value;

    if (!read_digits(text + is_negative, 10, &magnitude) ||
        magnitude > (guint64) G_MAXINT64 + is_negative)
        return VALUE_BAD;
    value = (gint64) (is_negative ? -magnitude : magnitude);
    if ((field->min || field->max) && value < (gint64) field->min)
        return VALUE_OUT_OF_RANGE;
    if (field->max && value > (gint64) field->max)
        return VALUE_OUT_OF_RANGE;
    *(OptInt *) member = (OptInt){ .value = value, .is_set = true };
    return VALUE_GOOD;
}

static char *
text_uint(const Field *field, gconstpointer member)
{
    return g_strdup_printf("%" G_GUINT64_FORMAT, ((const OptUint *) member)->value);
}

static char *
text_hex(const Field *field, gconstpointer member)
{
    return g_strdup_printf("0x%02" G_GINT64_MODIFIER "x", ((const OptUint *) member)->value);
}

static char *
text_int(const Field *field, gconstpointer member)
{
    return g_strdup_printf("%" G_GINT64_FORMAT, ((const OptInt *) member)->value);
}

/* In the largest unit that needs no fraction: two different sizes have different texts. */
static char *
text_size(const Field *field, gconstpointer member)
{
    static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
    guint64 value = ((const OptUint *) member)->value;
    guint i = 0;

    while (value && value % 1024 == 0 && i + 1 < G_N_ELEMENTS(units)) {
        value /= 1024;
        i++;
    }
    return g_strdup_printf("%" G_GUINT64_FORMAT " %s", value, units[i]);
}

static char *
text_fraction(const Field *field, gconstpointer member)
{
    guint64 value = ((const OptUint *) member)->value;
    guint fraction = value % 1000000, digits = 6;

    while (digits && fraction % 10 == 0) {
        fraction /= 10;
        digits--;
    }
    if (!digits)
        return g_strdup_printf("%" G_GUINT64_FORMAT, value / 1000000);
    return g_strdup_printf("%" G_GUINT64_FORMAT ".%0*u", value / 1000000, (int) digits, fraction);
}

char *
field_bounds_text(const Field *field)
{
    const FieldKind *kind = field_kind(field);
    OptUint min_value = { field->min, true }, max_value = { field->max, true };
    OptInt signed_min = { (gint64) field->min, true }, signed_max = { (gint64) field->max, true };
    bool is_int = field->type == TYPE_INT;
    g_autofree char *min = NULL, *max = NULL;

    if (field->min || (is_int && field->max))
        min = is_int ? kind->text(field, &signed_min) : kind->text(field, &min_value);
    if (field->max)
        max = is_int ? kind->text(field, &signed_max) : kind->text(field, &max_value);
    if (min && max)
        return g_strdup_printf("from %s to %s", min, max);
    if (min)
        return g_strdup_printf("at least %s", min);
    return max ? g_strdup_printf("at most %s", max) : NULL;
}

static char *
expected_number(const Field *field, const char *what)
{
    g_autofree char *bounds = field_bounds_text(field);

    return g_strconcat(what, bounds ? ", " : NULL, bounds, NULL);
}

static char *
expected_uint(const Field *field)
{
    return expected_number(field, "a whole number");
}

static char *
expected_hex(const Field *field)
{
    return expected_number(field, "a number such as 0x1f");
}

static char *
expected_size(const Field *field)
{
    return expected_number(field, "a size (a whole number, its unit in the attribute 'unit')");
}

static char *
expected_fraction(const Field *field)
{
    return expected_number(field, "a number with at most six decimals");
}

static char *
expected_int(const Field *field)
{
    return expected_number(field, "a whole number, may be negative");
}

static bool
is_set_uint(gconstpointer member)
{
    return ((const OptUint *) member)->is_set;
}

static bool
is_set_int(gconstpointer member)
{
    return ((const OptInt *) member)->is_set;
}

static void
clear_uint(const Field *field, gpointer member)
{
    *(OptUint *) member = (OptUint){ 0 };
}

static void
clear_int(const Field *field, gpointer member)
{
    *(OptInt *) member = (OptInt){ 0 };
}

static bool
equal_uint(const Field *field, gconstpointer a, gconstpointer b)
{
    const OptUint *left = a, *right = b;

    return left->is_set == right->is_set && (!left->is_set || left->value == right->value);
}

static bool
equal_int(const Field *field, gconstpointer a, gconstpointer b)
{
    const OptInt *left = a, *right = b;

    return left->is_set == right->is_set && (!left->is_set || left->value == right->value);
}

/* ---- names and flags ---- */

int
enum_value(const char *const *names, const char *name)
{
    for (int i = 1; name && names[i]; i++)
        if (g_str_equal(names[i], name))
            return i;
    return 0;
}

static ValueResult
parse_enum(const Field *field, const char *text, guint64 unit, gpointer member)
{
    int value = enum_value(field->names, text);

    if (!value)
        return VALUE_BAD;
    *(int *) member = value;
    return VALUE_GOOD;
}

static char *
expected_enum(const Field *field)
{
    g_autoptr(GString) out = g_string_new(field->names[1] && field->names[2] ? "one of " : "");

    for (int i = 1; field->names[i]; i++)
        g_string_append_printf(out, i > 1 ? ", %s" : "%s", field->names[i]);
    return g_strdup(out->str);
}

static bool
is_set_enum(gconstpointer member)
{
    return *(const int *) member != 0;
}

static char *
text_enum(const Field *field, gconstpointer member)
{
    return g_strdup(field->names[*(const int *) member]);
}

static void
clear_enum(const Field *field, gpointer member)
{
    *(int *) member = 0;
}

static bool
equal_enum(const Field *field, gconstpointer a, gconstpointer b)
{
    return *(const int *) a == *(const int *) b;
}

static bool
is_set_flag(gconstpointer member)
{
    return *(const bool *) member;
}

static char *
text_flag(const Field *field, gconstpointer member)
{
    return g_strdup("yes");
}

static void
clear_flag(const Field *field, gpointer member)
{
    *(bool *) member = false;
}

static bool
equal_flag(const Field *field, gconstpointer a, gconstpointer b)
{
    return *(const bool *) a == *(const bool *) b;
}

/* ---- strings ---- */

static ValueResult
store_string(char *text, gpointer member)
{
    char **slot = member;

    if (!text)
        return VALUE_BAD;
    g_free(*slot);
    *slot = text;
    return VALUE_GOOD;
}

static ValueResult
parse_string(const Field *field, const char *text, guint64 unit, gpointer member)
{
    return store_string(g_strdup(text), member);
}

static char *
expected_string(const Field *field)
{
    return g_strdup("text");
}

static ValueResult
parse_cpuset(const Field *field, const char *text, guint64 unit, gpointer member)
{
    return store_string(cpuset_normalize(text), member);
}

static char *
expected_cpuset(const Field *field)
{
    return g_strdup("a set of numbers such as 0-3,^2,7");
}

static ValueResult
parse_uuid(const Field *field, const char *text, guint64 unit, gpointer member)
{
    char digits[33];
    guint n = 0;

    for (; *text; text++) {
        if (*text == '-' && n % 2 == 0 && n)
            continue;
        if (!g_ascii_isxdigit(*text) || n == 32)
            return VALUE_BAD;
        digits[n++] = g_ascii_tolower(*text);
    }
    if (n != 32)
        return VALUE_BAD;
    return store_string(g_strdup_printf("%.8s-%.4s-%.4s-%.4s-%.12s", digits, digits + 8,
                                        digits + 12, digits + 16, digits + 20),
                        member);
}

static char *
expected_uuid(const Field *field)
{
    return g_strdup("a UUID (32 hexadecimal digits, with or without dashes)");
}

static ValueResult
parse_mac(const Field *field, const char *text, guint64 unit, gpointer member)
{
    guint octets[6] = { 0 };

    for (guint i = 0; i < 6; i++) {
        guint n = 0;

        for (; n < 2 && g_ascii_isxdigit(*text); n++)
            octets[i] = octets[i] * 16 + g_ascii_xdigit_value(*text++);
        if (!n || *text != (i < 5 ? ':' : '\0'))
            return VALUE_BAD;
        text += i < 5;
    }
    if (octets[0] & 1)
        return VALUE_BAD;
    return store_string(g_strdup_printf("%02x:%02x:%02x:%02x:%02x:%02x", octets[0], octets[1],
                                        octets[2], octets[3], octets[4], octets[5]),
                        member);
}

static char *
expected_mac(const Field *field)
{
    return g_strdup("a MAC address such as 52:54:00:12:34:56, not a multicast one");
}

static bool
is_set_pointer(gconstpointer member)
{
    return *(const gpointer *) member != NULL;
}

static char *
text_string(const Field *field, gconstpointer member)
{
    return g_strdup(*(char *const *) member);
}

static void
copy_string(const Field *field, gpointer member)
{
    *(char **) member = g_strdup(*(char **) member);
}

static void
clear_string(const Field *field, gpointer member)
{
    g_clear_pointer((char **) member, g_free);
}

static bool
equal_string(const Field *field, gconstpointer a, gconstpointer b)
{
    return !g_strcmp0(*(char *const *) a, *(char *const *) b);
}

/* ---- structs and lists ---- */

static bool
is_set_struct(gconstpointer member)
{
    return is_set_pointer(member);
}

static char *
text_struct(const Field *field, gconstpointer member)
{
    return g_strdup(field->schema->element);
}

static void
copy_struct(const Field *field, gpointer member)
{
    *(gpointer *) member = schema_copy(field->schema, *(gpointer *) member);
}

static void
clear_struct(const Field *field, gpointer member)
{
    schema_free(field->schema, *(gpointer *) member);
    *(gpointer *) member = NULL;
}

static bool
equal_struct(const Field *field, gconstpointer a, gconstpointer b)
{
    gconstpointer left = *(const gpointer *) a, right = *(const gpointer *) b;

    if (!left || !right)
        return left == right;
    return schema_equal(field->schema, left, right);
}

static bool
is_set_list(gconstpointer member)
{
    return list_length(*(GPtrArray *const *) member) > 0;
}

static char *
text_list(const Field *field, gconstpointer member)
{
    return g_strdup_printf("%u %s", list_length(*(GPtrArray *const *) member),
                           field->schema->element);
}

static void
copy_list(const Field *field, gpointer member)
{
    const GPtrArray *from = *(GPtrArray **) member;
    GPtrArray *to = g_ptr_array_new_full(from->len, NULL);

    for (guint i = 0; i < from->len; i++)
        g_ptr_array_add(to, schema_copy(field->schema, from->pdata[i]));
    *(GPtrArray **) member = to;
}

static void
clear_list(const Field *field, gpointer member)
{
    GPtrArray *list = *(GPtrArray **) member;

    if (!list)
        return;
    /* Whoever built the list may have given it a free function: the items are ours to free. */
    g_ptr_array_set_free_func(list, NULL);
    for (guint i = 0; i < list->len; i++)
        schema_free(field->schema, list->pdata[i]);
    g_ptr_array_unref(list);
    *(GPtrArray **) member = NULL;
}

static bool
equal_list(const Field *field, gconstpointer a, gconstpointer b)
{
    const GPtrArray *left = *(GPtrArray *const *) a, *right = *(GPtrArray *const *) b;

    if (list_length(left) != list_length(right))
        return false;
    for (guint i = 0; i < list_length(left); i++)
        if (!schema_equal(field->schema, left->pdata[i], right->pdata[i]))
            return false;
    return true;
}

/* ---- the table ---- */

#define STRING_MEMBER                                                                              \
    .size = sizeof(char *), .is_set = is_set_pointer, .text = text_string, .copy = copy_string,    \
    .clear = clear_string, .equal = equal_string
#define UINT_MEMBER                                                                                \
    .size = sizeof(OptUint), .is_set = is_set_uint, .clear = clear_uint, .equal = equal_uint
#define MEMBER(Type, what)                                                                         \
    .size = sizeof(Type), .is_set = is_set_##what, .text = text_##what, .clear = clear_##what,     \
    .equal = equal_##what
#define READ(what) .parse = parse_##what, .expected = expected_##what

static const FieldKind kinds[] = {
    [TYPE_STRING] = { "text", STRING_MEMBER, READ(string) },
    [TYPE_PATH] = { "path", STRING_MEMBER, READ(string) },
    [TYPE_UINT] = { "number", UINT_MEMBER, .text = text_uint, READ(uint) },
    [TYPE_HEX] = { "hexadecimal", UINT_MEMBER, .text = text_hex, READ(hex) },
    [TYPE_INT] = { "integer", MEMBER(OptInt, int), READ(int) },
    [TYPE_SIZE] = { "size", UINT_MEMBER, .text = text_size, READ(size) },
    [TYPE_FRACTION] = { "decimal", UINT_MEMBER, .text = text_fraction, READ(fraction) },
    [TYPE_ENUM] = { "name", MEMBER(int, enum), READ(enum) },
    [TYPE_FLAG] = { "flag", MEMBER(bool, flag) },
    [TYPE_CPUSET] = { "set", STRING_MEMBER, READ(cpuset) },
    [TYPE_UUID] = { "UUID", STRING_MEMBER, READ(uuid) },
    [TYPE_MAC] = { "MAC address", STRING_MEMBER, READ(mac) },
    [TYPE_STRUCT] = { "element", MEMBER(gpointer, struct), .copy = copy_struct },
    [TYPE_LIST] = { "elements", MEMBER(GPtrArray *, list), .copy = copy_list },
    [TYPE_RAW] = { "any XML", STRING_MEMBER },
    [TYPE_NONE] = { "none" },
};

const FieldKind *
field_kind(const Field *field)
{
    g_assert(field->type < G_N_ELEMENTS(kinds));
    return &kinds[field->type];
}

/* ---- rows ---- */

bool
field_is_set(const Field *field, gconstpointer item)
{
    return field->type != TYPE_NONE && field_kind(field)->is_set(field_member_const(field, item));
}

bool
field_condition_holds(const Field *field, gconstpointer item)
{
    int value;

    if (!field->when)
        return true;
    value = *(const int *) ((const char *) item + field->when_offset);
    return value >= 0 && value < 64 && (field->when & WHEN_IS(value));
}

bool
field_applies(const Schema *schema, const Field *field, gconstpointer item)
{
    if (field_condition_holds(field, item))
        return true;
    for (const Field *other = schema->fields; other->path; other++)
        if (other != field && other->type != TYPE_NONE &&
            (g_str_equal(other->path, field->path) || other->offset == field->offset))
            return false;
    return true;
}

gsize
field_parent_length(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash - path : 0;
}

const char *
field_local_name(const char *path)
{
    const char *slash = strrchr(path, '/'), *colon;

    if (slash)
        path = slash + 1;
    if (*path == '@')
        return path + 1;
    colon = strchr(path, ':');
    return colon ? colon + 1 : path;
}

bool
field_is_attribute(const Field *field)
{
    const char *slash = strrchr(field->path, '/');

    return (slash ? slash[1] : *field->path) == '@';
}

bool
field_is_own_text(const Field *field)
{
    return g_str_equal(field->path, ".");
}

char *
field_value_text(const Field *field, gconstpointer item)
{
    if (!field_is_set(field, item))
        return NULL;
    return field_kind(field)->text(field, field_member_const(field, item));
}
