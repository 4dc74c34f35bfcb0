// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * gate-drive-waits.c - those who wait: refused, past the deadline, killed, let go by an unmark, too
 * many of them; and a gate that is stopped, or ends, while they do.
 */
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "gate-drive.h"
#include "util/clock.h"

static void test_refusal(void)
{
	static const struct {
		const char *name;
		operation op;
		int refuse, error;
	} rows[] = {
		{ "ftruncate refused with ETXTBSY", op_ftruncate, ETXTBSY, ETXTBSY },
		{ "punch refused with ETXTBSY", op_punch, ETXTBSY, ETXTBSY },
		{ "O_TRUNC refused with ETXTBSY", op_open_truncate, ETXTBSY, ETXTBSY },
		{ "ftruncate refused with EBUSY", op_ftruncate, EBUSY, EBUSY },
		{ "ftruncate refused with EAGAIN", op_ftruncate, EAGAIN, EAGAIN },
		{ "an error that the kernel does not take is EPERM", op_ftruncate, ENOTTY, EPERM },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int error;

		drive_fresh();
		d.policy = REFUSE;
		d.refuse_error = rows[i].refuse;
		error = drive_run(rows[i].op);
		check(error == rows[i].error && d.wanted == 1 && !d.over && !d.expired &&
			      drive_size() == (off_t)SIZE,
		      "%s (got %d)", rows[i].name, error);
	}
}

static void test_deadline(void)
{
	int error;

	drive_fresh();
	d.policy = HOLD;
	d.wait_usec = 50000;
	error = drive_run(op_ftruncate);
	check(error == 0 && d.expired == 1 && drive_until(drive_is_over) && d.order_is_right &&
		      drive_size() < (off_t)SIZE,
	      "at its deadline a truncate is let through");
	gate_answer(d.gate, d.last.number, EPERM); /* too late: ignored */
	check(d.over == 1, "a late answer is ignored");
}

static void test_killed(void)
{
	pid_t pid;

	drive_fresh();
	d.policy = HOLD;
	pid = drive_start(op_ftruncate);
	check(drive_until(drive_is_waited), "a truncate waits");
	kill(pid, SIGKILL);
	/* it is not reaped before, so what is noticed is not only that its number is free */
	check(drive_until(drive_is_over) && !d.expired && d.order_is_right,
	      "one that is killed while it waits is noticed");
	check(drive_finish(pid) == -SIGKILL && drive_size() == (off_t)SIZE,
	      "it has changed nothing");
}

/* The task that waits is not the one its process is named after. */
static void *truncate_in_thread(void *ret)
{
	*(int *)ret = op_ftruncate();
	return NULL;
}

static int op_thread(void)
{
	pthread_t t;
	int error = -1;

	if (pthread_create(&t, NULL, truncate_in_thread, &error))
		return EAGAIN;
	pthread_join(t, NULL);
	return error;
}

static void test_thread(void)
{
	pid_t pid;

	drive_fresh();
	pid = drive_start(op_thread);
	check(drive_finish(pid) == 0 && d.wanted == 1 && d.last.pid == pid && d.last.tid != pid &&
		      drive_until(drive_is_over),
	      "a thread is known by its process");
}

/* After its call it never sleeps, so /proc does not tell that the call is over. */
static int op_truncate_then_spin(void)
{
	int error = op_ftruncate();

	if (error)
		return error;
	for (volatile int i = 0;; i = !i) {
	}
}

static void test_spinner(void)
{
	uint64_t start = now_monotonic_usec();
	pid_t pid;

	drive_fresh();
	pid = drive_start(op_truncate_then_spin);
	check(drive_until(drive_is_waited) && drive_until(drive_is_over) &&
		      now_monotonic_usec() - start < GATE_OVER_LIMIT_USEC,
	      "the end of a call is noticed though its task goes on running, before the limit");
	kill(pid, SIGKILL);
	drive_finish(pid);
}

static void test_ours(void)
{
	pid_t pid;

	drive_fresh();
	pid = drive_start(op_punch);
	d.ours = pid; /* the loop has not turned since */
	check(drive_finish(pid) == 0 && !d.wanted, "one of our own is not held up");
}

static void test_unmark(void)
{
	drive_fresh();
	d.policy = UNMARK;
	check(drive_run(op_ftruncate) == 0 && d.wanted == 1 && drive_until(drive_is_over) &&
		      !d.expired,
	      "taking the mark away lets through who waits, and its end is told");
	check(drive_run(op_ftruncate) == 0 && d.wanted == 1, "and nobody is asked about any more");
}

static int op_nobody_truncates(void)
{
	drive_be_nobody();
	return op_ftruncate();
}

static int op_nobody_punches(void)
{
	drive_be_nobody();
	return op_punch();
}

