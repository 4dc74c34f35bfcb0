// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test-client-input.c - what a program can give wrongly to each public function of librdmareg: an
 * object or a place for the answer that is NULL, a structure whose size was not set or is from
 * another version, reserved members that are not zero, enumerations and numbers out of range.
 * Against a played daemon (fakes/rdmaregd.h).
 *
 * What always holds: a negative errno and a sentence, and nothing was changed: no output argument,
 * and nothing at the daemon. test-client-exports.sh sees to it that no function is missing here.
 */
#undef NDEBUG
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "rdmareg-wire.h"
#include "tests/fakes/rdmaregd.h"
#include "rdmareg.h"

static struct rdmareg *c;
static struct rdmareg_region *region;
static struct rdmareg_list *list;
static struct rdmareg_holders *holders;
static struct rdmareg_history *history;
static struct rdmareg_devices *devices;
static struct rdmareg_keepers *keepers;
static struct rdmareg_standings *standings;
static struct rdmareg_job *job;
static struct rdmareg_sessions *sessions;
static struct rdmareg_released *released;
static int fd;

/* The last call failed with this, and says why. */
static void check_refusal(int line, int64_t got, int wanted, const char *says)
{
	if (got == -wanted && strstr(rdmareg_last_error(), says))
		return;
	fprintf(stderr, "line %d: %lld instead of -%d: %s\n", line, (long long)got, wanted,
		rdmareg_last_error());
	abort();
}

#define refused(call, wanted, says)                        \
	do {                                               \
		int64_t _r = (call);                       \
		check_refusal(__LINE__, _r, wanted, says); \
	} while (0)
#define is_null(call, argument) refused(call, EINVAL, argument " is NULL")

