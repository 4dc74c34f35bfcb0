/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * rdmareg-uapi.h - the contract of /dev/rdmareg.
 *
 * A process opens the device once and asks it to watch things. A watch lives in a numbered slot of
 * that opener:
 *
 *   range watch   tells when the kernel invalidates page-table entries in a range of the caller's
 *   own address space
 *                 (an mmu-interval notifier; include/linux/mmu_notifier.h).
 *   layout watch  tells before a filesystem moves or frees blocks of a file, and makes it wait, but
 *   never longer than
 *                 a deadline that the kernel alone keeps (an FL_LAYOUT lease; fs/locks.c).
 *
 * What always holds:
 *   - An event is never lost. A slot does not queue: events fold into it (causes are or-ed, ranges
 *     are widened, counts added), with RDMAREG_PACE into five folds at most, until RDMAREG_COLLECT
 *     takes each out. State is a level, so a slow reader sees less detail, never less truth. What
 *     RDMAREG_PACE makes wait is not lost either.
 *   - Nothing in the kernel ever waits for the process. A layout break is settled by the process
 *     (RDMAREG_RELEASE) or by the deadline, also when the process is stopped, dead or was never
 *     scheduled.
 *   - An address space and its watches go together: all requests but RDMAREG_QUERY are for the
 *     address space that opened the device; a forked child or the receiver of a passed descriptor
 *     gets EPERM. It may poll.
 *   - Closing the last descriptor removes every watch. The end of the
 *     address space that opened the device ends its range watches and gives all its layouts back,
 *     whoever else has it open.
 *
 * Errors common to all requests: EFAULT (bad argument pointer; a report that cannot be delivered is
 * not lost), ENOTTY (no such request), EPERM (not the address space that opened the device), EINVAL
 * (a reserved field is not zero, or as stated), ENOENT (the slot holds no watch, or not one of that
 * kind). open(2): EMFILE (it is open too often, module parameter max_openers), ENOMEM.
 */
#ifndef RDMAREG_UAPI_H
#define RDMAREG_UAPI_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define RDMAREG_DEVICE "/dev/rdmareg"
#define RDMAREG_ABI 3u
#define RDMAREG_IOC_MAGIC 0xBD

/* What a slot watches. */
enum rdmareg_kind {
	RDMAREG_KIND_FREE = 0,
	RDMAREG_KIND_RANGE = 1,
	RDMAREG_KIND_LAYOUT = 2,
};

/*
 * Why translations went away: bits, since events fold. The kernel's enum mmu_notifier_event
 * decides.
 */
#define RDMAREG_CAUSE_CLEAR (1u << 0) /* pages removed: truncate, punch, reclaim, migration */
#define RDMAREG_CAUSE_WRITEBACK \
	(1u << 1) /* pages write-protected: writeback of dirtied pages, reflink on page cache */
#define RDMAREG_CAUSE_PROTECT (1u << 2) /* mprotect(2) or NUMA hinting */
#define RDMAREG_CAUSE_UNMAP (1u << 3)	/* munmap(2), mremap(2), or a mapping placed over it */
#define RDMAREG_CAUSE_EXIT (1u << 4)	/* the address space is being torn down */
#define RDMAREG_CAUSE_OTHER \
	(1u << 5) /* soft-dirty tracking, device-private migration, exclusive access */
#define RDMAREG_CAUSE_RECLAIM \
	(1u                   \
	 << 6) /* hint beside CLEAR: the kernel was short of memory (do not pull the pages back) */
#define RDMAREG_CAUSE_SELF (1u << 7) /* hint: by the watching process itself */
#define RDMAREG_CAUSE_BITS 8

/* Where a layout watch stands. */
enum rdmareg_layout_state {
	RDMAREG_LAYOUT_ARMED = 1,    /* the lease is held, nobody wants the blocks */
	RDMAREG_LAYOUT_BREAKING = 2, /* somebody waits for the blocks; the deadline runs */
	RDMAREG_LAYOUT_RELEASED = 3, /* given back by RDMAREG_RELEASE */
	RDMAREG_LAYOUT_EXPIRED = 4,  /* given back by the kernel at the deadline */
};

