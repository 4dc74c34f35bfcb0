/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cleanup.h - objects that free themselves when their variable goes out of scope.
 *
 * Every constructor builds into a variable marked with _cleanup_(...) and hands it out with
 * steal_pointer() or steal_fd() as its last act, so that no error path has to remember anything. A
 * cleanup function, named after its type with _freep, takes a pointer to the pointer, which may be
 * NULL.
 */
#ifndef RDMAREG_CLEANUP_H
#define RDMAREG_CLEANUP_H

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#define _cleanup_(f) __attribute__((cleanup(f)))

#define DEFINE_FREEP(type, function)             \
	static inline void function##p(type **p) \
	{                                        \
		if (*p)                          \
			function(*p);            \
	}

static inline void freep(void *p)
{
	free(*(void **)p);
}

/* Closes without touching errno, since it runs on the way out of a failing function. */
static inline void closep(const int *fd)
{
	int saved = errno;

	if (*fd >= 0)
		close(*fd);
	errno = saved;
}

#define steal_pointer(p)                  \
	({                                \
		__typeof__(p) *_p = &(p); \
		__typeof__(p) _v = *_p;   \
		*_p = NULL;               \
		_v;                       \
	})

static inline int steal_fd(int *fd)
{
	int v = *fd;

	*fd = -1;
	return v;
}

#endif