static void test_null_objects(void)
{
	struct rdmareg_region_info info = { .size = sizeof(info) };
	struct rdmareg_event event = { .size = sizeof(event) };
	struct rdmareg_sync_result result = { .size = sizeof(result) };
	struct rdmareg_holder holder = { .size = sizeof(holder) };
	struct rdmareg_keeper keeper = { .size = sizeof(keeper) };
	struct rdmareg_status_value value = { .size = sizeof(value) };
	struct rdmareg_status *status = (void *)1;
	struct rdmareg_device device = { .size = sizeof(device) };
	struct rdmareg_job_info progress = { .size = sizeof(progress) };
	const struct rdmareg_register_request q = { fd, RDMAREG_ACCESS_READ, 0, 0, NULL };
	struct rdmareg_region *r = (void *)1;
	struct rdmareg_list *l = (void *)1;
	struct rdmareg_holders *h = (void *)1;
	struct rdmareg_devices *d = (void *)1;
	struct rdmareg_keepers *k = (void *)1;
	struct rdmareg_history_event happened = { .size = sizeof(happened) };
	struct rdmareg_history *past = (void *)1;
	struct rdmareg_job *j = (void *)1;
	struct rdmareg_imported *i = (void *)1;
	struct rdmareg_session_info session = { .size = sizeof(session) };
	struct rdmareg_released_region end = { .size = sizeof(end) };
	struct rdmareg_sessions *s = (void *)1;
	struct rdmareg_released *e = (void *)1;
	uint64_t number = 1;
	char *ticket = (void *)1;
	int other = 1;

	is_null(rdmareg_register(NULL, fd, 0, 0, RDMAREG_ACCESS_READ, NULL, &r), "c");
	is_null(rdmareg_register_many(NULL, &q, 1, 0, &r, NULL), "c");
	is_null(rdmareg_lookup(NULL, 1, &r), "c");
	is_null(rdmareg_lookup_name(NULL, 0, "s", "n", &r), "c");
	is_null(rdmareg_region_get_info(NULL, &info), "r");
	is_null(rdmareg_region_refresh(NULL), "region");
	is_null(rdmareg_list(NULL, NULL, &l), "c");
	is_null(rdmareg_list_next(NULL, &info), "l");
	is_null(rdmareg_export(NULL, NULL, &ticket), "region");
	is_null(rdmareg_prefetch(NULL, 0, 0, 0), "region");
	is_null(rdmareg_configure(NULL, NULL), "region");
	is_null(rdmareg_release(NULL), "region");
	is_null(rdmareg_release_all(NULL, &number, 1, NULL, NULL, NULL), "c");
	is_null(rdmareg_subscribe(NULL), "c");
	is_null(rdmareg_get_fd(NULL), "c");
	is_null(rdmareg_dispatch(NULL), "c");
	is_null(rdmareg_next_event(NULL, &event), "c");
	is_null(rdmareg_acknowledge(NULL, 1, 1), "c");
	is_null(rdmareg_join(NULL), "region");
	is_null(rdmareg_leave(NULL), "region");
	is_null(rdmareg_find_holders(NULL, fd, &h), "c");
	is_null(rdmareg_holders_next(NULL, &holder), "h");
	is_null(rdmareg_start_prefetch(NULL, 0, 0, 0, &j), "region");
	is_null(rdmareg_job_get_info(NULL, &progress), "j");
	is_null(rdmareg_job_refresh(NULL), "j");
	is_null(rdmareg_job_wait(NULL, 0), "j");
	is_null(rdmareg_job_cancel(NULL), "j");
	is_null(rdmareg_revoke(NULL, NULL, &number), "region");
	is_null(rdmareg_restore(NULL, 1), "region");
	is_null(rdmareg_sync(NULL, NULL, &result), "region");
	is_null(rdmareg_evict(NULL, fd, NULL, NULL), "c");
	is_null(rdmareg_enforce_limits(NULL, NULL, NULL), "c");
	is_null(rdmareg_reload(NULL), "c");
	is_null(rdmareg_drain(NULL, ""), "c");
	is_null(rdmareg_get_status(NULL, &status), "c");
	is_null(rdmareg_status_next(NULL, &value), "s");
	is_null(rdmareg_undrain(NULL), "c");
	is_null(rdmareg_list_devices(NULL, &d), "c");
	is_null(rdmareg_devices_next(NULL, &device), "d");
	is_null(rdmareg_get_history(NULL, NULL, &past, NULL, NULL), "c");
	is_null(rdmareg_history_next(NULL, &happened), "h");
	is_null(rdmareg_list_keepers(NULL, NULL, &k), "c");
	is_null(rdmareg_keepers_next(NULL, &keeper), "l");
	is_null(rdmareg_replace_keeper(NULL, "1-default-1", NULL, NULL), "c");
	is_null(rdmareg_list_standing(NULL, NULL, (void *)&k), "c");
	is_null(rdmareg_standings_next(NULL, (void *)&keeper), "l");
	is_null(rdmareg_restore_standing(NULL, NULL, "x", 0, NULL), "c");
	is_null(rdmareg_remove_standing(NULL, 0, NULL, "x"), "c");
	is_null(rdmareg_dax_create(NULL, 1, NULL, &other, NULL, NULL), "c");
	is_null(rdmareg_dax_destroy(NULL, "/dev/dax0.0"), "c");
	is_null(rdmareg_import(NULL, NULL, &i), "region");
	is_null(rdmareg_session_create(NULL, 1, "x", NULL), "c");
	is_null(rdmareg_session_get(NULL, 1, "x", &session), "c");
	is_null(rdmareg_session_drain(NULL, 1, "x"), "c");
	is_null(rdmareg_session_set_limits(NULL, 1, "x", NULL), "c");
	is_null(rdmareg_session_release(NULL, 1, "x", NULL, &e), "c");
	is_null(rdmareg_list_sessions(NULL, NULL, &s), "c");
	is_null(rdmareg_sessions_next(NULL, &session), "l");
	is_null(rdmareg_released_next(NULL, &end), "l");
	assert(status == (void *)1 && !rdmareg_status_free(NULL));
	assert(s == (void *)1 && e == (void *)1 && k == (void *)1);
	assert(rdmareg_region_id(NULL) == 0);
	assert(r == (void *)1 && l == (void *)1 && h == (void *)1 && d == (void *)1 &&
	       j == (void *)1 && i == (void *)1 && ticket == (void *)1 && number == 1 &&
	       other == 1);
}

