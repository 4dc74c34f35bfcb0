// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test-input.c - everything a caller can get wrong is refused with the error the interface
 * promises, and leaves nothing behind.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "harness.h"

#define PAGE 4096u

static struct world world;
static sd_bus *bus;

/* Registers, expects @error, and that the text says @mentions. Closes @fd. */
static void refuse(const char *error, const char *mentions, int fd, uint64_t offset,
		   uint64_t length, const char *access)
{
	struct reply r;

	check(fd >= 0);
	check(!register_region(bus, fd, offset, length, access, &r, 0));
	expect_error(&r, error, mentions);
	close(fd);
}

static int make_pipe(void)
{
	int fds[2];

	check(pipe2(fds, O_CLOEXEC) == 0);
	close(fds[1]);
	return fds[0];
}

static void test_files(void)
{
	refuse("InvalidFile", "a directory", open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC), 0, PAGE,
	       "r");
	refuse("InvalidFile", "a socket", socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), 0, PAGE,
	       "r");
	refuse("InvalidFile", "a pipe", make_pipe(), 0, PAGE, "r");
	refuse("InvalidFile", "no device-dax", open("/dev/null", O_RDWR | O_CLOEXEC), 0, PAGE,
	       "rw");
	refuse("InvalidFile", "neither", eventfd(0, EFD_CLOEXEC), 0, PAGE, "r");
	refuse("InvalidFile", "O_WRONLY", make_file(&world, 4 * PAGE, O_WRONLY), 0, PAGE, "r");
	refuse("InvalidFile", "O_PATH", make_file(&world, 4 * PAGE, O_PATH), 0, PAGE, "r");
	refuse("AccessDenied", "O_RDWR", make_file(&world, 4 * PAGE, O_RDONLY), 0, PAGE, "rw");
}

static void test_ranges(void)
{
	refuse("InvalidRange", "page size", make_memfd(4 * PAGE), 1, PAGE, "r");
	refuse("InvalidRange", "page size", make_memfd(4 * PAGE), UINT64_MAX, PAGE, "r");
	refuse("InvalidRange", "not inside", make_memfd(4 * PAGE), 4 * PAGE, PAGE, "r");
	refuse("InvalidRange", "not inside", make_memfd(4 * PAGE), 4 * PAGE, 0, "r");
	refuse("InvalidRange", "not inside", make_memfd(4 * PAGE), UINT64_MAX - PAGE + 1, PAGE,
	       "r");
	refuse("InvalidRange", "ftruncate", make_memfd(0), 0, 0, "r");
	refuse("InvalidRange", "longer than any", make_memfd(4 * PAGE), 0, UINT64_MAX, "r");
	refuse("InvalidRange", "longer than any", make_memfd(4 * PAGE), PAGE, UINT64_MAX - PAGE + 2,
	       "r");
	refuse("InvalidRange", "beyond the end of any", make_memfd(4 * PAGE), PAGE,
	       UINT64_MAX - 2 * PAGE + 1, "r");
	refuse("InvalidRange", "beyond the end of any", make_memfd(4 * PAGE), PAGE, INT64_MAX, "r");
	refuse("InvalidOption", "access", make_memfd(4 * PAGE), 0, PAGE, "w");
	refuse("InvalidOption", "access", make_memfd(4 * PAGE), 0, PAGE, "");
}

/* One option, with its type. */
#define REFUSE_OPTION(mentions, key, type, value)                                       \
	do {                                                                            \
		int _fd = make_memfd(PAGE);                                             \
		struct reply _r;                                                        \
		check(!register_region(bus, _fd, 0, 0, "r", &_r, 1, key, type, value)); \
		expect_error(&_r, "InvalidOption", mentions);                           \
		close(_fd);                                                             \
	} while (0)

