// SPDX-License-Identifier: GPL-2.0-or-later
/* harness-signals.c - see harness.h: signals as they arrive, and those of revocations. */
#include <inttypes.h>

#include "harness.h"

/* One queue for all connections of the test; a message knows its connection. */
#define SIGNALS_MAX 4096
static sd_bus_message *arrived[SIGNALS_MAX];
static size_t n_arrived;

static int on_message(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	(void)userdata, (void)error;
	if (!sd_bus_message_is_signal(m, NULL, NULL) ||
	    sd_bus_message_is_signal(m, "org.freedesktop.DBus", NULL))
		return 0;
	check(n_arrived < SIGNALS_MAX);
	/* everything we send has one destination: a broadcast would show here */
	check(sd_bus_message_get_destination(m));
	arrived[n_arrived++] = sd_bus_message_ref(m);
	return 0;
}

static int ignore(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	(void)m, (void)userdata, (void)error;
	return 0;
}

void listen_signals(sd_bus *b)
{
	check(sd_bus_add_filter(b, NULL, on_message, NULL) >= 0);
	/* would let broadcasts in, if there were any */
	check(sd_bus_add_match(b, NULL, "type='signal',sender='" RDMAREG_BUS_NAME "'", ignore,
			       NULL) >= 0);
}

static sd_bus_message *take(sd_bus *b, const char *member, bool remove)
{
	for (size_t i = 0; i < n_arrived; i++) {
		sd_bus_message *m = arrived[i];

		if (sd_bus_message_get_bus(m) != b || strcmp(sd_bus_message_get_member(m), member))
			continue;
		if (remove) {
			memmove(&arrived[i], &arrived[i + 1], (n_arrived - i - 1) * sizeof(m));
			n_arrived--;
		}
		return m;
	}
	return NULL;
}

static void process_all(sd_bus *b)
{
	while (sd_bus_process(b, NULL) > 0)
		;
}

sd_bus_message *await_signal(sd_bus *b, const char *member)
{
	sd_bus_message *m;

	until((process_all(b), m = take(b, member, true)));
	return m;
}

size_t count_signals_before(sd_bus *b, const char *member)
{
	const sd_bus_message *m;
	size_t n = 0;

	until((process_all(b), m = take(b, member, false)));
	for (size_t i = 0; arrived[i] != m; i++)
		n += sd_bus_message_get_bus(arrived[i]) == b;
	return n;
}

bool has_signal(sd_bus *b, const char *member)
{
	/* what was sent before this answer has arrived when it has */
	get_manager_number(b, "Regions");
	process_all(b);
	return take(b, member, false);
}

void await_removed(sd_bus *b, uint64_t id, const char *reason)
{
	uint64_t removed = 0;

	while (removed != id) {
		sd_bus_message *m = await_signal(b, "RegionRemoved");
		const char *path, *word, *text;

		check(sd_bus_message_read(m, "toss", &removed, &path, &word, &text) > 0 && *text);
		if (removed == id)
			check_text(word, reason);
		sd_bus_message_unref(m);
	}
}

void forget_signals(sd_bus *b)
{
	size_t kept = 0;

	has_signal(b, "");
	for (size_t i = 0; i < n_arrived; i++) {
		if (sd_bus_message_get_bus(arrived[i]) == b)
			sd_bus_message_unref(arrived[i]);
		else
			arrived[kept++] = arrived[i];
	}
	n_arrived = kept;
}

void subscribe(sd_bus *b)
{
	listen_signals(b);
	check(sd_bus_call_method(b, RDMAREG_BUS_NAME, RDMAREG_MANAGER_PATH,
				 RDMAREG_MANAGER_INTERFACE, "Subscribe", NULL, NULL, NULL) >= 0);
}

void expect_property(sd_bus *b, uint64_t id, const char *name, const char *value)
{
	char text[128];

	get_property(b, id, name, text, sizeof(text));
	check_text(text, value);
}

uint64_t await_request(sd_bus *b, const char *cause)
{
	sd_bus_message *m = await_signal(b, "RevocationRequested");
	uint64_t revocation, offset, length, deadline;
	const char *text;

	check(sd_bus_message_read(m, "tsttt", &revocation, &text, &offset, &length, &deadline) > 0);
	check_text(text, cause);
	check(deadline > 0);
	sd_bus_message_unref(m);
	return revocation;
}

void await_settled(sd_bus *b, uint64_t revocation, const char *outcome, uint64_t valid_length)
{
	sd_bus_message *m = await_signal(b, "RevocationSettled");
	uint64_t number, valid;
	const char *text;

	check(sd_bus_message_read(m, "tst", &number, &text, &valid) > 0);
	check(number == revocation && valid == valid_length);
	check_text(text, outcome);
	sd_bus_message_unref(m);
}
