/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The domains directory as one value.
 *
 *     directory-walk.c  which files there are ──► read (or cached) ──► names ──► DirectoryScan
 *
 * A scan holds what is wrong as carefully as what is right, because everything that fails closed
 * rests on it: a file that can't be read or parsed is an entry with a message, and keeps the name
 * that it was last known by, so that its domain is left as it was rather than taken for deleted.
 *
 * Files may go and come while one reads (git checkout unlinks and writes anew), so a walk that
 * missed something is repeated a few times; if it never comes out whole, the scan says
 * is_changing.
 *
 * A parsed file is kept under its path, inode, size and both times. Times have the granularity
 * of the kernel's tick, so a file changed within the tick in which it was read would look the
 * same ever after; as git does, an entry that was that young when read is read again next time.
 *
 * What a watch of a thousand domains weighs is what it keeps of each between scans. That is the
 * text: small, and what it says is there when a pass asks, the file gone or half rewritten since.
 * Commands that end soon keep the parse instead, and parse once.
 */
#include "controller/directory.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "model/xml.h"

#include "controller/commit.h"
#include "controller/directory-walk.h"

#define SCAN_ATTEMPTS 4
#define SCAN_PAUSE_US 25000
/* Coarse clock ticks are at most 10 ms (CONFIG_HZ=100); network file systems are coarser. */
#define RACY_US (2 * G_USEC_PER_SEC)

/* A file as it was read; shared by the cache and by scans. */
typedef struct Parsed {
    dev_t dev;
    ino_t ino;
    off_t size;
    struct timespec mtime, ctime;
    bool is_racy;
    char *name, *uuid; /* as the file says them; NULL */
    Position name_at, uuid_at;
    char *digest;
    char *message; /* its first error; NULL: it is valid */
    Spec *spec;    /* NULL: parsed from text when asked for */
    char *text;
    gsize length;
} Parsed;

struct DirectoryCache {
    char *root;
    bool is_lean;
    GHashTable *parsed; /* path -> Parsed */
    GHashTable *names;  /* path -> the domain's name when it was last known */
};

static void
parsed_clear(gpointer data)
{
    Parsed *parsed = data;

    g_free(parsed->name);
    g_free(parsed->uuid);
    g_free(parsed->digest);
    g_free(parsed->message);
    spec_free(parsed->spec);
    g_free(parsed->text);
}

static void
parsed_unref(gpointer parsed)
{
    if (parsed)
        g_atomic_rc_box_release_full(parsed, parsed_clear);
}

static GHashTable *
new_parsed_table(void)
{
    return g_hash_table_new_full(g_str_hash, g_str_equal, g_free, parsed_unref);
}

DirectoryCache *
directory_cache_new(void)
{
    DirectoryCache *cache = g_new0(DirectoryCache, 1);

    cache->parsed = new_parsed_table();
    cache->names = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    return cache;
}

DirectoryCache *
directory_cache_new_lean(void)
{
    DirectoryCache *cache = directory_cache_new();

    cache->is_lean = true;
    return cache;
}

void
directory_cache_free(DirectoryCache *cache)
{
    if (!cache)
        return;
    g_free(cache->root);
    g_hash_table_unref(cache->parsed);
    g_hash_table_unref(cache->names);
    g_free(cache);
}

void
directory_cache_remember(DirectoryCache *cache, const char *path, const char *name)
{
    g_hash_table_insert(cache->names, g_strdup(path), g_strdup(name));
}

/* ---- the scan's life ---- */

static void
entry_free(gpointer data)
{
    DirectoryEntry *entry = data;

    g_free(entry->path);
    g_free(entry->file);
    g_free(entry->name);
    g_free(entry->message);
    diagnostics_free(entry->trouble);
    parsed_unref(entry->parsed);
    g_free(entry);
}

