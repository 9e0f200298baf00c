/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Small documents in, resolved domains out: what the tests of resolve and diff share. Whatever is
 * wrong with a document is printed, and fails the test.
 */
#include "tests/reconcile/resolve-document.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "reconcile/resolve.h"

static const ResolveContext context = { .uuid_seed = "0123456789abcdef0123456789abcdef" };

Spec *
document_parse(const char *machine, const char *head, const char *devices)
{
    bool has_memory = head && strstr(head, "<memory unit=");
    g_autofree char *text = g_strdup_printf("<domain type='qemu'><name>web</name>\n"
                                            "%s\n"
                                            "<os><type machine='%s'>hvm</type></os>\n"
                                            "%s\n"
                                            "<devices>\n"
                                            "%s</devices></domain>\n",
                                            has_memory ? "" : "<memory unit='GiB'>1</memory>",
                                            machine, head ? head : "", devices);
    Spec *spec = spec_parse("web.xml", text, strlen(text));

    if (!spec_is_valid(spec)) {
        g_autofree char *problems = diagnostics_format(spec->diagnostics);

        print_error("%s%s", text, problems);
        fail();
    }
    return spec;
}

Domain *
document_resolve(const Spec *spec, const Domain *previous)
{
    g_autoptr(Diagnostics) diagnostics = diagnostics_new("web.xml");
    Domain *domain = resolve_domain(spec->domain, previous, &context, spec->positions, diagnostics);

    if (!domain) {
        g_autofree char *problems = diagnostics_format(diagnostics);

        print_error("%s", problems);
        fail();
    }
    return domain;
}

char *
document_refusal(const Spec *spec, const Domain *previous)
{
    g_autoptr(Diagnostics) diagnostics = diagnostics_new("web.xml");
    g_autoptr(Domain) domain =
        resolve_domain(spec->domain, previous, &context, spec->positions, diagnostics);

    assert_null(domain);
    return diagnostics_format(diagnostics);
}

static const DeviceInfo *
device_at(const Domain *domain, const char *kind, guint index)
{
    const GPtrArray *list = domain_devices(domain, device_kind_find(kind));

    assert_true(index < list_length(list));
    return list->pdata[index];
}

char *
address_of(const Domain *domain, const char *kind, guint index)
{
    const Address *a = device_at(domain, kind, index)->address;

    if (!a)
        return g_strdup("none");
    switch ((AddressType) a->type) {
    case ADDRESS_PCI:
        return g_strdup_printf("pci 0000:%02x:%02x.%x", (guint) a->bus.value, (guint) a->slot.value,
                               (guint) a->function.value);
    case ADDRESS_DRIVE:
        return g_strdup_printf("drive %u-%u-%u-%u", (guint) a->controller.value,
                               (guint) a->bus.value, (guint) a->target.value,
                               (guint) a->unit.value);
    case ADDRESS_VIRTIO_SERIAL:
        return g_strdup_printf("serial %u-%s", (guint) a->controller.value, a->port);
    case ADDRESS_USB:
        return g_strdup_printf("usb %u:%s", (guint) a->bus.value, a->port);
    case ADDRESS_DIMM:
        return g_strdup_printf("dimm %u", (guint) a->slot.value);
    case ADDRESS_ABSENT:
    case ADDRESS_CCID:
    case ADDRESS_ISA:
    case ADDRESS_UNASSIGNED:
    case ADDRESS_CCW:
        break;
    }
    return g_strdup_printf("address type %d", a->type);
}

const char *
alias_of(const Domain *domain, const char *kind, guint index)
{
    return device_at(domain, kind, index)->alias;
}
