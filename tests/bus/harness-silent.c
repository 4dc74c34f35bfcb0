// SPDX-License-Identifier: GPL-2.0-or-later
/* harness-silent.c - a filesystem whose server falls silent; see harness.h and mute-fs.c. */
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness.h"

/* The next line it says; false at the end. */
static bool next_line(struct silent_fs *s, char *out, size_t size)
{
	if (!fgets(out, (int)size, s->from))
		return false;
	out[strcspn(out, "\n")] = 0;
	return true;
}

bool silent_begin(struct silent_fs *s, const struct world *w, uid_t uid)
{
	char number[16], line[64];
	int in[2], out[2];

	*s = (struct silent_fs){ 0 };
	snprintf(s->directory, sizeof(s->directory), "%s/silent", w->directory);
	check(mkdir(s->directory, 0755) == 0 && pipe2(in, O_CLOEXEC) == 0 &&
	      pipe2(out, O_CLOEXEC) == 0);
	snprintf(number, sizeof(number), "%u", uid);
	s->pid = fork();
	check(s->pid >= 0);
	if (s->pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		dup2(in[0], STDIN_FILENO);
		dup2(out[1], STDOUT_FILENO);
		execl(getenv("RDMAREG_MUTE_FS"), "mute-fs", s->directory, number, NULL);
		_exit(127);
	}
	close(in[0]);
	close(out[1]);
	s->to = fdopen(in[1], "we");
	s->from = fdopen(out[0], "re");
	check(s->to && s->from);
	if (next_line(s, line, sizeof(line)) && !strcmp(line, "mounted"))
		return true;
	waitpid(s->pid, NULL, 0);
	fclose(s->to);
	fclose(s->from);
	rmdir(s->directory);
	return false;
}

int silent_open(const struct silent_fs *s, int flags)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "%s/file", s->directory);
	fd = open(path, flags | O_CLOEXEC);
	check(fd >= 0);
	return fd;
}

void silent_mute(struct silent_fs *s, pid_t pid, const char *kinds)
{
	char line[64];

	check(fprintf(s->to, "mute %d %s\n", pid, kinds) > 0 && fflush(s->to) == 0);
	do
		check(next_line(s, line, sizeof(line)));
	while (strcmp(line, "done") != 0);
}

void silent_await(struct silent_fs *s, const char *kind)
{
	char line[64], wanted[64];

	snprintf(wanted, sizeof(wanted), "silent %s", kind);
	do
		check(next_line(s, line, sizeof(line)));
	while (strcmp(line, wanted) != 0);
}

void silent_end(struct silent_fs *s)
{
	fclose(s->to);
	check(waitpid(s->pid, NULL, 0) == s->pid);
	fclose(s->from);
	rmdir(s->directory);
}
