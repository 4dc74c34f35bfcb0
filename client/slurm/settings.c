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

/* As the kernel names it, and as struct rdmareg_session_info has room for; none twice. */
static int add_device(struct settings *s, const char *text, size_t n)
{
	static const char valid[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.:-";
	char *device = s->device[s->n_devices];
	size_t i;

	if (!n || n >= SETTINGS_DEVICE_BYTES || strspn(text, valid) < n)
		return -EINVAL;
	memcpy(device, text, n);
	for (i = 0; i < s->n_devices; i++)
		if (!strcmp(s->device[i], device))
			return -EINVAL;
	s->n_devices++;
	return 0;
}

static int read_device(struct settings *s, const char *text)
{
	struct settings new = *s;
	size_t n;
	int r;

	new.n_devices = 0;
	memset(new.device, 0, sizeof(new.device));
	for (;; text += n + 1) {
		n = strcspn(text, ",");
		r = new.n_devices < RDMAREG_RAILS_MAX ? add_device(&new, text, n) : -EINVAL;
		if (r < 0)
			return r;
		if (!text[n])
			break;
	}
	*s = new;
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

const char *settings_device(const struct settings *s, size_t rail)
{
	return rail < s->n_devices ? s->device[rail] : NULL;
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
