// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * keeper.c - rdmareg-keeper-fake: the keeper without adapter and kernel module, for tests of it and
 * of rdmaregd anywhere.
 *
 * It takes the command line of the real one. If RDMAREG_FAKE_DIR is set it makes a FIFO there,
 * UID-SESSION, and does what lines written to it say:
 *
 *   break REGION truncate BYTES     a process truncates the file so that BYTES of the region remain
 *   valid break REGION OPERATION          fallocate, clone, open, write, unknown: asks for blocks,
 *   leaves the size alone clear REGION START END          pages were removed;  writeback REGION
 *   START END: pages were written back peer-join REGION [r|rw]         a peer comes with the region's newest ticket
 *   peer-connect REGION [r|rw]      the same, and its connection stays half open
 *   peer-establish REGION           until this is said
 *   peer-ack REGION                 every peer that was asked acknowledges
 *   peer-sync REGION REQUEST OFFSET LENGTH   the newest peer asks for its writes on the medium
 *   peer-ask REGION REQUEST OFFSET LENGTH    with the newest ticket it is asked why a WRITE failed
 *   (enum wire_cause; 100 and more: refused) peer-leave REGION               every peer leaves
 *   poison REGION START LSB         the kernel says that 2^LSB bytes of its memory there have
 *   failed, as it does of a page chunks REGION N|all             so many more chunks are prefetched, of any region, and the next one waits
 *   hang 0 next                     the next prefetch does not end;  hang 0 end: it does
 *   silent INODE now                that file's storage does not answer any more (fakes/storage.h);
 *    answers INODE now: it does
 *   freeze INODE now                that file's filesystem takes no writes any more;
 *    thaw INODE now: it does
 *   crowd REGION N                  whoever breaks its layout waits for an Nth of the deadline
 *   expire REGION now               the kernel lets whoever breaks its layout go on: the deadline
 *   terms REGION now                "REGION POLICY GRACE" is added to UID-SESSION.terms: what it goes by
 *   device 0 removed                the adapter is removed;  device 0 taken: it is, and the kernel
 *   let go of everything registered with it, as mlx5's driver does
 *   crash                           the process is killed
 *
 * "REGION PEER REQUEST OUTCOME" is added to UID-SESSION.synced for each answer to a peer-sync, with
 * PEER 0 to a peer-ask; with REQUEST 0 and what it says of the file's path (enum path_state) for
 * each WIRE_LENGTH_CHANGED.
 *
 * What cannot be done is said on stderr, with what was asked. RDMAREG_FAKE_NO_MODULE in the
 * environment: no kernel module. The listen address 192.0.2.255: no adapter; 192.0.2.254: an
 * address that no adapter has.
 */
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "endpoint.h"
#include "hca.h"
#include "keeper/region/region.h"
#include "keeper/keeper.h"
#include "keeper/main-run.h"
#include "keeper/system/mapping.h"
#include "storage.h"
#include "watch.h"
#include "util/log.h"

static const char *const operations[] = { "unknown", "truncate", "fallocate",
					  "clone",   "open",	 "write" };

static struct event *event;
static int synced = -1, terms = -1;

static int do_break(struct keeper *k, const struct kregion *r, const char *word, uint64_t bytes)
{
	for (unsigned int i = 0; i < sizeof(operations) / sizeof(*operations); i++) {
		if (strcmp(word, operations[i]) != 0)
			continue;
		return watch_fake_break(
			k->watch, r->id, (enum rdmareg_operation)i,
			i == RDMAREG_OP_TRUNCATE ? (int64_t)(r->mapping->offset + bytes) : -1);
	}
	return -EINVAL;
}

static int do_join(struct keeper *k, const struct kregion *r, const char *word, bool establish)
{
	uint32_t rights =
		strcmp(word, "r") == 0 ? WIRE_RIGHT_READ : WIRE_RIGHT_READ | WIRE_RIGHT_WRITE;
	const struct tickets *t = &r->tickets;
	int refused;

	if (!t->n)
		return -ENOKEY;
	if (!endpoint_fake_connect(k->endpoint, r->id, rights, t->item[t->n - 1].token, &refused))
		return -EACCES;
	if (establish)
		endpoint_fake_establish(k->endpoint, r->id);
	return 0;
}

