// SPDX-License-Identifier: GPL-2.0-or-later
/* harness-bus.c - see harness.h: connections, calls and their replies. */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>

#include "harness.h"

#define CALL_USEC (WAIT_SEC * 1000000ull)

sd_bus *connect_client(const struct world *w)
{
	sd_bus *b = NULL;

	check(sd_bus_new(&b) >= 0 && sd_bus_set_address(b, w->address) >= 0 &&
	      sd_bus_set_bus_client(b, 1) >= 0);
	check(sd_bus_start(b) >= 0);
	check(sd_bus_get_unique_name(b, &(const char *){ NULL }) >= 0); /* connected now */
	return b;
}

sd_bus *connect_as(const struct world *w, uid_t uid)
{
	sd_bus *b;

	/* who is at the other end of a socket is settled when it is connected */
	check(setresuid((uid_t)-1, uid, (uid_t)-1) == 0);
	b = connect_client(w);
	check(setresuid((uid_t)-1, 0, (uid_t)-1) == 0);
	return b;
}

void disconnect(sd_bus *b)
{
	sd_bus_flush_close_unref(b);
}

void expect_error(const struct reply *r, const char *error, const char *mentions)
{
	check_text(r->error, error);
	if (!strstr(r->text, mentions))
		check_text(r->text, mentions);
}

void take_reply(sd_bus_message *m, const sd_bus_error *e, int r, struct reply *ret)
{
	const char *name, *prefix = RDMAREG_ERROR_PREFIX;

	(void)m;
	memset(ret, 0, sizeof(*ret));
	if (r >= 0 && !sd_bus_error_is_set(e))
		return;
	name = sd_bus_error_is_set(e) ? e->name : strerror(-r);
	if (!strncmp(name, prefix, strlen(prefix)))
		name += strlen(prefix);
	snprintf(ret->error, sizeof(ret->error), "%s", name);
	snprintf(ret->text, sizeof(ret->text), "%s", e->message ? e->message : "");
}

static void read_sync(sd_bus_message *m, struct reply *ret)
{
	const char *key, *text;

	check(sd_bus_message_enter_container(m, 'a', "{sv}") > 0);
	while (sd_bus_message_enter_container(m, 'e', "sv") > 0) {
		check(sd_bus_message_read(m, "s", &key) > 0);
		if (!strcmp(key, "durable")) {
			check(sd_bus_message_read(m, "v", "s", &text) > 0);
			snprintf(ret->durable, sizeof(ret->durable), "%s", text);
		} else if (!strcmp(key, "revocation")) {
			check(sd_bus_message_read(m, "v", "t", &ret->number) > 0);
		} else {
			check_text(key, "valid_length");
			check(sd_bus_message_read(m, "v", "t", &ret->valid_length) > 0);
		}
		check(sd_bus_message_exit_container(m) >= 0);
	}
	check(sd_bus_message_exit_container(m) >= 0);
}

/* What the methods give, told apart by their signatures. */
static void read_result(sd_bus_message *m, struct reply *ret)
{
	const char *types = sd_bus_message_get_signature(m, true), *text;
	uint32_t count;

	if (!strcmp(types, "toa{sv}")) {
		check(sd_bus_message_read(m, "to", &ret->id, &text) > 0);
		snprintf(ret->path, sizeof(ret->path), "%s", text);
	} else if (!strcmp(types, "s")) {
		check(sd_bus_message_read(m, "s", &text) > 0);
		snprintf(ret->ticket, sizeof(ret->ticket), "%s", text);
	} else if (!strcmp(types, "t")) {
		check(sd_bus_message_read(m, "t", &ret->number) > 0);
	} else if (!strcmp(types, "u")) {
		check(sd_bus_message_read(m, "u", &count) > 0);
		ret->number = count;
	} else if (!strcmp(types, "a{sv}")) {
		read_sync(m, ret);
	}
}

