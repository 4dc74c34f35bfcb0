// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test-keeper-hca.c - hca.c against a played libibverbs: the rights that regions get on adapters of
 * both kinds, each way of failing, and what an importer can and cannot do to the keeper.
 */
#undef NDEBUG
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "keeper/hca/hca.h"
#include "tests/fakes/verbs.h"

#define READING ((unsigned int)(IBV_ACCESS_ON_DEMAND | IBV_ACCESS_REMOTE_READ))
#define WRITING (READING | IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE)
#define ADDRESS UINT64_C(0x7f0000000000)

static void fail_next(enum verbs_call call, int error, int times)
{
	fake.fail[call] = error;
	fake.fail_times[call] = times;
}

static struct hca *begin(bool like_mlx5)
{
	struct hca *h;

	verbs_fake_begin(like_mlx5);
	assert(hca_new(&h, fake.context, 1) == 0);
	assert(!fake.pds && !fake.mrs && !fake.contexts); /* nothing is left of what was tried */
	return h;
}

static void end(struct hca *h)
{
	hca_free(h);
	verbs_fake_end();
}

static void test_check(void)
{
	struct failure why = { 0 };

	verbs_fake_begin(true);
	assert(hca_check(fake.context, &why) == 0);
	fake.rc_odp_caps = IBV_ODP_SUPPORT_READ;
	assert(hca_check(fake.context, &why) == -EOPNOTSUPP && strstr(why.text, "fake0"));
	fake.rc_odp_caps = 0;
	assert(hca_check(fake.context, &why) == -EOPNOTSUPP);
	fail_next(CALL_QUERY, EIO, 1);
	assert(hca_check(fake.context, &why) == -EIO);
	verbs_fake_end();
}

/*
 * A region for reading over a read-only mapping: on mlx5 LOCAL_WRITE would break it, on soft-RoCE
 * its absence.
 */
static void test_rights(void)
{
	for (int like_mlx5 = 0; like_mlx5 < 2; like_mlx5++) {
		struct hca *h = begin(like_mlx5);
		struct hca_mr *mr;

		assert(hca_register(h, ADDRESS, 8192, false, 0, &mr) == 0);
		assert(fake.access == (like_mlx5 ? READING : READING | IBV_ACCESS_LOCAL_WRITE));
		assert(hca_prefetch(mr, ADDRESS + 4096, 4096, false) == 0);
		assert(fake.advice == IBV_ADVISE_MR_ADVICE_PREFETCH &&
		       fake.advised == ADDRESS + 4096);
		assert(fake.advise_flags == IBV_ADVISE_MR_FLAG_FLUSH &&
		       fake.advised_length == 4096);
		assert(hca_prefetch(mr, ADDRESS, 4096, true) == -EINVAL);
		assert(hca_deregister(mr) == 0);
		assert(hca_register(h, ADDRESS, 8192, true, 0, &mr) == 0);
		assert(fake.access == (like_mlx5 ? WRITING : WRITING | IBV_ACCESS_REMOTE_ATOMIC));
		assert(hca_prefetch(mr, ADDRESS, 4096, true) == 0);
		assert(fake.advice == IBV_ADVISE_MR_ADVICE_PREFETCH_WRITE);
		assert(hca_mr_rkey(mr) == 0x22 && hca_mr_pd(mr));
		assert(hca_deregister(mr) == 0);
		end(h);
	}
}

/* An adapter that cannot be asked in advance: nothing is assumed of it. */
static void test_untried(void)
{
	struct hca *h;
	struct hca_mr *mr;

	verbs_fake_begin(true);
	fail_next(CALL_ADVISE, EAGAIN, 2);
	assert(hca_new(&h, fake.context, 1) == 0);
	assert(hca_register(h, ADDRESS, 4096, false, 0, &mr) == 0 && fake.access == READING);
	assert(hca_deregister(mr) == 0);
	end(h);
}

