/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The stepping state as JSON, for the database row that carries it from one pass to the next and
 * from one controller to the next.
 *
 * It is a cache of what was seen, never a truth: a state that is missing, of an older version or
 * garbage is a fresh state, which costs a slower start and a stall clock that begins anew. So there
 * is no migration, only a version, and no error. One row a field writes and reads it; the peaks
 * are an array. Times and sizes that make no sense are put in range by memory_step() itself, which
 * must in any case hold against a clock that starts again at a reboot of the host.
 */
#include "reconcile/memory-step.h"

#define STATE_VERSION 1

typedef enum { KIND_BOOL, KIND_SIZE, KIND_TIME, KIND_SMALL } Kind;

typedef struct {
    const char *name;
    gsize offset;
    Kind kind;
    gint least, most; /* KIND_SMALL */
} StateField;

#define CHECKED(member, type)                                                                      \
    (offsetof(MemoryStepState, member) +                                                           \
     0 * sizeof(&((MemoryStepState *) NULL)->member == (type *) NULL))
#define BOOL(member)                                                                               \
    {                                                                                              \
        .name = #member, .offset = CHECKED(member, bool), .kind = KIND_BOOL                        \
    }
#define SIZE(member)                                                                               \
    {                                                                                              \
        .name = #member, .offset = CHECKED(member, guint64), .kind = KIND_SIZE                     \
    }
#define TIME(member)                                                                               \
    {                                                                                              \
        .name = #member, .offset = CHECKED(member, gint64), .kind = KIND_TIME                      \
    }
#define SMALL(member, least_, most_)                                                               \
    {                                                                                              \
        .name = #member, .offset = offsetof(MemoryStepState, member), .kind = KIND_SMALL,          \
        .least = (least_), .most = (most_)                                                         \
    }

static const StateField state_fields[] = {
    SIZE(generation),
    TIME(begun_at),
    TIME(seen_at),
    SIZE(target),
    SIZE(requested),
    SIZE(current),
    SMALL(driver, MEMORY_DRIVER_UNKNOWN, MEMORY_DRIVER_BOUND),
    SMALL(direction, -1, 1),
    SIZE(window),
    SIZE(mark),
    TIME(mark_at),
    SMALL(frozen, 0, MEMORY_STEP_N_REASONS - 1),
    TIME(reset_at),
    TIME(idle),
    TIME(poke_at),
    TIME(poked_at),
    SMALL(n_pokes, 0, 1000000),
    BOOL(is_stalled),
    SMALL(stall_reason, 0, MEMORY_STEP_N_REASONS - 1),
    SIZE(stall_available),
    TIME(statistics_since),
    BOOL(is_unguarded),
    BOOL(is_stepping),
    SIZE(step_floor),
    TIME(pause_until),
};

G_STATIC_ASSERT(sizeof(MemoryDriver) == sizeof(gint));
G_STATIC_ASSERT(sizeof(MemoryStepReason) == sizeof(gint));

Json *
memory_step_state_to_json(const MemoryStepState *state)
{
    Json *json = json_new_object();
    Json *peaks = json_new_array();

    json_set_int(json, "version", STATE_VERSION);
    for (gsize i = 0; i < G_N_ELEMENTS(state_fields); i++) {
        const StateField *field = &state_fields[i];
        gconstpointer at = (const guint8 *) state + field->offset;
        switch (field->kind) {
        case KIND_BOOL:
            json_set_bool(json, field->name, *(const bool *) at);
            break;
        case KIND_SIZE:
            json_set_uint(json, field->name, *(const guint64 *) at);
            break;
        case KIND_TIME:
            json_set_int(json, field->name, *(const gint64 *) at);
            break;
        case KIND_SMALL:
            json_set_int(json, field->name, *(const gint *) at);
            break;
        }
    }
    for (guint i = 0; i < MEMORY_STEP_N_PEAKS; i++) {
        Json *peak = json_new_object();
        json_set_int(peak, "second", state->peaks[i].second);
        json_set_uint(peak, "size", state->peaks[i].size);
        json_append(peaks, peak);
    }
    json_set(json, "peaks", peaks);
    return json;
}

/* Reads one field; false when it is missing or out of its range. */
static bool
read_field(const StateField *field, const Json *json, MemoryStepState *state)
{
    gpointer at = (guint8 *) state + field->offset;
    const Json *value = json_get(json, field->name);
    gint64 number = json_int(value, G_MININT64);

    if (!value || (field->kind == KIND_BOOL) != (json_type(value) == JSON_BOOL))
        return false;
    switch (field->kind) {
    case KIND_BOOL:
        *(bool *) at = json_bool(value, false);
        return true;
    case KIND_SIZE:
        *(guint64 *) at = json_get_uint(json, field->name, 0);
        return number >= 0;
    case KIND_TIME:
        *(gint64 *) at = number;
        return number >= 0;
    case KIND_SMALL:
        *(gint *) at = (gint) CLAMP(number, field->least, field->most);
        return number >= field->least && number <= field->most;
    }
    return false;
}

static bool
read_peaks(const Json *peaks, MemoryStepState *state)
{
    if (!peaks || json_type(peaks) != JSON_ARRAY || json_length(peaks) != MEMORY_STEP_N_PEAKS)
        return false;
    for (guint i = 0; i < MEMORY_STEP_N_PEAKS; i++) {
        const Json *peak = json_at(peaks, i);
        if (json_type(peak) != JSON_OBJECT)
            return false;
        state->peaks[i].second = json_get_int(peak, "second", 0);
        state->peaks[i].size = json_get_uint(peak, "size", 0);
    }
    return true;
}

MemoryStepState
memory_step_state_from_json(const Json *json)
{
    MemoryStepState state = { .is_begun = true };

    if (!json || json_type(json) != JSON_OBJECT)
        return (MemoryStepState){ 0 };
    if (json_get_int(json, "version", 0) != STATE_VERSION)
        return (MemoryStepState){ 0 };
    for (gsize i = 0; i < G_N_ELEMENTS(state_fields); i++) {
        if (!read_field(&state_fields[i], json, &state))
            return (MemoryStepState){ 0 };
    }
    if (!read_peaks(json_get(json, "peaks"), &state))
        return (MemoryStepState){ 0 };
    return state;
}
