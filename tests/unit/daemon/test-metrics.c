// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test-metrics.c - numbers, their page and its socket: what is counted is what is printed, in both
 * forms; a page costs what it prints; readers that are many, slow, mute or rude hold up nobody.
 *
 * With --page or --openmetrics it prints a page with a region on it instead, for check-metrics.py.
 */
#undef NDEBUG
#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/event.h>

#include "metrics/scrape.h"

#define REGIONS 10000u

static unsigned int n_regions, asked;

static bool next_region(void *userdata, uint64_t after, struct region_sample *ret)
{
	(void)userdata;
	asked++;
	if (after >= n_regions)
		return false;
	*ret = (struct region_sample){ .id = after + 1, .uid = 1000, .session = "default" };
	ret->value[REGION_METRIC_LENGTH] = 4096 * ret->id;
	if (ret->id > 1) /* of the others nobody knows */
		ret->value[REGION_METRIC_OF_FAULTS] = REGION_VALUE_UNKNOWN;
	return true;
}

static struct metrics *new_metrics(void)
{
	struct metrics *m;

	assert(metrics_new(&m) == 0);
	return m;
}

/* All of a page as text; the largest slice of it, and by how much @asked rose in one at most. */
static char *print_page(const struct metrics *m, struct page p, size_t *ret_slice,
			unsigned int *ret_asked)
{
	const struct page_source source = { .metrics = m, .next_region = next_region };
	struct evbuffer *out = evbuffer_new();
	unsigned int most = 0;
	size_t slice = 0, n;
	bool more;
	char *text;

	assert(out);
	do {
		unsigned int before = asked;

		n = evbuffer_get_length(out);
		more = page_write(&p, &source, out);
		n = evbuffer_get_length(out) - n;
		slice = n > slice ? n : slice;
		most = asked - before > most ? asked - before : most;
	} while (more);
	n = evbuffer_get_length(out);
	text = malloc(n + 1);
	assert(text && evbuffer_remove(out, text, n) == (int)n);
	text[n] = 0;
	evbuffer_free(out);
	if (ret_slice)
		*ret_slice = slice;
	if (ret_asked)
		*ret_asked = most;
	return text;
}

static bool has_line(const char *page, const char *line)
{
	size_t n = strlen(line);

	for (const char *at = page; (at = strstr(at, line)); at += n)
		if ((at == page || at[-1] == '\n') && at[n] == '\n')
			return true;
	fprintf(stderr, "not there: %s\n", line);
	return false;
}

