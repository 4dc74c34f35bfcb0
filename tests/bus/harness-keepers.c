// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * harness-keepers.c - see harness.h: what ListKeepers answers, as a struct. A key that the interface
 * does not document, or one with another type, fails the test.
 */
#include <stdarg.h>
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
	{ #name, type, offsetof(struct keeper, name), sizeof(((struct keeper *)0)->name) }
	FIELD(keeper, "s"),   FIELD(uid, "u"),	       FIELD(session, "s"),
	FIELD(state, "s"),    FIELD(trouble, "s"),     FIELD(pid, "u"),
	FIELD(unit, "s"),     FIELD(runs_as, "u"),     FIELD(device, "s"),
	FIELD(address, "s"),  FIELD(program, "s"),     FIELD(current, "b"),
	FIELD(version, "u"),  FIELD(version_min, "u"), FIELD(version_max, "u"),
	FIELD(regions, "u"),  FIELD(bytes, "t"),       FIELD(peers, "u"),
	FIELD(attempts, "u"), FIELD(since_usec, "t"),
#undef FIELD
};

static void read_field(sd_bus_message *m, struct keeper *k)
{
	const char *key, *text;
	size_t i = 0;
	uint64_t number;
	uint32_t small;
	int truth;

	check(sd_bus_message_read(m, "s", &key) > 0);
	while (i < sizeof(fields) / sizeof(*fields) && strcmp(fields[i].key, key) != 0)
		i++;
	if (i == sizeof(fields) / sizeof(*fields))
		check_text(key, "a documented key");
	if (*fields[i].type == 's') {
		check(sd_bus_message_read(m, "v", "s", &text) > 0);
		check(strlen(text) < fields[i].size);
		strcpy((char *)k + fields[i].offset, text);
		return;
	}
	if (*fields[i].type == 'b') {
		check(sd_bus_message_read(m, "v", "b", &truth) > 0);
		number = (uint64_t)truth;
	} else if (*fields[i].type == 't') {
		check(sd_bus_message_read(m, "v", "t", &number) > 0);
	} else {
		check(sd_bus_message_read(m, "v", "u", &small) > 0);
		number = small;
	}
	memcpy((char *)k + fields[i].offset, &number, sizeof(number));
}

bool find_keeper(sd_bus *b, size_t n, struct keeper *ret, int n_options, ...)
{
	sd_bus_message *m = new_manager_call(b, "ListKeepers"), *answer = NULL;
	bool found = false;
	va_list args;

	va_start(args, n_options);
	check(sd_bus_message_open_container(m, 'a', "{sv}") >= 0);
	for (int i = 0; i < n_options; i++) {
		const char *key = va_arg(args, const char *), *type = va_arg(args, const char *);

		if (*type == 's')
			check(sd_bus_message_append(m, "{sv}", key, "s",
						    va_arg(args, const char *)) >= 0);
		else
			check(sd_bus_message_append(m, "{sv}", key, "u", va_arg(args, uint32_t)) >=
			      0);
	}
	va_end(args);
	check(sd_bus_message_close_container(m) >= 0);
	check(sd_bus_call(b, m, WAIT_SEC * 1000000ull, NULL, &answer) >= 0);
	check(sd_bus_message_enter_container(answer, 'a', "a{sv}") > 0);
	while (sd_bus_message_enter_container(answer, 'a', "{sv}") > 0) {
		struct keeper k = { .runs_as = UINT64_MAX, .since_usec = UINT64_MAX };

		while (sd_bus_message_enter_container(answer, 'e', "sv") > 0) {
			read_field(answer, &k);
			check(sd_bus_message_exit_container(answer) >= 0);
		}
		check(sd_bus_message_exit_container(answer) >= 0);
		if (n-- == 0) {
			*ret = k;
			found = true;
		}
	}
	sd_bus_message_unref(m);
	sd_bus_message_unref(answer);
	return found;
}

pid_t session_keeper(sd_bus *b, const char *session)
{
	struct keeper k;

	check(find_keeper(b, 0, &k, 1, "session", "s", session));
	return (pid_t)k.pid;
}
