// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * verb-metrics.c - the page of rdmaregd's metrics, as its local socket gives it: printed, or put in
 * a file's place, for node_exporter's textfile collector. What always holds: a file that is written
 * is there as a whole or not at all; if there is no page, the file of an earlier one is removed, so
 * that nobody takes old numbers for new ones.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "config.h"
#include "ctl.h"

#define PATIENCE_SEC 30
#define SOCKET RUNDIR "/metrics"
#define SOCKET_OF_ROOT RUNDIR "/metrics.root" /* there while everybody may read the other one */

struct options {
	const char *socket, *output;
	bool regions, openmetrics;
};

static const struct option_spec specs[] = {
	{ "regions", ARG_FLAG, offsetof(struct options, regions), NULL,
	  "also series of each single region (root)" },
	{ "openmetrics", ARG_FLAG, offsetof(struct options, openmetrics), NULL,
	  "in OpenMetrics' form, not Prometheus' text format" },
	{ "output", ARG_TEXT, offsetof(struct options, output), "FILE",
	  "replace this file as a whole, in a folder that exists; remove it on failure" },
	{ "socket", ARG_TEXT, offsetof(struct options, socket), "PATH",
	  "rdmaregd's socket (" SOCKET ")" },
	{ NULL },
};

static void file_cleanup(FILE **f)
{
	if (*f)
		fclose(*f);
}

static int connect_to(const char *path, FILE **ret)
{
	const struct timeval patience = { .tv_sec = PATIENCE_SEC };
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	int fd;

	if (strlen(path) >= sizeof(to.sun_path))
		return ctl_error(EXIT_USAGE, "%s: the path of a socket is not so long", path);
	strcpy(to.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) < 0 ||
	    connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0) {
		int error = errno;

		if (fd >= 0)
			close(fd);
		return ctl_error(error == EACCES ? EXIT_DENIED : EXIT_FAILED, "%s: %s%s", path,
				 strerror(error),
				 error == EACCES
					 ? "; rdmaregd.conf(5) says who may read it: metrics"
					 : "; is rdmaregd running, and metrics not off?");
	}
	*ret = fdopen(fd, "r+e");
	if (*ret)
		return 0;
	close(fd);
	return ctl_error(EXIT_FAILED, "out of memory");
}

/* Its answer up to the page; the page is read next. */
static int request(const struct options *o, FILE *f)
{
	char line[256] = "";
	int status = 0;

	fprintf(f, "GET /metrics%s HTTP/1.0\r\n%s\r\n", o->regions ? "/regions" : "",
		o->openmetrics ? "Accept: application/openmetrics-text\r\n" : "");
	if (fflush(f) || !fgets(line, sizeof(line), f))
		return ctl_error(EXIT_FAILED, "rdmaregd does not answer: %s", strerror(errno));
	if (sscanf(line, "HTTP/1.%*d %d", &status) != 1)
		return ctl_error(EXIT_FAILED, "this is no socket of rdmaregd's metrics");
	while (strspn(line, "\r\n") == 0)
		if (!fgets(line, sizeof(line), f))
			return ctl_error(EXIT_FAILED, "rdmaregd's answer is cut off");
	if (status == 200)
		return 0;
	if (!fgets(line, sizeof(line), f))
		*line = 0;
	line[strcspn(line, "\n")] = 0;
	return ctl_error(status == 403 ? EXIT_DENIED : EXIT_FAILED, "rdmaregd refuses: %s", line);
}

static int copy(FILE *from, FILE *to)
{
	char bytes[16384];
	size_t n;

	while ((n = fread(bytes, 1, sizeof(bytes), from)))
		if (fwrite(bytes, 1, n, to) < n) {
			if (to != stdout)
				return ctl_error(EXIT_FAILED, "the page cannot be written: %s",
						 strerror(errno));
			ctl_not_written(); /* main() says so, once */
			return EXIT_FAILED;
		}
	if (ferror(from))
		return ctl_error(EXIT_FAILED, "rdmaregd does not send the rest of the page: %s",
				 strerror(errno));
	return EXIT_OK;
}

static int write_file(FILE *from, const char *path)
{
	_cleanup_(text_cleanup) char *new = NULL;
	FILE *to;
	int fd, status;

	if (asprintf(&new, "%s.XXXXXX", path) < 0) {
		new = NULL;
		return ctl_error(EXIT_FAILED, "out of memory");
	}
	fd = mkostemp(new, O_CLOEXEC);
	to = fd < 0 ? NULL : fdopen(fd, "we");
	if (!to) {
		status =
			fd < 0 && errno == ENOENT
				? ctl_error(
					  EXIT_FAILED,
					  "--output %s: its folder does not exist; make it, or install what "
					  "reads it (Debian: prometheus-node-exporter)",
					  path)
				: ctl_error(EXIT_FAILED, "%s: %s", new, strerror(errno));
		if (fd >= 0) {
			close(fd);
			unlink(new);
		}
		return status;
	}
	status = copy(from, to);
	if (status == EXIT_OK && (fchmod(fd, 0644) < 0 || fflush(to)))
		status = ctl_error(EXIT_FAILED, "%s: %s", new, strerror(errno));
	fclose(to);
	if (status == EXIT_OK && rename(new, path) < 0)
		status = ctl_error(EXIT_FAILED, "%s: %s", path, strerror(errno));
	if (status != EXIT_OK)
		unlink(new);
	return status;
}

static int run(struct ctl *ctl, const void *options, char **arguments, int n)
{
	_cleanup_(file_cleanup) FILE *f = NULL;
	const struct options *o = options;
	const char *usual = access(SOCKET_OF_ROOT, W_OK) == 0 ? SOCKET_OF_ROOT : SOCKET;
	int status;

	(void)ctl, (void)arguments, (void)n;
	status = connect_to(o->socket ? o->socket : usual, &f);
	if (status == EXIT_OK)
		status = request(o, f);
	if (status == EXIT_OK)
		status = o->output ? write_file(f, o->output) : copy(f, stdout);
	if (status != EXIT_OK && o->output)
		unlink(o->output);
	return status;
}

const struct verb verb_metrics = {
	"metrics", "",	 "print what rdmaregd has counted",
	specs,	   0,	 0,
	run,	   NULL, "the page is Prometheus' text format, or OpenMetrics"
};
