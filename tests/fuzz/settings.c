// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * settings.c - the input is rdmaregd.conf.
 *
 * Measured: daemon/arbiter/settings.c daemon/arbiter/settings-check.c
 *
 * A file that is taken, written out as settings_each() tells it, is taken again and tells the same.
 * One that is refused changes nothing, and is refused with a sentence that begins with its name.
 */
#undef NDEBUG
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "arbiter/settings.h"
#include "bytes.h"

static const char *open_text(const void *text, size_t size, char path[static 32], int *ret_fd)
{
	*ret_fd = memfd_create("settings", MFD_CLOEXEC);
	assert(*ret_fd >= 0 && write(*ret_fd, text, size) == (ssize_t)size);
	snprintf(path, 32, "/proc/self/fd/%d", *ret_fd);
	return path;
}

static void tell(void *userdata, const char *section, const char *name, const char *value,
		 const char *file, int line)
{
	assert(!file == !line);
	fprintf(userdata, "[%s]\n%s=%s\n", section, name, value);
}

static char *print(const char *path, size_t *ret_size)
{
	struct failure why;
	char *text = NULL;
	FILE *f = open_memstream(&text, ret_size);

	assert(f && settings_each(path, 1, tell, f, &why) == 0);
	fclose(f);
	return text;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct settings s, untouched;
	struct failure why = { 0 };
	char path[32], other[32], *text, *again;
	size_t n, n_again;
	int fd, second, r;

	open_text(data, size, path, &fd);
	memset(&s, 0xa5, sizeof(s));
	untouched = s;
	r = settings_load(path, 1, &s, &why);
	if (r < 0) {
		assert(!memcmp(&s, &untouched, sizeof(s)));
		assert(why.code == r && !strncmp(why.text, path, strlen(path)));
		close(fd);
		return 0;
	}
	assert(s.grace_msec <= s.max_grace_msec && !(s.alignment & (s.alignment - 1)));
	text = print(path, &n);
	open_text(text, n, other, &second);
	assert(settings_load(other, 1, &s, &why) == 0);
	again = print(other, &n_again);
	assert(n == n_again && !memcmp(text, again, n));
	free(text);
	free(again);
	close(fd);
	close(second);
	return 0;
}
