/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Sound devices, as the guest sees them. What they play to is an <audio> (model/audio.h), named by
 * its id.
 *
 * The HDA controllers (ich6, ich9) are buses of their own with codecs on them, at least one. The PC
 * speaker is part of the machine: it has neither address nor -device.
 */
#include "model/sound.h"

#include "model/audio.h"

static const char *const model_names[] = {
    [SOUND_ES1370] = "es1370", [SOUND_SB16] = "sb16",     [SOUND_AC97] = "ac97",
    [SOUND_ICH6] = "ich6",     [SOUND_ICH9] = "ich9",     [SOUND_PCSPK] = "pcspk",
    [SOUND_USB] = "usb",       [SOUND_VIRTIO] = "virtio", NULL,
};
static const char *const codec_names[] = {
    [CODEC_DUPLEX] = "duplex",
    [CODEC_MICRO] = "micro",
    [CODEC_OUTPUT] = "output",
    NULL,
};

static const Field codec_fields[] = {
    FIELD_ENUM(SoundCodec, type, codec_names, .path = "@type", .is_required = true,
               .doc = "`duplex`, `micro` or `output`."),
    FIELD_END,
};
static const Schema codec_schema = { .element = "codec",
                                     .size = sizeof(SoundCodec),
                                     .fields = codec_fields,
                                     .doc = "A codec on an HDA bus." };

#define MODEL(set) WHEN(Sound, model, "@model", set)

static const Field sound_fields[] = {
    FIELD_ENUM(Sound, model, model_names, .path = "@model", .is_required = true,
               .doc = "Kind of sound card."),
    FIELD_LIST(Sound, codecs, &codec_schema, .path = "codec",
               MODEL(WHEN_IS(SOUND_ICH6) | WHEN_IS(SOUND_ICH9)),
               .doc = "ich6, ich9: codecs; one `duplex` by default."),
    FIELD_UINT(Sound, audio, .path = "audio/@id", .min = 1,
               .doc = "The <audio> it plays to; the first by default."),
    FIELD_YES_NO(Sound, multichannel, .path = "@multichannel", MODEL(WHEN_IS(SOUND_USB)),
                 .doc = "usb: more than two channels."),
    FIELD_UINT(Sound, streams, .path = "@streams", .min = 1, .max = G_MAXUINT32,
               MODEL(WHEN_IS(SOUND_VIRTIO)), .doc = "virtio: PCM streams; 2."),
    DEVICE_VIRTIO_FIELDS(Sound),
    DEVICE_INFO_FIELDS(Sound),
    FIELD_END,
};

static const Schema sound_schema = {
    .element = "sound",
    .size = sizeof(Sound),
    .fields = sound_fields,
    .doc = "A sound card.",
};

static void
sound_validate(const Validation *v, gconstpointer item)
{
    const Sound *sound = item;

    validate_audio_id(v, "audio/@id", &sound->audio);
    if (sound->model != SOUND_VIRTIO)
        validate_no_virtio_options(v, &sound->virtio);
}

static DeviceBus
sound_bus(const Domain *domain, gconstpointer item)
{
    switch ((SoundModel) ((const Sound *) item)->model) {
    case SOUND_PCSPK:
    case SOUND_SB16:
        return BUS_NONE;
    case SOUND_USB:
        return BUS_USB;
    case SOUND_VIRTIO:
        return BUS_PCIE;
    case SOUND_ES1370:
    case SOUND_AC97:
    case SOUND_ICH6:
    case SOUND_ICH9:
        return BUS_PCI;
    }
    return BUS_NONE;
}

const DeviceKind sound_kind = {
    .name = "sound",
    .list_offset = offsetof(Domain, sounds),
    .schema = &sound_schema,
    .validate = sound_validate,
    .bus = sound_bus,
    .pci_rank = 4,
    .usb_rank = 1,
    .alias_prefix = "sound",
};
