/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * directory.h and commit.h on real trees: what is found, what is refused and why, layouts with
 * symlinks as Kubernetes and git-sync make them, and that a rescan reparses only what changed.
 */
#include "controller/directory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utime.h>

#include <cmocka.h>

#include "controller/commit.h"
#include "tests/support/scratch.h"

#define COMMIT_A "0123456789abcdef0123456789abcdef01234567"
#define COMMIT_B "89abcdef0123456789abcdef0123456789abcdef"

static char *
domain_xml(const char *name)
{
    return g_strdup_printf("<domain type='qemu'>\n"
                           "  <name>%s</name>\n"
                           "  <memory unit='MiB'>64</memory>\n"
                           "  <vcpu>1</vcpu>\n"
                           "  <os><type arch='x86_64' machine='q35'>hvm</type></os>\n"
                           "</domain>\n",
                           name);
}

static void
write_domain(Scratch *scratch, const char *file, const char *name)
{
    g_autofree char *text = domain_xml(name);

    g_free(scratch_write(scratch, file, text));
}

static void
write_text(Scratch *scratch, const char *file, const char *text)
{
    g_free(scratch_write(scratch, file, text));
}

static void
link_to(Scratch *scratch, const char *target, const char *name)
{
    g_autofree char *path = scratch_path(scratch, name);

    assert_int_equal(symlink(target, path), 0);
}

static DirectoryScan *
scan_of(Scratch *scratch, const char *name, DirectoryCache *cache)
{
    g_autofree char *root = scratch_path(scratch, name);

    return directory_scan(root, true, cache);
}

/* "path=name!state" of each entry, separated by spaces; state is a letter. */
static char *
summary(const DirectoryScan *scan)
{
    static const char letters[] = { [ENTRY_VALID] = 'v',
                                    [ENTRY_INVALID] = 'i',
                                    [ENTRY_DUPLICATE] = 'd',
                                    [ENTRY_UNREADABLE] = 'u' };
    GString *out = g_string_new(NULL);

    for (guint i = 0; i < scan->entries->len; i++) {
        const DirectoryEntry *entry = scan->entries->pdata[i];

        g_string_append_printf(out, "%s%s=%s%s!%c", i ? " " : "", entry->path,
                               entry->name ? entry->name : "?",
                               entry->is_name_remembered ? "*" : "", letters[entry->state]);
        assert_true((entry->message == NULL) == (entry->state == ENTRY_VALID));
        assert_true((entry->digest == NULL) == (entry->state == ENTRY_UNREADABLE));
    }
    return g_string_free(out, FALSE);
}

static void
assert_scan(const DirectoryScan *scan, const char *expected)
{
    g_autofree char *found = summary(scan);

    if (scan->problem)
        print_message("problem: %s\n", scan->problem);
    assert_string_equal(found, expected);
}

static void
test_plain_tree(void **state)
{
    g_autoptr(Scratch) scratch = scratch_new();
    g_autoptr(DirectoryScan) scan = NULL;
    g_autofree char *root = scratch_path(scratch, "d");
    struct stat status;

    write_domain(scratch, "d/web.xml", "web");
    write_domain(scratch, "d/sub/deep/db.xml", "db");
    write_domain(scratch, "d/.hidden.xml", "hidden");
    write_domain(scratch, "d/.git/x.xml", "git");
    write_domain(scratch, "d/web.xml~", "backup");
    write_text(scratch, "d/README", "no");
    scan = scan_of(scratch, "d", NULL);
    assert_scan(scan, "sub/deep/db.xml=db!v web.xml=web!v");
    assert_int_equal(scan->n_valid, 2);
    assert_int_equal(scan->n_invalid, 0);
    assert_null(scan->problem);
    assert_false(scan->is_missing || scan->is_empty || scan->is_changing);
    assert_string_equal(scan->resolved, root);
    assert_int_equal(stat(root, &status), 0);
    assert_int_equal(scan->ino, status.st_ino);
    assert_int_equal(scan->dev, status.st_dev);
    assert_null(scan->commit);
    assert_string_equal(directory_scan_find(scan, "db")->path, "sub/deep/db.xml");
    assert_null(directory_scan_find(scan, "hidden"));
    assert_null(directory_scan_complaint(scan));
}

