/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * keeper-client.h - a daemon in miniature, for tests: starts a keeper, speaks keeper-protocol.h
 * with it, keeps events until they are asked for. Waiting is bounded; what does not come within the
 * bound ends the test.
 */
#ifndef KEEPER_CLIENT_H
#define KEEPER_CLIENT_H

#include <stdbool.h>
#include <sys/types.h>

#include "keeper-protocol.h"

#define CLIENT_EVENTS_MAX 4096
#define CLIENT_PATIENCE_MSEC 30000

struct client {
	pid_t pid;
	int fd;
	char path[108];
	uint64_t operation;
	unsigned int n_events;
	struct keeper_message event[CLIENT_EVENTS_MAX];
};

/* Ends the program with a message unless @condition holds. */
#define must(condition) ((condition) ? (void)0 : client_fail(__FILE__, __LINE__, #condition))
_Noreturn void client_fail(const char *file, int line, const char *what);

/*
 * @arguments: NULL-terminated, after the program's name. @uid: as whom (needs root if it is not
 * ours); -1: as we are.
 */
void client_start(struct client *c, const char *program, const char *const *arguments, uid_t uid);

/* Connect (again); false when refused. */
bool client_connect(struct client *c);
void client_disconnect(struct client *c);

/* SIGTERM and wait; the exit status as from waitpid(2). */
int client_stop(struct client *c);

/* Send a request; @fd -1: none. Returns its operation number. */
uint64_t client_send(struct client *c, struct keeper_message *m, int fd);

/* The next message with this operation number. */
struct keeper_message client_answer(struct client *c, uint64_t operation);

/* Both, for requests with one answer. */
struct keeper_message client_call(struct client *c, struct keeper_message *m, int fd);

/* The oldest event of that type and region, taken out; waits for it. */
struct keeper_message client_event(struct client *c, enum keeper_type type, uint64_t region);

/* True if such an event has come already. */
bool client_has_event(struct client *c, enum keeper_type type, uint64_t region);

/* Everything until the other end closes; true if it did. */
bool client_is_closed(struct client *c);

/* KEEPER_FILE: the descriptor, or a negative errno. Events that come meanwhile are lost. */
int client_file(struct client *c, uint64_t region);

/* Shorthands, all with a one-letter or wordy result: 0 or the negative errno of KEEPER_DONE. */
int client_hello(struct client *c, struct keeper_welcome *ret);
int client_register(struct client *c, uint64_t region, int fd, const struct keeper_region *what,
		    struct keeper_region *ret);
int client_release(struct client *c, uint64_t region);
int client_export(struct client *c, uint64_t region, uint32_t rights, uint32_t uses,
		  struct keeper_ticket *ret);
int client_consent(struct client *c, uint64_t region, uint64_t revocation);
int client_prefetch(struct client *c, uint64_t region, uint64_t offset, uint64_t length,
		    bool write);

#endif
