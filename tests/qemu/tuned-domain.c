/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Domains for the tests of what the host gives: they differ in a few elements, and come through the
 * parser, so that what is tested is what a file means.
 */
#include "tests/qemu/tuned-domain.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

Spec *
tuned_spec(const char *more)
{
    bool has_vcpus = strstr(more, "<vcpu ") != NULL;
    g_autofree char *xml = g_strdup_printf(
        "<domain type='qemu'><name>tuned</name><memory unit='MiB'>64</memory>%s"
        "<iothreads>2</iothreads><os><type arch='x86_64' machine='q35'>hvm</type></os>%s</domain>",
        has_vcpus ? "" : "<vcpu>4</vcpu>", more);
    Spec *spec = spec_parse("tuned.xml", xml, strlen(xml));
    const Diagnostic *wrong = diagnostics_first_error(spec->diagnostics);

    if (wrong)
        fail_msg("%u:%u: %s", wrong->at.line, wrong->at.column, wrong->text);
    return spec;
}
