/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Audio backends: where on the host a guest's sound goes to and comes from.
 *
 * They are no devices of the guest: they have no address, and what refers to them (sound devices,
 * VNC and D-Bus displays) does so by the number in `id`. Which type knows which attribute is said
 * by the rows' conditions as far as it is said of <audio> itself; the two directions are structs of
 * their own, without the type, so their attributes are looked up in the table `types`.
 */
#include "model/audio.h"

#include "model/graphics.h"

static const char *const type_names[] = {
    [AUDIO_NONE] = "none",
    [AUDIO_ALSA] = "alsa",
    [AUDIO_COREAUDIO] = "coreaudio",
    [AUDIO_DBUS] = "dbus",
    [AUDIO_JACK] = "jack",
    [AUDIO_OSS] = "oss",
    [AUDIO_PIPEWIRE] = "pipewire",
    [AUDIO_PULSEAUDIO] = "pulseaudio",
    [AUDIO_SDL] = "sdl",
    [AUDIO_SPICE] = "spice",
    [AUDIO_FILE] = "file",
    NULL,
};
const char *const audio_format_names[] = {
    NULL, "s8", "u8", "s16", "u16", "s32", "u32", "f32", NULL
};

static const Field stream_fields[] = {
    FIELD_YES_NO(AudioStream, mixing_engine, .path = "@mixingEngine",
                 .doc = "Whether QEMU converts between formats."),
    FIELD_YES_NO(AudioStream, fixed_settings, .path = "@fixedSettings",
                 .doc = "Keep to the settings given; needs the mixing engine."),
    FIELD_UINT(AudioStream, voices, .path = "@voices", .min = 1, .max = G_MAXUINT32,
               .doc = "Number of voices."),
    FIELD_UINT(AudioStream, buffer_length, .path = "@bufferLength", .min = 1, .max = G_MAXUINT32,
               .doc = "Length of the buffer in us."),
    FIELD_UINT(AudioStream, frequency, .path = "settings/@frequency", .min = 1, .max = G_MAXUINT32,
               .doc = "Samples a second; needs fixedSettings."),
    FIELD_UINT(AudioStream, channels, .path = "settings/@channels", .min = 1, .max = G_MAXUINT32,
               .doc = "Channels; needs fixedSettings."),
    FIELD_ENUM(AudioStream, format, audio_format_names, .path = "settings/@format",
               .doc = "Sample format; needs fixedSettings."),
    FIELD_UINT(AudioStream, buffer_count, .path = "@bufferCount", .min = 1, .max = G_MAXUINT32,
               .doc = "coreaudio, oss, sdl: number of buffers."),
    FIELD_STRING(AudioStream, dev, .path = "@dev", .doc = "alsa, oss: the host's device."),
    FIELD_STRING(AudioStream, name, .path = "@name",
                 .doc = "pipewire, pulseaudio: source or sink."),
    FIELD_STRING(AudioStream, stream_name, .path = "@streamName",
                 .doc = "pipewire, pulseaudio: what the stream is called."),
    FIELD_UINT(AudioStream, latency, .path = "@latency", .max = G_MAXUINT32,
               .doc = "pipewire, pulseaudio: latency wanted, in us."),
    FIELD_STRING(AudioStream, server_name, .path = "@serverName", .doc = "jack: the server."),
    FIELD_STRING(AudioStream, client_name, .path = "@clientName",
                 .doc = "jack: the client's name."),
    FIELD_STRING(AudioStream, connect_ports, .path = "@connectPorts",
                 .doc = "jack: ports to connect to, a regular expression."),
    FIELD_YES_NO(AudioStream, exact_name, .path = "@exactName",
                 .doc = "jack: fail rather than take another name."),
    FIELD_YES_NO(AudioStream, try_poll, .path = "@tryPoll", .doc = "alsa, oss: try polling."),
    FIELD_END,
};
static const Schema input_schema = { .element = "input",
                                     .size = sizeof(AudioStream),
                                     .fields = stream_fields,
                                     .doc = "What the guest records." };
static const Schema output_schema = { .element = "output",
                                      .size = sizeof(AudioStream),
                                      .fields = stream_fields,
                                      .doc = "What the guest plays." };

#define TYPE(value) WHEN(Audio, type, "@type", WHEN_IS(value))

static const Field audio_fields[] = {
    FIELD_UINT(Audio, id, .path = "@id", .is_required = true, .min = 1, .max = G_MAXUINT32,
               .doc = "What sound devices and displays call it."),
    FIELD_ENUM(Audio, type, type_names, .path = "@type", .is_required = true,
               .doc = "Kind of backend."),
    FIELD_UINT(Audio, timer_period, .path = "@timerPeriod", .min = 1, .max = G_MAXUINT32,
               .doc = "Period of QEMU's audio timer in us."),
    FIELD_PATH(Audio, path, .path = "@path", TYPE(AUDIO_FILE), .doc = "file: the WAV file."),
    FIELD_STRING(Audio, server_name, .path = "@serverName", TYPE(AUDIO_PULSEAUDIO),
                 .doc = "pulseaudio: the server."),
    FIELD_YES_NO(Audio, try_mmap, .path = "@tryMMap", TYPE(AUDIO_OSS), .doc = "oss: try mmap."),
    FIELD_YES_NO(Audio, exclusive, .path = "@exclusive", TYPE(AUDIO_OSS),
                 .doc = "oss: keep others off the device."),
    FIELD_INT(Audio, dsp_policy, .path = "@dspPolicy", TYPE(AUDIO_OSS),
              .doc = "oss: timing policy, -1 to 10."),
    FIELD_NO_EFFECT("QEMU's environment is virtkeep's own, it chooses SDL's driver by itself",
                    .path = "@driver", .doc = "sdl: SDL's audio driver."),
    FIELD_NO_EFFECT("QEMU's environment is virtkeep's own", .path = "@runtimeDir",
                    .doc = "pipewire: where its socket is."),
    FIELD_STRUCT(Audio, input, &input_schema, .path = "input", .doc = "What the guest records."),
    FIELD_STRUCT(Audio, output, &output_schema, .path = "output", .doc = "What the guest plays."),
    FIELD_STRING(Audio, info.alias, .path = "alias/@name", .change = CHANGE_NONE,
                 .doc = "QEMU id; made of the backend's id."),
    FIELD_END,
};

