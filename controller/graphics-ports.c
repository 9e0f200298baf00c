/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Ports of displays. QEMU's SPICE server takes the port it is given or fails, so one must be chosen
 * before the start: by binding to it and letting go. Another program may take it in between; QEMU
 * then says so and dies, and the next attempt chooses anew. What was chosen is this run's only: it
 * is in no document that is compared, or a free port would be a difference.
 */
#include "controller/graphics-ports.h"

#include <gio/gio.h>

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
is_free(const char *host, guint16 port)
{
    g_autoptr(GSocketAddress) address = g_inet_socket_address_new_from_string(host, port);
    g_autoptr(GSocket) socket = NULL;

    if (!address)
        return true; /* a host name: left to QEMU */
    socket = g_socket_new(g_socket_address_get_family(address), G_SOCKET_TYPE_STREAM,
                          G_SOCKET_PROTOCOL_TCP, NULL);
    return socket && g_socket_bind(socket, address, TRUE, NULL);
}

static void
choose(OptInt *port, const char *host, guint *next)
{
    if (port->is_set && port->value > 0)
        return;
    while (*next < LAST_PORT && !is_free(host, *next))
        (*next)++;
    *port = (OptInt){ .value = (*next)++, .is_set = true };
}

Domain *
graphics_ports_choose(const Domain *domain)
{
    Domain *copy = domain_copy(domain);
    guint next = FIRST_PORT;

    for (guint i = 0; i < list_length(copy->graphics); i++) {
        Graphics *graphics = copy->graphics->pdata[i];
        const char *host = listen_address(graphics);

        if (graphics->type != GRAPHICS_SPICE)
            continue;
        /* Without autoport, a port that is not given is a display without that port. */
        if (graphics->auto_port == TRISTATE_ON || graphics->port.value == -1)
            choose(&graphics->port, host, &next);
        if (graphics->tls_port.is_set && graphics->tls_port.value == -1)
            choose(&graphics->tls_port, host, &next);
    }
    return copy;
}
