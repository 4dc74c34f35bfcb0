// SPDX-License-Identifier: GPL-2.0-or-later
/* record-files.c - see record-files.h. */
#include "arbiter/record-files.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/cleanup.h"
#include "util/log.h"
#include "util/text.h"

#define DAMAGED "damaged-"

bool record_number(const char *text, uint64_t most, uint64_t *ret)
{
	uint64_t number;
	char *end;

	errno = 0;
	number = strtoull(text, &end, 10);
	if (!isdigit((unsigned char)*text) || *end || errno || number > most)
		return false;
	*ret = number;
	return true;
}

static bool read_one(int directory, const char *name, char text[static RECORD_TEXT_MAX + 1])
{
	_cleanup_(closep) int fd =
		openat(directory, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	struct stat st;
	ssize_t n;

	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size > RECORD_TEXT_MAX)
		return false;
	n = read(fd, text, RECORD_TEXT_MAX);
	if (n < 0)
		return false;
	text[n] = 0;
	return strlen(text) == (size_t)n;
}

static void put_aside(int directory, const char *path, const char *what, const char *file)
{
	char name[NAME_MAX + sizeof(DAMAGED)], clean[NAME_MAX + 1];

	text_clean(clean, sizeof(clean), file, strlen(file));
	snprintf(name, sizeof(name), DAMAGED "%s", file);
	log_warning("%s/%s is no record of a %s: put aside as " DAMAGED "%s; that %s is forgotten",
		    path, clean, what, clean, what);
	if (renameat(directory, file, directory, name) < 0)
		log_error("%s/%s cannot be put aside: %m", path, clean);
}

void record_files_each(int directory, const char *path, const char *what,
		       bool (*take)(void *userdata, const char *name, char *text), void *userdata)
{
	int fd = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *entries = fd < 0 ? NULL : fdopendir(fd);
	char text[RECORD_TEXT_MAX + 1];
	struct dirent *entry;

	if (!entries) {
		log_error("%s cannot be read: %m; what is recorded in it is forgotten", path);
		closep(&fd);
		return;
	}
	while ((entry = readdir(entries))) {
		const char *file = entry->d_name;

		if (file[0] == '.' || !strncmp(file, DAMAGED, strlen(DAMAGED)))
			continue;
		if (!read_one(directory, file, text) || !take(userdata, file, text))
			put_aside(directory, path, what, file);
	}
	closedir(entries);
}

uint64_t record_get(const void *of, const struct record_member *m)
{
	const unsigned char *at = (const unsigned char *)of + m->offset;
	uint64_t large;
	uint32_t small;

	if (m->size == sizeof(uint8_t))
		return *at;
	if (m->size == sizeof(uint32_t)) {
		memcpy(&small, at, sizeof(small));
		return small;
	}
	memcpy(&large, at, sizeof(large));
	return large;
}

void record_set(void *of, const struct record_member *m, uint64_t value)
{
	unsigned char *at = (unsigned char *)of + m->offset;

	if (m->size == sizeof(uint8_t))
		*at = (uint8_t)value;
	else if (m->size == sizeof(uint32_t))
		memcpy(at, &(uint32_t){ (uint32_t)value }, sizeof(uint32_t));
	else
		memcpy(at, &value, sizeof(value));
}
