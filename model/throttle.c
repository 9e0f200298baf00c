/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Throttling. A limit is a rate, a rate in bursts, and for how long a burst may last; there are
 * six, by bytes and by operations, of reads, of writes and of both together. The sum and its parts
 * exclude each other. The same rows serve a disk's own <iotune> and the domain's groups.
 */
#include "model/throttle.h"

#define LIMIT(member, name, suffix, part, words)                                                   \
    {                                                                                              \
        .type = TYPE_UINT, .offset = SCHEMA_OFFSET(Throttle, member.part, OptUint),                \
        .path = name suffix, .change = CHANGE_LIVE, .doc = words                                   \
    }
#define LIMITS(member, name, what)                                                                 \
    LIMIT(member, name, "", rate, what " a second."),                                              \
        LIMIT(member, name, "_max", burst, what " a second in a burst."),                          \
        LIMIT(member, name, "_max_length", burst_length, "Seconds that such a burst can last.")
#define THROTTLE_FIELDS                                                                            \
    LIMITS(bytes[LIMIT_TOTAL], "total_bytes_sec", "Bytes"),                                        \
        LIMITS(bytes[LIMIT_READ], "read_bytes_sec", "Bytes read"),                                 \
        LIMITS(bytes[LIMIT_WRITE], "write_bytes_sec", "Bytes written"),                            \
        LIMITS(operations[LIMIT_TOTAL], "total_iops_sec", "Operations"),                           \
        LIMITS(operations[LIMIT_READ], "read_iops_sec", "Reads"),                                  \
        LIMITS(operations[LIMIT_WRITE], "write_iops_sec", "Writes"),                               \
        FIELD_UINT(Throttle, operation_size, .path = "size_iops_sec", .change = CHANGE_LIVE,       \
                   .doc = "Bytes that count as one operation.")

static const Field iotune_fields[] = {
    THROTTLE_FIELDS,
    FIELD_STRING(Throttle, group, .path = "group_name", .change = CHANGE_LIVE,
                 .doc = "Disks that name one group share its limits."),
    FIELD_END,
};
static const Field group_fields[] = {
    THROTTLE_FIELDS,
    FIELD_STRING(Throttle, group, .path = "group_name", .is_required = true,
                 .doc = "What `throttlefilter` calls it."),
    FIELD_END,
};

static char *
group_key(gconstpointer item)
{
    return g_strdup(((const Throttle *) item)->group);
}

const Schema iotune_schema = { .element = "iotune",
                               .size = sizeof(Throttle),
                               .fields = iotune_fields,
                               .doc = "Limits of one disk's I/O." };
const Schema throttle_group_schema = { .element = "throttlegroup",
                                       .size = sizeof(Throttle),
                                       .fields = group_fields,
                                       .key = group_key,
                                       .doc = "Limits that disks share." };

static void
validate_limits(const Validation *v, const char *path, const Limit limits[3], const char *unit)
{
    static const char *const names[] = { "total", "read", "write" };

    if (limits[LIMIT_TOTAL].rate.value &&
        (limits[LIMIT_READ].rate.value || limits[LIMIT_WRITE].rate.value))
        validation_error(v, path, "throttle-total", "total_%s excludes read_%s and write_%s", unit,
                         unit, unit);
    if (limits[LIMIT_TOTAL].burst.value &&
        (limits[LIMIT_READ].burst.value || limits[LIMIT_WRITE].burst.value))
        validation_error(v, path, "throttle-total",
                         "total_%s_max excludes read_%s_max and write_%s_max", unit, unit, unit);
    for (guint i = 0; i < 3; i++) {
        const Limit *limit = &limits[i];

        if (limit->burst_length.value && !limit->burst.value)
            validation_error(v, path, "throttle-burst", "%s_%s_max_length needs %s_%s_max",
                             names[i], unit, names[i], unit);
        if (limit->burst.value && limit->burst.value < limit->rate.value)
            validation_error(v, path, "throttle-burst", "%s_%s_max is below %s_%s", names[i], unit,
                             names[i], unit);
        if (limit->burst.value && !limit->rate.value)
            validation_error(v, path, "throttle-burst", "%s_%s_max needs %s_%s", names[i], unit,
                             names[i], unit);
        if (MAX(limit->rate.value, limit->burst.value) > 1000000000000000u)
            validation_error(v, path, "throttle-range", "%s_%s: at most 1000000000000000", names[i],
                             unit);
    }
}

void
throttle_validate(const Validation *v, const char *path, const Throttle *throttle)
{
    validate_limits(v, path, throttle->bytes, "bytes_sec");
    validate_limits(v, path, throttle->operations, "iops_sec");
}