static void test_values(void)
{
	struct metrics *m = new_metrics();
	char *page;

	metrics_set(m, METRIC_TENANTS, 7, 0);
	metrics_set(m, METRIC_TENANTS, 5, 0);
	metrics_add(m, METRIC_REVOCATIONS, 2, CAUSE_TRUNCATE, OUTCOME_TRUNCATED,
		    ARBITRATION_LAYOUT_LEASE);
	metrics_add(m, METRIC_REGIONS, 3, REGION_LIVE, ARBITRATION_PRE_CONTENT, 0);
	metrics_take(m, METRIC_REGIONS, 1, REGION_LIVE, ARBITRATION_PRE_CONTENT, 0);
	metrics_count(m, METRIC_ENDS, END_LOST);
	/* a bucket has what is not above it; the last one has all */
	metrics_observe(m, METRIC_WAIT, 100, ARBITER_GATE);
	metrics_observe(m, METRIC_WAIT, 101, ARBITER_GATE);
	metrics_observe(m, METRIC_WAIT, UINT64_C(1) << 40, ARBITER_GATE);
	/* what no list has is not counted, wherever it came from */
	metrics_add(m, METRIC_REVOCATIONS, 1, _REVOCATION_CAUSE_MAX, 0, 0);
	metrics_add(m, METRIC_REVOCATIONS, 1, 0, UINT32_MAX, 0);
	metrics_observe(m, METRIC_WAIT, 1, _METRIC_ARBITER_MAX);
	metrics_count(m, METRIC_REFUSALS, _METRIC_LIMIT_MAX);
	page = print_page(m, (struct page){ 0 }, NULL, NULL);
	assert(has_line(page, "rdmareg_tenants 5"));
	assert(has_line(page, "# TYPE rdmareg_revocations_total counter"));
	assert(has_line(page, "rdmareg_revocations_total{cause=\"truncate\",outcome=\"truncated\","
			      "mode=\"layout-lease\"} 2"));
	assert(has_line(page, "rdmareg_revocations_total{cause=\"unknown\",outcome=\"restored\","
			      "mode=\"none\"} 0"));
	assert(has_line(page, "rdmareg_regions{state=\"live\",mode=\"pre-content\"} 2"));
	assert(has_line(page, "rdmareg_regions_ended_total{reason=\"lost\"} 1"));
	assert(has_line(page, "rdmareg_filesystem_wait_seconds_bucket{arbiter=\"pre-content\","
			      "le=\"0.0001\"} 1"));
	assert(has_line(page, "rdmareg_filesystem_wait_seconds_bucket{arbiter=\"pre-content\","
			      "le=\"0.001\"} 2"));
	assert(has_line(page, "rdmareg_filesystem_wait_seconds_bucket{arbiter=\"pre-content\","
			      "le=\"60\"} 2"));
	assert(has_line(page, "rdmareg_filesystem_wait_seconds_bucket{arbiter=\"pre-content\","
			      "le=\"+Inf\"} 3"));
	assert(has_line(page, "rdmareg_filesystem_wait_seconds_sum{arbiter=\"pre-content\"} "
			      "1099511.627977"));
	assert(has_line(page, "rdmareg_filesystem_wait_seconds_count{arbiter=\"layout-lease\"} 0"));
	assert(has_line(page, "rdmareg_fence_seconds_count 0"));
	assert(!strstr(page, "# EOF"));
	free(page);
	page = print_page(m, (struct page){ .openmetrics = true }, NULL, NULL);
	assert(has_line(page, "# TYPE rdmareg_revocations counter"));
	assert(has_line(page, "# UNIT rdmareg_filesystem_wait_seconds seconds"));
	assert(has_line(page, "rdmareg_regions_ended_total{reason=\"lost\"} 1"));
	assert(!strcmp(page + strlen(page) - 6, "# EOF\n"));
	free(page);
	metrics_free(m);
}

/* Ten thousand regions cost a page without them nothing, and one with them a bounded slice each. */
static void test_cost(void)
{
	struct metrics *m = new_metrics();
	unsigned int most, lines = 0;
	size_t slice;
	char *page;

	n_regions = REGIONS;
	asked = 0;
	free(print_page(m, (struct page){ 0 }, NULL, NULL));
	assert(asked == 0);
	page = print_page(m, (struct page){ .regions = true }, &slice, &most);
	assert(asked == (REGIONS + 1) * _REGION_METRIC_MAX);
	assert(most <= 256 && slice < 2 * PAGE_SLICE_BYTES);
	/* line by line: a sanitizer's strstr(3) looks at all that follows, each time */
	for (const char *at = page; at; at = (at = strchr(at, '\n')) ? at + 1 : NULL)
		lines += !strncmp(at, "rdmareg_region_", 15);
	assert(lines == REGIONS * (_REGION_METRIC_MAX - 1) + 1);
	assert(has_line(page, "rdmareg_region_bytes{region=\"10000\",uid=\"1000\","
			      "session=\"default\"} 40960000"));
	free(page);
	metrics_free(m);
	n_regions = 0;
}

/* --- the socket */

static char directory[] = "/tmp/test-metrics-XXXXXX";
static char path[64];
static struct event_base *base;
static struct metrics *metrics;
static struct scrape *scrape;
static unsigned int fresh_calls;

static void fresh(void *userdata)
{
	(void)userdata;
	fresh_calls++;
}

static void begin_scrape(uint64_t patience_usec)
{
	const struct page_source source = { .metrics = metrics, .next_region = next_region };

	assert(scrape_new(&scrape, base, metrics, &source, fresh, patience_usec) == 0);
	assert(scrape_serve(scrape, path, SCRAPE_ROOT) == 0);
}

static int dial(void)
{
	const struct timeval patience = { .tv_sec = 60 };
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strcpy(to.sun_path, path);
	assert(fd >= 0 &&
	       setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) == 0);
	assert(connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0);
	return fd;
}

