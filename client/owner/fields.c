// SPDX-License-Identifier: LGPL-2.1-or-later
/* fields.c - see fields.h. */
#include "fields.h"

#include "rdmareg.h"
#include "util.h"

static const char *const types[] = {
	[FIELD_U32] = "u",  [FIELD_U64] = "t",	[FIELD_BOOL] = "b",
	[FIELD_TEXT] = "s", [FIELD_WORD] = "s", [FIELD_REVOCATION] = "(tsttt)",
};

int field_read(sd_bus_message *m, const struct field *f, void *into)
{
	void *place = (uint8_t *)into + f->offset;
	struct rdmareg_revocation *v = place;
	const char *text;
	unsigned int word;
	int r, truth;

	switch (f->kind) {
	case FIELD_U32:
	case FIELD_U64:
	case FIELD_TEXT:
		return sd_bus_message_read_basic(m, *types[f->kind], place);
	case FIELD_BOOL:
		r = sd_bus_message_read_basic(m, 'b', &truth);
		if (r >= 0)
			*(uint8_t *)place = (uint8_t)truth;
		return r;
	case FIELD_WORD:
		r = sd_bus_message_read_basic(m, 's', &text);
		if (r < 0)
			return r;
		word = word_value(f->vocabulary, text);
		memcpy(place, &word, sizeof(word));
		return r;
	case FIELD_REVOCATION:
		r = sd_bus_message_read(m, "(tsttt)", &v->id, &text, &v->offset, &v->length,
					&v->deadline_usec);
		if (r >= 0)
			v->cause = word_value(WORDS_CAUSE, text);
		return r;
	}
	return -EINVAL;
}

static int read_entry(sd_bus_message *m, const struct field *table, size_t n, void *into)
{
	const char *key;
	int r;

	r = sd_bus_message_read_basic(m, 's', &key);
	if (r < 0)
		return r;
	for (size_t i = 0; i < n; i++) {
		if (strcmp(table[i].key, key))
			continue;
		r = sd_bus_message_enter_container(m, 'v', types[table[i].kind]);
		if (r >= 0)
			r = field_read(m, &table[i], into);
		if (r >= 0)
			r = sd_bus_message_exit_container(m);
		return r;
	}
	return sd_bus_message_skip(m, "v");
}

int fields_read(sd_bus_message *m, const struct field *table, size_t n, void *into)
{
	int r;

	r = sd_bus_message_enter_container(m, 'a', "{sv}");
	if (r == 0)
		return -ENXIO; /* the message ends here */
	while (r >= 0) {
		r = sd_bus_message_enter_container(m, 'e', "sv");
		if (r <= 0)
			break;
		r = read_entry(m, table, n, into);
		if (r >= 0)
			r = sd_bus_message_exit_container(m);
	}
	return r < 0 ? r : sd_bus_message_exit_container(m);
}
