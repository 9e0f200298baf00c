/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A fuzz target as an ordinary test: runs it over the files of the directories named, and over
 * what simple damage makes of each. `--damage N` says how many damaged versions of each file
 * are tried; they are the same in every run, so that a failure can be repeated. The input that
 * is being tried stands in the file named by `--last FILE`, if given: after a crash, that is it.
 *
 *     replay [--damage N] [--last FILE] PATH...
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/fuzz.h"

typedef struct Replay {
    int damage;
    char *last;
    guint n_files, n_inputs;
} Replay;

static void
try_input(Replay *replay, const GByteArray *input)
{
    /* In memory of its own exact size, where a sanitizer sees a read beyond it. */
    g_autofree guint8 *copy = g_malloc(input->len ? input->len : 1);

    if (input->len)
        memcpy(copy, input->data, input->len);
    if (replay->last)
        g_file_set_contents(replay->last, (const char *) copy, input->len, NULL);
    LLVMFuzzerTestOneInput(copy, input->len);
    replay->n_inputs++;
}

/* One stroke of damage: bytes changed, cut out, doubled, or replaced by something awkward. */
static void
damage(GRand *random, GByteArray *input)
{
    static const char *const awkward[] = {
        "<",       ">",
        "&",       "'",
        "\"",      "/>",
        "</",      "<!--",
        "xmlns=",  "&lt;",
        "\xff",    "-1",
        "0",       "99999999999999999999",
        "]]>",     "{",
        "[",       ": ",
        "\n  - ",  " unit='EiB'",
        "null",    "{}",
        "[]",      ",",
        "\\u0000", "9223372036854775807",
    };
    guint at = input->len ? g_rand_int_range(random, 0, input->len) : 0;
    guint wanted = g_rand_int_range(random, 1, 40), length = MIN(input->len - at, wanted);
    g_autofree guint8 *piece = g_memdup2(input->data + at, length);
    guint other = input->len ? g_rand_int_range(random, 0, input->len) : 0;
    const char *text = awkward[g_rand_int_range(random, 0, G_N_ELEMENTS(awkward))];

    switch (input->len ? g_rand_int_range(random, 0, 4) : 3) {
    case 0:
        input->data[at] ^= 1 << g_rand_int_range(random, 0, 8);
        break;
    case 1:
        g_byte_array_remove_range(input, at, length);
        break;
    case 2:
        g_byte_array_append(input, piece, length);
        memmove(input->data + other + length, input->data + other, input->len - length - other);
        memcpy(input->data + other, piece, length);
        break;
    default:
        g_byte_array_append(input, (const guint8 *) text, strlen(text));
        memmove(input->data + at + strlen(text), input->data + at, input->len - strlen(text) - at);
        memcpy(input->data + at, text, strlen(text));
    }
}

static void
replay_file(Replay *replay, const char *path)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GRand) random = g_rand_new_with_seed(1);
    g_autofree char *text = NULL;
    gsize length;

    if (!g_file_get_contents(path, &text, &length, &error))
        g_error("%s", error->message);
    replay->n_files++;
    for (int i = 0; i <= replay->damage; i++) {
        g_autoptr(GByteArray) input = g_byte_array_new();
        int n_strokes = i ? g_rand_int_range(random, 1, 6) : 0;

        g_byte_array_append(input, (const guint8 *) text, length);
        for (int j = 0; j < n_strokes; j++)
            damage(random, input);
        try_input(replay, input);
    }
}

static void
replay_path(Replay *replay, const char *path)
{
    g_autoptr(GDir) directory = g_dir_open(path, 0, NULL);
    const char *name;

    if (!directory) {
        replay_file(replay, path);
        return;
    }
    while ((name = g_dir_read_name(directory))) {
        g_autofree char *below = g_build_filename(path, name, NULL);

        if (*name != '.')
            replay_path(replay, below);
    }
}

int
main(int argc, char **argv)
{
    Replay replay = { 0 };
    g_auto(GStrv) paths = NULL;
    g_autoptr(GOptionContext) context = g_option_context_new("PATH...");
    g_autoptr(GError) error = NULL;
    const GOptionEntry options[] = {
        { "damage", 0, 0, G_OPTION_ARG_INT, &replay.damage, "Damaged versions of each file", "N" },
        { "last", 0, 0, G_OPTION_ARG_FILENAME, &replay.last, "Keep the input here", "FILE" },
        { G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &paths, NULL, NULL },
        { NULL },
    };

    g_option_context_add_main_entries(context, options, NULL);
    if (!g_option_context_parse(context, &argc, &argv, &error) || !paths) {
        fprintf(stderr, "replay: %s\n", error ? error->message : "no files named");
        return 64;
    }
    for (guint i = 0; paths[i]; i++)
        replay_path(&replay, paths[i]);
    printf("%u inputs of %u files\n", replay.n_inputs, replay.n_files);
    g_free(replay.last);
    /* A target that was run over nothing has shown nothing. */
    return replay.n_files ? EXIT_SUCCESS : EXIT_FAILURE;
}
