// SPDX-License-Identifier: GPL-2.0-or-later
/* stamps.c - see stamps.h. */
#include "stamps.h"

#include "remote.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <rdmareg.h>

#define WORDS (PAGE / sizeof(uint64_t))
#define PEERS_MAX 8
#define PAUSE_MSEC 20
#define PATIENCE_USEC UINT64_C(60000000)

/* A word: whose, of which page (from 1 on), when. */
#define STAMP (UINT64_C(0x57a3) << 48)
#define OTHERS (UINT64_C(0xf0e1) << 48)
#define stamp_of(page) (STAMP | (uint64_t)((page) + 1) << 40)
#define TIME_BYTES 5

/* What all processes of a run see. */
struct arena {
	atomic_bool over;
	atomic_bool wrong; /* whoever sets it writes @what */
	atomic_uint_fast64_t time;
	atomic_uint_fast64_t writes, reads, failed, connections, acts;
	char what[400];
	atomic_uint tickets; /* that there were; the newest counts */
	char ticket[2][1024];
};

struct worker {
	const struct stamps_request *request;
	struct arena *arena;
	uint64_t random;
	uint64_t refused;
	struct rdmareg_peer *peer;
	uint64_t words[FILE_PAGES * WORDS];
};

static uint64_t now_usec(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

/* splitmix64 */
static uint32_t below(struct worker *w, uint32_t n)
{
	uint64_t z = w->random += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return (uint32_t)(((z ^ z >> 31) >> 32) * n >> 32);
}

static void say(struct arena *a, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The first that is wrong is told; it ends the run. */
static void say(struct arena *a, const char *format, ...)
{
	va_list arguments;

	if (!atomic_exchange(&a->wrong, true)) {
		va_start(arguments, format);
		vsnprintf(a->what, sizeof(a->what), format, arguments);
		va_end(arguments);
	}
	a->over = true;
}

/*
 * Each byte by itself, since a processor may copy a word in parts: 0, or what every stamp of that page
 * has there. Of the time nothing is known.
 */
static bool may_be(uint64_t word, uint32_t page)
{
	uint64_t stamp = stamp_of(page);

	for (unsigned int i = TIME_BYTES; i < sizeof(word); i++) {
		uint8_t byte = (uint8_t)(word >> 8 * i);

		if (byte && byte != (uint8_t)(stamp >> 8 * i))
			return false;
	}
	return true;
}

/* @count pages of the file from @page on, which somebody read. */
static void judge(struct worker *w, const char *how, uint32_t page, uint32_t count)
{
	for (uint32_t i = 0; i < count * WORDS; i++) {
		uint32_t place = page + i / (uint32_t)WORDS;

		if (may_be(w->words[i], place))
			continue;
		say(w->arena, "%s: word %u of page %u is %#" PRIx64, how, i % (uint32_t)WORDS,
		    place, w->words[i]);
		return;
	}
}

static void put_stamps(struct worker *w, uint32_t page)
{
	uint64_t word = stamp_of(page) | atomic_fetch_add(&w->arena->time, 1);

	for (uint32_t i = 0; i < WORDS; i++)
		w->words[i] = word;
}

static enum rdmareg_policy policy_of(const struct worker *w)
{
	return RDMAREG_POLICY_FOLLOW + w->request->seed % 3;
}

/* --- peers */

static bool connect_peer(struct worker *w)
{
	const struct rdmareg_peer_options options = { .size = sizeof(options),
						      .on_revocation =
							      RDMAREG_ON_REVOCATION_YIELD };
	struct rdmareg_peer_info info = { .size = sizeof(info) };

	if (w->peer && rdmareg_peer_get_info(w->peer, &info) == 0 && info.connected)
		return true;
	w->peer = rdmareg_peer_close(w->peer);
	if (rdmareg_peer_connect(w->arena->ticket[w->arena->tickets % 2], RDMAREG_ACCESS_READ_WRITE,
				 &options, &w->peer) < 0)
		return false;
	w->arena->connections++;
	return true;
}

static int64_t transfer(struct worker *w)
{
	struct rdmareg_peer_info info = { .size = sizeof(info) };
	uint32_t page, count;
	int64_t n;

	if (!connect_peer(w) || rdmareg_peer_dispatch(w->peer) < 0 ||
	    rdmareg_peer_get_info(w->peer, &info) < 0)
		return -ENOTCONN;
	if (info.valid_length < PAGE)
		return -ERANGE;
	page = below(w, (uint32_t)(info.valid_length / PAGE));
	if (below(w, 2)) {
		put_stamps(w, page);
		n = rdmareg_peer_write(w->peer, w->words, PAGE, (uint64_t)page * PAGE);
		w->arena->writes += n > 0;
		return n;
	}
	count = 1 + below(w, 4);
	if (page + count > info.valid_length / PAGE)
		count = 1;
	n = rdmareg_peer_read(w->peer, w->words, (size_t)count * PAGE, (uint64_t)page * PAGE);
	if (n > 0)
		judge(w, "a peer read", page, (uint32_t)n / PAGE);
	w->arena->reads += n > 0;
	return n;
}

/* Whatever happens to its connection, it gets through again. */
static void be_peer(struct worker *w)
{
	uint64_t well = now_usec();

	remote_enter(w->request->network);
	while (!w->arena->over) {
		struct pollfd events = { .fd = -1, .events = POLLIN };
		int64_t n = transfer(w);

		if (n > 0 || n == -ERANGE) {
			well = now_usec();
		} else {
			w->arena->failed++;
			if (now_usec() - well > PATIENCE_USEC)
				say(w->arena, "a peer does not get through: %s",
				    rdmareg_last_error());
		}
		if (n <= 0) {
			events.fd = w->peer ? rdmareg_peer_get_fd(w->peer) : -1;
			poll(&events, 1, PAUSE_MSEC);
		}
	}
	rdmareg_peer_close(w->peer);
}

/* --- programs of the storage node */

static int open_file(const struct worker *w, const char *name, int flags)
{
	char path[4096];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", w->request->folder, name);
	if (flags & O_CREAT)
		unlink(path);
	fd = open(path, O_RDWR | O_CLOEXEC | flags, 0666);
	if (fd < 0)
		say(w->arena, "%s: %s", path, strerror(errno));
	return fd;
}

static void read_file(struct worker *w, int fd)
{
	ssize_t n = pread(fd, w->words, sizeof(w->words), 0);

	if (n < 0)
		say(w->arena, "read: %s", strerror(errno));
	else
		judge(w, "a program read", 0, (uint32_t)n / PAGE);
}

/* By policy hold, which some regions have. */
static bool is_refused(struct worker *w)
{
	bool refused = errno == ETXTBSY && policy_of(w) == RDMAREG_POLICY_HOLD;

	w->refused += refused;
	return refused;
}

static void allocate(struct worker *w, int fd, int mode)
{
	uint32_t page = below(w, FILE_PAGES), count = 1 + below(w, 8);

	if (fallocate(fd, mode | FALLOC_FL_KEEP_SIZE, (off_t)page * PAGE, (off_t)count * PAGE) <
		    0 &&
	    errno != EOPNOTSUPP && !is_refused(w))
		say(w->arena, "fallocate %#x: %s", (unsigned int)mode, strerror(errno));
}

/* What peers do afterwards to the file they do not do to its copy. */
static void copy_file(struct worker *w, int fd)
{
	static uint8_t before[FILE_BYTES], after[FILE_BYTES];
	int copy = open_file(w, "copy", O_CREAT);
	ssize_t n;

	if (copy < 0)
		return;
	if (ioctl(copy, FICLONE, fd) < 0) {
		if (!is_refused(w))
			say(w->arena, "FICLONE: %s", strerror(errno));
	} else {
		n = pread(copy, before, sizeof(before), 0);
		memcpy(w->words, before, n > 0 ? (size_t)n : 0);
		judge(w, "the copy has", 0, n > 0 ? (uint32_t)n / PAGE : 0);
		put_stamps(w, 0);
		if (fsync(copy) < 0 || posix_fadvise(copy, 0, 0, POSIX_FADV_DONTNEED) ||
		    pread(copy, after, sizeof(after), 0) != n ||
		    memcmp(before, after, n > 0 ? (size_t)n : 0) != 0)
			say(w->arena, "the copy by reflink has changed");
	}
	close(copy);
}

/* Blocks that became free are another file's: it keeps what it got. */
static void use_blocks(struct worker *w)
{
	int fd = open_file(w, "other", O_CREAT);
	uint64_t word = OTHERS | below(w, UINT32_MAX);

	if (fd < 0)
		return;
	if (below(w, 4) == 0 && fallocate(fd, 0, 0, FILE_BYTES) == 0)
		word = 0;
	for (uint32_t i = 0; i < FILE_PAGES * WORDS; i++)
		w->words[i] = word;
	if ((word && pwrite(fd, w->words, FILE_BYTES, 0) != FILE_BYTES) || fsync(fd) < 0 ||
	    posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED) ||
	    pread(fd, w->words, FILE_BYTES, 0) != FILE_BYTES)
		say(w->arena, "another file: %s", strerror(errno));
	for (uint32_t i = 0; i < FILE_PAGES * WORDS; i++)
		if (w->words[i] != word && !w->arena->over)
			say(w->arena, "another file: word %u is %#" PRIx64 " and must be %#" PRIx64,
			    i, w->words[i], word);
	close(fd);
}

static void write_stamps(struct worker *w, int fd)
{
	uint32_t page = below(w, FILE_PAGES);

	put_stamps(w, page);
	if (pwrite(fd, w->words, PAGE, (off_t)page * PAGE) != PAGE)
		say(w->arena, "write: %s", strerror(errno));
}

static void store_stamps(struct worker *w, int fd)
{
	uint32_t page = below(w, FILE_PAGES);
	void *map;

	/* of this process alone the file's length is changed */
	if (lseek(fd, 0, SEEK_END) < (off_t)(page + 1) * PAGE)
		return;
	map = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)page * PAGE);
	if (map == MAP_FAILED) {
		say(w->arena, "mmap: %s", strerror(errno));
		return;
	}
	put_stamps(w, page);
	memcpy(map, w->words, PAGE);
	munmap(map, PAGE);
}

