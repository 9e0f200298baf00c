/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Audio backends (-audiodev), in the JSON form: the same names as QMP's type Audiodev, which no QMP
 * command takes. They exist only at boot, before whatever plays to them.
 *
 * libvirt's names and QEMU's differ only in a few types and in spelling, so both are tables.
 */
#include "model/audio.h"

#include "qemu/device.h"

static const char *const drivers[] = {
    [AUDIO_NONE] = "none",         [AUDIO_ALSA] = "alsa",     [AUDIO_COREAUDIO] = "coreaudio",
    [AUDIO_DBUS] = "dbus",         [AUDIO_JACK] = "jack",     [AUDIO_OSS] = "oss",
    [AUDIO_PIPEWIRE] = "pipewire", [AUDIO_PULSEAUDIO] = "pa", [AUDIO_SDL] = "sdl",
    [AUDIO_SPICE] = "spice",       [AUDIO_FILE] = "wav",
};

static Json *
stream_tree(const AudioStream *stream)
{
    Json *tree = json_new_object();

    device_tree_add_tristate(tree, "mixing-engine", stream->mixing_engine);
    device_tree_add_tristate(tree, "fixed-settings", stream->fixed_settings);
    device_tree_add_uint(tree, "voices", &stream->voices);
    device_tree_add_uint(tree, "buffer-length", &stream->buffer_length);
    device_tree_add_uint(tree, "frequency", &stream->frequency);
    device_tree_add_uint(tree, "channels", &stream->channels);
    json_set_string(tree, "format", audio_format_names[stream->format]);
    json_set_string(tree, "dev", stream->dev);
    device_tree_add_uint(tree, "buffer-count", &stream->buffer_count);
    device_tree_add_tristate(tree, "try-poll", stream->try_poll);
    json_set_string(tree, "server-name", stream->server_name);
    json_set_string(tree, "client-name", stream->client_name);
    json_set_string(tree, "connect-ports", stream->connect_ports);
    device_tree_add_tristate(tree, "exact-name", stream->exact_name);
    json_set_string(tree, "name", stream->name);
    json_set_string(tree, "stream-name", stream->stream_name);
    device_tree_add_uint(tree, "latency", &stream->latency);
    return tree;
}

static void
audio_options(const DeviceContext *context, gconstpointer device, CommandLine *line)
{
    const Audio *audio = device;
    Json *tree = json_new_object();

    json_set_string(tree, "id", audio->info.alias);
    json_set_string(tree, "driver", drivers[audio->type]);
    device_tree_add_uint(tree, "timer-period", &audio->timer_period);
    json_set_string(tree, "path", audio->path);
    json_set_string(tree, "server", audio->server_name);
    device_tree_add_tristate(tree, "try-mmap", audio->try_mmap);
    device_tree_add_tristate(tree, "exclusive", audio->exclusive);
    if (audio->dsp_policy.is_set)
        json_set(tree, "dsp-policy", json_new_int(audio->dsp_policy.value));
    if (audio->input)
        json_set(tree, "in", stream_tree(audio->input));
    if (audio->output)
        json_set(tree, "out", stream_tree(audio->output));
    command_line_add_tree(line, "-audiodev", tree);
}

const DeviceSpelling audio_spelling = {
    .kind = &audio_kind,
    .options = audio_options,
};