static void test_null_outputs(void)
{
	const struct rdmareg_register_request q = { fd, RDMAREG_ACCESS_READ, 0, 0, NULL };
	struct rdmareg_region *none = NULL;

	is_null(rdmareg_open(NULL, NULL), "ret");
	is_null(rdmareg_register(c, fd, 0, 0, RDMAREG_ACCESS_READ, NULL, NULL), "ret");
	is_null(rdmareg_register_many(c, NULL, 1, 0, &none, NULL), "requests");
	is_null(rdmareg_register_many(c, &q, 1, 0, NULL, NULL), "ret");
	is_null(rdmareg_lookup(c, 1, NULL), "ret");
	is_null(rdmareg_lookup_name(c, 0, "s", "n", NULL), "ret");
	is_null(rdmareg_lookup_name(c, 0, "s", NULL, &none), "name");
	/* the rest of it: tests/bus/test-open-as.c */
	is_null(rdmareg_open_as(getuid(), "/dev/null", O_RDONLY, NULL, NULL), "ret_fd");
	is_null(rdmareg_list(c, NULL, NULL), "ret");
	is_null(rdmareg_export(region, NULL, NULL), "ret_ticket");
	is_null(rdmareg_find_holders(c, fd, NULL), "ret");
	is_null(rdmareg_start_prefetch(region, 0, 0, 0, NULL), "ret");
	is_null(rdmareg_revoke(region, NULL, NULL), "ret_revocation");
	is_null(rdmareg_list_devices(c, NULL), "ret");
	is_null(rdmareg_get_history(c, NULL, NULL, NULL, NULL), "ret");
	is_null(rdmareg_list_keepers(c, NULL, NULL), "ret");
	is_null(rdmareg_replace_keeper(c, NULL, NULL, NULL), "name");
	is_null(rdmareg_list_standing(c, NULL, NULL), "ret");
	is_null(rdmareg_restore_standing(c, NULL, NULL, 0, NULL), "name");
	refused(rdmareg_restore_standing(c, NULL, "x", -1, NULL), EBADF, "not an open file");
	is_null(rdmareg_remove_standing(c, 0, NULL, NULL), "name");
	is_null(rdmareg_dax_create(c, 1, NULL, NULL, NULL, NULL), "ret_fd");
	is_null(rdmareg_dax_destroy(c, NULL), "path");
	is_null(rdmareg_import(region, NULL, NULL), "ret");
	is_null(rdmareg_session_create(c, 1, NULL, NULL), "name");
	is_null(rdmareg_session_get(c, 1, NULL, NULL), "name");
	is_null(rdmareg_session_drain(c, 1, NULL), "name");
	is_null(rdmareg_session_set_limits(c, 1, NULL, NULL), "name");
	is_null(rdmareg_session_set_limits(c, 1, "x", NULL), "limits");
	is_null(rdmareg_session_release(c, 1, NULL, NULL, NULL), "name");
	is_null(rdmareg_list_sessions(c, NULL, NULL), "ret");
	refused(rdmareg_session_get(c, 1, "x", NULL), EINVAL, "no structure");
	refused(rdmareg_sessions_next(sessions, NULL), EINVAL, "no structure");
	refused(rdmareg_released_next(released, NULL), EINVAL, "no structure");
	refused(rdmareg_region_get_info(region, NULL), EINVAL, "no structure");
	refused(rdmareg_list_next(list, NULL), EINVAL, "no structure");
	refused(rdmareg_next_event(c, NULL), EINVAL, "no structure");
	refused(rdmareg_holders_next(holders, NULL), EINVAL, "no structure");
	refused(rdmareg_job_get_info(job, NULL), EINVAL, "no structure");
	refused(rdmareg_sync(region, NULL, NULL), EINVAL, "no structure");
	refused(rdmareg_devices_next(devices, NULL), EINVAL, "no structure");
	refused(rdmareg_keepers_next(keepers, NULL), EINVAL, "no structure");
	refused(rdmareg_history_next(history, NULL), EINVAL, "no structure");
}

