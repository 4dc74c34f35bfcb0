// SPDX-License-Identifier: GPL-2.0-only
/*
 * main.c - the module, its parameters, the device /dev/rdmareg and the requests of
 * proto/rdmareg-uapi.h, which is the manual of all this.
 *
 * What always holds:
 *   1. Everything an opener has belongs to the address space that opened the device; another one
 *      may only ask what the module is, and poll.
 *   2. Nothing is without a limit: openers, watches in all, of one opener and of one file, length
 *      of a deadline. Memory is charged to the memory cgroup of the process that asks for it.
 *   3. Slots change under opener->lock. A report that cannot be delivered is put back.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/poll.h>
#include <linux/sched.h>
#include <linux/uaccess.h>

#include "rdmareg.h"

#define CREATE_TRACE_POINTS
#include "trace.h"

/*
 * 32-bit programs and 64-bit ones must mean the same: no padding, and requests of an even number of
 * words.
 */
static_assert(sizeof(struct rdmareg_query) == 16);
static_assert(sizeof(struct rdmareg_watch_range) == 32);
static_assert(sizeof(struct rdmareg_watch_layout) == 24);
static_assert(sizeof(struct rdmareg_report) == 96);
static_assert(sizeof(struct rdmareg_counters) == 192);
static_assert(sizeof(struct rdmareg_pace) == 16);

unsigned int rdmareg_max_watches = 16384;
module_param_named(max_watches, rdmareg_max_watches, uint, 0444);
MODULE_PARM_DESC(max_watches, "watches one opener may have, 1 to 1048576 (default 16384)");

unsigned int rdmareg_max_total_watches = 1048576;
module_param_named(max_total_watches, rdmareg_max_total_watches, uint, 0444);
MODULE_PARM_DESC(max_total_watches,
		 "watches of all openers together, 1 to 16777216 (default 1048576)");

/*
 * Every write to the file looks at all leases of it, and a break tells all of them, under a
 * spinlock.
 */
unsigned int rdmareg_max_watches_per_file = 4096;
module_param_named(max_watches_per_file, rdmareg_max_watches_per_file, uint, 0444);
MODULE_PARM_DESC(
	max_watches_per_file,
	"armed layout watches of one file, by all openers together, 1 to 65536 (default 4096)");

/*
 * Short, since xfs_break_leased_layouts() ignores signals: not even SIGKILL gets a task out of it
 * before the deadline.
 */
unsigned int rdmareg_max_deadline_ms = 15000;
module_param_named(max_deadline_ms, rdmareg_max_deadline_ms, uint, 0444);
MODULE_PARM_DESC(
	max_deadline_ms,
	"longest time in ms a layout watch may make a filesystem wait, 1 to 60000 (default 15000)");

/* Whose an opener is the module cannot tell: each keeper has a user id of its own. */
unsigned int rdmareg_max_openers = 4096;
module_param_named(max_openers, rdmareg_max_openers, uint, 0444);
MODULE_PARM_DESC(max_openers, "how often the device may be open in all, 1 to 65536 (default 4096)");

static __poll_t rdmareg_poll(struct file *file, poll_table *wait)
{
	struct rdmareg_opener *opener = file->private_data;
	bool pending;

	poll_wait(file, &opener->wait, wait);
	spin_lock(&opener->lock);
	pending = rdmareg_table_pending(&opener->table);
	spin_unlock(&opener->lock);
	return pending ? EPOLLIN | EPOLLRDNORM : 0;
}

static void query(struct rdmareg_query *request)
{
	memset(request, 0, sizeof(*request));
	request->abi = RDMAREG_ABI;
	request->max_watches = rdmareg_max_watches;
	request->max_deadline_ms = rdmareg_max_deadline_ms;
}

static int collect(struct rdmareg_opener *opener, struct rdmareg_report __user *argument)
{
	struct rdmareg_report report;
	struct rdmareg_slot *slot;
	bool wake;
	u32 number;
	int r;

	if (get_user(number, &argument->slot))
		return -EFAULT;
	spin_lock(&opener->lock);
	r = rdmareg_collect(&opener->table, number, &report);
	if (!r && report.kind == RDMAREG_KIND_LAYOUT) {
		slot = rdmareg_table_get(&opener->table, report.slot);
		rdmareg_layout_describe(slot, &report);
	}
	spin_unlock(&opener->lock);
	if (r < 0 || !copy_to_user(argument, &report, sizeof(report)))
		return r;

	spin_lock(&opener->lock);
	wake = rdmareg_uncollect(&opener->table, &report);
	spin_unlock(&opener->lock);
	if (wake)
		rdmareg_opener_wake(opener);
	return -EFAULT;
}

static int counters(struct rdmareg_opener *opener, struct rdmareg_counters __user *argument)
{
	struct rdmareg_counters answer;
	struct rdmareg_slot *slot;
	u32 number;

	if (get_user(number, &argument->slot))
		return -EFAULT;
	spin_lock(&opener->lock);
	slot = rdmareg_table_get(&opener->table, number);
	if (slot) {
		rdmareg_count(slot, &answer);
		if (slot->kind == RDMAREG_KIND_LAYOUT)
			answer.writes_passed = rdmareg_layout_writes_passed(slot);
	}
	spin_unlock(&opener->lock);
	if (!slot)
		return -ENOENT;
	return copy_to_user(argument, &answer, sizeof(answer)) ? -EFAULT : 0;
}

