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

/* How many letters one must insert, remove or replace to make @b of @a; bounded work, and G_MAXUINT
 * of words longer than 64 bytes. */
guint text_distance(const char *a, const char *b);
/* Whether who wrote @word may have meant @known: a letter in three is wrong at most, two in all. */
bool text_is_near(const char *word, const char *known);