bool finish_call(sd_bus *b, sd_bus_message *call, struct reply *ret)
{
	sd_bus_error e = SD_BUS_ERROR_NULL;
	sd_bus_message *reply = NULL;
	int r = sd_bus_call(b, call, CALL_USEC, &e, &reply);

	take_reply(reply, &e, r, ret);
	if (r >= 0)
		read_result(reply, ret);
	sd_bus_error_free(&e);
	sd_bus_message_unref(reply);
	sd_bus_message_unref(call);
	return r >= 0;
}

static int on_later(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct later *l = userdata;
	const sd_bus_error *e = sd_bus_message_get_error(m);

	(void)error;
	take_reply(m, e ? e : &SD_BUS_ERROR_NULL, 0, &l->reply);
	if (!e)
		read_result(m, &l->reply);
	l->done = true;
	return 1;
}

void send_later(sd_bus *b, sd_bus_message *m, struct later *l)
{
	*l = (struct later){ 0 };
	check(sd_bus_call_async(b, NULL, m, on_later, l, CALL_USEC) >= 0);
	check(sd_bus_flush(b) >= 0);
	sd_bus_message_unref(m);
}

bool is_answered(sd_bus *b, const struct later *l)
{
	while (sd_bus_process(b, NULL) > 0)
		;
	return l->done;
}

bool still_waits(sd_bus *b, const struct later *l)
{
	get_manager_number(b, "Regions");
	return !is_answered(b, l);
}

sd_bus_message *new_call(sd_bus *b, const char *path, const char *interface, const char *member)
{
	sd_bus_message *m = NULL;

	check(sd_bus_message_new_method_call(b, &m, RDMAREG_BUS_NAME, path, interface, member) >=
	      0);
	return m;
}

sd_bus_message *new_manager_call(sd_bus *b, const char *member)
{
	return new_call(b, RDMAREG_MANAGER_PATH, RDMAREG_MANAGER_INTERFACE, member);
}

sd_bus_message *new_region_call(sd_bus *b, uint64_t id, const char *member)
{
	char path[80];

	snprintf(path, sizeof(path), RDMAREG_REGION_PREFIX "/%" PRIu64, id);
	return new_call(b, path, RDMAREG_REGION_INTERFACE, member);
}

static void append_options(sd_bus_message *m, int n, va_list args)
{
	check(sd_bus_message_open_container(m, 'a', "{sv}") >= 0);
	for (int i = 0; i < n; i++) {
		const char *key = va_arg(args, const char *), *type = va_arg(args, const char *);

		check(sd_bus_message_open_container(m, 'e', "sv") >= 0 &&
		      sd_bus_message_append(m, "s", key) >= 0);
		switch (*type) {
		case 't':
			check(sd_bus_message_append(m, "v", type, va_arg(args, uint64_t)) >= 0);
			break;
		case 's':
			check(sd_bus_message_append(m, "v", type, va_arg(args, const char *)) >= 0);
			break;
		default: /* u, b, i, y */
			check(sd_bus_message_append(m, "v", type, va_arg(args, int)) >= 0);
			break;
		}
		check(sd_bus_message_close_container(m) >= 0);
	}
	check(sd_bus_message_close_container(m) >= 0);
}

void add_options(sd_bus_message *m, int n_options, ...)
{
	va_list args;

	va_start(args, n_options);
	append_options(m, n_options, args);
	va_end(args);
}

bool register_region(sd_bus *b, int fd, uint64_t offset, uint64_t length, const char *access,
		     struct reply *ret, int n_options, ...)
{
	sd_bus_message *m = new_manager_call(b, "RegisterRegion");
	va_list args;

	check(sd_bus_message_append(m, "htts", fd, offset, length, access) >= 0);
	va_start(args, n_options);
	append_options(m, n_options, args);
	va_end(args);
	return finish_call(b, m, ret);
}

bool call_region(sd_bus *b, uint64_t id, const char *method, struct reply *ret)
{
	return finish_call(b, new_region_call(b, id, method), ret);
}

bool call_region_options(sd_bus *b, uint64_t id, const char *method, struct reply *ret,
			 int n_options, ...)
{
	sd_bus_message *m = new_region_call(b, id, method);
	va_list args;

	va_start(args, n_options);
	append_options(m, n_options, args);
	va_end(args);
	return finish_call(b, m, ret);
}

