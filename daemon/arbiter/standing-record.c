// SPDX-License-Identifier: GPL-2.0-or-later
/* standing-record.c - see standing-record.h. */
#include "arbiter/standing-record.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "util/macros.h"
#include "util/text.h"

#define HEAD "rdmareg-standing\n"
#define TAIL "end"
#define NO_WARM "no_warm" /* can be missing: it came later */

static const struct record_member numbers[] = {
#define NUMBER(key, member, most) RECORD_MEMBER(struct standing, key, member, most)
	NUMBER("uid", uid, UINT32_MAX - 1),
	NUMBER("uuid_0", file.uuid[0], UINT64_MAX),
	NUMBER("uuid_1", file.uuid[1], UINT64_MAX),
	NUMBER("inode", file.inode, UINT64_MAX),
	NUMBER("born_nsec", file.born_nsec, UINT64_MAX),
	NUMBER("handle_type", file.handle_type, UINT32_MAX),
	NUMBER("offset", offset, INT64_MAX),
	NUMBER("length", length, INT64_MAX),
	NUMBER("grace_usec", grace_usec, UINT64_MAX),
	NUMBER("access", access, _REGION_ACCESS_MAX - 1),
	NUMBER("policy", policy, _REGION_POLICY_MAX - 1),
	NUMBER("warm_mode", warm_mode, _WARM_MODE_MAX - 1),
	NUMBER("pre_content", pre_content, 1),
	NUMBER(NO_WARM, no_warm, 1),
#undef NUMBER
};

/* And texts, each with what it has to be. */
enum { TEXT_SESSION = ARRAY_SIZE(numbers), TEXT_NAME, TEXT_PATH, TEXT_HANDLE, N_KEYS };
static const char *const texts[] = { "session", "name", "path", "handle" };

void standing_file_name(const struct standing *s, char out[static STANDING_FILE_NAME_MAX])
{
	snprintf(out, STANDING_FILE_NAME_MAX, "%" PRIu32 ":%s:%s", s->uid, s->session, s->name);
}

size_t standing_print(const struct standing *s, char out[static RECORD_TEXT_MAX])
{
	size_t n = (size_t)snprintf(out, RECORD_TEXT_MAX, HEAD);

	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++)
		n += (size_t)snprintf(out + n, RECORD_TEXT_MAX - n, "%s %" PRIu64 "\n",
				      numbers[i].key, record_get(s, &numbers[i]));
	n += (size_t)snprintf(out + n, RECORD_TEXT_MAX - n, "session %s\nname %s\npath %s\nhandle ",
			      s->session, s->name, s->path);
	for (uint32_t i = 0; i < s->file.handle_size; i++)
		n += (size_t)snprintf(out + n, RECORD_TEXT_MAX - n, "%02x", s->file.handle[i]);
	return n + (size_t)snprintf(out + n, RECORD_TEXT_MAX - n, "\n" TAIL "\n");
}

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool take_handle(const char *text, struct file_identity *f)
{
	size_t n = strlen(text);

	if (n % 2 || n > 2 * sizeof(f->handle))
		return false;
	for (size_t i = 0; i < n; i += 2) {
		int high = digit(text[i]), low = digit(text[i + 1]);

		if (high < 0 || low < 0)
			return false;
		f->handle[i / 2] = (uint8_t)(high << 4 | low);
	}
	f->handle_size = (uint32_t)(n / 2);
	return true;
}

/* As rdmaregd takes it from a kernel: absolute, and text. */
static bool take_path(const char *text, char out[static DESCRIPTOR_PATH_MAX])
{
	if (*text != '/' || strlen(text) >= DESCRIPTOR_PATH_MAX)
		return false;
	text_clean(out, DESCRIPTOR_PATH_MAX, text, strlen(text));
	return !strcmp(out, text);
}

static bool take_text(size_t key, const char *value, struct standing *s)
{
	switch (key) {
	case TEXT_SESSION:
		if (!tenant_name_is_sound(value, sizeof(s->session)))
			return false;
		strcpy(s->session, value);
		return true;
	case TEXT_NAME:
		if (!tenant_name_is_sound(value, sizeof(s->name)))
			return false;
		strcpy(s->name, value);
		return true;
	case TEXT_PATH:
		return take_path(value, s->path);
	default:
		return take_handle(value, &s->file);
	}
}

static size_t find_key(const char *key)
{
	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++)
		if (!strcmp(numbers[i].key, key))
			return i;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		if (!strcmp(texts[i], key))
			return ARRAY_SIZE(numbers) + i;
	return N_KEYS;
}

static bool take_line(char *line, struct standing *s, uint32_t *seen)
{
	char *value = strchr(line, ' ');
	uint64_t number;
	size_t key;

	if (!value)
		return false;
	*value++ = 0;
	key = find_key(line);
	if (key == N_KEYS)
		return true;
	if (*seen & 1u << key)
		return false;
	*seen |= 1u << key;
	if (key >= ARRAY_SIZE(numbers))
		return take_text(key, value, s);
	if (!record_number(value, numbers[key].most, &number))
		return false;
	record_set(s, &numbers[key], number);
	return true;
}

/* What the values are together; each by itself was looked at. */
static bool is_sound(const struct standing *s)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE), end;

	return s->length && s->offset % page == 0 && s->length % page == 0 &&
	       !__builtin_add_overflow(s->offset, s->length, &end) && end <= INT64_MAX;
}

bool standing_parse(char *text, struct standing *ret)
{
	struct standing s = { 0 };
	char *line, *rest;
	uint32_t seen = 0;

	_Static_assert(N_KEYS < 32, "bits of seen");
	if (strncmp(text, HEAD, strlen(HEAD)) != 0)
		return false;
	for (line = text + strlen(HEAD); (rest = strchr(line, '\n')); line = rest + 1) {
		*rest = 0;
		if (!strcmp(line, TAIL))
			break;
		if (!take_line(line, &s, &seen))
			return false;
	}
	seen |= 1u << find_key(NO_WARM);
	if (!rest || rest[1] || seen != (1u << N_KEYS) - 1 || !is_sound(&s))
		return false;
	*ret = s;
	return true;
}