/* No such thing has to be free'd, and nothing can be got out of it. */
static void test_peer(void)
{
	static const char *const tickets[] = {
		"",
		"x",
		"rdmareg://",
		"rdmareg://h:1/1?0",
		"rdmareg://h:0/1?",
		"rdmareg://h:1/99999999999999999999?00000000000000000000000000000000"
	};
	struct rdmareg_peer_options o = { .size = sizeof(o),
					  .on_revocation = (enum rdmareg_on_revocation) - 1 };
	struct rdmareg_peer_event event = { .size = sizeof(event) };
	struct rdmareg_peer_info info = { .size = sizeof(info) };
	struct rdmareg_buffer *b = (void *)1;
	struct rdmareg_peer *p = (void *)1;
	struct rdmareg_rails *rails = (void *)1;
	char *text = (void *)1;
	char data[8] = "", endless[4096];

	is_null(rdmareg_peer_connect(NULL, RDMAREG_ACCESS_READ, NULL, &p), "ticket_text");
	is_null(rdmareg_peer_connect("x", RDMAREG_ACCESS_READ, NULL, NULL), "ret");
	for (size_t i = 0; i < sizeof(tickets) / sizeof(tickets[0]); i++)
		refused(rdmareg_peer_connect(tickets[i], RDMAREG_ACCESS_READ, NULL, &p), EINVAL,
			"ticket");
	memset(endless, 'x',
	       sizeof(endless)); /* not terminated: no more of it is read than a ticket can have */
	refused(rdmareg_peer_connect(endless, RDMAREG_ACCESS_READ, NULL, &p), EINVAL, "too long");
	memcpy(endless, WIRE_TICKET_SCHEME, strlen(WIRE_TICKET_SCHEME));
	refused(rdmareg_peer_connect(endless, RDMAREG_ACCESS_READ, NULL, &p), EINVAL, "too long");
	refused(rdmareg_peer_connect("x", RDMAREG_ACCESS_UNKNOWN, NULL, &p), EINVAL, "access");
	refused(rdmareg_peer_connect("x", (enum rdmareg_access) - 1, NULL, &p), EINVAL, "access");
	refused(rdmareg_peer_connect("x", RDMAREG_ACCESS_READ, &o, &p), EINVAL, "on_revocation");
	o = (struct rdmareg_peer_options){ .size = sizeof(o), .retries = UINT32_MAX };
	refused(rdmareg_peer_connect("x", RDMAREG_ACCESS_READ, &o, &p), EINVAL, "retries");
	o = (struct rdmareg_peer_options){ .size = sizeof(o), .ack_timeout_usec = UINT64_MAX };
	refused(rdmareg_peer_connect("x", RDMAREG_ACCESS_READ, &o, &p), EINVAL, "connecting");
	is_null(rdmareg_peer_get_info(NULL, &info), "p");
	is_null(rdmareg_peer_write(NULL, data, 1, 0), "p");
	is_null(rdmareg_peer_read(NULL, data, 1, 0), "p");
	is_null(rdmareg_peer_register_buffer(NULL, data, 1, 0, &b), "p");
	refused(rdmareg_peer_write_buffer(NULL, 0, 1, 0), EINVAL, "NULL");
	refused(rdmareg_peer_read_buffer(NULL, 0, 1, 0), EINVAL, "NULL");
	is_null(rdmareg_peer_flush(NULL, 0), "p");
	is_null(rdmareg_peer_persist(NULL, 0, 1), "p");
	is_null(rdmareg_peer_get_fd(NULL), "p");
	is_null(rdmareg_peer_dispatch(NULL), "p");
	is_null(rdmareg_peer_next_event(NULL, &event), "p");
	is_null(rdmareg_peer_acknowledge(NULL, 1), "p");
	is_null(rdmareg_rails_connect(NULL, RDMAREG_ACCESS_READ, NULL, &rails), "tickets");
	is_null(rdmareg_rails_connect("x", RDMAREG_ACCESS_READ, NULL, NULL), "ret");
	refused(rdmareg_rails_connect("x", RDMAREG_ACCESS_UNKNOWN, NULL, &rails), EINVAL, "access");
	refused(rdmareg_rails_connect("x", RDMAREG_ACCESS_READ, NULL, &rails), EINVAL,
		"does not begin");
	is_null(rdmareg_rails_get_info(NULL, 0, &info), "r");
	is_null(rdmareg_rails_write(NULL, data, 1, 0), "r");
	is_null(rdmareg_rails_read(NULL, data, 1, 0), "r");
	is_null(rdmareg_rails_flush(NULL, 0), "r");
	is_null(rdmareg_rails_persist(NULL, 0, 1), "r");
	is_null(rdmareg_rails_get_fd(NULL), "r");
	is_null(rdmareg_rails_dispatch(NULL), "r");
	is_null(rdmareg_rails_next_event(NULL, &event), "r");
	is_null(rdmareg_export_rails(NULL, 1, NULL, &text), "regions");
	assert(rails == (void *)1 && text == (void *)1 && !rdmareg_rails_close(NULL));
	assert(p == (void *)1 && b == (void *)1);
}

