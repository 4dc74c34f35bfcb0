// SPDX-License-Identifier: GPL-2.0-or-later
/* harness-bus.c - see harness.h: calls, replies and signals. */
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

void disconnect(sd_bus *b)
{
	sd_bus_flush_close_unref(b);
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

static bool finish(sd_bus *b, sd_bus_message *call, const char *types, struct reply *ret)
{
	sd_bus_error e = SD_BUS_ERROR_NULL;
	sd_bus_message *reply = NULL;
	const char *text = "";
	int r = sd_bus_call(b, call, CALL_USEC, &e, &reply);

	take_reply(reply, &e, r, ret);
	if (r >= 0 && !strcmp(types, "to")) {
		check(sd_bus_message_read(reply, "to", &ret->id, &text) > 0);
		snprintf(ret->path, sizeof(ret->path), "%s", text);
	} else if (r >= 0 && !strcmp(types, "s")) {
		check(sd_bus_message_read(reply, "s", &text) > 0);
		snprintf(ret->ticket, sizeof(ret->ticket), "%s", text);
	}
	sd_bus_error_free(&e);
	sd_bus_message_unref(reply);
	sd_bus_message_unref(call);
	return r >= 0;
}

static sd_bus_message *new_call(sd_bus *b, const char *path, const char *interface, const char *member)
{
	sd_bus_message *m = NULL;

	check(sd_bus_message_new_method_call(b, &m, RDMAREG_BUS_NAME, path, interface, member) >= 0);
	return m;
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

bool register_region(sd_bus *b, int fd, uint64_t offset, uint64_t length, const char *access,
		     struct reply *ret, int n_options, ...)
{
	sd_bus_message *m = new_call(b, RDMAREG_MANAGER_PATH, RDMAREG_MANAGER_INTERFACE, "RegisterRegion");
	va_list args;

	check(sd_bus_message_append(m, "htts", fd, offset, length, access) >= 0);
	va_start(args, n_options);
	append_options(m, n_options, args);
	va_end(args);
	return finish(b, m, "to", ret);
}

static void region_path(uint64_t id, char out[static 80])
{
	snprintf(out, 80, RDMAREG_REGION_PREFIX "/%" PRIu64, id);
}

bool call_region(sd_bus *b, uint64_t id, const char *method, struct reply *ret)
{
	char path[80];

	region_path(id, path);
	return finish(b, new_call(b, path, RDMAREG_REGION_INTERFACE, method), "", ret);
}

bool acknowledge(sd_bus *b, uint64_t id, uint64_t revocation, struct reply *ret)
{
	sd_bus_message *m;
	char path[80];

	region_path(id, path);
	m = new_call(b, path, RDMAREG_REGION_INTERFACE, "AckRevocation");
	check(sd_bus_message_append(m, "t", revocation) >= 0);
	return finish(b, m, "", ret);
}

bool export_region(sd_bus *b, uint64_t id, struct reply *ret, int n_options, ...)
{
	sd_bus_message *m;
	char path[80];
	va_list args;

	region_path(id, path);
	m = new_call(b, path, RDMAREG_REGION_INTERFACE, "Export");
	va_start(args, n_options);
	append_options(m, n_options, args);
	va_end(args);
	return finish(b, m, "s", ret);
}

bool region_exists(sd_bus *b, uint64_t id)
{
	sd_bus_message *m = new_call(b, RDMAREG_MANAGER_PATH, RDMAREG_MANAGER_INTERFACE, "GetRegion");
	struct reply reply;

	check(sd_bus_message_append(m, "t", id) >= 0);
	if (finish(b, m, "", &reply))
		return true;
	check_text(reply.error, "NoSuchRegion");
	return false;
}

size_t count_regions(sd_bus *b)
{
	sd_bus_message *m = new_call(b, RDMAREG_MANAGER_PATH, RDMAREG_MANAGER_INTERFACE, "ListRegions"),
		       *reply = NULL;
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

	region_path(id, path);
	r = sd_bus_call_method(b, RDMAREG_BUS_NAME, path, "org.freedesktop.DBus.Properties", "Get", NULL,
			       &reply, "ss", RDMAREG_REGION_INTERFACE, property);
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

	r = sd_bus_call_method(b, RDMAREG_BUS_NAME, RDMAREG_MANAGER_PATH, "org.freedesktop.DBus.Properties",
			       "Get", NULL, &reply, "ss", RDMAREG_MANAGER_INTERFACE, property);
	check(r >= 0 && sd_bus_message_peek_type(reply, NULL, &type) > 0);
	check(sd_bus_message_enter_container(reply, 'v', type) > 0);
	if (*type == 't')
		check(sd_bus_message_read(reply, "t", &t) > 0);
	else
		check(sd_bus_message_read(reply, "u", &u) > 0);
	sd_bus_message_unref(reply);
	return t + u;
}

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
	check(sd_bus_add_match(b, NULL, "type='signal',sender='" RDMAREG_BUS_NAME "'", ignore, NULL) >= 0);
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

bool has_signal(sd_bus *b, const char *member)
{
	/* what was sent before this answer has arrived when it has */
	get_manager_number(b, "Regions");
	process_all(b);
	return take(b, member, false);
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
