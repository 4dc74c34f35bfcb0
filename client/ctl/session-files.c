// SPDX-License-Identifier: GPL-2.0-or-later
/* session-files.c - see session-files.h. */
#include "session-files.h"

#include <stdio.h>
#include <string.h>

#include "format.h"

static int wrong(const char *given, const char *why)
{
	return ctl_error(EXIT_USAGE, "session run: --file %s: %s", given, why);
}

static int read_path(struct session_file *f, const char *text, size_t length, const char *given)
{
	const char *colon = memrchr(text, ':', length);
	size_t behind = colon ? length - (size_t)(colon - text) - 1 : 0;

	f->access = RDMAREG_ACCESS_READ;
	if (colon && (behind == 1 || behind == 2) && !strncmp(colon + 1, "rw", behind)) {
		f->access = behind == 2 ? RDMAREG_ACCESS_READ_WRITE : RDMAREG_ACCESS_READ;
		length = (size_t)(colon - text);
	} else if (colon && !memchr(colon, '/', behind + 1)) {
		return wrong(given, "behind the colon is neither r nor rw; if it is part of the "
				    "path, write :r behind it");
	}
	if (!length)
		return wrong(given, "the path is missing");
	if (length >= sizeof(f->path))
		return wrong(given, "the path is too long");
	memcpy(f->path, text, length);
	return 0;
}

static int read_name(struct session_file *f, const char *value, const char *given)
{
	static const char allowed[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-";
	size_t n = strlen(value);

	if (!n || n >= sizeof(f->name) || strspn(value, allowed) != n || *value == '.')
		return wrong(given, "a name has 1 to 64 letters, digits, '_', '.' or '-', and does "
				    "not begin with '.'");
	memcpy(f->name, value, n + 1);
	f->named = true;
	return 0;
}

static int read_option(struct session_file *f, const char *option, const char *given)
{
	const char *value = strchr(option, '=');
	size_t n = value ? (size_t)(value - option) : strlen(option);

	value = value ? value + 1 : "";
	if (!strcmp(option, "warm")) {
		f->warm = true;
		return 0;
	}
	if (n == 4 && !strncmp(option, "name", n))
		return read_name(f, value, given);
	if (n == 6 && !strncmp(option, "policy", n)) {
		f->policy = rdmareg_policy_from_name(value);
		return f->policy ? 0 : wrong(given, "policy= is follow, yield or hold");
	}
	if (n == 9 && !strncmp(option, "warm-mode", n)) {
		f->warm_mode = rdmareg_warm_mode_from_name(value);
		return f->warm_mode ? 0
				    : wrong(given, "warm-mode= is off, read, adaptive or write");
	}
	if (n == 5 && !strncmp(option, "grace", n)) {
		if (parse_time(value, &f->grace_usec) < 0)
			return wrong(given,
				     "grace= is a time: seconds, or with us, ms, s, min or h");
		if (!f->grace_usec)
			f->grace_usec = RDMAREG_NO_GRACE;
		return 0;
	}
	return wrong(given, "an option is warm, name=, policy=, grace= or warm-mode=");
}

static int read_one(struct session_file *f, const char *given, size_t place)
{
	size_t length = strcspn(given, ",");
	int r = read_path(f, given, length, given);

	snprintf(f->name, sizeof(f->name), "%zu", place);
	for (const char *at = given + length; !r && *at; at += length) {
		char option[128];

		length = strcspn(++at, ",");
		if (length >= sizeof(option))
			return wrong(given, "an option is too long");
		memcpy(option, at, length);
		option[length] = 0;
		r = read_option(f, option, given);
	}
	return r;
}

int session_files_read(const struct texts *texts, struct session_file **ret)
{
	struct session_file *files = calloc(texts->n + 1, sizeof(*files));
	int r = files ? 0 : ctl_error(EXIT_FAILED, "out of memory");

	for (size_t i = 0; !r && i < texts->n; i++) {
		r = read_one(&files[i], texts->all[i], i);
		for (size_t k = 0; !r && k < i; k++)
			if (!strcmp(files[i].name, files[k].name))
				r = wrong(texts->all[i], "another file has the same name");
	}
	if (r) {
		free(files);
		return r;
	}
	*ret = files;
	return 0;
}
