/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Smartcards: the host's own card, one made of three certificates of the host's, or one that a
 * client passes through a character device. The reader is a controller (`ccid`) on USB, which is
 * added where the file has none.
 */
#include "model/smartcard.h"

#define N_CERTIFICATES 3 /* of a card: for identity, signing, encryption */

static const char *const mode_names[] = {
    [SMARTCARD_HOST] = "host",
    [SMARTCARD_CERTIFICATES] = "host-certificates",
    [SMARTCARD_PASSTHROUGH] = "passthrough",
    NULL,
};

static const Field certificate_fields[] = {
    FIELD_STRING(SmartcardCertificate, name, .path = ".", .doc = "Its name in the database."),
    FIELD_END,
};
static const Schema certificate_schema = { .element = "certificate",
                                           .size = sizeof(SmartcardCertificate),
                                           .fields = certificate_fields,
                                           .doc = "A certificate of the host's." };

static const Field smartcard_fields[] = {
    FIELD_ENUM(Smartcard, mode, mode_names, .path = "@mode", .is_required = true,
               .doc = "`host`, `host-certificates` or `passthrough`."),
    FIELD_LIST(Smartcard, certificates, &certificate_schema, .path = "certificate",
               WHEN(Smartcard, mode, "@mode", WHEN_IS(SMARTCARD_CERTIFICATES)),
               .doc = "host-certificates: three of them."),
    FIELD_STRING(Smartcard, database, .path = "database",
                 WHEN(Smartcard, mode, "@mode", WHEN_IS(SMARTCARD_CERTIFICATES)),
                 .doc = "host-certificates: where they are; " SMARTCARD_DATABASE "."),
    CHARDEV_BACKEND_FIELDS(Smartcard, chardev., "", ),
    DEVICE_INFO_FIELDS(Smartcard),
    FIELD_END,
};

static const Schema smartcard_schema = {
    .element = "smartcard",
    .size = sizeof(Smartcard),
    .fields = smartcard_fields,
    .doc = "A smartcard.",
};

static void
smartcard_validate(const Validation *v, gconstpointer item)
{
    const Smartcard *smartcard = item;
    const Address *address = smartcard->info.address;
    bool is_passthrough = smartcard->mode == SMARTCARD_PASSTHROUGH;

    if (!smartcard->mode)
        return;
    if (smartcard->mode == SMARTCARD_CERTIFICATES &&
        list_length(smartcard->certificates) != N_CERTIFICATES)
        validation_error(v, NULL, "smartcard-certificates", "a card has three certificates, not %u",
                         list_length(smartcard->certificates));
    if (smartcard->database && !g_path_is_absolute(smartcard->database))
        validation_error(v, "database", "bad-value", "the path must be absolute");
    if (is_passthrough && !smartcard->chardev.type)
        validation_error(v, NULL, "missing-attribute", "a card passed through needs a type");
    if (!is_passthrough && smartcard->chardev.type)
        validation_error(v, "@type", "not-here", "only a card passed through has a type");
    if (address && address->type != ADDRESS_CCID)
        validation_error(v, "address/@type", "address-type", "a smartcard sits in a ccid reader");
    if (list_at(v->domain->smartcards, 0, Smartcard) != smartcard)
        validation_error(v, NULL, "duplicate-element", "QEMU has one smartcard");
    validate_chardev_backend(v, &smartcard->chardev, "");
}

static DeviceBus
smartcard_bus(const Domain *domain, gconstpointer item)
{
    return BUS_CCID;
}

const DeviceKind smartcard_kind = {
    .name = "smartcard",
    .list_offset = offsetof(Domain, smartcards),
    .schema = &smartcard_schema,
    .validate = smartcard_validate,
    .bus = smartcard_bus,
    .alias_prefix = "smartcard",
};
