// SPDX-License-Identifier: GPL-2.0-or-later
/* settings.c - each argument is NAME=VALUE; a value that is refused leaves what was there. */
#include <errno.h>
#include <string.h>

#include "client/ctl/format.h"
#include "settings.h"

#define USEC_PER_SEC 1000000ull
#define PERCENT_MAX 1000

static int read_directory(struct settings *s, const char *text)
{
	if (text[0] != '/' && strncmp(text, "~/", 2) != 0)
		return -EINVAL;
	s->directory = text;
	return 0;
}

static int read_wait(struct settings *s, const char *text)
{
	return parse_time(text, &s->wait_usec);
}

static int read_grace(struct settings *s, const char *text)
{
	return parse_time(text, &s->release_grace_usec);
}

/* SIZE, or a part of the job's memory as N%. The last one given counts, whichever of both it is. */
static int read_memory(struct settings *s, const char *text)
{
	size_t n = strlen(text);
	uint64_t bytes = 0, percent = 0;
	char digits[8];
	int r;

	if (!n || text[n - 1] != '%') {
		r = parse_size(text, &bytes);
	} else if (n > sizeof(digits)) {
		r = -EINVAL;
	} else {
		memcpy(digits, text, n - 1);
		digits[n - 1] = '\0';
		r = parse_number(digits, &percent);
		if (r == 0 && (!percent || percent > PERCENT_MAX))
			r = -EINVAL;
	}
	if (r < 0)
		return r;
	s->memory_bytes = bytes;
	s->memory_percent = percent;
	return 0;
}

/* As the kernel names them, and as struct rdmareg_session_info has room for. */
static int read_device(struct settings *s, const char *text)
{
	size_t n = strlen(text);

	if (!n || n > 63 ||
	    strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.:-") != n)
		return -EINVAL;
	s->device = text;
	return 0;
}

static const struct {
	const char *name;
	int (*read)(struct settings *s, const char *text);
} arguments[] = {
	{ "directory", read_directory }, { "wait", read_wait },	    { "grace", read_grace },
	{ "memory", read_memory },	 { "device", read_device },
};

void settings_init(struct settings *ret)
{
	*ret = (struct settings){ .directory = "~/.rdmareg",
				  .wait_usec = 30 * USEC_PER_SEC,
				  .release_grace_usec = 2 * USEC_PER_SEC };
}

int settings_take(struct settings *s, const char *argument)
{
	size_t n = strcspn(argument, "="), i;

	for (i = 0; i < sizeof(arguments) / sizeof(arguments[0]); i++)
		if (strlen(arguments[i].name) == n && !strncmp(arguments[i].name, argument, n) &&
		    argument[n])
			return arguments[i].read(s, argument + n + 1);
	return -EINVAL;
}
