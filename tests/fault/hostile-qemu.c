/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a guest that has taken its QEMU over can put in QEMU's place: the process that the record
 * names, its token in the command line, and behind the control monitor whatever it likes. Most
 * answers are those of a QEMU that runs, so that the one that is not gets asked for.
 *
 *     hostile-qemu SOCKET MODE virtkeep-TOKEN-x
 */
#include <glib.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "model/json.h"

static const char *mode, *label;

static bool
is_mode(const char *word)
{
    return strcmp(mode, word) == 0;
}

/* What is returned to @command, as text; NULL: a refusal. Caller frees. */
static char *
answer(const char *command)
{
    if (!strcmp(command, "qmp_capabilities"))
        return g_strdup("{}");
    if (!strcmp(command, "query-chardev"))
        return g_strdup_printf("[{\"label\":\"%s\"}]", label);
    if (!strcmp(command, "query-status"))
        return g_strdup(is_mode("escapes")
                            ? "{\"status\":\"\\u001b[31m\\nvirtkeep: p: Synced\",\"running\":true}"
                            : "{\"status\":\"running\",\"running\":true}");
    if (!strcmp(command, "query-memory-devices") && is_mode("no-block"))
        return g_strdup("[{\"type\":\"virtio-mem\",\"data\":{\"id\":\"virtiomem0\","
                        "\"size\":0,\"requested-size\":0,\"max-size\":0,\"block-size\":0}}]");
    if (!strcmp(command, "qom-list") && is_mode("types"))
        return g_strdup("[7,null,\"x\",[],{\"name\":1,\"type\":[]}]");
    return NULL;
}

static void
send_text(int fd, const char *text)
{
    for (gsize left = strlen(text); left > 0;) {
        ssize_t n = send(fd, text, left, MSG_NOSIGNAL);

        if (n <= 0)
            return;
        text += n;
        left -= (gsize) n;
    }
}

static void
reply(int fd, const char *line)
{
    g_autoptr(Json) asked = json_parse(line, -1, NULL);
    const char *command = json_get_string(asked, "execute");
    g_autofree char *result = command ? answer(command) : NULL;
    g_autofree char *nested = is_mode("nested") ? g_strnfill(100000, '[') : NULL;
    guint64 id = json_get_uint(asked, "id", 0) + (is_mode("other-ids") ? 1000 : 0);
    g_autofree char *text =
        result ? g_strdup_printf("{\"return\":%s,\"id\":%" G_GUINT64_FORMAT "}\n", result, id)
               : g_strdup_printf("{\"error\":{\"class\":\"GenericError\",\"desc\":\"no\"},"
                                 "\"id\":%" G_GUINT64_FORMAT "}\n",
                                 id);

    if (nested)
        send_text(fd, nested);
    if (is_mode("half"))
        text[strlen(text) / 2] = '\0';
    send_text(fd, text);
    if (is_mode("half"))
        shutdown(fd, SHUT_RDWR);
}

static void
serve(int fd)
{
    g_autoptr(GString) input = g_string_new(NULL);
    char buffer[4096];
    ssize_t n;

    if (is_mode("closes"))
        return;
    if (!is_mode("silent"))
        send_text(fd, "{\"QMP\":{\"version\":{},\"capabilities\":[]}}\n");
    while ((n = recv(fd, buffer, sizeof buffer, 0)) > 0) {
        char *end;

        g_string_append_len(input, buffer, n);
        while (!is_mode("silent") && (end = strchr(input->str, '\n'))) {
            g_autofree char *line = g_strndup(input->str, (gsize) (end - input->str));

            g_string_erase(input, 0, (gssize) strlen(line) + 1);
            reply(fd, line);
        }
    }
}

int
main(int argc, char **argv)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (argc != 4 || strlen(argv[1]) >= sizeof address.sun_path)
        return 64;
    mode = argv[2];
    label = argv[3];
    strcpy(address.sun_path, argv[1]);
    if (bind(listener, (struct sockaddr *) &address, sizeof address) < 0 || listen(listener, 8) < 0)
        return 1;
    printf("ready\n");
    fflush(stdout);
    for (;;) {
        int fd = accept(listener, NULL, NULL);

        serve(fd);
        close(fd);
    }
}
