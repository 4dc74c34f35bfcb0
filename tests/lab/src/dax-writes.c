// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * dax-writes.c - write(2) to a file whose blocks it replaces, while peers read the region: is what
 * they read what was written?
 *
 *   dax-writes make KIND FILE
 *	FILE, 1 MiB, with blocks of that kind
 *   dax-writes run KIND FILE TICKET SECONDS [READERS]
 *	on node b: writes it, makes blocks of that kind again, and so on, for so long after a peer has read all of it; once at least, and
 *	once only if SECONDS is 0
 *   dax-writes stay FILE SOURCE
 *	writes a page of SOURCE, which it maps, to FILE's first: as long as SOURCE's storage takes
 *
 * KIND: plain; hole; unwritten (fallocate); shared (with a copy by reflink, FILE.copy). READERS (2)
 * threads read pages chosen at random all the time, and one more reads what was written after each
 * write(2) and everything after each round. In a round with shared blocks the copy is then
 * truncated, and its blocks are given to FILE.foreign, whose bytes no peer may ever see.
 *
 * What always holds: a page of FILE consists of one word, which says when it was written, or of
 * zeros; so one that is wrong says where it comes from. All the library's peers are in transfers
 * all the time, so they acknowledge revocations while write(2) waits.
 *
 * Prints one line, `writes N late N stale N foreign N failed N`, and exits 1 unless the last three
 * are 0 and the first is not. A page is late if a peer read what was there before, and within a
 * second what was written; stale if it never did. Either once: it is written off until it is
 * written anew.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <rdmareg.h>

#define PAGE 4096u
#define PAGES 256u
#define BYTES (PAGE * PAGES)
#define READERS_MAX 8
#define COMPLAINTS_MAX 5u
#define LATE_USEC 1000000u
#define OWN (UINT64_C(0x0ddba11) << 32)
#define FOREIGN (UINT64_C(0xf0e1f0e1) << 32)

enum kind { PLAIN, HOLE, UNWRITTEN, SHARED };
static const char *const kind_names[] = { "plain", "hole", "unwritten", "shared" };

static enum kind kind;
static const char *path;
static const char *ticket;
static int fd;
static uint64_t expected[PAGES]; /* 0: zeros */
static bool written_off[PAGES];
static uint64_t sequence = OWN;
static unsigned int n_writes, n_late, n_stale, n_foreign;
static atomic_uint n_failed;
static atomic_bool over;

/* What the writer wants read; the checker's when @wanted, else the writer's. */
static struct {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	atomic_bool wanted;
	unsigned int page;
	unsigned int count;
} check = { .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER };

