// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test-standing-record.c - the record of a standing region: what was written is read again, and a
 * text that was not, whoever made it, is refused.
 */
#undef NDEBUG
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "arbiter/standing-record.h"
#include "util/macros.h"

static struct standing sample(void)
{
	struct standing s = { .uid = 1000,
			      .session = "default",
			      .name = "model",
			      .path = "/srv/a file",
			      .file = { .uuid = { 1, UINT64_MAX },
					.inode = 131,
					.born_nsec = 7,
					.handle_type = 1,
					.handle_size = 3,
					.handle = { 0, 0xff, 0x1a } },
			      .offset = 65536,
			      .length = 65536,
			      .grace_usec = 5000000,
			      .access = ACCESS_READ_WRITE,
			      .policy = POLICY_YIELD,
			      .warm_mode = WARM_ADAPTIVE,
			      .pre_content = true,
			      .no_warm = true };

	return s;
}

static bool same(const struct standing *a, const struct standing *b)
{
	return a->uid == b->uid && !strcmp(a->session, b->session) && !strcmp(a->name, b->name) &&
	       !strcmp(a->path, b->path) && identity_is_same(&a->file, &b->file) &&
	       a->offset == b->offset && a->length == b->length && a->grace_usec == b->grace_usec &&
	       a->access == b->access && a->policy == b->policy && a->warm_mode == b->warm_mode &&
	       a->pre_content == b->pre_content && a->no_warm == b->no_warm;
}

static void test_round_trip(void)
{
	struct standing s = sample(), back = { 0 };
	char text[RECORD_TEXT_MAX], name[STANDING_FILE_NAME_MAX];

	assert(standing_print(&s, text) == strlen(text));
	assert(standing_parse(text, &back) && same(&s, &back));
	standing_file_name(&back, name);
	assert(!strcmp(name, "1000:default:model"));
	/* the longest of everything has room */
	memset(s.session, 's', sizeof(s.session) - 1);
	memset(s.name, 'n', sizeof(s.name) - 1);
	memset(s.path, 'p', sizeof(s.path) - 1);
	s.path[0] = '/';
	s.uid = UINT32_MAX - 1;
	s.grace_usec = s.file.inode = s.file.born_nsec = s.file.uuid[0] = UINT64_MAX;
	s.file.handle_size = sizeof(s.file.handle);
	memset(s.file.handle, 0xa5, sizeof(s.file.handle));
	assert(standing_print(&s, text) == strlen(text) && strlen(text) < sizeof(text) - 1);
	assert(standing_parse(text, &back) && same(&s, &back));
	standing_file_name(&s, name);
	assert(strlen(name) < sizeof(name) - 1);
	/* no handle, no uuid */
	s = sample();
	s.file = (struct file_identity){ .inode = 1 };
	standing_print(&s, text);
	assert(standing_parse(text, &back) && same(&s, &back));
}

/* A package that knew nothing of it wrote it. */
static void test_older(void)
{
	struct standing s = sample(), back;
	char text[RECORD_TEXT_MAX], *line, *end;

	standing_print(&s, text);
	line = strstr(text, "no_warm 1\n");
	assert(line);
	end = line + strlen("no_warm 1\n");
	memmove(line, end, strlen(end) + 1);
	s.no_warm = false;
	assert(standing_parse(text, &back) && same(&s, &back));
}

/* The sample with @from, which it has once, replaced. */
static bool parses(const char *from, const char *to)
{
	struct standing s = sample(), untouched = { .uid = 77 };
	char text[RECORD_TEXT_MAX], changed[2 * RECORD_TEXT_MAX], *at;
	bool r;

	standing_print(&s, text);
	at = strstr(text, from);
	assert(at);
	snprintf(changed, sizeof(changed), "%.*s%s%s", (int)(at - text), text, to,
		 at + strlen(from));
	r = standing_parse(changed, &untouched);
	assert(r == (untouched.uid != 77));
	return r;
}