static int op_nobody_reads(void)
{
	drive_be_nobody();
	return op_read();
}

static bool two_wait(void)
{
	return d.wanted == 2;
}

static void test_crowd(void)
{
	struct gate_limits few = d.limits;
	struct gate_claim claim = { .length = UINT64_MAX, .wait_usec = 50000 };
	uint64_t first_number;
	pid_t first, second, third;

	few.passages = 4; /* one for each user */
	gate_set_limits(d.gate, &few);
	drive_fresh();
	claim.key = d.key;
	gate_change(d.gate, &claim);
	d.policy = HOLD;
	first = drive_start(op_nobody_truncates);
	check(drive_until(drive_is_waited) && d.last.uid == 65534, "one of a user waits");
	first_number = d.last.number;
	check(drive_run(op_nobody_truncates) == EBUSY && d.wanted == 1 &&
		      drive_size() == (off_t)SIZE,
	      "there is room for one of a user: another of his is refused with EBUSY");
	check(drive_run(op_nobody_reads) == 0 && drive_run(op_write) == 0,
	      "who reads or writes is not held up by one who waits");
	claim.wait_usec = UINT64_MAX;
	gate_change(d.gate, &claim);
	third = drive_start(op_nobody_punches); /* which asks whatever the size is by then */
	second = drive_start(op_ftruncate);
	check(drive_until(two_wait) && d.last.uid == 0,
	      "that user's crowd takes no place of another's");
	gate_answer(d.gate, d.last.number, 0);
	d.policy = LET_THROUGH;
	gate_answer(d.gate, first_number, 0);
	check(drive_finish(first) == 0 && drive_finish(second) == 0,
	      "both go on when they are told to");
	check(drive_finish(third) == 0 && d.wanted == 3 && drive_until(drive_is_over),
	      "who waited for a place gets the first one's");
	gate_set_limits(d.gate, &d.limits);
}

static bool has_expired(void)
{
	return d.expired == 1;
}

/*
 * Who waits for a place, and is looked at all the time, keeps no deadline of others from passing.
 */
static void test_deadline_of_others(void)
{
	struct gate_limits few = d.limits;
	pid_t first, second;

	few.passages = 4;
	gate_set_limits(d.gate, &few);
	drive_fresh();
	d.policy = HOLD;
	d.wait_usec = 200000;
	first = drive_start(op_nobody_punches);
	check(drive_until(drive_is_waited), "one waits");
	second = drive_start(op_nobody_truncates);
	check(drive_until(has_expired), "his deadline passes while another waits for a place");
	d.policy = LET_THROUGH;
	check(drive_finish(first) == 0 && drive_finish(second) == 0 && drive_until(drive_is_over),
	      "and both go on");
	gate_set_limits(d.gate, &d.limits);
}

/* What is held needs no place and no answer. */
static void test_hold(void)
{
	struct gate_claim claim = {
		.offset = 0, .length = SIZE, .wait_usec = UINT64_MAX, .refuses = true
	};
	struct gate_limits none = d.limits;

	none.passages = 0;
	gate_set_limits(d.gate, &none);
	drive_fresh();
	claim.key = d.key;
	gate_change(d.gate, &claim);
	check(drive_run(op_ftruncate) == ETXTBSY && drive_run(op_nobody_truncates) == ETXTBSY &&
		      d.refused == 2 && !d.wanted && drive_size() == (off_t)SIZE,
	      "a claim refuses, though there is no place for anybody to wait");
	check(drive_run(op_nobody_reads) == 0 && drive_run(op_write) == 0,
	      "but not reads and writes");
	gate_set_limits(d.gate, &d.limits);
	claim.offset = 0;
	claim.length = 4 * KIB; /* op_ftruncate takes what is behind 64 KiB */
	gate_change(d.gate, &claim);
	check(drive_run(op_ftruncate) == 0 && d.wanted == 1 && drive_until(drive_is_over),
	      "of a range that the claim is not about it is asked");
}

#define READERS 8
#define READS 50

static int op_many_reads(void)
{
	for (int i = 0; i < READS; i++) {
		int error = op_read();

		if (error)
			return error;
	}
	return 0;
}

static int op_spin(void)
{
	for (volatile int i = 0; i < 2; i = !i) {
	}
	return 0;
}

/*
 * On a busy machine a reader often runs when it is looked at. It is looked at again, not taken for
 * somebody else.
 */
static void test_busy(void)
{
	pid_t spinning[READERS], reading[READERS];
	int errors = 0;

	drive_fresh();
	for (int i = 0; i < READERS; i++)
		spinning[i] = drive_start(op_spin);
	for (int i = 0; i < READERS; i++)
		reading[i] = drive_start(op_many_reads);
	for (int i = 0; i < READERS; i++)
		errors += drive_finish(reading[i]) != 0;
	check(!errors && !d.wanted,
	      "readers on a busy machine: nobody is asked about them (%u were)", d.wanted);
	for (int i = 0; i < READERS; i++) {
		kill(spinning[i], SIGKILL);
		drive_finish(spinning[i]);
	}
}