static void truncate_file(struct worker *w, int fd)
{
	uint32_t pages = below(w, FILE_PAGES);

	if ((ftruncate(fd, (off_t)pages * PAGE) < 0 ||
	     (below(w, 2) && ftruncate(fd, FILE_BYTES) < 0)) &&
	    !is_refused(w))
		say(w->arena, "truncate: %s", strerror(errno));
}

static void change(struct worker *w, int fd)
{
	switch (below(w, 12)) {
	case 0:
	case 1:
		truncate_file(w, fd);
		break;
	case 2:
		allocate(w, fd, FALLOC_FL_PUNCH_HOLE);
		break;
	case 3:
		allocate(w, fd, FALLOC_FL_ZERO_RANGE);
		break;
	case 4:
		allocate(w, fd, 0);
		break;
	case 5:
		write_stamps(w, fd);
		break;
	case 6:
		store_stamps(w, fd);
		break;
	case 7:
		if (fsync(fd) < 0)
			say(w->arena, "fsync: %s", strerror(errno));
		break;
	case 8:
		posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
		break;
	case 9:
		if (w->request->can->clone)
			copy_file(w, fd);
		break;
	case 10:
		use_blocks(w);
		break;
	default:
		read_file(w, fd);
	}
}

static void act(struct worker *w, enum op_kind kind, uint32_t value)
{
	int r = actors_run(&w->request->actors, op_name(kind), value);

	if (r < 0 && r != -EOPNOTSUPP)
		say(w->arena, "%s failed", op_name(kind));
	w->arena->acts += r == 0;
}