/* What the breaker was doing, told from its system call number where that is possible. */
enum rdmareg_operation {
	RDMAREG_OP_UNKNOWN =
		0, /* a kernel thread, an io_uring worker, a 32-bit program, or nobody can tell */
	RDMAREG_OP_TRUNCATE = 1,
	RDMAREG_OP_FALLOCATE = 2, /* every mode: punch, zero, collapse, insert, unshare, plain */
	RDMAREG_OP_CLONE = 3,	  /* FICLONE, FIDEDUPERANGE, exchange-range, copy_file_range */
	RDMAREG_OP_OPEN = 4,	  /* open(2) with O_TRUNC */
	RDMAREG_OP_WRITE =
		5, /* a write: RDMAREG_ASK_WRITES, or one that could not be told for certain */
};
#define RDMAREG_OP_COUNT 6

/**
 * struct rdmareg_query - RDMAREG_QUERY: what this module is and allows
 * @abi: RDMAREG_ABI of the module. A different number: stop, do not guess.
 * @max_watches: slots of one opener (module parameter max_watches).
 * @max_deadline_ms: longest deadline a layout watch may ask for (module parameter max_deadline_ms).
 * @reserved: out: 0.
 */
struct rdmareg_query {
	__u32 abi;
	__u32 max_watches;
	__u32 max_deadline_ms;
	__u32 reserved;
};

/**
 * struct rdmareg_watch_range - RDMAREG_WATCH_RANGE
 * @address: a multiple of the page size, inside user space. It may be unmapped now.
 * @length: bytes, a multiple of the page size, more than 0.
 * @cookie: given back in every report of this slot.
 * @slot: out.
 * @reserved: 0.
 *
 * Reports invalidations that begin after it returned. Large folios are invalidated as a whole, so a
 * report may cover more than was truncated or punched. A filesystem with DAX clears the whole file
 * before it truncates, punches or extends it, and does so before it announces a break: pages may be
 * faulted in again until the blocks are given back, so fence, do not pull.
 *
 * EINVAL unaligned, empty, overflowing or kernel range; ENOSPC all slots taken, or it would overlap
 * more than RDMAREG_MAX_OVERLAP range watches of this opener (an invalidation calls them all, while
 * somebody else's truncate or fsync waits); ENOMEM.
 */
struct rdmareg_watch_range {
	__u64 address;
	__u64 length;
	__u64 cookie;
	__u32 slot;
	__u32 reserved;
};

/**
 * struct rdmareg_watch_layout - RDMAREG_WATCH_LAYOUT
 * @fd: a regular file, open for reading or writing. The module leases a private open file of the
 *      same inode, so the
 *	caller's descriptor stays usable and may be closed.
 * @deadline_ms: 1 .. max_deadline_ms. Counted from the moment the filesystem starts to wait.
 * @cookie: given back in every report of this slot.
 * @slot: out.
 * @flags: RDMAREG_ASK_WRITES: plain writes by others are breaks as well. For files with DAX whose
 *         blocks a write replaces
 *	(shared, or not written yet): a page that is faulted in meanwhile may stay on the block that was replaced.
 *
 * The caller's own operations never break it, nor do others' writes (write, pwrite, writev,
 * pwritev, pwritev2, io_submit, sendfile, splice; those of kernel threads, io_uring and 32-bit
 * programs as far as their stack tells) without RDMAREG_ASK_WRITES, nor a reflink out of a file
 * without DAX, as far as it can be told from one into it. A breaker waits once for a file, however
 * many watches it has: one that comes back within the same system call finds the watch EXPIRED at
 * once.
 *
 * EBADF; EINVAL not a regular file, an unknown flag, or the deadline is out of bounds; EOPNOTSUPP
 * the filesystem never breaks layouts (only XFS does), or has no leases; EAGAIN a break of that
 * file is going on or unwinding (RDMAREG_FLAG_UNWINDING), or somebody holds a lease (fcntl(2)) that
 * opening it would break: try later; ENOSPC all slots taken, or the file has as many armed watches
 * as module parameter max_watches_per_file allows; ENOMEM, ENFILE.
 */
struct rdmareg_watch_layout {
	__s32 fd;
	__u32 deadline_ms;
	__u64 cookie;
	__u32 slot;
	__u32 flags;
};

#define RDMAREG_ASK_WRITES (1u << 0)
#define RDMAREG_MAX_OVERLAP 64u
#define RDMAREG_SLOT_ANY 0xffffffffu

#define RDMAREG_FLAG_UNWINDING (1u << 0)
#define RDMAREG_FLAG_KILLED (1u << 1)