static void test_options(void)
{
	static const char fifty[] = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

	REFUSE_OPTION("no option 'detach'", "detach", "b", 1);
	REFUSE_OPTION("no option ''", "", "b", 1);
	REFUSE_OPTION("true or false", "detached", "s", "yes");
	REFUSE_OPTION("a string", "session", "u", 3);
	REFUSE_OPTION("a string", "policy", "t", UINT64_C(1));
	REFUSE_OPTION("a 64-bit", "grace_usec", "u", 1);
	REFUSE_OPTION("true or false", "warm", "u", 1);
	REFUSE_OPTION("follow yield hold", "policy", "s", "refuse");
	REFUSE_OPTION("a grace of 10000001 us is longer than the 10 s that are allowed",
		      "grace_usec", "t", UINT64_C(10000001));
	REFUSE_OPTION("max_grace_msec", "grace_usec", "t", UINT64_MAX);
	REFUSE_OPTION("session name", "session", "s", "");
	REFUSE_OPTION("session name", "session", "s", "a b");
	REFUSE_OPTION("session name", "session", "s", "../x");
	REFUSE_OPTION("session name", "session", "s", "a\nb");
	REFUSE_OPTION("session name", "session", "s", "\xc3\xa4");
	REFUSE_OPTION("session name", "session", "s", fifty);
	REFUSE_OPTION("session name", "session", "s", &fifty[1]);
}

/* Calls @member of the manager or region with an a{sv} of one entry. */
static void refuse_call(const char *path, const char *interface, const char *member,
			const char *mentions, const char *key, const char *type, uint32_t value)
{
	sd_bus_error e = SD_BUS_ERROR_NULL;
	struct reply r;
	int ret = sd_bus_call_method(bus, RDMAREG_BUS_NAME, path, interface, member, &e, NULL,
				     "a{sv}", 1, key, type, value);

	take_reply(NULL, &e, ret, &r);
	expect_error(&r, "InvalidOption", mentions);
	sd_bus_error_free(&e);
}

static void refuse_choice(const char *mentions, const char *types, const char *one,
			  const char *another)
{
	sd_bus_error e = SD_BUS_ERROR_NULL;
	struct reply r;
	int ret = sd_bus_call_method(bus, RDMAREG_BUS_NAME, RDMAREG_MANAGER_PATH,
				     RDMAREG_MANAGER_INTERFACE, "ListRegionProperties", &e, NULL,
				     "a{sv}as", 1, "limit", types, 1, one ? 1 + !!another : 0, one,
				     another);

	take_reply(NULL, &e, ret, &r);
	expect_error(&r, "InvalidOption", mentions);
	sd_bus_error_free(&e);
}

static void test_filters(void)
{
	refuse_choice("no property 'Size'", "u", "Id", "Size");
	refuse_choice("asked for twice", "u", "Id", "Id");
	refuse_choice("no property is asked for", "u", NULL, NULL);
	refuse_choice("a 32-bit", "b", "Id", NULL);
#define REFUSE_LIST(...) \
	refuse_call(RDMAREG_MANAGER_PATH, RDMAREG_MANAGER_INTERFACE, "ListRegions", __VA_ARGS__)
	REFUSE_LIST("limit must", "limit", "u", 0);
	REFUSE_LIST("limit must", "limit", "u", 4097);
	REFUSE_LIST("a 64-bit", "after", "u", 1);
	REFUSE_LIST("no option 'uid'", "uid", "u", 1);
	REFUSE_LIST("a string", "state", "u", 1);
#undef REFUSE_LIST
#define REFUSE_KEEPERS(...) \
	refuse_call(RDMAREG_MANAGER_PATH, RDMAREG_MANAGER_INTERFACE, "ListKeepers", __VA_ARGS__)
	REFUSE_KEEPERS("no option 'limit'", "limit", "u", 1);
	REFUSE_KEEPERS("a 32-bit", "uid", "b", 1);
	REFUSE_KEEPERS("a string", "session", "u", 1);
	REFUSE_KEEPERS("a string", "state", "u", 1);
#undef REFUSE_KEEPERS
}

