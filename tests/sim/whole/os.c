// SPDX-License-Identifier: GPL-2.0-or-later
/* os.c - see os.h: time, chance, and what happened. */
#include "os.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "util/log.h"
#include "whole.h"

#define LINES 80
#define LINE_BYTES 160

struct world world;
uint64_t os_now;
bool os_on;

static uint64_t state, hash = 0xcbf29ce484222325;
static char lines[LINES][LINE_BYTES];
static uint64_t n_lines;

/* splitmix64; the seed is its first state */
uint64_t os_random(uint64_t below)
{
	static bool begun;
	uint64_t z;

	if (!begun)
		state = world.seed;
	begun = true;
	z = state += 0x9e3779b97f4a7c15;
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	z ^= z >> 31;
	return below ? z % below : 0;
}

void os_trace(const char *format, ...)
{
	char *line = lines[n_lines++ % LINES];
	va_list args;
	int n;

	n = snprintf(line, LINE_BYTES, "%10.3f %-9s ", (double)os_now / 1000,
		     os_current ? os_current->name : "");
	va_start(args, format);
	vsnprintf(line + n, LINE_BYTES - (size_t)n, format, args);
	va_end(args);
	for (const char *c = line; *c; c++)
		hash = (hash ^ (unsigned char)*c) * 0x100000001b3;
	if (world.trace) {
		puts(line);
		fflush(stdout);
	}
}

/* What the product logs is shown, and no part of the world: it may have addresses. */
static void show(int priority, const char *format, va_list args)
{
	int saved = errno;
	char text[512];
	va_list copy;

	if (priority <= LOG_WARNING) {
		va_copy(copy, args);
		vsnprintf(text, sizeof(text), format, copy);
		va_end(copy);
		whole_logged(text);
	}
	if (world.trace && os_current && priority <= os_current->log_level) {
		printf("%10.3f %-9s # ", (double)os_now / 1000, os_current->name);
		vprintf(format, args);
		putchar('\n');
	}
	errno = saved;
}

uint64_t os_hash(void)
{
	return hash;
}

void os_violated(const char *format, ...)
{
	uint64_t n = n_lines < LINES ? n_lines : LINES;
	va_list args;

	for (uint64_t i = n_lines - n; !world.trace && i < n_lines; i++)
		puts(lines[i % LINES]);
	printf("violated: ");
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf("\nseed %" PRIu64 ", at %.3f ms; again: ./run sim --whole --seeds 1 --start %" PRIu64
	       " --trace\n",
	       world.seed, (double)os_now / 1000, world.seed);
	fflush(stdout);
	syscall(SYS_exit_group, 1);
	abort();
}

/* --- in the place of util/log.c: each process has a level of its own */

void log_set_level(int priority)
{
	if (os_current)
		os_current->log_level = priority;
}

int log_level(void)
{
	return os_current ? os_current->log_level : LOG_INFO;
}

bool log_is_journal(void)
{
	return false;
}

void log_about(int priority, const struct log_fields *fields, const char *format, ...)
{
	va_list args;

	(void)fields;
	va_start(args, format);
	show(priority, format, args);
	va_end(args);
}

void log_write(int priority, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	show(priority, format, args);
	va_end(args);
}

/* --- in libc's place */

#define DAY_ZERO 1700000000ull /* of CLOCK_REALTIME */

int clock_gettime(clockid_t clock, struct timespec *ret)
{
	uint64_t usec = os_now;

	if (!os_on)
		return (int)syscall(SYS_clock_gettime, clock, ret);
	if (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)
		usec += DAY_ZERO * USEC_PER_SEC;
	ret->tv_sec = (time_t)(usec / USEC_PER_SEC);
	ret->tv_nsec = (long)(usec % USEC_PER_SEC) * 1000;
	return 0;
}

ssize_t getrandom(void *buffer, size_t length, unsigned int flags)
{
	unsigned char *to = buffer;

	if (!os_on)
		return syscall(SYS_getrandom, buffer, length, flags);
	for (size_t i = 0; i < length; i++)
		to[i] = (unsigned char)os_random(256);
	return (ssize_t)length;
}
