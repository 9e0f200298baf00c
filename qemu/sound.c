/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Sound devices. Every one names its audio backend; an HDA controller is a bus whose codecs do that
 * for it, each a device of its own on the command line.
 *
 * The PC speaker is the machine's: only its backend is to be named, in -machine.
 */
#include "qemu/sound.h"

#include "model/audio.h"
#include "model/sound.h"
#include "qemu/device.h"

static const char *const drivers[] = {
    [SOUND_ES1370] = "ES1370",       [SOUND_SB16] = "sb16",
    [SOUND_AC97] = "AC97",           [SOUND_ICH6] = "intel-hda",
    [SOUND_ICH9] = "ich9-intel-hda", [SOUND_PCSPK] = NULL,
    [SOUND_USB] = "usb-audio",       [SOUND_VIRTIO] = "virtio-sound-pci",
};
static const char *const codec_drivers[] = {
    [CODEC_DUPLEX] = "hda-duplex",
    [CODEC_MICRO] = "hda-micro",
    [CODEC_OUTPUT] = "hda-output",
};

static const char *
audio_id(const Domain *domain, const Sound *sound)
{
    const Audio *audio = domain_audio(domain, &sound->audio);

    return audio ? audio->info.alias : NULL;
}

static bool
is_hda(const Sound *sound)
{
    return sound->model == SOUND_ICH6 || sound->model == SOUND_ICH9;
}

static Json *
sound_properties(const DeviceContext *context, gconstpointer device)
{
    const Sound *sound = device;
    Json *tree;

    if (!drivers[sound->model])
        return NULL;
    tree = device_tree_new(context, drivers[sound->model]);
    if (!is_hda(sound))
        json_set_string(tree, "audiodev", audio_id(context->at.domain, sound));
    device_tree_add_tristate(tree, "multi", sound->multichannel);
    if (sound->model == SOUND_VIRTIO)
        json_set_uint(tree, "streams", sound->streams.is_set ? sound->streams.value : 2);
    device_tree_add_virtio(tree, &sound->virtio);
    device_tree_add_info(context, tree, &sound->info);
    return tree;
}

static void
spell_codec(const DeviceContext *context, const Sound *sound, int type, guint index,
            CommandLine *line)
{
    g_autofree char *id = g_strdup_printf("%s-codec%u", sound->info.alias, index);
    g_autofree char *bus = g_strdup_printf("%s.0", sound->info.alias);
    Json *tree = device_tree_new(context, codec_drivers[type]);

    json_set_string(tree, "id", id);
    json_set_string(tree, "bus", bus);
    json_set_uint(tree, "cad", index);
    json_set_string(tree, "audiodev", audio_id(context->at.domain, sound));
    command_line_add_tree(line, "-device", tree);
}

static void
sound_options(const DeviceContext *context, gconstpointer device, CommandLine *line)
{
    const Sound *sound = device;

    if (!is_hda(sound))
        return;
    if (!list_length(sound->codecs))
        spell_codec(context, sound, CODEC_DUPLEX, 0, line);
    for (guint i = 0; i < list_length(sound->codecs); i++)
        spell_codec(context, sound, list_at(sound->codecs, i, SoundCodec)->type, i, line);
}

void
sound_add_machine(const Domain *domain, GString *text)
{
    for (guint i = 0; i < list_length(domain->sounds); i++) {
        const Sound *sound = list_at(domain->sounds, i, Sound);

        if (sound->model == SOUND_PCSPK)
            return option_text_add(text, "pcspk-audiodev", audio_id(domain, sound));
    }
}

const DeviceSpelling sound_spelling = {
    .kind = &sound_kind,
    .properties = sound_properties,
    .options = sound_options,
};
