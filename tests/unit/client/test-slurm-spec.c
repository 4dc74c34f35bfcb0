// SPDX-License-Identifier: GPL-2.0-or-later
/* test-slurm-spec.c - what --rdmareg of the Slurm plugin accepts, and what it says about the rest. */
#undef NDEBUG
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/slurm/spec.h"

static const struct {
	const char *text;
	struct spec spec;
} good[] = {
	{ "/data/x", { SPEC_FILE, RDMAREG_ACCESS_READ, .name = "r1", .path = "/data/x" } },
	{ "/data/x:r", { SPEC_FILE, RDMAREG_ACCESS_READ, .name = "r1", .path = "/data/x" } },
	{ "/data/x:rw", { SPEC_FILE, RDMAREG_ACCESS_READ_WRITE, .name = "r1", .path = "/data/x" } },
	{ "/a b:c:r", { SPEC_FILE, RDMAREG_ACCESS_READ, .name = "r1", .path = "/a b:c" } },
	{ "/a:b/c", { SPEC_FILE, RDMAREG_ACCESS_READ, .name = "r1", .path = "/a:b/c" } },
	{ "memfd:64M", { SPEC_MEMFD, RDMAREG_ACCESS_READ_WRITE, .size = 64u << 20, .name = "r1" } },
	{ "memfd:4096:r", { SPEC_MEMFD, RDMAREG_ACCESS_READ, .size = 4096, .name = "r1" } },
	{ "dax:2G:rw,warm",
	  { SPEC_DAX, RDMAREG_ACCESS_READ_WRITE, .size = 2ull << 30, .warm = 1, .name = "r1" } },
	{ "/x,warm,required,policy=hold,grace=500ms,name=a.b-c_1",
	  { SPEC_FILE, RDMAREG_ACCESS_READ, RDMAREG_POLICY_HOLD, 0, 500000, 1, 1, 1, 0, "a.b-c_1",
	    "/x" } },
	{ "memfd:4K,rails",
	  { SPEC_MEMFD, RDMAREG_ACCESS_READ_WRITE, .size = 4096, .rails = 1, .name = "r1" } },
	{ "/x,policy=yield,grace=0",
	  { SPEC_FILE, RDMAREG_ACCESS_READ, RDMAREG_POLICY_YIELD, 0, RDMAREG_NO_GRACE, .name = "r1",
	    .path = "/x" } },
};

/* What is refused, and a part of what is said. */
static const struct {
	const char *text, *said;
} bad[] = {
	{ "", "absolute path" },
	{ "x", "absolute path" },
	{ "x:rw", "absolute path" },
	{ "./x", "absolute path" },
	{ ":rw", "absolute path" },
	{ ",warm", "absolute path" },
	{ "none", "absolute path" },
	{ "/x:w", "neither r nor rw" },
	{ "/x:", "neither r nor rw" },
	{ "/x:rwx", "neither r nor rw" },
	{ "/x:RW", "neither r nor rw" },
	{ "/x,", "option '' is none" },
	{ "/x,,warm", "option '' is none" },
	{ "/x,warm,warm", "given twice" },
	{ "/x,name=a,name=b", "given twice" },
	{ "/x,rails,warm,rails", "given twice" },
	{ "/x,rails=2", "option 'rails=2' is none" },
	{ "/x,warm=1", "option 'warm=1' is none" },
	{ "/x, warm", "option ' warm' is none" },
	{ "/x,rw", "option 'rw' is none" },
	{ "/x,policy=", "policy '' is none" },
	{ "/x,policy=never", "valid: follow, yield, hold" },
	{ "/x,grace=", "no time" },
	{ "/x,grace=-1", "no time" },
	{ "/x,grace=1d", "no time" },
	{ "/x,name=", "letters" },
	{ "/x,name=a/b", "letters" },
	{ "/x,name=a b", "letters" },
	{ "/x,name=01234567890123456789012345678901234567890123456789012345678901234", "letters" },
	{ "memfd:", "no size" },
	{ "memfd:0", "no size" },
	{ "memfd:-1", "no size" },
	{ "memfd:1.5G", "no size" },
	{ "memfd:16777215T", "no size" },
	{ "memfd:1M:w", "no size" },
	{ "dax:/dev/dax0.0", "no size" },
	{ "/x;/y", "semicolons" },
	{ "/x\n", "semicolons and control" },
	{ "/x\t", "semicolons and control" },
	{ "/x\x7f", "semicolons and control" },
};

