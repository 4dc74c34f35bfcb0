/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * takers.h - who else in this kernel has files, and could take their blocks without an event: loop
 * devices and LIO's targets, which call the filesystem directly, as swap does; an NFS server, whose
 * truncations have no hook; overlays whose upper files lie there, likewise; nvmet, if it opened the
 * file before that was watched, and the SMB server likewise. (Otherwise both raise events, and the
 * gate knows their threads.)
 *
 * What always holds: only what the kernel says in /sys and /proc is read, the list of exports that
 * exportfs(8) keeps, and the SMB server's configuration, since the kernel does not tell what it
 * shares; no file that is named there is touched. Names are the kernel's or
 * somebody's: they are compared and shown, and nothing is decided by them. How much is read is
 * bounded.
 */
#ifndef RDMAREG_TAKERS_H
#define RDMAREG_TAKERS_H

#include <stdbool.h>
#include <stddef.h>

#define TAKERS_MAX 4096

enum taker_kind {
	TAKER_LOOP,   /* @name: the device */
	TAKER_TARGET, /* LIO's; @name: of the backend */
	TAKER_NVMET,  /* @name: of the namespace, a number */
	TAKER_SWAP,
	TAKER_NFS,     /* @path: what is exported, a folder mostly */
	TAKER_SMB,     /* @path: the folder that is shared */
	TAKER_OVERLAY, /* @path: the folder of upper files; @name: where it is mounted */
};

struct taker {
	enum taker_kind kind;
	char *path;
	char *name;
};

struct takers {
	bool cut; /* there is more than is looked through */
	size_t n;
	struct taker *item;
};

/**
 * takers_find - look for all of them
 * @root: of /sys, /proc, /var and /etc: "" but in tests
 * @all: false: only swap, which no mode of arbitration sees; the rest takes blocks where somebody
 *       else notices
 *
 * Reads files of the kernel, which can take a while; for a thread. What cannot be read has none.
 * -ENOMEM.
 */
int takers_find(struct takers *ret, const char *root, bool all);
void takers_deinit(struct takers *t);

/*
 * Who could take blocks of the file at @path, in words; "" if nobody is known. @path: as the kernel
 * names it, with its mark if it is deleted. Where names cannot tell, that is said: the kernel's have
 * bytes that are not shown, and may be longer than a region's path is kept.
 * @all: as above.
 */
void takers_describe(const struct takers *t, const char *path, bool all, char *text, size_t size);

/* Whether the same files are swap in both, in the order in which the kernel names them. */
bool takers_same_swap(const struct takers *a, const struct takers *b);

#endif
