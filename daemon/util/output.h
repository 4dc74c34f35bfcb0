/* SPDX-License-Identifier: GPL-2.0-or-later */
/* output.h - what a program printed for its caller has arrived, or it has not succeeded. */
#ifndef RDMAREG_OUTPUT_H
#define RDMAREG_OUTPUT_H

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* The exit status of one that ends with @status. */
static inline int output_end(const char *program, int status)
{
	int r = fflush(stdout);

	if (!r && !ferror(stdout))
		return status;
	fprintf(stderr, "%s: writing the output: %s\n", program,
		r ? strerror(errno) : "not all of it could be written");
	return status ? status : 1;
}

#endif
