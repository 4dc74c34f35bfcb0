// SPDX-License-Identifier: GPL-2.0-or-later
/* thread.c - see thread.h. */
#include "util/thread.h"

#include <signal.h>

int thread_start(void *(*run)(void *userdata), void *userdata, size_t stack_bytes, pthread_t *ret)
{
	pthread_attr_t attributes;
	sigset_t all, before;
	pthread_t thread;
	int r;

	pthread_attr_init(&attributes);
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	if (stack_bytes)
		pthread_attr_setstacksize(&attributes, stack_bytes);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	r = pthread_create(ret ? ret : &thread, &attributes, run, userdata);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attributes);
	return -r;
}