static void test_region_methods(void)
{
	int fd = make_file(&world, 4 * PAGE, O_RDONLY);
	sd_bus_error e = SD_BUS_ERROR_NULL;
	struct reply region, r;
	static const struct {
		uint64_t offset, length;
		const char *error;
	} prefetches[] = {
		{ 0, 4 * PAGE, "" },
		{ 0, 0, "" },
		{ 1, 1, "" },
		{ 4 * PAGE, 0, "InvalidRange" },
		{ 0, 4 * PAGE + 1, "InvalidRange" },
		{ UINT64_MAX, 2, "InvalidRange" },
		{ PAGE, UINT64_MAX, "InvalidRange" },
	};

	check(register_region(bus, fd, 0, 4 * PAGE - 5, "r", &region, 0));
	for (size_t i = 0; i < sizeof(prefetches) / sizeof(prefetches[0]); i++) {
		int ret = sd_bus_call_method(
			bus, RDMAREG_BUS_NAME, region.path, RDMAREG_REGION_INTERFACE, "Prefetch",
			&e, NULL, "tta{sv}", prefetches[i].offset, prefetches[i].length, 0);

		take_reply(NULL, &e, ret, &r);
		check_text(r.error, prefetches[i].error);
		sd_bus_error_free(&e);
	}
	take_reply(NULL, &e,
		   sd_bus_call_method(bus, RDMAREG_BUS_NAME, region.path, RDMAREG_REGION_INTERFACE,
				      "Prefetch", &e, NULL, "tta{sv}", (uint64_t)0, (uint64_t)0, 1,
				      "write", "b", 1),
		   &r);
	expect_error(&r, "AccessDenied", "access 'r'");
	sd_bus_error_free(&e);
#define REFUSE_EXPORT(...) refuse_call(region.path, RDMAREG_REGION_INTERFACE, "Export", __VA_ARGS__)
	REFUSE_EXPORT("no option", "use", "u", 1);
	REFUSE_EXPORT("a 64-bit", "expires_usec", "u", 1);
	REFUSE_EXPORT("a string", "access", "u", 1);
#undef REFUSE_EXPORT
	check(!export_region(bus, region.id, &r, 1, "access", "s", "rw"));
	expect_error(&r, "AccessDenied", "rw");
	check(!export_region(bus, region.id, &r, 1, "access", "s", "x"));
	expect_error(&r, "InvalidOption", "access");
	check(export_region(bus, region.id, &r, 3, "access", "s", "r", "expires_usec", "t",
			    UINT64_MAX, "uses", "u", 1));
	check(!acknowledge(bus, region.id, 1, &r));
	expect_error(&r, "NoSuchRevocation", "over");
	check(!acknowledge(bus, region.id, 0, &r));
	expect_error(&r, "NoSuchRevocation", "over");
	check(call_region(bus, region.id, "Release", &r));
	check(!call_region(bus, region.id, "Release", &r));
	expect_error(&r, "NoSuchRegion", "there is no region ");
	close(fd);
}

/* Everything about an object that is not there sounds alike, whatever is asked of it. */
static void test_no_such_region(void)
{
	static const char *const paths[] = {
		"/1", "/0",   "/01", "/18446744073709551615", "/18446744073709551616",
		"/x", "/1/2", "/_31"
	};
	struct reply r;

	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		sd_bus_error e = SD_BUS_ERROR_NULL;
		char path[128];

		snprintf(path, sizeof(path), RDMAREG_REGION_PREFIX "%s", paths[i]);
		take_reply(NULL, &e,
			   sd_bus_call_method(bus, RDMAREG_BUS_NAME, path, RDMAREG_REGION_INTERFACE,
					      "Release", &e, NULL, NULL),
			   &r);
		check_text(r.error, "NoSuchRegion");
		sd_bus_error_free(&e);
		take_reply(NULL, &e,
			   sd_bus_call_method(bus, RDMAREG_BUS_NAME, path,
					      "org.freedesktop.DBus.Properties", "Get", &e, NULL,
					      "ss", RDMAREG_REGION_INTERFACE, "State"),
			   &r);
		check_text(r.error, "NoSuchRegion");
		sd_bus_error_free(&e);
		take_reply(NULL, &e,
			   sd_bus_call_method(bus, RDMAREG_BUS_NAME, path,
					      "org.freedesktop.DBus.Introspectable", "Introspect",
					      &e, NULL, NULL),
			   &r);
		check_text(r.error, "NoSuchRegion");
		sd_bus_error_free(&e);
	}
	check(!region_exists(bus, 0) && !region_exists(bus, 1) && !region_exists(bus, UINT64_MAX));
}

