// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * dax-make.c - see dax-make.h. What always holds: between asking the kernel for a device and giving
 * it its size nobody else of us does the same (the region's file "create" is locked), since the
 * kernel knows only one newest device of a region.
 */
#include "dax/dax-make.h"

#include <daxctl/libdaxctl.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>

#include "dax/dax-users.h"
#include "util/cleanup.h"

#define CHUNK_BYTES (64u << 20) /* mapped at a time while it is cleared */

static void unref_contextp(struct daxctl_ctx **c)
{
	if (*c)
		daxctl_unref(*c);
}

/* Negative: the region is not dynamic. */
static int open_create(struct daxctl_region *region)
{
	char path[PATH_MAX];
	int n = snprintf(path, sizeof(path), "%s/dax_region/create",
			 daxctl_region_get_path(region)),
	    fd;

	fd = n > 0 && (size_t)n < sizeof(path) ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	return fd < 0 ? -errno : fd;
}

/* The first that has room; else why none has. */
static int choose_region(struct daxctl_ctx *context, uint32_t number, uint64_t size,
			 struct failure *why, struct daxctl_region **ret, int *ret_lock)
{
	unsigned long long most = 0;
	struct daxctl_region *region;
	bool dynamic = false;

	daxctl_region_foreach(context, region)
	{
		_cleanup_(closep) int lock = -1;
		unsigned long long available;

		if (number != DAX_REGION_ANY && (uint32_t)daxctl_region_get_id(region) != number)
			continue;
		lock = open_create(region);
		if (lock < 0 || flock(lock, LOCK_EX) < 0)
			continue;
		dynamic = true;
		available = daxctl_region_get_available_size(region);
		if (available >= size) {
			*ret_lock = steal_fd(&lock);
			*ret = region;
			return 0;
		}
		most = available > most ? available : most;
	}
	if (dynamic)
		return fail(why, -ENOSPC, "no more than %llu bytes are free there", most);
	return fail(why, -ENODEV, "%s: rdmaregctl devices shows what there is",
		    number == DAX_REGION_ANY ? "no region of this machine is dynamic"
					     : "there is no dynamic region of this number");
}

static uint64_t round_up(uint64_t size, uint64_t unit)
{
	return unit ? (size + unit - 1) / unit * unit : size;
}

/* In pieces, so that clearing takes no more memory for page tables than a piece does. */
static int clear(int fd, uint64_t size, uint64_t alignment)
{
	uint64_t chunk = round_up(CHUNK_BYTES, alignment);

	for (uint64_t at = 0; at < size; at += chunk) {
		size_t n = size - at < chunk ? size - at : chunk;
		void *p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)at);

		if (p == MAP_FAILED)
			return -errno;
		memset(p, 0, n);
		munmap(p, n);
	}
	return 0;
}

static int give_back(struct daxctl_dev *device)
{
	int r = daxctl_dev_is_enabled(device) ? daxctl_dev_disable(device) : 0;

	if (r >= 0)
		r = daxctl_dev_set_size(device, 0);
	/* the first of a region cannot be removed; without a size it is nothing */
	if (r >= 0)
		daxctl_region_destroy_dev(daxctl_dev_get_region(device), device);
	return r < 0 ? r : 0;
}

static int use(struct daxctl_dev *device, uint64_t size, struct failure *why, struct dax_answer *a,
	       int *ret_fd)
{
	_cleanup_(closep) int fd = -1;
	char path[DAX_NAME_MAX + 8];
	int r = daxctl_dev_enable_devdax(device);

	if (r < 0)
		return fail(why, r, "the driver device_dax does not take %s: %s", a->name,
			    strerror(-r));
	snprintf(path, sizeof(path), "/dev/%s", a->name);
	fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return fail(why, -errno, "%s cannot be opened: %s", path, strerror(errno));
	r = clear(fd, size, daxctl_dev_get_align(device));
	if (r < 0)
		return fail(why, r, "%s cannot be cleared: %s", path, strerror(-r));
	a->size_bytes = size;
	*ret_fd = steal_fd(&fd);
	return 0;
}

int dax_make(uint32_t number, uint64_t size, struct failure *why, struct dax_answer *a, int *ret_fd)
{
	_cleanup_(unref_contextp) struct daxctl_ctx *context = NULL;
	_cleanup_(closep) int lock = -1;
	struct daxctl_region *region = NULL;
	struct daxctl_dev *device;
	int r = daxctl_new(&context);

	if (r < 0)
		return fail(why, r, "libdaxctl: %s", strerror(-r));
	r = choose_region(context, number, size, why, &region, &lock);
	if (r < 0)
		return r;
	size = round_up(size, daxctl_region_get_align(region));
	r = daxctl_region_create_dev(region);
	device = r < 0 ? NULL : daxctl_region_get_dev_seed(region);
	if (!device)
		return fail(why, r < 0 ? r : -EIO, "the kernel makes no device of region %d: %s",
			    daxctl_region_get_id(region), strerror(r < 0 ? -r : EIO));
	snprintf(a->name, sizeof(a->name), "%s", daxctl_dev_get_devname(device));
	if (daxctl_dev_get_size(device))
		return fail(why, -EAGAIN, "somebody else takes devices of region %d: try again",
			    daxctl_region_get_id(region));
	r = daxctl_dev_set_size(device, size);
	if (r < 0)
		fail(why, r, "%s cannot have %llu bytes: %s", a->name, (unsigned long long)size,
		     strerror(-r));
	flock(lock, LOCK_UN);
	if (r >= 0)
		r = use(device, size, why, a, ret_fd);
	if (r < 0)
		give_back(device);
	return r;
}

static struct daxctl_dev *find_device(struct daxctl_ctx *context, const char *name)
{
	struct daxctl_region *region;
	struct daxctl_dev *device;

	daxctl_region_foreach(context, region)
	{
		_cleanup_(closep) int dynamic = open_create(region);

		if (dynamic < 0)
			continue;
		daxctl_dev_foreach(region, device)
		{
			if (!strcmp(daxctl_dev_get_devname(device), name))
				return device;
		}
	}
	return NULL;
}

int dax_destroy(const char *name, struct failure *why)
{
	_cleanup_(unref_contextp) struct daxctl_ctx *context = NULL;
	struct daxctl_dev *device;
	char user[32];
	int pid, r = daxctl_new(&context);

	if (r < 0)
		return fail(why, r, "libdaxctl: %s", strerror(-r));
	device = find_device(context, name);
	if (!device || !daxctl_dev_get_size(device))
		return 0;
	pid = dax_user(name, user, sizeof(user));
	if (pid)
		return fail(why, -EBUSY, "process %d (%s) has it open or mapped", pid, user);
	r = give_back(device);
	return r < 0 ? fail(why, r, "the kernel does not take it back: %s", strerror(-r)) : 0;
}