static void on_cause(uint64_t number, enum wire_cause cause)
{
	dprintf(synced, "%" PRIu64 " 0 %" PRIu64 " %u\n", number >> 32, number & UINT32_MAX, cause);
}

static int do_ask(struct keeper *k, const struct kregion *r, uint64_t request, uint64_t offset,
		  uint64_t length)
{
	struct endpoint_question q = {
		.request = { .region = r->id, .rights = WIRE_RIGHT_WRITE },
		.number = r->id << 32 | request,
		.offset = offset,
		.length = length,
	};
	const struct tickets *t = &r->tickets;
	int refused;

	if (!t->n)
		return -ENOKEY;
	memcpy(q.request.token, t->item[t->n - 1].token, WIRE_TOKEN_BYTES);
	refused = endpoint_fake_ask(k->endpoint, &q);
	if (refused)
		on_cause(q.number, (enum wire_cause)(100 + refused));
	return 0;
}

/* Only to itself can a process send a signal that looks like the kernel's. */
static int do_poison(const struct kregion *r, uint64_t start, uint64_t lsb)
{
	siginfo_t s = { .si_signo = SIGBUS, .si_code = BUS_MCEERR_AO };

	s.si_addr = (void *)(uintptr_t)(r->mapping->address + start); /* never followed */
	s.si_addr_lsb = (short)lsb;
	return syscall(SYS_rt_tgsigqueueinfo, getpid(), getpid(), SIGBUS, &s) < 0 ? -errno : 0;
}

static int obey(struct keeper *k, const char *line)
{
	char verb[16] = "", word[16] = "";
	uint64_t region = 0, a = 0, b = 0, c = 0;
	struct kregion *r;

	if (sscanf(line, "%15s %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64, verb, &region, &a, &b,
		   &c) < 3)
		sscanf(line, "%15s %" SCNu64 " %15s %" SCNu64, verb, &region, word, &a);
	if (strcmp(verb, "crash") == 0)
		raise(SIGKILL);
	if (strcmp(verb, "silent") == 0 || strcmp(verb, "answers") == 0) {
		storage_fake_silence(region, strcmp(verb, "silent") == 0);
		return 0;
	}
	if (strcmp(verb, "freeze") == 0 || strcmp(verb, "thaw") == 0) {
		storage_fake_freeze(region, strcmp(verb, "freeze") == 0);
		return 0;
	}
	if (strcmp(verb, "hang") == 0) {
		hca_fake_hang_prefetch(strcmp(word, "next") == 0);
		return 0;
	}
	if (strcmp(verb, "answers-one") == 0) {
		storage_fake_answer_one(region);
		return 0;
	}
	if (strcmp(verb, "address") == 0) {
		endpoint_fake_address(k->endpoint, strcmp(word, "away") == 0);
		return 0;
	}
	if (strcmp(verb, "device") == 0) {
		if (strcmp(word, "taken") == 0)
			hca_fake_take_away();
		endpoint_fake_remove(k->endpoint);
		return 0;
	}
	r = keeper_find(k, region);
	if (!r || !k->watch || !k->endpoint)
		return -ENOENT;
	if (strcmp(verb, "break") == 0)
		return do_break(k, r, word, a);
	if (strcmp(verb, "terms") == 0)
		return dprintf(terms, "%" PRIu64 " %d %" PRIu64 "\n", region, (int)r->guard.policy,
			       r->guard.grace_usec) < 0
			       ? -errno
			       : 0;
	if (strcmp(verb, "crowd") == 0)
		return watch_fake_crowd(k->watch, region, (uint32_t)a);
	if (strcmp(verb, "expire") == 0)
		return watch_fake_expire(k->watch, region);
	if (strcmp(verb, "chunks") == 0) {
		hca_fake_allow_chunks(strcmp(word, "all") == 0 ? -1 : (int)a);
		return 0;
	}
	if (strcmp(verb, "clear") == 0)
		return watch_fake_invalidate(k->watch, region, RDMAREG_CAUSE_CLEAR, a, b);
	if (strcmp(verb, "writeback") == 0)
		return watch_fake_invalidate(k->watch, region, RDMAREG_CAUSE_WRITEBACK, a, b);
	if (strcmp(verb, "poison") == 0)
		return do_poison(r, a, b);
	if (strcmp(verb, "peer-join") == 0 || strcmp(verb, "peer-connect") == 0)
		return do_join(k, r, word, strcmp(verb, "peer-join") == 0);
	if (strcmp(verb, "peer-establish") == 0)
		return endpoint_fake_establish(k->endpoint, region) ? 0 : -ESRCH;
	if (strcmp(verb, "peer-ack") == 0)
		return endpoint_fake_acknowledge(k->endpoint, region) ? 0 : -ESRCH;
	if (strcmp(verb, "peer-sync") == 0)
		return endpoint_fake_sync(k->endpoint, region, a, b, c) ? 0 : -ESRCH;
	if (strcmp(verb, "peer-ask") == 0)
		return do_ask(k, r, a, b, c);
	if (strcmp(verb, "peer-leave") == 0)
		return endpoint_fake_leave(k->endpoint, region) ? 0 : -ESRCH;
	return -EINVAL;
}

