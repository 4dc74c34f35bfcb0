// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * log.c - text of others on its way into the journal and onto the bus: names of files, of processes
 * and of peers, as zero-terminated pieces of the input.
 *
 * Measured: daemon/util/text.h
 *
 * Text that was made fit is printable UTF-8, within its room, and does not change again. What the
 * journal gets is one line for each field: no field begins with what is another's text.
 */
#undef NDEBUG
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "bytes.h"
#include "temporary.h"
#include "util/log.h"
#include "util/text.h"

static int journal = -1;

static void begin(void)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };

	if (journal >= 0)
		return;
	snprintf(a.sun_path, sizeof(a.sun_path), "%s/journal", temporary_folder());
	journal = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert(journal >= 0 && bind(journal, (struct sockaddr *)&a, sizeof(a)) == 0);
	assert(log_to_journal(a.sun_path) == 0);
}

static void check_clean(const char *text, size_t room)
{
	const unsigned char *at = (const unsigned char *)text;
	size_t n = strlen(text);

	assert(n < room);
	for (size_t i = 0, length; i < n; i += length) {
		length = text_character(at + i, n - i);
		assert(length);
	}
}

static void check_text(const char *text, size_t room)
{
	char clean[256], again[256], *exact;

	text_clean(clean, room, text, strlen(text));
	check_clean(clean, room);
	text_clean(again, sizeof(again), clean, strlen(clean));
	assert(!strcmp(clean, again));
	if (room >= 8) {
		text_shorten(clean, room, text);
		check_clean(clean, room);
	}
	exact = strdup(text);
	assert(exact);
	text_clean_in_place(exact);
	check_clean(exact, strlen(text) + 1);
	free(exact);
}

/* Which fields there are, each once at most. */
static void check_journal(void)
{
	static const char *const names[] = { "REGION",	   "MESSAGE",
					     "PRIORITY",   "SYSLOG_IDENTIFIER",
					     "MESSAGE_ID", "TENANT",
					     "CAUSE",	   "FILE",
					     "PEER",	   "PID" };
	char packet[16384], *line, *rest;
	unsigned int seen = 0;
	ssize_t n = recv(journal, packet, sizeof(packet) - 1, MSG_DONTWAIT);

	assert(n > 0 && packet[n - 1] == '\n');
	packet[n] = 0;
	assert(strlen(packet) == (size_t)n);
	for (line = packet; *line; line = rest + 1) {
		size_t i = 0;

		rest = strchr(line, '\n');
		*rest = 0;
		while (i < sizeof(names) / sizeof(*names) &&
		       (strncmp(line, names[i], strlen(names[i])) || line[strlen(names[i])] != '='))
			i++;
		assert(i < sizeof(names) / sizeof(*names) && !(seen & 1u << i));
		seen |= 1u << i;
		check_clean(line, sizeof(packet));
	}
	assert(seen & 1 && seen & 2);
	assert(recv(journal, packet, sizeof(packet), MSG_DONTWAIT) < 0 && errno == EAGAIN);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes b = { data, size };
	char text[4][400];

	begin();
	for (int i = 0; i < 4; i++) {
		bytes_text(&b, text[i], sizeof(text[i]));
		check_text(text[i], 1 + size % 255);
	}
	log_about(LOG_WARNING,
		  LOG_FIELDS(.tenant = text[0], .file = text[1], .peer = text[2], .pid = 7),
		  "region %d: %s of %s", 7, text[3], text[1]);
	check_journal();
	return 0;
}
