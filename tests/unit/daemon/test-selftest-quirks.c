// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test-selftest-quirks.c - findings kept and read again; and every file that is not one of ours is
 * refused with a reason.
 */
#undef NDEBUG
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "selftest/quirks.h"

static char root[] = "/tmp/test-quirks.XXXXXX";
static char sysfs[64], cache[64], file[128];

static void put(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	assert(f && fputs(text, f) >= 0 && fclose(f) == 0);
}

static int load(struct quirks *q, const char *mentions)
{
	struct failure why = { 0 };
	int r = quirks_load(sysfs, cache, "dev0", q, &why);

	if (r < 0 && mentions && !strstr(why.text, mentions)) {
		fprintf(stderr, "\"%s\" does not mention \"%s\"\n", why.text, mentions);
		assert(0);
	}
	return r;
}

static struct quirks sample(void)
{
	struct quirks q;

	quirks_init(&q);
	assert(quirks_identify(sysfs, "dev0", &q.of) == 0);
	for (enum check c = 0; c < _CHECK_MAX; c++)
		q.verdict[c] = (uint8_t)(c % _VERDICT_MAX);
	q.alignment = 64;
	q.minimum_mtu = 2048;
	return q;
}

static char *read_file(void)
{
	static char text[20000];
	FILE *f = fopen(file, "r");
	size_t n = fread(text, 1, sizeof(text) - 1, f);

	text[n] = 0;
	fclose(f);
	return text;
}

static void test_round_trip(void)
{
	struct quirks q = sample(), got = { .alignment = 1 };

	assert(load(&got, "not been tested") == -ENOENT && got.alignment == 1);
	assert(quirks_save(cache, &q) == 0);
	assert(load(&got, NULL) == 0);
	assert(!memcmp(&q.verdict, &got.verdict, sizeof(q.verdict)) && got.alignment == 64 &&
	       got.minimum_mtu == 2048 && !strcmp(got.of.firmware, "12.34"));
	assert(strstr(got.of.driver, "software") && !strcmp(got.of.device, "dev0"));
	/* it takes the place of the one before, and leaves nothing beside it */
	q.alignment = 1;
	assert(quirks_save(cache, &q) == 0 && load(&got, NULL) == 0 && got.alignment == 1);
	assert(rmdir(cache) < 0 && unlink(file) == 0 && rmdir(cache) == 0);
	assert(quirks_save(cache, &q) == 0);
	assert(quirks_save("/nonexistent/directory", &q) == -ENOENT);
}

/* What is wrong in one line, or added to the file, makes all of it void. */
static void test_broken(void)
{
	static const struct {
		const char *from, *to; /* in the file that is right */
		int error;
		const char *mentions;
	} bad[] = {
		{ "alignment = 64", "alignment = 3", -EINVAL, ".quirks:11" },
		{ "alignment = 64", "alignment = 0", -EINVAL, "not understood" },
		{ "alignment = 64", "alignment = -64", -EINVAL, "not understood" },
		{ "alignment = 64", "alignment = 99999999999999999999", -EINVAL, "not understood" },
		{ "alignment = 64", "alignment = 64x", -EINVAL, "not understood" },
		{ "alignment = 64", "alignment =", -EINVAL, "not understood" },
		{ "alignment = 64\n", "", -EINVAL, "not complete" },
		{ "minimum_mtu = 2048", "minimum_mtu = 8192", -EINVAL, "not understood" },
		{ "minimum_mtu = 2048\n", "", -EINVAL, "not complete" },
		{ "fence = failed", "fence = fine", -EINVAL, "not understood" },
		{ "fence = failed", "fences = ok", -EINVAL, "not understood" },
		{ "fence = failed\n", "", -EINVAL, "not complete" },
		{ "[checks]", "[check]", -EINVAL, "not understood" },
		{ "[checks]", "[checks", -EINVAL, "not understood" },
		{ "[device]", "", -EINVAL, "not understood" },
		{ "format = 2", "format = 3", -ESTALE, "another version" },
		{ "format = 2", "format = 1", -ESTALE, "another version" },
		{ "format = 2\n", "", -EINVAL, "not complete" },
		{ "name = dev0", "name = dev1", -ESTALE, "another device" },
		{ "name = dev0",
		  "name = xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
		  -EINVAL, "not understood" },
		{ "firmware = 12.34", "firmware = 12.35", -ESTALE, "another firmware" },
		{ "driver = software", "driver = mlx5_core", -ESTALE, "another driver" },
		{ "kernel = ", "kernel = 9", -ESTALE, "another kernel" },
		{ "build = ", "build = 9", -ESTALE, "another kernel" },
	};
	struct quirks q = sample(), got = { .alignment = 77 };
	char right[20000], wrong[20000];

	assert(quirks_save(cache, &q) == 0);
	snprintf(right, sizeof(right), "%s", read_file());
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		const char *at = strstr(right, bad[i].from);

		assert(at);
		snprintf(wrong, sizeof(wrong), "%.*s%s%s", (int)(at - right), right, bad[i].to,
			 at + strlen(bad[i].from));
		put(file, wrong);
		assert(load(&got, bad[i].mentions) == bad[i].error && got.alignment == 77);
	}
	for (size_t n = 0; n < strlen(right) - 1; n++) {
		/* cut anywhere: never taken for whole */
		snprintf(wrong, sizeof(wrong), "%.*s", (int)n, right);
		put(file, wrong);
		assert(load(&got, NULL) < 0 && got.alignment == 77);
	}
	put(file, right);
	assert(load(&got, NULL) == 0 && got.alignment == 64);
}

