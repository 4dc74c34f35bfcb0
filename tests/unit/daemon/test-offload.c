// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test-offload.c - tasks that do not return hold up nobody but their own user, are answered in
 * time, and are released when they return after all. What does not return is a read of an empty
 * pipe.
 */
#undef NDEBUG
#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "util/offload.h"

#define SOON 50000
#define LATER 2000000 /* hundreds of threads are there by then */
#define PATIENT 60000000

struct task {
	struct offload_task task;
	int fd;
	bool began;
	int error; /* 1: not ended yet */
	bool *ret_released;
};

static struct event_base *base;

static void work(struct offload_task *t)
{
	struct task *x = (struct task *)t;
	char c;

	if (x->fd >= 0)
		assert(read(x->fd, &c, 1) == 1);
	x->began = true;
}

static void ended(struct offload_task *t, int error)
{
	((struct task *)t)->error = error;
}

static void release(struct offload_task *t)
{
	struct task *x = (struct task *)t;

	assert(x->error != 1);
	*x->ret_released = true;
}

static struct task task(int fd, bool *released)
{
	*released = false;
	return (struct task){
		.task = { .work = work, .ended = ended, .release = release },
		.fd = fd,
		.error = 1,
		.ret_released = released,
	};
}

#define turn_until(condition)                                            \
	do {                                                             \
		while (!(condition))                                     \
			assert(event_base_loop(base, EVLOOP_ONCE) == 0); \
	} while (0)

static void set_descriptors(rlim_t n)
{
	struct rlimit l;

	assert(getrlimit(RLIMIT_NOFILE, &l) == 0);
	l.rlim_cur = n;
	assert(setrlimit(RLIMIT_NOFILE, &l) == 0);
}

static void test_done(void)
{
	struct offload *o;
	bool released;
	struct task t = task(-1, &released);

	assert(offload_new(&o, base, PATIENT) == 0);
	assert(offload_run(o, &t.task, 7) == 0);
	turn_until(released);
	assert(t.began && t.error == 0);
	offload_free(o);
}

/*
 * More tasks of one user hang than may; another user's are done, and the first one's are answered,
 * and refused.
 */
static void test_hang(void)
{
	bool released[OFFLOAD_PER_UID + 1], other_released, refused_released;
	struct task hung[OFFLOAD_PER_UID + 1], other, refused;
	struct offload *o;
	int pipes[2];

	assert(pipe(pipes) == 0);
	assert(offload_new(&o, base, LATER) == 0);
	for (int i = 0; i <= OFFLOAD_PER_UID; i++) {
		hung[i] = task(pipes[0], &released[i]);
		assert(offload_run(o, &hung[i].task, 7) == 0);
	}
	other = task(-1, &other_released);
	assert(offload_run(o, &other.task, 8) == 0);
	turn_until(other_released);
	assert(other.error == 0);
	for (int i = 0; i <= OFFLOAD_PER_UID; i++) {
		turn_until(hung[i].error != 1);
		assert(hung[i].error == -ETIMEDOUT);
	}
	turn_until(released[OFFLOAD_PER_UID]); /* no thread was in it */
	assert(!hung[OFFLOAD_PER_UID].began && !released[0]);
	refused = task(-1, &refused_released);
	assert(offload_run(o, &refused.task, 7) == -EBUSY && refused.error == 1);

	for (int i = 0; i < OFFLOAD_PER_UID; i++)
		assert(write(pipes[1], "x", 1) == 1);
	for (int i = 0; i < OFFLOAD_PER_UID; i++) {
		turn_until(released[i]);
		assert(hung[i].error == -ETIMEDOUT && hung[i].began);
	}
	assert(offload_run(o, &refused.task, 7) == 0);
	turn_until(refused_released);
	assert(refused.error == 0);
	close(pipes[0]);
	close(pipes[1]);
	offload_free(o);
}

