/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * trace.h - tracepoints, group "rdmareg" in /sys/kernel/tracing/events: what was invalidated, who
 * breaks a layout and how that ends. Nothing of the module depends on them.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM rdmareg

#if !defined(RDMAREG_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define RDMAREG_TRACE_H

#include <linux/fs.h>
#include <linux/tracepoint.h>

/* @causes: RDMAREG_CAUSE_; @start, @end: addresses, the end not included. */
TRACE_EVENT(rdmareg_invalidate,
	    TP_PROTO(u64 cookie, u32 causes, unsigned long start, unsigned long end),
	    TP_ARGS(cookie, causes, start, end),
	    TP_STRUCT__entry(__field(u64, cookie) __field(u32, causes) __field(unsigned long, start)
				     __field(unsigned long, end)),
	    TP_fast_assign(__entry->cookie = cookie; __entry->causes = causes;
			   __entry->start = start; __entry->end = end;),
	    TP_printk("cookie=%llu causes=%#x start=%#lx end=%#lx", __entry->cookie,
		      __entry->causes, __entry->start, __entry->end));

/*
 * @operation: enum rdmareg_operation; @deadline_ms: how long `current` and others may have to wait.
 */
TRACE_EVENT(rdmareg_break,
	    TP_PROTO(const struct inode *inode, u64 cookie, u32 operation, u32 deadline_ms),
	    TP_ARGS(inode, cookie, operation, deadline_ms),
	    TP_STRUCT__entry(__field(dev_t, dev) __field(u64, ino) __field(u64, cookie)
				     __field(u32, operation) __field(u32, deadline_ms)),
	    TP_fast_assign(__entry->dev = inode->i_sb->s_dev; __entry->ino = inode->i_ino;
			   __entry->cookie = cookie; __entry->operation = operation;
			   __entry->deadline_ms = deadline_ms;),
	    TP_printk("dev=%d:%d ino=%llu cookie=%llu operation=%u deadline_ms=%u",
		      MAJOR(__entry->dev), MINOR(__entry->dev), __entry->ino, __entry->cookie,
		      __entry->operation, __entry->deadline_ms));

/* @expired: by the deadline, not by the process. */
TRACE_EVENT(rdmareg_give_back, TP_PROTO(const struct inode *inode, u64 cookie, bool expired),
	    TP_ARGS(inode, cookie, expired),
	    TP_STRUCT__entry(__field(dev_t, dev) __field(u64, ino) __field(u64, cookie)
				     __field(bool, expired)),
	    TP_fast_assign(__entry->dev = inode->i_sb->s_dev; __entry->ino = inode->i_ino;
			   __entry->cookie = cookie; __entry->expired = expired;),
	    TP_printk("dev=%d:%d ino=%llu cookie=%llu expired=%d", MAJOR(__entry->dev),
		      MINOR(__entry->dev), __entry->ino, __entry->cookie, __entry->expired));

#endif

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