static void test_strange_files(void)
{
	struct quirks q = sample(), got = { .alignment = 77 };
	char other[160];
	FILE *f;

	f = fopen(file, "w");
	for (int i = 0; i < 3000; i++)
		fputs("# long\n", f);
	fclose(f);
	assert(load(&got, "too long") == -EINVAL);
	f = fopen(file, "w");
	fwrite("[device]\0x", 1, 10, f);
	fclose(f);
	assert(load(&got, "not text") == -EINVAL);
	assert(quirks_save(cache, &q) == 0 && chmod(file, 0666) == 0);
	assert(load(&got, "only root may write") == -EPERM);
	snprintf(other, sizeof(other), "%s.other", file);
	assert(rename(file, other) == 0 && symlink(other, file) == 0);
	assert(load(&got, "dev0") == -ELOOP && unlink(file) == 0);
	assert(mkfifo(file, 0600) == 0);
	assert(load(&got, "only root") == -EPERM && unlink(file) == 0); /* and does not wait */
	assert(mkdir(file, 0700) == 0);
	assert(load(&got, "only root") == -EPERM && rmdir(file) == 0 && unlink(other) == 0);
	assert(got.alignment == 77);
	if (geteuid() == 0) {
		assert(quirks_save(cache, &q) == 0 && chown(file, 65534, 65534) == 0);
		assert(load(&got, "only root") == -EPERM);
	}
}

static void test_devices(void)
{
	static const char *const names[] = { "", "..", ".", "dev1", "../dev0", "dev0/x", "/etc" };
	struct quirks_identity id;
	struct quirks got;
	struct failure why;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		assert(quirks_identify(sysfs, names[i], &id) == -ENODEV);
		assert(quirks_load(sysfs, cache, names[i], &got, &why) == -ENODEV);
	}
	assert(quirks_load(sysfs, "", "dev0", &got, &why) == -ENOENT);
}

static void test_judgement(void)
{
	char text[200];
	struct quirks q;
	enum check c;

	quirks_init(&q);
	assert(q.alignment >= 4096 && q.minimum_mtu == 4096 && !quirks_enforce_rights(&q));
	assert(!quirks_are_usable(&q, &c) && c == CHECK_ALIGNMENT);
	for (c = 0; c < _CHECK_MAX; c++)
		q.verdict[c] = VERDICT_OK;
	q.alignment = q.minimum_mtu = 1;
	quirks_describe(&q, text, sizeof(text));
	assert(quirks_are_usable(&q, &c) && !strcmp(text, "none") && quirks_enforce_rights(&q));
	for (enum check one = 0; one < _CHECK_MAX; one++) {
		for (enum verdict v = 0; v < _VERDICT_MAX; v++) {
			bool bad = v == VERDICT_FAILED ||
				   (check_is_needed(one) && v != VERDICT_OK && v != VERDICT_QUIRK);

			q.verdict[one] = (uint8_t)v;
			assert(quirks_are_usable(&q, &c) == !bad && (!bad || c == one));
		}
		q.verdict[one] = VERDICT_OK;
	}
	q.verdict[CHECK_RIGHTS] = VERDICT_QUIRK;
	q.verdict[CHECK_BOUNDS] = VERDICT_QUIRK;
	q.alignment = q.minimum_mtu = 4096;
	for (size_t size = 1; size < sizeof(text); size++)
		quirks_describe(&q, text, size);
	quirks_describe(&q, text, sizeof(text));
	assert(strstr(text, "4096") && strstr(text, "not bounded") && strstr(text, "rights"));
	assert(!quirks_enforce_rights(&q));
}

int main(void)
{
	char path[128];

	umask(022);
	assert(mkdtemp(root));
	snprintf(sysfs, sizeof(sysfs), "%s/sysfs", root);
	snprintf(cache, sizeof(cache), "%s/cache", root);
	snprintf(file, sizeof(file), "%s/dev0.quirks", cache);
	snprintf(path, sizeof(path), "%s/dev0", sysfs);
	assert(mkdir(sysfs, 0755) == 0 && mkdir(path, 0755) == 0);
	snprintf(path, sizeof(path), "%s/dev0/fw_ver", sysfs);
	put(path, "12.34\n");
	test_round_trip();
	test_broken();
	test_strange_files();
	test_devices();
	test_judgement();
	snprintf(path, sizeof(path), "rm -rf %s", root);
	return system(path);
}
