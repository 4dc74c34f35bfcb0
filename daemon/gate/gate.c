// SPDX-License-Identifier: GPL-2.0-or-later
/* gate.c - see gate.h: the groups of fanotify(7), their marks, and reading their events. */
#include "gate/gate.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "gate/gate-fanotify.h"
#include "gate/gate-internal.h"
#include "gate/gate-task.h"
#include "util/cleanup.h"
#include "util/deadman.h"
#include "util/log.h"

#define ASKED (FAN_PRE_ACCESS | FAN_OPEN_PERM)

/*
 * What tells, while somebody is at work, that the call is over: it comes last in each that
 * succeeds. It needs a group of its own, one that reports no descriptors, since for a truncation
 * the kernel has none to give.
 */
#define ENDS (FAN_ACCESS | FAN_MODIFY)

/*
 * The kernel opens the file for each event, at the expense of this process, and refuses the caller
 * (EPERM) if it has no descriptor left. So not too many at a time.
 */
#define BYTES_PER_READ 2048

static struct gate_file *find(struct gate *g, uint64_t device, uint64_t inode)
{
	struct gate_file *f;

	LIST_FOREACH(f, &g->files[(device ^ inode) % GATE_BUCKETS], bucket)
		if (f->device == device && f->inode == inode)
			return f;
	return NULL;
}

static struct claim *find_claim(struct gate *g, uint64_t key)
{
	struct claim *claim;

	LIST_FOREACH(claim, &g->claims[key % GATE_BUCKETS], bucket)
		if (claim->info.key == key)
			return claim;
	return NULL;
}

static void answer(struct gate_queue *q, int event_fd, int error)
{
	struct fanotify_response r = { .fd = event_fd,
				       .response = error ? FAN_DENY_ERRNO(error) : FAN_ALLOW };

	/* one of the errors that the kernel does not know here: then it is EPERM */
	if (write(q->fd, &r, sizeof(r)) < 0 && errno == EINVAL && error) {
		r.response = FAN_DENY;
		if (write(q->fd, &r, sizeof(r)) < 0)
			log_error("gate: the kernel takes no answer: %m");
	}
}

void gate_respond(struct gate_queue *q, int event_fd, int error)
{
	answer(q, event_fd, error);
	close(event_fd); /* never the last of a file: struct gate_file has it, too */
}

/*
 * A file is known here by a descriptor with O_PATH, which fanotify_mark(2) takes only by its path.
 */
static int mark_file(int group, unsigned int flags, uint64_t mask, int path_fd)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", path_fd);
	return fanotify_mark(group, flags, mask, AT_FDCWD, path);
}

void gate_report_ends(struct gate *g, const struct gate_file *f, bool on)
{
	/* without it the ends are found by looking (gate-passage.c), only later */
	if (mark_file(g->ends_fd, on ? FAN_MARK_ADD : FAN_MARK_REMOVE, ENDS, f->fd) < 0)
		log_debug("gate: cannot change a mark: %m");
}

void gate_read_ends(struct gate *g)
{
	struct fanotify_event_metadata m;
	char buffer[4096];
	ssize_t n;

	while ((n = read(g->ends_fd, buffer, sizeof(buffer))) > 0)
		for (const char *at = buffer; buffer + n - at >= (ptrdiff_t)sizeof(m);
		     at += m.event_len) {
			memcpy(&m, at,
			       /* events of this group are multiples of four bytes only */
			       sizeof(m));
			if (m.event_len < sizeof(m))
				break;
			passage_call_ended(g, m.pid);
		}
}

static void find_range(const struct fanotify_event_metadata *m, struct gate_event *e)
{
	const char *at = (const char *)m + m->metadata_len, *end = (const char *)m + m->event_len;
	struct gate_range_record r;

	while (end - at >= (ptrdiff_t)sizeof(r.header)) {
		memcpy(&r.header, at, sizeof(r.header));
		if (r.header.len < sizeof(r.header) || r.header.len > end - at)
			return;
		if (r.header.info_type == FAN_EVENT_INFO_TYPE_RANGE && r.header.len >= sizeof(r)) {
			memcpy(&r, at, sizeof(r));
			e->has_range = true;
			e->offset = r.offset;
			e->count = r.count;
		}
		at += r.header.len;
	}
}