static uint64_t now_usec(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static int open_beside(const char *suffix)
{
	char name[4096];
	int r;

	snprintf(name, sizeof(name), "%s%s", path, suffix);
	r = open(name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (r < 0)
		err(2, "%s", name);
	return r;
}

/* --- the file */

static void put(int file, unsigned int page, unsigned int count, uint64_t word)
{
	static uint64_t buffer[BYTES / sizeof(uint64_t)];

	for (size_t i = 0; i < (size_t)count * PAGE / sizeof(word); i++)
		buffer[i] = word;
	if (pwrite(file, buffer, (size_t)count * PAGE, (off_t)page * PAGE) != (ssize_t)count * PAGE)
		err(2, "write");
}

static void allocate(int mode)
{
	if (fallocate(fd, mode | FALLOC_FL_KEEP_SIZE, 0, BYTES) < 0)
		err(2, "fallocate");
}

/* Blocks of that kind, with the bytes that are in the file already, or zeros. */
static void make_blocks(void)
{
	int copy;

	if (kind == HOLE || kind == UNWRITTEN) {
		allocate(FALLOC_FL_PUNCH_HOLE);
		memset(expected, 0, sizeof(expected));
	}
	if (kind == UNWRITTEN)
		allocate(0);
	if (kind == SHARED) {
		copy = open_beside(".copy");
		if (ioctl(copy, FICLONE, fd) < 0)
			err(2, "FICLONE");
		close(copy);
	}
}

/* The copy's blocks are free, and then other files', small ones, since they lie scattered. */
static void reuse_blocks(void)
{
	char suffix[32];
	int copy, foreign;

	if (kind != SHARED)
		return;
	copy = open_beside(".copy");
	/* blocks are given to nobody else before the journal knows that they are free */
	if (syncfs(copy) < 0)
		err(2, "syncfs");
	for (unsigned int i = 0; i < PAGES; i++) {
		snprintf(suffix, sizeof(suffix), ".foreign.%u", i);
		foreign = open_beside(suffix);
		put(foreign, 0, 1, FOREIGN | i);
		close(foreign);
	}
	close(copy);
}

static void make_file(void)
{
	fd = open_beside("");
	if (ftruncate(fd, BYTES) < 0)
		err(2, "ftruncate");
	if (kind == PLAIN || kind == SHARED)
		put(fd, 0, PAGES, OWN);
	if (fsync(fd) < 0)
		err(2, "fsync");
	make_blocks();
}

/* --- peers */

static struct rdmareg_peer *connect_peer(void)
{
	const struct rdmareg_peer_options options = { .size = sizeof(options),
						      .on_revocation =
							      RDMAREG_ON_REVOCATION_YIELD };
	struct rdmareg_peer *p;

	if (rdmareg_peer_connect(ticket, RDMAREG_ACCESS_READ, &options, &p) < 0)
		errx(2, "connecting: %s", rdmareg_last_error());
	return p;
}

/*
 * One that lost its connection gets another: whether bytes are right is one question, whether they
 * can be had another.
 */
static bool read_pages(struct rdmareg_peer **p, uint64_t *data, unsigned int page,
		       unsigned int count)
{
	if (rdmareg_peer_read(*p, data, (size_t)count * PAGE, (uint64_t)page * PAGE) ==
	    (int64_t)count * PAGE)
		return true;
	if (atomic_fetch_add(&n_failed, 1) < COMPLAINTS_MAX)
		warnx("reading page %u: %s", page, rdmareg_last_error());
	rdmareg_peer_close(*p);
	*p = connect_peer();
	return false;
}

static void *reader(void *userdata)
{
	static _Thread_local uint64_t data[PAGE / sizeof(uint64_t)];
	struct rdmareg_peer *p = connect_peer();
	unsigned int seed = *(unsigned int *)userdata;

	while (!over)
		read_pages(&p, data, (unsigned int)rand_r(&seed) % PAGES, 1);
	rdmareg_peer_close(p);
	return NULL;
}

static bool is_foreign(const uint64_t *words)
{
	for (size_t i = 0; i < PAGE / sizeof(*words); i++)
		if ((words[i] & FOREIGN) == FOREIGN)
			return true;
	return false;
}

static bool is_expected(const uint64_t *words, uint64_t word)
{
	for (size_t i = 0; i < PAGE / sizeof(*words); i++)
		if (words[i] != word)
			return false;
	return true;
}

static void judge(struct rdmareg_peer **p, uint64_t *words, unsigned int page)
{
	uint64_t until = now_usec() + LATE_USEC;
	bool late = false;

	if (written_off[page])
		return;
	while (!is_expected(words, expected[page]) && !is_foreign(words) && now_usec() < until) {
		late = true;
		read_pages(p, words, page, 1);
	}
	n_foreign += is_foreign(words);
	if (is_expected(words, expected[page])) {
		n_late += late;
		return;
	}
	written_off[page] = true;
	n_stale += !is_foreign(words);
	if (n_stale + n_foreign <= COMPLAINTS_MAX)
		warnx("page %u: %#llx instead of %#llx", page, (unsigned long long)words[0],
		      (unsigned long long)expected[page]);
}

static void *checker(void *userdata)
{
	static uint64_t data[BYTES / sizeof(uint64_t)];
	struct rdmareg_peer *p = connect_peer();
	unsigned int seed = *(unsigned int *)userdata;

	while (!over) {
		if (!check.wanted) {
			read_pages(&p, data, (unsigned int)rand_r(&seed) % PAGES, 1);
			continue;
		}
		if (!read_pages(&p, data, check.page, check.count))
			continue;
		for (unsigned int i = 0; i < check.count; i++)
			judge(&p, data + i * PAGE / sizeof(*data), check.page + i);
		pthread_mutex_lock(&check.lock);
		check.wanted = false;
		pthread_cond_signal(&check.changed);
		pthread_mutex_unlock(&check.lock);
	}
	rdmareg_peer_close(p);
	return NULL;
}

static void look_at(unsigned int page, unsigned int count)
{
	check.page = page;
	check.count = count;
	pthread_mutex_lock(&check.lock);
	check.wanted = true;
	while (check.wanted)
		pthread_cond_wait(&check.changed, &check.lock);
	pthread_mutex_unlock(&check.lock);
}

/* --- rounds */

/*
 * Runs of 1 to 64 pages, of all of which one is written last: every page once, in an order that
 * does not depend on them.
 */
static void write_everything(unsigned int *seed, uint64_t until)
{
	static const unsigned int lengths[] = { 64, 1, 16, 2, 4, 32, 8, 1 };
	unsigned int start[PAGES], count[PAGES], n = 0;

	for (unsigned int page = 0; page < PAGES; page += count[n++]) {
		start[n] = page;
		count[n] = lengths[n % (sizeof(lengths) / sizeof(*lengths))];
	}
	for (unsigned int i = n; i > 0 && (!until || now_usec() < until); i--) {
		unsigned int j = (unsigned int)rand_r(seed) % i, page = start[j],
			     end = page + count[j];

		if (end > PAGES)
			end = PAGES;
		put(fd, page, end - page, ++sequence);
		for (unsigned int k = page; k < end; k++) {
			expected[k] = sequence;
			written_off[k] = false;
		}
		n_writes++;
		look_at(page, end - page);
		start[j] = start[i - 1];
		count[j] = count[i - 1];
	}
}

static int run(unsigned int seconds, unsigned int n_readers)
{
	unsigned int seeds[READERS_MAX + 1], seed = 1;
	pthread_t threads[READERS_MAX + 1];
	uint64_t until;

	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		err(2, "%s", path);
	for (unsigned int i = 0; i < PAGES; i++)
		expected[i] = kind == PLAIN || kind == SHARED ? OWN : 0;
	for (unsigned int i = 0; i <= n_readers; i++) {
		seeds[i] = i + 2;
		if (pthread_create(&threads[i], NULL, i ? reader : checker, &seeds[i]))
			errx(2, "no thread");
	}
	look_at(0, PAGES);
	/* on a busy machine the peers alone may take so long as others have for all of it */
	until = seconds ? now_usec() + seconds * 1000000ull : 0;
	do {
		write_everything(&seed, n_writes ? until : 0);
		look_at(0, PAGES);
		reuse_blocks();
		look_at(0, PAGES);
		if (until)
			make_blocks();
	} while (now_usec() < until);
	over = true;
	for (unsigned int i = 0; i <= n_readers; i++)
		pthread_join(threads[i], NULL);
	printf("writes %u late %u stale %u foreign %u failed %u\n", n_writes, n_late, n_stale,
	       n_foreign, n_failed);
	return n_stale || n_foreign || n_failed || !n_writes;
}

/* The copying is in the middle of write(2), with the inode's lock held. */
static int stay(const char *source)
{
	int from = open(source, O_RDONLY | O_CLOEXEC);
	void *page = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, from, 0);

	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0 || page == MAP_FAILED)
		err(2, "%s, %s", path, source);
	return pwrite(fd, page, PAGE, 0) != PAGE;
}

static enum kind kind_of(const char *name)
{
	for (size_t i = 0; i < sizeof(kind_names) / sizeof(*kind_names); i++)
		if (!strcmp(name, kind_names[i]))
			return (enum kind)i;
	errx(2, "no kind: %s", name);
}

int main(int argc, char *argv[])
{
	unsigned int readers = argc == 7 ? (unsigned int)atoi(argv[6]) : 2;

	if (argc < 4)
		errx(2,
		     "usage: dax-writes make KIND FILE, dax-writes run KIND FILE TICKET SECONDS [READERS]");
	if (!strcmp(argv[1], "stay")) {
		path = argv[2];
		return stay(argv[3]);
	}
	kind = kind_of(argv[2]);
	path = argv[3];
	if (!strcmp(argv[1], "make")) {
		make_file();
		return 0;
	}
	if (argc < 6 || readers > READERS_MAX)
		errx(2, "usage: dax-writes run KIND FILE TICKET SECONDS [READERS]");
	ticket = argv[4];
	return run((unsigned int)atoi(argv[5]), readers);
}