static char *
audio_key(gconstpointer item)
{
    const Audio *audio = item;

    return audio->id.is_set ? g_strdup_printf("%" G_GUINT64_FORMAT, audio->id.value) : NULL;
}

static const Schema audio_schema = {
    .element = "audio",
    .size = sizeof(Audio),
    .fields = audio_fields,
    .key = audio_key,
    .doc = "A backend that sound is played to; one that fits the displays by default.",
};

const Audio *
domain_audio(const Domain *domain, const OptUint *id)
{
    for (guint i = 0; i < list_length(domain->audios); i++) {
        const Audio *audio = list_at(domain->audios, i, Audio);

        if (!id->is_set || audio->id.value == id->value)
            return audio;
    }
    return NULL;
}

void
validate_audio_id(const Validation *v, const char *field, const OptUint *id)
{
    if (id->is_set && !domain_audio(v->domain, id))
        validation_error(v, field, "no-audio", "there is no <audio id='%" G_GUINT64_FORMAT "'>",
                         id->value);
}

#define OF(type) (1u << (type))

static void
validate_stream(const Validation *v, int type, const AudioStream *stream, const char *direction)
{
    const struct {
        const char *attribute;
        bool is_there;
        guint types;
    } rows[] = {
        { "bufferCount", stream->buffer_count.is_set,
          OF(AUDIO_COREAUDIO) | OF(AUDIO_OSS) | OF(AUDIO_SDL) },
        { "dev", stream->dev, OF(AUDIO_ALSA) | OF(AUDIO_OSS) },
        { "tryPoll", stream->try_poll, OF(AUDIO_ALSA) | OF(AUDIO_OSS) },
        { "name", stream->name, OF(AUDIO_PIPEWIRE) | OF(AUDIO_PULSEAUDIO) },
        { "streamName", stream->stream_name, OF(AUDIO_PIPEWIRE) | OF(AUDIO_PULSEAUDIO) },
        { "latency", stream->latency.is_set, OF(AUDIO_PIPEWIRE) | OF(AUDIO_PULSEAUDIO) },
        { "serverName", stream->server_name, OF(AUDIO_JACK) },
        { "clientName", stream->client_name, OF(AUDIO_JACK) },
        { "connectPorts", stream->connect_ports, OF(AUDIO_JACK) },
        { "exactName", stream->exact_name, OF(AUDIO_JACK) },
    };
    bool has_settings = stream->frequency.is_set || stream->channels.is_set || stream->format;

    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *field = g_strdup_printf("%s/@%s", direction, rows[i].attribute);

        if (rows[i].is_there && !(rows[i].types & OF(type)))
            validation_error(v, field, "not-here", "audio type '%s' has no %s", type_names[type],
                             rows[i].attribute);
    }
    if (stream->fixed_settings == TRISTATE_ON && stream->mixing_engine != TRISTATE_ON)
        validation_error(v, direction, "audio-settings", "fixedSettings needs mixingEngine='yes'");
    if (has_settings && stream->fixed_settings != TRISTATE_ON)
        validation_error(v, direction, "audio-settings", "<settings> needs fixedSettings='yes'");
}

static void
audio_validate(const Validation *v, gconstpointer item)
{
    const Audio *audio = item;

    if (!audio->type)
        return;
    if (domain_audio(v->domain, &audio->id) != audio)
        validation_error(v, "@id", "duplicate-element", "another <audio> has this id");
    if (audio->dsp_policy.is_set && (audio->dsp_policy.value < -1 || audio->dsp_policy.value > 10))
        validation_error(v, "@dspPolicy", "out-of-range", "a policy is -1 to 10");
    if (audio->type == AUDIO_SPICE && !domain_has_spice(v->domain))
        validation_error(v, "@type", "no-spice", "type 'spice' needs <graphics type='spice'>");
    if (audio->input)
        validate_stream(v, audio->type, audio->input, "input");
    if (audio->output)
        validate_stream(v, audio->type, audio->output, "output");
}

static char *
audio_alias(const Domain *domain, gconstpointer item, guint index)
{
    return g_strdup_printf("audio%" G_GUINT64_FORMAT, ((const Audio *) item)->id.value);
}

const DeviceKind audio_kind = {
    .name = "audio",
    .list_offset = offsetof(Domain, audios),
    .schema = &audio_schema,
    .validate = audio_validate,
    .alias_prefix = "audio",
    .alias = audio_alias,
};
