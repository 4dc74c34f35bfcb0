/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fields.h - dictionaries of named values (a{sv}) read into structures, after a table.
 *
 * What always holds: a key that is not in the table is skipped, one that is missing leaves its
 * member alone, and one of another type than the table says is a failure, never a guess. Strings
 * stay in the message.
 */
#ifndef RDMAREG_CLIENT_FIELDS_H
#define RDMAREG_CLIENT_FIELDS_H

#include <stddef.h>
#include <systemd/sd-bus.h>

#include "words.h"

enum field_kind {
	FIELD_U32,
	FIELD_U64,
	FIELD_BOOL, /* uint8_t */
	FIELD_TEXT, /* const char *, of the message */
	FIELD_WORD, /* an enumeration */
	FIELD_REVOCATION,
};

struct field {
	const char *key;
	enum field_kind kind;
	enum vocabulary vocabulary; /* of a FIELD_WORD */
	size_t offset;		    /* into the structure */
};

/* One line of a table: into a member, or as a word into an enumeration. */
#define FIELD_INTO(type, key, kind, member) { key, kind, 0, offsetof(type, member) }
#define FIELD_WORD_INTO(type, key, vocabulary, member) \
	{ key, FIELD_WORD, vocabulary, offsetof(type, member) }

/* Read the value at the message's present position into the member. */
int field_read(sd_bus_message *m, const struct field *f, void *into);

/*
 * Read the dictionary at the message's present position. Negative: it is none, or a known key's
 * type is another.
 */
int fields_read(sd_bus_message *m, const struct field *table, size_t n, void *into);

#endif
