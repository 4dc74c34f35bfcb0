// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test-selftest.c - every check of the self-test can fail: run against a device that is good but
 * for one fault (fakes/verbs-selftest.h), each says what it should, and nothing else changes.
 */
#undef NDEBUG
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tests/fakes/verbs-selftest.h"
#include "selftest/selftest.h"
#include "selftest/supervise.h"

struct expectation {
	enum fault fault;
	enum ibv_mtu mtu;
	struct {
		enum check check;
		enum verdict verdict;
		const char *mentions;
	} differs[8]; /* from what a good device gets; ends with an empty text */
	uint32_t alignment, minimum_mtu;
	bool usable;
};

static const struct expectation expectations[] = {
	{ FAULT_NONE, IBV_MTU_4096, { { 0 } }, 1, 1, true },
	{ FAULT_NONE, IBV_MTU_1024, { { 0 } }, 1, 1, true },
	{ FAULT_INSIDE_PAGE,
	  IBV_MTU_4096,
	  { { CHECK_ALIGNMENT, VERDICT_QUIRK, "4096" }, { CHECK_MTU, VERDICT_QUIRK, "4096" } },
	  4096,
	  4096,
	  true },
	{ FAULT_INSIDE_PAGE,
	  IBV_MTU_1024,
	  { { CHECK_ALIGNMENT, VERDICT_QUIRK, "4096" },
	    { CHECK_MTU, VERDICT_FAILED, "raise the interface's MTU" } },
	  4096,
	  4096,
	  false },
	{ FAULT_LATER_PACKETS,
	  IBV_MTU_2048,
	  { { CHECK_MTU, VERDICT_FAILED, "2048" } },
	  1,
	  4096,
	  false },
	{ FAULT_EVERY_PLACE,
	  IBV_MTU_4096,
	  { { CHECK_ALIGNMENT, VERDICT_FAILED, "start of a page" },
	    { CHECK_MTU, VERDICT_FAILED, "whatever" },
	    { CHECK_FENCE, VERDICT_FAILED, "" },
	    { CHECK_WRITEBACK, VERDICT_FAILED, "" },
	    { CHECK_TRUNCATE, VERDICT_FAILED, "" },
	    { CHECK_WINDOWS, VERDICT_QUIRK, "" },
	    { CHECK_KEYS, VERDICT_QUIRK, "not there" } },
	  8192,
	  4096,
	  false },
	{ FAULT_READS_ZEROES,
	  IBV_MTU_4096,
	  { { CHECK_ALIGNMENT, VERDICT_FAILED, "" },
	    { CHECK_MTU, VERDICT_FAILED, "" },
	    { CHECK_FENCE, VERDICT_FAILED, "read" },
	    { CHECK_TRUNCATE, VERDICT_FAILED, "" } },
	  8192,
	  4096,
	  false },
	{ FAULT_QP_RIGHTS,
	  IBV_MTU_4096,
	  { { CHECK_RIGHTS, VERDICT_QUIRK, "tickets" } },
	  1,
	  1,
	  true },
	{ FAULT_MR_RIGHTS,
	  IBV_MTU_4096,
	  { { CHECK_RIGHTS, VERDICT_FAILED, "for reading" } },
	  1,
	  1,
	  false },
	{ FAULT_NO_REFUSAL,
	  IBV_MTU_4096,
	  { { CHECK_RIGHTS, VERDICT_NOT_RUN, "does not end" } },
	  1,
	  1,
	  false },
	{ FAULT_NEVER_REFUSES,
	  IBV_MTU_4096,
	  { { CHECK_FENCE, VERDICT_FAILED, "not refused" },
	    { CHECK_TRUNCATE, VERDICT_FAILED, "stay reachable" },
	    { CHECK_ADVISE, VERDICT_QUIRK, "fenced" },
	    { CHECK_KEYS, VERDICT_QUIRK, "fenced page" } },
	  1,
	  1,
	  false },
	{ FAULT_NEVER_RECOVERS,
	  IBV_MTU_4096,
	  { { CHECK_FENCE, VERDICT_FAILED, "" },
	    { CHECK_TRUNCATE, VERDICT_FAILED, "unreachable" },
	    { CHECK_KEYS, VERDICT_QUIRK, "lifted" } },
	  1,
	  1,
	  false },
	{ FAULT_LOSES_REWRITES,
	  IBV_MTU_4096,
	  { { CHECK_ALIGNMENT, VERDICT_QUIRK, "" },
	    { CHECK_MTU, VERDICT_FAILED, "" },
	    { CHECK_FENCE, VERDICT_FAILED, "" },
	    { CHECK_WRITEBACK, VERDICT_FAILED, "number 2" },
	    { CHECK_TRUNCATE, VERDICT_FAILED, "" },
	    { CHECK_KEYS, VERDICT_QUIRK, "lifted" } },
	  4096,
	  4096,
	  false },
	{ FAULT_SEND_SUCCEEDS,
	  IBV_MTU_4096,
	  { { CHECK_RNR, VERDICT_FAILED, "success" },
	    { CHECK_SILENCE, VERDICT_FAILED, "success" } },
	  1,
	  1,
	  false },
	{ FAULT_WRONG_STATUS,
	  IBV_MTU_4096,
	  { { CHECK_RNR, VERDICT_QUIRK, "another status" },
	    { CHECK_SILENCE, VERDICT_QUIRK, "another" } },
	  1,
	  1,
	  true },
	{ FAULT_NO_ADVISE,
	  IBV_MTU_4096,
	  { { CHECK_ADVISE, VERDICT_QUIRK, "prefetching" } },
	  1,
	  1,
	  true },
	{ FAULT_ADVISE_FAILS,
	  IBV_MTU_4096,
	  { { CHECK_ADVISE, VERDICT_QUIRK, "reading fails" } },
	  1,
	  1,
	  true },
	{ FAULT_ADVISE_BLIND,
	  IBV_MTU_4096,
	  { { CHECK_ADVISE, VERDICT_QUIRK, "fenced" } },
	  1,
	  1,
	  true },
	{ FAULT_ADDS_TWICE,
	  IBV_MTU_4096,
	  { { CHECK_ATOMICS, VERDICT_QUIRK, "wrong" } },
	  1,
	  1,
	  true },
	{ FAULT_NO_ATOMICS,
	  IBV_MTU_4096,
	  { { CHECK_ATOMICS, VERDICT_NOT_SUPPORTED, "none" } },
	  1,
	  1,
	  true },
	{ FAULT_NO_WINDOWS,
	  IBV_MTU_4096,
	  { { CHECK_WINDOWS, VERDICT_NOT_SUPPORTED, "type 2" },
	    { CHECK_BOUNDS, VERDICT_NOT_SUPPORTED, "type 2" } },
	  1,
	  1,
	  true },
	{ FAULT_NO_BIND,
	  IBV_MTU_4096,
	  { { CHECK_WINDOWS, VERDICT_NOT_SUPPORTED, "bound" },
	    { CHECK_BOUNDS, VERDICT_NOT_SUPPORTED, "bound" } },
	  1,
	  1,
	  true },
	{ FAULT_WINDOW_UNBOUNDED,
	  IBV_MTU_4096,
	  { { CHECK_BOUNDS, VERDICT_QUIRK, "lands" } },
	  1,
	  1,
	  true },
	{ FAULT_WINDOW_SHARED,
	  IBV_MTU_4096,
	  { { CHECK_WINDOWS, VERDICT_QUIRK, "any queue pair" } },
	  1,
	  1,
	  true },
	{ FAULT_NO_LIBRARY,
	  IBV_MTU_4096,
	  { { CHECK_DC, VERDICT_NOT_SUPPORTED, "cannot be loaded" },
	    { CHECK_KEYS, VERDICT_NOT_SUPPORTED, "cannot be loaded" } },
	  1,
	  1,
	  true },
	{ FAULT_NOT_MLX5,
	  IBV_MTU_4096,
	  { { CHECK_DC, VERDICT_NOT_SUPPORTED, "not an mlx5 device" },
	    { CHECK_KEYS, VERDICT_NOT_SUPPORTED, "not an mlx5 device" } },
	  1,
	  1,
	  true },
	{ FAULT_MLX5_QUERY,
	  IBV_MTU_4096,
	  { { CHECK_DC, VERDICT_NOT_SUPPORTED,
	      "cannot query the device: Operation not supported" } },
	  1,
	  1,
	  true },
	{ FAULT_NO_DC,
	  IBV_MTU_4096,
	  { { CHECK_DC, VERDICT_NOT_SUPPORTED, "READ and WRITE, but for SEND, SRQ RECEIVE" } },
	  1,
	  1,
	  true },
	{ FAULT_NO_FILLING,
	  IBV_MTU_4096,
	  { { CHECK_KEYS, VERDICT_NOT_SUPPORTED, "no queue pair" } },
	  1,
	  1,
	  true },
	{ FAULT_NO_KEYS,
	  IBV_MTU_4096,
	  { { CHECK_KEYS, VERDICT_NOT_SUPPORTED, "Operation not supported" } },
	  1,
	  1,
	  true },
	{ FAULT_KEY_NOT_FILLED,
	  IBV_MTU_4096,
	  { { CHECK_KEYS, VERDICT_NOT_SUPPORTED, "demand-paged memory: another status" } },
	  1,
	  1,
	  true },
	{ FAULT_KEY_UNBOUNDED,
	  IBV_MTU_4096,
	  { { CHECK_KEYS, VERDICT_QUIRK, "beyond one" } },
	  1,
	  1,
	  true },
	{ FAULT_KEY_STAYS,
	  IBV_MTU_4096,
	  { { CHECK_KEYS, VERDICT_QUIRK, "destroyed is not refused" } },
	  1,
	  1,
	  true },
	{ FAULT_KEYS_DIE_TOGETHER,
	  IBV_MTU_4096,
	  { { CHECK_KEYS, VERDICT_QUIRK, "after another was destroyed" } },
	  1,
	  1,
	  true },
	{ FAULT_WINDOW_STAYS,
	  IBV_MTU_4096,
	  { { CHECK_WINDOWS, VERDICT_QUIRK, "revoked" } },
	  1,
	  1,
	  true },
};

