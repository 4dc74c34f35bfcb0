// SPDX-License-Identifier: GPL-2.0-or-later
/* failure.c - see failure.h. */
#include "util/failure.h"

#include <stddef.h>
#include <stdio.h>

int fail_va(struct failure *f, int error, const char *format, va_list args)
{
	if (!f)
		return error;
	f->code = error;
	f->name = NULL;
	vsnprintf(f->text, sizeof(f->text), format, args);
	return error;
}

int fail(struct failure *f, int error, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	error = fail_va(f, error, format, args);
	va_end(args);
	return error;
}
