// SPDX-License-Identifier: GPL-2.0-or-later
/* reason.c - see reason.h. A text that does not fit is cut, never refused. */
#include "keeper/reason.h"

#include <stdarg.h>
#include <stdio.h>

int reason_set(struct reason *why, int error, const char *format, ...)
{
	va_list args;

	if (!why)
		return error;
	va_start(args, format);
	vsnprintf(why->text, sizeof(why->text), format, args);
	va_end(args);
	return error;
}
