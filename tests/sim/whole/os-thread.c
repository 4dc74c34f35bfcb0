// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * os-thread.c - the threads that daemon and keepers begin, as coroutines: one runs until it waits,
 * or until it is put aside just after it let go of a lock, which is where another could come in
 * between.
 *
 * What always holds: a thread that is put aside has no lock but one that it took before it waited
 * for storage; and a loop that wants a lock which such a thread has is a violation, since it would
 * wait for storage.
 */
#include "os.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#define STACK_BYTES (256u << 10)
#define HELD_MAX 256

struct thread {
	ucontext_t context;
	struct process *process;
	void *(*run)(void *userdata);
	void *userdata;
	uint64_t ready_usec; /* NEVER: it waits for somebody */
	const pthread_cond_t *cond;
	const pthread_mutex_t *mutex;
	uint32_t locks;
	bool timed_out;
	bool ended;
	void *stack;
	struct thread *next;
};

static struct thread *threads;
static struct thread *running; /* NULL: a loop */
static ucontext_t scheduler;

bool os_in_thread(void)
{
	return running;
}

/* Puts the thread that runs aside. */
static void put_aside(uint64_t ready_usec)
{
	struct thread *t = running;
	int saved = errno;

	t->ready_usec = ready_usec;
	swapcontext(&t->context, &scheduler);
	errno = saved;
}

static void begin(void)
{
	struct thread *t = running;

	t->run(t->userdata);
	t->ended = true;
	put_aside(NEVER);
	abort();
}

static void go_on(struct thread *t)
{
	struct process *process = os_current;

	os_current = t->process;
	running = t;
	t->cond = NULL;
	swapcontext(&scheduler, &t->context);
	running = NULL;
	os_current = process;
}

static void sweep(void)
{
	for (struct thread **at = &threads, *t; (t = *at);) {
		if (!t->ended) {
			at = &t->next;
			continue;
		}
		*at = t->next;
		munmap(t->stack, STACK_BYTES);
		free(t);
	}
}

bool os_thread_ready(const struct process *p, uint64_t *when)
{
	bool ready = false;

	for (const struct thread *t = threads; t; t = t->next) {
		if (t->process != p || t->ended)
			continue;
		ready |= t->ready_usec <= os_now;
		if (t->ready_usec < *when)
			*when = t->ready_usec;
	}
	return ready;
}

void os_thread_turn(struct process *p)
{
	uint32_t n = 0;

	for (struct thread *t = threads; t; t = t->next)
		n += t->process == p && !t->ended && t->ready_usec <= os_now;
	n = (uint32_t)os_random(n);
	for (struct thread *t = threads; t; t = t->next) {
		if (t->process != p || t->ended || t->ready_usec > os_now || n--)
			continue;
		go_on(t);
		break;
	}
	sweep();
}

/*
 * Locks that somebody has. One that is static is one in each process, though all are of this
 * process.
 */
static struct held {
	const pthread_mutex_t *mutex;
	const struct process *process;
	const struct thread *thread; /* NULL: the loop */
} held[HELD_MAX];
static unsigned int n_held;

void os_thread_forget(struct process *p)
{
	for (struct thread *t = threads; t; t = t->next)
		if (t->process == p && t != running)
			t->ended = true;
	for (unsigned int i = 0; i < n_held;)
		if (held[i].process == p)
			held[i] = held[--n_held];
		else
			i++;
}

/* The loop waits: its process' threads run meanwhile, until one of them ends the wait. */
static bool loop_waits(uint64_t until, bool (*over)(const void *what), const void *what)
{
	while (!over || !over(what)) {
		uint64_t when = until;

		if (os_now >= until)
			return false;
		if (os_thread_ready(os_current, &when)) {
			os_thread_turn(os_current);
			continue;
		}
		os_require(when != NEVER, "%s: its loop waits for ever", os_current->name);
		if (when > os_now)
			os_now = when;
	}
	return true;
}

void os_storage(const char *call)
{
	uint64_t usec;

	if (!os_on || !os_current)
		return;
	os_require(running, "%s: %s on the loop: it could wait for storage", os_current->name,
		   call);
	usec = os_random(world.slow_usec + 1);
	if (world.silent_until > os_now + usec)
		usec = world.silent_until - os_now + os_random(1000);
	if (usec)
		put_aside(os_now + usec);
}

/* --- in libc's place */

