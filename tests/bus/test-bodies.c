// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test-bodies.c - calls with bodies that nobody meant: each method of the manager, of regions, of
 * sessions and of the log, with random values of its own signature, and with random signatures.
 *
 * test-bus-bodies [CALLS [SEED]]: the same calls for the same numbers.
 *
 * What must hold: each call is answered, once; an error has a name and a line of printable text; the
 * daemon goes on, and when everything has been given back, nothing is left of all that.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <unistd.h>

#include "harness.h"

#define CALLS 600
#define METHODS_MAX 128
#define PAGE 4096u
#define DEPTH_MAX 4

struct method {
	char path[80], interface[80], name[64], signature[64];
};

static struct world world;
static sd_bus *bus;
static struct method methods[METHODS_MAX];
static size_t n_methods;
static unsigned int waiting, answered, refused;
static int file_fd, pipe_fds[2];

static unsigned int dice(unsigned int n)
{
	return (unsigned int)rand() / 7 % n;
}

/* @text: of an XML attribute, NAME="VALUE", behind @from and before @end. */
static bool attribute(const char *from, const char *end, const char *name, char *ret, size_t size)
{
	const char *at = strstr(from, name), *quote;

	if (!at || at > end)
		return false;
	at += strlen(name);
	quote = strchr(at, '"');
	check(quote && (size_t)(quote - at) < size);
	memcpy(ret, at, (size_t)(quote - at));
	ret[quote - at] = 0;
	return true;
}

/* Those that make devices on this machine are left out. */
static void read_methods(const char *path)
{
	sd_bus_message *m = NULL;
	sd_bus_error e = SD_BUS_ERROR_NULL;
	char interface[80] = "", type[32], direction[8];
	const char *xml;

	check(sd_bus_call_method(bus, RDMAREG_BUS_NAME, path, "org.freedesktop.DBus.Introspectable",
				 "Introspect", &e, &m, "") >= 0);
	check(sd_bus_message_read(m, "s", &xml) > 0);
	for (const char *at = xml; (at = strchr(at, '<')); at++) {
		const char *end = strchr(at, '>');
		struct method *k = n_methods ? &methods[n_methods - 1] : NULL;

		if (!strncmp(at, "<interface ", 11)) {
			attribute(at, end, "name=\"", interface, sizeof(interface));
		} else if (!strncmp(at, "<method ", 8)) {
			check(n_methods < METHODS_MAX);
			k = &methods[n_methods++];
			*k = (struct method){ 0 };
			snprintf(k->path, sizeof(k->path), "%s", path);
			snprintf(k->interface, sizeof(k->interface), "%s", interface);
			attribute(at, end, "name=\"", k->name, sizeof(k->name));
			if (strstr(k->name, "Dax"))
				n_methods--;
		} else if (!strncmp(at, "<arg ", 5) && k &&
			   attribute(at, end, "direction=\"", direction, sizeof(direction)) &&
			   !strcmp(direction, "in")) {
			attribute(at, end, "type=\"", type, sizeof(type));
			check(strlen(k->signature) + strlen(type) < sizeof(k->signature));
			strcat(k->signature, type);
		}
	}
	sd_bus_message_unref(m);
}

static const char *random_text(void)
{
	static const char *const texts[] = {
		"",	  "default", "a",	"rw",	    "r",
		"hold",	  "yield",   "off",	"1000-a-1", "../..",
		"/",	  "a/b",     "\n",	"\033[2J",  "caf\u00e9\u202e",
		"0",	  "auto",    "console", "journal",  "debug",
		"driven", "%s%n",    "follow",	"write",
	};
	static char wide[5000];

	if (dice(40))
		return texts[dice(sizeof(texts) / sizeof(*texts))];
	memset(wide, 'a', sizeof(wide) - 1);
	wide[dice(sizeof(wide))] = 0;
	return wide;
}

