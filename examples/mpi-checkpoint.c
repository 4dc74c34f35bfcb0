// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * mpi-checkpoint.c - each rank of an MPI program writes its checkpoint straight into a file of the
 * next rank, on whatever node that is, and it is on storage there before anybody goes on.
 *
 *   mpi-checkpoint write PREFIX MIB     PREFIX.N is the file of rank N, made anew
 *   mpi-checkpoint verify PREFIX MIB    what PREFIX.N has is the checkpoint of the rank before N
 *
 * What always holds: MPI carries the tickets and nothing else; the checkpoint goes by RDMA from the
 * memory of one rank into the page cache of the other's node, without a copy and without the other
 * rank's processor. The file is not pinned: its filesystem may still move and take blocks.
 */
#include <errno.h>
#include <fcntl.h>
#include <mpi.h>
#include <rdmareg.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TICKET_BYTES 512

static int rank, ranks;

/* One rank that cannot go on ends all: the others would wait for it. */
static void give_up(const char *format, ...)
{
	va_list args;

	fprintf(stderr, "rank %d: ", rank);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fprintf(stderr, "\n");
	MPI_Abort(MPI_COMM_WORLD, 1);
	exit(1);
}

/* What rank @of has at that place: a value that no other rank or place has. */
static uint64_t word(int of, uint64_t place)
{
	uint64_t x = ((uint64_t)of << 40) + place + 1;

	x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
	return x ^ (x >> 31);
}

static int open_file(const char *prefix, int flags)
{
	char name[4096];
	int fd;

	snprintf(name, sizeof(name), "%s.%d", prefix, rank);
	fd = open(name, flags | O_CLOEXEC, 0600);
	if (fd < 0)
		give_up("%s: %s", name, strerror(errno));
	return fd;
}

/* The file of this rank, for the rank before it; @ticket is what that one needs. */
static struct rdmareg_region *offer(struct rdmareg *c, int fd, uint64_t bytes,
				    char ticket[static TICKET_BYTES])
{
	const struct rdmareg_export_options once = { .size = sizeof(once), .uses = 1 };
	struct rdmareg_register_options o = { .size = sizeof(o) };
	struct rdmareg_region *region;
	char *text;

	/* A launcher that made a session for this job says so (docs/schedulers.md). */
	o.session = getenv("RDMAREG_SESSION");
	/* Blocks first: what is written into a hole has no place on the medium yet. */
	errno = posix_fallocate(fd, 0, (off_t)bytes);
	if (errno)
		give_up("making room: %s", strerror(errno));
	if (rdmareg_register(c, fd, 0, 0, RDMAREG_ACCESS_READ_WRITE, &o, &region) < 0 ||
	    rdmareg_export(region, &once, &text) < 0)
		give_up("%s", rdmareg_last_error());
	if (strlen(text) >= TICKET_BYTES)
		give_up("a ticket of %zu bytes", strlen(text));
	snprintf(ticket, TICKET_BYTES, "%s", text);
	free(text);
	return region;
}

static void write_checkpoint(const char *ticket, const uint64_t *data, uint64_t bytes)
{
	/* Blocks that the filesystem wants back meanwhile are given back, and the write goes on. */
	const struct rdmareg_peer_options o = { .size = sizeof(o),
						.on_revocation = RDMAREG_ON_REVOCATION_YIELD };
	struct rdmareg_buffer *buffer;
	struct rdmareg_peer *peer;
	int64_t n;

	if (rdmareg_peer_connect(ticket, RDMAREG_ACCESS_READ_WRITE, &o, &peer) < 0 ||
	    rdmareg_peer_register_buffer(peer, (void *)(uintptr_t)data, bytes, 0, &buffer) < 0)
		give_up("%s", rdmareg_last_error());
	for (uint64_t done = 0; done < bytes; done += (uint64_t)n) {
		n = rdmareg_peer_write_buffer(buffer, done, bytes - done, done);
		if (n < 0)
			give_up("%s", rdmareg_last_error());
	}
	if (rdmareg_peer_persist(peer, 0, bytes) < 0)
		give_up("%s", rdmareg_last_error());
	rdmareg_buffer_free(buffer);
	rdmareg_peer_close(peer);
}

static void write_all(const char *prefix, uint64_t bytes)
{
	int next = (rank + 1) % ranks, before = (rank + ranks - 1) % ranks;
	char mine[TICKET_BYTES] = "", theirs[TICKET_BYTES] = "";
	uint64_t *data = aligned_alloc(4096, bytes);
	struct rdmareg_region *region;
	struct rdmareg *c;
	int fd = open_file(prefix, O_RDWR | O_CREAT | O_TRUNC);

	if (!data)
		give_up("out of memory");
	for (uint64_t i = 0; i < bytes / sizeof(*data); i++)
		data[i] = word(rank, i);
	if (rdmareg_open(NULL, &c) < 0)
		give_up("%s", rdmareg_last_error());
	region = offer(c, fd, bytes, mine);
	MPI_Sendrecv(mine, sizeof(mine), MPI_CHAR, before, 0, theirs, sizeof(theirs), MPI_CHAR,
		     next, 0, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
	theirs[sizeof(theirs) - 1] = 0;
	write_checkpoint(theirs, data, bytes);
	/* From here on each checkpoint is on storage; nobody takes its region down before. */
	MPI_Barrier(MPI_COMM_WORLD);
	if (rdmareg_release(region) < 0)
		give_up("%s", rdmareg_last_error());
	rdmareg_close(c);
	close(fd);
	free(data);
	printf("rank %d: its checkpoint is in the file of rank %d\n", rank, next);
}

static void verify_all(const char *prefix, uint64_t bytes)
{
	int before = (rank + ranks - 1) % ranks, fd = open_file(prefix, O_RDONLY);
	uint64_t *data = malloc(bytes);

	if (!data)
		give_up("out of memory");
	for (uint64_t done = 0; done < bytes;) {
		ssize_t n = pread(fd, (char *)data + done, bytes - done, (off_t)done);

		if (n <= 0)
			give_up("reading %s.%d at %llu: %s", prefix, rank, (unsigned long long)done,
				n ? strerror(errno) : "it is too short");
		done += (uint64_t)n;
	}
	for (uint64_t i = 0; i < bytes / sizeof(*data); i++)
		if (data[i] != word(before, i))
			give_up("%s.%d differs from the checkpoint of rank %d at %llu: it has "
				"%016llx, not %016llx",
				prefix, rank, before, (unsigned long long)(i * sizeof(*data)),
				(unsigned long long)data[i], (unsigned long long)word(before, i));
	close(fd);
	free(data);
	printf("rank %d: its file has the checkpoint of rank %d\n", rank, before);
}

int main(int argc, char **argv)
{
	unsigned long mib = argc == 4 ? strtoul(argv[3], NULL, 10) : 0;

	MPI_Init(&argc, &argv);
	MPI_Comm_rank(MPI_COMM_WORLD, &rank);
	MPI_Comm_size(MPI_COMM_WORLD, &ranks);
	if (!mib || mib > 1 << 20 || (strcmp(argv[1], "write") && strcmp(argv[1], "verify")))
		give_up("usage: mpi-checkpoint write|verify PREFIX MIB");
	if (!strcmp(argv[1], "write"))
		write_all(argv[2], (uint64_t)mib << 20);
	else
		verify_all(argv[2], (uint64_t)mib << 20);
	MPI_Finalize();
	return 0;
}
