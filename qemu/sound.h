/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/domain.h"

/* -machine's part of a PC speaker; nothing where there is none. */
void sound_add_machine(const Domain *domain, GString *text);
