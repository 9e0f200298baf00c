/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Several guests with SPICE displays as virt-install writes them start at once, on a host without
 * certificates: each gets a port of its own. And a given port that another has: what QEMU says of
 * it, in several lines, is told by every command in one. Last, passwords that change while the
 * guest runs, as a viewer that tries them finds them.
 */
#include "tests/cli/domain-file.h"
#include "tests/support/command.h"
#include "tests/support/qemus.h"
#include "tests/support/virtkeep.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <gio/gio.h>

static gint64
spice_port(Scratch *scratch, const char *name)
{
    g_autoptr(Json) spice = qemu_ask(scratch, name, "query-spice", NULL);

    assert_int_equal(json_get_int(spice, "tls-port", 0), 0);
    return json_get_int(spice, "port", 0);
}

static void
test_two(void **state)
{
    g_autoptr(Scratch) scratch = scratch_new();
    static const char *const names[] = { "a", "b" };
    g_autofree char *address = scratch_address();
    g_autofree char *devices = g_strdup_printf(
        "<graphics type='spice' port='-1' tlsPort='-1' autoport='yes' listen='%s'/>", address);

    g_free(scratch_write(scratch, "virtkeep.yaml", "tls: { spice: /nowhere }\n"));
    for (guint i = 0; i < G_N_ELEMENTS(names); i++)
        domain_file_write(scratch, &(DomainFile){ .name = names[i], .devices = devices });
    g_free(virtkeep_expect(scratch, 60, 0, "apply"));
    assert_true(spice_port(scratch, "a") > 0);
    assert_int_not_equal(spice_port(scratch, "a"), spice_port(scratch, "b"));
}

/* A file that gives a TLS port and no other has no port that anybody could read along at; one that
 * gives none listens nowhere. */
static void
test_tls_only(void **state)
{
    g_autoptr(Scratch) scratch = scratch_new();
    g_autofree char *configuration = g_strdup_printf("tls: { spice: %s }\n", scratch_dir(scratch));
    g_autofree char *key = scratch_path(scratch, "server-key.pem");
    g_autofree char *certificate = scratch_path(scratch, "server-cert.pem");
    g_autofree char *authority = scratch_path(scratch, "ca-cert.pem"), *text = NULL;
    g_autoptr(CommandResult) made = command_run(
        scratch, 30,
        (const char *const[]){ "openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj",
                               "/CN=localhost", "-keyout", key, "-out", certificate, NULL });
    g_autoptr(Json) secure = NULL, closed = NULL;

    assert_int_equal(made->status, 0);
    assert_true(g_file_get_contents(certificate, &text, NULL, NULL));
    assert_true(g_file_set_contents(authority, text, -1, NULL));
    g_free(scratch_write(scratch, "virtkeep.yaml", configuration));
    domain_file_write(
        scratch, &(DomainFile){ .name = "a", .devices = "<graphics type='spice' tlsPort='-1'/>" });
    domain_file_write(scratch, &(DomainFile){ .name = "b", .devices = "<graphics type='spice'/>" });
    g_free(virtkeep_expect(scratch, 60, 0, "apply"));
    secure = qemu_ask(scratch, "a", "query-spice", NULL);
    assert_true(json_get_int(secure, "tls-port", 0) > 0);
    assert_int_equal(json_get_int(secure, "port", 0), 0);
    closed = qemu_ask(scratch, "b", "query-spice", NULL);
    assert_int_equal(json_get_int(closed, "tls-port", 0), 0);
    assert_int_equal(json_get_int(closed, "port", 0), 0);
}

static void
assert_one_line(Scratch *scratch, const char *command)
{
    g_autofree char *text = virtkeep_expect(scratch, 10, 0, command, "a");

    if (!strstr(text, "QEMU exited: ") || !strstr(text, "; ") || strstr(text, "\\x0a"))
        fail_msg("%s says:\n%s", command, text);
}

static void
test_port_in_use(void **state)
{
    g_autoptr(Scratch) scratch = scratch_new();
    g_autoptr(GSocketAddress) address = g_inet_socket_address_new_from_string("127.0.0.1", 0);
    g_autoptr(GSocket) socket =
        g_socket_new(G_SOCKET_FAMILY_IPV4, G_SOCKET_TYPE_STREAM, G_SOCKET_PROTOCOL_TCP, NULL);
    g_autoptr(GSocketAddress) bound = NULL;
    g_autofree char *devices = NULL;

    assert_true(g_socket_bind(socket, address, TRUE, NULL) && g_socket_listen(socket, NULL));
    bound = g_socket_get_local_address(socket, NULL);
    devices = g_strdup_printf("<graphics type='spice' port='%u' autoport='no'/>",
                              g_inet_socket_address_get_port(G_INET_SOCKET_ADDRESS(bound)));
    domain_file_write(scratch, &(DomainFile){ .name = "a", .devices = devices });
    g_free(virtkeep_expect(scratch, 60, 1, "apply"));
    assert_one_line(scratch, "status");
    assert_one_line(scratch, "explain");
    assert_one_line(scratch, "history");
}

/* ---- passwords ---- */

#define KEY_SIZE 162    /* SPICE's: RSA of 1024 bits, DER */
#define TICKET_SIZE 128 /* what such a key makes of a password */
#define LINK_OK 0
#define LINK_DENIED 7

