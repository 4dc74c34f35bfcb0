// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * queue.c - time and chance: the events that are still to come, in order, and numbers that depend
 * on the seed alone.
 *
 * What always holds: nothing here, and so nothing in a simulated world, depends on the machine it
 * runs on.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim.h"

/* xoroshiro128+ */
uint64_t sim_random(struct sim *s)
{
	uint64_t a = s->rng[0], b = s->rng[1], sum = a + b;

	b ^= a;
	s->rng[0] = (a << 24 | a >> 40) ^ b ^ b << 16;
	s->rng[1] = b << 37 | b >> 27;
	return sum;
}

uint64_t sim_below(struct sim *s, uint64_t n)
{
	return (sim_random(s) >> 11) % n;
}

bool sim_chance(struct sim *s, uint32_t percent)
{
	return sim_below(s, 100) < percent;
}

uint64_t sim_delay(struct sim *s)
{
	return 1 + sim_below(s, sim_chance(s, 80) ? DELAY_MAX / 20 : DELAY_MAX);
}

static bool earlier(const struct event *a, const struct event *b)
{
	return a->at != b->at ? a->at < b->at : a->order < b->order;
}

static void push(struct sim *s, const struct event *e)
{
	size_t i = s->n_heap++;

	if (s->n_heap > s->n_allocated) {
		s->n_allocated = 2 * s->n_heap + 256;
		s->heap = reallocarray(s->heap, s->n_allocated, sizeof(*s->heap));
		if (!s->heap)
			abort();
	}
	for (; i && earlier(e, &s->heap[(i - 1) / 2]); i = (i - 1) / 2)
		s->heap[i] = s->heap[(i - 1) / 2];
	s->heap[i] = *e;
}

static struct event pop(struct sim *s)
{
	struct event first = s->heap[0], last = s->heap[--s->n_heap];
	size_t i = 0, child;

	while ((child = 2 * i + 1) < s->n_heap) {
		if (child + 1 < s->n_heap && earlier(&s->heap[child + 1], &s->heap[child]))
			child++;
		if (!earlier(&s->heap[child], &last))
			break;
		s->heap[i] = s->heap[child];
		i = child;
	}
	s->heap[i] = last;
	return first;
}

static void add(struct sim *s, struct process *p, uint64_t at, sim_run run, uint64_t a, uint64_t b,
		const struct message *m)
{
	struct event e = { .at = at, .order = ++s->next, .process = p, .run = run, .a = a, .b = b };

	if (p && !p->up)
		return;
	e.epoch = p ? p->epoch : 0;
	if (m)
		e.m = *m;
	push(s, &e);
}

void sim_at(struct sim *s, struct process *p, uint64_t at, sim_run run, uint64_t a, uint64_t b)
{
	add(s, p, at, run, a, b, NULL);
}

void sim_soon(struct sim *s, struct process *p, sim_run run, uint64_t a, uint64_t b)
{
	sim_at(s, p, s->now + sim_delay(s), run, a, b);
}

void sim_later(struct sim *s, struct process *p, uint64_t at, sim_run run, uint64_t a, uint64_t b,
	       const struct message *m)
{
	add(s, p, at, run, a, b, m);
}

void sim_answer(struct sim *s, struct process *p, sim_run run, uint64_t a, uint64_t b,
		const struct message *m)
{
	add(s, p, s->now + sim_delay(s), run, a, b, m);
}

void sim_send(struct sim *s, struct process *to, sim_run run, const struct message *m)
{
	uint64_t at = s->now + sim_delay(s);

	to->last_at = at > to->last_at ? at : to->last_at + 1;
	add(s, to, to->last_at, run, 0, 0, m);
}

bool sim_next(struct sim *s, uint64_t until)
{
	struct event e;

	if (!s->n_heap || s->heap[0].at > until || s->violation)
		return false;
	e = pop(s);
	s->now = e.at;
	if (e.process && (!e.process->up || e.process->epoch != e.epoch))
		return true;
	if (e.process && e.process->stalled_until > s->now) {
		e.at = e.process->stalled_until; /* in the order in which it came */
		push(s, &e);
		return true;
	}
	s->step++;
	e.run(s, &e);
	return true;
}

static void nothing(struct sim *s, const struct event *e)
{
	(void)s;
	(void)e;
}

void sim_forget_events(struct sim *s, uint8_t tenant, uint64_t at)
{
	for (size_t i = 0; i < s->n_heap; i++) {
		struct event *e = &s->heap[i];

		if (e->process == &s->daemon.process && e->run == daemon_receive && e->at >= at &&
		    e->m.type == TELL_EVENT && e->m.tenant == tenant && !e->m.answer)
			e->run = nothing;
	}
}

void sim_kill(struct sim *s, struct process *p)
{
	sim_note(s, "%s dies", p->name);
	p->up = false;
	p->epoch++;
	p->stalled_until = 0;
	p->trouble = s->now;
}

void sim_stall(struct sim *s, struct process *p, uint64_t usec)
{
	if (!p->up || p->stalled_until > s->now)
		return;
	sim_note(s, "%s is stalled for %u ms", p->name, (unsigned int)(usec / MSEC));
	p->stalled_until = s->now + usec;
	if (p->last_at < p->stalled_until)
		p->last_at = p->stalled_until;
	p->trouble = p->stalled_until;
}

void sim_note(struct sim *s, const char *format, ...)
{
	char *line = s->trace[s->traced++ % TRACE];
	int n = snprintf(line, sizeof(s->trace[0]), "%6u %10.6f ", (unsigned int)s->step,
			 (double)s->now / SEC);
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(line + n, sizeof(s->trace[0]) - (size_t)n, format, arguments);
	va_end(arguments);
	if (s->verbose)
		puts(line);
}

bool sim_require(struct sim *s, bool ok, const char *what)
{
	if (!ok && !s->violation)
		s->violation = what;
	return ok;
}