static void
scan_clear(gpointer data)
{
    DirectoryScan *scan = data;

    g_free(scan->root);
    g_free(scan->resolved);
    g_free(scan->problem);
    g_free(scan->digest);
    g_free(scan->commit);
    g_clear_pointer(&scan->by_name, g_hash_table_unref);
    g_ptr_array_unref(scan->entries);
}

static DirectoryScan *
scan_new(const char *root)
{
    DirectoryScan *scan = g_atomic_rc_box_new0(DirectoryScan);

    scan->root = g_strdup(root);
    scan->entries = g_ptr_array_new_with_free_func(entry_free);
    return scan;
}

DirectoryScan *
directory_scan_ref(DirectoryScan *scan)
{
    return g_atomic_rc_box_acquire(scan);
}

void
directory_scan_unref(DirectoryScan *scan)
{
    if (scan)
        g_atomic_rc_box_release_full(scan, scan_clear);
}

/* ---- reading one file ---- */

typedef struct Reading {
    DirectoryScan *scan;
    DirectoryCache *cache;
    GHashTable *seen; /* path -> Parsed: the cache after this scan */
    guint n_changed;  /* files that were written to while they were read */
} Reading;

static gint64
time_us(struct timespec time)
{
    return (gint64) time.tv_sec * G_USEC_PER_SEC + time.tv_nsec / 1000;
}