union request {
	struct rdmareg_query query;
	struct rdmareg_watch_range range;
	struct rdmareg_watch_layout layout;
	struct rdmareg_release release;
	struct rdmareg_rearm rearm;
	struct rdmareg_unwatch unwatch;
	struct rdmareg_pace pace;
};

/* The requests that add, remove or re-arm a watch, with opener->change held. */
static int change(struct rdmareg_opener *opener, unsigned int command, union request *request)
{
	switch (command) {
	case RDMAREG_WATCH_RANGE:
		return rdmareg_range_watch(opener, &request->range);
	case RDMAREG_WATCH_LAYOUT:
		return rdmareg_layout_watch(opener, &request->layout);
	case RDMAREG_REARM:
		return rdmareg_layout_rearm(opener, &request->rearm);
	default: /* RDMAREG_UNWATCH */
		return request->unwatch.reserved
			       ? -EINVAL
			       : rdmareg_opener_unwatch(opener, request->unwatch.slot);
	}
}

/* A watch whose number the caller never learns must not stay. */
static int answer_watch(struct rdmareg_opener *opener, void __user *argument,
			const union request *request, unsigned int command)
{
	u32 slot = command == RDMAREG_WATCH_RANGE ? request->range.slot : request->layout.slot;

	if (!copy_to_user(argument, request, _IOC_SIZE(command)))
		return 0;
	rdmareg_opener_unwatch(opener, slot);
	return -EFAULT;
}

static long rdmareg_ioctl(struct file *file, unsigned int command, unsigned long value)
{
	struct rdmareg_opener *opener = file->private_data;
	void __user *argument = (void __user *)value;
	union request request;
	int r;

	switch (command) {
	case RDMAREG_QUERY:
		query(&request.query);
		return copy_to_user(argument, &request.query, sizeof(request.query)) ? -EFAULT : 0;
	case RDMAREG_WATCH_RANGE:
	case RDMAREG_WATCH_LAYOUT:
	case RDMAREG_COLLECT:
	case RDMAREG_RELEASE:
	case RDMAREG_REARM:
	case RDMAREG_UNWATCH:
	case RDMAREG_COUNTERS:
	case RDMAREG_PACE:
		break;
	default:
		return -ENOTTY;
	}

	if (current->mm != opener->mm)
		return -EPERM;
	if (command == RDMAREG_COLLECT)
		return collect(opener, argument);
	if (command == RDMAREG_COUNTERS)
		return counters(opener, argument);
	if (copy_from_user(&request, argument, _IOC_SIZE(command)))
		return -EFAULT;
	if (command == RDMAREG_RELEASE)
		return rdmareg_layout_release(opener, &request.release);
	if (command == RDMAREG_PACE)
		return rdmareg_range_pace(opener, &request.pace);

	/* another thread may hold it for as long as a page of its argument takes to come */
	if (mutex_lock_killable(&opener->change))
		return -EINTR;
	r = change(opener, command, &request);
	if (!r && (command == RDMAREG_WATCH_RANGE || command == RDMAREG_WATCH_LAYOUT))
		r = answer_watch(opener, argument, &request, command);
	mutex_unlock(&opener->change);
	return r;
}

static const struct file_operations rdmareg_operations = {
	.owner = THIS_MODULE,
	.open = rdmareg_open,
	.release = rdmareg_release,
	.poll = rdmareg_poll,
	.unlocked_ioctl = rdmareg_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
};

static struct miscdevice rdmareg_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "rdmareg",
	.fops = &rdmareg_operations,
	.groups = rdmareg_total_groups,
	.mode = 0660,
};

static bool __init allowed(unsigned int value, unsigned int most)
{
	return value && value <= most;
}

static int __init rdmareg_module_init(void)
{
	int r;

	if (!allowed(rdmareg_max_watches, 1 << 20) ||
	    !allowed(rdmareg_max_total_watches, 1 << 24) ||
	    !allowed(rdmareg_max_watches_per_file, 1 << 16) ||
	    !allowed(rdmareg_max_openers, 1 << 16) || !allowed(rdmareg_max_deadline_ms, 60000)) {
		pr_err("a parameter is out of bounds, see modinfo\n");
		return -EINVAL;
	}
	r = rdmareg_layout_init();
	if (r < 0)
		return r;
	r = misc_register(&rdmareg_device);
	if (r < 0)
		rdmareg_layout_exit();
	return r;
}

static void __exit rdmareg_module_exit(void)
{
	misc_deregister(&rdmareg_device);
	rdmareg_layout_exit();
}

module_init(rdmareg_module_init);
module_exit(rdmareg_module_exit);

MODULE_DESCRIPTION(
	"Tells a process when its mappings are invalidated and when a filesystem wants a file's blocks back");
MODULE_VERSION("0.1.0"); /* of the project: meson.build */
MODULE_LICENSE("GPL");
