// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * quirks-file.c - see quirks.h: DEVICE.quirks read and written.
 *
 * What always holds: whoever reads sees a whole file, since it is written beside and then renamed;
 * what is read is bounded before it is looked at.
 */
#include <errno.h>
#include <fcntl.h>
#include <ini.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "selftest/quirks.h"
#include "util/cleanup.h"
#include "util/macros.h"

#define FILE_MAX 8192
#define FORMAT 2 /* of the file, and of what the checks mean */

struct parse {
	struct quirks q;
	unsigned long format;
	unsigned int seen; /* bit per member of the sections device and limits */
	unsigned int seen_checks;
};

/* Bits of struct parse.seen; the first are in the order of set_device(). */
enum {
	SEEN_TEXTS = 1 | 2 | 4 | 8 | 16,
	SEEN_FORMAT = 32,
	SEEN_ALIGNMENT = 64,
	SEEN_MTU = 128,
	SEEN_ALL = 255,
};

/* A power of two within bounds. */
static bool parse_power(const char *text, unsigned long most, uint32_t *ret)
{
	char *end;
	unsigned long v;

	errno = 0;
	v = strtoul(text, &end, 10);
	if (errno || *end || *text < '0' || *text > '9' || !v || v > most || (v & (v - 1)))
		return false;
	*ret = (uint32_t)v;
	return true;
}

static bool set_text(char *to, size_t size, const char *value)
{
	if (!*value || strlen(value) >= size)
		return false;
	strcpy(to, value);
	return true;
}

static bool set_device(struct parse *p, const char *name, const char *value)
{
	const struct {
		const char *name;
		char *to;
		size_t size;
	} texts[] = {
		{ "name", p->q.of.device, sizeof(p->q.of.device) },
		{ "driver", p->q.of.driver, sizeof(p->q.of.driver) },
		{ "firmware", p->q.of.firmware, sizeof(p->q.of.firmware) },
		{ "kernel", p->q.of.kernel, sizeof(p->q.of.kernel) },
		{ "build", p->q.of.build, sizeof(p->q.of.build) },
	};

	for (unsigned int i = 0; i < ARRAY_SIZE(texts); i++)
		if (!strcmp(name, texts[i].name)) {
			p->seen |= 1u << i;
			return set_text(texts[i].to, texts[i].size, value);
		}
	if (strcmp(name, "format") != 0)
		return false;
	p->seen |= SEEN_FORMAT;
	p->format = strtoul(value, NULL, 10);
	return true;
}

static bool set_check(struct parse *p, const char *name, const char *value)
{
	for (enum check c = 0; c < _CHECK_MAX; c++) {
		if (strcmp(name, check_name(c)) != 0)
			continue;
		for (enum verdict v = 0; v < _VERDICT_MAX; v++)
			if (!strcmp(value, verdict_name(v))) {
				p->q.verdict[c] = (uint8_t)v;
				p->seen_checks |= 1u << c;
				return true;
			}
	}
	return false;
}

static int on_key(void *userdata, const char *section, const char *name, const char *value)
{
	struct parse *p = userdata;

	if (!strcmp(section, "device"))
		return set_device(p, name, value);
	if (!strcmp(section, "checks"))
		return set_check(p, name, value);
	if (strcmp(section, "limits") != 0)
		return 0;
	if (!strcmp(name, "alignment")) {
		p->seen |= SEEN_ALIGNMENT;
		return parse_power(value, 1ul << 30, &p->q.alignment);
	}
	if (!strcmp(name, "minimum_mtu")) {
		p->seen |= SEEN_MTU;
		return parse_power(value, 4096, &p->q.minimum_mtu);
	}
	return 0;
}

static int parse(const char *text, const char *path, struct quirks *ret, struct failure *why)
{
	struct parse p = { .format = 0 };
	int r = ini_parse_string(text, on_key, &p);

	if (r > 0)
		return fail(why, -EINVAL, "%s:%d: not understood", path, r);
	if (r < 0)
		return fail(why, -ENOMEM, "%s: out of memory", path);
	if ((p.seen & SEEN_FORMAT) && p.format != FORMAT)
		return fail(why, -ESTALE, "%s: of another version of rdmaregd", path);
	if (p.seen != SEEN_ALL || p.seen_checks != (1u << _CHECK_MAX) - 1)
		return fail(why, -EINVAL, "%s: not complete", path);
	*ret = p.q;
	return 0;
}

