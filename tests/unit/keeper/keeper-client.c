// SPDX-License-Identifier: GPL-2.0-or-later
/* keeper-client.c - see keeper-client.h. */
#include "keeper-client.h"

#include <errno.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static pid_t running; /* so that nothing is left behind when a test fails */

void client_fail(const char *file, int line, const char *what)
{
	fprintf(stderr, "%s:%d: not so: %s\n", file, line, what);
	if (running > 0)
		kill(running, SIGKILL);
	exit(1);
}

/* As rdmaregd starts it: nobody's rights but those to the helper module's device. */
static bool become(uid_t uid)
{
	struct stat st;
	bool has_module = stat("/dev/rdmareg", &st) == 0;

	return !setgroups(has_module, &st.st_gid) && !setresgid(uid, uid, uid) &&
	       !setresuid(uid, uid, uid);
}

void client_start(struct client *c, const char *program, const char *const *arguments, uid_t uid)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	char *argv[32] = { (char *)(uintptr_t)program };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	memset(c, 0, sizeof(*c));
	c->fd = -1;
	snprintf(c->path, sizeof(c->path), "%s/keeper-client.%d",
		 getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp", getpid());
	unlink(c->path);
	memcpy(a.sun_path, c->path, sizeof(c->path));
	must(fd >= 0 && bind(fd, (struct sockaddr *)&a, sizeof(a)) == 0);
	for (int i = 0; arguments && arguments[i]; i++)
		argv[i + 1] = (char *)(uintptr_t)arguments[i];
	/* so that a connection can be made before the program is up */
	must(listen(fd, 4) == 0);
	c->pid = running = fork();
	must(running >= 0);
	if (c->pid) {
		close(fd);
		return;
	}
	dup2(fd, STDIN_FILENO);
	if (uid != (uid_t)-1 && !become(uid))
		_exit(126);
	execv(program, argv);
	_exit(127);
}

bool client_connect(struct client *c)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };

	memcpy(a.sun_path, c->path, sizeof(c->path));
	client_disconnect(c);
	c->fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	must(c->fd >= 0);
	return connect(c->fd, (struct sockaddr *)&a, sizeof(a)) == 0;
}

void client_disconnect(struct client *c)
{
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
	c->n_events = 0;
}

int client_stop(struct client *c)
{
	int status;

	kill(c->pid, SIGTERM);
	must(waitpid(c->pid, &status, 0) == c->pid);
	running = 0;
	client_disconnect(c);
	unlink(c->path);
	return status;
}

