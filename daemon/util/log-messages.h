/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * log-messages.h - the lines of the log that an operator looks for or acts on, each with the number
 * (MESSAGE_ID) by which the journal knows it. What it means and what to do is in the catalog,
 * systemd/rdmareg.catalog (journalctl -x). Numbers are never changed and never used again.
 */
#ifndef RDMAREG_LOG_MESSAGES_H
#define RDMAREG_LOG_MESSAGES_H

#define LOG_MESSAGES(X)                                         \
	X(KEEPER_LOST, "8488e2f2995e45dab9f4ddd7277bd1c1")      \
	X(KEEPER_ESTRANGED, "9f98385f26164508b03e3f5eac353d36") \
	X(KEEPER_LATE, "33b6016262a84aa782943eb702d3a309")      \
	X(PEERS_CUT, "6455822ca4014ea89d6d6217532f714a")        \
	X(DEADLINE_MET, "fe69e9383bc64f629038717884940cd3")     \
	X(GATE_ENDED, "9026b54b545e4e50a0c9eea33a6f09cd")       \
	X(SETTINGS_REFUSED, "fa7fdad8fb424f9f8c373e7e281d0d99") \
	X(REGION_DEGRADED, "c5aa9f4a128f48659f36cb732cc71fbb")  \
	X(REGION_BYPASSED, "164f0c07eb214eefb82439ac670a321a")  \
	X(REGION_GIVEN_UP, "25338a206e764b4595dcc76d9a577e94")  \
	X(MEMORY_LOST, "99241934bacd4be3bd07259d867dfb54")      \
	X(STORAGE_SILENT, "cd461f1f55de4309930fda4695274b3b")   \
	X(REVOCATION, "4526bff427634e708fea1861c17c31f9")       \
	X(STANDING_REFUSED, "bd0c697113e74f7795b40ef4ae296b96") \
	X(STANDING_UNIT, "b331dcd860244c56ae8bcd3995bdca45")

enum log_message {
	LOG_MESSAGE_NONE,
#define LOG_MESSAGE(name, id) LOG_MESSAGE_##name,
	LOG_MESSAGES(LOG_MESSAGE)
#undef LOG_MESSAGE
		_LOG_MESSAGE_MAX,
};

#endif
