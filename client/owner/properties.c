// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * properties.c - see properties.h. The list of proto/region-properties.h says which property goes
 * where and how; the strings stay in the message, which is kept as long as they are.
 */
#include "properties.h"

#include <stdbool.h>

#include "error.h"
#include "fields.h"
#include "util.h"

/* How each kind of the list is read. */
#define READ_NUMBER FIELD_U64
#define READ_COUNT FIELD_U64
#define READ_BYTES FIELD_U64
#define READ_TIME FIELD_U64
#define READ_ADDRESS FIELD_U64
#define READ_SMALL FIELD_U32
#define READ_KEY FIELD_U32
#define READ_TRUTH FIELD_BOOL
#define READ_TEXT FIELD_TEXT
#define READ_REVOCATION FIELD_REVOCATION

static const struct field known[] = {
#define VALUE(member, name, kind, told, where) \
	FIELD_INTO(struct rdmareg_region_info, name, READ_##kind, member),
#define WORD(member, name, vocabulary, told, where) \
	FIELD_WORD_INTO(struct rdmareg_region_info, name, WORDS_##vocabulary, member),
	REGION_PROPERTIES(VALUE, WORD)
#undef WORD
#undef VALUE
};

static const bool brief[ARRAY_SIZE(known)] = {
#define VALUE(member, name, kind, told, where) 0 WHERE_##where(+1),
	REGION_PROPERTIES(VALUE, VALUE)
#undef VALUE
};

static struct rdmareg_region_info nothing(void)
{
	struct rdmareg_region_info info = { .faults = UINT64_MAX };
	const char *none = "";

	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		if (known[i].kind == FIELD_TEXT)
			memcpy((char *)&info + known[i].offset, &none, sizeof(none));
	return info;
}

static int take(struct properties *p, sd_bus_message *m, const struct rdmareg_region_info *info,
		int r)
{
	if (r < 0 || !info->id)
		return fail(EBADMSG,
			    "reading rdmaregd's answer: a region's properties make no sense; "
			    "do librdmareg and rdmaregd come from one version?");
	/* @m may be the very message that is let go: take the new reference first. */
	sd_bus_message_ref(m);
	sd_bus_message_unref(p->answer);
	p->answer = m;
	p->info = *info;
	return 0;
}

int properties_read(struct properties *p, sd_bus_message *m)
{
	struct rdmareg_region_info info = nothing();
	int r = fields_read(m, known, ARRAY_SIZE(known), &info);

	return take(p, m, &info, r);
}

int properties_read_brief(struct properties *p, sd_bus_message *m)
{
	struct rdmareg_region_info info = nothing();
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(known) && r >= 0; i++)
		if (brief[i])
			r = field_read(m, &known[i], &info);
	return take(p, m, &info, r);
}

#define VALUE(member, name, kind, told, where) PROPERTY_TYPE_##kind
#define WORD(member, name, vocabulary, told, where) PROPERTY_TYPE_WORD
static const char types[] = REGION_PROPERTIES(VALUE, WORD);
static const char structure[] = "(" REGION_PROPERTIES(VALUE, WORD) ")";
#undef WORD
#undef VALUE

/* Of the entry that is the only one. */
static int read_values(sd_bus_message *m, struct rdmareg_region_info *info)
{
	const char *key;
	int r = sd_bus_message_read_basic(m, 's', &key);

	if (r > 0)
		r = sd_bus_message_enter_container(m, 'v', structure);
	if (r > 0)
		r = sd_bus_message_enter_container(m, 'r', types);
	for (size_t i = 0; i < ARRAY_SIZE(known) && r >= 0; i++)
		r = field_read(m, &known[i], info);
	for (unsigned int i = 0; i < 2 && r >= 0; i++)
		r = sd_bus_message_exit_container(m);
	return r;
}

int properties_read_values(struct properties *p, sd_bus_message *m)
{
	struct rdmareg_region_info info = nothing();
	int r = sd_bus_message_enter_container(m, 'a', "{sv}");

	if (r > 0)
		r = sd_bus_message_enter_container(m, 'e', "sv");
	if (r > 0)
		r = read_values(m, &info);
	for (unsigned int i = 0; i < 2 && r >= 0; i++)
		r = sd_bus_message_exit_container(m);
	return take(p, m, &info, r);
}

void properties_append_option(sd_bus_message *m, int *r)
{
	if (*r >= 0)
		*r = sd_bus_message_open_container(m, 'e', "sv");
	if (*r >= 0)
		*r = sd_bus_message_append_basic(m, 's', "properties");
	if (*r >= 0)
		*r = sd_bus_message_open_container(m, 'v', "as");
	if (*r >= 0)
		*r = sd_bus_message_open_container(m, 'a', "s");
	for (size_t i = 0; i < ARRAY_SIZE(known) && *r >= 0; i++)
		*r = sd_bus_message_append_basic(m, 's', known[i].key);
	for (unsigned int i = 0; i < 3 && *r >= 0; i++)
		*r = sd_bus_message_close_container(m);
}

int properties_append_brief(sd_bus_message *m)
{
	int r = sd_bus_message_open_container(m, 'a', "s");

	for (size_t i = 0; i < ARRAY_SIZE(known) && r >= 0; i++)
		if (brief[i])
			r = sd_bus_message_append_basic(m, 's', known[i].key);
	return r < 0 ? r : sd_bus_message_close_container(m);
}

void properties_clear(struct properties *p)
{
	p->answer = sd_bus_message_unref(p->answer);
}
