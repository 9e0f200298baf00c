/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * `import`: bytes arrive as they were or not at all, and nothing that is there is lost. What
 * virtkeep could not keep as the file says is refused before anything is copied.
 */
#include "tests/cli/domain-file.h"
#include "tests/support/virtkeep.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "model/json.h"

static Scratch *scratch;

static char *
write_source(const char *place, const DomainFile *file)
{
    g_autofree char *xml = domain_file_xml(file);

    return scratch_write(scratch, place, xml);
}

static bool
is_there(const char *name)
{
    g_autofree char *path = scratch_path(scratch, name);

    return g_file_test(path, G_FILE_TEST_EXISTS);
}

/* How many entries the domains directory has, hidden ones too. */
static guint
n_files(void)
{
    g_autofree char *path = scratch_path(scratch, "domains");
    g_autoptr(GDir) directory = g_dir_open(path, 0, NULL);
    guint n = 0;

    while (directory && g_dir_read_name(directory))
        n++;
    return n;
}

static void
test_copies_bytes(void **state)
{
    g_autofree char *path = write_source("in/some name.xml", &(DomainFile){ .name = "a" });
    g_autofree char *before = scratch_read(scratch, "in/some name.xml"), *after = NULL;
    g_autofree char *target = scratch_path(scratch, "domains/a.xml");
    struct stat status;

    assert_int_equal(chmod(path, 0666), 0);
    g_free(virtkeep_expect(scratch, 10, 0, "import", path));
    after = scratch_read(scratch, "domains/a.xml");
    assert_string_equal(before, after);
    assert_int_equal(n_files(), 1);
    assert_int_equal(stat(target, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0644);
    g_free(virtkeep_expect(scratch, 10, 0, "plan", "a"));
}

static void
test_dry_run(void **state)
{
    g_autofree char *path = write_source("in/a.xml", &(DomainFile){ .name = "a" });

    g_free(virtkeep_expect(scratch, 10, 0, "import", "--dry-run", path));
    assert_int_equal(n_files(), 0);
}

static void
test_replaces_only_by_force(void **state)
{
    g_autofree char *path = write_source("in/a.xml", &(DomainFile){ .name = "a", .vcpus = 2 });
    g_autofree char *kept = NULL, *replaced = NULL, *source = scratch_read(scratch, "in/a.xml");

    domain_file_write(scratch, &(DomainFile){ .name = "a" });
    g_free(virtkeep_expect(scratch, 10, 1, "import", path));
    kept = scratch_read(scratch, "domains/a.xml");
    assert_non_null(strstr(kept, "<vcpu>1</vcpu>"));
    g_free(virtkeep_expect(scratch, 10, 0, "import", "--force", path));
    replaced = scratch_read(scratch, "domains/a.xml");
    assert_string_equal(replaced, source);
    assert_int_equal(n_files(), 1);
}

static void
test_name_in_another_file(void **state)
{
    g_autofree char *path = write_source("in/a.xml", &(DomainFile){ .name = "a" });
    g_autofree char *xml = domain_file_xml(&(DomainFile){ .name = "a" });
    g_autoptr(CommandResult) result = NULL;

    g_free(scratch_write(scratch, "domains/web/other.xml", xml));
    result = virtkeep_run(scratch, 10, "import", "--force", path);
    assert_int_equal(result->status, 1);
    assert_non_null(strstr(result->err, "domains/web/other.xml has the same name"));
    assert_false(is_there("domains/a.xml"));
}

/* Two that could not both act are not both brought, also where only the first would be. */
static void
test_same_uuid(void **state)
{
    const char *const uuid = "<uuid>4dea22b3-1d52-d8f3-2516-782e98ab3fa0</uuid>";
    g_autofree char *a = domain_file_xml(&(DomainFile){ .name = "a" });
    g_autofree char *b = domain_file_xml(&(DomainFile){ .name = "b" });
    g_auto(GStrv) of_a = g_strsplit(a, "</name>", 2), of_b = g_strsplit(b, "</name>", 2);
    g_autofree char *xml_a = g_strconcat(of_a[0], "</name>", uuid, of_a[1], NULL);
    g_autofree char *xml_b = g_strconcat(of_b[0], "</name>", uuid, of_b[1], NULL);
    g_autofree char *path_a = scratch_write(scratch, "in/a.xml", xml_a);
    g_autofree char *path_b = scratch_write(scratch, "in/b.xml", xml_b);
    g_autoptr(CommandResult) dry = virtkeep_run(scratch, 10, "import", "-n", path_a, path_b);
    g_autoptr(CommandResult) result = virtkeep_run(scratch, 10, "import", path_a, path_b);

    assert_int_equal(dry->status, 1);
    assert_non_null(strstr(dry->err, "in/a.xml has the same name or uuid"));
    assert_int_equal(result->status, 1);
    assert_true(is_there("domains/a.xml"));
    assert_false(is_there("domains/b.xml"));
}

static void
test_refuses_what_is_not_supported(void **state)
{
    g_autofree char *path =
        write_source("in/a.xml", &(DomainFile){ .name = "a", .devices = "    <warp-core/>\n" });
    g_autoptr(CommandResult) result = virtkeep_run(scratch, 10, "import", path);

    assert_int_equal(result->status, 1);
    assert_non_null(strstr(result->err, "in/a.xml:12:5: error: "));
    assert_non_null(strstr(result->err, "warp-core"));
    assert_int_equal(n_files(), 0);
    g_free(virtkeep_expect(scratch, 10, 1, "import", "/no/such/file"));
    g_free(virtkeep_expect(scratch, 10, 1, "import", "/dev/null"));
}

/* Each file stands for itself; the sum says that not all is well. */
static void
test_directory(void **state)
{
    g_autofree char *one = write_source("in/one.xml", &(DomainFile){ .name = "a" });
    g_autofree char *two =
        write_source("in/two.xml", &(DomainFile){ .name = "b", .devices = "    <nonsense/>\n" });
    g_autofree char *three = write_source("in/three.xml", &(DomainFile){ .name = "c" });
    g_autofree char *again = write_source("in/zero.xml", &(DomainFile){ .name = "a" });
    g_autofree char *hidden = write_source("in/.four.xml", &(DomainFile){ .name = "d" });
    g_autofree char *directory = scratch_path(scratch, "in");
    g_autofree char *text =
        virtkeep_expect(scratch, 10, 1, "import", "--output", "json", directory);
    g_autoptr(Json) json = json_parse(text, -1, NULL);
    const Json *files = json_get(json, "files");
    static const char *const outcomes[] = { "imported", "imported", "refused", "refused" };

    assert_int_equal(json_length(files), G_N_ELEMENTS(outcomes));
    for (guint i = 0; i < G_N_ELEMENTS(outcomes); i++)
        assert_string_equal(json_get_string(json_at(files, i), "outcome"), outcomes[i]);
    assert_true(is_there("domains/a.xml") && is_there("domains/c.xml"));
    assert_int_equal(n_files(), 2);
}

static int
set_up(void **state)
{
    scratch = scratch_new();
    return 0;
}

static int
tear_down(void **state)
{
    scratch_free(scratch);
    return 0;
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_copies_bytes),
        TEST(test_dry_run),
        TEST(test_replaces_only_by_force),
        TEST(test_name_in_another_file),
        TEST(test_same_uuid),
        TEST(test_refuses_what_is_not_supported),
        TEST(test_directory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
