/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mapping.h - a range of a file in the keeper's address space, and the fence around it.
 *
 * What always holds:
 *   - The virtual range is mapped from mapping_new() to mapping_free(): nothing else ever is
 *     there, so a memory region registered on it can reach this file or nothing.
 *   - Fenced means PROT_NONE: the kernel has invalidated every translation of the fenced part
 *     before mapping_fence() returns.
 *   - The descriptor is judged here again, whatever the daemon did: its open mode is the authority.
 *   - The keeper itself never touches the range (a truncated file would be a SIGBUS). What it wants
 *     to see of it the kernel copies (mapping_read()).
 *
 * A filesystem can be silent: a FUSE server that does not answer, a dead NFS server, a disk that
 * hangs. mapping_new(), mapping_free(), mapping_load() and mapping_await_writable() may wait for it,
 * for ever, and are for a worker. While mmap(2) and munmap(2) wait, the whole address space waits
 * with them (mmap_lock), so the filesystem is asked before each whether it answers. Nothing else
 * here waits.
 */
#ifndef RDMAREG_KEEPER_MAPPING_H
#define RDMAREG_KEEPER_MAPPING_H

#include <stdbool.h>
#include <stdint.h>

#include "util/failure.h"
#include "util/cleanup.h"

struct mapping {
	int fd;
	uint64_t address;
	uint64_t offset; /* bytes into the file */
	uint64_t length; /* bytes; may reach beyond the end of the file */
	uint64_t
		/* page size of the file: protection changes and offsets come in multiples of it */
		granule;
	uint64_t device_bytes;	    /* device-dax: its size, else 0 */
	uint64_t translation_bytes; /* as mapping_translation_bytes() says */
	bool write;
	bool foreign;	  /* a filesystem that may ask somebody else, or that is not known */
	bool synchronous; /* MAP_SYNC: what the adapter wrote is on the medium */
	uint64_t device;  /* st_dev, st_ino and st_uid of the file when it was mapped */
	uint64_t inode;
	uint32_t file_uid;
	bool named; /* it had a name then */
	/*
	 * a filesystem that says truthfully which bytes have blocks (FIEMAP), also of those not
	 * written yet
	 */
	bool extents;
	bool direct; /* regular, with direct access (fsdax) */
	bool memory; /* the file is memory and nothing else: tmpfs, memfd, ramfs, hugetlbfs */
	bool xfs;
	char filesystem[16]; /* for people: "xfs", "device-dax" */
};

/**
 * mapping_new - judge a descriptor and map a range of it
 * @fd: taken over on success, untouched on failure
 * @write: for writing too
 *
 * -EBADF a directory, socket, pipe, O_PATH or O_WRONLY descriptor, or a device that is not
 * device-dax; -EACCES @write on a descriptor not opened O_RDWR, or a file sealed against it;
 * -ERANGE unaligned, empty, overflowing, or beyond the end of a device; or what fstat(2) and mmap(2)
 * say. A file may end before the range, even before it begins.
 */
int mapping_new(struct mapping **ret, int *fd, uint64_t offset, uint64_t length, bool write,
		struct failure *why);

/**
 * mapping_translation_bytes - the largest page that one translation of a range can cover
 * @granule: page size of the file: of a device-dax its alignment, of hugetlbfs its page size
 * @fixed: the file has pages of that size and no larger ones (device-dax, hugetlbfs)
 *
 * Addresses are congruent to file offsets modulo the larger of 2 MiB and @granule, so this is a
 * matter of the range alone: the largest power of two of which a whole aligned block lies inside
 * it. Whether there is such a page is for the filesystem to decide.
 */
uint64_t mapping_translation_bytes(uint64_t offset, uint64_t length, uint64_t granule, bool fixed);

/*
 * What a file lies on, for the key of a job; never 0. Asks nobody.
 */
uint64_t mapping_storage(int fd);

/* Only after the memory region on it is gone. Closes the file. */
struct mapping *mapping_free(struct mapping *m);
DEFINE_FREEP(struct mapping, mapping_free)

/*
 * [*start, *end) in bytes from the start of the range, or more: widened to granules, and to all of
 * it where the kernel has no mapping left for a part (vm.max_map_count). Both are what is fenced
 * then.
 */
int mapping_fence(struct mapping *m, uint64_t *start, uint64_t *end);
int mapping_unfence(struct mapping *m); /* all of it */

/*
 * What is mapped there of the file is forgotten, and found anew by whoever touches it next. [start,
 * end), cut to the range.
 */
int mapping_drop(struct mapping *m, uint64_t start, uint64_t end);

/* True: what fsync(2) of the file promises is worth something after a power cut. */
bool mapping_is_durable(const struct mapping *m);

/*
 * For itself and its test: what statfs(2) says of the file's filesystem; sets @m->memory,
 * @m->foreign, @m->extents, @m->xfs and @m->filesystem.
 */
void mapping_note_filesystem(struct mapping *m, uint32_t magic);

/*
 * Bring a range of the file into memory, without keeping others from changing the address space
 * meanwhile, as an adapter's fault does. Best effort: what cannot be read is found out by who needs
 * it.
 */
void mapping_load(const struct mapping *m, uint64_t offset, uint64_t length);

/*
 * Wait until the file's filesystem takes writes: not while it is frozen (fsfreeze(8), a snapshot).
 * Whoever makes a page writable waits for that in the kernel, and keeps others from changing the
 * address space for as long; this holds nothing. It changes nothing of the file and asks no server.
 * A freeze that begins after it is not noticed.
 */
void mapping_await_writable(const struct mapping *m);

/*
 * True: every page of [offset, offset + length), as far as the file reaches, is in memory and has
 * not been written to storage yet, nor is it being written. False if that cannot be told: before
 * Linux 6.5, and with direct access. Asks nobody.
 */
bool mapping_is_dirty(const struct mapping *m, uint64_t offset, uint64_t length);

/**
 * mapping_read - what the file holds at a place of the range, in memory: nothing of the file, its
 * times included, changes by it
 *
 * -EFAULT where there is nothing to be had: beyond the end of the file, fenced, lost. -EOPNOTSUPP
 * for direct access: the kernel survives a medium that fails only where it copies with that in
 * mind, and here it does not. May wait for storage if the page was not there.
 */
int mapping_read(const struct mapping *m, uint64_t offset, void *buffer, size_t length);

/*
 * A device-dax that was unbound or destroyed under it; another one may have its name by now. Not
 * while it is fenced.
 */
bool mapping_device_is_gone(const struct mapping *m);

/**
 * mapping_explain - why a page of [offset, offset + length) cannot be had, when the adapter only
 * knows that it cannot
 * @ret_offset: the first such page
 *
 * -EHWPOISON memory failed; -EIO the storage, or the filesystem was shut down; -ENOSPC, -EROFS
 * (@write: a hole takes a block); -ENOMEM no memory, or none that the control group allows; -EDQUOT
 * refused although there is space, which is a quota most likely; -EFAULT it can be read, and not be
 * mapped; 0: it can be had, or the file ends there. May wait for
 * storage; dirties pages if @write.
 */
int mapping_explain(const struct mapping *m, uint64_t offset, uint64_t length, bool write,
		    uint64_t *ret_offset);

/* The same for a person; NULL: strerror() says it. */
const char *mapping_explanation(int error);

/*
 * How many bytes of the range the file backs now, as far as is known here: nobody is asked. A
 * network filesystem's server may know better; what others did there shows once somebody on this
 * machine has looked.
 */
int mapping_valid_length(const struct mapping *m, uint64_t *ret);

#endif
