// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * spec.c - the argument of --rdmareg, read from both ends: the options after the first comma, the
 * access after the last colon before it; what is left names the memory.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "client/ctl/format.h"
#include "spec.h"

#define LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
#define NAME_CHARACTERS LETTERS "0123456789_.-"

static int wrong(char *error, const char *format, ...) __attribute__((format(printf, 2, 3)));
static int wrong(char *error, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(error, SPEC_ERROR_BYTES, format, arguments);
	va_end(arguments);
	return -EINVAL;
}

static const char *after(const char *text, const char *prefix)
{
	size_t n = strlen(prefix);

	return strncmp(text, prefix, n) ? NULL : text + n;
}

static int read_size(struct spec *s, const char *text, char *error)
{
	if (parse_size(text, &s->size) < 0 || !s->size || s->size > INT64_MAX)
		return wrong(
			error,
			"'%s' is no size; valid: bytes above 0, or with K, M, G or T, such as 64M",
			text);
	return 0;
}

/* SOURCE[:ACCESS], which is cut where it is read. */
static int read_source(struct spec *s, char *text, char *error)
{
	char *colon = strrchr(text, ':');
	const char *size;

	if (colon && (!strcmp(colon, ":r") || !strcmp(colon, ":rw"))) {
		s->access = colon[2] ? RDMAREG_ACCESS_READ_WRITE : RDMAREG_ACCESS_READ;
		*colon = '\0';
		colon = NULL;
	}
	if ((size = after(text, "dax:")))
		s->source = SPEC_DAX;
	else if ((size = after(text, "memfd:")))
		s->source = SPEC_MEMFD;
	else
		s->source = SPEC_FILE;
	if (!s->access)
		s->access =
			s->source == SPEC_FILE ? RDMAREG_ACCESS_READ : RDMAREG_ACCESS_READ_WRITE;
	if (size)
		return read_size(s, size, error);
	if (*text != '/')
		return wrong(
			error,
			"'%s' is neither an absolute path nor dax:SIZE or memfd:SIZE; nodes may differ in what a relative path means",
			text);
	if (colon && colon > strrchr(text, '/'))
		return wrong(
			error,
			"access '%s' is neither r nor rw; if it is a part of the path, write the access after it",
			colon + 1);
	snprintf(s->path, sizeof(s->path), "%s", text);
	return 0;
}

static int read_name(struct spec *s, const char *text, char *error)
{
	size_t n = strlen(text);

	if (!n || n >= sizeof(s->name) || strspn(text, NAME_CHARACTERS) != n)
		return wrong(
			error,
			"name '%s' is not of 1 to %zu letters, digits, underscores, dots and dashes",
			text, sizeof(s->name) - 1);
	memcpy(s->name, text, n + 1);
	return 0;
}

static int read_option(struct spec *s, const char *text, char *error)
{
	const char *value;

	if (!strcmp(text, "warm")) {
		s->warm = 1;
		return 0;
	}
	if (!strcmp(text, "required")) {
		s->required = 1;
		return 0;
	}
	if (!strcmp(text, "rails")) {
		s->rails = 1;
		return 0;
	}
	if ((value = after(text, "policy="))) {
		s->policy = rdmareg_policy_from_name(value);
		return s->policy ? 0
				 : wrong(error, "policy '%s' is none; valid: follow, yield, hold",
					 value);
	}
	if ((value = after(text, "grace="))) {
		if (parse_time(value, &s->grace_usec) < 0)
			return wrong(
				error,
				"grace '%s' is no time; valid: seconds, or with us, ms, s, min or h, such as 500ms; 0: none",
				value);
		if (!s->grace_usec)
			s->grace_usec = RDMAREG_NO_GRACE;
		return 0;
	}
	if ((value = after(text, "name="))) {
		s->named = 1;
		return read_name(s, value, error);
	}
	return wrong(
		error,
		"option '%s' is none; valid: warm, required, rails, policy=POLICY, grace=TIME, name=NAME",
		text);
}

/* An option may be given once: of two values nobody knows which was meant. */
static int read_options(struct spec *s, char *text, char *error)
{
	const char *seen[8];
	size_t n = 0, i;

	while (text) {
		char *next = strchr(text, ',');
		size_t length;
		int r;

		if (next)
			*next++ = '\0';
		length = strcspn(text, "=");
		for (i = 0; i < n; i++)
			if (strcspn(seen[i], "=") == length && !strncmp(seen[i], text, length))
				return wrong(error, "option '%.*s' is given twice", (int)length,
					     text);
		r = read_option(s, text, error);
		if (r < 0)
			return r;
		seen[n++] = text;
		text = next;
	}
	return 0;
}

