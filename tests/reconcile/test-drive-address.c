/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Where SCSI units of the host sit: the first free place, which they then keep.
 *
 * Disks go first, since their names say where they are, then given addresses, then what was
 * assigned before; a new unit takes what is left, also on a controller that nobody wrote down.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "model/controller.h"
#include "model/hostdev.h"
#include "reconcile/device-order.h"
#include "tests/reconcile/resolve-document.h"

#define CONTROLLER "<controller type='scsi' index='0' model='virtio-scsi'/>\n"
#define DISK(name)                                                                                 \
    "<disk type='file'><source file='/" name "'/><target dev='" name "' bus='scsi'/></disk>\n"
#define UNIT(adapter, more)                                                                        \
    "<hostdev mode='subsystem' type='scsi'><source><adapter name='scsi_host" adapter "'/>"         \
    "<address bus='0' target='0' unit='0'/></source>" more "</hostdev>\n"
#define AT(place) "<address type='drive' " place "/>"

static void
assert_at(const Domain *domain, guint index, const char *expected)
{
    g_autofree char *address = address_of(domain, "hostdev", index);

    assert_string_equal(address, expected);
}

static void
units_take_what_is_free(void **unused)
{
    g_autoptr(Spec) spec =
        document_parse("q35", NULL,
                       CONTROLLER UNIT("1", "") UNIT("2", AT("controller='0' unit='1'"))
                           UNIT("3", "") DISK("sda") DISK("sdd"));
    g_autoptr(Domain) domain = document_resolve(spec, NULL);

    assert_at(domain, 0, "drive 0-0-0-2");
    assert_at(domain, 1, "drive 0-0-0-1");
    assert_at(domain, 2, "drive 0-0-0-4");
}

/* Seven units a controller; the next is of the same model. */
static void
a_full_controller_brings_another(void **unused)
{
    g_autoptr(GString) devices = g_string_new(CONTROLLER);
    g_autoptr(Spec) spec = NULL;
    g_autoptr(Domain) domain = NULL;
    const Controller *second;

    for (guint i = 0; i < 8; i++) {
        g_autofree char *number = g_strdup_printf("%u", i);
        g_autofree char *unit = NULL;
        g_auto(GStrv) parts = g_strsplit(UNIT("@", ""), "@", 2);

        unit = g_strjoinv(number, parts);
        g_string_append(devices, unit);
    }
    spec = document_parse("pc", NULL, devices->str);
    domain = document_resolve(spec, NULL);
    assert_at(domain, 6, "drive 0-0-0-6");
    assert_at(domain, 7, "drive 1-0-0-0");
    second = controller_find(domain, CONTROLLER_SCSI, 1);
    assert_non_null(second);
    assert_int_equal(second->model, CONTROLLER_MODEL_VIRTIO_SCSI);
}

static void
units_keep_their_places(void **unused)
{
    g_autoptr(Spec) first = document_parse("q35", NULL, CONTROLLER UNIT("1", "") UNIT("2", ""));
    g_autoptr(Spec) second =
        document_parse("q35", NULL, CONTROLLER UNIT("3", "") UNIT("2", "") UNIT("4", ""));
    g_autoptr(Domain) before = document_resolve(first, NULL);
    g_autoptr(Domain) after = document_resolve(second, before);

    assert_at(before, 1, "drive 0-0-0-1");
    assert_at(after, 1, "drive 0-0-0-1");
    assert_at(after, 0, "drive 0-0-0-0");
    assert_at(after, 2, "drive 0-0-0-2");
}

static void
assert_conflict(const char *devices, const char *expected)
{
    g_autoptr(Spec) spec = document_parse("q35", NULL, devices);
    g_autofree char *text = document_refusal(spec, NULL);

    if (!strstr(text, expected))
        fail_msg("'%s' is not in\n%s", expected, text);
}

static void
a_place_is_given_once(void **unused)
{
    assert_conflict(CONTROLLER DISK("sda") UNIT("1", AT("controller='0' unit='0'")),
                    "disk 'sda' and a SCSI unit of the host are both controller 0");
    assert_conflict(CONTROLLER UNIT("1", AT("controller='0' unit='5'"))
                        UNIT("2", AT("controller='0' unit='5'")),
                    "web.xml:8:");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(units_take_what_is_free),
        cmocka_unit_test(a_full_controller_brings_another),
        cmocka_unit_test(units_keep_their_places),
        cmocka_unit_test(a_place_is_given_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
