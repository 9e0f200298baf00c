/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The kernel's routing socket, as far as virtkeep needs it: links are made, looked at, changed and
 * removed. libnl would do; what it has beyond these lines is what we would not use, and it knows
 * each attribute by a function of its own, where here a message can be read as the kernel's headers
 * spell it.
 *
 *     nlmsghdr | fixed part of the type | attribute, attribute, [ nest: attribute, … ]
 *
 * A socket lives for one request. The kernel does the work within sendmsg(), so an effect is there
 * or not when the call returns, whatever becomes of us afterwards; a request is never half done.
 */
#include "qemu/netlink.h"

#include <errno.h>
#include <gio/gio.h>
#include <linux/netlink.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define ANSWER_TIMEOUT_S 5
#define ANSWER_SIZE 65536
#define ATTRIBUTE_TYPE 0x3fff /* without NLA_F_NESTED and NLA_F_NET_BYTEORDER */

/* Building. */

static void
append(GByteArray *message, gconstpointer data, gsize size)
{
    static const guint8 padding[NLMSG_ALIGNTO] = { 0 };

    g_byte_array_append(message, data, (guint) size);
    g_byte_array_append(message, padding, (guint) (NLMSG_ALIGN(size) - size));
}

GByteArray *
netlink_message_new(guint16 type, guint16 flags, gconstpointer header, gsize size)
{
    struct nlmsghdr start = { .nlmsg_type = type, .nlmsg_flags = NLM_F_REQUEST | flags };
    GByteArray *message = g_byte_array_new();

    append(message, &start, sizeof start);
    append(message, header, size);
    return message;
}

void
netlink_put(GByteArray *message, guint16 attribute, gconstpointer data, gsize size)
{
    struct rtattr start = { .rta_type = attribute, .rta_len = (guint16) RTA_LENGTH(size) };

    append(message, &start, sizeof start);
    append(message, data, size);
}

void
netlink_put_u32(GByteArray *message, guint16 attribute, guint32 value)
{
    netlink_put(message, attribute, &value, sizeof value);
}

void
netlink_put_string(GByteArray *message, guint16 attribute, const char *text)
{
    netlink_put(message, attribute, text, strlen(text) + 1);
}

gsize
netlink_nest(GByteArray *message, guint16 attribute)
{
    gsize nest = message->len;

    netlink_put(message, attribute | NLA_F_NESTED, "", 0);
    return nest;
}

void
netlink_nest_end(GByteArray *message, gsize nest)
{
    guint16 length = (guint16) (message->len - nest);

    memcpy(message->data + nest + offsetof(struct rtattr, rta_len), &length, sizeof length);
}

/* Reading. */

const struct rtattr *
netlink_find(gconstpointer attributes, gsize size, guint16 attribute)
{
    const guint8 *at = attributes;

    while (size >= sizeof(struct rtattr)) {
        const struct rtattr *found = (const struct rtattr *) (const void *) at;
        gsize step = RTA_ALIGN(found->rta_len);

        if (found->rta_len < sizeof *found || found->rta_len > size)
            return NULL;
        if ((found->rta_type & ATTRIBUTE_TYPE) == attribute)
            return found;
        if (step >= size)
            return NULL;
        at += step;
        size -= step;
    }
    return NULL;
}

guint32
netlink_u32(const struct rtattr *attribute)
{
    guint32 value = 0;

    if (attribute && RTA_PAYLOAD(attribute) >= sizeof value)
        memcpy(&value, RTA_DATA(attribute), sizeof value);
    return value;
}

char *
netlink_string(const struct rtattr *attribute)
{
    return attribute ? g_strndup(RTA_DATA(attribute), RTA_PAYLOAD(attribute)) : NULL;
}

/* Asking. */

static bool
refuse(int problem, const char *words, GError **error)
{
    g_set_error(error, G_IO_ERROR, (int) g_io_error_from_errno(problem), "%s%s%s",
                g_strerror(problem), words ? ": " : "", words ? words : "");
    return false;
}

static int
open_socket(void)
{
    struct timeval timeout = { .tv_sec = ANSWER_TIMEOUT_S };
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    int on = 1;

    if (fd < 0)
        return -1;
    (void) setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
    (void) setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof on);
    (void) setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof on);
    return fd;
}

static bool
send_message(int fd, GByteArray *message, GError **error)
{
    struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
    struct nlmsghdr *start = (struct nlmsghdr *) (void *) message->data;
    ssize_t n;

    start->nlmsg_len = message->len;
    start->nlmsg_seq = 1;
    if ((start->nlmsg_flags & NLM_F_DUMP) != NLM_F_DUMP) /* of which NLM_F_EXCL has a bit */
        start->nlmsg_flags |= NLM_F_ACK;
    do
        n = sendto(fd, message->data, message->len, 0, (struct sockaddr *) &kernel, sizeof kernel);
    while (n < 0 && errno == EINTR);
    return n >= 0 ? true : refuse(errno, NULL, error);
}

/* What NLMSG_ERROR says; 0 is success. */
static bool
read_verdict(const struct nlmsghdr *message, GError **error)
{
    const struct nlmsgerr *verdict = NLMSG_DATA(message);
    const guint8 *end = (const guint8 *) message + message->nlmsg_len;
    const guint8 *extra = (const guint8 *) (verdict + 1);
    g_autofree char *words = NULL;

    if (message->nlmsg_len < NLMSG_LENGTH(sizeof *verdict))
        return refuse(EPROTO, NULL, error);
    if (!verdict->error)
        return true;
    if (message->nlmsg_flags & NLM_F_ACK_TLVS && extra < end)
        words = netlink_string(netlink_find(extra, (gsize) (end - extra), NLMSGERR_ATTR_MSG));
    return refuse(-verdict->error, words, error);
}

/* False with @error, or when the answer is complete (then *@ret_is_good). */
static bool
read_answer(int fd, char *buffer, NetlinkVisit visit, gpointer data, bool *ret_is_good,
            GError **error)
{
    ssize_t n = recv(fd, buffer, ANSWER_SIZE, 0);
    const struct nlmsghdr *message = (const struct nlmsghdr *) (void *) buffer;

    *ret_is_good = false;
    if (n < 0 && errno == EINTR)
        return true;
    if (n <= 0)
        return refuse(n < 0 ? errno : EPROTO, "no answer", error);
    for (; NLMSG_OK(message, n); message = NLMSG_NEXT(message, n)) {
        if (message->nlmsg_type == NLMSG_ERROR)
            *ret_is_good = read_verdict(message, error);
        if (message->nlmsg_type == NLMSG_DONE)
            *ret_is_good = true;
        if (message->nlmsg_type == NLMSG_ERROR || message->nlmsg_type == NLMSG_DONE)
            return false;
        if (visit)
            visit(message, data);
    }
    return true;
}

bool
netlink_call(GByteArray *message, NetlinkVisit visit, gpointer data, GError **error)
{
    g_autofree char *buffer = g_malloc(ANSWER_SIZE);
    int fd = open_socket();
    bool is_good = false;

    if (fd < 0)
        return refuse(errno, "the kernel's routing socket", error);
    if (send_message(fd, message, error))
        while (read_answer(fd, buffer, visit, data, &is_good, error))
            continue;
    close(fd);
    return is_good;
}