static void test_bad(void)
{
	static const char *const table[][2] = {
		{ "rdmareg-standing\n", "" },
		{ "rdmareg-standing\n", "rdmareg-session\n" },
		{ "rdmareg-standing\n", "rdmareg-standing 2\n" },
		{ "\nend\n", "\n" },
		{ "\nend\n", "\nend" },
		{ "\nend\n", "\nend\nuid 3\n" },
		{ "uid 1000\n", "" },
		{ "uid 1000\n", "uid 1000\nuid 1000\n" },
		{ "uid 1000\n", "uid 1000\nuid 0\n" },
		{ "uid 1000", "uid" },
		{ "uid 1000", "uid " },
		{ "uid 1000", "uid  1000" },
		{ "uid 1000", "uid -1" },
		{ "uid 1000", "uid +1" },
		{ "uid 1000", "uid 0x10" },
		{ "uid 1000", "uid 1000 " },
		{ "uid 1000", "uid 4294967295" },
		{ "uid 1000", "uid 99999999999999999999999" },
		{ "access 1", "access 2" },
		{ "policy 1", "policy 3" },
		{ "warm_mode 2", "warm_mode 4" },
		{ "pre_content 1", "pre_content 2" },
		{ "offset 65536", "offset 65537" },
		{ "offset 65536", "offset 9223372036854771712" },
		{ "length 65536", "length 0" },
		{ "length 65536", "length 1" },
		{ "length 65536", "length 18446744073709551615" },
		{ "length 65536", "length 9223372036854771712" },
		{ "session default", "session " },
		{ "session default", "session a/b" },
		{ "session default", "session ../../etc" },
		{ "session default", "session 0123456789012345678901234567890123456789012345678" },
		{ "name model", "name " },
		{ "name model", "name m:n" },
		{ "name model", "name m\x1b[2J" },
		{ "path /srv/a file", "path " },
		{ "path /srv/a file", "path srv/a" },
		{ "path /srv/a file", "path /srv/a\tb" },
		{ "path /srv/a file", "path /srv/\x80" },
		{ "handle 00ff1a", "handle 00ff1" },
		{ "handle 00ff1a", "handle 00FF1A" },
		{ "handle 00ff1a", "handle zz" },
		{ "handle 00ff1a", "handle" },
		{ "handle 00ff1a\n", "handle 00ff1a\n\n" },
	};
	char longest[600];

	assert(parses("uid 1000", "uid 1001"));
	/* of a later package */
	assert(parses("uid 1000\n", "uid 1000\nlater than this 7\n"));
	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		if (parses(table[i][0], table[i][1])) {
			fprintf(stderr, "%zu: '%s' is taken\n", i, table[i][1]);
			abort();
		}
	memset(longest, 'a', sizeof(longest));
	memcpy(longest, "path /", 6);
	longest[6 + DESCRIPTOR_PATH_MAX - 1] = 0;
	assert(!parses("path /srv/a file", longest));
	longest[5 + DESCRIPTOR_PATH_MAX - 1] = 0;
	assert(parses("path /srv/a file", longest));
	memcpy(longest, "handle ", 7);
	longest[7 + 2 * IDENTITY_HANDLE_MAX + 2] = 0;
	memset(longest + 7, 'a', strlen(longest + 7));
	assert(!parses("handle 00ff1a", longest));
}

/* Cut anywhere, it is none. */
static void test_cut(void)
{
	struct standing s = sample(), back;
	char text[RECORD_TEXT_MAX];
	size_t n = standing_print(&s, text);

	for (size_t i = 0; i < n; i++) {
		char cut[RECORD_TEXT_MAX];

		memcpy(cut, text, i);
		cut[i] = 0;
		assert(!standing_parse(cut, &back));
	}
}

int main(void)
{
	test_round_trip();
	test_older();
	test_bad();
	test_cut();
	return 0;
}