static void test_failures(void)
{
	static const int errors[] = { ENOMEM, EAGAIN, EINVAL, EFAULT, EIO };
	struct hca *h = begin(true);
	struct hca_mr *mr;

	for (size_t i = 0; i < sizeof(errors) / sizeof(*errors); i++) {
		int e = errors[i];

		fail_next(CALL_ALLOC_PD, e, 1);
		assert(hca_register(h, ADDRESS, 4096, true, 0, &mr) == -e && !fake.pds);
		fail_next(CALL_REG_MR, e, 1);
		assert(hca_register(h, ADDRESS, 4096, true, 0, &mr) == -e && !fake.pds &&
		       !fake.mrs);
		assert(hca_register(h, ADDRESS, 4096, true, 0, &mr) == 0);
		fail_next(CALL_ADVISE, e, 1);
		assert(hca_prefetch(mr, ADDRESS, 4096, false) == -e);
		fail_next(CALL_DEREG_MR, e, 1);
		assert(hca_deregister(mr) == -e && fake.mrs == 1);
		fail_next(CALL_DEALLOC_PD, e, 1);
		assert(hca_deregister(mr) == -e && fake.mrs == 0 && fake.pds == 1);
		assert(hca_deregister(mr) == 0);
	}
	fail_next(CALL_QUERY, EIO, 1);
	assert(hca_new(&h, fake.context, 1) == -EIO);
	end(h);
}

/* What a keeper does with an adapter, of which one call at most fails: which it was is told, or does not matter. */
static void use(bool like_mlx5)
{
	int told = 0;
	struct hca_import import;
	struct hca_mr *mr;
	struct hca *h;

	if (hca_new(&h, fake.context, 1) < 0) {
		assert(fake.calls >= fake.fail_at);
		return;
	}
	for (int write = 0; write < 2; write++) {
		int r = hca_register(h, ADDRESS, 8192, write, 0, &mr);

		told += r == -ENOMEM;
		if (r < 0)
			continue;
		if (!write)
			assert(fake.access ==
			       (like_mlx5 ? READING : READING | IBV_ACCESS_LOCAL_WRITE));
		r = hca_mr_import(mr, &import);
		assert(r == 0 || r == -ENOMEM || (!like_mlx5 && r == -EOPNOTSUPP));
		r = hca_prefetch(mr, ADDRESS, 4096, write);
		assert(r == 0 || r == -ENOMEM);
		told += r == -ENOMEM;
		assert(hca_deregister(mr) == 0);
	}
	assert(told <= 1);
	hca_free(h);
}

/* Each call of libibverbs fails once in turn. Nothing is left of it, and whatever comes later is as usual. */
static void test_each_fails(void)
{
	int before = count_descriptors();

	for (int like_mlx5 = 0; like_mlx5 < 2; like_mlx5++) {
		unsigned int n = 0;
		bool failed;

		do {
			verbs_fake_begin(like_mlx5);
			fake.fail_at = ++n;
			use(like_mlx5);
			failed = fake.calls >= n;
			verbs_fake_end();
			assert(count_descriptors() == before);
		} while (failed);
		assert(n > 10);
	}
}

static void test_import(void)
{
	int before = count_descriptors();
	struct hca *h = begin(true);
	struct hca_import import;
	struct hca_mr *mr;

	assert(hca_register(h, ADDRESS, 8192, true, 0, &mr) == 0);
	assert(hca_mr_import(mr, &import) == 0 && import.command_fd == fake.context->cmd_fd);
	assert(import.pd_handle == 100 && import.mr_handle == 200);
	assert(hca_deregister(mr) == 0);
	end(h);
	assert(count_descriptors() == before);
}

/*
 * Whatever does not work when it is tried, a region can be had, only not imported, and nothing is
 * left open.
 */
