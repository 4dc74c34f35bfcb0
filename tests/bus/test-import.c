// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test-import.c - the adapter's context on its way from a keeper to a program: who gets it, when
 * nobody does, and that no descriptor of it stays with the daemon. The fake keeper's context is a
 * character device that is no adapter.
 */
#include <inttypes.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "harness.h"

#define NOBODY 65534

static struct world world;

/* One Import made by hand. The descriptor, or -1. */
static int import(sd_bus *b, uint64_t id, struct reply *ret, uint32_t *ret_pd, uint32_t *ret_mr)
{
	sd_bus_message *m = new_region_call(b, id, "Import"), *reply = NULL;
	sd_bus_error e = SD_BUS_ERROR_NULL;
	const char *key, *type;
	int fd = -1, r;

	add_options(m, 0);
	r = sd_bus_call(b, m, 0, &e, &reply);
	take_reply(reply, &e, r, ret);
	if (r >= 0) {
		check_text(sd_bus_message_get_signature(reply, 1), "ha{sv}");
		check(sd_bus_message_read(reply, "h", &fd) > 0);
		fd = dup(fd);
		check(fd >= 0 && sd_bus_message_enter_container(reply, 'a', "{sv}") > 0);
		while (sd_bus_message_enter_container(reply, 'e', "sv") > 0) {
			check(sd_bus_message_read(reply, "s", &key) > 0);
			check(sd_bus_message_peek_type(reply, NULL, &type) > 0);
			if (!strcmp(key, "pd_handle"))
				check(sd_bus_message_read(reply, "v", "u", ret_pd) > 0);
			else if (!strcmp(key, "mr_handle"))
				check(sd_bus_message_read(reply, "v", "u", ret_mr) > 0);
			else
				check(sd_bus_message_skip(reply, "v") > 0);
			check(sd_bus_message_exit_container(reply) >= 0);
		}
	}
	sd_bus_message_unref(m);
	sd_bus_message_unref(reply);
	sd_bus_error_free(&e);
	return fd;
}

static void refused(sd_bus *b, uint64_t id, const char *error, const char *mentions)
{
	struct reply r;
	uint32_t pd, mr;

	check(import(b, id, &r, &pd, &mr) < 0);
	expect_error(&r, error, mentions);
}

static void given(sd_bus *b, uint64_t id)
{
	uint32_t pd = 0, mr = 0;
	char rkey[32], wanted[32];
	struct stat st;
	struct reply r;
	int fd = import(b, id, &r, &pd, &mr);

	check(fd >= 0 && fstat(fd, &st) == 0 && S_ISCHR(st.st_mode) && st.st_rdev == makedev(1, 3));
	get_property(b, id, "Rkey", rkey, sizeof(rkey));
	snprintf(wanted, sizeof(wanted), "%" PRIu32, mr); /* the fake's handle is its key */
	check(pd == 7);
	check_text(rkey, wanted);
	close(fd);
}

static void as_nobody(const struct world *w, const void *arguments)
{
	const uint64_t *id = arguments;
	sd_bus *b = connect_client(w);
	struct reply r;
	int fd;

	refused(b, *id, "NoSuchRegion", "");
	fd = make_memfd(4096);
	check(register_region(b, fd, 0, 0, "r", &r, 0));
	given(b, r.id);
	close(fd);
	disconnect(b);
}

static void test_bad_input(sd_bus *b, uint64_t id)
{
	sd_bus_message *m;
	struct reply r;

	m = new_region_call(b, id, "Import");
	add_options(m, 1, "device", "s", "mlx5_0");
	check(!finish_call(b, m, &r));
	expect_error(&r, "InvalidOption", "device");
	check(!call_region(b, id, "Import", &r)); /* without the dictionary */
	check(*r.error);
	check(!call_region_number(b, id, "Import", 1, &r));
	check(*r.error);
	refused(b, id + 1000, "NoSuchRegion", "");
}

static void test_one(const char *settings, void (*body)(sd_bus *b, uint64_t id))
{
	struct reply r;
	sd_bus *b;
	int fd;

	world_begin(&world, settings);
	b = connect_client(&world);
	fd = make_memfd(8192);
	check(register_region(b, fd, 0, 0, "rw", &r, 0));
	body(b, r.id);
	check(call_region(b, r.id, "Release", &r));
	close(fd);
	disconnect(b);
	world_end(
		&world); /* waits until the daemon has no more descriptors than in the beginning */
}

static void when_off(sd_bus *b, uint64_t id)
{
	refused(b, id, "AccessDenied", "import = on");
	test_bad_input(b, id);
}

static void when_on(sd_bus *b, uint64_t id)
{
	test_bad_input(b, id);
	for (int i = 0; i < 64; i++)
		given(b, id);
	if (geteuid() == 0)
		run_as(&world, NOBODY, as_nobody, &id);
}

static void when_impossible(sd_bus *b, uint64_t id)
{
	refused(b, id, "NotSupported", "Map the file");
}

int main(void)
{
	test_one("", when_off);
	test_one("[keepers]\nimport = on\n", when_on);
	setenv("RDMAREG_FAKE_NO_IMPORT", "1", 1);
	test_one("[keepers]\nimport = on\n", when_impossible);
	return 0;
}