/* Closing is never refused, waits for a thread of the user, and is not given up meanwhile. */
static void test_close(void)
{
	struct task hung[OFFLOAD_PER_UID], mark;
	bool released[OFFLOAD_PER_UID], marked;
	struct offload *o;
	int pipes[2], fds[2], closes = 1;
	char c;

	assert(pipe(pipes) == 0 && pipe(fds) == 0);
	assert(offload_new(&o, base, LATER) == 0);
	for (int i = 0; i < OFFLOAD_PER_UID; i++) {
		hung[i] = task(pipes[0], &released[i]);
		assert(offload_run(o, &hung[i].task, 7) == 0);
	}
	for (int i = 0; i < OFFLOAD_PER_UID; i++)
		turn_until(hung[i].error == -ETIMEDOUT);
	offload_close(o, -1, 7);
	offload_close(o, fds[1], 7);
	for (; !offload_is_choked(o, 7); closes++)
		offload_close(o, dup(pipes[0]), 7);
	assert(closes > OFFLOAD_PER_UID && closes <= OFFLOAD_CLOSES_MAX &&
	       !offload_is_choked(o, 8));
	/* its time comes and goes */
	offload_set_timeout(o, SOON);
	mark = task(pipes[0], &marked);
	assert(offload_run(o, &mark.task, 8) == 0);
	turn_until(mark.error == -ETIMEDOUT);
	assert(fcntl(fds[1], F_GETFD) >= 0);
	for (int i = 0; i <= OFFLOAD_PER_UID; i++)
		assert(write(pipes[1], "x", 1) == 1);
	turn_until(marked && !offload_is_choked(o, 7));
	for (int i = 0; i < OFFLOAD_PER_UID; i++) /* they are on this stack */
		turn_until(released[i]);
	assert(read(fds[0], &c, 1) == 0);
	while (fcntl(fds[1] + closes / 2, F_GETFD) >= 0)
		assert(event_base_loop(base, EVLOOP_NONBLOCK) == 0);
	close(fds[0]);
	close(pipes[0]);
	close(pipes[1]);
	offload_free(o);
}

