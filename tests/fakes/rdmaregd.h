/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rdmaregd.h - a private bus and a played rdmaregd, so that the owner side and rdmaregctl can be
 * run without a daemon, an adapter or root.
 *
 * The played daemon answers from a table of regions and does what it is told over its own
 * interface, org.rdmareg.Test at /test. It knows nothing of RDMA: what it proves is what the
 * library says and how it takes the answers.
 *
 *   Every file has 1 TiB. offset 999 at register: InvalidRange. length 13: LimitExceeded. length
 *   77: no answer, the daemon drops dead instead. Sync with a limit of 1 us: Timeout; of 2 or 3: an
 *   answer that makes no sense. Evict with a grace of 1 us: AccessDenied. Holders of a directory:
 *   InvalidFile, of an empty file: none, of one with 13 bytes: an answer that makes no sense, of
 *   another: three, of which the last is of a kind that the library does not know. StartPrefetch
 *   from offset 1: InvalidRange, 2: Busy, 3: LimitExceeded, 4: a path that is no job's; from 5 a
 *   job with no bytes to do, from 6 one that is gone already, from 7 one that does not end when it
 *   is cancelled; of 4096 bytes: one that is done at once. Sessions of user 4711: AccessDenied.
 *   Each has a property that no library knows, FromLater.
 *   Release of a session with a limit of 1 us: its regions are late; of 2: an outcome that the
 *   library does not know.
 */
#ifndef RDMAREG_TEST_CLIENT_MOCK_H
#define RDMAREG_TEST_CLIENT_MOCK_H

#include <stdint.h>
#include <sys/types.h>

#include "names.h"

/*
 * Start a bus; its address goes to RDMAREG_BUS_ADDRESS. 0, or 77 when there is no dbus-daemon. It
 * ends with mock_bus_stop().
 */
int mock_bus_start(void);
void mock_bus_stop(void);

/* Start the played daemon in a process of its own and wait until it has the name. */
pid_t mock_daemon_start(void);
void mock_daemon_stop(pid_t pid);

/*
 * mock_tell - have the played daemon do something, from a connection that is not the tested one
 *
 * "populate" N: make N detached regions. "ask" ID, "ask 5" ID, "settle" ID, "settle 5" ID, "gone"
 * ID, "change" ID, "vanish" ID: send that signal to the subscriber, to its owner and to who joined
 * it, with revocation 3 or the given one. "degrade" ID: change its mode, and say so; "restore" ID:
 * change it back. "bypass" ID: one more. "drop" ID: it is gone, which nobody is told. "replace" ID: another keeper has it, with
 * other keys and no ticket, which nobody is told. "fill" ID:
 * nobody may join it any more. "slow" ID: its release is answered only when a later one was.
 * "acked" ID: the last revocation acknowledged for it is returned; "joined" ID: 1 or 0; "revoked"
 * ID: the number of its Revoke, or 0. "calls": how many calls it was made by now is returned.
 * "forge" ID: send "ask" to the subscriber from this connection, which is not the daemon's.
 *
 * "deny-sessions" 1 or 0: nobody may create sessions, or anybody. "session-nonsense": signals at
 * paths that no session has, to the subscriber. "unknown-sessions" 1 or 0: it is older than they are,
 * and knows none of their methods. "late-sessions" 1 or 0: the regions of those that
 * are released are late. "busy" N: the next N that register or create a session are refused as Busy.
 *
 * Of jobs, by their number: "job-last": the number of the last one that was looked at is returned.
 * "job-progress 3": so many MiB of 64 are done, and it is told; "job-quietly 3": not told.
 * "job-fail": as Busy; "job-end STATE": as that. "job-cancels": how often it was cancelled is
 * returned.
 */
unsigned int mock_tell(const char *what, unsigned int id);

/* The options of the last call that had some, as " key=value" each. Good until the next. */
const char *mock_said(void);

/*
 * A region of this session has every property of the list (proto/region-properties.h): numbers are
 * mock_count(), texts the property's name, truth values true, words the second of their vocabulary.
 */
#define MOCK_EACH_PROPERTY "each-property"
#define MOCK_WORD(...) (((const char *const[])__VA_ARGS__)[1])
#define MOCK_WORD_STATE MOCK_WORD(REGION_STATE_NAMES)
#define MOCK_WORD_ARBITRATION MOCK_WORD(ARBITRATION_MODE_NAMES)
#define MOCK_WORD_POLICY MOCK_WORD(REGION_POLICY_NAMES)
#define MOCK_WORD_ACCESS MOCK_WORD(REGION_ACCESS_NAMES)
#define MOCK_WORD_DURABILITY MOCK_WORD(REGION_DURABILITY_NAMES)
#define MOCK_WORD_PATH_STATE MOCK_WORD(PATH_STATE_NAMES)
#define MOCK_WORD_WARM_MODE MOCK_WORD(WARM_MODE_NAMES)

/* What that counter's property of every region is; each has a number of its own. */
static inline uint64_t mock_count(const char *property)
{
	uint64_t n = 0;

	while (*property)
		n = 31 * n + (unsigned char)*property++;
	return n;
}

#endif