/* What ends no region; and again, after a while. */
static void be_actor(struct worker *w)
{
	static const enum op_kind kinds[] = { OP_KILL_DAEMON,  OP_STOP_DAEMON, OP_UPGRADE,
					      OP_KILL_GATE,    OP_STOP_KEEPER, OP_LINK_DOWN,
					      OP_STORAGE_HANGS };
	uint32_t n = sizeof(kinds) / sizeof(*kinds) - !w->request->can->disk;

	while (!w->arena->over) {
		act(w, kinds[below(w, n)], below(w, 2000));
		poll(NULL, 0, (int)(1000 + below(w, 3000)));
	}
}

static pid_t start(struct worker *w, uint64_t seed, void (*be)(struct worker *w))
{
	pid_t pid = fork();

	if (pid != 0)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	w->random = seed;
	be(w);
	_exit(0);
}

/* Nobody owns it: the peers are its holders. 0, or a negative errno with words. */
static int make_region(struct worker *w, int fd, uint64_t *ret_id)
{
	struct rdmareg_register_options options = { .size = sizeof(options),
						    .policy = policy_of(w),
						    .detached = 1 };
	struct rdmareg_region *region;
	char *ticket = NULL;
	struct rdmareg *bus;
	int r;

	if (w->request->seed / 3 % 2)
		options.arbitration = RDMAREG_ARBITRATE_PRE_CONTENT;
	r = rdmareg_open(NULL, &bus);
	if (r < 0)
		return r;
	r = rdmareg_register(bus, fd, 0, FILE_BYTES, RDMAREG_ACCESS_READ_WRITE, &options, &region);
	if (r == 0)
		*ret_id = rdmareg_region_id(region);
	if (r == 0)
		r = rdmareg_export(region, NULL, &ticket);
	if (r == 0) {
		snprintf(w->arena->ticket[(w->arena->tickets + 1) % 2], sizeof(w->arena->ticket[0]),
			 "%s", ticket);
		w->arena->tickets++;
	}
	free(ticket);
	rdmareg_close(bus);
	return r;
}

