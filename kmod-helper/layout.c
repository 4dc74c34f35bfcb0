// SPDX-License-Identifier: GPL-2.0-only
/*
 * layout.c - the requests about layout watches: watch, re-arm, release, unwatch. What always holds:
 * the lease is on a private open file of the inode, kept for the life of the watch, so the caller
 * may close its descriptor and a re-arm needs none. That file keeps the filesystem mounted until
 * the watch is removed. More of it in layout.h.
 */
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <linux/pid.h>
#include <linux/slab.h>
#include <linux/time_namespace.h>

#include "layout.h"
#include "trace.h"

static bool allowed(u32 deadline_ms, u32 flags)
{
	return deadline_ms >= 1 && deadline_ms <= rdmareg_max_deadline_ms &&
	       !(flags & ~RDMAREG_ASK_WRITES);
}

static void layout_remove(struct rdmareg_layout *layout)
{
	mutex_lock(&layout->lease);
	rdmareg_layout_give_back(layout);
	mutex_unlock(&layout->lease);
	rdmareg_slot_remove(layout->opener, &layout->slot);
	rdmareg_layout_stop(layout);
	rdmareg_layout_put(layout);
}

/*
 * The lease code clears the owner and the fasync list of the file that it leases, so that must not
 * be the caller's. It may be one the caller could not open itself: its right is the descriptor. So
 * it is opened again with the credentials that opened it, and without waiting for somebody else's
 * fcntl(2) lease.
 */
static struct file *open_again(int fd)
{
	struct file *file, *own;

	file = fget(fd);
	if (!file)
		return ERR_PTR(-EBADF);
	if (!S_ISREG(file_inode(file)->i_mode))
		own = ERR_PTR(-EINVAL);
	else if (file_inode(file)->i_sb->s_magic != XFS_SUPER_MAGIC)
		/*
		 * ext4, btrfs and f2fs let layout leases be taken, but never break them: a watch
		 * would be a promise nobody keeps
		 */
		own = ERR_PTR(-EOPNOTSUPP);
	else
		own = dentry_open(&file->f_path, O_RDONLY | O_NONBLOCK | O_LARGEFILE, file->f_cred);
	fput(file);
	return own;
}

int rdmareg_layout_watch(struct rdmareg_opener *opener, struct rdmareg_watch_layout *request)
{
	struct rdmareg_layout *layout;
	struct rdmareg_target *target;
	struct file *file;
	int r;

	if (!allowed(request->deadline_ms, request->flags))
		return -EINVAL;
	file = open_again(request->fd);
	if (IS_ERR(file))
		return PTR_ERR(file);

	target = rdmareg_target_get(file_inode(file));
	layout = kzalloc(sizeof(*layout), GFP_KERNEL_ACCOUNT);
	if (!target || !layout) {
		if (target)
			rdmareg_target_put(target);
		kfree(layout);
		fput(file);
		return -ENOMEM;
	}
	atomic64_inc(&rdmareg_totals[RDMAREG_LAYOUTS]);
	refcount_inc(&opener->refs);
	layout->opener = opener;
	layout->file = file;
	layout->target = target;
	rdmareg_layout_prepare(layout);
	layout->slot.kind = RDMAREG_KIND_LAYOUT;
	layout->slot.cookie = request->cookie;
	layout->slot.layout_state = RDMAREG_LAYOUT_RELEASED;

	/* the slot first: the lease may be broken before setting it returns */
	r = rdmareg_slot_add(opener, &layout->slot);
	if (r < 0) {
		rdmareg_layout_stop(layout);
		rdmareg_layout_put(layout);
		return r;
	}
	r = rdmareg_layout_arm(layout, request->deadline_ms, request->flags);
	if (r < 0) {
		layout_remove(layout);
		/* leases switched off (fs.leases-enable), or refused by the filesystem */
		return r == -EINVAL ? -EOPNOTSUPP : r;
	}
	request->slot = layout->slot.number;
	return 0;
}

void rdmareg_layout_unwatch(struct rdmareg_opener *opener, struct rdmareg_slot *slot)
{
	layout_remove(container_of(slot, struct rdmareg_layout, slot));
}

static struct rdmareg_layout *layout_get(struct rdmareg_opener *opener, u32 number)
{
	struct rdmareg_layout *layout = NULL;
	struct rdmareg_slot *slot;

