/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <linux/rtnetlink.h>
#include <stdbool.h>

/*
 * Netlink: one request of the kernel's routing family at a time (rtnetlink(7)): a message is built,
 * sent, and answered. Building and reading messages touches nothing.
 */

/* A message of @type (RTM_…) with the fixed part that the type has (struct ifinfomsg, …). @flags
 * beside NLM_F_REQUEST. Free with g_byte_array_unref(). */
GByteArray *netlink_message_new(guint16 type, guint16 flags, gconstpointer header, gsize size);
void netlink_put(GByteArray *message, guint16 attribute, gconstpointer data, gsize size);
void netlink_put_u32(GByteArray *message, guint16 attribute, guint32 value);
/* With its terminating zero. */
void netlink_put_string(GByteArray *message, guint16 attribute, const char *text);
/* Attributes put in between stand within @attribute. */
gsize netlink_nest(GByteArray *message, guint16 attribute);
void netlink_nest_end(GByteArray *message, gsize nest);

/* The attribute among @size bytes of them; NULL when it is not there. What doesn't fit ends the
 * search. */
const struct rtattr *netlink_find(gconstpointer attributes, gsize size, guint16 attribute);
guint32 netlink_u32(const struct rtattr *attribute); /* 0 for NULL or a shorter one */
/* Up to its zero, or its end; NULL for NULL. Caller frees. */
char *netlink_string(const struct rtattr *attribute);

/* Called for every message of an answer, its header included. */
typedef void (*NetlinkVisit)(const struct nlmsghdr *message, gpointer data);

/* Sends @message and waits for the kernel's answer. @visit may be NULL. Error: G_IO_ERROR as errno
 * says (NOT_FOUND, EXISTS, PERMISSION_DENIED, BUSY, …), with the kernel's own words where it has
 * some. */
bool netlink_call(GByteArray *message, NetlinkVisit visit, gpointer data, GError **error);