/* All that can be done without waiting. */
static void turn(void)
{
	for (int i = 0; i < 64; i++)
		assert(event_base_loop(base, EVLOOP_NONBLOCK) >= 0);
}

static void say(int fd, const char *text, size_t n)
{
	assert(send(fd, text, n, MSG_NOSIGNAL) == (ssize_t)n);
}

/* What comes until the end; the loop turns meanwhile. */
static char *read_all(int fd)
{
	size_t n = 0, room = 1 << 20;
	char *text = malloc(room + 1);

	assert(text);
	for (;;) {
		ssize_t got = recv(fd, text + n, room - n, MSG_DONTWAIT);

		if (got == 0 || (got < 0 && errno == ECONNRESET)) /* more was said than is read */
			break;
		if (got < 0) {
			assert(errno == EAGAIN && event_base_loop(base, EVLOOP_ONCE) >= 0);
			continue;
		}
		n += (size_t)got;
		if (n == room)
			text = realloc(text, (room *= 2) + 1);
		assert(text);
	}
	text[n] = 0;
	close(fd);
	return text;
}

static uint64_t scrapes(enum metric_scrape how)
{
	return *metrics_series(metrics, METRIC_SCRAPES, how);
}

static void expect_answer(const char *request, size_t n, const char *start, const char *contains)
{
	int fd = dial();
	char *text;

	say(fd, request, n);
	text = read_all(fd);
	if (strncmp(text, start, strlen(start)) || !strstr(text, contains)) {
		fprintf(stderr, "'%s': %.300s\n", request, text);
		abort();
	}
	free(text);
}

static void test_requests(void)
{
	static const struct {
		const char *request, *start, *contains;
	} all[] = {
		{ "GET /metrics HTTP/1.0\r\n\r\n", "HTTP/1.0 200 OK\r\n", "rdmareg_build_info{" },
		{ "GET /metrics HTTP/1.1\r\nHost: x\r\nAccept: text/plain\r\n\r\n",
		  "HTTP/1.0 200 OK\r\n", "version=0.0.4" },
		{ "GET /metrics HTTP/1.0\n\n", "HTTP/1.0 200 OK\r\n", "\r\n\r\n# HELP " },
		{ "GET /metrics HTTP/1.1\r\naccept: a/b;q=1,application/openmetrics-text;"
		  "version=1.0.0\r\n\r\n",
		  "HTTP/1.0 200 OK\r\n", "\n# EOF\n" },
		{ "GET /metrics/regions HTTP/1.0\r\n\r\n", "HTTP/1.0 200 OK\r\n",
		  "# TYPE rdmareg_region_bytes gauge\n" },
		{ "GET / HTTP/1.0\r\n\r\n", "HTTP/1.0 404 ", "/metrics" },
		{ "GET /metrics/../metrics HTTP/1.0\r\n\r\n", "HTTP/1.0 404 ", "" },
		{ "POST /metrics HTTP/1.0\r\n\r\n", "HTTP/1.0 405 ", "GET" },
		{ "\r\n\r\n", "HTTP/1.0 400 ", "" },
		{ "GET /metrics\r\n\r\n", "HTTP/1.0 400 ", "" },
		{ "GET /metrics SPDY/1.0\r\n\r\n", "HTTP/1.0 400 ", "" },
	};
	char big[SCRAPE_REQUEST_MAX + 1];
	uint64_t served = scrapes(SCRAPE_SERVED), refused = scrapes(SCRAPE_REFUSED);

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		expect_answer(all[i].request, strlen(all[i].request), all[i].start,
			      all[i].contains);
	expect_answer("GET \0 HTTP/1.0\r\n\r\n", 19, "HTTP/1.0 400 ", "");
	memset(big, 'x', sizeof(big));
	expect_answer(big, SCRAPE_REQUEST_MAX, "HTTP/1.0 431 ", "too long");
	expect_answer(big, SCRAPE_REQUEST_MAX + 1, "HTTP/1.0 431 ", "too long");
	turn();
	assert(scrapes(SCRAPE_SERVED) == served + 5 && scrapes(SCRAPE_REFUSED) == refused + 9);
	assert(fresh_calls == 5);
}

