/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

/* Controls (C0, DEL, C1). */
bool character_is_control(gunichar character);
/* What is not seen, and makes text be read otherwise than it stands: marks, embeddings, overrides
 * and isolates of direction (Unicode's Bidi_Control), separators of lines and paragraphs. */
bool character_is_deceptive(gunichar character);

/* @text as a message repeats it: whole, or its first @max characters and "…". Caller frees. */
char *text_excerpt(const char *text, gsize max);
#define TEXT_EXCERPT 64