static void test_no_import(void)
{
	static const struct {
		bool has_import;
		enum verbs_call call;
		int error;
	} table[] = {
		{ false, CALL_IMPORT_DEVICE, EOPNOTSUPP }, { true, CALL_IMPORT_DEVICE, EIO },
		{ true, CALL_IMPORT_DEVICE, ENOMEM },	   { true, CALL_IMPORT_DEVICE, EOPNOTSUPP },
		{ true, CALL_IMPORT_PD, EINVAL },	   { true, CALL_IMPORT_PD, EOPNOTSUPP },
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		int before = count_descriptors();
		struct hca_import import;
		struct hca_mr *mr;
		struct hca *h;

		verbs_fake_begin(true);
		fake.has_import = table[i].has_import;
		fail_next(table[i].call, table[i].error, 1);
		assert(hca_new(&h, fake.context, 1) == 0);
		assert(hca_register(h, ADDRESS, 8192, true, 0, &mr) == 0);
		assert(hca_mr_import(mr, &import) == -table[i].error);
		assert(hca_deregister(mr) == 0);
		end(h);
		assert(count_descriptors() == before);
	}
}

/*
 * Somebody who imported has queue pairs in the domain, or just looks at the memory region: the
 * region goes all the same.
 */
static void test_importer_holds_on(void)
{
	struct hca *h = begin(true);
	struct hca_import import;
	struct hca_mr *mr, *other;

	assert(hca_register(h, ADDRESS, 8192, true, 0, &mr) == 0 &&
	       hca_mr_import(mr, &import) == 0);
	fail_next(CALL_DEREG_MR, EBUSY, 3);
	fail_next(CALL_DEALLOC_PD, EBUSY, 1);
	assert(hca_deregister(mr) == 0 && fake.mrs == 0 && fake.pds == 1);
	/* the next time something ends it is looked at again */
	assert(hca_register(h, ADDRESS, 8192, true, 0, &other) == 0);
	assert(hca_deregister(other) == 0 && fake.pds == 0);

	/* for one that was not given away it is our own mistake, and told */
	assert(hca_register(h, ADDRESS, 8192, true, 0, &mr) == 0);
	fail_next(CALL_DEREG_MR, EBUSY, 1);
	assert(hca_deregister(mr) == -EBUSY && fake.mrs == 1);
	fail_next(CALL_DEALLOC_PD, EBUSY, 1);
	assert(hca_deregister(mr) == -EBUSY && fake.mrs == 0);
	assert(hca_deregister(mr) == 0);

	/* one that never lets go is no reason to wait for ever */
	assert(hca_register(h, ADDRESS, 8192, true, 0, &mr) == 0 &&
	       hca_mr_import(mr, &import) == 0);
	fail_next(CALL_DEREG_MR, EBUSY, 1000);
	assert(hca_deregister(mr) == -EBUSY);
	fail_next(CALL_DEREG_MR, 0, 0);
	assert(hca_deregister(mr) == 0);
	end(h);
}

/* What is kept by importers is bounded: then nothing more is given away. */
static void test_importer_hoards(void)
{
	struct hca *h = begin(true);
	struct hca_import import;
	struct hca_mr *mr;
	int r = 0, kept = 0;

	for (; kept < 5000; kept++) {
		assert(hca_register(h, ADDRESS, 8192, true, 0, &mr) == 0);
		r = hca_mr_import(mr, &import);
		fail_next(CALL_DEALLOC_PD, EBUSY, r ? kept : kept + 1);
		assert(hca_deregister(mr) == 0);
		if (r)
			break;
	}
	assert(r == -EDQUOT && kept == 1024 && fake.pds == kept);
	assert(hca_register(h, ADDRESS, 8192, true, 0, &mr) == 0 && hca_deregister(mr) == 0 &&
	       fake.pds == 0);
	end(h);
}

int main(void)
{
	test_check();
	test_rights();
	test_untried();
	test_failures();
	test_each_fails();
	test_import();
	test_no_import();
	test_importer_holds_on();
	test_importer_hoards();
	return 0;
}
