// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * rdmaregd-calls.c - the played daemon answers the methods of the contract. See fakes/rdmaregd.h.
 */
#undef NDEBUG
#include "rdmaregd-calls.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "names.h"
#include "rdmaregd.h"
#include "region-properties.h"

#define FILE_BYTES (UINT64_C(1) << 40) /* of every file */

struct mock_region mock_regions[REGIONS_MAX];
char mock_subscriber[64];
char mock_options[512];
bool mock_scrambled;
unsigned int mock_busy;

void mock_take_options(sd_bus_message *m)
{
	size_t n = 0;
	const char *key, *text, *type;
	uint64_t number;
	uint32_t small;
	int truth;

	mock_options[0] = 0;
	assert(sd_bus_message_enter_container(m, 'a', "{sv}") >= 0);
	while (sd_bus_message_enter_container(m, 'e', "sv") > 0) {
		assert(sd_bus_message_read(m, "s", &key) >= 0 &&
		       sd_bus_message_peek_type(m, NULL, &type) > 0);
		n += (size_t)snprintf(mock_options + n, sizeof(mock_options) - n, " %s=", key);
		if ((*type == 's' || *type == 'o') && sd_bus_message_read(m, "v", type, &text) >= 0)
			n += (size_t)snprintf(mock_options + n, sizeof(mock_options) - n, "%s",
					      text);
		else if (*type == 't' && sd_bus_message_read(m, "v", type, &number) >= 0)
			n += (size_t)snprintf(mock_options + n, sizeof(mock_options) - n, "%llu",
					      (unsigned long long)number);
		else if (*type == 'u' && sd_bus_message_read(m, "v", type, &small) >= 0)
			n += (size_t)snprintf(mock_options + n, sizeof(mock_options) - n, "%u",
					      small);
		else if (*type == 'b' && sd_bus_message_read(m, "v", type, &truth) >= 0)
			n += (size_t)snprintf(mock_options + n, sizeof(mock_options) - n, "%d",
					      truth);
		else if (sd_bus_message_skip(m, "v") >= 0) /* lists */
			n += (size_t)snprintf(mock_options + n, sizeof(mock_options) - n, "...");
		else
			abort();
		assert(n < sizeof(mock_options) && sd_bus_message_exit_container(m) >= 0);
	}
}

const char *mock_option(const char *key)
{
	static char value[4][128];
	static unsigned int next;
	char pattern[64];
	const char *p;

	snprintf(pattern, sizeof(pattern), " %s=", key);
	p = strstr(mock_options, pattern);
	if (!p)
		return NULL;
	next = (next + 1) % 4;
	snprintf(value[next], sizeof(value[next]), "%s", p + strlen(pattern));
	value[next][strcspn(value[next], " ")] = 0;
	return value[next];
}

static uint64_t option_number(const char *key, uint64_t otherwise)
{
	const char *value = mock_option(key);

	return value ? strtoull(value, NULL, 10) : otherwise;
}

static int append(sd_bus_message *m, const char *key, const char *type, ...)
{
	va_list args;

	assert(sd_bus_message_open_container(m, 'e', "sv") >= 0 &&
	       sd_bus_message_append(m, "s", key) >= 0);
	assert(sd_bus_message_open_container(m, 'v', type) >= 0);
	va_start(args, type);
	assert(sd_bus_message_appendv(m, type, args) >= 0);
	va_end(args);
	return sd_bus_message_close_container(m) >= 0 ? sd_bus_message_close_container(m) : -1;
}

/* A property, with a value that no other has. */
static int append_own(sd_bus_message *m, const char *name, const char *type, uint64_t id)
{
	uint64_t number = strcmp(name, "Id") ? mock_count(name) : id;

	switch (*type) {
	case 't':
		return append(m, name, type, number);
	case 'u':
		return append(m, name, type, (uint32_t)number);
	case 'b':
		return append(m, name, type, 1);
	case 's':
		return append(m, name, type, name);
	default:
		return append(m, name, type, number, "sync", (uint64_t)1, (uint64_t)2, (uint64_t)3);
	}
}

