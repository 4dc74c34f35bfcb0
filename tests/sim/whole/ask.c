// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * ask.c - what users call with: which file, which options, of the bits that the world chose.
 *
 * What always holds: nothing is registered where administrators said that nothing is to be.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "bus-played.h"

#define PAGE 4096u

/* Of a file that is there for this region alone. */
static int new_file(uint64_t pages)
{
	static unsigned int number;
	char name[16];
	int fd;

	snprintf(name, sizeof(name), "file %u", ++number);
	fd = (int)syscall(SYS_memfd_create, name, MFD_CLOEXEC);
	if (fd < 0 || syscall(SYS_ftruncate, fd, (long)(pages * PAGE)) < 0)
		abort();
	os_set_kind(fd, OS_FILE, NULL);
	os_trace("passes %s", name);
	return fd;
}

int ask_register(const struct request *q, struct call *call, struct failure *why)
{
	static const uint64_t graces[] = { 0, 10, 100, GRACE_MSEC };
	struct register_request r = {
		.fd = new_file(q->number),
		.uid = q->by->uid,
		.length = q->number * PAGE,
		.access = q->how & 1 ? ACCESS_READ : ACCESS_READ_WRITE,
		.policy = q->how & 2 ? POLICY_FOLLOW : POLICY_YIELD,
		.has_grace = q->how & 4,
		.grace_usec = graces[q->how >> 3 & 3] * USEC_PER_MSEC,
		.detached = (q->how >> 5 & 3) == 0,
		.warm = (q->how >> 7 & 3) == 0,
		.owns_file = true,
		.file_uid = 0, /* who made the memfd */
		.session = q->how & 0x200   ? "default"
			   : q->how & 0x400 ? "batch"
					    : "job",
		.name = "",
		.path = "/file",
	};
	struct stat st;
	bool forbidden;
	int error;

	syscall(SYS_newfstatat, r.fd, "", &st, AT_EMPTY_PATH);
	r.on.device = st.st_dev;
	r.on.uuid[0] = 1 + (q->how >> 11) % FILESYSTEMS;
	r.inode = st.st_ino;
	forbidden = administrators_forbid(&r);
	error = the_bus.handlers->register_region(the_bus.userdata, client_of(q->by), &r, call,
						  why);
	os_require(error || !forbidden, "a region is registered where none is to be");
	if (error)
		os_close(r.fd);
	return error;
}

int ask_of_region(const struct request *q, struct call *call, struct failure *why)
{
	const struct bus_handlers *h = the_bus.handlers;
	struct client *c = client_of(q->by);
	const struct configure_request configure = {
		.has_grace = q->how & 1,
		.grace_usec = (q->how >> 1) % 300 * USEC_PER_MSEC,
		.has_policy = q->how & 0x400,
		.policy = q->how & 0x800 ? POLICY_FOLLOW : POLICY_YIELD,
		.has_warm_mode = q->how & 0x1000,
		.warm_mode = (enum warm_mode)((q->how >> 13) % _WARM_MODE_MAX),
		.owns_file = true,
		.uid = q->by->uid,
	};
	const struct revoke_request revoke = {
		.has_grace = q->how & 1,
		.grace_usec = (q->how >> 1) % 300 * USEC_PER_MSEC,
		.limit_usec = q->how & 0x400 ? (q->how >> 11) % 1000 * USEC_PER_MSEC : 0,
	};

	switch (q->kind) {
	case CALL_EXPORT:
		return h->export(the_bus.userdata, q->region, &(struct export_request){ 0 }, call,
				 why);
	case CALL_RELEASE:
		return h->release(the_bus.userdata, c, q->region,
				  q->how & 1 ? UINT64_MAX : (q->how >> 1) % 300 * USEC_PER_MSEC,
				  call, why);
	case CALL_CONFIGURE:
		return h->configure(the_bus.userdata, q->region, &configure, call, why);
	case CALL_REVOKE:
		return h->revoke(the_bus.userdata, c, q->region, &revoke, call, why);
	case CALL_SYNC:
		return h->sync(the_bus.userdata, c, q->region, &revoke, call, why);
	case CALL_PREFETCH:
		return h->prefetch(the_bus.userdata, q->region, &(struct prefetch_request){ 0 },
				   call, why);
	default:
		abort();
	}
}

/* Those that are answered at once. */
int ask_at_once(const struct request *q, struct failure *why)
{
	const struct bus_handlers *h = the_bus.handlers;
	struct client *c = client_of(q->by);

	if (q->kind == CALL_JOIN)
		return h->join(the_bus.userdata, c, q->region, why);
	if (q->kind == CALL_LEAVE)
		return h->leave(the_bus.userdata, c, q->region, why);
	if (q->kind == CALL_RESTORE)
		return h->restore(the_bus.userdata, c, q->region, q->number, why);
	return h->acknowledge(the_bus.userdata, c, q->region, q->number, why);
}

bool is_at_once(enum call_kind kind)
{
	return kind == CALL_JOIN || kind == CALL_LEAVE || kind == CALL_RESTORE ||
	       kind == CALL_ACKNOWLEDGE;
}
