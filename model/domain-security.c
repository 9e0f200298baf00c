/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Who may read the guest: <launchSecurity> against the host, <seclabel> against other guests.
 *
 * The first is a machine property and takes effect (AMD SEV and SEV-SNP, Intel TDX; the host must
 * have it, and QEMU says if not). The second is security-label.c's.
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
    { .type = TYPE_NONE, .path = "handle", .is_output = true, .doc = "libvirt's note of the run." },
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

static const Field security_fields[] = {
    FIELD_LIST(Domain, labels, &security_label_schema, .path = "seclabel",
               .no_effect = SECURITY_LABEL_NO_EFFECT,
               .doc = "SELinux and AppArmor labels."),
    FIELD_REFUSED("is for s390x", .path = "keywrap", .doc = "Keys of s390x."),
    FIELD_STRUCT(Domain, launch_security, &launch_security_schema, .path = "launchSecurity",
                 .doc = "Guest memory that the host can't read."),
    FIELD_END,
};

static void
security_validate(const Validation *v)
{
    const LaunchSecurity *launch = v->domain->launch_security;

    security_labels_validate(v);
    if (!launch)
        return;
    if (launch->type == LAUNCH_S390_PV)
        validation_error(v, "launchSecurity/@type", "not-supported", "'s390-pv' is for s390x");
    if (launch->type && launch->type <= LAUNCH_SEV_SNP && !launch->policy.is_set)
        validation_error(v, "launchSecurity", "missing-element", "<launchSecurity> needs <policy>");
}

const DomainSection domain_security_section = { security_fields, security_validate };