static int read_whole(const char *path, char text[static FILE_MAX + 1], struct failure *why)
{
	/* O_NONBLOCK: a pipe there must not hold anybody up */
	_cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	struct stat st;
	ssize_t n;

	if (fd < 0)
		return fail(why, -errno, "%s: %s", path,
			    errno == ENOENT ? "the device has not been tested" : strerror(errno));
	if (fstat(fd, &st) < 0)
		return fail(why, -errno, "%s: %s", path, strerror(errno));
	if (!S_ISREG(st.st_mode) || (st.st_uid != 0 && st.st_uid != geteuid()) ||
	    (st.st_mode & 022))
		return fail(why, -EPERM, "%s: not a file of root's that only root may write", path);
	n = read(fd, text, FILE_MAX + 1);
	if (n < 0)
		return fail(why, -errno, "%s: %s", path, strerror(errno));
	if (n > FILE_MAX || memchr(text, 0, (size_t)n))
		return fail(why, -EINVAL, "%s: %s", path, n > FILE_MAX ? "too long" : "not text");
	text[n] = 0;
	return 0;
}

/* What is not as it was; NULL: all is. */
static const char *differs(const struct quirks_identity *a, const struct quirks_identity *b)
{
	if (strcmp(a->kernel, b->kernel) != 0 || strcmp(a->build, b->build) != 0)
		return "kernel";
	if (strcmp(a->driver, b->driver) != 0)
		return "driver";
	if (strcmp(a->firmware, b->firmware) != 0)
		return "firmware";
	return strcmp(a->device, b->device) ? "device" : NULL;
}

int quirks_load(const char *sysfs, const char *directory, const char *device, struct quirks *ret,
		struct failure *why)
{
	struct quirks_identity now;
	char path[PATH_MAX], text[FILE_MAX + 1];
	const char *other;
	struct quirks q;
	int r;

	if (!directory || !*directory)
		return fail(why, -ENOENT, "findings of self-tests are not kept");
	r = quirks_identify(sysfs, device, &now);
	if (r < 0)
		return fail(why, r, "there is no RDMA device %.60s", device);
	snprintf(path, sizeof(path), "%s/%s.quirks", directory, device);
	r = read_whole(path, text, why);
	if (r == 0)
		r = parse(text, path, &q, why);
	if (r < 0)
		return r;
	other = differs(&q.of, &now);
	if (other)
		return fail(why, -ESTALE, "%s: of another %s", path, other);
	*ret = q;
	return 0;
}

static void print(FILE *f, const struct quirks *q)
{
	fprintf(f,
		"# Written by rdmareg-selftest; rdmaregd and its keepers obey it. Remove it to have the device tested again.\n"
		"[device]\nformat = %d\nname = %s\ndriver = %s\nfirmware = %s\nkernel = %s\nbuild = %s\n\n"
		"[limits]\nalignment = %u\nminimum_mtu = %u\n\n[checks]\n",
		FORMAT, q->of.device, q->of.driver, q->of.firmware, q->of.kernel, q->of.build,
		q->alignment, q->minimum_mtu);
	for (enum check c = 0; c < _CHECK_MAX; c++)
		fprintf(f, "%s = %s\n", check_name(c), verdict_name(q->verdict[c]));
}

int quirks_save(const char *directory, const struct quirks *q)
{
	char path[PATH_MAX], fresh[PATH_MAX + 8];
	FILE *f;
	int fd, r;

	if (mkdir(directory, 0755) < 0 && errno != EEXIST)
		return -errno;
	snprintf(path, sizeof(path), "%.3000s/%s.quirks", directory, q->of.device);
	snprintf(fresh, sizeof(fresh), "%s.XXXXXX", path);
	fd = mkostemp(fresh, O_CLOEXEC);
	if (fd < 0)
		return -errno;
	f = fdopen(fd, "w");
	if (!f) {
		close(fd);
		unlink(fresh);
		return -ENOMEM;
	}
	print(f, q);
	r = fflush(f) || fchmod(fd, 0644) || fsync(fd) ? -errno : 0;
	fclose(f);
	if (r == 0 && rename(fresh, path) < 0)
		r = -errno;
	if (r < 0)
		unlink(fresh);
	return r;
}
