/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * keeper-rig.h - a keeper with fake adapters (fakes/keeper.c) on a test bench: started, told what
 * happens to it, and given regions.
 */
#ifndef KEEPER_RIG_H
#define KEEPER_RIG_H

#include <unistd.h>

#include "keeper-client.h"

#define PAGE UINT64_C(4096)
#define MIB (UINT64_C(1) << 20)
#define RW (WIRE_RIGHT_READ | WIRE_RIGHT_WRITE)
#define LONG UINT64_C(20000000) /* graces: nobody waits for this one */
#define SHORT UINT64_C(30000)	/* and this one passes */

extern struct client k;
extern int rig_control;	  /* where fakes/keeper.c reads what happens */
extern uint64_t rig_last; /* region number */

/* Few of everything, so that limits are reached; the session is "s.1". */
extern const char *const rig_usual[];

/*
 * A test program is rig_init(), rig_run() for each keeper that it takes, and rig_end(). Its only
 * argument is the keeper's program; without it rig_init() ends it with status 2.
 */
void rig_init(int argc, char *const argv[]);
void rig_end(void);

/* A keeper with these arguments, as that session: starts it, does what follows, and stops it. */
#define rig_run(arguments, session, ...) \
	rig_run_tests(arguments, session, (rig_test *const[]){ __VA_ARGS__, NULL })
typedef void rig_test(void);
void rig_run_tests(const char *const *arguments, const char *session, rig_test *const *tests);

void rig_start(const char *const *arguments, const char *session);
void rig_stop(void);

/* As above without a greeting and without control. */
void rig_start_only(const char *const *arguments);

/* "VERB REGION REST" to the fakes. */
void tell(const char *verb, uint64_t region, const char *rest);

int make_file(uint64_t size);
/*
 * One in the working directory, since /tmp may be in memory; it had the name of the test, and has
 * none now.
 */
int make_disk_file(uint64_t size);
struct keeper_region region_of(uint64_t length, uint64_t grace_usec, enum region_policy policy);

/* A region of 4 MiB with a ticket; its number. */
uint64_t make_region(int *ret_fd, uint64_t grace_usec, enum region_policy policy);

/* A region of all of a file of that length, with a ticket and a peer; its number. */
uint64_t make_region_of(int fd, uint64_t length);

/* As the keeper lists it now. */
struct keeper_region rig_listed(uint64_t region);

/*
 * The newest peer of @region asks for its writes on the medium: the outcome that it is told (enum
 * wire_sync_outcome).
 */
unsigned int persist(uint64_t region, uint64_t offset, uint64_t length);
void ask_to_persist(uint64_t region, uint64_t request, uint64_t offset, uint64_t length);
unsigned int persisted(uint64_t region, uint64_t request);
extern unsigned int
	rig_place; /* of what persisted() found last, among all answers, in their order */

/* Until a peer of @region was told this of the file's path. */
void await_path_told(uint64_t region, enum path_state state);

/*
 * An access of a peer to that range failed, and it asks why: enum wire_cause; 100 and more: it is
 * refused (enum wire_refusal).
 */
unsigned int explain(uint64_t region, uint64_t offset, uint64_t length);
void ask_why(uint64_t region, uint64_t request, uint64_t offset, uint64_t length);

/* A peer of that region; its number. */
uint64_t join(uint64_t region);

/* How much KEEPER_LIST lists; the first of it. */
unsigned int list(struct keeper_message *first);

#endif