static void take_event(struct gate_queue *q, const struct fanotify_event_metadata *m)
{
	struct gate *g = q->gate;
	struct gate_event e = { .mask = m->mask };
	struct gate_file *f = NULL;
	struct stat st;

	if (m->fd < 0)
		/*
		 * the queue has no limit, so none is lost; nothing else comes without a descriptor
		 */
		return;
	if (fstat(m->fd, &st) == 0)
		f = find(g, st.st_dev, st.st_ino);
	if (!f) { /* the mark was taken away meanwhile */
		answer(q, m->fd, 0);
		gate_close(m->fd);
		return;
	}
	if (m->pid == getpid()) {
		gate_respond(q, m->fd, 0);
		return;
	}
	e.size = (uint64_t)st.st_size;
	e.can_share = f->can_share;
	find_range(m, &e);
	passage_event(g, f, &e, m->pid, m->fd);
}

static void on_readable(evutil_socket_t fd, short what, void *userdata)
{
	const struct gate_queue *q = userdata;
	char buffer[BYTES_PER_READ] __attribute__((aligned(8)));
	const struct fanotify_event_metadata *m = (const void *)buffer;
	ssize_t n = read(fd, buffer, sizeof(buffer));

	(void)what;
	if (n < 0) {
		if (errno != EAGAIN && errno != EINTR)
			log_error("gate: cannot read events: %m; who waited was refused");
		return;
	}
	q->gate->ops->catch_up(q->gate->userdata);
	for (; FAN_EVENT_OK(m, n); m = FAN_EVENT_NEXT(m, n))
		take_event(userdata, m);
}

static void on_ends(evutil_socket_t fd, short what, void *userdata)
{
	struct gate *g = userdata;

	(void)fd, (void)what;
	gate_read_ends(g);
	event_active(g->tick, EV_TIMEOUT, 0);
}

/*
 * Whether the kernel knows the events and lets us see what others do: better refused here than
 * misjudged later.
 */
static int probe(struct gate *g, struct failure *why)
{
	_cleanup_(closep) int memory = memfd_create("gate", MFD_CLOEXEC);

	if (memory < 0)
		return fail(why, -errno,
			    "whether this kernel has pre-content events cannot be tested: %m");
	/*
	 * memory has none, so a kernel that knows them says that they are not supported; another
	 * one that there is no such event
	 */
	if (fanotify_mark(g->queues[0].fd, FAN_MARK_ADD, FAN_PRE_ACCESS, memory, NULL) < 0 &&
	    errno != EOPNOTSUPP)
		return fail(
			why, -EOPNOTSUPP,
			"this kernel has no pre-content events: they need Linux 6.14 with CONFIG_FANOTIFY_ACCESS_PERMISSIONS");
	return gate_task_probe(why);
}

/* -errno. */
static int open_queue(struct gate *g, struct gate_queue *q)
{
	/*
	 * An event that does not fit into the queue would let its caller through unseen: no limit
	 * on the queue; who waits is in it once. A lease on the file must not stop us when the
	 * kernel opens it: O_NONBLOCK.
	 */
	q->fd = fanotify_init(FAN_CLASS_PRE_CONTENT | FAN_CLOEXEC | FAN_NONBLOCK | FAN_REPORT_TID |
				      FAN_UNLIMITED_QUEUE,
			      O_RDONLY | O_LARGEFILE | O_CLOEXEC | O_NONBLOCK);
	if (q->fd < 0)
		return -errno;
	q->readable = event_new(g->base, q->fd, EV_READ | EV_PERSIST, on_readable, q);
	if (q->readable && event_add(q->readable, NULL) == 0)
		return 0;
	if (q->readable)
		event_free(q->readable);
	q->readable = NULL;
	close(steal_fd(&q->fd));
	return -ENOMEM;
}

static void close_queue(struct gate_queue *q)
{
	if (q->readable)
		event_free(q->readable);
	closep(&q->fd); /* the kernel lets through who has not been read yet */
}

/* The one with the fewest files; one more group if all have some and there is one to be had. */
static struct gate_queue *choose_queue(struct gate *g)
{
	struct gate_queue *best = &g->queues[0];

	for (size_t i = 0; i < GATE_QUEUES && best->files; i++) {
		struct gate_queue *q = &g->queues[i];

		if (q->fd < 0 && open_queue(g, q) < 0)
			break;
		if (q->files < best->files)
			best = q;
	}
	return best;
}