/* Wrong signatures are D-Bus's own business. */
static void test_signatures(void)
{
	sd_bus_error e = SD_BUS_ERROR_NULL;
	struct reply r;

	take_reply(NULL, &e,
		   sd_bus_call_method(bus, RDMAREG_BUS_NAME, RDMAREG_MANAGER_PATH,
				      RDMAREG_MANAGER_INTERFACE, "RegisterRegion", &e, NULL, "tts",
				      (uint64_t)0, (uint64_t)0, "r"),
		   &r);
	check_text(r.error, "org.freedesktop.DBus.Error.InvalidArgs");
	sd_bus_error_free(&e);
	take_reply(NULL, &e,
		   sd_bus_call_method(bus, RDMAREG_BUS_NAME, RDMAREG_MANAGER_PATH,
				      RDMAREG_MANAGER_INTERFACE, "Destroy", &e, NULL, NULL),
		   &r);
	check_text(r.error, "org.freedesktop.DBus.Error.UnknownMethod");
	sd_bus_error_free(&e);
	take_reply(NULL, &e,
		   sd_bus_set_property(bus, RDMAREG_BUS_NAME, RDMAREG_MANAGER_PATH,
				       RDMAREG_MANAGER_INTERFACE, "Regions", &e, "u", 1),
		   &r);
	check_text(r.error, "org.freedesktop.DBus.Error.PropertyReadOnly");
	sd_bus_error_free(&e);
}

/*
 * What is good: lengths are rounded, 0 is to the end, beyond the end is allowed when it begins
 * inside.
 */
static void accept_region(int fd, uint64_t offset, uint64_t length, const char *access,
			  const char *wanted_length)
{
	char text[64];
	struct reply r;

	check(register_region(bus, fd, offset, length, access, &r, 0));
	get_property(bus, r.id, "Length", text, sizeof(text));
	check_text(text, wanted_length);
	get_property(bus, r.id, "State", text, sizeof(text));
	check_text(text, "live");
	check(call_region(bus, r.id, "Release", &r));
	close(fd);
}

static void test_good(void)
{
	accept_region(make_memfd(4 * PAGE), 0, 0, "r", "16384");
	accept_region(make_memfd(4 * PAGE), PAGE, 0, "rw", "12288");
	accept_region(make_memfd(1), 0, 0, "rw", "4096");
	accept_region(make_memfd(PAGE + 1), 0, 0, "r", "8192");
	accept_region(make_memfd(PAGE), 0, 1, "r", "4096");
	accept_region(make_memfd(PAGE), 0, 3 * PAGE, "r", "12288");
	accept_region(make_file(&world, 3 * PAGE, O_RDONLY), 0, 0, "r", "12288");
	accept_region(make_file(&world, 3 * PAGE, O_RDWR), 0, 0, "rw", "12288");
}

int main(void)
{
	world_begin(&world, "");
	bus = connect_client(&world);
	test_files();
	test_ranges();
	test_options();
	test_filters();
	test_no_such_region();
	test_signatures();
	check(world_keepers(&world) == 0); /* no refusal so far needed one */
	test_good();
	test_region_methods();
	disconnect(bus);
	world_end(&world);
	return 0;
}