static void
test_missing_empty_and_wrong_roots(void **state)
{
    g_autoptr(Scratch) scratch = scratch_new();
    g_autoptr(DirectoryScan) missing = scan_of(scratch, "no", NULL);
    g_autoptr(DirectoryScan) empty = NULL;
    g_autoptr(DirectoryScan) file = NULL;
    g_autoptr(DirectoryScan) dangling = NULL;

    assert_true(missing->is_missing);
    assert_false(missing->is_empty);
    assert_null(missing->resolved);

    write_text(scratch, "d/.keep", "");
    empty = scan_of(scratch, "d", NULL);
    assert_true(empty->is_empty);
    assert_null(empty->problem);

    write_text(scratch, "f", "");
    file = scan_of(scratch, "f", NULL);
    assert_false(file->is_missing || file->is_empty);
    assert_non_null(strstr(file->problem, "Not a directory"));

    link_to(scratch, "nowhere", "link");
    dangling = scan_of(scratch, "link", NULL);
    assert_true(dangling->is_missing);
}

static void
test_invalid_files_keep_their_names(void **state)
{
    g_autoptr(Scratch) scratch = scratch_new();
    g_autoptr(DirectoryCache) cache = directory_cache_new();
    g_autoptr(DirectoryScan) before = NULL;
    g_autoptr(DirectoryScan) after = NULL;
    const DirectoryEntry *entry;

    write_domain(scratch, "d/a.xml", "alpha");
    write_domain(scratch, "d/b.xml", "beta");
    write_text(scratch, "d/c.xml", "<domain");
    write_text(scratch, "d/e.xml", "");
    directory_cache_remember(cache, "c.xml", "gamma"); /* as from the state file */
    before = scan_of(scratch, "d", cache);
    assert_scan(before, "a.xml=alpha!v b.xml=beta!v c.xml=gamma*!i e.xml=?!i");

    write_text(scratch, "d/a.xml", "<domain type='qemu'><name>alpha</name");
    write_text(scratch, "d/b.xml", "<domain type='qemu'><name>beta2</name><foo/></domain>");
    after = scan_of(scratch, "d", cache);
    assert_scan(after, "a.xml=alpha*!i b.xml=beta2!i c.xml=gamma*!i e.xml=?!i");
    assert_int_equal(after->n_invalid, 4);
    entry = directory_scan_find(after, "alpha");
    assert_true(g_str_has_prefix(entry->message, entry->file));
    assert_non_null(strstr(entry->message, "a.xml:1:"));
    assert_string_not_equal(before->digest, after->digest);
}

static void
test_duplicates(void **state)
{
    g_autoptr(Scratch) scratch = scratch_new();
    g_autoptr(DirectoryScan) scan = NULL;
    const DirectoryEntry *first;

    write_domain(scratch, "d/a.xml", "web");
    write_domain(scratch, "d/b.xml", "web");
    write_domain(scratch, "d/c.xml", "web");
    write_domain(scratch, "d/x.xml", "db");
    write_text(scratch, "d/y.xml", "<domain type='qemu'><name>db</name><foo/></domain>");
    scan = scan_of(scratch, "d", NULL);
    assert_scan(scan, "a.xml=web!d b.xml=web!d c.xml=web!d x.xml=db!d y.xml=db!i");
    first = scan->entries->pdata[0];
    assert_non_null(strstr(first->message, "d/a.xml:2:"));
    assert_non_null(strstr(first->message, "d/b.xml:2"));
    assert_non_null(strstr(first->message, "[duplicate-name]"));
    assert_int_equal(scan->n_valid, 0);
}

