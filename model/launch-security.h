/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/schema.h"

/* <launchSecurity>: guest memory that the host can't read. */
typedef enum { LAUNCH_SEV = 1, LAUNCH_SEV_SNP, LAUNCH_TDX, LAUNCH_S390_PV } LaunchSecurityType;

typedef struct LaunchSecurity {
    int type; /* LaunchSecurityType */
    int kernel_hashes, author_key, vcek; /* yes/no */
    OptUint policy;
    OptUint cbitpos, reduced_phys_bits; /* of the host when left out */
    char *dh_certificate, *session;     /* sev: base64 */
    char *workarounds, *id_block, *id_auth, *host_data;               /* sev-snp: base64 */
    char *config_id, *owner, *owner_config, *quote_socket; /* tdx */
} LaunchSecurity;

extern const Schema launch_security_schema;