static void append_each(sd_bus_message *m, uint64_t id)
{
#define VALUE(member, name, kind, told, where) \
	assert(append_own(m, name, PROPERTY_TYPE_##kind, id) >= 0);
#define WORD(member, name, vocabulary, told, where) \
	assert(append(m, name, PROPERTY_TYPE_WORD, MOCK_WORD_##vocabulary) >= 0);
	assert(sd_bus_message_open_container(m, 'a', "{sv}") >= 0);
	REGION_PROPERTIES(VALUE, WORD)
	assert(sd_bus_message_close_container(m) >= 0);
#undef WORD
#undef VALUE
}

static void append_region(sd_bus_message *m, uint64_t id)
{
	char bypass[32];

	if (!strcmp(mock_regions[id].session, MOCK_EACH_PROPERTY)) {
		append_each(m, id);
		return;
	}
	assert(sd_bus_message_open_container(m, 'a', "{sv}") >= 0);
	append(m, "Id", "t", id);
	append(m, "State", "s", mock_regions[id].revoked ? "fenced" : "live");
	append(m, "ArbitrationMode", "s",
	       mock_regions[id].degraded ? "notify-only" : "layout-lease");
	append(m, "Refuses", "b", !strcmp(mock_regions[id].policy, "hold"));
	append(m, "Degraded", "s",
	       mock_regions[id].degraded ? "process 17 had it open before" : "");
	append(m, "ArbitrationReason", "s", "played");
	append(m, "Policy", "s", mock_regions[id].policy);
	append(m, "GraceUSec", "t", mock_regions[id].grace);
	append(m, "Access", "s", mock_regions[id].access);
	append(m, "Path", "s", "/some/file");
	append(m, "PathState", "s", mock_regions[id].degraded ? "moved" : "there");
	append(m, "PathNow", "s", mock_regions[id].degraded ? "/some/place" : "/some/file");
	append(m, "Bypasses", "t", mock_regions[id].bypasses);
	snprintf(bypass, sizeof(bypass), "played block %u",
		 (unsigned int)mock_regions[id].bypasses);
	append(m, "LastBypass", "s", mock_regions[id].bypasses ? bypass : "");
	append(m, "Name", "s", mock_regions[id].name);
	append(m, "Offset", "t", mock_regions[id].offset);
	append(m, "Length", "t", mock_regions[id].length);
	append(m, "ValidLength", "t",
	       mock_regions[id].length < FILE_BYTES ? mock_regions[id].length : FILE_BYTES);
	append(m, "Rkey", "u", 0x1234);
	append(m, "Generation", "u", 1 + mock_regions[id].replaced);
	append(m, "Address", "t", (uint64_t)0x7f0000000000);
	append(m, "Detached", "b", mock_regions[id].detached);
	append(m, "Uid", "u", mock_regions[id].uid);
	append(m, "Session", "s", mock_regions[id].session);
	append(m, "Ticket", "s", mock_regions[id].ticket);
	append(m, "Peers", "u", 2);
	append(m, "Clients", "u", !mock_regions[id].detached + !!*mock_regions[id].joined);
	append(m, "SomethingNewer", "(tas)", (uint64_t)1, 1, "x");
	append(m, "Revocation", "(tsttt)", (uint64_t)0, "unknown", (uint64_t)0, (uint64_t)0,
	       (uint64_t)0);
#define COUNTER(member, property, ...)                                      \
	if (strcmp(property, "Faults"))                                     \
		append(m, property, "t", mock_count(property));             \
	else if (mock_regions[id].degraded) /* as an adapter that counts */ \
		append(m, property, "t", (uint64_t)4711);
	REGION_COUNTERS(COUNTER)
#undef COUNTER
	append(m, "TranslationBytes", "t", (uint64_t)2097152);
	append(m, "Standing", "b", 1);
	assert(sd_bus_message_close_container(m) >= 0);
}

const char *mock_path_of(uint64_t id)
{
	static char path[80];

	snprintf(path, sizeof(path), RDMAREG_REGION_PREFIX "/%llu", (unsigned long long)id);
	return path;
}

static int reply_region(sd_bus_message *call, uint64_t id, bool with_id)
{
	sd_bus_message *m;

	assert(sd_bus_message_new_method_return(call, &m) >= 0);
	if (with_id)
		assert(sd_bus_message_append(m, "t", id) >= 0);
	assert(sd_bus_message_append(m, "o", mock_path_of(id)) >= 0);
	append_region(m, id);
	assert(sd_bus_send(NULL, m, NULL) >= 0);
	sd_bus_message_unref(m);
	return 1;
}

uint64_t mock_new_region(const char *access, uint64_t offset, uint64_t length)
{
	static uint64_t last;

	assert(++last < REGIONS_MAX);
	mock_regions[last].exists = true;
	mock_regions[last].offset = offset;
	mock_regions[last].length = length;
	strcpy(mock_regions[last].access, access);
	strcpy(mock_regions[last].session, "default");
	mock_regions[last].uid = getuid();
	strcpy(mock_regions[last].policy, "yield");
	mock_regions[last].grace = 500000;
	return last;
}

/* Register and Configure. */
static void apply_options(uint64_t id)
{
	mock_regions[id].grace = option_number("grace_usec", mock_regions[id].grace);
	if (mock_option("policy"))
		snprintf(mock_regions[id].policy, sizeof(mock_regions[id].policy), "%s",
			 mock_option("policy"));
	if (mock_option("session"))
		snprintf(mock_regions[id].session, sizeof(mock_regions[id].session), "%s",
			 mock_option("session"));
	if (mock_option("name"))
		snprintf(mock_regions[id].name, sizeof(mock_regions[id].name), "%s",
			 mock_option("name"));
	mock_regions[id].uid = (uint32_t)option_number("uid", mock_regions[id].uid);
	if (mock_option("detached"))
		mock_regions[id].detached = option_number("detached", 0);
}

static bool name_is_taken(void)
{
	const char *name = mock_option("name"), *session = mock_option("session");

	for (uint64_t id = 1; session && id < REGIONS_MAX; id++)
		if (mock_regions[id].exists && !strcmp(mock_regions[id].name, name) &&
		    !strcmp(mock_regions[id].session, session))
			return true;
	return false;
}

static int on_register(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	const char *access;
	uint64_t offset, length, id;
	int fd;

	(void)userdata;
	assert(sd_bus_message_read(m, "htts", &fd, &offset, &length, &access) >= 0 && fd >= 0);
	mock_take_options(m);
	if (mock_option("properties")) /* as one that is older than the option */
		return sd_bus_error_set(error, RDMAREG_ERROR_INVALID_OPTION,
					"there is no option 'properties' here; known are: policy");
	if (offset == 999)
		return sd_bus_error_setf(error, RDMAREG_ERROR_INVALID_RANGE,
					 "offset 999 is no multiple of 4096; round it down");
	if (length == 13)
		return sd_bus_error_setf(error, RDMAREG_ERROR_LIMIT_EXCEEDED,
					 "too many; see MaxRegionsPerTenant=");
	if (length == 77)
		_exit(0);
	if (mock_busy && mock_busy--)
		return sd_bus_error_setf(error, RDMAREG_ERROR_BUSY, "keepers are being started");
	if (mock_option("name") && name_is_taken())
		return sd_bus_error_setf(error, RDMAREG_ERROR_NAME_TAKEN,
					 "a region of the session has that name");
	id = mock_new_region(access, offset, length);
	apply_options(id);
	if (!mock_regions[id].detached)
		snprintf(mock_regions[id].owner, sizeof(mock_regions[id].owner), "%s",
			 sd_bus_message_get_sender(m));
	return reply_region(m, id, true);
}

/* As RegisterRegion, but offset 999 is an error of that one; atomic: of all. */
static int on_register_many(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	uint64_t offsets[16], lengths[16], ids[16];
	const char *access;
	sd_bus_message *reply;
	size_t n = 0;
	int fd;

	(void)userdata;
	assert(sd_bus_message_skip(m, "a(httsa{sv})") > 0);
	mock_take_options(m);
	if (mock_option("properties")) /* as one that is older than the option */
		return sd_bus_error_set(error, RDMAREG_ERROR_INVALID_OPTION,
					"there is no option 'properties' here; known are: atomic");
	assert(sd_bus_message_rewind(m, 1) >= 0);
	assert(sd_bus_message_enter_container(m, 'a', "(httsa{sv})") > 0);
	for (; sd_bus_message_enter_container(m, 'r', "httsa{sv}") > 0; n++) {
		assert(n < 16 &&
		       sd_bus_message_read(m, "htts", &fd, &offsets[n], &lengths[n], &access) > 0);
		mock_take_options(m);
		ids[n] = 0;
		if (offsets[n] != 999) {
			ids[n] = mock_new_region(access, offsets[n], lengths[n]);
			apply_options(ids[n]);
		}
		assert(sd_bus_message_exit_container(m) >= 0 &&
		       sd_bus_message_exit_container(m) >= 0);
	}
	assert(sd_bus_message_exit_container(m) >= 0);
	mock_take_options(m);
	for (size_t i = 0; mock_option("atomic") && i < n; i++) {
		if (ids[i])
			continue;
		for (size_t k = 0; k < n; k++)
			mock_regions[ids[k]].exists = false;
		return sd_bus_error_setf(error, RDMAREG_ERROR_INVALID_RANGE,
					 "nothing was registered, because of number %zu", i + 1);
	}
	assert(sd_bus_message_new_method_return(m, &reply) >= 0 &&
	       sd_bus_message_open_container(reply, 'a', "(toa{sv}ss)") >= 0);
	for (size_t i = 0; i < n; i++) {
		assert(sd_bus_message_open_container(reply, 'r', "toa{sv}ss") >= 0);
		assert(sd_bus_message_append(reply, "to", ids[i],
					     ids[i] ? mock_path_of(ids[i]) : "/") >= 0);
		if (ids[i])
			append_region(reply, ids[i]);
		else
			assert(sd_bus_message_append(reply, "a{sv}", 0) >= 0);
		assert(sd_bus_message_append(reply, "ss", ids[i] ? "" : RDMAREG_ERROR_INVALID_RANGE,
					     ids[i] ? "" : "round it down") >= 0 &&
		       sd_bus_message_close_container(reply) >= 0);
	}
	assert(sd_bus_message_close_container(reply) >= 0 && sd_bus_send(NULL, reply, NULL) >= 0);
	sd_bus_message_unref(reply);
	return 1;
}

/* The first region behind @id that the options of a list let through; 0: there is none. */
static uint64_t next_listed(uint64_t id)
{
	const char *session = mock_option("session");

	if (!id)
		id = option_number("after", 0);
	while (++id < REGIONS_MAX)
		if (mock_regions[id].exists &&
		    (!session || !strcmp(session, mock_regions[id].session)))
			return id;
	return 0;
}

static int on_list(sd_bus_message *call, void *userdata, sd_bus_error *error)
{
	uint64_t n = 0;
	sd_bus_message *m;

	(void)userdata;
	(void)error;
	mock_take_options(call);
	assert(sd_bus_message_new_method_return(call, &m) >= 0);
	assert(sd_bus_message_open_container(m, 'a', "(toa{sv})") >= 0);
	for (uint64_t id = 0; (id = next_listed(id)) && n < option_number("limit", 256); n++) {
		assert(sd_bus_message_open_container(m, 'r', "toa{sv}") >= 0);
		assert(sd_bus_message_append(m, "to", id, mock_path_of(id)) >= 0);
		append_region(m, id);
		assert(sd_bus_message_close_container(m) >= 0);
	}
	assert(sd_bus_message_close_container(m) >= 0 && sd_bus_send(NULL, m, NULL) >= 0);
	sd_bus_message_unref(m);
	return 1;
}

/* A copy of the value with this name; the region has it. */
static void copy_property(sd_bus_message *m, sd_bus_message *properties, const char *name)
{
	const char *key = "";

	assert(sd_bus_message_rewind(properties, 1) >= 0);
	assert(sd_bus_message_enter_container(properties, 'a', "{sv}") > 0);
	while (sd_bus_message_enter_container(properties, 'e', "sv") > 0) {
		const char *type;

		assert(sd_bus_message_read(properties, "s", &key) > 0);
		assert(sd_bus_message_peek_type(properties, NULL, &type) > 0);
		if (!strcmp(key, name)) {
			assert(sd_bus_message_enter_container(properties, 'v', type) > 0);
			assert(sd_bus_message_copy(m, properties, 1) >= 0);
			return;
		}
		assert(sd_bus_message_skip(properties, "v") > 0 &&
		       sd_bus_message_exit_container(properties) >= 0);
	}
	assert(!"what is asked for is there");
}

static void append_chosen(sd_bus_message *m, char **names, const char *types, uint64_t id)
{
	sd_bus_message *properties;

	assert(sd_bus_message_new_signal(sd_bus_message_get_bus(m), &properties, "/x", "x.y",
					 "Z") >= 0);
	append_region(properties, id);
	assert(sd_bus_message_seal(properties, 1, 0) >= 0);
	assert(sd_bus_message_open_container(m, 'r', types) >= 0);
	for (; *names; names++)
		copy_property(m, properties, *names);
	assert(sd_bus_message_close_container(m) >= 0);
	sd_bus_message_unref(properties);
}

static int on_list_properties(sd_bus_message *call, void *userdata, sd_bus_error *error)
{
	static const struct {
		const char *name, *type;
	} known[] = {
#define VALUE(member, name, kind, told, where) { name, PROPERTY_TYPE_##kind },
#define WORD(member, name, vocabulary, told, where) VALUE(member, name, WORD, told, where)
		REGION_PROPERTIES(VALUE, WORD)
#undef WORD
#undef VALUE
	};
	char types[64] = "", item[80], items[96];
	sd_bus_message *m;
	char **names;
	uint64_t n = 0;

	(void)userdata;
	(void)error;
	mock_take_options(call);
	assert(sd_bus_message_exit_container(call) >= 0 &&
	       sd_bus_message_read_strv(call, &names) > 0);
	for (char **name = names; *name; name++)
		for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
			if (!strcmp(*name, known[i].name))
				strcat(types, known[i].type);
	snprintf(item, sizeof(item), "(%s)", types);
	snprintf(items, sizeof(items), "a%s", item);
	assert(sd_bus_message_new_method_return(call, &m) >= 0);
	assert(sd_bus_message_open_container(m, 'v', items) >= 0 &&
	       sd_bus_message_open_container(m, 'a', item) >= 0);
	for (uint64_t id = 0; (id = next_listed(id)) && n < option_number("limit", 256); n++)
		append_chosen(m, names, types, id);
	assert(sd_bus_message_close_container(m) >= 0 && sd_bus_message_close_container(m) >= 0 &&
	       sd_bus_send(NULL, m, NULL) >= 0);
	sd_bus_message_unref(m);
	for (char **name = names; *name; name++)
		free(*name);
	free(names);
	return 1;
}

/*
 * The first time a region, a device with a key that is newer than the library, and memory; then one
 * without a name.
 */
static int on_list_devices(sd_bus_message *call, void *userdata, sd_bus_error *error)
{
	sd_bus_message *m;

	(void)userdata, (void)error;
	assert(sd_bus_message_new_method_return(call, &m) >= 0);
	assert(sd_bus_message_open_container(m, 'a', "a{sv}") >= 0);
	if (mock_scrambled) {
		assert(sd_bus_message_append(m, "a{sv}", 1, "kind", "s", "dax-device") >= 0);
	} else {
		assert(sd_bus_message_append(m, "a{sv}", 5, "kind", "s", "dax-region", "name", "s",
					     "region0", "dynamic", "b", 1, "available", "t",
					     UINT64_C(1) << 30, "dax_region", "u", 3) >= 0);
		assert(sd_bus_message_append(m, "a{sv}", 6, "kind", "s", "dax-device", "name", "s",
					     "dax0.0", "path", "s", "/dev/dax0.0", "size", "t",
					     UINT64_C(1) << 32, "alignment", "t", UINT64_C(2) << 20,
					     "newer", "(ss)", "a", "b") >= 0);
		assert(sd_bus_message_append(m, "a{sv}", 4, "kind", "s", "dax-device", "name", "s",
					     "dax1.0", "unusable", "s", "it is memory", "node", "u",
					     2) >= 0);
		assert(sd_bus_message_append(m, "a{sv}", 5, "kind", "s", "adapter", "name", "s",
					     "rxe0", "mtu", "t", UINT64_C(4200), "abilities", "s",
					     "flush", "quirks", "s", "none") >= 0);
		/* the daemon sees no interfaces; this machine has one of them */
		assert(sd_bus_message_append(m, "a{sv}", 4, "kind", "s", "adapter", "name", "s",
					     "rxe1", "netdev", "s", "lo", "mtu", "t",
					     UINT64_C(0)) >= 0);
		assert(sd_bus_message_append(m, "a{sv}", 4, "kind", "s", "adapter", "name", "s",
					     "rxe2", "netdev", "s", "away0", "mtu", "t",
					     UINT64_C(0)) >= 0);
	}
	assert(sd_bus_message_close_container(m) >= 0 && sd_bus_send(NULL, m, NULL) >= 0);
	sd_bus_message_unref(m);
	return 1;
}

/*
 * One that is driven, with a key that is newer than the library, and one that is not; then one
 * without a name.
 */
static int on_list_keepers(sd_bus_message *call, void *userdata, sd_bus_error *error)
{
	const char *session, *state;
	sd_bus_message *m;

	(void)userdata;
	mock_take_options(call);
	session = mock_option("session");
	state = mock_option("state");
	if (state && strcmp(state, "foreign") && strcmp(state, "driven"))
		return sd_bus_error_setf(error, RDMAREG_ERROR_INVALID_OPTION,
					 "'%s' is not valid for state", state);
	assert(sd_bus_message_new_method_return(call, &m) >= 0);
	assert(sd_bus_message_open_container(m, 'a', "a{sv}") >= 0);
	if (mock_scrambled) {
		assert(sd_bus_message_append(m, "a{sv}", 1, "state", "s", "driven") >= 0);
	} else if (!session || !strcmp(session, "default")) {
		if (!state || !strcmp(state, "driven"))
			assert(sd_bus_message_append(
				       m, "a{sv}", 9, "keeper", "s", "0-default-1", "uid", "u", 0,
				       "session", "s", "default", "state", "s", "driven", "pid",
				       "u", 4711, "version", "u", 5, "regions", "u", 3, "bytes",
				       "t", UINT64_C(1) << 32, "newer", "(ss)", "a", "b") >= 0);
		if (!state || !strcmp(state, "foreign"))
			assert(sd_bus_message_append(m, "a{sv}", 7, "keeper", "s", "7-default-2",
						     "uid", "u", 7, "state", "s", "foreign",
						     "trouble", "s", "it speaks version 9",
						     "runs_as", "u", 61200, "version_min", "u", 9,
						     "version_max", "u", 9) >= 0);
	}
	assert(sd_bus_message_close_container(m) >= 0 && sd_bus_send(NULL, m, NULL) >= 0);
	sd_bus_message_unref(m);
	return 1;
}

/* One that is there and one that is not; "scramble": one without a name. */
static int on_list_standing(sd_bus_message *call, void *userdata, sd_bus_error *error)
{
	sd_bus_message *m;

	(void)userdata, (void)error;
	mock_take_options(call);
	assert(sd_bus_message_new_method_return(call, &m) >= 0);
	assert(sd_bus_message_open_container(m, 'a', "a{sv}") >= 0);
	if (mock_scrambled) {
		assert(sd_bus_message_append(m, "a{sv}", 1, "path", "s", "/a") >= 0);
	} else {
		if (!mock_option("waiting"))
			assert(sd_bus_message_append(m, "a{sv}", 8, "uid", "u", 7, "session", "s",
						     "default", "name", "s", "there", "path", "s",
						     "/a", "access", "s", "rw", "region", "t",
						     UINT64_C(5), "length", "t", UINT64_C(4096),
						     "newer", "(ss)", "a", "b") >= 0);
		assert(sd_bus_message_append(m, "a{sv}", 6, "uid", "u", 7, "session", "s",
					     "default", "name", "s", "away", "path", "s", "/b",
					     "access", "s", "r", "why", "s",
					     "/b is not the file that was registered as 'away': "
					     "its inode number is another one") >= 0);
	}
	assert(sd_bus_message_close_container(m) >= 0 && sd_bus_send(NULL, m, NULL) >= 0);
	sd_bus_message_unref(m);
	return 1;
}

static int on_replace_keeper(sd_bus_message *call, void *userdata, sd_bus_error *error)
{
	const char *name;

	(void)userdata;
	assert(sd_bus_message_read(call, "s", &name) >= 0);
	mock_take_options(call);
	if (!strcmp(name, "0-default-1"))
		return sd_bus_reply_method_return(call, "u", 3);
	return sd_bus_error_setf(error, RDMAREG_ERROR_FAILED,
				 "keeper %s cannot be replaced: it is foreign", name);
}

/* A revocation of region 7, of 999 none; after it an event that makes no sense, if region 13 is asked for. */
static int on_get_history(sd_bus_message *call, void *userdata, sd_bus_error *error)
{
	static const uint64_t first = 100;
	sd_bus_message *m;

	(void)userdata;
	(void)error;
	mock_take_options(call);
	assert(sd_bus_message_new_method_return(call, &m) >= 0);
	assert(sd_bus_message_append(m, "tt", UINT64_C(1000000), UINT64_C(2000000)) >= 0);
	assert(sd_bus_message_open_container(m, 'a', "(tttsa{sv})") >= 0);
	if (option_number("region", 0) == 999 ||
	    (mock_option("name") && !strcmp(mock_option("name"), "nothing")))
		goto out;
	if (option_number("after", 0) < first)
		assert(sd_bus_message_append(
			       m, "(tttsa{sv})", first, UINT64_C(3000000), UINT64_C(7), "asked", 10,
			       "uid", "u", 1000, "session", "s", "job.7", "path", "s", "/data/a",
			       "revocation", "t", UINT64_C(3), "cause", "s", "truncate", "length",
			       "t", UINT64_C(4096), "holders", "u", 2, "pid", "u", 4711, "comm",
			       "s", "dd<b>", "newer", "as", 1, "x") >= 0);
	if (option_number("after", 0) < first + 1)
		assert(sd_bus_message_append(m, "(tttsa{sv})", first + 1, UINT64_C(3100000),
					     UINT64_C(7), "unanswered", 4, "revocation", "t",
					     UINT64_C(3), "holder", "s", "peer", "address", "s",
					     "10.0.0.2", "delay_usec", "t", UINT64_C(100000)) >= 0);
	if (option_number("after", 0) < first + 2)
		assert(sd_bus_message_append(m, "(tttsa{sv})", first + 2, UINT64_C(3200000),
					     UINT64_C(7), "given-back", 3, "revocation", "t",
					     UINT64_C(3), "delay_usec", "t", UINT64_C(1300000),
					     "forced", "b", 1) >= 0);
	if (option_number("region", 0) == 13)
		assert(sd_bus_message_append(m, "(tttsa{sv})", first + 3, UINT64_C(1), UINT64_C(0),
					     "asked", 0) >= 0);
out:
	assert(sd_bus_message_close_container(m) >= 0);
	assert(sd_bus_send(NULL, m, NULL) >= 0);
	sd_bus_message_unref(m);
	return 1;
}

static int on_find_holders(sd_bus_message *call, void *userdata, sd_bus_error *error)
{
	sd_bus_message *m;
	struct stat s;
	int fd;

	(void)userdata;
	assert(sd_bus_message_read(call, "h", &fd) >= 0 && fstat(fd, &s) == 0);
	if (S_ISDIR(s.st_mode))
		return sd_bus_error_setf(error, RDMAREG_ERROR_INVALID_FILE,
					 "a directory cannot be registered");
	assert(sd_bus_message_new_method_return(call, &m) >= 0);
	assert(sd_bus_message_open_container(m, 'a', "a{sv}") >= 0);
	if (s.st_size == 13) /* no region in it */
		assert(sd_bus_message_append(m, "a{sv}", 1, "kind", "s", "owner") >= 0);
	else if (s.st_size) {
		assert(sd_bus_message_append(m, "a{sv}", 6, "region", "t", (uint64_t)7, "kind", "s",
					     "owner", "uid", "u", 0, "session", "s", "job.7", "pid",
					     "u", 4711, "cgroup", "s",
					     "/system.slice/job.service") >= 0);
		assert(sd_bus_message_append(m, "a{sv}", 7, "region", "t", (uint64_t)7, "kind", "s",
					     "peer", "address", "s", "10.0.0.2", "access", "s",
					     "rw", "revocation", "t", (uint64_t)3, "cause", "s",
					     "sync", "length", "t", (uint64_t)4096) >= 0);
		assert(sd_bus_message_append(m, "a{sv}", 3, "region", "t", (uint64_t)9, "kind", "s",
					     "robot", "newer", "as", 1, "x") >= 0);
	}
	assert(sd_bus_message_close_container(m) >= 0 && sd_bus_send(NULL, m, NULL) >= 0);
	sd_bus_message_unref(m);
	return 1;
}

/* Evict, EnforceLimits. */
static int on_evict(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	uint32_t n = 0;
	int fd;

	(void)userdata;
	if (sd_bus_message_is_method_call(m, NULL, "Evict") > 0)
		assert(sd_bus_message_read(m, "h", &fd) >= 0 && fd >= 0);
	mock_take_options(m);
	if (option_number("grace_usec", 0) == 1)
		return sd_bus_error_setf(error, RDMAREG_ERROR_ACCESS_DENIED,
					 "ask an administrator");
	for (uint64_t id = 1; id < REGIONS_MAX; id++) {
		n += mock_regions[id].exists;
		mock_regions[id].exists = false;
	}
	return sd_bus_reply_method_return(m, "u", n);
}

static int on_get(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	uint64_t id;

	(void)userdata;
	assert(sd_bus_message_read(m, "t", &id) >= 0);
	if (id >= REGIONS_MAX || !mock_regions[id].exists)
		return sd_bus_error_setf(error, RDMAREG_ERROR_NO_SUCH_REGION,
					 "there is no region %llu", (unsigned long long)id);
	return reply_region(m, id, false);
}

static int on_get_by_name(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	const char *session, *name;
	uint32_t uid;

	(void)userdata;
	assert(sd_bus_message_read(m, "uss", &uid, &session, &name) >= 0);
	for (uint64_t id = 0; *name && id < REGIONS_MAX; id++)
		if (mock_regions[id].exists && mock_regions[id].uid == uid &&
		    !strcmp(mock_regions[id].session, session) &&
		    !strcmp(mock_regions[id].name, name))
			return reply_region(m, id, false);
	return sd_bus_error_setf(error, RDMAREG_ERROR_NO_SUCH_REGION, "there is no region '%s'",
				 name);
}

static int on_subscribe(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	(void)userdata;
	(void)error;
	snprintf(mock_subscriber, sizeof(mock_subscriber), "%s", sd_bus_message_get_sender(m));
	return sd_bus_reply_method_return(m, NULL);
}

/* A slow region is answered when the others that are asked for have been. */
static int release(sd_bus_message *m, uint64_t id)
{
	static sd_bus_message *slow;

	mock_regions[id].exists = false;
	if (mock_regions[id].slow) {
		assert(!slow);
		slow = sd_bus_message_ref(m);
		return 1;
	}
	assert(sd_bus_reply_method_return(m, NULL) >= 0);
	if (slow)
		assert(sd_bus_reply_method_return(slow, NULL) >= 0);
	slow = sd_bus_message_unref(slow);
	return 1;
}

static int on_region_call(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	uint64_t id =
		strtoull(sd_bus_message_get_path(m) + strlen(RDMAREG_REGION_PREFIX "/"), NULL, 10);
	const char *member = sd_bus_message_get_member(m);

	(void)userdata;
	if (id >= REGIONS_MAX || !mock_regions[id].exists)
		return sd_bus_error_setf(error, RDMAREG_ERROR_NO_SUCH_REGION,
					 "there is no region %llu", (unsigned long long)id);
	if (!strcmp(member, "Export")) {
		snprintf(mock_regions[id].ticket, sizeof(mock_regions[id].ticket),
			 "rdmareg://10.0.0.1:4791/%llu?%032u", (unsigned long long)id,
			 7 + mock_regions[id].replaced);
		return sd_bus_reply_method_return(m, "s", mock_regions[id].ticket);
	}
	if (!strcmp(member, "AckRevocation")) {
		assert(sd_bus_message_read(m, "t", &mock_regions[id].acked) >= 0);
		if (mock_regions[id].acked == 404)
			return sd_bus_error_setf(error, RDMAREG_ERROR_NO_SUCH_REVOCATION,
						 "revocation 404 is over");
	}
	if (!strcmp(member, "ReleaseWithin")) {
		uint64_t grace_usec;

		assert(sd_bus_message_read(m, "t", &grace_usec) >= 0);
		snprintf(mock_options, sizeof(mock_options), " grace_usec=%llu",
			 (unsigned long long)grace_usec);
	}
	if (!strncmp(member, "Release", 7))
		return release(m, id);
	if (!strcmp(member, "Join")) {
		if (mock_regions[id].full)
			return sd_bus_error_setf(error, RDMAREG_ERROR_LIMIT_EXCEEDED,
						 "too many holders");
		snprintf(mock_regions[id].joined, sizeof(mock_regions[id].joined), "%s",
			 sd_bus_message_get_sender(m));
	}
	if (!strcmp(member, "Leave")) {
		if (!mock_regions[id].detached)
			return sd_bus_error_setf(error, RDMAREG_ERROR_BUSY,
						 "the owner releases it");
		mock_regions[id].joined[0] = 0;
	}
	if (!strcmp(member, "Configure")) {
		if (mock_regions[id].revoked)
			return sd_bus_error_setf(error, RDMAREG_ERROR_BUSY, "a revocation runs");
		mock_take_options(m);
		apply_options(id);
	}
	return sd_bus_reply_method_return(m, NULL);
}

static int on_demand(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	static uint64_t last = 10;
	uint64_t number,
		id = strtoull(sd_bus_message_get_path(m) + strlen(RDMAREG_REGION_PREFIX "/"), NULL,
			      10);
	const char *member = sd_bus_message_get_member(m);

	(void)userdata;
	if (id >= REGIONS_MAX || !mock_regions[id].exists)
		return sd_bus_error_setf(error, RDMAREG_ERROR_NO_SUCH_REGION,
					 "there is no region %llu", (unsigned long long)id);
	if (!strcmp(member, "Restore")) {
		assert(sd_bus_message_read(m, "t", &number) >= 0);
		if (!number || number != mock_regions[id].revoked)
			return sd_bus_error_setf(error, RDMAREG_ERROR_NO_SUCH_REVOCATION,
						 "it is over");
		mock_regions[id].revoked = 0;
		return sd_bus_reply_method_return(m, NULL);
	}
	mock_take_options(m);
	if (!strcmp(member, "Revoke")) {
		if (option_number("offset", 0) >= mock_regions[id].length)
			return sd_bus_error_setf(error, RDMAREG_ERROR_INVALID_RANGE,
						 "not inside the region");
		mock_regions[id].revoked = ++last;
		return sd_bus_reply_method_return(m, "t", last);
	}
	if (option_number("limit_usec", 0) == 1)
		return sd_bus_error_setf(error, RDMAREG_ERROR_TIMEOUT,
					 "syncing the region failed: the storage took too long");
	if (option_number("limit_usec", 0) == 2) /* no word of where it is */
		return sd_bus_reply_method_return(m, "a{sv}", 1, "revocation", "t", ++last);
	if (option_number("limit_usec", 0) == 3)
		return sd_bus_reply_method_return(m, "a{sv}", 1, "durable", "t", ++last);
	return sd_bus_reply_method_return(m, "a{sv}", 3, "durable", "s", "storage", "revocation",
					  "t", ++last, "valid_length", "t",
					  mock_regions[id].length);
}

const sd_bus_vtable mock_manager[] = {
	SD_BUS_VTABLE_START(0),
	SD_BUS_METHOD("RegisterRegion", "httsa{sv}", "toa{sv}", on_register,
		      SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD("RegisterRegions", "a(httsa{sv})a{sv}", "a(toa{sv}ss)", on_register_many,
		      SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD("ListRegions", "a{sv}", "a(toa{sv})", on_list, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD("ListRegionProperties", "a{sv}as", "v", on_list_properties,
		      SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD("GetRegion", "t", "oa{sv}", on_get, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD("GetRegionByName", "uss", "oa{sv}", on_get_by_name,
		      SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD("ListDevices", "", "aa{sv}", on_list_devices, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD("ListKeepers", "a{sv}", "aa{sv}", on_list_keepers,
		      SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD("ListStanding", "a{sv}", "aa{sv}", on_list_standing,
		      SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD("ReplaceKeeper", "sa{sv}", "u", on_replace_keeper,
		      SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD("GetHistory", "a{sv}", "tta(tttsa{sv})", on_get_history,
		      SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD("FindHolders", "h", "aa{sv}", on_find_holders, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD("Evict", "ha{sv}", "u", on_evict, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD("EnforceLimits", "a{sv}", "u", on_evict, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD("Subscribe", "", "", on_subscribe, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD("CreateSession", "usa{sv}", "o", mock_create_session,
		      SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD("GetSession", "us", "o", mock_get_session, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD("ListSessions", "a{sv}", "a(ousstua{sv})", mock_list_sessions,
		      SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_VTABLE_END,
};

const sd_bus_vtable mock_methods[] = {
	SD_BUS_VTABLE_START(0),
	SD_BUS_METHOD("Prefetch", "tta{sv}", "", on_region_call, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD("StartPrefetch", "tta{sv}", "o", mock_start_prefetch,
		      SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD("Export", "a{sv}", "s", on_region_call, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD("AckRevocation", "t", "", on_region_call, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD("Release", "", "", on_region_call, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD("ReleaseWithin", "t", "", on_region_call, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD("Join", "", "", on_region_call, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD("Leave", "", "", on_region_call, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD("Configure", "a{sv}", "", on_region_call, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD("Revoke", "a{sv}", "t", on_demand, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD("Restore", "t", "", on_demand, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD("Sync", "a{sv}", "a{sv}", on_demand, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_VTABLE_END,
};