/**
 * struct rdmareg_report - RDMAREG_COLLECT: take what has folded into a slot
 * @slot: in: a slot, or RDMAREG_SLOT_ANY for whichever has been pending longest. Out: the slot.
 * @kind: enum rdmareg_kind.
 * @cookie: the caller's own word from the watch request.
 * @sequence: rises by one with every event of the slot; goes on, never back, when another watch
 *            gets the slot. That of the last event that is reported with this.
 * @causes: range watch: RDMAREG_CAUSE_* bits since the last collect.
 * @start: range watch: first byte of the smallest range that covers all events, from the start of
 *         the watch.
 * @end: range watch: its end, which is not part of it.
 * @clear_count: range watch: events with RDMAREG_CAUSE_CLEAR since the last collect.
 * @writeback_count: range watch: the same with RDMAREG_CAUSE_WRITEBACK.
 * @other_count: range watch: all others.
 * @layout_state: layout watch: enum rdmareg_layout_state now.
 * @operation: layout watch: enum rdmareg_operation of the first breaker of this break. It may be
 *             unknown together with
 *	@breaker_pid: somebody who waited before the watch was armed.
 * @break_id: layout watch: number of the current or last break, from 1.
 * @breaker_pid: layout watch: thread group id of the first breaker, in the reader's pid namespace;
 *               0 if not visible.
 * @deadline_nsec: layout watch: CLOCK_MONOTONIC time at which the kernel gives the blocks back; 0
 *                 when no break runs.
 * @covered: range watch: how many of the bytes from @start to @end were in an event for certain. If
 *           it is all of them the range has no hole. 0: a module that does not say.
 * @flags: layout watch: RDMAREG_FLAG_UNWINDING from a break until it was given back, the system
 *         calls of those who waited for
 *	the file are over (of the first eight, if there are more), and 50 ms have passed. That has no bound: a system call may
 *	last. The end of it is an event too: the slot becomes pending once more, and RDMAREG_REARM may
 *	succeed. RDMAREG_FLAG_KILLED: somebody who waits for the blocks is being killed. The filesystem ignores that and lets
 *	him run in circles instead of sleeping, so give the blocks back as soon as it is safe; an event, once in a break.
 *
 * EAGAIN nothing is pending (for a named slot too).
 */
struct rdmareg_report {
	__u32 slot;
	__u32 kind;
	__u64 cookie;
	__u64 sequence;
	__u32 causes;
	__u32 layout_state;
	__u64 start;
	__u64 end;
	__u64 clear_count;
	__u64 writeback_count;
	__u64 other_count;
	union {
		__u64 deadline_nsec;
		__u64 covered;
	};
	__u32 operation;
	__u32 breaker_pid;
	__u32 break_id;
	__u32 flags;
};

/**
 * struct rdmareg_release - RDMAREG_RELEASE: give the blocks back now (drop the lease of a breaking
 * layout watch)
 * @slot: the watch.
 * @break_id: the break that is meant. ESTALE if it is not the current one: the caller missed
 *            something, collect first.
 *
 * Succeeds too when the deadline was faster (the state then reads EXPIRED).
 */
struct rdmareg_release {
	__u32 slot;
	__u32 break_id;
};

/**
 * struct rdmareg_rearm - RDMAREG_REARM: lease the file again after RELEASED or EXPIRED
 *
 * XFS looks again for leases until it finds none, so one that is taken too early is only broken
 * again. Hence EAGAIN while an old break of the file, of whichever watch, is unwinding
 * (RDMAREG_FLAG_UNWINDING), whose end is an event. To poll with REARM works too.
 *
 * @slot: the watch.
 * @deadline_ms: as in struct rdmareg_watch_layout.
 * @flags: as in struct rdmareg_watch_layout; they replace the ones before.
 * @reserved: 0.
 *
 * EINVAL the deadline is out of bounds; EBUSY armed or breaking already; EAGAIN unwinding, or
 * another watch of that file is being broken; ENOSPC the file has too many watches meanwhile;
 * ENOMEM, ENFILE.
 */
struct rdmareg_rearm {
	__u32 slot;
	__u32 deadline_ms;
	__u32 flags;
	__u32 reserved;
};

/**
 * struct rdmareg_unwatch - RDMAREG_UNWATCH: remove a watch; a running break of it is given back
 * first
 * @slot: the watch.
 * @reserved: 0.
 *
 * Waits for invalidation callbacks under way to return, so it may sleep; after it no event of the
 * slot can come.
 */
