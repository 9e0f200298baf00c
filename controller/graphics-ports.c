/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Ports of displays. QEMU's SPICE server takes the port it is given or fails, so one must be chosen
 * before the start, and kept until QEMU has it, or two guests that start at once would choose the
 * same. It is bound by us alone and from then on to be shared: QEMU binds with SO_REUSEADDR, which
 * may share what nobody listens on, and whoever chooses a port binds without, and may not. So it
 * holds between processes, and goes with ours. Another program may still take it; QEMU then says so
 * and dies, and the next attempt chooses anew. What was chosen is this run's only: it is in no
 * document that is compared, or a free port would be a difference.
 */
#include "controller/graphics-ports.h"

#include <sys/socket.h>

#include "model/graphics.h"

#define FIRST_PORT 5900
#define LAST_PORT 65535

static const char *
listen_address(const Graphics *graphics)
{
    for (guint i = 0; i < list_length(graphics->listens); i++) {
        const GraphicsListen *listen = list_at(graphics->listens, i, GraphicsListen);

        if (listen->type == LISTEN_ADDRESS && listen->address)
            return listen->address;
    }
    return graphics->listen ? graphics->listen : "127.0.0.1";
}

static bool
hold(GPtrArray *held, const char *host, guint16 port)
{
    g_autoptr(GSocketAddress) address = g_inet_socket_address_new_from_string(host, port);
    g_autoptr(GSocket) socket = NULL;

    if (!address)
        return true; /* a host name: left to QEMU */
    socket = g_socket_new(g_socket_address_get_family(address), G_SOCKET_TYPE_STREAM,
                          G_SOCKET_PROTOCOL_TCP, NULL);
    if (!socket || !g_socket_bind(socket, address, FALSE, NULL) ||
        !g_socket_set_option(socket, SOL_SOCKET, SO_REUSEADDR, 1, NULL))
        return false;
    g_ptr_array_add(held, g_steal_pointer(&socket));
    return true;
}

static void
choose(OptInt *port, const char *host, guint next, GPtrArray *held)
{
    while (next < LAST_PORT && !hold(held, host, next))
        next++;
    *port = (OptInt){ .value = next, .is_set = true };
}

/* With autoport, TLS is a matter of the host: whether it has certificates for it. */
static bool
wants_tls(const Graphics *graphics, const char *certificates)
{
    return graphics_needs_tls(graphics) ||
           (graphics->tls_port.value && g_file_test(certificates, G_FILE_TEST_IS_DIR));
}

/* From here on nothing of it is open, and the command line says these ports. */
static void
settle(Graphics *graphics, const char *certificates, GPtrArray *held)
{
    const char *host = listen_address(graphics);
    bool is_auto = graphics->auto_port == TRISTATE_ON, has_tls = wants_tls(graphics, certificates);

    if (!graphics_has_plain_port(graphics))
        graphics->port = (OptInt){ 0 };
    else if (is_auto || graphics->port.value < 0)
        choose(&graphics->port, host, FIRST_PORT, held);
    if (!has_tls)
        graphics->tls_port = (OptInt){ 0 };
    else if (is_auto || graphics->tls_port.value < 0)
        choose(&graphics->tls_port, host, MAX(FIRST_PORT, graphics->port.value + 1), held);
    graphics->auto_port = TRISTATE_OFF;
}

Domain *
graphics_ports_choose(const Domain *domain, const char *certificates, GPtrArray **ret_held)
{
    g_autoptr(GPtrArray) held = g_ptr_array_new_with_free_func(g_object_unref);
    Domain *copy = domain_copy(domain);

    for (guint i = 0; i < list_length(copy->graphics); i++) {
        Graphics *graphics = copy->graphics->pdata[i];

        if (graphics->type == GRAPHICS_SPICE)
            settle(graphics, certificates, held);
    }
    *ret_held = g_steal_pointer(&held);
    return copy;
}
