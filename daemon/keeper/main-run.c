// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * main-run.c - rdmareg-keeper: holds one tenant's regions. Started by rdmaregd under a user id of
 * its own, with the socket to listen on as descriptor 0, and outlives it.
 *
 * What always holds: it has no privilege and needs none; memory that fails under a region costs the
 * accesses to it and no more; SIGTERM takes every region down in order before it ends; whatever
 * kills it otherwise, the kernel takes address space, memory regions and watches down with it.
 */
#include "keeper/main-run.h"

#include <event2/event.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "keeper/keeper.h"
#include "keeper/options.h"
#include "keeper/system/poison.h"
#include "util/log.h"

static void on_signal(evutil_socket_t signal, short what, void *userdata)
{
	(void)signal;
	(void)what;
	keeper_stop(userdata);
}

static struct event_base *new_loop(void)
{
	struct event_config *config = event_config_new();
	struct event_base *base;

	if (!config)
		return NULL;
	event_config_set_flag(config, EVENT_BASE_FLAG_PRECISE_TIMER);
	base = event_base_new_with_config(config);
	event_config_free(config);
	return base;
}

static int run(struct event_base *base, struct keeper *k, int (*prepare)(struct keeper *k))
{
	struct event *term = evsignal_new(base, SIGTERM, on_signal, k);
	struct event *interrupt = evsignal_new(base, SIGINT, on_signal, k);
	sigset_t again;
	int r = -1;

	if (term && interrupt && evsignal_add(term, NULL) == 0 &&
	    evsignal_add(interrupt, NULL) == 0 && (!prepare || prepare(k) == 0))
		r = event_base_dispatch(base);
	/* it ends already: being told again must not make it look like a failure */
	sigemptyset(&again);
	sigaddset(&again, SIGTERM);
	sigaddset(&again, SIGINT);
	sigprocmask(SIG_BLOCK, &again, NULL);
	if (term)
		event_free(term);
	if (interrupt)
		event_free(interrupt);
	return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

int main_run(int argc, char *argv[], int (*prepare)(struct keeper *k))
{
	struct event_base *base;
	struct keeper_options options;
	struct keeper *k;
	int r;

	r = options_parse(&options, argc, argv);
	if (r)
		return r == OPTIONS_E_HELP ? EXIT_SUCCESS : 2;
	signal(SIGPIPE, SIG_IGN);
	poison_survive();
	if (log_never_wait() < 0) {
		log_error("no thread can be made for the log");
		return EXIT_FAILURE;
	}

	base = new_loop();
	if (!base) {
		log_error("no event loop can be made: out of memory");
		return EXIT_FAILURE;
	}
	r = keeper_new(&k, base, STDIN_FILENO, &options);
	if (r < 0) {
		log_error("cannot start: %s (descriptor 0 must be a bound SOCK_SEQPACKET socket)",
			  strerror(-r));
		event_base_free(base);
		return EXIT_FAILURE;
	}
	r = run(base, k, prepare);
	session_flush(k->session); /* the loop does not come to it any more */
	if (keeper_is_stuck(k))
		_exit(r);
	keeper_free(k);
	event_base_free(base);
	return r;
}