static bool
is_same_time(struct timespec a, struct timespec b)
{
    return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

static bool
is_unchanged(const Parsed *parsed, const struct stat *status)
{
    return parsed->dev == status->st_dev && parsed->ino == status->st_ino &&
           parsed->size == status->st_size && is_same_time(parsed->mtime, status->st_mtim) &&
           is_same_time(parsed->ctime, status->st_ctim);
}

/* At most one byte more than an XML file may have, so that the parser can say so. */
static char *
read_text(int fd, gsize *ret_length)
{
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    guint8 buffer[65536];

    while (bytes->len <= XML_MAX_BYTES) {
        ssize_t n = read(fd, buffer, MIN(sizeof(buffer), XML_MAX_BYTES + 1 - bytes->len));

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return NULL;
        if (n == 0)
            break;
        g_byte_array_append(bytes, buffer, n);
    }
    *ret_length = bytes->len;
    g_byte_array_append(bytes, (const guint8 *) "", 1);
    return (char *) g_byte_array_free(g_steal_pointer(&bytes), FALSE);
}

/* Notes which file it was. Only the thread that scans looks at this; scans look at the spec. */
static void
parsed_stamp(Parsed *parsed, const struct stat *status)
{
    gint64 youngest = MAX(time_us(status->st_mtim), time_us(status->st_ctim));

    parsed->dev = status->st_dev;
    parsed->ino = status->st_ino;
    parsed->size = status->st_size;
    parsed->mtime = status->st_mtim;
    parsed->ctime = status->st_ctim;
    parsed->is_racy = youngest > g_get_real_time() - RACY_US;
}

/* Takes @spec. */
static Parsed *
parsed_new(Spec *spec, const char *text, gsize length, bool is_lean)
{
    Parsed *parsed = g_atomic_rc_box_new0(Parsed);
    const Diagnostic *first = diagnostics_first_error(spec->diagnostics);

    parsed->name = g_strdup(spec->domain->name);
    parsed->name_at = position_map_get(spec->positions, "name");
    parsed->uuid = g_strdup(spec->domain->uuid);
    parsed->uuid_at = position_map_get(spec->positions, "uuid");
    parsed->digest = g_strdup(spec->digest);
    parsed->message = first ? diagnostic_format(spec->diagnostics, first) : NULL;
    if (is_lean) {
        parsed->text = g_memdup2(text, length); /* @text's buffer grew by doubling */
        parsed->length = length;
        spec_free(spec);
    } else {
        parsed->spec = spec;
    }
    return parsed;
}

/* Reads the open file. NULL with errno when it can't be read. */
static Parsed *
read_parsed(Reading *reading, int fd, const char *name, Parsed *known)
{
    g_autofree char *text = NULL;
    g_autofree char *digest = NULL;
    struct stat before, after;
    Parsed *parsed;
    gsize length;

    if (fstat(fd, &before) < 0)
        return NULL;
    text = read_text(fd, &length);
    if (!text || fstat(fd, &after) < 0)
        return NULL;
    if (before.st_size != after.st_size || !is_same_time(before.st_mtim, after.st_mtim))
        reading->n_changed++;
    digest = g_compute_checksum_for_data(G_CHECKSUM_SHA256, (guchar *) text, length);
    if (known && !strcmp(known->digest, digest)) {
        parsed = g_atomic_rc_box_acquire(known); /* the same text: its parse is still good */
    } else {
        Spec *spec = spec_parse(name, text, length);

        parsed = parsed_new(spec, text, length, reading->cache->is_lean);
        reading->scan->n_parsed++;
    }
    parsed_stamp(parsed, &before);
    return parsed;
}

/* The file as cached or read anew. NULL with errno. */
static Parsed *
load_file(Reading *reading, const WalkFile *file, const char *name)
{
    Parsed *known = g_hash_table_lookup(reading->cache->parsed, file->path), *parsed;
    int fd, code;

    if (known && !known->is_racy && is_unchanged(known, &file->status))
        return g_atomic_rc_box_acquire(known);
    fd = openat(file->at, file->name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | file->flags);
    if (fd < 0)
        return NULL;
    parsed = read_parsed(reading, fd, name, known);
    code = errno;
    close(fd);
    errno = code;
    return parsed;
}

/* ---- entries ---- */

/* Takes @text. */
static void
add_trouble(DirectoryEntry *entry, EntryState state, Position at, const char *code, char *text)
{
    entry->state = state;
    if (!entry->trouble)
        entry->trouble = diagnostics_new(entry->file);
    diagnostics_add(entry->trouble, SEVERITY_ERROR, at, code, "%s", text);
    if (!entry->message)
        entry->message = diagnostic_format(entry->trouble, entry->trouble->items->pdata[0]);
    g_free(text);
}

static void
judge_entry(DirectoryEntry *entry)
{
    const Parsed *parsed = entry->parsed;

    entry->uuid = parsed->uuid;
    entry->digest = parsed->digest;
    entry->state = parsed->message ? ENTRY_INVALID : ENTRY_VALID;
    entry->message = g_strdup(parsed->message);
}

static void
name_entry(DirectoryEntry *entry, DirectoryCache *cache)
{
    const Parsed *parsed = entry->parsed;
    const char *name = parsed ? parsed->name : NULL;

    if (name && *name) {
        entry->name = g_strdup(name);
        directory_cache_remember(cache, entry->path, name);
        return;
    }
    entry->name = g_strdup(g_hash_table_lookup(cache->names, entry->path));
    entry->is_name_remembered = entry->name != NULL;
}

static void
add_entry(const WalkFile *file, gpointer data)
{
    Reading *reading = data;
    g_autofree char *name = g_build_filename(reading->scan->root, file->path, NULL);
    Parsed *parsed = file->refusal ? NULL : load_file(reading, file, name);
    int code = errno;
    DirectoryEntry *entry;

    if (!parsed && !file->refusal && code == ENOENT) {
        reading->n_changed++;
        return;
    }
    entry = g_new0(DirectoryEntry, 1);
    entry->path = g_strdup(file->path);
    entry->file = g_steal_pointer(&name);
    entry->parsed = parsed;
    g_ptr_array_add(reading->scan->entries, entry);
    if (parsed) {
        g_hash_table_insert(reading->seen, g_strdup(file->path), g_atomic_rc_box_acquire(parsed));
        judge_entry(entry);
    } else {
        add_trouble(entry, ENTRY_UNREADABLE, (Position){ 0 }, "unreadable",
                    g_strdup(file->refusal ? file->refusal : g_strerror(code)));
    }
    name_entry(entry, reading->cache);
}

static int
compare_entries(gconstpointer a, gconstpointer b)
{
    const DirectoryEntry *const *first = a, *const *second = b;

    return strcmp((*first)->path, (*second)->path);
}

/* ---- identities that stand in two files ---- */

static const char *
entry_said_name(const DirectoryEntry *entry)
{
    return entry->is_name_remembered ? NULL : entry->name;
}

static const char *
entry_uuid(const DirectoryEntry *entry)
{
    return entry->uuid;
}

static Position
position_of(const DirectoryEntry *entry, bool is_uuid)
{
    const Parsed *parsed = entry->parsed;

    return is_uuid ? parsed->uuid_at : parsed->name_at;
}

static void
mark_duplicate(DirectoryEntry *entry, const DirectoryEntry *other, const char *what,
               const char *code)
{
    bool is_uuid = !strcmp(what, "uuid");
    Position at = position_of(entry, is_uuid), there = position_of(other, is_uuid);

    add_trouble(entry, entry->state == ENTRY_VALID ? ENTRY_DUPLICATE : entry->state, at, code,
                g_strdup_printf("the same %s stands in %s:%u; neither acts", what, other->file,
                                there.line));
}

/* Marks entries whose @get is the same, under @what they call it. */
static void
mark_duplicates(DirectoryScan *scan, const char *(*get)(const DirectoryEntry *entry),
                const char *what, const char *code)
{
    g_autoptr(GHashTable) first = g_hash_table_new(g_str_hash, g_str_equal);

    for (guint i = 0; i < scan->entries->len; i++) {
        DirectoryEntry *entry = scan->entries->pdata[i], *other;
        const char *value = get(entry);

        other = value ? g_hash_table_lookup(first, value) : NULL;
        if (other) {
            mark_duplicate(entry, other, what, code);
            mark_duplicate(other, entry, what, code);
        } else if (value) {
            g_hash_table_insert(first, (gpointer) value, entry);
        }
    }
}

/* ---- by name ---- */

static bool
speaks_louder(const DirectoryEntry *entry, const DirectoryEntry *than)
{
    if (!than)
        return true;
    if (than->state == ENTRY_VALID)
        return false;
    return entry->state == ENTRY_VALID || (than->is_name_remembered && !entry->is_name_remembered);
}

static GHashTable *
index_names(const DirectoryScan *scan)
{
    GHashTable *by_name = g_hash_table_new(g_str_hash, g_str_equal);

    for (guint i = 0; i < scan->entries->len; i++) {
        DirectoryEntry *entry = scan->entries->pdata[i];

        if (entry->name && speaks_louder(entry, g_hash_table_lookup(by_name, entry->name)))
            g_hash_table_insert(by_name, entry->name, entry);
    }
    return by_name;
}

/* ---- the whole ---- */

static char *
scan_digest(const DirectoryScan *scan)
{
    g_autoptr(GChecksum) sum = g_checksum_new(G_CHECKSUM_SHA256);

    for (guint i = 0; i < scan->entries->len; i++) {
        const DirectoryEntry *entry = scan->entries->pdata[i];
        const char *content = entry->digest ? entry->digest : entry->message;

        g_checksum_update(sum, (const guchar *) entry->path, strlen(entry->path) + 1);
        g_checksum_update(sum, (const guchar *) content, strlen(content) + 1);
    }
    return g_strdup(g_checksum_get_string(sum));
}

static void
finish_scan(DirectoryScan *scan, WalkResult *walked)
{
    scan->resolved = g_steal_pointer(&walked->resolved);
    scan->problem = g_steal_pointer(&walked->problem);
    scan->is_missing = walked->is_missing;
    scan->dev = walked->root.st_dev;
    scan->ino = walked->root.st_ino;
    scan->is_empty = !scan->is_missing && !scan->problem && scan->entries->len == 0;
    g_ptr_array_sort(scan->entries, compare_entries);
    mark_duplicates(scan, entry_said_name, "name", "duplicate-name");
    mark_duplicates(scan, entry_uuid, "uuid", "duplicate-uuid");
    for (guint i = 0; i < scan->entries->len; i++) {
        const DirectoryEntry *entry = scan->entries->pdata[i];

        if (entry->state == ENTRY_VALID)
            scan->n_valid++;
        else
            scan->n_invalid++;
    }
    scan->digest = scan_digest(scan);
    scan->by_name = index_names(scan);
}

/* One walk; *@ret_is_whole says whether nothing moved meanwhile. */
static DirectoryScan *
scan_once(const char *root, bool is_strict, DirectoryCache *cache, bool *ret_is_whole)
{
    g_autoptr(GHashTable) seen = new_parsed_table();
    Reading reading = { .scan = scan_new(root), .cache = cache, .seen = seen };
    g_auto(WalkResult) walked = { 0 };

    directory_walk(root, is_strict, add_entry, &reading, &walked);
    *ret_is_whole = reading.n_changed == 0 && walked.n_vanished == 0;
    finish_scan(reading.scan, &walked);
    g_hash_table_unref(cache->parsed);
    cache->parsed = g_steal_pointer(&seen);
    return reading.scan;
}

static void
prepare_cache(DirectoryCache *cache, const char *root)
{
    /* Parsed files are named to the user by their root. */
    if (g_strcmp0(cache->root, root))
        g_hash_table_remove_all(cache->parsed);
    g_free(cache->root);
    cache->root = g_strdup(root);
    /* Paths that are long gone: whoever needs them remembers them again. */
    if (g_hash_table_size(cache->names) > 4 * DIRECTORY_MAX_FILES)
        g_hash_table_remove_all(cache->names);
}

DirectoryScan *
directory_scan(const char *root, bool is_strict, DirectoryCache *given)
{
    g_autoptr(DirectoryCache) own = given ? NULL : directory_cache_new();
    DirectoryCache *cache = given ? given : own;
    DirectoryScan *scan = NULL;
    bool is_whole = false;
    guint n_parsed = 0;

    prepare_cache(cache, root);
    for (int attempt = 0; attempt < SCAN_ATTEMPTS && !is_whole; attempt++) {
        if (attempt > 0)
            g_usleep(SCAN_PAUSE_US);
        directory_scan_unref(scan);
        scan = scan_once(root, is_strict, cache, &is_whole);
        n_parsed += scan->n_parsed;
    }
    scan->n_parsed = n_parsed;
    if (scan->resolved)
        scan->commit = commit_of_directory(scan->resolved);
    scan->is_changing =
        !is_whole || (scan->resolved && commit_is_busy(scan->resolved, g_get_real_time()));
    return scan;
}

const DirectoryEntry *
directory_scan_find(const DirectoryScan *scan, const char *name)
{
    return g_hash_table_lookup(scan->by_name, name);
}

Spec *
directory_entry_spec(const DirectoryEntry *entry)
{
    const Parsed *parsed = entry->parsed;

    if (!parsed)
        return NULL;
    return parsed->spec ? spec_ref(parsed->spec)
                        : spec_parse(entry->file, parsed->text, parsed->length);
}

char *
directory_scan_complaint(const DirectoryScan *scan)
{
    const DirectoryEntry *first = NULL;

    for (guint i = 0; i < scan->entries->len && !first; i++) {
        const DirectoryEntry *entry = scan->entries->pdata[i];

        if (entry->state != ENTRY_VALID)
            first = entry;
    }
    if (!first)
        return NULL;
    if (scan->n_invalid == 1)
        return g_strdup(first->message);
    return g_strdup_printf("%s (and %u more files)", first->message, scan->n_invalid - 1);
}
