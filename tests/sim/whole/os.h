/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * os.h - the operating system under the simulated processes: time, loops, threads, descriptors,
 * sockets, signals. The daemon and its keepers are the real ones, linked into this process; each
 * has a struct process and a loop of its own. What they ask of libc comes here instead.
 *
 * What always holds:
 *   - One thing runs at a time: a turn of one process' loop, or a thread of one up to where it
 *     waits. Which is next, what it sees of what is there, and how long it takes, the seed decides.
 *   - Time passes only where nobody can run, and a little with each turn.
 *   - Nothing else is random, and nothing depends on addresses, inode numbers or the machine's load:
 *     the same seed gives the same trace.
 */
#ifndef RDMAREG_SIM_OS_H
#define RDMAREG_SIM_OS_H

#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "util/clock.h"

struct app;
struct event_base;
struct keeper;

#define NEVER UINT64_MAX

/* How awkward this world is; of the seed. */
struct world {
	uint64_t seed;
	bool trace;	       /* print everything */
	char directory[64];    /* of the daemon, on a filesystem in memory */
	uint32_t socket_max;   /* packets that wait in one direction of a connection */
	uint32_t slow_usec;    /* a step of storage takes at most */
	bool failing;	       /* calls fail now and then that may be tried again */
	bool calm;	       /* nothing goes wrong */
	uint64_t turn_usec;    /* a turn takes at most */
	uint64_t silent_until; /* storage does not answer before */
	uint32_t skewed;       /* percent of keepers that are of other packages */
	uint32_t lies;	       /* percent of what some keepers say; 0: none lies */
};
extern struct world world;

/* --- os.c: time, chance, what happened */

extern uint64_t os_now; /* CLOCK_MONOTONIC and CLOCK_BOOTTIME, in microseconds */
extern bool os_on;	/* from here on it is played */

uint64_t os_random(uint64_t below); /* 0 if @below is */
static inline bool os_chance(uint32_t percent)
{
	return os_random(100) < percent;
}

/* A line of the trace, and part of its hash. */
void os_trace(const char *format, ...) __attribute__((format(printf, 1, 2)));
uint64_t os_hash(void);
/* What must not be is: says so, and what happened before, and ends this world. */
void os_violated(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));
#define os_require(condition, ...)                \
	do {                                      \
		if (!(condition))                 \
			os_violated(__VA_ARGS__); \
	} while (0)

/* --- os-process.c: processes, and whose turn it is */

#define CONNECTS 16

struct process {
	char name[32];
	pid_t pid;
	uid_t uid;
	bool alive;
	struct event_base *base;
	struct app *app;       /* the daemon's */
	struct keeper *keeper; /* a keeper's */
	uint64_t wake_usec;    /* its loop wants a turn then, whatever happens; 0: at once */
	uint64_t stopped_until;
	uint64_t stopped_usec; /* how long it has been, in all */
	int log_level;
	uint32_t cuts;		     /* of its connections, so far */
	uint64_t connects[CONNECTS]; /* when the last ones were made to it */
	uint32_t n_connects;
	bool slept;	  /* its loop had nothing to do in this turn */
	bool told_to_end; /* SIGTERM is pending */
	bool killed;	  /* by the world */
	bool foreign;	  /* a daemon of another version began: they have no version in common */
	bool untidy;	  /* it left to the kernel what it had open */
	bool liar;
	bool older, newer; /* it is of another package */
	struct process *next;
};

extern struct process *os_processes;
extern struct process *os_current; /* whose code runs; NULL: the world's */

struct process *os_process_new(const char *name, uid_t uid);
/* Its sockets close, its threads are no more. What memory it had is lost. */
void os_kill(struct process *p);
void os_stop(struct process *p, uint64_t usec);
bool os_is_stopped(const struct process *p);
/* For how long it has been until now, in all. */
uint64_t os_stopped(const struct process *p);
/* The end of the process whose code runs, from within it. */
void os_leave(void) __attribute__((noreturn));

/* One process' turn of whatever sort. False: none can run, and none will before *ret_when. */
bool os_step(uint64_t *ret_when);

/* --- os-thread.c */

/* A thread of @p can run now; else *when is made less if one can later. */
bool os_thread_ready(const struct process *p, uint64_t *when);
/* Lets one of them run, up to where it waits. */
void os_thread_turn(struct process *p);
void os_thread_forget(struct process *p);
/* A thread does something on storage, which takes its time; the loop must not. */
void os_storage(const char *call);
bool os_in_thread(void);
/* Whoever runs sleeps; of a loop, its threads run meanwhile. */
void os_sleep(uint64_t usec);

/* --- os-descriptor.c: what descriptors are, and what epoll says of them */

enum os_kind {
	OS_REAL, /* the kernel's own business, and never ready here */
	OS_FILE, /* a file of a client's, or a duplicate */
	OS_EPOLL,
	OS_EVENTFD,
	OS_PIDFD,
	OS_LISTENER,
	OS_STREAM, /* an end of a connection; or a socket that is none yet */
};

enum os_kind os_kind(int fd);
/* It is OS_FILE, and not yet closed. */
bool os_is_file(int fd);
void *os_object(int fd);
/* A number that stands for @object. */
int os_descriptor(enum os_kind kind, void *object);
void os_set_kind(int fd, enum os_kind kind, void *object);
void os_close(int fd); /* whoever runs */
int os_duplicate(int fd);
/* Of @p: one of its descriptors is ready. *when: or will be. */
bool os_epoll_ready(const struct process *p);
int os_pidfd(struct process *p);
/* Whose it is from now on. */
void os_set_owner(int fd, const struct process *owner);
/* The process is no more: the kernel closes what it had. */
void os_files_forget(const struct process *p);
/* How many descriptors of clients' files are open, here and in packets. */
uint32_t os_files(void);

/* --- os-socket.c */

struct os_packet {
	size_t size;
	const void *bytes;
};

/* What becomes of a packet that was sent. */
enum os_fate {
	OS_ARRIVES,
	OS_LOST,
	OS_TWICE,
	OS_EARLY, /* before some that wait already */
	OS_LATE,  /* unless the connection has ended by then */
	OS_BACK,  /* who sent it gets it */
	OS_LADEN, /* with a descriptor that nobody sent */
};

/* EPOLLIN, EPOLLOUT, EPOLLHUP. */
uint32_t os_socket_events(int fd);
void os_socket_closed(int fd);
/* Gives @fd's listener another number, for the process that it is given to. */
int os_socket_inherit(int fd);
void os_sockets_forget(struct process *p);
/* Cuts the connection of this keeper in the middle, as nobody wanted. False: there is none. */
bool os_cut(struct process *keeper);

#endif