static const char *directory;

static void try(const struct expectation *e)
{
	struct selftest s = { .context = fake_verbs_open(e->fault, e->mtu),
			      .directory = directory };
	struct quirks q;
	uint32_t mtu;
	enum check first;

	assert(selftest_find_port(s.context, &s.port, &mtu) == 0 && mtu == 128u << e->mtu);
	quirks_init(&q);
	for (enum check c = 0; c < _CHECK_MAX; c++) {
		enum verdict wanted = c == CHECK_FLUSH ? VERDICT_NOT_SUPPORTED : VERDICT_OK;
		const char *mentions = "";
		struct finding f;

		for (int i = 0; i < 8 && e->differs[i].mentions; i++)
			if (e->differs[i].check == c) {
				wanted = e->differs[i].verdict;
				mentions = e->differs[i].mentions;
			}
		if (c == CHECK_WRITEBACK && !directory)
			wanted = VERDICT_NOT_RUN;
		selftest_run(&s, c, &f);
		selftest_note(&q, c, &f);
		if (f.verdict != wanted ||
		    (wanted != VERDICT_NOT_RUN && !strstr(f.text, mentions))) {
			fprintf(stderr, "fault %d: %s is %s (%s), not %s\n", e->fault,
				check_name(c), verdict_name(f.verdict), f.text,
				verdict_name(wanted));
			assert(0);
		}
		assert(*f.text && fake_verbs_count() == 0);
	}
	assert(q.alignment == e->alignment && q.minimum_mtu == e->minimum_mtu);
	assert(quirks_are_usable(&q, &first) == e->usable);
}

