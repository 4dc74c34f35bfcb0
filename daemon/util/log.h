/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * log.h - one line to stderr with the priority prefix that systemd understands (sd-daemon(3)), e.g.
 * "<6>region 7: ...".
 *
 * A line that concerns a region starts with "region ID:", one that concerns a keeper with "keeper
 * UID/SESSION:", so that one grep tells a region's whole life. Lines above the set level cost a
 * comparison. Not for signal handlers.
 */
#ifndef RDMAREG_LOG_H
#define RDMAREG_LOG_H

#include <stdarg.h>
#include <syslog.h>

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

void log_write(int priority, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define log_error(...) log_write(LOG_ERR, __VA_ARGS__)
#define log_warning(...) log_write(LOG_WARNING, __VA_ARGS__)
#define log_notice(...) log_write(LOG_NOTICE, __VA_ARGS__)
#define log_info(...) log_write(LOG_INFO, __VA_ARGS__)
#define log_debug(...) log_write(LOG_DEBUG, __VA_ARGS__)

#endif
