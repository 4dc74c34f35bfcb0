/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * log.h - one line to stderr with the priority prefix that systemd understands (sd-daemon(3)), e.g.
 * "<6>region 7: ...".
 *
 * A line that concerns a region starts with "region ID:", one that concerns a keeper with "keeper
 * UID/SESSION:", so that one grep tells a region's whole life. Lines above the set level cost a
 * comparison. Not for signal handlers.
 *
 * Where standard error is the journal, a line about a region or a keeper has fields of its own there
 * (REGION, TENANT, and those of struct log_fields), to be searched by: journalctl REGION=7.
 *
 * What always holds: a line is one line, whatever it is made of. Each control character in it or in
 * a field becomes '?', so no name can end a line, begin another one, or colour a terminal.
 */
#ifndef RDMAREG_LOG_H
#define RDMAREG_LOG_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <syslog.h>

#include "util/log-messages.h"

void log_set_level(int priority);
int log_level(void);

/*
 * From now on no line waits for whoever reads standard error. Lines that cannot be written are
 * counted, and the number is told before the next one that can. At its end, exit(3), the process
 * waits for those that are under way, two seconds at most. For a process with an event loop; once,
 * when nothing was dropped of its standard error yet, and before anything forks. -EAGAIN: no thread
 * can be made.
 */
int log_never_wait(void);

/*
 * From now on lines with fields go to the journal that listens at @path, a socket. log_never_wait()
 * does this where standard error is the journal. -ENAMETOOLONG, or why there is no socket.
 */
int log_to_journal(const char *path);

bool log_is_journal(void);

/* What the journal is told beside the line; 0 or NULL: nothing. */
struct log_fields {
	enum log_message message; /* MESSAGE_ID */
	const char *tenant;	  /* TENANT, as UID/SESSION */
	const char *cause;	  /* CAUSE, of a revocation */
	const char *file;	  /* FILE */
	const char *peer;	  /* PEER, its address */
	uint32_t pid;		  /* PID, of who asked, or of what the line is about */
};

void log_about(int priority, const struct log_fields *fields, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* log_about(LOG_WARNING, LOG_FIELDS(.pid = pid, .file = path), "region %d: ...", id) */
#define LOG_FIELDS(...) (&(struct log_fields){ __VA_ARGS__ })

void log_write(int priority, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define log_error(...) log_write(LOG_ERR, __VA_ARGS__)
#define log_warning(...) log_write(LOG_WARNING, __VA_ARGS__)
#define log_notice(...) log_write(LOG_NOTICE, __VA_ARGS__)
#define log_info(...) log_write(LOG_INFO, __VA_ARGS__)
#define log_debug(...) log_write(LOG_DEBUG, __VA_ARGS__)

#endif