static const char *random_key(void)
{
	static const char *const keys[] = {
		"session",   "name",	"policy",	"grace_usec", "detached",    "arbitration",
		"warm_mode", "no_warm", "standing",	"uid",	      "limit",	     "after",
		"region",    "file",	"state",	"max_bytes",  "max_regions", "max_peers",
		"access",    "uses",	"expires_usec", "write",      "offset",	     "length",
		"atomic",    "brief",	"for_uid",	"max_memory", "wait",	     "nonsense",
	};

	return dice(8) ? keys[dice(sizeof(keys) / sizeof(*keys))] : random_text();
}

static uint64_t random_number(void)
{
	static const uint64_t numbers[] = {
		0, 1, 2, 3, 7, PAGE, 4 * PAGE, 1000, 65536, UINT32_MAX, INT64_MAX, UINT64_MAX
	};
	uint64_t n = numbers[dice(sizeof(numbers) / sizeof(*numbers))];

	return dice(6) ? n : n * dice(1000) + dice(1000);
}

static const char *random_signature(void)
{
	static const char *const signatures[] = { "s", "t",  "u",     "b",    "h",     "o",
						  "d", "as", "a{sv}", "(st)", "a(ht)", "v",
						  "y", "x",  "ah",    "g",    "a{su}", "q" };

	return signatures[dice(sizeof(signatures) / sizeof(*signatures))];
}

/* Behind the type that begins there. */
static const char *skip_type(const char *at)
{
	unsigned int depth = 0;

	while (*at == 'a')
		at++;
	do {
		depth += *at == '(' || *at == '{';
		depth -= *at == ')' || *at == '}';
		at++;
	} while (depth);
	return at;
}

static void append_basic(sd_bus_message *m, char type)
{
	static const int *const fds[] = { &file_fd, &pipe_fds[0], &pipe_fds[1] };
	uint64_t n = random_number();
	int truth = (int)dice(2);
	double real = (double)n;

	switch (type) {
	case 's':
		check(sd_bus_message_append(m, "s", random_text()) >= 0);
		break;
	case 'o':
		check(sd_bus_message_append(m, "o", methods[dice((unsigned int)n_methods)].path) >=
		      0);
		break;
	case 'g':
		check(sd_bus_message_append(m, "g", random_signature()) >= 0);
		break;
	case 'h':
		check(sd_bus_message_append(m, "h", *fds[dice(3)]) >= 0);
		break;
	case 'b':
		check(sd_bus_message_append_basic(m, type, &truth) >= 0);
		break;
	case 'd':
		check(sd_bus_message_append_basic(m, type, &real) >= 0);
		break;
	default: /* little-endian: the first bytes of a larger number */
		check(sd_bus_message_append_basic(m, type, &n) >= 0);
	}
}

static void append(sd_bus_message *m, const char *signature, unsigned int depth);

/* One complete type, from @at to @end. */
static void append_one(sd_bus_message *m, const char *at, const char *end, unsigned int depth)
{
	char inner[64] = "";
	const char *variant = depth < DEPTH_MAX ? random_signature() : "s";

	if (end - at > 2 || *at == 'a') {
		size_t n = (size_t)(end - at) - (*at == 'a' ? 1 : 2); /* without the brackets */

		memcpy(inner, at + 1, n);
		inner[n] = 0;
	}
	switch (*at) {
	case 'a':
		check(sd_bus_message_open_container(m, 'a', inner) >= 0);
		for (unsigned int i = depth < DEPTH_MAX ? dice(4) : 0; i; i--)
			append(m, inner, depth + 1);
		break;
	case '(':
		check(sd_bus_message_open_container(m, 'r', inner) >= 0);
		append(m, inner, depth + 1);
		break;
	case '{':
		check(sd_bus_message_open_container(m, 'e', inner) >= 0);
		if (*inner == 's')
			check(sd_bus_message_append(m, "s", random_key()) >= 0);
		else
			append_basic(m, *inner);
		append(m, inner + 1, depth + 1);
		break;
	case 'v':
		check(sd_bus_message_open_container(m, 'v', variant) >= 0);
		append(m, variant, depth + 1);
		break;
	default:
		append_basic(m, *at);
		return;
	}
	check(sd_bus_message_close_container(m) >= 0);
}

