// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * mute-fs.c - a FUSE filesystem with one file, "file", whose server stops to answer whom it is told
 * to.
 *
 *   mute-fs DIRECTORY UID          mounts it, the file being UID's; takes root; writes "mounted"
 *
 * Lines on its standard input, each answered by "done":
 *   mute PID WHAT...                 what this process and its children (0: anybody) ask of these
 *   kinds gets no
 *                                    answer any more: flush, getattr, statfs, read, open
 *   hear                             everybody is answered again; what got no answer never gets one
 *
 * Each request that gets no answer is told of with a line "silent KIND". At the end of its input it
 * unmounts, and everybody who waits is freed.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_SIZE (1u << 20)
#define FILE_NODE 2

static const struct {
	uint32_t opcode;
	const char *name;
} kinds[] = { { FUSE_FLUSH, "flush" },
	      { FUSE_GETATTR, "getattr" },
	      { FUSE_STATFS, "statfs" },
	      { FUSE_READ, "read" },
	      { FUSE_OPEN, "open" } };
#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

static bool muted[KINDS];
static int muted_pid;
static unsigned int owner;

/* A request names the thread that makes it. */
static bool is_muted(int thread)
{
	char path[48], line[128];
	int pid = -1, parent = -1;
	FILE *f;

	if (!muted_pid)
		return true;
	snprintf(path, sizeof(path), "/proc/%d/status", thread);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f) && sscanf(line, "PPid: %d", &parent) != 1)
		sscanf(line, "Tgid: %d", &pid);
	if (f)
		fclose(f);
	return pid == muted_pid || parent == muted_pid;
}

/* The kind, if it gets no answer. */
static const char *silent_about(const struct fuse_in_header *h)
{
	for (size_t i = 0; i < KINDS; i++)
		if (kinds[i].opcode == h->opcode && muted[i] && is_muted((int)h->pid))
			return kinds[i].name;
	return NULL;
}

static void fill_attributes(struct fuse_attr *a, uint64_t node)
{
	*a = (struct fuse_attr){
		.ino = node, .nlink = 1, .blksize = 4096, .uid = owner, .mode = S_IFDIR | 0755
	};
	if (node != FILE_NODE)
		return;
	a->mode = S_IFREG | 0600;
	a->size = FILE_SIZE;
	a->blocks = FILE_SIZE / 512;
}

/* The answer's size, or a negative errno. */
static int answer(const struct fuse_in_header *h, const void *arguments, void *out)
{
	switch (h->opcode) {
	case FUSE_INIT:
		*(struct fuse_init_out *)out = (struct fuse_init_out){ .major = FUSE_KERNEL_VERSION,
								       .minor = 31,
								       .max_write = 1u << 17 };
		return sizeof(struct fuse_init_out);
	case FUSE_GETATTR:
		memset(out, 0, sizeof(struct fuse_attr_out));
		fill_attributes(&((struct fuse_attr_out *)out)->attr, h->nodeid);
		return sizeof(struct fuse_attr_out);
	case FUSE_LOOKUP:
		if (strcmp(arguments, "file") != 0)
			return -ENOENT;
		memset(out, 0, sizeof(struct fuse_entry_out));
		((struct fuse_entry_out *)out)->nodeid = FILE_NODE;
		fill_attributes(&((struct fuse_entry_out *)out)->attr, FILE_NODE);
		return sizeof(struct fuse_entry_out);
	case FUSE_OPEN:
	case FUSE_OPENDIR:
		memset(out, 0, sizeof(struct fuse_open_out));
		return sizeof(struct fuse_open_out);
	case FUSE_READ:
		memset(out, 0, ((const struct fuse_read_in *)arguments)->size);
		return (int)((const struct fuse_read_in *)arguments)->size;
	case FUSE_STATFS:
		memset(out, 0, sizeof(struct fuse_statfs_out));
		return sizeof(struct fuse_statfs_out);
	case FUSE_WRITE:
		*(struct fuse_write_out *)out = (struct fuse_write_out){
			.size = ((const struct fuse_write_in *)arguments)->size
		};
		return sizeof(struct fuse_write_out);
	case FUSE_FLUSH:
	case FUSE_RELEASE:
	case FUSE_RELEASEDIR:
		return 0;
	default:
		return -ENOSYS;
	}
}

/* False: it is unmounted. */
static bool serve_one(int fuse)
{
	static _Alignas(8) char request[1u << 18];
	static struct {
		struct fuse_out_header header;
		char data[1u << 17];
	} reply;
	const struct fuse_in_header *h = (const void *)request;
	const char *silent;
	int r;

	if (read(fuse, request, sizeof(request)) < (ssize_t)sizeof(*h))
		return errno == EINTR || errno == ENOENT || errno == EAGAIN;
	if (h->opcode == FUSE_FORGET || h->opcode == FUSE_BATCH_FORGET ||
	    h->opcode == FUSE_INTERRUPT)
		return true;
	silent = silent_about(h);
	if (silent) {
		printf("silent %s\n", silent);
		return true;
	}
	r = answer(h, request + sizeof(*h), reply.data);
	reply.header = (struct fuse_out_header){
		.len = (uint32_t)(sizeof(reply.header) + (r > 0 ? (size_t)r : 0)),
		.error = r < 0 ? r : 0,
		.unique = h->unique,
	};
	if (write(fuse, &reply, reply.header.len) < 0 && errno != ENOENT)
		perror("mute-fs");
	return true;
}

/* False: the end of the input. */
static bool obey(void)
{
	char line[256], *word;

	if (!fgets(line, sizeof(line), stdin))
		return false;
	memset(muted, 0, sizeof(muted));
	word = strtok(line, " \n");
	if (word && !strcmp(word, "mute")) {
		word = strtok(NULL, " \n");
		muted_pid = word ? atoi(word) : 0;
		while ((word = strtok(NULL, " \n")))
			for (size_t i = 0; i < KINDS; i++)
				muted[i] = muted[i] || !strcmp(word, kinds[i].name);
	}
	puts("done");
	return true;
}

int main(int argc, char **argv)
{
	struct pollfd fds[2] = { { .events = POLLIN }, { .fd = STDIN_FILENO, .events = POLLIN } };
	char options[128];
	bool running = true;
	int fuse;

	if (argc != 3) {
		fprintf(stderr, "usage: mute-fs DIRECTORY UID\n");
		return 2;
	}
	owner = (unsigned int)atoi(argv[2]);
	fuse = open("/dev/fuse", O_RDWR | O_CLOEXEC | O_NONBLOCK);
	if (fuse < 0) {
		perror("/dev/fuse");
		return 77;
	}
	snprintf(options, sizeof(options), "fd=%d,rootmode=40000,user_id=0,group_id=0,allow_other",
		 fuse);
	if (mount("silent", argv[1], "fuse", MS_NOSUID | MS_NODEV, options) < 0) {
		perror(argv[1]);
		return 77;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	setvbuf(stdin, NULL, _IONBF, 0);
	puts("mounted");
	fds[0].fd = fuse;
	while (running) {
		if (poll(fds, 2, -1) < 0)
			continue;
		if (fds[0].revents)
			running = serve_one(fuse);
		if (running && fds[1].revents)
			running = obey();
	}
	umount2(argv[1], MNT_DETACH);
	return 0;
}
