// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * reading.c - does a client read the signals it is sent? What it does not read lies with the
 * message bus, which counts it as the daemon's own, and stops to read from the daemon when that
 * becomes too much: then nobody is answered. So a client is sent a bounded number of signals beyond
 * those of which it is known that it read them.
 *
 * It is known by org.freedesktop.DBus.Peer.Ping, which every D-Bus library answers by itself when
 * it comes to that message: who answers has been through all that was sent before. What is left out
 * is counted, and told with SignalsLost as soon as the client reads again.
 *
 * What always holds: at most one Ping of a client is under way; a user's unread signals are the sum
 * of those of its clients.
 */
#include <inttypes.h>
#include <string.h>

#include "bus/bus-internal.h"
#include "util/log.h"

#define UNREAD_PER_CLIENT 512
#define UNREAD_PER_USER 4096
/* So many unread ones are worth the question. */
#define ASK_AFTER 64

static uint64_t unread(const struct client *c)
{
	return c->signals_sent - c->signals_read;
}

static void ask(struct bus *b, struct client *c);

static void tell_lost(struct bus *b, struct client *c)
{
	sd_bus_message *m = NULL;
	int r;

	if (!c->signals_lost)
		return;
	log_notice("client %s of uid %" PRIu32 " reads again; it was not sent %" PRIu64 " signals",
		   c->name, c->uid, c->signals_lost);
	r = sd_bus_message_new_signal(b->connection, &m, RDMAREG_MANAGER_PATH,
				      RDMAREG_MANAGER_INTERFACE, "SignalsLost");
	if (r >= 0)
		r = sd_bus_message_set_destination(m, c->name);
	if (r >= 0)
		r = sd_bus_message_append(m, "t", c->signals_lost);
	if (r >= 0)
		r = sd_bus_send(b->connection, m, NULL);
	if (r >= 0)
		c->signals_lost = 0;
	sd_bus_message_unref(m);
}

/* An error is as good an answer, if it is the client's own and not the message bus's. */
static int on_pong(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct client *c = userdata;
	const char *sender = sd_bus_message_get_sender(m);

	(void)error;
	if (!sender || strcmp(sender, c->name)) {
		const sd_bus_error *e = sd_bus_message_get_error(m);

		log_warning("client %s cannot be asked whether it reads: %s", c->name,
			    e && e->message ? e->message : "no reason given");
		return 0; /* the slot stays: it is not asked again */
	}
	c->ping = sd_bus_slot_unref(c->ping);
	c->user->unread -= c->signals_asked - c->signals_read;
	c->signals_read = c->signals_asked;
	tell_lost(c->user->bus, c);
	if (unread(c) >= ASK_AFTER)
		ask(c->user->bus, c);
	return 0;
}

static void ask(struct bus *b, struct client *c)
{
	sd_bus_message *m = NULL;
	int r = sd_bus_message_new_method_call(b->connection, &m, c->name, "/",
					       "org.freedesktop.DBus.Peer", "Ping");

	if (r >= 0)
		r = sd_bus_call_async(b->connection, &c->ping, m, on_pong, c, UINT64_MAX);
	if (r >= 0)
		c->signals_asked = c->signals_sent;
	sd_bus_message_unref(m);
}

bool client_may_be_sent(struct client *c)
{
	if (unread(c) < UNREAD_PER_CLIENT && c->user->unread < UNREAD_PER_USER)
		return true;
	if (!c->signals_lost++)
		log_notice("client %s of uid %" PRIu32 " does not read: %" PRIu64
			   " signals wait for it, %" PRIu32
			   " for all connections of its user; it is sent no more until it does",
			   c->name, c->uid, unread(c), c->user->unread);
	return false;
}

void client_was_sent(struct bus *b, struct client *c)
{
	c->signals_sent++;
	c->user->unread++;
	if (!c->ping && unread(c) >= ASK_AFTER)
		ask(b, c);
}

void client_stop_reading(struct client *c)
{
	c->ping = sd_bus_slot_unref(c->ping);
	c->user->unread -= (uint32_t)unread(c);
}