bool call_region_number(sd_bus *b, uint64_t id, const char *method, uint64_t number,
			struct reply *ret)
{
	sd_bus_message *m = new_region_call(b, id, method);

	check(sd_bus_message_append(m, "t", number) >= 0);
	return finish_call(b, m, ret);
}

bool acknowledge(sd_bus *b, uint64_t id, uint64_t revocation, struct reply *ret)
{
	return call_region_number(b, id, "AckRevocation", revocation, ret);
}

bool export_region(sd_bus *b, uint64_t id, struct reply *ret, int n_options, ...)
{
	sd_bus_message *m = new_region_call(b, id, "Export");
	va_list args;

	va_start(args, n_options);
	append_options(m, n_options, args);
	va_end(args);
	return finish_call(b, m, ret);
}

bool region_exists(sd_bus *b, uint64_t id)
{
	sd_bus_message *m = new_manager_call(b, "GetRegion");
	struct reply reply;

	check(sd_bus_message_append(m, "t", id) >= 0);
	if (finish_call(b, m, &reply))
		return true;
	check_text(reply.error, "NoSuchRegion");
	return false;
}

size_t count_regions(sd_bus *b)
{
	sd_bus_message *m = new_manager_call(b, "ListRegions"), *reply = NULL;
	size_t n = 0;

	check(sd_bus_message_append(m, "a{sv}", 1, "limit", "u", 4096) >= 0);
	check(sd_bus_call(b, m, CALL_USEC, NULL, &reply) >= 0);
	check(sd_bus_message_enter_container(reply, 'a', "(toa{sv})") > 0);
	while (sd_bus_message_skip(reply, "(toa{sv})") > 0)
		n++;
	sd_bus_message_unref(m);
	sd_bus_message_unref(reply);
	return n;
}

void get_property(sd_bus *b, uint64_t id, const char *property, char *out, size_t size)
{
	sd_bus_message *reply = NULL;
	const char *type, *text;
	char path[80];
	uint64_t t;
	uint32_t u;
	int r;

	snprintf(path, sizeof(path), RDMAREG_REGION_PREFIX "/%" PRIu64, id);
	r = sd_bus_call_method(b, RDMAREG_BUS_NAME, path, "org.freedesktop.DBus.Properties", "Get",
			       NULL, &reply, "ss", RDMAREG_REGION_INTERFACE, property);
	check(r >= 0 && sd_bus_message_peek_type(reply, NULL, &type) > 0);
	check(sd_bus_message_enter_container(reply, 'v', type) > 0);
	if (*type == 's') {
		check(sd_bus_message_read(reply, "s", &text) > 0);
		snprintf(out, size, "%s", text);
	} else if (*type == 't') {
		check(sd_bus_message_read(reply, "t", &t) > 0);
		snprintf(out, size, "%" PRIu64, t);
	} else if (*type == '(') {
		check(sd_bus_message_read(reply, "(tsttt)", &t, &text, NULL, NULL, NULL) > 0);
		snprintf(out, size, "%" PRIu64 " %s", t, text);
	} else {
		check(sd_bus_message_read(reply, *type == 'b' ? "b" : "u", &u) > 0);
		snprintf(out, size, "%" PRIu32, u);
	}
	sd_bus_message_unref(reply);
}

uint64_t get_manager_number(sd_bus *b, const char *property)
{
	sd_bus_message *reply = NULL;
	const char *type;
	uint64_t t = 0;
	uint32_t u = 0;
	int r;

	r = sd_bus_call_method(b, RDMAREG_BUS_NAME, RDMAREG_MANAGER_PATH,
			       "org.freedesktop.DBus.Properties", "Get", NULL, &reply, "ss",
			       RDMAREG_MANAGER_INTERFACE, property);
	check(r >= 0 && sd_bus_message_peek_type(reply, NULL, &type) > 0);
	check(sd_bus_message_enter_container(reply, 'v', type) > 0);
	if (*type == 't')
		check(sd_bus_message_read(reply, "t", &t) > 0);
	else
		check(sd_bus_message_read(reply, "u", &u) > 0);
	sd_bus_message_unref(reply);
	return t + u;
}