/* Whatever stands where a size should, and what an older or newer program has there. */
static void test_sizes(void)
{
	static const size_t wrong[] = { 0, 1, sizeof(size_t) - 1, 4097, SIZE_MAX / 2, SIZE_MAX };
	struct rdmareg_region_info info;
	struct {
		struct rdmareg_register_options known;
		uint64_t unknown;
	} newer = { .known = { .size = sizeof(newer) } };
	struct {
		struct rdmareg_region_info known;
		uint64_t unknown;
	} later = { .known = { .size = sizeof(later) }, .unknown = 1 };
	struct rdmareg_region *r = NULL;
	uint64_t number;

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		/* all begin with it, so that one structure stands for each */
		struct rdmareg_region_info any = { .size = wrong[i] };
		const void *options = &any;
		struct rdmareg *context = NULL;
		struct rdmareg_list *l = NULL;
		struct rdmareg_peer *p = NULL;
		char *ticket;
		int other;

		refused(rdmareg_open(options, &context), EINVAL, "size");
		refused(rdmareg_register(c, fd, 0, 0, RDMAREG_ACCESS_READ, options, &r), EINVAL,
			"size");
		refused(rdmareg_list(c, options, &l), EINVAL, "size");
		refused(rdmareg_export(region, options, &ticket), EINVAL, "size");
		refused(rdmareg_configure(region, options), EINVAL, "size");
		refused(rdmareg_revoke(region, options, &number), EINVAL, "size");
		refused(rdmareg_evict(c, fd, options, NULL), EINVAL, "size");
		refused(rdmareg_enforce_limits(c, options, NULL), EINVAL, "size");
		refused(rdmareg_dax_create(c, 1, options, &other, NULL, NULL), EINVAL, "size");
		refused(rdmareg_import(region, options, (void *)&p), EINVAL, "size");
		refused(rdmareg_peer_connect("x", RDMAREG_ACCESS_READ, options, &p), EINVAL,
			"size");
		refused(rdmareg_sync(region, options, (void *)&info), EINVAL, "size");
		refused(rdmareg_sync(region, NULL, (void *)&any), EINVAL, "size");
		refused(rdmareg_region_get_info(region, &any), EINVAL, "size");
		refused(rdmareg_list_next(list, &any), EINVAL, "size");
		refused(rdmareg_next_event(c, (void *)&any), EINVAL, "size");
		refused(rdmareg_holders_next(holders, (void *)&any), EINVAL, "size");
		refused(rdmareg_job_get_info(job, (void *)&any), EINVAL, "size");
		refused(rdmareg_devices_next(devices, (void *)&any), EINVAL, "size");
		refused(rdmareg_list_keepers(c, options, (void *)&l), EINVAL, "size");
		refused(rdmareg_replace_keeper(c, "x", options, NULL), EINVAL, "size");
		refused(rdmareg_list_standing(c, options, (void *)&l), EINVAL, "size");
		refused(rdmareg_standings_next(standings, (void *)&any), EINVAL, "size");
		refused(rdmareg_keepers_next(keepers, (void *)&any), EINVAL, "size");
		refused(rdmareg_get_history(c, options, (void *)&l, NULL, NULL), EINVAL, "size");
		refused(rdmareg_history_next(history, (void *)&any), EINVAL, "size");
		refused(rdmareg_session_create(c, 1, "x", options), EINVAL, "size");
		refused(rdmareg_session_get(c, 1, "x", (void *)&any), EINVAL, "size");
		refused(rdmareg_session_set_limits(c, 1, "x", options), EINVAL, "size");
		refused(rdmareg_session_release(c, 1, "x", options, NULL), EINVAL, "size");
		refused(rdmareg_list_sessions(c, options, (void *)&l), EINVAL, "size");
		refused(rdmareg_sessions_next(sessions, (void *)&any), EINVAL, "size");
		refused(rdmareg_released_next(released, (void *)&any), EINVAL, "size");
	}
	newer.unknown = 1;
	refused(rdmareg_register(c, fd, 0, 0, RDMAREG_ACCESS_READ, &newer.known, &r), E2BIG,
		"update the library");
	assert(!r && rdmareg_region_get_info(region, &later.known) == 0 && !later.unknown);
	/* An older program has room for less, and gets no more than that. */
	memset(&info, 0xa5, sizeof(info));
	info.size = offsetof(struct rdmareg_region_info, state);
	assert(rdmareg_region_get_info(region, &info) == 0);
	assert(info.id == rdmareg_region_id(region) && (unsigned int)info.state == 0xa5a5a5a5);
}