static unsigned int count_threads(void)
{
	DIR *d = opendir("/proc/self/task");
	unsigned int n = 0;

	assert(d);
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

/*
 * What is to be closed when the loop turns wakes one thread, for all. The loop does not turn again,
 * so it is not for the time that this takes.
 */
static void test_closes_together(void)
{
	unsigned int before = count_threads();
	int pipes[4 * OFFLOAD_PER_UID][2];
	struct offload *o;
	char c;

	assert(offload_new(&o, base, PATIENT) == 0);
	for (int i = 0; i < 4 * OFFLOAD_PER_UID; i++) {
		assert(pipe(pipes[i]) == 0);
		offload_close(o, pipes[i][1], 7);
	}
	assert(count_threads() == before);
	assert(event_base_loop(base, EVLOOP_NONBLOCK) == 0);
	for (int i = 0; i < 4 * OFFLOAD_PER_UID; i++) {
		assert(read(pipes[i][0], &c, 1) == 0);
		close(pipes[i][0]);
	}
	assert(count_threads() == before + 1);
	offload_free(o);
}

/* @n tasks of each of @users users from @first on, that hang, until each has ended. */
static struct task *hang_users(struct offload *o, const int pipes[2], uint32_t first, int users,
			       int n, bool *released)
{
	struct task *t = calloc((size_t)(users * n), sizeof(*t));

	assert(t);
	for (int i = 0; i < users * n; i++) {
		t[i] = task(pipes[0], &released[i]);
		assert(offload_run(o, &t[i].task, first + (uint32_t)(i / n)) == 0);
	}
	for (int i = 0; i < users * n; i++)
		turn_until(t[i].error != 1);
	return t;
}

/* Is that what becomes of a user's task that would not hang? */
static bool try_user(struct offload *o, uint32_t uid, int expected)
{
	bool released;
	struct task t = task(-1, &released);

	offload_set_timeout(o, expected ? SOON : PATIENT);
	assert(offload_run(o, &t.task, uid) == 0);
	offload_set_timeout(o, LATER);
	turn_until(released);
	return t.error == expected;
}

/*
 * Users whose files are silent take the threads of others like them, not of those whose are not,
 * and never root's.
 */
static void test_many_users(void)
{
	enum { FEW = 100, MANY = 700 };
	static bool of_few[FEW * OFFLOAD_PER_UID], of_many[MANY], of_one[1];
	struct task *few, *many, *one;
	struct offload *o;
	size_t begun = 0;
	int pipes[2];

	assert(pipe(pipes) == 0);
	assert(offload_new(&o, base, LATER) == 0);
	few = hang_users(o, pipes, 1000, FEW, OFFLOAD_PER_UID, of_few);
	assert(try_user(o, 7, 0) && try_user(o, 0, 0));
	/* one overdue task is one too many by now */
	one = hang_users(o, pipes, 8, 1, 1, of_one);
	assert(one->error == -ETIMEDOUT && try_user(o, 8, -EUSERS));
	/* everybody else still has one */
	many = hang_users(o, pipes, 2000, MANY, 1, of_many);
	for (int i = 0; i < MANY; i++) {
		assert(many[i].error == -ETIMEDOUT || many[i].error == -EUSERS);
		begun += many[i].error == -ETIMEDOUT;
	}
	assert(begun > MANY / 2 && begun < MANY);
	assert(try_user(o, 7, -EUSERS) && try_user(o, 0, 0));
	begun += FEW * OFFLOAD_PER_UID + 1;
	assert(begun == OFFLOAD_THREADS - OFFLOAD_OF_ROOT);
	for (size_t i = 0; i < begun; i++)
		assert(write(pipes[1], "x", 1) == 1);
	for (int i = 0; i < FEW * OFFLOAD_PER_UID; i++)
		turn_until(of_few[i]);
	for (int i = 0; i < MANY; i++)
		turn_until(of_many[i]);
	turn_until(of_one[0]);
	assert(try_user(o, 7, 0) && try_user(o, 8, 0));
	free(few);
	free(many);
	free(one);
	close(pipes[0]);
	close(pipes[1]);
	offload_free(o);
}

/* All users together leave something to who has none. */
static void test_closes_of_all(void)
{
	enum { USERS = 12, LIMIT = 8192 };
	static bool released[USERS * OFFLOAD_PER_UID];
	struct task *hung;
	struct offload *o;
	int pipes[2], closes = 0;

	set_descriptors(LIMIT);
	assert(pipe(pipes) == 0 && offload_new(&o, base, SOON) == 0);
	hung = hang_users(o, pipes, 1000, USERS, OFFLOAD_PER_UID, released);
	for (uint32_t uid = 1000; uid < 1000 + USERS; uid++) {
		int n = 0;

		for (; !offload_is_choked(o, uid); n++)
			offload_close(o, dup(pipes[0]), uid);
		assert(n > 0);
		closes += n;
	}
	assert(closes < LIMIT / 4 && !offload_is_choked(o, 7));
	for (int i = 0; i < USERS * OFFLOAD_PER_UID; i++)
		assert(write(pipes[1], "x", 1) == 1);
	for (uint32_t uid = 1000; uid < 1000 + USERS; uid++)
		turn_until(!offload_is_choked(o, uid));
	for (int i = 0; i < USERS * OFFLOAD_PER_UID; i++)
		turn_until(released[i]);
	free(hung);
	close(pipes[0]);
	close(pipes[1]);
	offload_free(o);
}

/*
 * The end does not wait for what hangs; what had not begun is released, what was not answered is
 * told.
 */
static void test_end(void)
{
	bool released[OFFLOAD_PER_UID + 1];
	struct task *t = calloc(OFFLOAD_PER_UID + 1, sizeof(*t));
	struct offload *o;
	int pipes[2];

	assert(pipe(pipes) == 0 && t);
	assert(offload_new(&o, base, PATIENT) == 0);
	for (int i = 0; i <= OFFLOAD_PER_UID; i++) {
		t[i] = task(pipes[0], &released[i]);
		assert(offload_run(o, &t[i].task, 7) == 0);
	}
	offload_free(o);
	for (int i = 0; i <= OFFLOAD_PER_UID; i++)
		assert(t[i].error == -ESHUTDOWN);
	assert(released[OFFLOAD_PER_UID]);
	for (int i = 0; i <= OFFLOAD_PER_UID; i++)
		assert(write(pipes[1], "x", 1) == 1);
	_exit(0); /* threads may still be in their tasks */
}

int main(void)
{
	base = event_base_new();
	assert(base);
	test_closes_together();
	test_done();
	test_hang();
	test_close();
	test_many_users();
	test_closes_of_all();
	test_end();
	return 1;
}