static struct held *find_held(const pthread_mutex_t *m)
{
	for (unsigned int i = 0; i < n_held; i++)
		if (held[i].mutex == m && held[i].process == os_current)
			return &held[i];
	return NULL;
}

static void hold(const pthread_mutex_t *m)
{
	os_require(n_held < HELD_MAX, "more locks than this world has room for");
	held[n_held++] = (struct held){ m, os_current, running };
}

/* A thread takes it, whoever else has it now. */
static void take(const pthread_mutex_t *m)
{
	while (find_held(m)) {
		running->mutex = m;
		put_aside(NEVER);
	}
	running->mutex = NULL;
	running->locks++;
	hold(m);
}

static void let_go(const pthread_mutex_t *m)
{
	struct held *h = find_held(m);

	os_require(h, "a lock is let go of that nobody has");
	*h = held[--n_held];
	for (struct thread *t = threads; t; t = t->next)
		if (!t->ended && t->mutex == m && t->process == os_current)
			t->ready_usec = os_now;
}

int pthread_mutex_lock(pthread_mutex_t *m)
{
	if (running) {
		take(m);
		return 0;
	}
	os_require(!find_held(m), "%s: its loop waits for a lock",
		   os_current ? os_current->name : "the world");
	hold(m);
	return 0;
}

int pthread_mutex_unlock(pthread_mutex_t *m)
{
	let_go(m);
	if (!running)
		return 0;
	running->locks--;
	if (!running->locks && os_on && os_chance(30))
		put_aside(os_now + os_random(200));
	return 0;
}

static bool was_woken; /* the loop, which waits for */
static const pthread_cond_t *loop_cond;

static bool is_woken(const void *what)
{
	(void)what;
	return was_woken;
}

static int wait_for(pthread_cond_t *c, pthread_mutex_t *m, uint64_t until)
{
	bool in_time;

	let_go(m);
	if (!running) {
		const pthread_cond_t *before = loop_cond;

		was_woken = false;
		loop_cond = c;
		in_time = loop_waits(until, is_woken, NULL);
		loop_cond = before;
	} else {
		running->locks--;
		running->cond = c;
		running->timed_out = true;
		put_aside(until);
		in_time = !running->timed_out;
		take(m);
		return in_time ? 0 : ETIMEDOUT;
	}
	hold(m);
	return in_time ? 0 : ETIMEDOUT;
}

int pthread_cond_wait(pthread_cond_t *c, pthread_mutex_t *m)
{
	return wait_for(c, m, NEVER);
}

/* All of the product's are by CLOCK_MONOTONIC. */
int pthread_cond_timedwait(pthread_cond_t *c, pthread_mutex_t *m, const struct timespec *until)
{
	return wait_for(c, m,
			(uint64_t)until->tv_sec * USEC_PER_SEC + (uint64_t)until->tv_nsec / 1000);
}

static void wake(struct thread *t)
{
	t->cond = NULL;
	t->timed_out = false;
	t->ready_usec = os_now + os_random(100);
}

int pthread_cond_signal(pthread_cond_t *c)
{
	struct thread *t = threads;

	if (loop_cond == c)
		was_woken = true;
	while (t && (t->ended || t->cond != c))
		t = t->next;
	if (t)
		wake(t);
	return 0;
}

int pthread_cond_broadcast(pthread_cond_t *c)
{
	if (loop_cond == c)
		was_woken = true;
	for (struct thread *t = threads; t; t = t->next)
		if (!t->ended && t->cond == c)
			wake(t);
	return 0;
}

int pthread_create(pthread_t *ret, const pthread_attr_t *attributes, void *(*run)(void *userdata),
		   void *userdata)
{
	struct thread *t = calloc(1, sizeof(*t));

	(void)attributes;
	if (!t)
		return ENOMEM;
	t->stack =
		mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (t->stack == MAP_FAILED) {
		free(t);
		return EAGAIN;
	}
	t->process = os_current;
	t->run = run;
	t->userdata = userdata;
	t->ready_usec = os_now + os_random(200);
	t->next = threads;
	threads = t;
	getcontext(&t->context);
	t->context.uc_stack = (stack_t){ .ss_sp = t->stack, .ss_size = STACK_BYTES };
	makecontext(&t->context, begin, 0);
	*ret = (pthread_t)t;
	return 0;
}

/* poll(2) of nothing is how a start waits for a thread. */
void os_sleep(uint64_t usec)
{
	if (running)
		put_aside(os_now + usec);
	else
		loop_waits(os_now + usec, NULL, NULL);
}
