/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/domain.h"

typedef enum {
    INPUT_MOUSE = 1,
    INPUT_TABLET,
    INPUT_KEYBOARD,
    INPUT_PASSTHROUGH,
    INPUT_EVDEV
} InputType;
typedef enum {
    INPUT_BUS_PS2 = 1,
    INPUT_BUS_USB,
    INPUT_BUS_VIRTIO,
    INPUT_BUS_XEN,
    INPUT_BUS_NONE
} InputBus;
typedef enum {
    VIRTIO_MODEL_VIRTIO = 1,
    VIRTIO_MODEL_TRANSITIONAL,
    VIRTIO_MODEL_NON_TRANSITIONAL
} VirtioModel;
extern const char *const virtio_model_names[];

typedef struct Input {
    DeviceInfo info;
    int type, bus; /* bus 0: ps2 for mouse and keyboard, usb for tablet */
    int model;     /* VirtioModel */
    char *source;  /* evdev: device; passthrough: likewise */
    int grab, repeat, grab_toggle;
    VirtioOptions virtio;
} Input;

extern const DeviceKind input_kind;
InputBus input_bus(const Input *input);
extern const char *const input_grab_toggle_names[];
