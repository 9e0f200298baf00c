/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/domain.h"

/* Audio backends of the host: what sound devices and displays play to and record from. */
typedef enum {
    AUDIO_NONE = 1,
    AUDIO_ALSA,
    AUDIO_COREAUDIO,
    AUDIO_DBUS,
    AUDIO_JACK,
    AUDIO_OSS,
    AUDIO_PIPEWIRE,
    AUDIO_PULSEAUDIO,
    AUDIO_SDL,
    AUDIO_SPICE,
    AUDIO_FILE
} AudioType;

/* One direction. */
typedef struct AudioStream {
    int mixing_engine, fixed_settings; /* yes/no */
    OptUint voices;
    OptUint buffer_length; /* us */
    OptUint frequency;     /* Hz */
    OptUint channels;
    int format;
    OptUint buffer_count;
    char *dev, *name, *stream_name, *server_name, *client_name, *connect_ports;
    OptUint latency;          /* us */
    int try_poll, exact_name; /* yes/no */
} AudioStream;

typedef struct Audio {
    DeviceInfo info;
    OptUint id;
    int type;             /* AudioType */
    OptUint timer_period; /* us */
    char *path, *server_name;
    int try_mmap, exclusive; /* yes/no */
    OptInt dsp_policy;
    AudioStream *input, *output;
} Audio;

extern const DeviceKind audio_kind;
extern const char *const audio_format_names[];

/* What an <audio id> of a sound device or display means: the one with that id, or the first when
 * @id is absent. NULL = none. */
const Audio *domain_audio(const Domain *domain, const OptUint *id);
/* Reports an id that no <audio> has; @field as for validation_error(). */
void validate_audio_id(const Validation *validation, const char *field, const OptUint *id);