static void on_readable(evutil_socket_t fd, short what, void *userdata)
{
	static char line[256];
	static size_t n;
	char c;

	(void)what;
	while (read(fd, &c, 1) == 1) {
		int error;

		if (c != '\n') {
			if (n < sizeof(line) - 1)
				line[n++] = c;
			continue;
		}
		line[n] = 0;
		n = 0;
		error = obey(userdata, line);
		if (error)
			log_error("fake: \"%s\": %s", line, strerror(-error));
	}
}

static void on_message(const struct endpoint_peer *p, const struct wire_message *m)
{
	if (m->type == WIRE_SYNCED)
		dprintf(synced, "%" PRIu64 " %" PRIu64 " %" PRIu64 " %u\n", p->region, p->number,
			m->request, m->outcome);
	else if (m->type == WIRE_LENGTH_CHANGED)
		dprintf(synced, "%" PRIu64 " %" PRIu64 " 0 %u\n", p->region, p->number, m->cause);
}

/* Its successor runs as somebody else. Negative errno. */
static int open_told(const char *fifo, const char *suffix)
{
	char path[300];
	int fd;

	snprintf(path, sizeof(path), "%s.%s", fifo, suffix);
	fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	return fd < 0 || (fchmod(fd, 0666) < 0 && errno != EPERM) ? -errno : fd;
}

static int prepare(struct keeper *k)
{
	const char *dir = getenv("RDMAREG_FAKE_DIR");
	char path[256];
	int fd;

	if (!dir)
		return 0;
	snprintf(path, sizeof(path), "%s/%u-%s", dir, (unsigned int)k->options->tenant_uid,
		 k->options->session);
	unlink(path);
	/* open for both, so that it never reads an end of file */
	if (mkfifo(path, 0600) < 0 || (fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC)) < 0) {
		log_error("fake: %s: %m", path);
		return -errno;
	}
	synced = open_told(path, "synced");
	terms = open_told(path, "terms");
	if (synced < 0 || terms < 0)
		return synced < 0 ? synced : terms;
	endpoint_fake_on_message = on_message;
	endpoint_fake_on_cause = on_cause;
	/* before what a daemon asks: what a test tells first is done first */
	event = event_new(k->base, fd, EV_READ | EV_PERSIST, on_readable, k);
	return event && event_base_priority_init(k->base, 3) == 0 &&
			       event_priority_set(event, 0) == 0 && event_add(event, NULL) == 0
		       ? 0
		       : -ENOMEM;
}

int main(int argc, char *argv[])
{
	return main_run(argc, argv, prepare);
}