static void test_good(void)
{
	char error[SPEC_ERROR_BYTES];
	size_t i;

	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		const struct spec *want = &good[i].spec, *got;
		struct spec_list *list = calloc(1, sizeof(*list)),
				 *again = calloc(1, sizeof(*list));

		assert(list && again && spec_list_add(list, good[i].text, error) == 0);
		got = &list->specs[0];
		assert(list->n == 1 && got->source == want->source && got->access == want->access);
		assert(got->policy == want->policy && got->size == want->size);
		assert(got->grace_usec == want->grace_usec && got->warm == want->warm);
		assert(got->named == want->named);
		assert(got->required == want->required && !strcmp(got->name, want->name));
		assert(!strcmp(got->path, want->path));
		assert(spec_list_required(list) == want->required);
		assert(got->rails == want->rails && spec_list_rails(list) == want->rails);
		/* what the environment carries is read as the same */
		assert(spec_list_parse(again, list->text, error) == 0);
		assert(!memcmp(list, again, sizeof(*list)));
		free(list);
		free(again);
	}
}

static void test_bad(void)
{
	struct spec_list *list = calloc(1, sizeof(*list)), *before = calloc(1, sizeof(*list));
	char error[SPEC_ERROR_BYTES];
	size_t i;

	assert(list && before && spec_list_add(list, "/first", error) == 0);
	*before = *list;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		error[0] = '\0';
		assert(spec_list_add(list, bad[i].text, error) == -EINVAL);
		if (!strstr(error, bad[i].said)) {
			printf("'%s': %s\n", bad[i].text, error);
			assert(0);
		}
		assert(list->n == before->n && !strcmp(list->text, before->text));
		assert(!spec_list_required(list) && !spec_list_rails(list));
	}
	free(list);
	free(before);
}

static void test_lists(void)
{
	struct spec_list *list = calloc(1, sizeof(*list));
	char error[SPEC_ERROR_BYTES], *longest = malloc(SPEC_BYTES + 1);
	size_t i;

	assert(list && longest);
	assert(spec_list_parse(list, "/a;memfd:1M,name=m;/b:rw", error) == 0);
	assert(list->n == 3 && !strcmp(list->specs[1].name, "m"));
	assert(!strcmp(list->specs[2].name, "r3"));
	assert(spec_list_parse(list, "none", error) == 0 && list->n == 0);
	assert(spec_list_parse(list, "", error) == -EINVAL);
	assert(spec_list_parse(list, "/a;", error) == -EINVAL);
	assert(spec_list_parse(list, "/a;none", error) == -EINVAL);
	assert(spec_list_parse(list, "/a,name=r2;/b", error) == -EINVAL);
	assert(strstr(error, "two regions of the job have the name 'r2'"));

	/* each has a variable of its own */
	assert(spec_list_parse(list, "/a,name=a.b;memfd:1M,name=a-b", error) == -EINVAL);
	assert(strstr(error, "names 'a.b' and 'a-b'") && strstr(error, "RDMAREG_FD_a_b;"));
	assert(spec_list_parse(list, "/a,name=a_b;/b,name=a-b", error) == -EINVAL);
	assert(spec_list_parse(list, "/a,name=a.b;/b,name=a-c;/c,name=ab", error) == 0);

	assert(spec_list_parse(list, "none", error) == 0);
	for (i = 0; i < SPECS_MAX; i++)
		assert(spec_list_add(list, "/a", error) == 0);
	assert(spec_list_add(list, "/a", error) == -EINVAL && strstr(error, "more than 16"));

	assert(spec_list_parse(list, "none", error) == 0);
	memset(longest, 'x', SPEC_BYTES);
	longest[0] = '/';
	longest[SPEC_BYTES] = '\0';
	assert(spec_list_add(list, longest, error) == -EINVAL && strstr(error, "longer than"));
	assert(spec_list_parse(list, longest, error) == -EINVAL && strstr(error, "longer than"));
	longest[SPEC_BYTES - 2] = '\0';
	assert(spec_list_add(list, longest, error) == 0);
	assert(spec_list_add(list, "/b", error) == -EINVAL && strstr(error, "longer than"));
	free(longest);
	free(list);
}

static void test_printable(void)
{
	char text[16];

	spec_printable(text, sizeof(text), "/a b,~");
	assert(!strcmp(text, "/a b,~"));
	spec_printable(text, sizeof(text), "\n\x1b");
	assert(!strcmp(text, "\\x0a\\x1b"));
	spec_printable(text, sizeof(text), "\\\xc3");
	assert(!strcmp(text, "\\x5c\\xc3"));
	spec_printable(text, sizeof(text), "\n\n\n\n\n");
	assert(!strcmp(text, "\\x0a\\x0a\\x0a..."));
	spec_printable(text, sizeof(text), "0123456789abcdef");
	assert(!strcmp(text, "012345678..."));
	spec_printable(text, 8, "");
	assert(!*text);
	spec_printable(text, 8, "\x7f\x7f");
	assert(!strcmp(text, "\\x7f..."));
}

int main(void)
{
	test_printable();
	test_good();
	test_bad();
	test_lists();
	return 0;
}
