// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * slurm-spec.c - the input is what a job asks for, as the plugin for Slurm takes it from a job's
 * environment, on each node.
 *
 * Measured: client/slurm/spec.c client/ctl/format.c
 *
 * A list that is taken, read again from its own text, is the same list. Text that goes to a log is
 * printable, and is no longer than there is room.
 */
#undef NDEBUG
#include <assert.h>
#include <errno.h>
#include <stdio.h>

#include "bytes.h"
#include "client/slurm/spec.h"

static void check_printable(const char *text, size_t room)
{
	char shown[SPEC_BYTES];

	spec_printable(shown, room, text);
	assert(strlen(shown) < room);
	for (const char *c = shown; *c; c++)
		assert(*c >= ' ' && *c <= '~');
}

static void check_spec(const struct spec_list *list, const struct spec *s)
{
	char mine[SPEC_VARIABLE_BYTES], other[SPEC_VARIABLE_BYTES];

	assert(s->source >= SPEC_FILE && s->source <= SPEC_MEMFD && s->access && *s->name);
	assert((s->source == SPEC_FILE) == (*s->path == '/'));
	assert((s->source == SPEC_FILE) == !s->size);
	spec_variable(mine, s->name);
	assert(!mine[strspn(mine, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				  "0123456789_")]);
	for (const struct spec *o = list->specs; o < s; o++) {
		spec_variable(other, o->name);
		assert(strcmp(mine, other) != 0);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct spec_list list, again;
	char text[SPEC_BYTES + 8], error[SPEC_ERROR_BYTES] = "";
	struct bytes b = { data, size };

	bytes_text(&b, text, sizeof(text));
	check_printable(text, 8 + size % 64);
	memset(&list, 0, sizeof(list));
	memset(&again, 0, sizeof(again));
	if (spec_list_parse(&list, text, error) < 0) {
		assert(*error && memchr(error, 0, sizeof(error)) && !list.n && !*list.text);
		return 0;
	}
	assert(list.n <= SPECS_MAX);
	for (size_t i = 0; i < list.n; i++)
		check_spec(&list, &list.specs[i]);
	assert(spec_list_parse(&again, *list.text ? list.text : "none", error) == 0);
	assert(!memcmp(&again, &list, sizeof(list)));
	return 0;
}
