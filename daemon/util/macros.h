/* SPDX-License-Identifier: GPL-2.0-or-later */
/* macros.h - what C leaves out: how many items an array has, and what a member is part of. */
#ifndef RDMAREG_MACROS_H
#define RDMAREG_MACROS_H

#include <stddef.h>

/* Of an array, not of a pointer. */
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/*
 * The structure of that type whose @member @pointer points to; @pointer has to have the member's
 * type.
 */
#define container_of(pointer, type, member)                                              \
	({                                                                               \
		_Static_assert(__builtin_types_compatible_p(                             \
				       __typeof__(*(pointer)),                           \
				       __typeof__(((type *)(void *)(pointer))->member)), \
			       "the pointer is to no such member");                      \
		(type *)(void *)((char *)(pointer) - offsetof(type, member));            \
	})

#endif
