// SPDX-License-Identifier: GPL-2.0-or-later
/* watches.c - see watches.h. */
#include "watches.h"

#include <errno.h>
#include <fcntl.h>
#include <rdma/fi_errno.h>
#include <rdma/fi_ext.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "bench.h"
#include "fabric.h"
#include "rdmareg-uapi.h"

#define WATCHES_MAX 64
#define GONE (RDMAREG_CAUSE_CLEAR | RDMAREG_CAUSE_UNMAP)

/* By slot. */
static struct {
	const void *address;
	size_t length;
} watched[WATCHES_MAX];
static int module = -1;
static struct fid_mem_monitor monitor;

static int start(struct fid_mem_monitor *m)
{
	(void)m;
	module = open(RDMAREG_DEVICE, O_RDWR | O_CLOEXEC);
	return module < 0 ? -errno : 0;
}

static void stop(struct fid_mem_monitor *m)
{
	(void)m;
	close(module);
}

static uint32_t find(const void *address, size_t length)
{
	for (uint32_t i = 0; i < WATCHES_MAX; i++)
		if (watched[i].length == length && watched[i].address == address)
			return i;
	return WATCHES_MAX;
}

static int subscribe(struct fid_mem_monitor *m, const void *address, size_t length)
{
	uintptr_t begin = (uintptr_t)address & ~(PAGE - 1);
	uintptr_t end = ((uintptr_t)address + length + PAGE - 1) & ~(PAGE - 1);
	struct rdmareg_watch_range watch = { .address = begin, .length = end - begin };

	(void)m;
	if (ioctl(module, RDMAREG_WATCH_RANGE, &watch))
		return -errno;
	if (watch.slot >= WATCHES_MAX)
		die("more watches than there is room for");
	watched[watch.slot].address = address;
	watched[watch.slot].length = length;
	return 0;
}

static void unsubscribe(struct fid_mem_monitor *m, const void *address, size_t length)
{
	struct rdmareg_unwatch request = { .slot = find(address, length) };

	(void)m;
	if (request.slot == WATCHES_MAX)
		return;
	ioctl(module, RDMAREG_UNWATCH, &request);
	watched[request.slot].length = 0;
}

static bool valid(struct fid_mem_monitor *m, const void *address, size_t length)
{
	struct rdmareg_report report = { .slot = find(address, length) };

	(void)m;
	return report.slot < WATCHES_MAX &&
	       (ioctl(module, RDMAREG_COLLECT, &report) ? errno == EAGAIN
							: !(report.causes & GONE));
}

void watches_start(void)
{
	static struct fi_ops_mem_monitor ops = {
		.size = sizeof(ops),
		.start = start,
		.stop = stop,
		.subscribe = subscribe,
		.unsubscribe = unsubscribe,
		.valid = valid,
	};

	monitor.fid.fclass = FI_CLASS_MEM_MONITOR;
	monitor.export_ops = &ops;
	if (fi_import(FABRIC_VERSION, "mr_cache", NULL, 0, 0, &monitor.fid, NULL))
		die("libfabric takes no monitor");
}

void watches_sweep(void)
{
	struct rdmareg_report report = { .slot = RDMAREG_SLOT_ANY };

	for (; !ioctl(module, RDMAREG_COLLECT, &report); report.slot = RDMAREG_SLOT_ANY)
		if (report.causes & GONE)
			monitor.import_ops->notify(&monitor, watched[report.slot].address,
						   watched[report.slot].length);
}
