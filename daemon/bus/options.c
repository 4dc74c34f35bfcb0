// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * options.c - the a{sv} of a method, read by a table of what the method knows. Unknown keys are
 * refused, not ignored: a caller that misspells "detached" must not believe that it was obeyed.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "bus/bus-internal.h"
#include "util/text.h"

static const char *type_name(char type)
{
	switch (type) {
	case 's':
		return "a string (s)";
	case 't':
		return "a 64-bit number (t)";
	case 'u':
		return "a 32-bit number (u)";
	case 'o':
		return "an object path (o)";
	case 'a':
		return "an array of strings (as)";
	default:
		return "true or false (b)";
	}
}

static bool is_of_type(const struct option *o, const char *contents)
{
	return o->type == 'a' ? !strcmp(contents, "as") : contents[0] == o->type && !contents[1];
}

/* @contents: as its type is. */
static int read_value(sd_bus_message *m, const struct option *o, const char *contents,
		      struct failure *f)
{
	int v, r;

	r = sd_bus_message_enter_container(m, 'v', contents);
	if (r < 0)
		return r;
	if (o->type == 'a') {
		r = properties_choose(m, o->value, f);
		if (r)
			return r;
	} else if (o->type == 'b') { /* sd-bus reads an int */
		r = sd_bus_message_read_basic(m, 'b', &v);
		if (r >= 0)
			*(bool *)o->value = v;
	} else {
		r = sd_bus_message_read_basic(m, o->type, o->value);
	}
	if (r < 0)
		return r;
	if (o->ret_given)
		*o->ret_given = true;
	r = sd_bus_message_exit_container(m);
	return r < 0 ? r : 0;
}

static int refuse_key(const char *key, const struct option *known, size_t n, struct failure *f)
{
	char list[200] = "none", clean[64];
	size_t used = 0;

	for (size_t i = 0; i < n && used < sizeof(list); i++)
		used += (size_t)snprintf(list + used, sizeof(list) - used, "%s%s", i ? ", " : "",
					 known[i].name);
	text_clean(clean, sizeof(clean), key, strlen(key));
	return failure_set(f, RDMAREG_ERROR_INVALID_OPTION,
			   "there is no option '%s' here; known are: %s", clean, list);
}

static int read_entry(sd_bus_message *m, const struct option *known, size_t n, struct failure *f)
{
	const char *key, *contents;
	int r = sd_bus_message_read_basic(m, 's', &key);

	if (r < 0)
		return r;
	for (size_t i = 0; i < n; i++) {
		if (strcmp(known[i].name, key))
			continue;
		r = sd_bus_message_peek_type(m, NULL, &contents);
		if (r < 0)
			return r;
		if (!is_of_type(&known[i], contents))
			return failure_set(f, RDMAREG_ERROR_INVALID_OPTION,
					   "option '%s' must be %s, not of type '%.30s'", key,
					   type_name(known[i].type), contents);
		return read_value(m, &known[i], contents, f);
	}
	return refuse_key(key, known, n, f);
}

int options_read(sd_bus_message *m, const struct option *known, size_t n,
		 struct failure *ret_failure)
{
	int r = sd_bus_message_enter_container(m, 'a', "{sv}");

	if (r < 0)
		return r;
	for (;;) {
		r = sd_bus_message_enter_container(m, 'e', "sv");
		if (r < 0)
			return r;
		if (r == 0)
			return sd_bus_message_exit_container(m) < 0 ? -EBADMSG : 0;
		r = read_entry(m, known, n, ret_failure);
		if (r)
			return r;
		r = sd_bus_message_exit_container(m);
		if (r < 0)
			return r;
	}
}

int option_word(const char *key, const char *word, const char *const *names, size_t n, uint8_t *ret,
		struct failure *ret_failure)
{
	char list[200] = "", clean[64];
	size_t used = 0;

	for (size_t i = 0; i < n; i++) {
		if (!strcmp(names[i], word)) {
			*ret = (uint8_t)i;
			return 0;
		}
		if (used < sizeof(list))
			used += (size_t)snprintf(list + used, sizeof(list) - used, " %s", names[i]);
	}
	text_clean(clean, sizeof(clean), word, strlen(word));
	return failure_set(ret_failure, RDMAREG_ERROR_INVALID_OPTION,
			   "'%s' is not valid for %s: it must be one of%s", clean, key, list);
}
