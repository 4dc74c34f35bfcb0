// SPDX-License-Identifier: GPL-2.0-or-later
/* log.c - see log.h. A line is built whole and written with one write(2), so that lines of several processes do not mix. */
#include "util/log.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int max_priority = LOG_INFO;

void log_set_level(int priority)
{
	max_priority = priority;
}

int log_level(void)
{
	return max_priority;
}

void log_write(int priority, const char *format, ...)
{
	char line[1024];
	int saved = errno, n, m;
	va_list args;

	if (priority > max_priority)
		return;
	n = snprintf(line, sizeof(line), "<%d>", priority);
	va_start(args, format);
	m = vsnprintf(line + n, sizeof(line) - (size_t)n - 1, format, args);
	va_end(args);
	if (m < 0)
		m = 0;
	n += m;
	if ((size_t)n > sizeof(line) - 2)
		n = (int)sizeof(line) - 2;
	line[n++] = '\n';
	if (write(STDERR_FILENO, line, (size_t)n) < 0)
		max_priority = -1; /* nobody can read it: stop trying */
	errno = saved;
}