static void
test_duplicate_uuids(void **state)
{
    g_autoptr(Scratch) scratch = scratch_new();
    g_autoptr(DirectoryScan) scan = NULL;

    for (int i = 0; i < 2; i++) {
        g_autofree char *name = g_strdup_printf("vm%d", i);
        g_autofree char *file = g_strdup_printf("d/%s.xml", name);
        g_autofree char *plain = domain_xml(name);
        g_auto(GStrv) parts = g_strsplit(plain, "</name>\n", 2);
        g_autofree char *text =
            g_strjoinv("</name>\n  <uuid>1b4e28ba-2fa1-11d2-883f-0016d3cca427</uuid>\n", parts);

        write_text(scratch, file, text);
    }
    scan = scan_of(scratch, "d", NULL);
    assert_scan(scan, "vm0.xml=vm0!d vm1.xml=vm1!d");
}

/* A file that was renamed while broken: the name belongs to the file that says it. */
static void
test_remembered_name_is_no_duplicate(void **state)
{
    g_autoptr(Scratch) scratch = scratch_new();
    g_autoptr(DirectoryCache) cache = directory_cache_new();
    g_autoptr(DirectoryScan) scan = NULL;

    directory_cache_remember(cache, "a.xml", "web");
    write_text(scratch, "d/a.xml", "<broken");
    write_domain(scratch, "d/b.xml", "web");
    scan = scan_of(scratch, "d", cache);
    assert_scan(scan, "a.xml=web*!i b.xml=web!v");
    assert_string_equal(directory_scan_find(scan, "web")->path, "b.xml");
}

/* kubelet: web.xml -> ..data/web.xml, ..data -> ..2024, and the switch of ..data. */
static void
test_kubernetes_layout(void **state)
{
    g_autoptr(Scratch) scratch = scratch_new();
    g_autoptr(DirectoryCache) cache = directory_cache_new();
    g_autoptr(DirectoryScan) before = NULL;
    g_autoptr(DirectoryScan) after = NULL;
    g_autoptr(DirectoryScan) removed = NULL;
    g_autofree char *data = scratch_path(scratch, "d/..data");
    g_autofree char *new_data = scratch_path(scratch, "d/..data_tmp");

    write_domain(scratch, "d/..2024/web.xml", "web");
    write_domain(scratch, "d/..2024/sub/db.xml", "db");
    write_domain(scratch, "d/..2025/web.xml", "web2");
    link_to(scratch, "..2024", "d/..data");
    link_to(scratch, "..data/web.xml", "d/web.xml");
    link_to(scratch, "..data/sub", "d/sub");
    before = scan_of(scratch, "d", cache);
    assert_scan(before, "sub/db.xml=db!v web.xml=web!v");

    link_to(scratch, "..2025", "d/..data_tmp");
    assert_int_equal(rename(new_data, data), 0);
    after = scan_of(scratch, "d", cache);
    assert_scan(after, "web.xml=web2!v");
    assert_int_equal(before->ino, after->ino); /* the root is the same */

    assert_int_equal(unlink(data), 0); /* nothing behind the links: an error, not a deletion */
    removed = scan_of(scratch, "d", cache);
    assert_scan(removed, "web.xml=web2*!u");
    assert_false(removed->is_empty);
}

static void
test_switched_root(void **state)
{
    g_autoptr(Scratch) scratch = scratch_new();
    g_autoptr(DirectoryScan) before = NULL;
    g_autoptr(DirectoryScan) after = NULL;
    g_autofree char *link = scratch_path(scratch, "d");
    g_autofree char *second = scratch_path(scratch, "trees/2");

    write_domain(scratch, "trees/1/a.xml", "a");
    write_domain(scratch, "trees/2/a.xml", "a");
    link_to(scratch, "trees/1", "d");
    before = scan_of(scratch, "d", NULL);
    assert_int_equal(unlink(link), 0);
    link_to(scratch, "trees/2", "d");
    after = scan_of(scratch, "d", NULL);
    assert_scan(after, "a.xml=a!v");
    assert_string_equal(before->root, after->root);
    assert_string_equal(after->resolved, second);
    assert_string_not_equal(before->resolved, after->resolved);
    assert_true(before->ino != after->ino);
}