/* With the loop at a stand who needs no answer still goes on. */
static int op_others(void)
{
	int fd = open(d.source, O_RDWR);
	char b[4096];

	return fd >= 0 && read(fd, b, sizeof(b)) == sizeof(b) &&
			       write(fd, b, sizeof(b)) == sizeof(b) && truncate(d.source, SIZE) == 0
		       ? 0
		       : EIO;
}

static void test_other_files(void)
{
	int result;
	pid_t pid;

	drive_fresh();
	pid = drive_start(op_others);
	check(waitpid(pid, &result, 0) == pid && drive_child_result(result) == 0 && !d.wanted,
	      "who uses another file of that filesystem asks nobody");
}

static void test_end_of_gate(void)
{
	pid_t pid;

	drive_fresh();
	d.policy = HOLD;
	pid = drive_start(op_ftruncate);
	check(drive_until(drive_is_waited), "a truncate waits");
	drive_close();
	check(drive_finish(pid) == 0 && !d.over && !d.expired,
	      "the end of the gate lets through who waits");
	drive_open();
}

#define SAYS_FD 4

static void stop_or_exit(void *stops, const struct gate_passage *p)
{
	(void)p;
	must(write(SAYS_FD, "w", 1) == 1, "pipe");
	if (!stops)
		_exit(0);
	raise(SIGSTOP); /* nobody continues it */
}

static void nothing_refused(void *userdata, const struct gate_passage *p, uint64_t key)
{
	(void)userdata, (void)p, (void)key;
}

static void nothing(void *userdata, uint64_t number)
{
	(void)userdata, (void)number;
}

static bool nobody(void *userdata, pid_t pid, enum revocation_cause cause)
{
	(void)userdata, (void)pid, (void)cause;
	return false;
}

static void knows_all(void *userdata)
{
	(void)userdata;
}

/* A gate in a process of its own, with OLD_FD and SAYS_FD as all it has; @stops: NULL or not. */
static int run_other_gate(void *stops)
{
	static const struct gate_ops ops = { stop_or_exit,    nothing, nothing,
					     nothing_refused, nobody,  knows_all };
	const struct gate_limits limits = { .files = 1,
					    .passages = 4,
					    .watchdog_usec = 500 * USEC_PER_MSEC };
	struct event_base *base = event_base_new();
	struct failure why = { 0 };

	must(base && gate_new(&d.gate, base, &limits, &ops, stops, &why) == 0, why.text);
	must(drive_mark(OLD_FD, &why) == 0, why.text);
	must(write(SAYS_FD, "m", 1) == 1, "pipe");
	event_base_dispatch(base);
	return 1;
}

/* Waits without turning the loop: the gate of this process has nothing to do with it. */
static int await(pid_t pid)
{
	int result;

	return waitpid(pid, &result, 0) == pid ? drive_child_result(result) : -1;
}

static void test_other_gate(bool stops)
{
	pid_t gate, truncating, reading;
	int says[2];
	char c;

	drive_fresh();
	gate_unmark(d.gate, d.key);
	must(pipe(says) == 0, "pipe");
	gate = fork();
	must(gate >= 0, "fork");
	if (gate == 0) {
		dup2(says[1], SAYS_FD + 1);
		dup2(d.old_fd, OLD_FD);
		dup2(SAYS_FD + 1, SAYS_FD);
		close_range(SAYS_FD + 1, ~0U, 0);
		_exit(run_other_gate(stops ? &d : NULL));
	}
	close(says[1]);
	must(read(says[0], &c, 1) == 1 && c == 'm', "another gate");
	truncating = drive_start(op_ftruncate);
	must(read(says[0], &c, 1) == 1 && c == 'w', "another gate is asked");
	reading = drive_start(op_read);
	check(await(gate) == (stops ? -SIGKILL : 0),
	      stops ? "a gate that is stopped is killed by the kernel"
		    : "a gate exits while somebody waits");
	check(await(truncating) == 0 && drive_size() < (off_t)SIZE, "who waited there goes on");
	check(await(reading) == 0, "and so does who reads");
	close(says[0]);
}

void test_waits(bool everything)
{
	test_refusal();
	test_deadline();
	test_killed();
	test_unmark();
	if (!everything)
		return;
	test_thread();
	test_spinner();
	test_ours();
	test_crowd();
	test_deadline_of_others();
	test_hold();
	test_busy();
	test_other_files();
	test_end_of_gate();
	test_other_gate(false);
	test_other_gate(true);
}
