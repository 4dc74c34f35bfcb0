/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tape.h - a tape: operations on two files and on a region of the first, in order. It is generated
 * from a seed, or read from text; both are pure.
 *
 * What always holds: each operation means something whatever came before it, since the model fits it
 * to the files as they are then (model.h). So what is left of a tape without some of its operations
 * is a tape.
 */
#ifndef TAPE_H
#define TAPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define PAGE 4096u
#define FILE_PAGES 64u
#define FILE_BYTES (PAGE * FILE_PAGES) /* no file gets longer */

/* KIND, its word on a tape, and how often it is drawn. */
#define OPERATIONS(X)                                                                     \
	X(WRITE, "write", 12)                                                             \
	X(READ, "read", 4)                                                                \
	X(MAP_WRITE, "map-write", 6)                                                      \
	X(MAP_READ, "map-read", 4)                                                        \
	X(DIRECT_WRITE, "direct-write", 4)                                                \
	X(DIRECT_READ, "direct-read", 3)                                                  \
	X(TRUNCATE, "truncate", 8) /* to length */                                        \
	X(ALLOCATE, "allocate", 2)                                                        \
	X(ALLOCATE_KEEP, "allocate-keep", 2)                                              \
	X(PUNCH, "punch", 5)                                                              \
	X(ZERO, "zero", 3)                                                                \
	X(ZERO_KEEP, "zero-keep", 2)                                                      \
	X(COLLAPSE, "collapse", 2)                                                        \
	X(INSERT, "insert", 2)                                                            \
	X(UNSHARE, "unshare", 2)                                                          \
	X(CLONE, "clone", 5) /* from the other file, at other */                          \
	X(COPY, "copy", 3)                                                                \
	X(FSYNC, "fsync", 3)                                                              \
	X(MSYNC, "msync", 2)                                                              \
	X(DONTNEED, "dontneed", 2)                                                        \
	X(PAGEOUT, "pageout", 2)                                                          \
	X(DROP_CACHES, "drop-caches", 1)                                                  \
	X(COMPACT, "compact", 1)                                                          \
	X(REMOTE_WRITE, "remote-write", 16)                                               \
	X(REMOTE_READ, "remote-read", 14)                                                 \
	X(REMOTE_PEEK, "remote-peek", 3) /* a read that may lead beyond the file's end */ \
	X(PERSIST, "persist", 2)                                                          \
	X(DISCONNECT, "disconnect", 1)                                                    \
	X(PREFETCH, "prefetch", 1)                                                        \
	X(SYNC, "sync", 1)                                                                \
	X(REVOKE, "revoke", 1)	     /* and restore */                                    \
	X(CONFIGURE, "configure", 1) /* policy, arbitration, warm mode: as value says */  \
	X(REGION, "region", 2)	     /* anew, as value says: region_of() */               \
	X(RELEASE, "release", 0)                                                          \
	X(GONE, "gone", 0) /* the region has to end by itself */                          \
	/* actors (actors.h) */                                                           \
	X(KILL_DAEMON, "kill-daemon", 1)                                                  \
	X(STOP_DAEMON, "stop-daemon", 1) /* for a while */                                \
	X(UPGRADE, "upgrade", 1)                                                          \
	X(KILL_GATE, "kill-gate", 1)                                                      \
	X(STOP_KEEPER, "stop-keeper", 1) /* for a while */                                \
	X(KILL_KEEPER, "kill-keeper", 1)                                                  \
	X(REPLACE_KEEPER, "replace-keeper", 1)                                            \
	X(REMOUNT, "remount", 1)                                                          \
	X(LINK_DOWN, "link-down", 1)	     /* for a while */                            \
	X(STORAGE_HANGS, "storage-hangs", 1) /* for a while */                            \
	X(STORAGE_FAILS, "storage-fails", 1) /* and is mended */                          \
	X(STATE, "state", 0)		     /* size and holes */                         \
	X(CHECK, "check", 2)		     /* every byte, each way */

enum op_kind {
#define X(kind, word, weight) OP_##kind,
	OPERATIONS(X)
#undef X
		N_OP_KINDS
};

struct op {
	enum op_kind kind;
	uint32_t file; /* 0: the registered one, "a"; 1: "b" */
	uint32_t offset;
	uint32_t length;
	uint32_t other; /* offset in the other file */
	uint32_t value; /* what its bytes are made of, or how it is done */
};

/* What a filesystem can do, and what may be done on this machine. */
struct abilities {
	bool clone;
	bool collapse; /* and insert */
	bool zero;
	bool unshare;
	bool direct;
	bool device; /* the registered one is a device: its length stays, and it can only be mapped */
	bool remote; /* regions, and peers */
	bool system; /* what concerns the whole machine: caches, compaction */
	bool actors;
	bool unmount; /* its files are there again afterwards */
	bool disk;    /* one that actors can have hang and fail */
};

/* How an operation REGION registers: from its value. */
struct region_kind {
	uint32_t policy; /* 0 to 2, in the order of enum rdmareg_policy */
	bool pre_content;
	uint32_t warm_mode; /* 0 to 3 */
	enum { OWNER_ATTENDS, OWNER_SILENT, OWNER_NONE } owner;
	bool peer_silent;
	bool read_only;
	bool reopened;	/* the local descriptors, after registering */
	uint32_t start; /* the range: bytes of the file, whole pages */
	uint32_t length;
};

struct region_kind region_of(uint32_t value);

/* The same after OP_CONFIGURE. */
struct region_kind region_configured(struct region_kind k, uint32_t value);

/* As people read it; " # ..." behind the line of an operation. */
void region_print(FILE *f, const struct region_kind *k);

/* Byte @i of what an operation writes; never 0, so that it is told from a hole. */
uint8_t op_byte(const struct op *op, uint32_t i);

/* @n operations, the first of which make the files and the region. */
void tape_generate(struct op *ops, size_t n, uint64_t seed, const struct abilities *a);

/* One line for each operation. */
void op_print(FILE *f, const struct op *op);

/* false: not a line of a tape. */
bool op_parse(const char *line, struct op *ret);

const char *op_name(enum op_kind kind);

/* Done by a peer. */
bool op_is_of_peer(enum op_kind kind);

/* Done by a peer or about the region, not by a local system call. */
bool op_is_remote(enum op_kind kind);

bool op_is_actor(enum op_kind kind);

/* Of an actor: does the region end with it, unasked? Is it over when it returns? */
bool op_ends_region(enum op_kind kind);
bool op_is_over(enum op_kind kind);

#endif