static void
test_links_out_of_the_tree(void **state)
{
    g_autoptr(Scratch) scratch = scratch_new();
    g_autoptr(DirectoryScan) scan = NULL;

    write_domain(scratch, "outside/x.xml", "x");
    write_domain(scratch, "d2/x.xml", "x"); /* a prefix of the root's name is not the root */
    write_domain(scratch, "d/a.xml", "a");
    link_to(scratch, "../outside/x.xml", "d/x.xml");
    link_to(scratch, "../d2/x.xml", "d/y.xml");
    link_to(scratch, "/dev/zero", "d/zero.xml");
    link_to(scratch, "/dev/null", "d/ignored");
    link_to(scratch, "loop.xml", "d/loop.xml");
    scan = scan_of(scratch, "d", NULL);
    assert_scan(scan, "a.xml=a!v loop.xml=?!u x.xml=?!u y.xml=?!u zero.xml=?!u");
    assert_null(scan->problem);
    assert_non_null(strstr(((DirectoryEntry *) scan->entries->pdata[2])->message,
                           "a symlink that leads out of the domains directory [unreadable]"));
    directory_scan_unref(g_steal_pointer(&scan));

    link_to(scratch, "../outside", "d/dir"); /* who knows which domains are there */
    scan = scan_of(scratch, "d", NULL);
    assert_non_null(strstr(scan->problem, "dir: a symlink that leads out"));
}

static void
test_linked_directories_are_visited_once(void **state)
{
    g_autoptr(Scratch) scratch = scratch_new();
    g_autoptr(DirectoryScan) scan = NULL;

    write_domain(scratch, "d/releases/1/a.xml", "a");
    link_to(scratch, "releases/1", "d/current");
    link_to(scratch, "..", "d/releases/1/up");
    link_to(scratch, ".", "d/self");
    scan = scan_of(scratch, "d", NULL);
    assert_scan(scan, "releases/1/a.xml=a!v");
    assert_null(scan->problem);
}

static void
test_not_regular_files(void **state)
{
    g_autoptr(Scratch) scratch = scratch_new();
    g_autoptr(DirectoryScan) scan = NULL;
    g_autofree char *fifo = NULL;

    write_domain(scratch, "d/a.xml", "a");
    fifo = scratch_path(scratch, "d/fifo.xml");
    assert_int_equal(mkfifo(fifo, 0600), 0);
    g_free(scratch_mkdir(scratch, "d/dir.xml"));
    scan = scan_of(scratch, "d", NULL);
    assert_scan(scan, "a.xml=a!v fifo.xml=?!u");
}

static void
chmod_in(Scratch *scratch, const char *name, mode_t mode)
{
    g_autofree char *path = scratch_path(scratch, name);

    assert_int_equal(chmod(path, mode), 0);
}

static void
test_writable_by_others(void **state)
{
    g_autoptr(Scratch) scratch = scratch_new();
    g_autofree char *root = scratch_path(scratch, "d");
    g_autoptr(DirectoryScan) file = NULL;
    g_autoptr(DirectoryScan) lax = NULL;
    g_autoptr(DirectoryScan) directory = NULL;
    g_autoptr(DirectoryScan) top = NULL;
    g_autoptr(DirectoryScan) linked = NULL;

    write_domain(scratch, "d/a.xml", "a");
    write_domain(scratch, "d/b.xml", "b");
    write_domain(scratch, "d/sub/c.xml", "c");
    chmod_in(scratch, "d/b.xml", 0666);
    file = scan_of(scratch, "d", NULL);
    assert_scan(file, "a.xml=a!v b.xml=?!u sub/c.xml=c!v");
    assert_non_null(strstr(((DirectoryEntry *) file->entries->pdata[1])->message,
                           "refused because others may write to it (mode 666)"));
    lax = directory_scan(root, false, NULL);
    assert_scan(lax, "a.xml=a!v b.xml=b!v sub/c.xml=c!v");

    chmod_in(scratch, "d/b.xml", 0664); /* a group is not "others" */
    chmod_in(scratch, "d/sub", 0777);
    directory = scan_of(scratch, "d", NULL);
    assert_scan(directory, "a.xml=a!v b.xml=b!v");
    assert_non_null(strstr(directory->problem, "sub: refused because others may write to it"));

    chmod_in(scratch, "d/sub", 0755);
    chmod_in(scratch, "d", 01777); /* sticky: still anyone may add */
    top = scan_of(scratch, "d", NULL);
    assert_scan(top, "");
    assert_false(top->is_empty);
    assert_non_null(strstr(top->problem, "refused because others may write to it"));

    chmod_in(scratch, "d", 0755);
    write_domain(scratch, "d/.store/x.xml", "x");
    chmod_in(scratch, "d/.store", 0777);
    link_to(scratch, ".store/x.xml", "d/x.xml");
    linked = scan_of(scratch, "d", NULL);
    assert_scan(linked, "a.xml=a!v b.xml=b!v sub/c.xml=c!v x.xml=?!u");
}