static void test_reserved(void)
{
	struct rdmareg_open_options oo = { .size = sizeof(oo), .reserved = { [6] = 1 } };
	struct rdmareg_register_options ro2 = { .size = sizeof(ro2), .reserved2 = 1 };
	struct rdmareg_standing_options sto = { .size = sizeof(sto), .reserved = { [0] = 1 } };
	struct rdmareg_standings *walk = NULL;
	struct rdmareg_configure_options co = { .size = sizeof(co), .reserved = 1 };
	struct rdmareg_dax_options dao = { .size = sizeof(dao), .reserved = { [1] = 1 } };
	struct rdmareg_session_limits sl = { .size = sizeof(sl), .reserved = 1 };
	struct rdmareg_keepers_options ko = { .size = sizeof(ko), .reserved = { [2] = 1 } };
	struct rdmareg_sessions_options so = { .size = sizeof(so), .reserved = { [2] = 1 } };
	struct rdmareg_sessions *s = NULL;
	struct rdmareg_keepers *k = NULL;
	struct rdmareg_history_options ho = { .size = sizeof(ho), .reserved = { [1] = 1 } };
	struct rdmareg_history *past = NULL;
	struct rdmareg *context = NULL;
	struct rdmareg_region *r = NULL;
	int other = -1;

	refused(rdmareg_open(&oo, &context), E2BIG, "reserved");
	refused(rdmareg_list_keepers(c, &ko, &k), E2BIG, "reserved");
	refused(rdmareg_get_history(c, &ho, &past, NULL, NULL), E2BIG, "reserved");
	ho = (struct rdmareg_history_options){ .size = sizeof(ho), .limit = 1025 };
	refused(rdmareg_get_history(c, &ho, &past, NULL, NULL), EINVAL, "above the largest");
	ho = (struct rdmareg_history_options){ .size = sizeof(ho), .follow = 2 };
	refused(rdmareg_get_history(c, &ho, &past, NULL, NULL), EINVAL, "follow");
	refused(rdmareg_list_standing(c, &sto, &walk), E2BIG, "reserved");
	refused(rdmareg_register(c, fd, 0, 0, RDMAREG_ACCESS_READ, &ro2, &r), E2BIG, "reserved");
	refused(rdmareg_configure(region, &co), E2BIG, "reserved");
	refused(rdmareg_dax_create(c, 1, &dao, &other, NULL, NULL), E2BIG, "reserved");
	refused(rdmareg_session_create(c, 1, "x", &sl), E2BIG, "reserved");
	refused(rdmareg_session_set_limits(c, 1, "x", &sl), E2BIG, "reserved");
	refused(rdmareg_list_sessions(c, &so, &s), E2BIG, "reserved");
	assert(!context && !r && !s && other == -1);
}

/* What no session is called; its path would be another one's, or none. */
static void test_session_names(void)
{
	static const char *const names[] = {
		"",	    "a b", "a/b",
		"\xc3\xa9", "a\n", "../x",
		"*",	    "%n",  "1234567890123456789012345678901234567890123456789",
	};
	struct rdmareg_session_info info = { .size = sizeof(info), .uid = 7 };
	struct rdmareg_session_limits l = { .size = sizeof(l), .regions = 1 }, none = l;
	struct rdmareg_sessions_options so = { .size = sizeof(so), .page = UINT32_MAX };
	struct rdmareg_released *e = NULL;
	struct rdmareg_sessions *s = NULL;
	char endless[4096];

	memset(endless, 'x', sizeof(endless)); /* not terminated */
	for (size_t i = 0; i <= sizeof(names) / sizeof(names[0]); i++) {
		const char *name = i < sizeof(names) / sizeof(names[0]) ? names[i] : endless;

		refused(rdmareg_session_create(c, 1, name, NULL), EINVAL, "no name of one");
		refused(rdmareg_session_get(c, 1, name, &info), EINVAL, "no name of one");
		refused(rdmareg_session_drain(c, 1, name), EINVAL, "no name of one");
		refused(rdmareg_session_set_limits(c, 1, name, &l), EINVAL, "no name of one");
		refused(rdmareg_session_release(c, 1, name, NULL, &e), EINVAL, "no name of one");
	}
	none.regions = 0;
	refused(rdmareg_session_set_limits(c, 1, "x", &none), EINVAL, "nothing to change");
	refused(rdmareg_list_sessions(c, &so, &s), EINVAL, "page");
	so = (struct rdmareg_sessions_options){ .size = sizeof(so),
						.state = (enum rdmareg_session_state) - 1 };
	refused(rdmareg_list_sessions(c, &so, &s), EINVAL, "state");
	assert(!e && !s && info.uid == 7);
	assert(rdmareg_session_state_from_name(NULL) == 0 &&
	       rdmareg_session_state_from_name("ended") == RDMAREG_SESSION_ENDED);
}