static int check_text(const char *text, char *error)
{
	const char *c;

	for (c = text; *c; c++)
		if ((unsigned char)*c < 0x20 || *c == 0x7f || *c == ';')
			return wrong(
				error,
				"semicolons and control characters cannot be part of it; give a path with such a character another name by a symbolic link");
	return 0;
}

void spec_variable(char ret[SPEC_VARIABLE_BYTES], const char *name)
{
	char *c;

	snprintf(ret, SPEC_VARIABLE_BYTES, SPEC_VARIABLE_PREFIX "%s", name);
	for (c = ret; *c; c++)
		if (*c == '.' || *c == '-')
			*c = '_';
}

static int check_name(const struct spec_list *list, const struct spec *s, char *error)
{
	char mine[SPEC_VARIABLE_BYTES], other[SPEC_VARIABLE_BYTES];
	size_t i;

	spec_variable(mine, s->name);
	for (i = 0; i < list->n; i++) {
		if (!strcmp(list->specs[i].name, s->name))
			return wrong(error, "two regions of the job have the name '%s'", s->name);
		spec_variable(other, list->specs[i].name);
		if (!strcmp(mine, other))
			return wrong(
				error,
				"names '%s' and '%s' differ in '.', '-' and '_' only, and would share the variable %s; choose another name",
				list->specs[i].name, s->name, mine);
	}
	return 0;
}

int spec_list_add(struct spec_list *list, const char *argument, char error[SPEC_ERROR_BYTES])
{
	size_t used = strlen(list->text), n = strlen(argument);
	struct spec *s = &list->specs[list->n];
	char text[SPEC_BYTES], *options;
	int r;

	if (list->n == SPECS_MAX)
		return wrong(error, "more than %d regions; a region can be as large as its file",
			     SPECS_MAX);
	if (used + n + 2 > sizeof(list->text))
		return wrong(error, "longer than %d characters, all regions together",
			     SPEC_BYTES - 2);
	r = check_text(argument, error);
	if (r < 0)
		return r;
	memcpy(text, argument, n + 1);
	options = strchr(text, ',');
	if (options)
		*options++ = '\0';
	*s = (struct spec){ 0 };
	r = read_source(s, text, error);
	if (r == 0)
		r = read_options(s, options, error);
	if (r == 0 && !s->name[0])
		snprintf(s->name, sizeof(s->name), "r%zu", list->n + 1);
	if (r == 0)
		r = check_name(list, s, error);
	if (r < 0)
		return r;
	snprintf(list->text + used, sizeof(list->text) - used, "%s%s", used ? ";" : "", argument);
	list->n++;
	return 0;
}

int spec_list_parse(struct spec_list *list, const char *text, char error[SPEC_ERROR_BYTES])
{
	struct spec_list whole = { 0 };
	char copy[SPEC_BYTES], *rest = copy, *one;
	int r;

	if (strlen(text) >= sizeof(copy))
		return wrong(error, "longer than %d characters, all regions together",
			     SPEC_BYTES - 2);
	snprintf(copy, sizeof(copy), "%s", text);
	while (strcmp(text, "none") && (one = strsep(&rest, ";"))) {
		r = spec_list_add(&whole, one, error);
		if (r < 0)
			return r;
	}
	*list = whole;
	return 0;
}

void spec_printable(char *ret, size_t bytes, const char *text)
{
	size_t n = 0;

	/* room for the longest of what one character becomes, and for what says that there is more */
	for (; *text && n + 4 + 4 <= bytes; text++) {
		unsigned char c = (unsigned char)*text;

		if (c < 0x20 || c >= 0x7f || c == '\\')
			n += (size_t)snprintf(ret + n, bytes - n, "\\x%02x", c);
		else
			ret[n++] = *text;
	}
	snprintf(ret + n, bytes - n, "%s", *text ? "..." : "");
}

int spec_list_required(const struct spec_list *list)
{
	size_t i;

	for (i = 0; i < list->n; i++)
		if (list->specs[i].required)
			return 1;
	return 0;
}

int spec_list_rails(const struct spec_list *list)
{
	size_t i;

	for (i = 0; i < list->n; i++)
		if (list->specs[i].rails)
			return 1;
	return 0;
}
