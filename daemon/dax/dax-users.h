/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * dax-users.h - who has a device open or mapped. What always holds: only /proc is read; who is gone
 * before it is asked does not count; who may not be looked into does.
 */
#ifndef RDMAREG_DAX_USERS_H
#define RDMAREG_DAX_USERS_H

#include <stddef.h>

/*
 * The first process found, and its name; 0: none. Descriptors on their way in a socket are not
 * seen, and those of other users only with CAP_DAC_READ_SEARCH.
 */
int dax_user(const char *name, char *ret_command, size_t size);

#endif