/* Whoever takes nothing, says nothing, or goes away keeps a place, and nobody waits for it. */
static void test_readers(void)
{
	static const char request[] = "GET /metrics/regions HTTP/1.0\r\n\r\n";
	uint64_t abandoned = scrapes(SCRAPE_ABANDONED);
	int held[SCRAPE_READERS_OF_UID];
	char *text;

	n_regions = REGIONS;
	for (size_t i = 0; i < SCRAPE_READERS_OF_UID; i++)
		held[i] = dial();
	/* the page does not fit into the socket: no more of it is made than that */
	asked = 0;
	say(held[0], request, strlen(request));
	turn();
	assert(asked > 0 && asked < REGIONS * _REGION_METRIC_MAX / 2);
	/* one too many is told so */
	text = read_all(dial());
	assert(!strncmp(text, "HTTP/1.0 503 ", 13) &&
	       strstr(text, "too many readers of this user"));
	free(text);
	/* a place becomes free when one leaves, before, while and after it asked */
	close(held[1]);
	say(held[2], request, strlen(request));
	close(held[2]);
	say(held[3], request, 5);
	close(held[3]);
	turn();
	assert(scrapes(SCRAPE_ABANDONED) == abandoned + 3);
	expect_answer(request, strlen(request), "HTTP/1.0 200", "{region=\"10000\"");
	/* who was slow gets all of it in the end */
	text = read_all(held[0]);
	assert(strstr(text, "rdmareg_region_redirtied_bytes_total{region=\"10000\""));
	free(text);
	for (size_t i = 4; i < SCRAPE_READERS_OF_UID; i++)
		close(held[i]);
	turn();
	n_regions = 0;
}

/* Its deadline ends one that says nothing. */
static void test_deadline(void)
{
	uint64_t abandoned = scrapes(SCRAPE_ABANDONED);
	struct scrape *usual = scrape;
	char byte;
	int fd;

	assert(scrape_serve(usual, path, SCRAPE_OFF) == 0);
	begin_scrape(10000);
	fd = dial();
	while (scrapes(SCRAPE_ABANDONED) == abandoned)
		assert(event_base_loop(base, EVLOOP_ONCE) >= 0);
	assert(recv(fd, &byte, 1, 0) == 0);
	close(fd);
	scrape_free(scrape);
	scrape = usual;
	assert(scrape_serve(scrape, path, SCRAPE_ROOT) == 0);
}

static unsigned int mode_of(void)
{
	struct stat s;

	return lstat(path, &s) == 0 ? s.st_mode & 0777 : 0;
}

static void test_modes(void)
{
	int fd;

	assert(mode_of() == 0600);
	fd = dial();
	turn();
	assert(scrape_serve(scrape, path, SCRAPE_EVERYBODY) == 0 && mode_of() == 0666);
	free(read_all(fd)); /* ended */
	assert(scrape_serve(scrape, path, SCRAPE_OFF) == 0 && mode_of() == 0);
	assert(scrape_serve(scrape, path, SCRAPE_ROOT) == 0 && mode_of() == 0600);
	assert(scrape_serve(scrape, "/nowhere/metrics", SCRAPE_EVERYBODY) == -ENOENT);
	assert(mode_of() == 0); /* it is served nowhere: not as it was before either */
	assert(scrape_serve(scrape, path, SCRAPE_ROOT) == 0 && mode_of() == 0600);
}

#define SOMEBODY 65534

/*
 * A process of an ordinary user, which asks until it is refused for the time that it took. @ret_end:
 * can be read when it has ended, so that whoever turns the loop hears of it.
 */
static pid_t ask_without_end(int *ret_end)
{
	static const char request[] = "GET /metrics HTTP/1.0\r\n\r\n";
	int ends[2];
	pid_t pid;

	assert(pipe(ends) == 0);
	pid = fork();
	assert(pid >= 0);
	if (pid) {
		close(ends[1]);
		*ret_end = ends[0];
		return pid;
	}
	if (setgid(SOMEBODY) < 0 || setuid(SOMEBODY) < 0)
		_exit(3);
	for (;;) {
		char answer[512] = "";
		int fd = dial();

		if (send(fd, request, strlen(request), MSG_NOSIGNAL) < 0 && errno != EPIPE)
			_exit(4);
		for (size_t n = 0; n + 1 < sizeof(answer);) {
			ssize_t got = recv(fd, answer + n, sizeof(answer) - 1 - n, 0);

			if (got <= 0)
				break;
			n += (size_t)got;
		}
		close(fd);
		if (!strncmp(answer, "HTTP/1.0 503", 12) && strstr(answer, "have taken more"))
			_exit(0);
	}
}

