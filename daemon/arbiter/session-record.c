// SPDX-License-Identifier: GPL-2.0-or-later
/* session-record.c - see session-record.h. */
#include "arbiter/session-record.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/cleanup.h"
#include "util/log.h"
#include "util/macros.h"
#include "util/replace-file.h"
#include "util/text.h"

#define HEAD "rdmareg-session\n"
#define TAIL "end\n"
#define NEW_NAME ".new"
#define DAMAGED "damaged-"
#define NAME_MAX_BYTES (TENANT_SESSION_MAX + 24)
#define TEXT_MAX 1024

/* Each line but the first and the last: a key, a blank, and the number that a member has. */
static const struct {
	const char *key;
	size_t offset;
	size_t size;
	uint64_t most;
} numbers[] = {
#define NUMBER(key, member, most) \
	{ key, offsetof(struct tenant, member), sizeof(((struct tenant *)0)->member), most }
	NUMBER("uid", uid, UINT32_MAX - 1),
	NUMBER("state", state, _SESSION_STATE_MAX - 1),
	NUMBER("created_usec", created_usec, UINT64_MAX),
	NUMBER("max_regions", own.regions, UINT32_MAX),
	NUMBER("max_bytes", own.bytes, UINT64_MAX),
	NUMBER("max_peers", own.peers, UINT32_MAX),
	NUMBER("max_tickets", own.tickets, UINT32_MAX),
	NUMBER("max_memory", own.memory, UINT64_MAX),
#undef NUMBER
};

static uint64_t get_number(const struct tenant *t, size_t i)
{
	const char *at = (const char *)t + numbers[i].offset;

	if (numbers[i].size == sizeof(uint8_t))
		return *(const uint8_t *)at;
	return numbers[i].size == sizeof(uint32_t) ? *(const uint32_t *)at : *(const uint64_t *)at;
}

static void set_number(struct tenant *t, size_t i, uint64_t value)
{
	char *at = (char *)t + numbers[i].offset;

	if (numbers[i].size == sizeof(uint8_t))
		*(uint8_t *)at = (uint8_t)value;
	else if (numbers[i].size == sizeof(uint32_t))
		*(uint32_t *)at = (uint32_t)value;
	else
		*(uint64_t *)at = value;
}

static void name_of(const struct tenant *t, char out[static NAME_MAX_BYTES])
{
	snprintf(out, NAME_MAX_BYTES, "%" PRIu32 "-%s", t->uid, t->session);
}

int session_record_write(int directory, const struct tenant *t)
{
	char name[NAME_MAX_BYTES], text[TEXT_MAX];
	int n = snprintf(text, sizeof(text), HEAD);

	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++)
		n += snprintf(text + n, sizeof(text) - (size_t)n, "%s %" PRIu64 "\n",
			      numbers[i].key, get_number(t, i));
	n += snprintf(text + n, sizeof(text) - (size_t)n, "name %s\n" TAIL, t->session);
	name_of(t, name);
	return replace_file(directory, name, NEW_NAME, 0600, text, (size_t)n);
}

void session_record_remove(int directory, const struct tenant *t)
{
	char name[NAME_MAX_BYTES];

	name_of(t, name);
	if (unlinkat(directory, name, 0) < 0 && errno != ENOENT)
		log_error("the record of session %s cannot be removed: %m", name);
}

/* False: the line is none of ours. */
static bool take_line(struct tenant *t, const char *key, const char *value, bool *ret_has_name)
{
	char *end;

	if (!strcmp(key, "name")) {
		if (!tenant_name_is_sound(value, TENANT_SESSION_MAX))
			return false;
		strcpy(t->session, value);
		*ret_has_name = true;
		return true;
	}
	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
		uint64_t number;

		if (strcmp(numbers[i].key, key) != 0)
			continue;
		errno = 0;
		number = strtoull(value, &end, 10);
		if (!isdigit((unsigned char)*value) || *end || errno || number > numbers[i].most)
			return false;
		set_number(t, i, number);
	}
	return true;
}

static bool parse(char *text, struct tenant *ret)
{
	bool has_name = false;
	char *line, *rest;

	*ret = (struct tenant){ .used = true, .kind = TENANT_SESSION };
	if (strncmp(text, HEAD, strlen(HEAD)) != 0)
		return false;
	line = strtok_r(text + strlen(HEAD), "\n", &rest);
	while (line && strcmp(line, "end") != 0) {
		char *blank = strchr(line, ' ');

		if (!blank)
			return false;
		*blank = 0;
		if (!take_line(ret, line, blank + 1, &has_name))
			return false;
		line = strtok_r(NULL, "\n", &rest);
	}
	return line && has_name;
}

static bool read_one(int directory, const char *file, struct tenant *ret)
{
	_cleanup_(closep) int fd =
		openat(directory, file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	char text[TEXT_MAX + 1], name[NAME_MAX_BYTES];
	struct stat st;
	ssize_t n;

	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return false;
	n = read(fd, text, TEXT_MAX);
	if (n < 0)
		return false;
	text[n] = 0;
	if (strlen(text) != (size_t)n || !parse(text, ret))
		return false;
	name_of(ret, name);
	return !strcmp(name, file);
}

static void put_aside(int directory, const char *path, const char *file)
{
	char name[NAME_MAX + sizeof(DAMAGED)], clean[NAME_MAX + 1];

	text_clean(clean, sizeof(clean), file, strlen(file));
	snprintf(name, sizeof(name), DAMAGED "%s", file);
	log_warning("%s/%s is no record of a session: put aside as " DAMAGED
		    "%s; that session is forgotten",
		    path, clean, clean);
	if (renameat(directory, file, directory, name) < 0)
		log_error("%s/%s cannot be put aside: %m", path, clean);
}

void session_record_each(int directory, const char *path,
			 void (*call)(void *userdata, const struct tenant *t), void *userdata)
{
	int fd = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *entries = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;
	struct tenant t;

	if (!entries) {
		log_error("%s cannot be read: %m; sessions in it are forgotten", path);
		closep(&fd);
		return;
	}
	while ((entry = readdir(entries))) {
		const char *file = entry->d_name;

		if (file[0] == '.' || !strncmp(file, DAMAGED, strlen(DAMAGED)))
			continue;
		if (read_one(directory, file, &t))
			call(userdata, &t);
		else
			put_aside(directory, path, file);
	}
	closedir(entries);
}