int gate_new(struct gate **ret, struct event_base *base, const struct gate_limits *limits,
	     const struct gate_ops *ops, void *userdata, struct failure *why)
{
	_cleanup_(gate_freep) struct gate *g = calloc(1, sizeof(*g));
	int r;

	if (!g)
		return fail(why, -ENOMEM, "out of memory");
	g->base = base;
	g->limits = *limits;
	g->ops = ops;
	g->userdata = userdata;
	g->ends_fd = -1;
	for (size_t i = 0; i < GATE_QUEUES; i++)
		g->queues[i] = (struct gate_queue){ .gate = g, .fd = -1 };
	TAILQ_INIT(&g->passages);
	TAILQ_INIT(&g->unsure);
	r = open_queue(g, &g->queues[0]);
	if (r == -EPERM)
		return fail(
			why, -EPERM,
			"pre-content events need CAP_SYS_ADMIN, and a SystemCallFilter= with fanotify_init");
	if (r == -EMFILE)
		return fail(
			why, -EMFILE,
			"no descriptor or fanotify group is left; raise LimitNOFILE= of rdmaregd.service, or fs.fanotify.max_user_groups");
	if (r == -ENOMEM)
		return fail(why, -ENOMEM, "out of memory");
	if (r < 0)
		return fail(why, -EOPNOTSUPP, "this kernel has no pre-content events (fanotify)");
	r = probe(g, why);
	if (r < 0)
		return r;
	g->ends_fd = fanotify_init(
		FAN_CLASS_NOTIF | FAN_CLOEXEC | FAN_NONBLOCK | FAN_REPORT_FID | FAN_REPORT_TID, 0);
	if (g->ends_fd < 0)
		return fail(
			why, -errno,
			"the kernel gives no second fanotify group (%m); see fs.fanotify.max_user_groups");
	g->ends = event_new(base, g->ends_fd, EV_READ | EV_PERSIST, on_ends, g);
	if (passages_init(g) < 0 || !g->ends || event_add(g->ends, NULL) < 0)
		return fail(why, -ENOMEM, "out of memory");
	*ret = steal_pointer(g);
	return 0;
}

static void free_claim(struct claim *claim)
{
	LIST_REMOVE(claim, bucket);
	LIST_REMOVE(claim, of_file);
	free(claim);
}

static void free_file(struct gate *g, struct gate_file *f)
{
	while (!LIST_EMPTY(&f->claims))
		free_claim(LIST_FIRST(&f->claims));
	LIST_REMOVE(f, bucket);
	g->n_files--;
	f->queue->files--;
	gate_close(f->fd);
	free(f);
	if (!g->n_files)
		g->deadman = deadman_free(g->deadman);
}

struct gate *gate_free(struct gate *g)
{
	if (!g)
		return NULL;
	passages_deinit(g);
	for (size_t i = 0; i < GATE_QUEUES; i++)
		close_queue(&g->queues[i]);
	for (size_t i = 0; i < GATE_BUCKETS; i++)
		while (!LIST_EMPTY(&g->files[i]))
			free_file(g, LIST_FIRST(&g->files[i]));
	if (g->ends)
		event_free(g->ends);
	closep(&g->ends_fd);
	free(g);
	return NULL;
}

void gate_freep(struct gate **g)
{
	gate_free(*g);
}

static int arm_deadman(struct gate *g)
{
	g->deadman = deadman_free(g->deadman);
	return g->limits.watchdog_usec ? deadman_new(&g->deadman, g->base, g->limits.watchdog_usec)
				       : 0;
}

void gate_set_limits(struct gate *g, const struct gate_limits *limits)
{
	bool watchdog = limits->watchdog_usec != g->limits.watchdog_usec;

	g->limits = *limits;
	if (watchdog && g->n_files && arm_deadman(g) < 0)
		log_error(
			"gate: cannot set the watchdog; if this process is stopped it will hold up everybody at %u files",
			g->n_files);
}

/* A filesystem that is not known here is taken for one that can. */
static bool can_share_blocks(int fd)
{
	struct statfs s;

	return fstatfs(fd, &s) < 0 || s.f_type != EXT4_SUPER_MAGIC;
}