	spin_lock(&opener->lock);
	slot = rdmareg_table_get(&opener->table, number);
	if (slot && slot->kind == RDMAREG_KIND_LAYOUT) {
		layout = container_of(slot, struct rdmareg_layout, slot);
		refcount_inc(&layout->refs);
	}
	spin_unlock(&opener->lock);
	return layout;
}

int rdmareg_layout_rearm(struct rdmareg_opener *opener, const struct rdmareg_rearm *request)
{
	struct rdmareg_layout *layout;
	bool busy, unwinding;
	int r;

	if (request->reserved || !allowed(request->deadline_ms, request->flags))
		return -EINVAL;
	layout = layout_get(opener, request->slot);
	if (!layout)
		return -ENOENT;

	spin_lock(&opener->lock);
	busy = layout->slot.layout_state == RDMAREG_LAYOUT_ARMED ||
	       layout->slot.layout_state == RDMAREG_LAYOUT_BREAKING;
	unwinding = layout->unwinding;
	spin_unlock(&opener->lock);
	if (busy)
		r = -EBUSY;
	else if (unwinding)
		r = -EAGAIN;
	else
		r = rdmareg_layout_arm(layout, request->deadline_ms, request->flags);
	if (!r) {
		spin_lock(&opener->lock);
		layout->slot.rearms++;
		spin_unlock(&opener->lock);
	}
	rdmareg_layout_put(layout);
	return r;
}

int rdmareg_layout_release(struct rdmareg_opener *opener, const struct rdmareg_release *request)
{
	struct rdmareg_layout *layout = layout_get(opener, request->slot);
	bool breaking, current_break, wake = false;

	if (!layout)
		return -ENOENT;
	mutex_lock(&layout->lease);
	spin_lock(&opener->lock);
	breaking = layout->slot.layout_state == RDMAREG_LAYOUT_BREAKING;
	current_break = layout->slot.break_id == request->break_id &&
			layout->slot.layout_state != RDMAREG_LAYOUT_ARMED;
	spin_unlock(&opener->lock);
	if (breaking && current_break) {
		rdmareg_layout_give_back(layout);
		trace_rdmareg_give_back(file_inode(layout->file), layout->slot.cookie, false);
		spin_lock(&opener->lock);
		rdmareg_slot_set_layout(&layout->slot, RDMAREG_LAYOUT_RELEASED);
		wake = rdmareg_layout_unwind(layout);
		spin_unlock(&opener->lock);
	}
	mutex_unlock(&layout->lease);
	if (wake)
		rdmareg_opener_wake(opener);
	rdmareg_layout_put(layout);
	return current_break ? 0 : -ESTALE;
}

/**
 * rdmareg_layout_release_all() - give everything back, broken or not
 * @opener: its address space is going, or the device is being closed.
 *
 * The table does not change meanwhile: requests need that address space, and the close of the
 * device waits for us.
 */
void rdmareg_layout_release_all(struct rdmareg_opener *opener)
{
	struct rdmareg_layout *layout;
	u32 number;

	for (number = 0; number < opener->table.used; number++) {
		layout = layout_get(opener, number);
		if (!layout)
			continue;
		mutex_lock(&layout->lease);
		rdmareg_layout_give_back(layout);
		spin_lock(&opener->lock);
		rdmareg_slot_set_layout(&layout->slot, RDMAREG_LAYOUT_RELEASED);
		spin_unlock(&opener->lock);
		mutex_unlock(&layout->lease);
		rdmareg_layout_put(layout);
	}
}

void rdmareg_layout_describe(const struct rdmareg_slot *slot, struct rdmareg_report *report)
{
	const struct rdmareg_layout *layout = container_of(slot, struct rdmareg_layout, slot);

	struct timespec64 deadline = ns_to_timespec64(report->deadline_nsec);

	report->breaker_pid = pid_vnr(layout->breaker_pid);
	if (layout->unwinding)
		report->flags |= RDMAREG_FLAG_UNWINDING;
	if (report->deadline_nsec) {
		/* the reader may have a clock of its own */
		timens_add_monotonic(&deadline);
		report->deadline_nsec = timespec64_to_ns(&deadline);
	}
}

u64 rdmareg_layout_writes_passed(const struct rdmareg_slot *slot)
{
	return atomic64_read(&container_of(slot, struct rdmareg_layout, slot)->writes_passed);
}