uint64_t client_send(struct client *c, struct keeper_message *m, int fd)
{
	union {
		struct cmsghdr h;
		char space[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct iovec iov = { .iov_base = m, .iov_len = keeper_packet_size(m->type) };
	struct msghdr h = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (fd >= 0) {
		control.h = (struct cmsghdr){ .cmsg_level = SOL_SOCKET,
					      .cmsg_type = SCM_RIGHTS,
					      .cmsg_len = CMSG_LEN(sizeof(int)) };
		memcpy(CMSG_DATA(&control.h), &fd, sizeof(fd));
		h.msg_control = &control;
		h.msg_controllen = sizeof(control);
	}
	m->operation = ++c->operation;
	must(sendmsg(c->fd, &h, MSG_NOSIGNAL) == (ssize_t)iov.iov_len);
	return m->operation;
}

/* The next packet; false at the end, or when none comes within @msec. */
static bool receive(struct client *c, struct keeper_message *ret, int msec)
{
	struct pollfd p = { .fd = c->fd, .events = POLLIN };
	ssize_t n;

	if (poll(&p, 1, msec) <= 0)
		return false;
	memset(ret, 0, sizeof(*ret));
	n = recv(c->fd, ret, sizeof(*ret), 0);
	must(n <= 0 || n == (ssize_t)keeper_packet_size(ret->type));
	return n > 0;
}

static void keep(struct client *c, const struct keeper_message *m)
{
	must(c->n_events < CLIENT_EVENTS_MAX);
	c->event[c->n_events++] = *m;
}

static struct keeper_message take_out(struct client *c, unsigned int i)
{
	struct keeper_message m = c->event[i];

	c->n_events--;
	memmove(&c->event[i], &c->event[i + 1], (c->n_events - i) * sizeof(m));
	return m;
}

struct keeper_message client_answer(struct client *c, uint64_t operation)
{
	struct keeper_message m;

	for (unsigned int i = 0; i < c->n_events;
	     i++) /* it may have come before the one that was waited for */
		if (c->event[i].operation == operation)
			return take_out(c, i);
	for (;;) {
		must(receive(c, &m, CLIENT_PATIENCE_MSEC));
		if (m.operation == operation)
			return m;
		keep(c, &m);
	}
}

struct keeper_message client_call(struct client *c, struct keeper_message *m, int fd)
{
	return client_answer(c, client_send(c, m, fd));
}

static int find_event(const struct client *c, enum keeper_type type, uint64_t region)
{
	for (unsigned int i = 0; i < c->n_events; i++)
		if (c->event[i].operation == 0 && c->event[i].type == type &&
		    c->event[i].region == region)
			return (int)i;
	return -1;
}

struct keeper_message client_event(struct client *c, enum keeper_type type, uint64_t region)
{
	struct keeper_message m;
	int i;

	while ((i = find_event(c, type, region)) < 0) {
		if (!receive(c, &m, CLIENT_PATIENCE_MSEC)) {
			fprintf(stderr, "event %d of region %d did not come; %u others did:\n",
				type, (int)region, c->n_events);
			for (unsigned int k = 0; k < c->n_events; k++)
				fprintf(stderr, "  type %u region %d\n", c->event[k].type,
					(int)c->event[k].region);
			must(!"an event in time");
		}
		keep(c, &m);
	}
	return take_out(c, (unsigned int)i);
}

bool client_has_event(struct client *c, enum keeper_type type, uint64_t region)
{
	struct keeper_message m;

	while (receive(c, &m, 0))
		keep(c, &m);
	return find_event(c, type, region) >= 0;
}

bool client_is_closed(struct client *c)
{
	struct pollfd p = { .fd = c->fd, .events = POLLIN };
	struct keeper_message m;
	ssize_t n;

	for (;;) {
		if (poll(&p, 1, CLIENT_PATIENCE_MSEC) <= 0)
			return false;
		n = recv(c->fd, &m, sizeof(m), 0);
		if (n <= 0)
			return n == 0 || errno == ECONNRESET;
	}
}

int client_file(struct client *c, uint64_t region)
{
	struct keeper_message m = { .type = KEEPER_FILE, .region = region };
	union {
		struct cmsghdr h;
		char space[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec iov = { .iov_base = &m, .iov_len = sizeof(m) };
	struct msghdr h = { .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = &control,
			    .msg_controllen = sizeof(control) };
	int fd;

	client_send(c, &m, -1);
	do
		must(recvmsg(c->fd, &h, MSG_CMSG_CLOEXEC) ==
		     (ssize_t)keeper_packet_size(KEEPER_DONE));
	while (!m.operation);
	if (m.done.error)
		return m.done.error;
	must(CMSG_FIRSTHDR(&h) && CMSG_FIRSTHDR(&h)->cmsg_type == SCM_RIGHTS);
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&h)), sizeof(fd));
	return fd;
}

static int result(const struct keeper_message *m)
{
	if (m->type == KEEPER_DONE && m->done.error && getenv("VERBOSE"))
		fprintf(stderr, "  (%s: %s)\n", strerror(-m->done.error), m->done.text);
	return m->type == KEEPER_DONE ? m->done.error : 0;
}

int client_hello(struct client *c, struct keeper_welcome *ret)
{
	struct keeper_message m = { .type = KEEPER_HELLO, .hello.versions = keeper_versions };

	m = client_call(c, &m, -1);
	if (ret)
		*ret = m.welcome;
	return m.type == KEEPER_WELCOME ? 0 : -EPROTO;
}

int client_register(struct client *c, uint64_t region, int fd, const struct keeper_region *what,
		    struct keeper_region *ret)
{
	struct keeper_message m = { .type = KEEPER_REGISTER, .region = region, .info = *what };

	m = client_call(c, &m, fd);
	if (ret && m.type == KEEPER_REGION)
		*ret = m.info;
	return result(&m);
}

int client_release(struct client *c, uint64_t region)
{
	struct keeper_message m = { .type = KEEPER_RELEASE, .region = region };

	m = client_call(c, &m, -1);
	return result(&m);
}

int client_export(struct client *c, uint64_t region, uint32_t rights, uint32_t uses,
		  struct keeper_ticket *ret)
{
	struct keeper_message m = { .type = KEEPER_EXPORT,
				    .region = region,
				    .ticket = { .rights = rights, .uses = uses } };

	m = client_call(c, &m, -1);
	if (ret && m.type == KEEPER_TICKET)
		*ret = m.ticket;
	return result(&m);
}

int client_consent(struct client *c, uint64_t region, uint64_t revocation)
{
	struct keeper_message m = { .type = KEEPER_CONSENT,
				    .region = region,
				    .revocation.revocation = revocation };

	m = client_call(c, &m, -1);
	return result(&m);
}

int client_prefetch(struct client *c, uint64_t region, uint64_t offset, uint64_t length, bool write)
{
	struct keeper_message m = { .type = KEEPER_PREFETCH,
				    .region = region,
				    .range = {
					    .offset = offset, .length = length, .write = write } };

	m = client_call(c, &m, -1);
	return result(&m);
}