static void
test_unreadable_directory(void **state)
{
    g_autoptr(Scratch) scratch = NULL;
    g_autoptr(DirectoryScan) scan = NULL;

    if (geteuid() == 0)
        skip(); /* root reads everything */
    scratch = scratch_new();
    write_domain(scratch, "d/a.xml", "a");
    write_domain(scratch, "d/sub/b.xml", "b");
    chmod_in(scratch, "d/sub", 0);
    scan = scan_of(scratch, "d", NULL);
    chmod_in(scratch, "d/sub", 0755);
    assert_non_null(strstr(scan->problem, "sub: Permission denied"));
}

static void
test_too_deep(void **state)
{
    g_autoptr(Scratch) scratch = scratch_new();
    g_autoptr(GString) path = g_string_new("d");
    g_autoptr(DirectoryScan) scan = NULL;

    for (guint i = 0; i <= DIRECTORY_MAX_DEPTH; i++)
        g_string_append(path, "/s");
    g_string_append(path, "/a.xml");
    write_domain(scratch, path->str, "a");
    scan = scan_of(scratch, "d", NULL);
    assert_scan(scan, "");
    assert_non_null(strstr(scan->problem, "deeper than 16 directories"));
}

/* Makes a file look as if it had been written long ago. */
static void
age_file(Scratch *scratch, const char *name, time_t when)
{
    g_autofree char *path = scratch_path(scratch, name);
    struct utimbuf times = { .actime = when, .modtime = when };

    assert_int_equal(utime(path, &times), 0);
}

static void
assert_same_parse(const DirectoryEntry *a, const DirectoryEntry *b)
{
    g_autoptr(Spec) first = directory_entry_spec(a);
    g_autoptr(Spec) second = directory_entry_spec(b);

    assert_ptr_equal(first, second);
}

/* What a lean cache keeps is what was scanned, and is read as if it had been kept parsed. */
static void
test_lean_cache(void **state)
{
    g_autoptr(Scratch) scratch = scratch_new();
    g_autoptr(DirectoryCache) cache = directory_cache_new_lean();
    g_autoptr(DirectoryScan) scan = NULL, again = NULL;
    g_autoptr(Spec) good = NULL, bad = NULL;

    write_domain(scratch, "d/good.xml", "good");
    g_free(scratch_write(scratch, "d/bad.xml", "<domain>\n  <name>bad</name><oops/></domain>"));
    scan = scan_of(scratch, "d", cache);
    assert_scan(scan, "bad.xml=bad!i good.xml=good!v");
    write_domain(scratch, "d/good.xml", "other");
    good = directory_entry_spec(directory_scan_find(scan, "good"));
    assert_string_equal(good->domain->name, "good");
    assert_string_equal(good->digest, directory_scan_find(scan, "good")->digest);
    bad = directory_entry_spec(directory_scan_find(scan, "bad"));
    assert_true(diagnostics_has_errors(bad->diagnostics));
    again = scan_of(scratch, "d", cache);
    assert_int_equal(again->n_parsed, 1);
    assert_scan(again, "bad.xml=bad!i good.xml=other!v");
}

