/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * client-run.h - rdmaregctl as a process that stays, with a pipe at either end. What always holds:
 * what it says is waited for, never the time.
 */
#ifndef RDMAREG_TEST_CLIENT_RUN_H
#define RDMAREG_TEST_CLIENT_RUN_H

#undef NDEBUG
#include <assert.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* The program; set by main(). */
static const char *ctl;

struct run {
	pid_t pid;
	FILE *in, *out; /* its standard input and what it says on both channels */
	char line[4096];
};

/* @terminal: its standard error, or -1. */
static inline struct run begin_with(const char *arguments, int terminal)
{
	struct run r = { 0 };
	char command[512];
	int in[2], out[2];

	assert(pipe2(in, O_CLOEXEC) == 0 && pipe2(out, O_CLOEXEC) == 0);
	snprintf(command, sizeof(command), "exec '%s' %s", ctl, arguments);
	r.pid = fork();
	assert(r.pid >= 0);
	if (!r.pid) {
		dup2(in[0], STDIN_FILENO);
		dup2(out[1], STDOUT_FILENO);
		dup2(terminal >= 0 ? terminal : out[1], STDERR_FILENO);
		execl("/bin/sh", "sh", "-c", command, (char *)NULL);
		_exit(127);
	}
	close(in[0]);
	close(out[1]);
	r.in = fdopen(in[1], "w");
	r.out = fdopen(out[0], "r");
	assert(r.in && r.out);
	return r;
}

static inline struct run begin(const char *arguments)
{
	return begin_with(arguments, -1);
}

/* The next line has all of these in it. */
static inline void says(struct run *r, const char *a, const char *b)
{
	assert(fgets(r->line, sizeof(r->line), r->out));
	fprintf(stderr, "%s", r->line); /* shown when something fails */
	assert(strstr(r->line, a) && strstr(r->line, b));
}

static inline void finish_input(struct run *r)
{
	fclose(r->in);
	r->in = NULL;
}

/* Its status, when it has no more to say. */
static inline int end(struct run *r)
{
	int status;

	assert(!fgets(r->line, sizeof(r->line), r->out));
	assert(waitpid(r->pid, &status, 0) == r->pid && WIFEXITED(status));
	if (r->in)
		fclose(r->in);
	fclose(r->out);
	return WEXITSTATUS(status);
}

#endif