/* The word of the viewer: REDQ, version 2.2; the main channel, no capabilities. */
static const guint8 hello[] = {
    'R', 'E', 'D', 'Q', 2, 0, 0, 0, 2,  0, 0, 0, 18, 0, 0, 0, /* header, size of what follows */
    0,   0,   0,   0,                                         /* connection */
    1,   0,                                                   /* channel: main, number 0 */
    0,   0,   0,   0,   0, 0, 0, 0, 18, 0, 0, 0,              /* capabilities: none */
};

/* The password as the server's key encrypts it (RSA, OAEP), with its end. */
static char *
make_ticket(Scratch *scratch, const guint8 *key, const char *password)
{
    g_autofree char *key_path = scratch_path(scratch, "key.der");
    g_autofree char *in = scratch_path(scratch, "password"), *out = scratch_path(scratch, "ticket");
    const char *const argv[] = {
        "openssl", "pkeyutl", "-encrypt", "-pubin",   "-keyform",
        "DER",     "-inkey",  key_path,   "-pkeyopt", "rsa_padding_mode:oaep",
        "-in",     in,        "-out",     out,        NULL
    };
    g_autoptr(CommandResult) result = NULL;
    char *ticket;
    gsize size;

    assert_true(g_file_set_contents(key_path, (const char *) key, KEY_SIZE, NULL));
    assert_true(g_file_set_contents(in, password, (gssize) strlen(password) + 1, NULL));
    result = command_run(scratch, 30, argv);
    assert_int_equal(result->status, 0);
    assert_true(g_file_get_contents(out, &ticket, &size, NULL));
    assert_int_equal(size, TICKET_SIZE);
    return ticket;
}

/* What the server answers a viewer that gives this password. */
static guint32
enter(Scratch *scratch, const char *password)
{
    g_autoptr(GSocketClient) client = g_socket_client_new();
    g_autofree char *address = scratch_address();
    g_autoptr(GSocketConnection) connection = g_socket_client_connect_to_host(
        client, address, (guint16) spice_port(scratch, "a"), NULL, NULL);
    struct {
        guint32 magic, major, minor, size, error;
        guint8 key[KEY_SIZE];
        guint8 capabilities[12];
    } __attribute__((packed)) reply;
    g_autofree char *ticket = NULL, *rest = NULL;
    GInputStream *input;
    GOutputStream *output;
    guint32 verdict;
    gsize left;

    assert_non_null(connection);
    input = g_io_stream_get_input_stream(G_IO_STREAM(connection));
    output = g_io_stream_get_output_stream(G_IO_STREAM(connection));
    assert_true(g_output_stream_write_all(output, hello, sizeof(hello), NULL, NULL, NULL));
    assert_true(g_input_stream_read_all(input, &reply, sizeof(reply), NULL, NULL, NULL));
    assert_int_equal(GUINT32_FROM_LE(reply.error), LINK_OK);
    left = GUINT32_FROM_LE(reply.size) + 16 - sizeof(reply); /* the server's capabilities */
    rest = g_malloc(left);
    assert_true(g_input_stream_read_all(input, rest, left, NULL, NULL, NULL));
    ticket = make_ticket(scratch, reply.key, password);
    assert_true(g_output_stream_write_all(output, ticket, TICKET_SIZE, NULL, NULL, NULL));
    assert_true(g_input_stream_read_all(input, &verdict, sizeof(verdict), NULL, NULL, NULL));
    return GUINT32_FROM_LE(verdict);
}

static void
settle_password(Scratch *scratch, const char *attributes)
{
    g_autofree char *address = scratch_address();
    g_autofree char *devices = g_strdup_printf(
        "<graphics type='spice' port='-1' autoport='yes' listen='%s' %s/>", address, attributes);

    domain_file_write(scratch, &(DomainFile){ .name = "a", .devices = devices });
    g_free(virtkeep_expect(scratch, 60, 0, "apply"));
    g_free(virtkeep_expect(scratch, 30, 0, "plan", "--exit-code"));
}

/* The next viewer needs the new one; that QEMU goes on. */
static void
test_password(void **state)
{
    g_autoptr(Scratch) scratch = scratch_new();
    g_autofree char *identity = NULL, *history = NULL;

    settle_password(scratch, "passwd='Sesam1'");
    identity = qemu_identity(scratch, "a");
    assert_int_equal(enter(scratch, "Sesam1"), LINK_OK);
    assert_int_equal(enter(scratch, "Sesam2"), LINK_DENIED);
    settle_password(scratch, "passwd='Sesam2'");
    assert_int_equal(enter(scratch, "Sesam1"), LINK_DENIED);
    assert_int_equal(enter(scratch, "Sesam2"), LINK_OK);
    settle_password(scratch, "passwd='Sesam2' passwdValidTo='2001-01-01T00:00:00'");
    assert_int_equal(enter(scratch, "Sesam2"), LINK_DENIED);
    settle_password(scratch, "passwd='Sesam2'");
    assert_int_equal(enter(scratch, "Sesam2"), LINK_OK);
    assert_true(qemu_is(scratch, "a", identity));
    history = virtkeep_expect(scratch, 10, 0, "history", "a");
    assert_null(strstr(history, "Sesam"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_two),
        cmocka_unit_test(test_tls_only),
        cmocka_unit_test(test_port_in_use),
        cmocka_unit_test(test_password),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
