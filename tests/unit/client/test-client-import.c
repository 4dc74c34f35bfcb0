// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test-client-import.c - librdmareg's import against a played libibverbs: every way of failing
 * leaves nothing behind, and what was made goes in the right order (fakes/verbs.c is strict about
 * it).
 */
#undef NDEBUG
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "import-verbs.h"
#include "tests/fakes/verbs.h"

static const struct import_handles good = { .pd_handle = 100,
					    .mr_handle = 200,
					    .address = 0x7f0000000000,
					    .length = 8192,
					    .rkey = 0x22,
					    .generation = 3 };

static void test_success(void)
{
	int before = count_descriptors();
	struct rdmareg_imported *i = NULL;

	verbs_fake_begin(true);
	assert(import_open(1, fake.context->cmd_fd, &good, &i) == 0);
	assert(i->context && i->pd->context == i->context && i->mr->pd == i->pd);
	assert(i->pd->handle == 100 && i->mr->handle == 200 && i->mr->rkey == 0x22);
	assert(i->address == good.address && i->length == 8192 && i->generation == 3);
	/* the caller's descriptor is his */
	assert(i->context->cmd_fd != fake.context->cmd_fd &&
	       fcntl(fake.context->cmd_fd, F_GETFD) >= 0);
	assert(fcntl(i->context->cmd_fd, F_GETFD) == FD_CLOEXEC);
	assert(!rdmareg_import_free(i) && !rdmareg_import_free(NULL));
	verbs_fake_end();
	assert(count_descriptors() == before);
}

static void test_failures(void)
{
	static const struct {
		enum verbs_call call;
		int error;
		const char *mentions;
	} table[] = {
		{ CALL_IMPORT_DEVICE, EIO, "context" },
		{ CALL_IMPORT_DEVICE, ENODEV, "/dev/infiniband" },
		{ CALL_IMPORT_DEVICE, EOPNOTSUPP, "map the file" },
		{ CALL_IMPORT_PD, EINVAL, "protection domain" },
		{ CALL_IMPORT_PD, EOPNOTSUPP, "protection domain" },
		{ CALL_IMPORT_MR, ENOENT, "memory region" },
		{ CALL_IMPORT_MR, ENOMEM, "memory region" },
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		struct rdmareg_imported *imported = NULL;
		int before = count_descriptors();

		verbs_fake_begin(true);
		fake.fail[table[i].call] = table[i].error;
		fake.fail_times[table[i].call] = 1;
		assert(import_open(1, fake.context->cmd_fd, &good, &imported) == -table[i].error);
		assert(!imported && strstr(rdmareg_last_error(), table[i].mentions));
		verbs_fake_end();
		assert(count_descriptors() == before);
	}
}

/* What a keeper, which is its user's process, may say. */
static void test_bad_answers(void)
{
	struct import_handles other_key = good, too_long = good;
	struct rdmareg_imported *i = NULL;
	int before = count_descriptors(), pipes[2];

	other_key.rkey++;
	too_long.length++;
	verbs_fake_begin(true);
	assert(import_open(1, fake.context->cmd_fd, &other_key, &i) == -ESTALE && !i);
	assert(import_open(1, fake.context->cmd_fd, &too_long, &i) == -ESTALE && !i);
	assert(import_open(1, -1, &good, &i) == -EBADF && !i);
	assert(pipe2(pipes, O_CLOEXEC) == 0);
	assert(import_open(1, pipes[0], &good, &i) == -EINVAL && !i);
	assert(fcntl(pipes[0], F_GETFD) >= 0);
	close(pipes[0]);
	close(pipes[1]);
	fake.has_import = false;
	assert(import_open(1, fake.context->cmd_fd, &good, &i) == -EOPNOTSUPP && !i);
	verbs_fake_end();
	assert(count_descriptors() == before);
}

int main(void)
{
	test_success();
	test_failures();
	test_bad_answers();
	return 0;
}