static int mark(struct gate_file *f, struct failure *why)
{
	if (mark_file(f->queue->fd, FAN_MARK_ADD, ASKED, f->fd) == 0)
		return 0;
	switch (errno) {
	case EOPNOTSUPP:
		return fail(why, -EOPNOTSUPP,
			    "its filesystem has no pre-content events; ext4, XFS and btrfs have");
	case ENOSPC:
		return fail(why, -ENOSPC,
			    "all fanotify marks are used up; raise fs.fanotify.max_user_marks");
	case ENOMEM:
		return fail(why, -ENOMEM, "out of memory");
	default:
		return fail(why, -errno, "it cannot be marked: %m");
	}
}

/* A descriptor that names the file and has nothing opened. -errno */
static int open_path(const char *path, uint64_t device, uint64_t inode, struct failure *why)
{
	_cleanup_(closep) int fd = open(path, O_PATH | O_CLOEXEC);
	struct statx st;

	if (fd < 0 && (errno == EMFILE || errno == ENFILE))
		return fail(why, -EMFILE,
			    "this process has no descriptor left; raise LimitNOFILE=");
	if (fd < 0 ||
	    statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_INO | STATX_TYPE, &st) < 0)
		return fail(why, -errno, "the file cannot be found any more: %m");
	/*
	 * another one, whose server must not be asked: the daemon gave up waiting for us, and the
	 * number is another descriptor's
	 */
	if (makedev(st.stx_dev_major, st.stx_dev_minor) != device || st.stx_ino != inode)
		return fail(why, -ESTALE, "its path leads to another file now");
	if (!S_ISREG(st.stx_mode))
		return fail(why, -EOPNOTSUPP, "only regular files have pre-content events");
	return steal_fd(&fd);
}

static int add_file(struct gate *g, const char *path, uint64_t device, uint64_t inode,
		    struct gate_file **ret, struct failure *why)
{
	struct gate_file *f;
	int r;

	if (g->n_files >= g->limits.files)
		return fail(
			why, -EMFILE,
			"%u files are marked already, which is the limit; raise pre_content_files in rdmaregd.conf",
			g->limits.files);
	r = open_path(path, device, inode, why);
	if (r < 0)
		return r;
	f = calloc(1, sizeof(*f));
	if (!f) {
		gate_close(r);
		return fail(why, -ENOMEM, "out of memory");
	}
	f->fd = r;
	f->device = device;
	f->inode = inode;
	f->can_share = can_share_blocks(f->fd);
	f->queue = choose_queue(g);
	f->queue->files++;
	LIST_INSERT_HEAD(&g->files[(device ^ inode) % GATE_BUCKETS], f, bucket);
	g->n_files++;
	/* first the watchdog: no file may be marked without it */
	r = g->n_files == 1 ? arm_deadman(g) : 0;
	if (r < 0)
		fail(why, r, "the watchdog cannot be set: %s", strerror(-r));
	else
		r = mark(f, why);
	if (r < 0)
		free_file(g, f);
	else
		*ret = f;
	return r;
}

int gate_mark(struct gate *g, const char *path, uint64_t device, uint64_t inode,
	      const struct gate_claim *claim, struct failure *why)
{
	struct gate_file *f = find(g, device, inode);
	struct claim *new;
	int r;

	if (find_claim(g, claim->key))
		return fail(why, -EEXIST, "it is marked already");
	new = calloc(1, sizeof(*new));
	if (!new)
		return fail(why, -ENOMEM, "out of memory");
	r = f ? 0 : add_file(g, path, device, inode, &f, why);
	if (r < 0) {
		free(new);
		return r;
	}
	new->info = *claim;
	new->file = f;
	LIST_INSERT_HEAD(&f->claims, new, of_file);
	LIST_INSERT_HEAD(&g->claims[claim->key % GATE_BUCKETS], new, bucket);
	return 0;
}

void gate_change(struct gate *g, const struct gate_claim *claim)
{
	struct claim *known = find_claim(g, claim->key);

	if (known)
		known->info = *claim;
}

void gate_unmark(struct gate *g, uint64_t key)
{
	struct claim *claim = find_claim(g, key);
	struct gate_file *f;

	if (!claim)
		return;
	f = claim->file;
	free_claim(claim);
	if (!LIST_EMPTY(&f->claims))
		return;
	if (mark_file(f->queue->fd, FAN_MARK_REMOVE, ASKED, f->fd) < 0)
		log_error(
			/* what still comes is let through: the file is not known */
			"gate: cannot take a mark away: %m");
	if (f->at_work)
		gate_report_ends(g, f, false);
	passages_of_file_pass(g, f);
	free_file(g, f);
}
