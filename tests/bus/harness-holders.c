// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * harness-holders.c - see harness.h: what FindHolders answers, as a struct. A key that the
 * interface does not document, or one with another type, fails the test.
 */
#include <stddef.h>

#include "harness.h"

/* Numbers are read into uint64_t, strings into their array. */
static const struct {
	const char *key;
	const char *type;
	size_t offset;
	size_t size;
} fields[] = {
#define FIELD(name, type) \
	{ #name, type, offsetof(struct holder_seen, name), sizeof(((struct holder_seen *)0)->name) }
	FIELD(region, "t"),
	FIELD(kind, "s"),
	FIELD(uid, "u"),
	FIELD(session, "s"),
	FIELD(pid, "u"),
	FIELD(cgroup, "s"),
	FIELD(address, "s"),
	FIELD(access, "s"),
	FIELD(since_usec, "t"),
	FIELD(revocation, "t"),
	FIELD(cause, "s"),
	FIELD(offset, "t"),
	FIELD(length, "t"),
	FIELD(deadline_usec, "t"),
	FIELD(asker_pid, "u"),
	FIELD(asker_process_uid, "u"),
	FIELD(asker_comm, "s"),
	FIELD(asker_cgroup, "s"),
	FIELD(asker_other_user, "b"),
#undef FIELD
};

static void read_value(sd_bus_message *m, const char *type, char *out, size_t size)
{
	const char *text;
	uint64_t number;
	uint32_t small;
	int truth;

	if (*type == 's') {
		check(sd_bus_message_read(m, "v", "s", &text) > 0);
		snprintf(out, size, "%s", text);
		return;
	}
	if (*type == 't') {
		check(sd_bus_message_read(m, "v", "t", &number) > 0);
	} else if (*type == 'b') {
		check(sd_bus_message_read(m, "v", "b", &truth) > 0);
		number = (uint64_t)truth;
	} else {
		check(sd_bus_message_read(m, "v", "u", &small) > 0);
		number = small;
	}
	memcpy(out, &number, sizeof(number));
}

static void read_field(sd_bus_message *m, struct holder_seen *h)
{
	const char *key;
	size_t i = 0;

	check(sd_bus_message_read(m, "s", &key) > 0);
	while (i < sizeof(fields) / sizeof(*fields) && strcmp(fields[i].key, key) != 0)
		i++;
	if (i == sizeof(fields) / sizeof(*fields))
		check_text(key, "a documented key");
	read_value(m, fields[i].type, (char *)h + fields[i].offset, fields[i].size);
}

static void read_holder(sd_bus_message *m, struct holder_seen *h)
{
	*h = (struct holder_seen){ 0 };
	while (sd_bus_message_enter_container(m, 'e', "sv") > 0) {
		read_field(m, h);
		check(sd_bus_message_exit_container(m) >= 0);
	}
}

bool find_holders(sd_bus *b, int fd, struct holders *ret, struct reply *ret_reply)
{
	sd_bus_message *m = new_manager_call(b, "FindHolders"), *answer = NULL;
	sd_bus_error e = SD_BUS_ERROR_NULL;
	int r;

	check(sd_bus_message_append(m, "h", fd) >= 0);
	r = sd_bus_call(b, m, WAIT_SEC * 1000000ull, &e, &answer);
	take_reply(answer, &e, r, ret_reply);
	ret->n = 0;
	if (r >= 0) {
		check(sd_bus_message_enter_container(answer, 'a', "a{sv}") > 0);
		while (sd_bus_message_enter_container(answer, 'a', "{sv}") > 0) {
			check(ret->n < HOLDERS_MAX);
			read_holder(answer, &ret->item[ret->n++]);
			check(sd_bus_message_exit_container(answer) >= 0);
		}
	}
	sd_bus_error_free(&e);
	sd_bus_message_unref(m);
	sd_bus_message_unref(answer);
	return r >= 0;
}

const struct holder_seen *holder_of_kind(const struct holders *h, const char *kind, size_t n)
{
	for (size_t i = 0; i < h->n; i++)
		if (!strcmp(h->item[i].kind, kind) && n-- == 0)
			return &h->item[i];
	return NULL;
}

size_t count_holders(sd_bus *b, int fd)
{
	sd_bus_message *m = new_manager_call(b, "FindHolders"), *reply = NULL;
	size_t n = 0;

	check(sd_bus_message_append(m, "h", fd) >= 0 && sd_bus_call(b, m, 0, NULL, &reply) >= 0);
	check(sd_bus_message_enter_container(reply, 'a', "a{sv}") > 0);
	while (sd_bus_message_skip(reply, "a{sv}") > 0)
		n++;
	sd_bus_message_unref(reply);
	sd_bus_message_unref(m);
	return n;
}
