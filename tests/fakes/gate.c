// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * gate.c - stands in for rdmareg-gate: the kernel is played by lines in the FIFO "gate-commands"
 * beside it, and what the daemon says is written as lines to "gate-events". Marks are answered at
 * once, unless there is a file "gate-silent", and with a file "gate-cannot-tell" so that it is not
 * known who has the file open.
 *
 *   want N OFFSET LENGTH   somebody punches that range of the file that was marked last, and waits
 *   as passage N
 *   expire N               he went on, at the deadline
 *   over N                 he is done
 *   end                    the process ends
 *   kill                   it is killed, as by its own timer
 *
 * What always holds: it ends with the daemon.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gate/gate-channel.h"
#include "names.h"

static char directory[PATH_MAX];
static struct gate_message marked;

static const char *path_of(const char *name)
{
	static char path[PATH_MAX + 32];

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	return path;
}

static void note(const char *format, ...)
{
	FILE *f = fopen(path_of("gate-events"), "ae");
	va_list args;

	if (!f)
		exit(1);
	va_start(args, format);
	vfprintf(f, format, args);
	va_end(args);
	fclose(f);
}

static void say(const struct gate_message *m)
{
	if (send(GATE_SOCKET, m, sizeof(*m), MSG_NOSIGNAL) < 0)
		exit(0);
}

static void hear(const struct gate_message *m)
{
	struct gate_message answer = { .type = GATE_MARKED, .number = m->number };

	switch (m->type) {
	case GATE_OURS:
		note("ours %d %" PRIu64 "\n", m->pid, m->number);
		break;
	case GATE_MARK:
		marked = *m;
		note("mark %" PRIu64 "+%" PRIu64 " refuses %u\n", m->offset, m->length, m->refuses);
		answer.pid = access(path_of("gate-cannot-tell"), F_OK) == 0 ? -1 : 0;
		if (access(path_of("gate-silent"), F_OK) < 0)
			say(&answer);
		break;
	case GATE_CHANGE:
		note("change refuses %u\n", m->refuses);
		break;
	case GATE_UNMARK:
		note("unmark\n");
		break;
	case GATE_ANSWER:
		note("answer %" PRIu64 " %d\n", m->number, m->error);
		break;
	default:
		break;
	}
}

static void obey(const char *line)
{
	struct gate_message m = {
		.device = marked.device, .inode = marked.inode, .cause = CAUSE_FALLOCATE, .pid = 1
	};

	if (sscanf(line, "want %" SCNu64 " %" SCNu64 " %" SCNu64, &m.number, &m.offset,
		   &m.length) == 3)
		m.type = GATE_WANTED;
	else if (sscanf(line, "expire %" SCNu64, &m.number) == 1)
		m.type = GATE_EXPIRED;
	else if (sscanf(line, "over %" SCNu64, &m.number) == 1)
		m.type = GATE_OVER;
	else if (!strcmp(line, "kill\n"))
		raise(SIGKILL);
	else
		exit(0);
	say(&m);
}

int main(int argc, char **argv)
{
	struct gate_message m;
	FILE *commands;
	char line[256];
	int fd;

	(void)argc;
	snprintf(directory, sizeof(directory), "%.*s", (int)(strrchr(argv[0], '/') - argv[0]),
		 argv[0]);
	if (mkfifo(path_of("gate-commands"), 0600) < 0 && errno != EEXIST)
		return 1;
	fd = open(path_of("gate-commands"), O_RDWR | O_CLOEXEC);
	commands = fd < 0 ? NULL : fdopen(fd, "r");
	if (!commands)
		return 1;
	setvbuf(commands, NULL, _IONBF, 0);
	for (;;) {
		struct pollfd fds[] = { { GATE_SOCKET, POLLIN, 0 }, { fd, POLLIN, 0 } };

		if (poll(fds, 2, -1) < 0)
			return 1;
		if (fds[0].revents) {
			if (recv(GATE_SOCKET, &m, sizeof(m), 0) != (ssize_t)sizeof(m))
				return 0;
			hear(&m);
		} else if (fgets(line, sizeof(line), commands)) {
			obey(line);
		}
	}
}
