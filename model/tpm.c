/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Trusted platform modules: the host's own, one that a helper process (swtpm) emulates, or one
 * behind a socket that somebody else provides.
 *
 * Most of <backend type='emulator'> is said to swtpm, not to QEMU: where the state is, which PCR
 * banks are active, what encrypts it. QEMU sees a socket.
 */
#include "model/tpm.h"

#include "model/default.h"

static const char *const model_names[] = {
    [TPM_TIS] = "tpm-tis",
    [TPM_CRB] = "tpm-crb",
    [TPM_SPAPR] = "tpm-spapr",
    [TPM_SPAPR_PROXY] = "spapr-tpm-proxy",
    NULL,
};
static const char *const backend_names[] = {
    [TPM_PASSTHROUGH] = "passthrough",
    [TPM_EMULATOR] = "emulator",
    [TPM_EXTERNAL] = "external",
    NULL,
};
static const char *const version_names[] = { [TPM_1_2] = "1.2", [TPM_2_0] = "2.0", NULL };
static const char *const source_names[] = {
    [TPM_SOURCE_FILE] = "file",
    [TPM_SOURCE_DIR] = "dir",
    [TPM_SOURCE_UNIX] = "unix",
    NULL,
};
static const char *const mode_names[] = { NULL, "connect", NULL };
static const char *const remove_names[] = { NULL, "check", "fips-host", NULL };

#define BACKEND(set) WHEN(Tpm, backend, "backend/@type", set)
#define EMULATOR BACKEND(WHEN_IS(TPM_EMULATOR))

static const Field tpm_fields[] = {
    FIELD_ENUM(Tpm, model, model_names, .path = "@model",
               .doc = "`tpm-tis` (default) or `tpm-crb`."),
    FIELD_ENUM(Tpm, backend, backend_names, .path = "backend/@type", .is_required = true,
               .doc = "`passthrough`, `emulator` (swtpm) or `external`."),
    FIELD_STRING(Tpm, device, .path = "backend/device/@path", BACKEND(WHEN_IS(TPM_PASSTHROUGH)),
                 .doc = "passthrough: the host's; /dev/tpm0."),
    FIELD_ENUM(Tpm, version, version_names, .path = "backend/@version", EMULATOR,
               .doc = "emulator: `2.0` (default) or `1.2`."),
    FIELD_YES_NO(Tpm, persistent_state, .path = "backend/@persistent_state", EMULATOR,
                 .no_effect = "virtkeep never removes a TPM's state",
                 .doc = "emulator: keep the state when the domain goes."),
    FIELD_UINT(Tpm, debug, .path = "backend/@debug", EMULATOR, .max = G_MAXUINT32,
               .doc = "emulator: swtpm's log level."),
    FIELD_UUID(Tpm, secret, .path = "backend/encryption/@secret", EMULATOR,
               .doc = "emulator: the secret that encrypts the state."),
    FIELD_FLAG(Tpm, has_sha1, .path = "backend/active_pcr_banks/sha1", EMULATOR,
               .doc = "PCR bank."),
    FIELD_FLAG(Tpm, has_sha256, .path = "backend/active_pcr_banks/sha256", EMULATOR,
               .doc = "PCR bank."),
    FIELD_FLAG(Tpm, has_sha384, .path = "backend/active_pcr_banks/sha384", EMULATOR,
               .doc = "PCR bank."),
    FIELD_FLAG(Tpm, has_sha512, .path = "backend/active_pcr_banks/sha512", EMULATOR,
               .doc = "PCR bank."),
    FIELD_ENUM(Tpm, source_type, source_names, .path = "backend/source/@type",
               BACKEND(WHEN_IS(TPM_EMULATOR) | WHEN_IS(TPM_EXTERNAL)),
               .doc = "emulator: `file` or `dir` of the state; external: `unix`."),
    FIELD_ENUM(Tpm, source_mode, mode_names, .path = "backend/source/@mode",
               BACKEND(WHEN_IS(TPM_EXTERNAL)), .doc = "external: `connect`."),
    FIELD_PATH(Tpm, source_path, .path = "backend/source/@path",
               BACKEND(WHEN_IS(TPM_EMULATOR) | WHEN_IS(TPM_EXTERNAL)),
               .doc = "Where the state or the socket is."),
    FIELD_STRING(Tpm, profile_source, .path = "backend/profile/@source", EMULATOR,
                 .doc = "emulator: swtpm's profile to start from."),
    FIELD_ENUM(Tpm, remove_disabled, remove_names, .path = "backend/profile/@removeDisabled",
               EMULATOR,
               .doc = "emulator: drop algorithms that the host's crypto library disables."),
    FIELD_STRING(Tpm, profile_name, .path = "backend/profile/@name", EMULATOR,
                 .doc = "emulator: the profile's name."),
    DEVICE_INFO_FIELDS(Tpm),
    FIELD_END,
};

static const Schema tpm_schema = {
    .element = "tpm",
    .size = sizeof(Tpm),
    .fields = tpm_fields,
    .doc = "A trusted platform module.",
};

static bool
has_banks(const Tpm *tpm)
{
    return tpm->has_sha1 || tpm->has_sha256 || tpm->has_sha384 || tpm->has_sha512;
}

static void
validate_source(const Validation *v, const Tpm *tpm)
{
    if (tpm->backend == TPM_EXTERNAL && (tpm->source_type != TPM_SOURCE_UNIX || !tpm->source_path))
        validation_error(v, "backend", "tpm-source",
                         "backend 'external' needs <source type='unix' mode='connect' path='…'/>");
    if (tpm->backend == TPM_EMULATOR && tpm->source_type == TPM_SOURCE_UNIX)
        validation_error(v, "backend/source/@type", "tpm-source",
                         "the state of an emulated TPM is a file or a directory");
}

static void
tpm_validate(const Validation *v, gconstpointer item)
{
    const Tpm *tpm = item;

    if (tpm->model == TPM_SPAPR || tpm->model == TPM_SPAPR_PROXY)
        validation_error(v, "@model", "not-supported", "TPM '%s' is of pSeries machines",
                         model_names[tpm->model]);
    if (tpm->version == TPM_1_2 && tpm->model == TPM_CRB)
        validation_error(v, "backend/@version", "tpm-version", "a tpm-crb is a TPM 2.0");
    if (tpm->version == TPM_1_2 && has_banks(tpm))
        validation_error(v, "backend/active_pcr_banks", "tpm-version", "PCR banks are of TPM 2.0");
    if (tpm->version == TPM_1_2 && (tpm->profile_source || tpm->profile_name))
        validation_error(v, "backend/profile", "tpm-version", "profiles are of TPM 2.0");
    if (list_at(v->domain->tpms, 0, Tpm) != tpm)
        validation_error(v, NULL, "duplicate-element", "a guest has one TPM");
    validate_source(v, tpm);
}

static void
tpm_fill_defaults(const Domain *domain, gpointer device)
{
    Tpm *tpm = device;

    default_enum(&tpm->model, TPM_TIS);
    if (tpm->backend == TPM_EMULATOR)
        default_enum(&tpm->version, TPM_2_0);
    if (tpm->backend == TPM_PASSTHROUGH)
        default_string(&tpm->device, "/dev/tpm0");
}

const DeviceKind tpm_kind = {
    .name = "tpm",
    .list_offset = offsetof(Domain, tpms),
    .schema = &tpm_schema,
    .validate = tpm_validate,
    .fill_defaults = tpm_fill_defaults,
    .alias_prefix = "tpm",
};
