/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/domain.h"

typedef enum { TPM_TIS = 1, TPM_CRB, TPM_SPAPR, TPM_SPAPR_PROXY } TpmModel;
typedef enum { TPM_PASSTHROUGH = 1, TPM_EMULATOR, TPM_EXTERNAL } TpmBackend;
typedef enum { TPM_1_2 = 1, TPM_2_0 } TpmVersion;
typedef enum { TPM_SOURCE_FILE = 1, TPM_SOURCE_DIR, TPM_SOURCE_UNIX } TpmSource;

typedef struct Tpm {
    DeviceInfo info;
    int model, backend, version;
    char *device;         /* passthrough: /dev/tpm0 */
    int persistent_state; /* yes/no */
    OptUint debug;
    char *secret;                                      /* uuid of the state's passphrase */
    bool has_sha1, has_sha256, has_sha384, has_sha512; /* PCR banks to activate */
    int source_type, source_mode;                      /* TpmSource; connect */
    char *source_path;
    char *profile_source, *profile_name;
    int remove_disabled;
} Tpm;

extern const DeviceKind tpm_kind;