static void
test_cache(void **state)
{
    g_autoptr(Scratch) scratch = scratch_new();
    g_autoptr(DirectoryCache) cache = directory_cache_new();
    g_autoptr(DirectoryScan) first = NULL;
    g_autoptr(DirectoryScan) second = NULL;
    g_autoptr(DirectoryScan) third = NULL;

    for (int i = 0; i < 50; i++) {
        g_autofree char *name = g_strdup_printf("vm-%02d", i);
        g_autofree char *file = g_strdup_printf("d/%s.xml", name);

        write_domain(scratch, file, name);
    }
    first = scan_of(scratch, "d", cache);
    assert_int_equal(first->n_parsed, 50);
    second = scan_of(scratch, "d", cache);
    assert_int_equal(second->n_parsed, 0);
    assert_string_equal(first->digest, second->digest);
    assert_same_parse(directory_scan_find(first, "vm-07"), directory_scan_find(second, "vm-07"));

    write_domain(scratch, "d/vm-07.xml", "vm-x7"); /* the same size */
    age_file(scratch, "d/vm-08.xml", 1000000000);  /* touched, not changed */
    third = scan_of(scratch, "d", cache);
    assert_int_equal(third->n_parsed, 1);
    assert_non_null(directory_scan_find(third, "vm-x7"));
    assert_non_null(directory_scan_find(second, "vm-07")); /* an older scan stays as it was */
    assert_same_parse(directory_scan_find(first, "vm-08"), directory_scan_find(third, "vm-08"));
}

/* Written again in place, at once and with the same size, time after time: none is missed. */
static void
test_cache_sees_changes_within_a_clock_tick(void **state)
{
    g_autoptr(Scratch) scratch = scratch_new();
    g_autoptr(DirectoryCache) cache = directory_cache_new();
    g_autofree char *path = NULL;

    write_domain(scratch, "d/a.xml", "vm-000");
    path = scratch_path(scratch, "d/a.xml");
    for (int i = 0; i < 300; i++) {
        g_autofree char *name = g_strdup_printf("vm-%03d", i);
        g_autofree char *text = domain_xml(name);
        g_autoptr(DirectoryScan) scan = NULL;
        FILE *file = fopen(path, "r+");

        assert_non_null(file);
        assert_true(fputs(text, file) >= 0);
        assert_int_equal(fclose(file), 0);
        scan = scan_of(scratch, "d", cache);
        assert_non_null(directory_scan_find(scan, name));
    }
}

/* Files coming and going while one scans: never a crash, never a half-read valid file. */
static gpointer
churn(gpointer data)
{
    Scratch *scratch = data;
    g_autofree char *path = scratch_path(scratch, "d/vm-1.xml");

    for (int i = 0; i < 200; i++) {
        write_domain(scratch, "d/vm-1.xml", "vm-1");
        assert_int_equal(unlink(path), 0);
    }
    return NULL;
}

static void
test_scan_under_churn(void **state)
{
    g_autoptr(Scratch) scratch = scratch_new();
    g_autoptr(DirectoryCache) cache = directory_cache_new();
    GThread *thread;

    write_domain(scratch, "d/vm-0.xml", "vm-0");
    thread = g_thread_new("churn", churn, scratch);
    for (int i = 0; i < 8; i++) {
        g_autoptr(DirectoryScan) scan = scan_of(scratch, "d", cache);

        assert_non_null(directory_scan_find(scan, "vm-0"));
        assert_true(scan->n_invalid == 0);
        assert_null(scan->problem);
    }
    g_thread_join(thread);
}

/* ---- commit.h ---- */

static void
assert_commit(Scratch *scratch, const char *directory, const char *expected)
{
    g_autofree char *path = scratch_path(scratch, directory);
    g_autofree char *commit = commit_of_directory(path);

    if (g_strcmp0(commit, expected))
        fail_msg("%s: %s instead of %s", directory, commit, expected);
}