static void note_end(evutil_socket_t fd, short what, void *userdata)
{
	(void)fd, (void)what;
	*(bool *)userdata = true;
}

/* A process of an ordinary user, which connects until nobody has room for it, and stays. */
static pid_t fill_queue(int *ret_ready)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	int ends[2];
	pid_t pid;
	char byte;

	assert(pipe(ends) == 0);
	pid = fork();
	assert(pid >= 0);
	if (!pid) {
		strcpy(to.sun_path, path);
		if (setgid(SOMEBODY) < 0 || setuid(SOMEBODY) < 0)
			_exit(3);
		for (;;) {
			int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

			if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0)
				break;
		}
		if (errno != EAGAIN || write(ends[1], "x", 1) != 1)
			_exit(4);
		for (;;)
			pause();
	}
	close(ends[1]);
	assert(read(ends[0], &byte, 1) == 1); /* or it has ended */
	*ret_ready = ends[0];
	return pid;
}

/*
 * An ordinary user who asks all the time is sent one page, however often, and is refused when it has
 * had its share; and root has a door of its own.
 */
static void test_crowd(void)
{
	char usual[sizeof(path)];
	unsigned int made = fresh_calls;
	bool over = false;
	uint64_t served = scrapes(SCRAPE_SERVED);
	struct event *ended;
	int status, ready, end;
	pid_t pid;

	if (geteuid() != 0)
		return;
	assert(chmod(directory, 0755) == 0);
	assert(scrape_serve(scrape, path, SCRAPE_EVERYBODY) == 0);
	pid = ask_without_end(&end);
	ended = event_new(base, end, EV_READ, note_end, &over);
	assert(ended && event_add(ended, NULL) == 0);
	while (!over)
		assert(event_base_loop(base, EVLOOP_ONCE) >= 0);
	event_free(ended);
	close(end);
	assert(waitpid(pid, &status, 0) == pid);
	assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	served = scrapes(SCRAPE_SERVED) - served;
	made = fresh_calls - made;
	printf("%u pages were made for %llu readers\n", made, (unsigned long long)served);
	assert(made && served > 20 && made < served / 4);
	/* the queue before the door of all is full, and root comes in */
	pid = fill_queue(&ready);
	strcpy(usual, path);
	strcat(path, SCRAPE_OF_ROOT);
	assert(mode_of() == 0600);
	expect_answer("GET /metrics/regions HTTP/1.0\r\n\r\n", 33, "HTTP/1.0 200", "_build_info");
	assert(kill(pid, SIGKILL) == 0 && waitpid(pid, &status, 0) == pid);
	close(ready);
	assert(scrape_serve(scrape, usual, SCRAPE_ROOT) == 0 && mode_of() == 0);
	strcpy(path, usual);
	assert(mode_of() == 0600);
}

int main(int argc, char **argv)
{
	if (argc > 1) {
		struct metrics *m = new_metrics();
		char *text;

		n_regions = 1;
		text = print_page(m,
				  (struct page){ .openmetrics = !strcmp(argv[1], "--openmetrics"),
						 .regions = true },
				  NULL, NULL);
		fputs(text, stdout);
		free(text);
		metrics_free(m);
		return 0;
	}
	signal(SIGPIPE, SIG_IGN);
	test_values();
	test_cost();
	assert(mkdtemp(directory));
	snprintf(path, sizeof(path), "%s/metrics", directory);
	base = event_base_new();
	metrics = new_metrics();
	assert(base);
	begin_scrape(UINT64_C(600000000));
	test_requests();
	test_readers();
	test_deadline();
	test_modes();
	test_crowd();
	scrape_free(scrape);
	assert(mode_of() == 0 && rmdir(directory) == 0);
	metrics_free(metrics);
	event_base_free(base);
	return 0;
}
