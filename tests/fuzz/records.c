// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * records.c - files that the daemon reads back: of a session that was created, of a standing
 * region, and what a self-test found out. The first byte of the input says which: s, t or q; the
 * rest is the file, or of the last kind the bytes of a sound one that are others (WHERE, 2, BYTE, 1).
 *
 * Measured: daemon/arbiter/session-record.c daemon/arbiter/standing-record.c
 * Measured: daemon/arbiter/record-files.c daemon/selftest/quirks-file.c
 *
 * What is believed is within its bounds, and written again and read again it is the same. A file
 * that is not believed is set aside, or refused with a sentence.
 */
#undef NDEBUG
#include <assert.h>
#include <errno.h>
#include <sys/stat.h>
#include <syslog.h>

#include "arbiter/session-record.h"
#include "arbiter/standing-record.h"
#include "bytes.h"
#include "selftest/quirks.h"
#include "temporary.h"
#include "util/log.h"

#define SESSION_FILE "1000-a"
#define DEVICE "dev0"

static int folder = -1;
static char cache[96], sysfs[96];

static void begin(void)
{
	char path[128];

	if (folder >= 0)
		return;
	log_set_level(LOG_EMERG);
	snprintf(sysfs, sizeof(sysfs), "%s/sysfs", temporary_folder());
	snprintf(cache, sizeof(cache), "%s/cache", temporary_folder());
	snprintf(path, sizeof(path), "%s/" DEVICE, sysfs);
	assert(!mkdir(sysfs, 0755) && !mkdir(cache, 0755) && !mkdir(path, 0755));
	snprintf(path, sizeof(path), "%s/sessions", temporary_folder());
	assert(!mkdir(path, 0700));
	folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert(folder >= 0);
}

static unsigned int n_read;
static struct tenant last_read;

static void on_session(void *userdata, const struct tenant *t)
{
	(void)userdata;
	n_read++;
	last_read = *t;
}

static void session(const uint8_t *data, size_t size)
{
	struct tenant first;

	temporary_write(folder, SESSION_FILE, data, size);
	n_read = 0;
	session_record_each(folder, "sessions", on_session, NULL);
	if (!n_read) {
		assert(faccessat(folder, SESSION_FILE, F_OK, 0) < 0);
		assert(unlinkat(folder, "damaged-" SESSION_FILE, 0) == 0);
		return;
	}
	first = last_read;
	assert(n_read == 1 && first.uid == 1000 && !strcmp(first.session, "a"));
	assert(first.used && first.kind == TENANT_SESSION && first.state < _SESSION_STATE_MAX);
	assert(session_record_write(folder, &first) == 0);
	session_record_each(folder, "sessions", on_session, NULL);
	assert(n_read == 2 && !memcmp(&first.own, &last_read.own, sizeof(first.own)));
	assert(first.state == last_read.state && first.created_usec == last_read.created_usec);
	session_record_remove(folder, &first);
	assert(faccessat(folder, SESSION_FILE, F_OK, 0) < 0);
}

static void standing(const uint8_t *data, size_t size)
{
	char text[RECORD_TEXT_MAX + 1], printed[RECORD_TEXT_MAX], again[RECORD_TEXT_MAX];
	char copy[RECORD_TEXT_MAX + 1], name[STANDING_FILE_NAME_MAX];
	struct standing s, second;
	size_t n;

	if (size > RECORD_TEXT_MAX || memchr(data, 0, size))
		return;
	memcpy(text, data, size);
	text[size] = 0;
	memset(&s, 0xa5, sizeof(s));
	if (!standing_parse(text, &s)) {
		assert(((uint8_t *)&s)[0] == 0xa5 && s.region == UINT64_C(0xa5a5a5a5a5a5a5a5));
		return;
	}
	assert(*s.path == '/' && s.length && s.offset + s.length <= INT64_MAX);
	assert(s.access < _REGION_ACCESS_MAX && s.policy < _REGION_POLICY_MAX &&
	       s.warm_mode < _WARM_MODE_MAX && s.file.handle_size <= sizeof(s.file.handle));
	assert(tenant_name_is_sound(s.session, sizeof(s.session)) &&
	       tenant_name_is_sound(s.name, sizeof(s.name)));
	standing_file_name(&s, name);
	assert(!strchr(name, '/') && *name != '.');
	n = standing_print(&s, printed);
	assert(n < sizeof(printed) && n == strlen(printed));
	memcpy(copy, printed, n + 1);
	assert(standing_parse(copy, &second));
	assert(standing_print(&second, again) == n && !strcmp(again, printed));
}

static void quirks(struct bytes *b)
{
	struct quirks q, second;
	struct failure why = { 0 };
	char path[160], text[600];
	int r, fd;

	quirks_init(&q);
	for (enum check c = 0; c < _CHECK_MAX; c++)
		q.verdict[c] = (uint8_t)(c % _VERDICT_MAX);
	assert(quirks_identify(sysfs, DEVICE, &q.of) == 0 && quirks_save(cache, &q) == 0);
	assert(quirks_load(sysfs, cache, DEVICE, &second, &why) == 0 &&
	       !memcmp(&q, &second, sizeof(q)));
	snprintf(path, sizeof(path), "%s/" DEVICE ".quirks", cache);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	assert(fd >= 0);
	while (b->left) {
		uint16_t where = bytes_u16(b) % 1024;
		uint8_t byte = bytes_u8(b);

		assert(pwrite(fd, &byte, 1, where) == 1);
	}
	close(fd);
	r = quirks_load(sysfs, cache, DEVICE, &q, &why);
	if (r < 0) {
		assert((r == -ESTALE || r == -EINVAL) && why.code == r && *why.text);
		return;
	}
	assert(q.alignment && !(q.alignment & (q.alignment - 1)) && q.minimum_mtu &&
	       q.minimum_mtu <= 4096);
	for (int i = 0; i < _CHECK_MAX; i++)
		assert(q.verdict[i] < _VERDICT_MAX);
	quirks_describe(&q, text, sizeof(text));
	assert(quirks_save(cache, &q) == 0 &&
	       quirks_load(sysfs, cache, DEVICE, &second, &why) == 0);
	assert(!memcmp(q.verdict, second.verdict, sizeof(q.verdict)) &&
	       q.alignment == second.alignment && q.minimum_mtu == second.minimum_mtu);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	begin();
	if (!size)
		return 0;
	if (*data == 's')
		session(data + 1, size - 1);
	else if (*data == 't')
		standing(data + 1, size - 1);
	else if (*data == 'q')
		quirks(&(struct bytes){ data + 1, size - 1 });
	return 0;
}
