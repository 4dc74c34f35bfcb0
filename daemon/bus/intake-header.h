/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * intake-header.h - what is in the header of a message of the bus, as far as the intake must know
 * it: where it ends, its type, its sender, and how many descriptors it has.
 *
 * What always holds: nothing is read beyond what is given, whoever made the message. No I/O, no
 * memory is allocated.
 */
#ifndef RDMAREG_BUS_INTAKE_HEADER_H
#define RDMAREG_BUS_INTAKE_HEADER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HEADER_SIZE 16		 /* before the fields */
#define MESSAGE_MAX (128u << 20) /* of the D-Bus specification */
#define BUS_NAME_MAX 256	 /* with the terminating zero */

struct header {
	size_t size;   /* of all of the message */
	size_t fields; /* of all before its body */
	uint8_t type;
	uint32_t serial;
	uint32_t n_fds;
	char sender[BUS_NAME_MAX]; /* empty: none */
	uint16_t seen;		   /* fields, by their bits */
	/* not all of its fields could be read, or they are not those of a call with descriptors */
	bool odd;
};

/* How a message begins. @data: HEADER_SIZE. -EBADMSG: it is none. */
int header_begin(const unsigned char *data, struct header *ret);
/* The fields, as far as they are in @data, the message from its begin. @h: of header_begin() */
void header_read(const unsigned char *data, size_t size, struct header *h);

#endif
