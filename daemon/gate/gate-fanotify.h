/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * gate-fanotify.h - what pre-content events add to <linux/fanotify.h>, for headers older than the
 * kernel this runs on.
 *
 * The numbers and the layout are the kernel's (include/uapi/linux/fanotify.h of Linux 6.14) and
 * never change. That a kernel really has them is found out by asking it (gate.c).
 */
#ifndef RDMAREG_GATE_FANOTIFY_H
#define RDMAREG_GATE_FANOTIFY_H

#include <stdint.h>
#include <sys/fanotify.h>

#ifndef FAN_PRE_ACCESS
#define FAN_PRE_ACCESS 0x00100000
#endif
#ifndef FAN_EVENT_INFO_TYPE_RANGE
#define FAN_EVENT_INFO_TYPE_RANGE 6
#endif
#ifndef FAN_DENY_ERRNO
#define FAN_DENY_ERRNO(error) (FAN_DENY | ((uint32_t)(error) % 256) << 24)
#endif

/*
 * struct fanotify_event_info_range: which bytes. @count 0 is a truncation to @offset, or a range to
 * the end of the file.
 */
struct gate_range_record {
	struct fanotify_event_info_header header;
	uint32_t pad;
	uint64_t offset;
	uint64_t count;
};
_Static_assert(sizeof(struct gate_range_record) == 24, "layout of the kernel");

#endif
