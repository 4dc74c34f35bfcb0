// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test-register-many.c - rdmareg_register_many() against the real daemon: how many exchanges many
 * files take, and what is left of them when one cannot be registered.
 */
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "client/include/rdmareg.h"
#include "harness.h"

#define FILES 64u
#define BAD 40u

static struct world world;
static sd_bus *bus;

struct many {
	struct rdmareg *context;
	struct rdmareg_register_request request[FILES];
	struct rdmareg_region *region[FILES];
	int error[FILES];
	int r;
};

static void begin(struct many *x)
{
	*x = (struct many){ .context = NULL };
	check(rdmareg_open(NULL, &x->context) == 0);
	for (size_t i = 0; i < FILES; i++)
		x->request[i] =
			(struct rdmareg_register_request){ .fd = make_memfd(8192),
							   .access = RDMAREG_ACCESS_READ_WRITE };
}

static void end(struct many *x)
{
	for (size_t i = 0; i < FILES; i++) {
		rdmareg_region_free(x->region[i]);
		close(x->request[i].fd);
	}
	rdmareg_close(x->context);
	until(count_regions(bus) == 1);
}

static void *run(void *argument)
{
	struct many *x = argument;

	x->r = rdmareg_register_many(x->context, x->request, FILES, 0, x->region, x->error);
	return NULL;
}

static size_t count_registering(void)
{
	sd_bus_message *m = new_manager_call(bus, "ListRegions"), *answer = NULL;
	size_t n = 0;

	add_options(m, 1, "state", "s", "registering");
	check(sd_bus_call(bus, m, 0, NULL, &answer) >= 0);
	check(sd_bus_message_enter_container(answer, 'a', "(toa{sv})") > 0);
	while (sd_bus_message_skip(answer, "(toa{sv})") > 0)
		n++;
	sd_bus_message_unref(answer);
	sd_bus_message_unref(m);
	return n;
}

/*
 * None of them is done, as all wait for their pages: nevertheless all are under way. So no call
 * waited for another, and no region for the one before.
 */
static void test_one_exchange(uint64_t first)
{
	struct many x;
	pthread_t thread;

	begin(&x);
	world_tell_keeper(&world, getuid(), "default", "chunks %" PRIu64 " 0", first);
	check(pthread_create(&thread, NULL, run, &x) == 0);
	until(count_registering() == FILES);
	world_tell_keeper(&world, getuid(), "default", "chunks %" PRIu64 " all", first);
	check(pthread_join(thread, NULL) == 0 && x.r == 0);
	for (size_t i = 0; i < FILES; i++)
		check(x.region[i] && !x.error[i]);
	end(&x);
}

static void test_one_fails(int atomic)
{
	struct many x;

	begin(&x);
	check(ftruncate(x.request[BAD].fd, 0) == 0);
	x.r = rdmareg_register_many(x.context, x.request, FILES, atomic, x.region, x.error);
	check(x.r == -ERANGE && strstr(rdmareg_last_error(), "has 0 bytes"));
	for (size_t i = 0; i < FILES; i++)
		if (atomic)
			check(!x.region[i] && x.error[i] == -ERANGE);
		else
			check(!x.region[i] == (i == BAD) && x.error[i] == (i == BAD ? -ERANGE : 0));
	check(count_regions(bus) == (atomic ? 1 : FILES));
	end(&x);
}

/* What comes with the answer is what is said of the region otherwise. */
static void test_properties(void)
{
	struct rdmareg_region_info a = { .size = sizeof(a) }, b = { .size = sizeof(b) };
	struct rdmareg_region *again;
	struct many x;

	begin(&x);
	/* the first with a call of its own */
	check(rdmareg_register(x.context, x.request[0].fd, 0, 0, RDMAREG_ACCESS_READ_WRITE, NULL,
			       &x.region[0]) == 0);
	check(rdmareg_register_many(x.context, x.request + 1, FILES - 1, 1, x.region + 1,
				    x.error) == 0);
	for (size_t i = 0; i < FILES; i++) {
		check(rdmareg_lookup(x.context, rdmareg_region_id(x.region[i]), &again) == 0);
		check(rdmareg_region_get_info(x.region[i], &a) == 0 &&
		      rdmareg_region_get_info(again, &b) == 0);
		check(a.id == b.id && a.state == RDMAREG_STATE_LIVE && a.state == b.state &&
		      a.policy == b.policy && a.access == b.access && a.length == 8192 &&
		      a.valid_length == b.valid_length && a.grace_usec == b.grace_usec && a.rkey &&
		      a.rkey == b.rkey && a.address == b.address && a.uid == b.uid &&
		      a.faults == b.faults && a.warm_mode == b.warm_mode && !a.revocation.id &&
		      a.translation_bytes == b.translation_bytes && a.clients == 1 &&
		      a.durability == b.durability && a.path_state == b.path_state);
		check(*a.path && !strcmp(a.path, b.path) && !strcmp(a.session, b.session) &&
		      *a.arbitration_reason && !strcmp(a.arbitration_reason, b.arbitration_reason));
		rdmareg_region_free(again);
	}
	end(&x);
}

