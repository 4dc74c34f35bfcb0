/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * util.h - what every file of the library needs: objects that free themselves on the way out,
 * clocks, and the growing structures of the public interface. What always holds: nothing here fails
 * halfway, and none of it is exported.
 */
#ifndef RDMAREG_CLIENT_UTIL_H
#define RDMAREG_CLIENT_UTIL_H

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define _public_ __attribute__((visibility("default")))
#define _cleanup_(f) __attribute__((cleanup(f)))

#define DEFINE_CLEANUP(type, function)                  \
	static inline void function##_cleanup(type **p) \
	{                                               \
		if (*p)                                 \
			function(*p);                   \
	}

static inline void free_cleanup(void *p)
{
	free(*(void **)p);
}

#define take_pointer(p)                     \
	({                                  \
		__typeof__(p) _taken = (p); \
		(p) = NULL;                 \
		_taken;                     \
	})

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

#define USEC_PER_SEC 1000000ull

static inline uint64_t clock_usec(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * USEC_PER_SEC + (uint64_t)t.tv_nsec / 1000;
}

/*
 * a + b, or the largest value there is: deadlines made of caller's numbers never wrap into the
 * past.
 */
static inline uint64_t add_saturating(uint64_t a, uint64_t b)
{
	return b > UINT64_MAX - a ? UINT64_MAX : a + b;
}

/* How long the next one of @parts may take that follow each other until @deadline_usec. */
static inline uint64_t part_of_time(uint64_t deadline_usec, uint64_t parts)
{
	uint64_t now = clock_usec(CLOCK_MONOTONIC);

	return now < deadline_usec ? (deadline_usec - now) / parts : 0;
}

/* What people know a descriptor by: the file's path as far as it can be told, or "descriptor 5". */
#define FD_NAME_BYTES 256
const char *fd_name(int fd, char buffer[static FD_NAME_BYTES]);

#define STRUCT_MAX 4096

/*
 * struct_in - read a caller's structure that begins with its size into ours (@target, zeroed here)
 *
 * An older caller's is shorter: the rest is 0. A newer caller's is longer: the rest must be 0.
 * NULL: all 0. -EINVAL, -E2BIG with the error sentence set. A size beyond STRUCT_MAX was never set:
 * nothing is read then.
 */
int struct_in(void *target, size_t target_bytes, const void *caller);

/* What is reserved in it: a later version may give it a meaning, so 0 it must be. -E2BIG. */
int struct_check_reserved(const void *reserved, size_t bytes);

/*
 * struct_out - write ours into a caller's structure as far as the size in it reaches, which stays.
 * -EINVAL as above.
 */
int struct_out_check(const void *caller); /* before something is done whose result would be lost */
int struct_out(void *caller, const void *source, size_t source_bytes);

#endif
