/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fanotify-kernel.h - the parts of the kernel's fanotify interface that are newer than some headers we are built with.
 *
 * Values and layouts: include/uapi/linux/fanotify.h of Linux 6.14. They are ABI, so an older header only lacks the names.
 */
#ifndef RDMAREG_FANOTIFY_KERNEL_H
#define RDMAREG_FANOTIFY_KERNEL_H

#include <stdint.h>
#include <sys/fanotify.h>

#ifndef FAN_PRE_ACCESS
#define FAN_PRE_ACCESS 0x00100000
#endif
#ifndef FAN_EVENT_INFO_TYPE_RANGE
#define FAN_EVENT_INFO_TYPE_RANGE 6
#endif
#ifndef FAN_DENY_ERRNO
#define FAN_DENY_ERRNO(error) (FAN_DENY | ((uint32_t)(error)&0xff) << 24)
#endif

/* struct fanotify_event_info_range */
struct kernel_info_range {
	uint8_t info_type;
	uint8_t pad;
	uint16_t len;
	uint32_t pad2;
	uint64_t offset;
	uint64_t count;
};

#endif