/* An option that is wrong is refused, and nothing was begun. */
static void test_wrong_properties(const char *type, const char *name, const char *said)
{
	sd_bus_message *m = new_manager_call(bus, "RegisterRegions");
	size_t before = count_regions(bus);
	sd_bus_error e = SD_BUS_ERROR_NULL;
	int fd = make_memfd(8192);

	check(sd_bus_message_append(m, "a(httsa{sv})", 1, fd, UINT64_C(0), UINT64_C(0), "rw", 0) >=
	      0);
	check((*type == 's'
		       ? sd_bus_message_append(m, "a{sv}", 1, "properties", "s", name)
		       : sd_bus_message_append(m, "a{sv}", 1, "properties", "as", 1, name)) >= 0);
	check(sd_bus_call(bus, m, 0, &e, NULL) < 0 &&
	      sd_bus_error_has_name(&e, RDMAREG_ERROR_INVALID_OPTION) && strstr(e.message, said));
	check(count_regions(bus) == before);
	sd_bus_error_free(&e);
	sd_bus_message_unref(m);
	close(fd);
}

static bool is_degraded(struct rdmareg_region *r)
{
	struct rdmareg_region_info info = { .size = sizeof(info) };
	char degraded[300];

	check(rdmareg_region_get_info(r, &info) == 0);
	get_property(bus, info.id, "Degraded", degraded, sizeof(degraded));
	return *degraded;
}

static void move_address(struct rdmareg_region *r, const char *session, const char *where)
{
	world_tell_keeper(&world, getuid(), session, "address 0 %s", where);
	until(is_degraded(r) == !strcmp(where, "away"));
}

/* One file in a session for each device, and one list of tickets; not of what is not the same. */
static void test_rails(void)
{
	struct rdmareg_register_options o[2] = { { .size = sizeof(o[0]), .session = "rail0" },
						 { .size = sizeof(o[0]), .session = "rail1" } };
	struct rdmareg_region *twice[2], *other[2];
	char *tickets = NULL;
	struct many x;

	begin(&x);
	for (size_t i = 0; i < 2; i++)
		x.request[i].options = &o[i];
	close(x.request[1].fd);
	x.request[1].fd = dup(x.request[0].fd);
	check(rdmareg_register_many(x.context, x.request, 2, 1, x.region, NULL) == 0);
	check(rdmareg_export_rails(x.region, 2, NULL, &tickets) == 2);
	check(!strncmp(tickets, "rdmareg://", 10) && strstr(tickets, " rdmareg://") &&
	      strchr(tickets, ' ') == strrchr(tickets, ' '));
	free(tickets);
	/* one that nobody can reach now is left out, and no list is empty */
	move_address(x.region[0], "rail0", "away");
	check(rdmareg_export_rails(x.region, 2, NULL, &tickets) == 1 && !strchr(tickets, ' ') &&
	      strstr(rdmareg_last_error(), "no peer can connect"));
	free(tickets);
	tickets = NULL;
	check(rdmareg_export_rails(x.region, 1, NULL, &tickets) == -ENODEV && !tickets);
	move_address(x.region[1], "rail1", "away");
	check(rdmareg_export_rails(x.region, 2, NULL, &tickets) == -ENODEV && !tickets);
	move_address(x.region[0], "rail0", "back");
	twice[0] = twice[1] = x.region[0];
	check(rdmareg_export_rails(twice, 2, NULL, &tickets) == -EINVAL &&
	      strstr(rdmareg_last_error(), "there twice"));
	check(rdmareg_register(x.context, x.request[2].fd, 0, 4096, RDMAREG_ACCESS_READ, NULL,
			       &x.region[2]) == 0);
	other[0] = x.region[0];
	other[1] = x.region[2];
	check(rdmareg_export_rails(other, 2, NULL, &tickets) == -EINVAL &&
	      strstr(rdmareg_last_error(), "not of the same file, offset and length"));
	check(rdmareg_export_rails(x.region, 0, NULL, &tickets) == -EINVAL);
	check(rdmareg_export_rails(x.region, 5, NULL, &tickets) == -EINVAL);
	check(rdmareg_export_rails(NULL, 2, NULL, &tickets) == -EINVAL);
	end(&x);
}

int main(void)
{
	struct reply first;
	int fd = make_memfd(8192);

	world_begin(&world, "");
	setenv("RDMAREG_BUS_ADDRESS", world.address, 1);
	bus = connect_client(&world);
	check(register_region(bus, fd, 0, 0, "rw", &first, 0));
	test_one_exchange(first.id);
	test_one_fails(0);
	test_one_fails(1);
	test_properties();
	test_wrong_properties("as", "Nothing", "a region has no property 'Nothing'");
	test_wrong_properties("s", "Id", "must be an array of strings (as)");
	test_rails();
	disconnect(bus);
	close(fd);
	world_end(&world);
	return 0;
}
