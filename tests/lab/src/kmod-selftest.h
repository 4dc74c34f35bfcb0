/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * kmod-selftest.h - what the parts of the module's self-test share. Each test runs in a process of
 * its own, with a limit on its time, so that none can spoil another; it ends by returning (ok),
 * CHECK (not ok) or SKIP.
 *
 * What always holds: tests wait for conditions, never for time. Times are only compared with each
 * other, or with a bound so generous that passing it means "hangs".
 */
#ifndef KMOD_SELFTEST_H
#define KMOD_SELFTEST_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/types.h>

#include "rdmareg-uapi.h"

#define PAGE 4096u
#define FILE_BYTES (256u * PAGE)
#define MS 1000000ull
/* how long something that ought to be immediate may take on a slow, shared, emulated machine */
#define PATIENCE_MS 20000

enum filesystem { NO_FILESYSTEM, EXT4, XFS, XFSDAX, TMPFS, _FILESYSTEM_MAX };

extern const char *directories[_FILESYSTEM_MAX];
extern const char *const filesystem_names[_FILESYSTEM_MAX];
extern unsigned int repeat; /* how many times as long storms are as in each test run */

/*
 * @fs: each filesystem with a bit here gets a run of its own, skipped where no directory was given.
 */
struct test {
	const char *name;
	void (*run)(enum filesystem fs);
	unsigned int fs;
};

#define ON(fs) (1u << (fs))
#define ON_FILES (ON(EXT4) | ON(XFS) | ON(XFSDAX) | ON(TMPFS))
#define ON_XFS (ON(XFS) | ON(XFSDAX))

extern const struct test device_tests[], range_tests[], layout_tests[], taker_tests[], wait_tests[],
	race_tests[], counter_tests[], pace_tests[], storm_tests[], memory_tests[];

_Noreturn void fail(const char *file, int line, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
_Noreturn void skip(const char *format, ...) __attribute__((format(printf, 1, 2)));

#define CHECK(condition, ...)                                  \
	do {                                                   \
		if (!(condition))                              \
			fail(__FILE__, __LINE__, __VA_ARGS__); \
	} while (0)
/* For calls that return -1 and set errno. */
#define TRY(call)                                                                   \
	({                                                                          \
		__typeof__(call) result_ = (call);                                  \
		if (result_ == (__typeof__(call))-1)                                \
			fail(__FILE__, __LINE__, "%s: %s", #call, strerror(errno)); \
		result_;                                                            \
	})

uint64_t now_nsec(void);
/* Fails when @what has not come true in PATIENCE_MS. */
void wait_until(bool (*condition)(void *), void *argument, const char *what);

/* --- the device: one that was opened by this process */
struct device {
	int fd;
	struct rdmareg_query query;
};

void device_open(struct device *device);
/* The requests return 0 or -errno. */
int device_ioctl(const struct device *device, unsigned long request, void *argument);
int watch_range(const struct device *device, const void *address, size_t length, uint64_t cookie,
		uint32_t *ret_slot);
int try_watch_layout(const struct device *device, int fd, uint32_t deadline_ms, uint64_t cookie,
		     uint32_t *ret_slot);
/*
 * Tries again on -EAGAIN: for a moment after a break the module refuses leases, also of a new file
 * whose inode has the memory of the one that was broken. One test follows another in less than
 * that.
 */
int watch_layout(const struct device *device, int fd, uint32_t deadline_ms, uint64_t cookie,
		 uint32_t *ret_slot);
int collect(const struct device *device, uint32_t slot, struct rdmareg_report *ret_report);
int release(const struct device *device, uint32_t slot, uint32_t break_id);
int rearm(const struct device *device, uint32_t slot, uint32_t deadline_ms);
int unwatch(const struct device *device, uint32_t slot);
/* Armed, and nobody wants anything: it cannot be armed again, and there is no event. */
bool layout_armed(const struct device *device, uint32_t slot);
bool device_pending(const struct device *device, int timeout_ms);
/* Collects reports of the layout watch until it is in this state; the last one is returned. */
struct rdmareg_report wait_layout(const struct device *device, uint32_t slot,
				  enum rdmareg_layout_state state);
/* The same until the breaker's system call is over. */
void wait_unwound(const struct device *device, uint32_t slot);

/* --- the module: a number of its totals, of its parameters, and how many use it */
uint64_t total(const char *name);
uint64_t parameter(const char *name);
uint64_t users(void);

/* --- files: of FILE_BYTES, clean, gone with the directory entry when the test ends */
struct file {
	char path[256];
	int fd;
};

void file_make(struct file *file, enum filesystem fs);
/* Maps it shared, writable, each page read once. */
char *file_map(const struct file *file);

/* --- other processes: killed when the test ends */
struct child {
	pid_t pid;
	int pidfd;
	struct outcome *outcome;
};

/* @result: what the function returned. The times are CLOCK_MONOTONIC, @end 0 while it runs. */
struct outcome {
	volatile int result;
	volatile uint64_t begin_nsec;
	volatile uint64_t end_nsec;
};

void child_start(struct child *child, int (*run)(void *), void *argument);
/* Waits for its end; fails when it hangs. */
struct outcome child_wait(struct child *child);
bool child_running(const struct child *child);
/* Makes this process one of two threads. The other one does nothing. */
void add_thread(void);

/* --- descriptors between processes */
void send_fd(int socket, int fd);
int receive_fd(int socket);

#endif
