/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * `virtkeep export NAME`: the domain as it is, as libvirt would dump it live: every id and address
 * filled in, <current> as the guest has it. What it prints is a valid domain file, so it can start
 * a new one, or go back to libvirt. A domain that does not run is printed as it would be started.
 */
#include "controller/commands.h"
#include "controller/live-xml.h"
#include "controller/message.h"
#include "controller/site.h"

#define LOOK_TIMEOUT_US (3 * G_USEC_PER_SEC)

/* What there is to print: the running one, else what the file asks for, else what it last did. */
static Domain *
choose_domain(const Subject *subject, bool *ret_is_live, GError **error)
{
    *ret_is_live = subject->applied && subject->observed->run_state != RUN_STATE_OFF;
    if (*ret_is_live)
        return domain_copy(subject->applied);
    if (subject->desired)
        return domain_copy(subject->desired);
    if (subject->row && subject->row->resolved_xml)
        return domain_parse_own(subject->row->resolved_xml, error);
    g_set_error_literal(error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND,
                        subject->invalid ? subject->invalid : "nothing is known of it");
    return NULL;
}

static bool
print(const Invocation *invocation, const Subject *subject, const char *xml, bool is_live)
{
    g_autoptr(Json) json = NULL;

    if (invocation->global.output != OUTPUT_JSON)
        return message_print(xml);
    json = message_json_new();
    json_set_string(json, "name", subject->name);
    json_set_bool(json, "is_live", is_live);
    json_set_string(json, "xml", xml);
    return message_print_json(json);
}

static bool export(const Invocation *invocation, const Subject *subject, GError **error)
{
    bool is_live, is_answering = subject->observed->run_state != RUN_STATE_UNREACHABLE;
    g_autoptr(Domain) domain = choose_domain(subject, &is_live, error);
    g_autofree char *xml = NULL;
    guint n_passwords;

    if (!domain)
        return false;
    if (is_live && !is_answering) {
        message_note("%s: figures of the guest are missing: %s", subject->name,
                     subject->observed->message);
        is_live = false;
    }
    xml = live_xml(domain, is_live ? subject->observed : NULL, &n_passwords);
    if (n_passwords)
        message_note("%s: %u password%s left out", subject->name, n_passwords,
                     n_passwords == 1 ? " is" : "s are");
    return print(invocation, subject, xml, is_live);
}

static int
run_export(const Invocation *invocation)
{
    const char *name = invocation->args[0];
    g_autoptr(SiteSetup) setup = site_open(invocation, SITE_LOOK);
    g_autoptr(Subject) subject = NULL;
    g_autoptr(GError) error = NULL;

    if (!setup || !site_check_names(&setup->site, invocation->args))
        return EXIT_FAILED;
    subject = subject_gather(&setup->site, name, LOOK_TIMEOUT_US, &error);
    if (subject && export(invocation, subject, &error))
        return 0;
    if (error)
        message_error("%s: %s", name, error->message);
    return EXIT_FAILED;
}

const Command export_command = {
    .name = "export",
    .arguments = "NAME",
    .summary = "Print a domain's XML as it runs now",
    .doc = "Every id and address is filled in, and the memory that the guest has stands in\n"
           "<currentMemory> and each virtio-mem device's <current>. A domain that does not run is\n"
           "printed as it would be started. Passwords are left out.",
    .examples = "  virtkeep export web-1 > web-1.xml\n"
                "  virtkeep export web-1 | xmllint --xpath '//target/current/text()' -",
    .min_args = 1,
    .max_args = 1,
    .run = run_export,
};
