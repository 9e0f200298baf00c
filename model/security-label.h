/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/schema.h"

/* <seclabel>: read and checked, without effect. */
typedef enum { LABEL_DYNAMIC = 1, LABEL_STATIC, LABEL_NONE } LabelType;

typedef struct SecurityLabel {
    int type; /* LabelType */
    char *model;
    int relabel; /* yes/no */
    char *label, *base;
} SecurityLabel;
