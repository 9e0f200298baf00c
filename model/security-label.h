/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/device.h"

/* <seclabel>: read and checked, without effect. */
typedef enum { LABEL_DYNAMIC = 1, LABEL_STATIC, LABEL_NONE } LabelType;

typedef struct SecurityLabel {
    int type; /* LabelType */
    char *model;
    int relabel; /* yes/no */
    char *label, *base;
} SecurityLabel;

#define SECURITY_LABEL_NO_EFFECT "virtkeep confines no process by security labels"

/* <seclabel> of one file: what its label is instead of the domain's. */
typedef struct DeviceLabel {
    char *model;
    int relabel; /* yes/no */
    char *label;
} DeviceLabel;

extern const Schema security_label_schema, device_label_schema;

/* The rules of the domain's own, at "seclabel[N]", and of a file's at @path. */
void security_labels_validate(const Validation *validation);
void device_labels_validate(const Validation *validation, const char *path,
                            const GPtrArray *labels);
