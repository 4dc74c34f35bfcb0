// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * silent-fs.c - a FUSE filesystem that can fall silent, as a server does that hangs or a network
 * that is cut.
 *
 *   silent-fs DIRECTORY [flush]
 *
 * It is mounted there, has one file, "file", of 4 MiB that anybody may read and write, and runs
 * until it is killed, which aborts it: whoever waits then gets ENOTCONN. After SIGUSR1 it answers
 * nothing but what opening a path and closing a descriptor need (LOOKUP, OPEN, FLUSH, RELEASE);
 * with "flush" not even closing. After SIGUSR2 it answers everything again, and first what was
 * asked meanwhile.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_BYTES (4u << 20)
#define TRANSFER_BYTES (128u << 10)
#define NODE_FILE 2u

struct kept {
	struct kept *next;
	size_t size;
	unsigned char request[];
};

static volatile sig_atomic_t silent, again;
static bool flush_too;
static int device;
static unsigned char content[FILE_BYTES];
static struct kept *kept, **kept_end = &kept;

static void on_signal(int signal)
{
	silent = signal == SIGUSR1;
	again |= signal == SIGUSR2;
}

static void reply(uint64_t unique, int error, const void *data, size_t size)
{
	static unsigned char buffer[sizeof(struct fuse_out_header) + TRANSFER_BYTES];
	struct fuse_out_header h = { .len = (uint32_t)(sizeof(h) + size),
				     .error = -error,
				     .unique = unique };

	memcpy(buffer, &h, sizeof(h));
	if (size)
		memcpy(buffer + sizeof(h), data, size);
	if (write(device, buffer, h.len) < 0 &&
	    errno != ENOENT) /* ENOENT: who asked has given up */
		warn("reply");
}

static struct fuse_attr attributes(uint64_t node)
{
	struct fuse_attr a = { .ino = node, .nlink = 1, .blksize = 4096, .mode = S_IFDIR | 0755 };

	if (node == NODE_FILE) {
		a.mode = S_IFREG | 0666;
		a.size = FILE_BYTES;
		a.blocks = FILE_BYTES / 512;
	}
	return a;
}

static void answer_lookup(const struct fuse_in_header *h, const char *name)
{
	struct fuse_entry_out out = { .nodeid = NODE_FILE, .attr = attributes(NODE_FILE) };

	if (strcmp(name, "file") != 0)
		reply(h->unique, ENOENT, NULL, 0);
	else
		reply(h->unique, 0, &out, sizeof(out));
}

static void answer_read(const struct fuse_in_header *h, const struct fuse_read_in *in)
{
	uint64_t left = in->offset < FILE_BYTES ? FILE_BYTES - in->offset : 0;
	size_t size = in->size < left ? in->size : (size_t)left;

	reply(h->unique, 0, content + (left ? in->offset : 0),
	      size < TRANSFER_BYTES ? size : TRANSFER_BYTES);
}

static void answer_write(const struct fuse_in_header *h, const struct fuse_write_in *in)
{
	struct fuse_write_out out = { .size = in->size };

	if (in->offset > FILE_BYTES || in->size > FILE_BYTES - in->offset) {
		reply(h->unique, EFBIG, NULL, 0);
		return;
	}
	memcpy(content + in->offset, in + 1, in->size);
	reply(h->unique, 0, &out, sizeof(out));
}

static void answer(const struct fuse_in_header *h)
{
	const void *in = h + 1;

	switch (h->opcode) {
	case FUSE_INIT: {
		struct fuse_init_out out = { .major = 7, .minor = 31, .max_write = TRANSFER_BYTES };

		reply(h->unique, 0, &out, sizeof(out));
		break;
	}
	case FUSE_LOOKUP:
		answer_lookup(h, in);
		break;
	case FUSE_GETATTR:
	case FUSE_SETATTR: {
		struct fuse_attr_out out = { .attr = attributes(h->nodeid) };

		reply(h->unique, 0, &out, sizeof(out));
		break;
	}
	case FUSE_OPEN:
	case FUSE_OPENDIR: {
		struct fuse_open_out out = { .fh = 1 };

		reply(h->unique, 0, &out, sizeof(out));
		break;
	}
	case FUSE_STATFS: {
		struct fuse_statfs_out out = { .st = { .bsize = 4096, .namelen = 255 } };

		reply(h->unique, 0, &out, sizeof(out));
		break;
	}
	case FUSE_READ:
		answer_read(h, in);
		break;
	case FUSE_WRITE:
		answer_write(h, in);
		break;
	case FUSE_FLUSH:
	case FUSE_RELEASE:
	case FUSE_RELEASEDIR:
	case FUSE_FSYNC:
		reply(h->unique, 0, NULL, 0);
		break;
	case FUSE_FORGET:
	case FUSE_BATCH_FORGET:
	case FUSE_INTERRUPT:
		break; /* nobody waits */
	default:
		reply(h->unique, ENOSYS, NULL, 0);
		break;
	}
}

static bool is_answered_always(uint32_t opcode)
{
	switch (opcode) {
	case FUSE_FLUSH:
	case FUSE_RELEASE:
		return !flush_too;
	case FUSE_INIT:
	case FUSE_LOOKUP:
	case FUSE_OPEN:
	case FUSE_FORGET:
	case FUSE_BATCH_FORGET:
	case FUSE_INTERRUPT:
		return true;
	default:
		return false;
	}
}

static void keep(const void *request, size_t size)
{
	struct kept *k = malloc(sizeof(*k) + size);

	if (!k)
		err(EXIT_FAILURE, "keeping a request");
	k->next = NULL;
	k->size = size;
	memcpy(k->request, request, size);
	*kept_end = k;
	kept_end = &k->next;
}

static void answer_kept(void)
{
	struct kept *k;

	while ((k = kept)) {
		kept = k->next;
		answer((const struct fuse_in_header *)k->request);
		free(k);
	}
	kept_end = &kept;
}

int main(int argc, char *argv[])
{
	static _Alignas(8) unsigned char request[TRANSFER_BYTES + 8192];
	const struct sigaction action = { .sa_handler = on_signal };
	char options[128];
	ssize_t n;

	if (argc < 2)
		errx(2, "usage: silent-fs DIRECTORY [flush]");
	flush_too = argc > 2;
	sigaction(SIGUSR1, &action, NULL);
	sigaction(SIGUSR2, &action, NULL);
	device = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	if (device < 0)
		err(EXIT_FAILURE, "/dev/fuse");
	snprintf(options, sizeof(options), "fd=%d,rootmode=40000,user_id=0,group_id=0,allow_other",
		 device);
	if (mount("silent", argv[1], "fuse", MS_NOSUID | MS_NODEV, options) < 0)
		err(EXIT_FAILURE, "%s", argv[1]);
	for (;;) {
		if (again) {
			again = 0;
			answer_kept();
		}
		n = read(device, request, sizeof(request));
		if (n < 0 && (errno == EINTR || errno == ENOENT))
			continue;
		if (n < (ssize_t)sizeof(struct fuse_in_header))
			return n < 0 && errno != ENODEV ? EXIT_FAILURE
							: EXIT_SUCCESS; /* ENODEV: unmounted */
		if (silent && !is_answered_always(((const struct fuse_in_header *)request)->opcode))
			keep(request, (size_t)n);
		else
			answer((const struct fuse_in_header *)request);
	}
}