/* Its keeper is killed; the file gets another region, as soon as a daemon is there. */
static void lose_region(struct worker *w, int fd, uint64_t *id)
{
	uint64_t since = now_usec();

	if (lseek(fd, 0, SEEK_END) < PAGE)
		return;
	act(w, OP_KILL_KEEPER, 0);
	while (make_region(w, fd, id) < 0 && !w->arena->over) {
		if (now_usec() - since > PATIENCE_USEC)
			say(w->arena, "no new region: %s", rdmareg_last_error());
		poll(NULL, 0, PAUSE_MSEC);
	}
}

static void end_region(struct arena *a, uint64_t id)
{
	struct rdmareg *bus;

	if (rdmareg_open(NULL, &bus) < 0 || rdmareg_release_all(bus, &id, 1, NULL, NULL, NULL) < 0)
		say(a, "release: %s", rdmareg_last_error());
	rdmareg_close(bus);
}

/* Of each kind something was done, or the run says nothing. */
static bool has_all(const struct worker *w)
{
	const struct arena *a = w->arena;

	return a->reads && a->writes && (a->acts || !w->request->actors.command);
}

static void await(struct worker *w, pid_t pid)
{
	int status;

	if (waitpid(pid, &status, 0) < 0 || status != 0)
		say(w->arena, "a peer or the actor died, status %#x", (unsigned int)status);
}

/* Longer on a machine on which that is too short for all kinds. */
static void work(struct worker *w, int fd, uint64_t *id)
{
	const struct stamps_request *q = w->request;
	uint64_t until = now_usec() + q->seconds * UINT64_C(1000000), changes = 0;
	pid_t pids[PEERS_MAX + 1];
	unsigned int n = 0;

	while (n < q->peers) {
		pids[n] = start(w, q->seed * PEERS_MAX + n, be_peer);
		n++;
	}
	if (q->actors.command)
		pids[n++] = start(w, q->seed, be_actor);
	while (!w->arena->over && (now_usec() < until || !has_all(w))) {
		if (now_usec() > until + PATIENCE_USEC)
			say(w->arena, "no peer has read, or none has written, or no actor acted");
		if (q->actors.command && below(w, 100) == 0)
			lose_region(w, fd, id);
		change(w, fd);
		changes++;
	}
	w->arena->over = true;
	for (unsigned int i = 0; i < n; i++)
		await(w, pids[i]);
	read_file(w, fd);
	printf("%s: stamps, seed %" PRIu64 ": by programs %" PRIu64 " operations, refused %" PRIu64
	       ", by peers %" PRIu64 " writes, %" PRIu64 " reads, %" PRIu64
	       " failed; connections %" PRIu64 ", actors %" PRIu64 ", regions %u\n",
	       q->filesystem, q->seed, changes, w->refused, (uint64_t)w->arena->writes,
	       (uint64_t)w->arena->reads, (uint64_t)w->arena->failed,
	       (uint64_t)w->arena->connections, (uint64_t)w->arena->acts, w->arena->tickets);
}

/* The file, its region, and all that happens to it. */
static int run(struct worker *w)
{
	int fd = open_file(w, "a", O_CREAT);
	uint64_t id = 0;
	int r = 2;

	if (fd < 0)
		return 2;
	if (ftruncate(fd, FILE_BYTES) < 0) {
		perror("torture");
	} else if (make_region(w, fd, &id) < 0) {
		fprintf(stderr, "torture: %s\n", rdmareg_last_error());
	} else {
		work(w, fd, &id);
		end_region(w->arena, id);
		r = w->arena->wrong;
	}
	if (w->arena->wrong)
		printf("wrong: %s\n", w->arena->what);
	close(fd);
	return r;
}

int stamps_run(const struct stamps_request *q)
{
	struct arena *arena = mmap(NULL, sizeof(*arena), PROT_READ | PROT_WRITE,
				   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct worker *w = calloc(1, sizeof(*w));
	int r = 2;

	if (w && arena != MAP_FAILED && q->peers <= PEERS_MAX) {
		w->request = q;
		w->random = q->seed;
		w->arena = arena;
		r = run(w);
	}
	if (arena != MAP_FAILED)
		munmap(arena, sizeof(*arena));
	free(w);
	return r;
}