static void append(sd_bus_message *m, const char *signature, unsigned int depth)
{
	while (*signature) {
		const char *end = skip_type(signature);

		append_one(m, signature, end, depth);
		signature = end;
	}
}

static int on_answer(sd_bus_message *m, void *userdata, sd_bus_error *ret)
{
	const sd_bus_error *e = sd_bus_message_get_error(m);

	(void)userdata, (void)ret;
	check(waiting);
	waiting--;
	answered++;
	if (!e)
		return 0;
	refused++;
	check(!strncmp(e->name, "org.rdmareg.", 12) ||
	      !strncmp(e->name, "org.freedesktop.DBus.Error.", 27) ||
	      !strncmp(e->name, "System.Error.", 13));
	check(e->message && *e->message);
	/* the others are libsystemd's, which repeats what it was told */
	for (const char *c = e->message; *c && !strncmp(e->name, "org.rdmareg.", 12); c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f || !strncmp(c, "\u202e", 3)) {
			fprintf(stderr, "%s: %s\n", e->name, e->message);
			check(!"an error of one printable line");
		}
	return 0;
}

static const struct method *random_method(void)
{
	const struct method *k = &methods[dice((unsigned int)n_methods)];

	/* what is drained refuses most of what comes then */
	return strcmp(k->name, "Drain") || !dice(8) ? k : &methods[0];
}

static void call(void)
{
	const struct method *k = random_method();
	char signature[64] = "";
	sd_bus_message *m = NULL;
	char path[80];

	snprintf(path, sizeof(path), "%s", k->path);
	if (strstr(path, "/region/") && dice(2)) /* one that was made meanwhile, or is none */
		snprintf(path, sizeof(path), "/org/rdmareg/Registry1/region/%u", dice(30));
	check(sd_bus_message_new_method_call(bus, &m, RDMAREG_BUS_NAME, path, k->interface,
					     k->name) >= 0);
	if (dice(4))
		snprintf(signature, sizeof(signature), "%s", k->signature);
	else
		for (unsigned int i = dice(4); i; i--)
			strcat(signature, random_signature());
	append(m, signature, 0);
	check(sd_bus_call_async(bus, NULL, m, on_answer, NULL, UINT64_MAX) >= 0);
	sd_bus_message_unref(m);
	waiting++;
}

static bool all_answered(void)
{
	int r;

	while ((r = sd_bus_process(bus, NULL)) > 0)
		;
	check(r >= 0);
	return !waiting;
}

/* What a user would have to do who made all that. */
static void give_back(void)
{
	struct reply r;

	finish_call(bus, new_manager_call(bus, "Undrain"), &r);
	for (unsigned int i = 1; get_manager_number(bus, "Regions"); i++) {
		check(i < 10000);
		if (region_exists(bus, i))
			call_region(bus, i, "Release", &r);
	}
}

int main(int argc, char **argv)
{
	unsigned int calls = argc > 1 ? (unsigned int)atoi(argv[1]) : CALLS;
	struct reply r;

	srand(argc > 2 ? (unsigned int)atoi(argv[2]) : 1);
	world_begin(&world, "[limits]\nsessions_max = 8\nkeepers = 8\n");
	bus = connect_client(&world);
	file_fd = make_file(&world, 64 * PAGE, O_RDWR);
	check(pipe2(pipe_fds, O_CLOEXEC) == 0);
	check(register_region(bus, file_fd, 0, PAGE, "rw", &r, 0));
	read_methods("/org/rdmareg/Registry1");
	read_methods(r.path);
	check(n_methods > 40);
	for (unsigned int i = 0; i < calls; i++) {
		call();
		if (i % 32 == 31)
			until(waiting < 64 || all_answered());
		all_answered();
	}
	until(all_answered());
	check(answered == calls && refused > calls / 4 && refused < calls);
	give_back();
	disconnect(bus);
	close(file_fd);
	close(pipe_fds[0]);
	close(pipe_fds[1]);
	world_end(&world);
	return 0;
}