/* Where nothing can be tried nothing is passed, and each check says why. */
static void test_nothing_works(enum fault fault, const char *mentions)
{
	struct selftest s = { .context = fake_verbs_open(fault, IBV_MTU_4096), .port = 1 };
	struct finding f;

	for (enum check c = 0; c < _CHECK_MAX; c++) {
		selftest_run(&s, c, &f);
		assert(f.verdict == VERDICT_NOT_RUN && strstr(f.text, mentions) &&
		       fake_verbs_count() == 0);
	}
}

/* Whatever happens in it, the report comes, with all that was found before. */
static void test_supervised(enum fault fault, const char *mentions)
{
	struct report r;

	fake_verbs_open(fault, IBV_MTU_4096);
	supervise("fake0", NULL, fault == FAULT_HANGS ? 500000 : 60000000, &r);
	assert(r.failure.code == 0 && r.port == 1 && r.active_mtu == 4096);
	for (enum check c = 0; c < CHECK_ATOMICS; c++)
		assert(r.findings[c].verdict ==
		       (c == CHECK_WRITEBACK ? VERDICT_NOT_RUN : VERDICT_OK));
	assert(r.quirks.alignment == 1 && report_is_lasting(&r));
	if (fault == FAULT_NONE)
		return;
	assert(r.findings[CHECK_ATOMICS].verdict == VERDICT_FAILED &&
	       strstr(r.findings[CHECK_ATOMICS].text, mentions));
	for (enum check c = CHECK_ATOMICS + 1; c < _CHECK_MAX; c++)
		assert(r.findings[c].verdict == VERDICT_NOT_RUN && *r.findings[c].text);
}

static void test_not_opened(enum fault fault, const char *device, int error, const char *mentions)
{
	struct report r;

	fake_verbs_open(fault, IBV_MTU_4096);
	supervise(device, NULL, 60000000, &r);
	assert(r.failure.code == error && strstr(r.failure.text, mentions) &&
	       !report_is_lasting(&r));
}

int main(void)
{
	struct selftest s = { .context = fake_verbs_open(FAULT_NONE, IBV_MTU_4096),
			      .directory = "/nonexistent" };
	struct finding f;

	/* a file on storage, where the build is on one; else in memory */
	directory = ".";
	selftest_run(&s, CHECK_FENCE, &f);
	assert(f.verdict == VERDICT_NOT_RUN && strstr(f.text, "/nonexistent"));
	s.directory = directory;
	selftest_run(&s, CHECK_WRITEBACK, &f);
	if (f.verdict == VERDICT_NOT_RUN)
		directory = NULL;
	for (size_t i = 0; i < sizeof(expectations) / sizeof(expectations[0]); i++)
		try(&expectations[i]);
	test_nothing_works(FAULT_NO_PORT, "not active");
	test_nothing_works(FAULT_NO_MEMORY, "registered");
	test_supervised(FAULT_NONE, "");
	test_supervised(FAULT_KILLS, "killed");
	test_supervised(FAULT_HANGS, "did not end");
	test_not_opened(FAULT_NONE, "fake1", -ENODEV, "no RDMA device fake1");
	test_not_opened(FAULT_NOT_ALLOWED, "fake0", -EACCES, "/dev/infiniband/uverbs0");
	test_not_opened(FAULT_NO_PORT, "fake0", -ENETDOWN, "no port");
	return 0;
}
