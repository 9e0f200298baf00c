/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/domain.h"

typedef enum {
    SOUND_ES1370 = 1,
    SOUND_SB16,
    SOUND_AC97,
    SOUND_ICH6,
    SOUND_ICH9,
    SOUND_PCSPK,
    SOUND_USB,
    SOUND_VIRTIO
} SoundModel;
typedef enum { CODEC_DUPLEX = 1, CODEC_MICRO, CODEC_OUTPUT } SoundCodecType;
typedef struct SoundCodec {
    int type;
} SoundCodec;

typedef struct Sound {
    DeviceInfo info;
    int model;         /* SoundModel */
    GPtrArray *codecs; /* SoundCodec */
    OptUint audio;     /* id of an <audio> */
    int multichannel;  /* yes/no */
    OptUint streams;
    VirtioOptions virtio;
} Sound;

extern const DeviceKind sound_kind;