static void
test_commit(void **state)
{
    g_autoptr(Scratch) scratch = scratch_new();
    g_autofree char *main_ref = scratch_path(scratch, "r/.git/refs/heads/main");
    g_autofree char *git = NULL;

    g_free(scratch_mkdir(scratch, "r/sub/deep"));
    assert_commit(scratch, "r/sub/deep", NULL);
    write_text(scratch, "r/.git/HEAD", "ref: refs/heads/main\n");
    assert_commit(scratch, "r", NULL); /* no commit yet */
    write_text(scratch, "r/.git/packed-refs",
               "# pack-refs with: peeled fully-peeled sorted\n" COMMIT_B
               " refs/heads/maintenance\n" COMMIT_A " refs/heads/main\n^" COMMIT_B "\n");
    assert_commit(scratch, "r/sub/deep", COMMIT_A);
    write_text(scratch, "r/.git/refs/heads/main", COMMIT_B "\n");
    assert_commit(scratch, "r/sub/deep", COMMIT_B); /* a loose ref is newer */
    write_text(scratch, "r/.git/HEAD", COMMIT_A "\n");
    assert_commit(scratch, "r", COMMIT_A); /* detached */

    write_text(scratch, "r/.git/HEAD", "ref: refs/../../../etc/passwd\n");
    assert_commit(scratch, "r", NULL);
    write_text(scratch, "r/.git/HEAD", "ref: refs/heads/loop\n");
    write_text(scratch, "r/.git/refs/heads/loop", "ref: refs/heads/loop\n");
    assert_commit(scratch, "r", NULL);
    write_text(scratch, "r/.git/HEAD", "rubbish\n");
    assert_commit(scratch, "r", NULL);

    /* A linked work tree, as git-sync makes them. */
    git = scratch_path(scratch, "r/.git/worktrees/w");
    write_text(scratch, "r/.git/worktrees/w/HEAD", "ref: refs/heads/main\n");
    write_text(scratch, "r/.git/worktrees/w/commondir", "../..\n");
    {
        g_autofree char *pointer = g_strdup_printf("gitdir: %s\n", git);

        write_text(scratch, "w/.git", pointer);
    }
    assert_commit(scratch, "w", COMMIT_B);
    assert_int_equal(unlink(main_ref), 0);
    assert_commit(scratch, "w", COMMIT_A); /* packed */
}

static void
test_busy(void **state)
{
    g_autoptr(Scratch) scratch = scratch_new();
    g_autofree char *directory = scratch_mkdir(scratch, "r/sub");
    g_autofree char *lock = NULL;
    g_autoptr(DirectoryScan) scan = NULL;

    write_text(scratch, "r/.git/HEAD", COMMIT_A "\n");
    write_domain(scratch, "r/sub/a.xml", "a");
    assert_false(commit_is_busy(directory, g_get_real_time()));
    write_text(scratch, "r/.git/index.lock", "");
    assert_true(commit_is_busy(directory, g_get_real_time()));
    assert_false(commit_wait(directory, 50000));
    scan = scan_of(scratch, "r/sub", NULL);
    assert_true(scan->is_changing);
    assert_string_equal(scan->commit, COMMIT_A);
    /* Left behind by a git that crashed. */
    assert_false(commit_is_busy(directory, g_get_real_time() + COMMIT_BUSY_MAX_US + 1000000));
    /* Made before the clock was set back. */
    assert_false(commit_is_busy(directory, g_get_real_time() - COMMIT_BUSY_MAX_US - 1000000));
    lock = scratch_path(scratch, "r/.git/index.lock");
    assert_int_equal(unlink(lock), 0);
    assert_true(commit_wait(directory, 0));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain_tree),
        cmocka_unit_test(test_missing_empty_and_wrong_roots),
        cmocka_unit_test(test_invalid_files_keep_their_names),
        cmocka_unit_test(test_duplicates),
        cmocka_unit_test(test_duplicate_uuids),
        cmocka_unit_test(test_remembered_name_is_no_duplicate),
        cmocka_unit_test(test_kubernetes_layout),
        cmocka_unit_test(test_switched_root),
        cmocka_unit_test(test_links_out_of_the_tree),
        cmocka_unit_test(test_linked_directories_are_visited_once),
        cmocka_unit_test(test_not_regular_files),
        cmocka_unit_test(test_writable_by_others),
        cmocka_unit_test(test_unreadable_directory),
        cmocka_unit_test(test_too_deep),
        cmocka_unit_test(test_cache),
        cmocka_unit_test(test_lean_cache),
        cmocka_unit_test(test_cache_sees_changes_within_a_clock_tick),
        cmocka_unit_test(test_scan_under_churn),
        cmocka_unit_test(test_commit),
        cmocka_unit_test(test_busy),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