static void test_values(void)
{
	struct rdmareg_register_options ro = { .size = sizeof(ro),
					       .policy = (enum rdmareg_policy) - 1 };
	struct rdmareg_configure_options co = { .size = sizeof(co),
						.warm_mode = (enum rdmareg_warm_mode)99 };
	struct rdmareg_export_options eo = { .size = sizeof(eo),
					     .access = (enum rdmareg_access) - 1 };
	struct rdmareg_list_options lo = { .size = sizeof(lo), .page = UINT32_MAX };
	struct rdmareg_revoke_options vo = { .size = sizeof(vo),
					     .offset = 4096,
					     .length = UINT64_MAX };
	struct rdmareg_region *r = NULL;
	struct rdmareg_holders *h = NULL;
	struct rdmareg_list *l = NULL;
	uint64_t number = 0;
	char *ticket = NULL;

	refused(rdmareg_register(c, fd, 0, 0, (enum rdmareg_access) - 1, NULL, &r), EINVAL,
		"access");
	refused(rdmareg_register(c, -1, 0, 0, RDMAREG_ACCESS_READ, NULL, &r), EBADF,
		"not an open file");
	refused(rdmareg_register(c, fd, 0, 0, RDMAREG_ACCESS_READ, &ro, &r), EINVAL, "policy");
	ro = (struct rdmareg_register_options){ .size = sizeof(ro), .uid = 1 };
	refused(rdmareg_register(c, fd, 0, 0, RDMAREG_ACCESS_READ, &ro, &r), EINVAL, "for_uid");
	ro = (struct rdmareg_register_options){ .size = sizeof(ro), .standing = 2 };
	refused(rdmareg_register(c, fd, 0, 0, RDMAREG_ACCESS_READ, &ro, &r), EINVAL, "standing");
	ro = (struct rdmareg_register_options){ .size = sizeof(ro), .standing = 1, .detached = 1 };
	refused(rdmareg_register(c, fd, 0, 0, RDMAREG_ACCESS_READ, &ro, &r), EINVAL, "a name");
	ro = (struct rdmareg_register_options){ .size = sizeof(ro), .standing = 1, .name = "x" };
	refused(rdmareg_register(c, fd, 0, 0, RDMAREG_ACCESS_READ, &ro, &r), EINVAL, "detached");
	refused(rdmareg_configure(region, &co), EINVAL, "warm mode");
	refused(rdmareg_export(region, &eo, &ticket), EINVAL, "access");
	refused(rdmareg_list(c, &lo, &l), EINVAL, "page");
	lo = (struct rdmareg_list_options){ .size = sizeof(lo), .state = (enum rdmareg_state) - 1 };
	refused(rdmareg_list(c, &lo, &l), EINVAL, "state");
	refused(rdmareg_find_holders(c, -1, &h), EBADF, "not an open file");
	refused(rdmareg_evict(c, -1, NULL, NULL), EBADF, "not an open file");
	refused(rdmareg_revoke(region, &vo, &number), ERANGE, "overflows");
	refused(rdmareg_acknowledge(c, 0, 1), ENOENT, "numbered from 1");
	refused(rdmareg_lookup(c, 0, &r), ENOENT, "region");
	refused(rdmareg_lookup_name(c, 0, NULL, "", &r), ENOENT, "region");
	refused(rdmareg_release_all(c, &number, 1, NULL, NULL, NULL), ENOENT, "numbered from 1");
	refused(rdmareg_release_all(c, NULL, 1, NULL, NULL, NULL), EINVAL, "NULL");
	refused(rdmareg_release_all(c, &number, SIZE_MAX / 2, NULL, NULL, NULL), EINVAL, "at most");
	assert(rdmareg_release_all(c, NULL, 0, NULL, NULL, NULL) == 0);
	assert(!r && !h && !l && !ticket && !number);
	assert(!strcmp(rdmareg_state_name((enum rdmareg_state) - 1), "unknown"));
	assert(rdmareg_access_from_name(NULL) == 0 && rdmareg_policy_from_name("") == 0);
}

