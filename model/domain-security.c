/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Who may read the guest: <launchSecurity> against the host, <seclabel> against other guests.
 *
 * The first is a machine property and takes effect (AMD SEV and SEV-SNP, Intel TDX; the host must
 * have it, and QEMU says if not). The second is SELinux's and AppArmor's, which virtkeep leaves to
 * the service manager: read, checked for contradictions, and said to have no effect.
 */
#include "model/domain-section.h"
#include "model/launch-security.h"
#include "model/security-label.h"

static const char *const launch_names[] = {
    [LAUNCH_SEV] = "sev", [LAUNCH_SEV_SNP] = "sev-snp", [LAUNCH_TDX] = "tdx",
    [LAUNCH_S390_PV] = "s390-pv", NULL,
};

#define OF(types) WHEN(LaunchSecurity, type, "@type", types)
#define SEV OF(WHEN_IS(LAUNCH_SEV))
#define SNP OF(WHEN_IS(LAUNCH_SEV_SNP))
#define AMD OF(WHEN_IS(LAUNCH_SEV) | WHEN_IS(LAUNCH_SEV_SNP))
#define TDX OF(WHEN_IS(LAUNCH_TDX))

static const Field launch_fields[] = {
    FIELD_ENUM(LaunchSecurity, type, launch_names, .path = "@type", .is_required = true,
               .doc = "`sev`, `sev-snp` or `tdx`."),
    FIELD_YES_NO(LaunchSecurity, kernel_hashes, .path = "@kernelHashes", AMD,
                 .doc = "Measure a kernel that is booted directly."),
    FIELD_YES_NO(LaunchSecurity, author_key, .path = "@authorKey", SNP,
                 .doc = "The id's authentication has an author key."),
    FIELD_YES_NO(LaunchSecurity, vcek, .path = "@vcek", SNP,
                 .doc = "Use the chip's endorsement key."),
    FIELD_HEX(LaunchSecurity, policy, .path = "policy",
              .doc = "What the guest's owner demands of the firmware."),
    FIELD_UINT(LaunchSecurity, cbitpos, .path = "cbitpos", AMD,
               .doc = "The address bit that marks encrypted memory."),
    FIELD_UINT(LaunchSecurity, reduced_phys_bits, .path = "reducedPhysBits", AMD,
               .doc = "Address bits that are lost."),
    FIELD_STRING(LaunchSecurity, dh_certificate, .path = "dhCert", SEV,
                 .doc = "The owner's key, base64."),
    FIELD_STRING(LaunchSecurity, session, .path = "session", SEV,
                 .doc = "The owner's session, base64."),
    FIELD_STRING(LaunchSecurity, workarounds, .path = "guestVisibleWorkarounds", SNP,
                 .doc = "16 bytes, base64."),
    FIELD_STRING(LaunchSecurity, id_block, .path = "idBlock", SNP, .doc = "96 bytes, base64."),
    FIELD_STRING(LaunchSecurity, id_auth, .path = "idAuth", SNP, .doc = "4096 bytes, base64."),
    FIELD_STRING(LaunchSecurity, host_data, .path = "hostData", SNP, .doc = "32 bytes, base64."),
    FIELD_STRING(LaunchSecurity, config_id, .path = "mrConfigId", TDX, .doc = "48 bytes, base64."),
    FIELD_STRING(LaunchSecurity, owner, .path = "mrOwner", TDX, .doc = "48 bytes, base64."),
    FIELD_STRING(LaunchSecurity, owner_config, .path = "mrOwnerConfig", TDX,
                 .doc = "48 bytes, base64."),
    FIELD_STRING(LaunchSecurity, quote_socket, .path = "quoteGenerationService/@path", TDX,
                 .doc = "Socket of the service that signs reports."),
    FIELD_END,
};
const Schema launch_security_schema = { .element = "launchSecurity",
                                        .size = sizeof(LaunchSecurity),
                                        .fields = launch_fields,
                                        .doc = "Guest memory that the host can't read." };

static const char *const label_type_names[] = {
    [LABEL_DYNAMIC] = "dynamic", [LABEL_STATIC] = "static", [LABEL_NONE] = "none", NULL,
};

static const Field label_fields[] = {
    FIELD_ENUM(SecurityLabel, type, label_type_names, .path = "@type",
               .doc = "`dynamic`, `static` or `none`."),
    FIELD_STRING(SecurityLabel, model, .path = "@model", .doc = "`selinux`, `apparmor`, `dac`."),
    FIELD_YES_NO(SecurityLabel, relabel, .path = "@relabel", .doc = "Label files too."),
    FIELD_STRING(SecurityLabel, label, .path = "label", .doc = "The label."),
    FIELD_STRING(SecurityLabel, base, .path = "baselabel", .doc = "What it is made from."),
    { .type = TYPE_NONE, .path = "imagelabel", .is_output = true, .doc = "Label of images." },
    FIELD_END,
};
static const Schema label_schema = { .element = "seclabel", .size = sizeof(SecurityLabel),
                                     .fields = label_fields, .doc = "A security label." };

static const Field security_fields[] = {
    FIELD_LIST(Domain, labels, &label_schema, .path = "seclabel",
               .no_effect = "virtkeep confines no process by security labels",
               .doc = "SELinux and AppArmor labels."),
    FIELD_REFUSED("is for s390x", .path = "keywrap", .doc = "Keys of s390x."),
    FIELD_STRUCT(Domain, launch_security, &launch_security_schema, .path = "launchSecurity",
                 .doc = "Guest memory that the host can't read."),
    FIELD_END,
};

static void
validate_labels(const Validation *v)
{
    const GPtrArray *labels = v->domain->labels;

    for (guint i = 0; i < list_length(labels); i++) {
        const SecurityLabel *label = list_at(labels, i, SecurityLabel);
        g_autofree char *path = g_strdup_printf("seclabel[%u]", i);

        for (guint k = 0; k < i; k++)
            if (label->model && !g_strcmp0(list_at(labels, k, SecurityLabel)->model, label->model))
                validation_error(v, path, "seclabel", "there is a label of model '%s' already",
                                 label->model);
        if (label->type == LABEL_STATIC && !label->label)
            validation_error(v, path, "seclabel", "type='static' needs a <label>");
        if (label->type == LABEL_NONE && label->relabel == TRISTATE_ON)
            validation_error(v, path, "seclabel", "type='none' labels nothing");
        if (label->type == LABEL_DYNAMIC && label->relabel == TRISTATE_OFF)
            validation_error(v, path, "seclabel", "type='dynamic' labels files too");
    }
}

static void
security_validate(const Validation *v)
{
    const LaunchSecurity *launch = v->domain->launch_security;

    validate_labels(v);
    if (!launch)
        return;
    if (launch->type == LAUNCH_S390_PV)
        validation_error(v, "launchSecurity/@type", "not-supported", "'s390-pv' is for s390x");
    if (launch->type && launch->type <= LAUNCH_SEV_SNP && !launch->policy.is_set)
        validation_error(v, "launchSecurity", "missing-element", "<launchSecurity> needs <policy>");
    if (launch->kernel_hashes == TRISTATE_ON && !v->domain->kernel)
        validation_error(v, "launchSecurity/@kernelHashes", "launch-security",
                         "hashes are of a <kernel> that is booted directly");
}

const DomainSection domain_security_section = { security_fields, security_validate };
