/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * harness.h - a world of its own for each bus test: a private message bus, the real rdmaregd on it,
 * and keepers without an adapter.
 *
 * Keepers are rdmareg-keeper-fake, moved by lines written to its FIFO (tests/fakes/keeper.c),
 * except in sessions called bad-*, which get a keeper that misbehaves as the name says
 * (bad-keeper.c), and in those called form-*, whose keepers are of another package
 * (keeper-form-5.c).
 *
 * Nothing sleeps to let something happen: until() polls for a condition and fails after WAIT_SEC.
 * Everything the test starts ends with it: bus and daemon by a death signal, keepers because they
 * become the test's children when their parents are gone.
 */
#ifndef RDMAREG_TEST_HARNESS_H
#define RDMAREG_TEST_HARNESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

#include <systemd/sd-bus.h>

#include "names.h"

#define WAIT_SEC 120 /* what is slow is no fault */
#define SKIP 77

/* Fails the test with the daemon's log. */
#define check(condition)                                              \
	do {                                                          \
		if (!(condition))                                     \
			check_failed(__FILE__, __LINE__, #condition); \
	} while (0)
#define check_text(got, wanted) check_same_text(__FILE__, __LINE__, got, wanted)
#define until(condition)                                                 \
	do {                                                             \
		for (unsigned int _n = 0; !(condition); _n++)            \
			until_pause(_n, __FILE__, __LINE__, #condition); \
	} while (0)

_Noreturn void check_failed(const char *file, int line, const char *what);
void check_same_text(const char *file, int line, const char *got, const char *wanted);
void until_pause(unsigned int n, const char *file, int line, const char *what);

struct world {
	char directory[64];
	char address[128];
	pid_t bus;
	pid_t daemon;
	size_t descriptors; /* of the daemon when it had just begun to serve */
};

/* A bus alone. @policy: of its configuration. */
void world_begin_bus(struct world *w, const char *policy);
void world_end_bus(struct world *w);
/* @settings: more lines of rdmaregd.conf, or "" */
void world_begin(struct world *w, const char *settings);
/* Waits until nothing is left: no region, no keeper, no descriptor; then ends everything. */
void world_end(struct world *w);
void world_write_settings(struct world *w, const char *settings);
/*
 * From now on the daemon can start a gate (fakes/gate.c), which it keeps; there is none otherwise.
 */
void world_add_gate(struct world *w);
/* Starts the daemon, and returns when it serves. */
void world_start_daemon(struct world *w);
/* Sends @signal, waits for the end, and returns the wait status. */
int world_end_daemon(struct world *w, int signal);
/* Lines that contain it. */
unsigned int world_log_count(const struct world *w, const char *text);
bool world_log_contains(const struct world *w, const char *text);
/* rdmaregctl on this bus: its exit status, and what it wrote to either output. */
int world_ctl(const struct world *w, const char *arguments, char *out, size_t size);
/* What is counted of this series, which has to be there once: "rdmareg_keepers{state=\"ready\"}". */
uint64_t world_metric(const struct world *w, const char *series);
/* The same, of a page that was read. */
uint64_t metric_in(const char *page, const char *series);
size_t world_descriptors(const struct world *w);
/* Of the daemon, in KiB. */
size_t world_memory(const struct world *w);
/* Keeper processes that run now. */
size_t world_keepers(const struct world *w);
void world_kill_keepers(const struct world *w, int signal);
/* A line to the fake keeper of (uid, session). */
void world_tell_keeper(const struct world *w, uid_t uid, const char *session, const char *format,
		       ...) __attribute__((format(printf, 4, 5)));

sd_bus *connect_client(const struct world *w);
/* As somebody else; takes root. */
sd_bus *connect_as(const struct world *w, uid_t uid);
void disconnect(sd_bus *b);

/* What came back. Names an error if there is one. */
struct reply {
	char error[128]; /* without the prefix; empty: success */
	char text[700];
	uint64_t id;
	char path[80];
	char ticket[200];
	uint64_t number;  /* Revoke's revocation, Evict's regions, Sync's revocation */
	char durable[16]; /* Sync */
	uint64_t valid_length;
};

/*
 * A call made by hand: new_call() or new_region_call(), what the method takes, add_options() with
 * an a{sv} as for sd_bus_message_append, and then one of the two last, which take the message.
 */
sd_bus_message *new_call(sd_bus *b, const char *path, const char *interface, const char *member);
sd_bus_message *new_region_call(sd_bus *b, uint64_t id, const char *member);
sd_bus_message *new_manager_call(sd_bus *b, const char *member);
void add_options(sd_bus_message *m, int n_options, ...);
bool finish_call(sd_bus *b, sd_bus_message *m, struct reply *ret);

/* One that is under way; must stay where it is until it is answered or its connection is closed. */
struct later {
	bool done;
	struct reply reply;
};
void send_later(sd_bus *b, sd_bus_message *m, struct later *l);
/* Handles what is there. */
bool is_answered(sd_bus *b, const struct later *l);
/* It is not, and an answer that was sent before this call would have arrived. */
bool still_waits(sd_bus *b, const struct later *l);
#define await_answer(b, l) until(is_answered(b, l))

/* RegisterRegion; after @ret the a{sv} as for sd_bus_message_append: 1, "session", "s", "x". */
bool register_region(sd_bus *b, int fd, uint64_t offset, uint64_t length, const char *access,
		     struct reply *ret, int n_options, ...);
/* A method of the region without arguments, or with one number. */
bool call_region(sd_bus *b, uint64_t id, const char *method, struct reply *ret);
bool call_region_options(sd_bus *b, uint64_t id, const char *method, struct reply *ret,
			 int n_options, ...);
bool call_region_number(sd_bus *b, uint64_t id, const char *method, uint64_t number,
			struct reply *ret);
bool acknowledge(sd_bus *b, uint64_t id, uint64_t revocation, struct reply *ret);
bool export_region(sd_bus *b, uint64_t id, struct reply *ret, int n_options, ...);
/* GetRegion: is there such a region for this caller? */
bool region_exists(sd_bus *b, uint64_t id);
size_t count_regions(sd_bus *b);
/* Property of the region; text form of s, and of t, u, b. */
void get_property(sd_bus *b, uint64_t id, const char *property, char *out, size_t size);
uint64_t get_manager_number(sd_bus *b, const char *property);
void take_reply(sd_bus_message *m, const sd_bus_error *e, int r, struct reply *ret);

/*
 * Signals that arrived on @b. listen_signals() before the first; await_signal() removes and returns
 * the oldest of that name.
 */
void listen_signals(sd_bus *b);
sd_bus_message *await_signal(sd_bus *b, const char *member);
/* Waits for one of that name: how many others came to @b before it, and were not forgotten. */
size_t count_signals_before(sd_bus *b, const char *member);
/* Handles what is there, and says whether such a signal was among it. */
bool has_signal(sd_bus *b, const char *member);
void forget_signals(sd_bus *b);
/* Waits for RegionRemoved of this region, with this reason. */
void await_removed(sd_bus *b, uint64_t id, const char *reason);
/* listen_signals(), and Manager.Subscribe. */
void subscribe(sd_bus *b);
/* Waits for RevocationRequested with this cause, and returns its number. */
uint64_t await_request(sd_bus *b, const char *cause);
void await_settled(sd_bus *b, uint64_t revocation, const char *outcome, uint64_t valid_length);
/* In the text form of get_property(). */
void expect_property(sd_bus *b, uint64_t id, const char *name, const char *value);
/* An error of this name, whose text says @mentions. */
void expect_error(const struct reply *r, const char *error, const char *mentions);

/* One dictionary of FindHolders; what it does not have is empty or 0. */
struct holder_seen {
	uint64_t region;
	char kind[16];
	uint64_t uid;
	char session[64];
	uint64_t pid;
	char cgroup[256];
	char address[80];
	char access[4];
	uint64_t since_usec;
	uint64_t revocation;
	char cause[24];
	uint64_t offset;
	uint64_t length;
	uint64_t deadline_usec;
	uint64_t asker_pid;
	uint64_t asker_process_uid;
	char asker_comm[32];
	char asker_cgroup[256];
	uint64_t asker_other_user;
};

#define HOLDERS_MAX 32
struct holders {
	size_t n;
	struct holder_seen item[HOLDERS_MAX];
};

bool find_holders(sd_bus *b, int fd, struct holders *ret, struct reply *ret_reply);
/* How many dictionaries, without a look into them. */
size_t count_holders(sd_bus *b, int fd);
/* The @n-th of that kind. */
const struct holder_seen *holder_of_kind(const struct holders *h, const char *kind, size_t n);

/* One dictionary of ListKeepers; what it does not have is empty, or all ones. */
struct keeper {
	char keeper[96];
	uint64_t uid;
	char session[64];
	char state[16];
	char trouble[700];
	uint64_t pid;
	char unit[200];
	uint64_t runs_as;
	char device[80];
	char address[80];
	char program[32];
	uint64_t current;
	uint64_t version, version_min, version_max;
	uint64_t regions, bytes, peers;
	uint64_t attempts;
	uint64_t since_usec;
};
/*
 * ListKeepers with these options: the @n-th of the answer. False: it has fewer. An error fails the
 * test.
 */
bool find_keeper(sd_bus *b, size_t n, struct keeper *ret, int n_options, ...);
/* The process of a session's keeper, which is there. */
pid_t session_keeper(sd_bus *b, const char *session);

/* A file of @size in the world's directory, open as @flags, unlinked already. */
int make_file(const struct world *w, size_t size, int flags);
int make_memfd(size_t size);

/*
 * A FUSE filesystem with one file of @uid, whose server falls silent. False: it cannot be mounted
 * here. @kinds: "flush", "getattr", "statfs", "read", "open", of this process (0: anybody).
 */
struct silent_fs {
	char directory[96];
	pid_t pid;
	FILE *to;
	FILE *from;
};
bool silent_begin(struct silent_fs *s, const struct world *w, uid_t uid);
int silent_open(const struct silent_fs *s, int flags);
void silent_mute(struct silent_fs *s, pid_t pid, const char *kinds);
/* Waits until one more of this kind got no answer. */
void silent_await(struct silent_fs *s, const char *kind);
/* Unmounts: whoever waits goes on. */
void silent_end(struct silent_fs *s);

/* Runs @body in a process of this uid, which must end well. */
void run_as(const struct world *w, uid_t uid,
	    void (*body)(const struct world *w, const void *arguments), const void *arguments);

/* How many lines of @file in the world's folder are @wanted. 0: also when there is no such file. */
unsigned int count_equal_lines(const struct world *w, const char *file, const char *wanted);

#endif