struct rdmareg_unwatch {
	__u32 slot;
	__u32 reserved;
};

/**
 * struct rdmareg_counters - RDMAREG_COUNTERS: all that happened to a watch since it was made
 *
 * Reading changes nothing: what is pending stays pending, and RDMAREG_COLLECT resets none of these.
 * @slot: in. There is no RDMAREG_SLOT_ANY here.
 * @kind: as in a report.
 * @cookie: as in a report.
 * @causes: range watch: events with that bit; causes[n] belongs to RDMAREG_CAUSE_ bit n. Each event
 *          has one of the first six;
 *	the two hints count beside it.
 * @breaks: layout watch: breaks by what the breaker was doing, indexed by enum rdmareg_operation.
 * @releases: layout watch: breaks that ended before the deadline.
 * @expiries: layout watch: breaks that ended by it. Together with @releases they are the breaks,
 *            but for one that still runs.
 * @rearms: layout watch: how often RDMAREG_REARM succeeded.
 * @writes_passed: layout watch: how often a plain write by somebody else was let through; a
 *                 filesystem that looks twice counts
 *	twice.
 * @kills: layout watch: breaks in which somebody who waited was killed (RDMAREG_FLAG_KILLED).
 * @reserved: out: 0.
 */
struct rdmareg_counters {
	__u32 slot;
	__u32 kind;
	__u64 cookie;
	__u64 causes[RDMAREG_CAUSE_BITS];
	__u64 breaks[RDMAREG_OP_COUNT];
	__u64 releases;
	__u64 expiries;
	__u64 rearms;
	__u64 writes_passed;
	__u64 kills;
	__u64 reserved[3];
};

#define RDMAREG_MAX_PACE_MS 10000u
#define RDMAREG_PACE_GRAINS 32u

/**
 * struct rdmareg_pace - RDMAREG_PACE: writebacks of a range watch need not be told at once
 * @slot: the watch.
 * @interval_ms: 0 .. RDMAREG_MAX_PACE_MS. An event whose cause is RDMAREG_CAUSE_WRITEBACK makes the
 *               slot pending at the latest so long after the first of those that were not reported;
 *               sooner if another watch of this opener is due, or if there is no place for it
 *               (@grain). All other events make it pending at once, as does 0, which is how a watch
 *               begins.
 * @grain: 0: such writebacks fold into one report. Else a power of two, and no less than a page: two
 *         fold only if they are in the same @grain bytes (counted from the start of the watch), or
 *         leave no hole between them and are no longer than RDMAREG_PACE_GRAINS of these. There may
 *         be several reports to collect then; when there is no place for another one (there are
 *         four) the slot becomes pending at once.
 *
 * For events from now on. RDMAREG_COLLECT of this very slot, but not of RDMAREG_SLOT_ANY, also takes
 * what is not pending yet. RDMAREG_COUNTERS counts every event when it happens.
 *
 * ENOENT no range watch in that slot; EINVAL out of bounds. A module that does not know it answers
 * ENOTTY and tells every event at once.
 */
struct rdmareg_pace {
	__u32 slot;
	__u32 interval_ms;
	__u64 grain;
};

#define RDMAREG_QUERY _IOR(RDMAREG_IOC_MAGIC, 0, struct rdmareg_query)
#define RDMAREG_WATCH_RANGE _IOWR(RDMAREG_IOC_MAGIC, 1, struct rdmareg_watch_range)
#define RDMAREG_WATCH_LAYOUT _IOWR(RDMAREG_IOC_MAGIC, 2, struct rdmareg_watch_layout)
#define RDMAREG_COLLECT _IOWR(RDMAREG_IOC_MAGIC, 3, struct rdmareg_report)
#define RDMAREG_RELEASE _IOW(RDMAREG_IOC_MAGIC, 4, struct rdmareg_release)
#define RDMAREG_REARM _IOW(RDMAREG_IOC_MAGIC, 5, struct rdmareg_rearm)
#define RDMAREG_UNWATCH _IOW(RDMAREG_IOC_MAGIC, 6, struct rdmareg_unwatch)
#define RDMAREG_COUNTERS _IOWR(RDMAREG_IOC_MAGIC, 7, struct rdmareg_counters)
#define RDMAREG_PACE _IOW(RDMAREG_IOC_MAGIC, 8, struct rdmareg_pace)

/* poll(2): POLLIN while any slot is pending. read(2) and write(2): EINVAL. */

#endif