/* Many at once: in calls of 16; each for itself, or all or none, over the calls as well. */
static void test_many(void)
{
	struct rdmareg_register_options bad = { .size = sizeof(bad), .uid = 1 };
	struct rdmareg_register_request q[40];
	struct rdmareg_region *r[40];
	struct rdmareg_region *seen;
	int errors[40];
	uint64_t ids[40];

	for (int i = 0; i < 40; i++)
		q[i] = (struct rdmareg_register_request){ fd, RDMAREG_ACCESS_READ,
							  4096 * (uint64_t)i, 4096, NULL };
	refused(rdmareg_register_many(c, q, 0, 0, r, errors), EINVAL, "at least 1");
	refused(rdmareg_register_many(c, q, SIZE_MAX / 2, 0, r, errors), EINVAL, "at most");
	q[20].fd = -1;
	refused(rdmareg_register_many(c, q, 40, 0, r, errors), EBADF, "not an open file");
	q[20].fd = fd;
	q[20].access = RDMAREG_ACCESS_UNKNOWN;
	refused(rdmareg_register_many(c, q, 40, 0, r, errors), EINVAL, "access");
	q[20].access = RDMAREG_ACCESS_READ;
	q[20].options = &bad;
	refused(rdmareg_register_many(c, q, 40, 0, r, errors), EINVAL, "for_uid");
	q[20].options = NULL;
	assert(rdmareg_register_many(c, q, 40, 1, r, errors) == 0);
	for (int i = 0; i < 40; i++) {
		struct rdmareg_region_info info = { .size = sizeof(info) };

		assert(!errors[i] && rdmareg_region_get_info(r[i], &info) == 0 &&
		       info.offset == 4096 * (uint64_t)i);
		ids[i] = info.id;
		rdmareg_region_free(r[i]);
	}
	assert(rdmareg_release_all(c, ids, 40, NULL, NULL, NULL) == 0);
	/* the first that failed is told, whatever comes later */
	q[20].offset = 999;
	q[39].offset = 999;
	refused(rdmareg_register_many(c, q, 40, 0, r, errors), ERANGE, "round it down");
	for (int i = 0; i < 40; i++) {
		assert(errors[i] == (i == 20 || i == 39 ? -ERANGE : 0) && !r[i] == !!errors[i]);
		ids[i] = r[i] ? rdmareg_region_id(r[i]) : ids[0];
	}
	/* none: what an earlier call has registered is gone again */
	memset(r, 0xa5, sizeof(r));
	refused(rdmareg_register_many(c, q, 40, 1, r, errors), ERANGE, "because of number 5");
	for (int i = 0; i < 40; i++)
		assert(!r[i] && errors[i] == -ERANGE);
	refused(rdmareg_lookup(c, ids[38] + 1, &seen), ENOENT, "no region");
	refused(rdmareg_lookup(c, ids[38] + 16, &seen), ENOENT, "no region");
}

int main(void)
{
	struct rdmareg_open_options o = { .size = sizeof(o), .interactive = 1 };

	alarm(60);
	if (mock_bus_start())
		return 77;
	pid_t mock = mock_daemon_start();

	fd = memfd_create("test", MFD_CLOEXEC);
	assert(fd >= 0 && ftruncate(fd, 65536) == 0);
	assert(rdmareg_open(&o, &c) == 0);
	assert(rdmareg_register(c, fd, 0, 0, RDMAREG_ACCESS_READ, NULL, &region) == 0);
	assert(rdmareg_list(c, NULL, &list) == 0 && rdmareg_list_devices(c, &devices) == 0);
	assert(rdmareg_find_holders(c, fd, &holders) == 0);
	assert(rdmareg_list_keepers(c, NULL, &keepers) == 0);
	assert(rdmareg_list_standing(c, NULL, &standings) == 0);
	assert(rdmareg_get_history(c, NULL, &history, NULL, NULL) == 0);
	assert(rdmareg_start_prefetch(region, 0, 8192, 0, &job) == 0);
	assert(rdmareg_session_create(c, 7, "mine", NULL) == 0);
	assert(rdmareg_session_release(c, 7, "mine", NULL, &released) == 0);
	assert(rdmareg_list_sessions(c, NULL, &sessions) == 0);
	test_null_objects();
	test_null_outputs();
	test_peer();
	test_sizes();
	test_reserved();
	test_values();
	test_session_names();
	test_many();
	assert(!rdmareg_sessions_free(NULL) && !rdmareg_released_free(NULL));
	assert(!rdmareg_close(NULL) && !rdmareg_region_free(NULL) && !rdmareg_list_free(NULL) &&
	       !rdmareg_holders_free(NULL) && !rdmareg_devices_free(NULL) &&
	       !rdmareg_job_free(NULL) && !rdmareg_import_free(NULL) && !rdmareg_peer_close(NULL) &&
	       !rdmareg_buffer_free(NULL));
	/*
	 * Of all that nothing has reached the daemon: the region is there, and nobody has joined or
	 * closed it.
	 */
	assert(rdmareg_region_refresh(region) == 0);
	assert(mock_tell("joined", 1) == 0 && mock_tell("revoked", 1) == 0);
	rdmareg_holders_free(holders);
	rdmareg_devices_free(devices);
	rdmareg_keepers_free(keepers);
	assert(!rdmareg_standings_free(standings) && !rdmareg_standings_free(NULL));
	assert(!rdmareg_history_free(history) && !rdmareg_history_free(NULL));
	rdmareg_released_free(released);
	rdmareg_close(c);
	close(fd);
	mock_daemon_stop(mock);
	mock_bus_stop();
	return 0;
}
