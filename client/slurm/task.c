// SPDX-License-Identifier: GPL-2.0-or-later
/* task.c - from a list of what is wanted to a file of tickets. */
#include <errno.h>
#include <fcntl.h>
#include <slurm/slurm.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "exchange.h"
#include "job.h"
#include "task.h"

#define NODE_CHARACTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-"

enum { RETRY_LIMIT_SEC = 60, WARM_LIMIT_SEC = 600 };

/* Of a step: memory without a name, which its tasks inherit. The devices live as long as @bus. */
static struct {
	struct rdmareg *bus;
	int fd[SPECS_MAX]; /* 0: none */
	uint64_t bytes[SPECS_MAX];
	char error[SPECS_MAX][SPEC_ERROR_BYTES];
} memory;

static int make_memfd(size_t i, const struct spec *s)
{
	int fd = memfd_create(s->name, 0);

	if (fd < 0)
		return -errno;
	if (ftruncate(fd, (off_t)s->size) < 0) {
		int error = errno;

		close(fd);
		return -error;
	}
	memory.fd[i] = fd;
	memory.bytes[i] = s->size;
	return 0;
}

static int make_dax(size_t i, const struct spec *s)
{
	int fd, r = 0;

	if (!memory.bus)
		r = rdmareg_open(NULL, &memory.bus);
	if (r == 0)
		r = rdmareg_dax_create(memory.bus, s->size, NULL, &fd, NULL, &memory.bytes[i]);
	if (r < 0)
		return r;
	fcntl(fd, F_SETFD, 0);
	memory.fd[i] = fd;
	return 0;
}

void task_make_memory(spank_t sp)
{
	struct spec_list list;
	size_t i;

	if (!spank_remote(sp) || job_is_extern(sp) || job_read_list(sp, &list) < 0)
		return;
	for (i = 0; i < list.n; i++) {
		const struct spec *s = &list.specs[i];
		int r = s->source == SPEC_MEMFD ? make_memfd(i, s)
			: s->source == SPEC_DAX ? make_dax(i, s)
						: 0;

		if (r < 0)
			snprintf(memory.error[i], sizeof(memory.error[i]), "%s",
				 s->source == SPEC_DAX ? rdmareg_last_error() : strerror(-r));
	}
}

/* ---- a task, before it is the user's program */

struct task {
	struct spec_list list;
	struct settings settings;
	struct exchange x;
	struct rdmareg *bus;
	uint32_t uid, job, nodes;
};

static int identify(spank_t sp, struct task *t)
{
	struct exchange *x = &t->x;
	uid_t uid;

	if (spank_get_item(sp, S_JOB_UID, &uid) != ESPANK_SUCCESS ||
	    spank_get_item(sp, S_JOB_ID, &t->job) != ESPANK_SUCCESS ||
	    spank_get_item(sp, S_JOB_STEPID, &x->step) != ESPANK_SUCCESS ||
	    spank_get_item(sp, S_JOB_NNODES, &t->nodes) != ESPANK_SUCCESS ||
	    spank_get_item(sp, S_JOB_NODEID, &x->node_id) != ESPANK_SUCCESS ||
	    spank_get_item(sp, S_SLURM_RESTART_COUNT, &x->restart) != ESPANK_SUCCESS ||
	    spank_getenv(sp, "SLURMD_NODENAME", x->node, sizeof(x->node)) != ESPANK_SUCCESS)
		return -EINVAL;
	if (!x->node[0] || strspn(x->node, NODE_CHARACTERS) != strlen(x->node))
		return -EINVAL;
	t->uid = uid;
	/* a batch script, and the shell of salloc, run on one node, whatever the job has */
	if (x->step > SLURM_MAX_NORMAL_STEP_ID) {
		t->nodes = 1;
		x->node_id = 0;
	}
	return 0;
}

/*
 * What the node's tasks know of each other: KEY TAB ID TAB GENERATION TAB TICKET, a line for each
 * rail of a region; the last one of a KEY counts.
 */
static void key_of(const struct task *t, const struct spec *s, size_t rail, char *key, size_t bytes)
{
	if (s->source == SPEC_FILE)
		snprintf(key, bytes, "%zu\t%s\t%s\t%s", rail, s->name,
			 rdmareg_access_name(s->access), s->path);
	else
		snprintf(key, bytes, "%zu\t%s\t%u", rail, s->name, t->x.step);
}

struct note {
	unsigned long long id;
	unsigned int generation;
	char *ticket; /* NULL: there is no line */
};

static struct note note_of_earlier_step(FILE *notes, const char *key)
{
	struct note found = { 0 }, n;
	size_t size = 0, skip = strlen(key);
	char *line = NULL;

	rewind(notes);
	while (getline(&line, &size, notes) > 0) {
		if (strncmp(line, key, skip) || line[skip] != '\t' ||
		    sscanf(line + skip, "\t%llu\t%u\t%ms", &n.id, &n.generation, &n.ticket) != 3)
			continue;
		free(found.ticket);
		found = n;
	}
	free(line);
	return found;
}

static int export_region(struct rdmareg_region *region, const char *key, FILE *notes,
			 char **ret_ticket)
{
	struct rdmareg_region_info info = { .size = sizeof(info) };
	int r = rdmareg_export(region, NULL, ret_ticket);

	if (r < 0)
		return r;
	rdmareg_region_get_info(region, &info);
	fprintf(notes, "%s\t%llu\t%u\t%s\n", key, (unsigned long long)info.id, info.generation,
		*ret_ticket);
	return 0;
}

/*
 * NULL: an earlier step has no region there, or it is gone. A keeper that took the place of another
 * has the region, and the tickets of the other end with it: it makes one more.
 */
static char *ticket_of_earlier_step(const struct task *t, FILE *notes, const char *key)
{
	struct rdmareg_region_info info = { .size = sizeof(info) };
	struct note noted = note_of_earlier_step(notes, key);
	struct rdmareg_region *region;
	char *ticket = NULL;

	if (noted.ticket && rdmareg_lookup(t->bus, noted.id, &region) == 0) {
		rdmareg_region_get_info(region, &info);
		if (info.generation == noted.generation) {
			ticket = noted.ticket;
			noted.ticket = NULL;
		} else {
			export_region(region, key, notes, &ticket);
		}
		rdmareg_region_free(region);
	}
	free(noted.ticket);
	return ticket;
}

static int open_memory(size_t i, const struct spec *s, uint64_t *ret_length)
{
	int fd;

	*ret_length = memory.bytes[i];
	if (s->source != SPEC_FILE)
		return memory.fd[i] ? fcntl(memory.fd[i], F_DUPFD_CLOEXEC, 3) : -ENODATA;
	fd = open(s->path, (s->access == RDMAREG_ACCESS_READ_WRITE ? O_RDWR : O_RDONLY) |
				   O_CLOEXEC | O_NONBLOCK);
	return fd < 0 ? -errno : fd;
}

/* A name that the job gave it is the region's, unless one of an earlier step has it. */
static int register_memory(struct task *t, int fd, uint64_t length, const struct spec *s,
			   const char *session, struct rdmareg_region **ret)
{
	struct rdmareg_register_options options = {
		.size = sizeof(options),
		.session = session,
		.policy = s->policy,
		.grace_usec = s->grace_usec,
		.detached = 1,
		.no_warm = !s->warm,
		.name = s->named ? s->name : NULL,
	};
	uint64_t end = exchange_clock() + RETRY_LIMIT_SEC * USEC_PER_SEC;
	unsigned int pause = EXCHANGE_REST_MSEC;
	int r;

	do {
		r = rdmareg_register(t->bus, fd, 0, length, s->access, &options, ret);
		if (r == -ENOTUNIQ && options.name) {
			options.name = NULL;
			r = rdmareg_register(t->bus, fd, 0, length, s->access, &options, ret);
		}
	} while (job_retry(r, end, &pause));
	return r;
}

/* A session of that name would have no device if it came into being by registering in it. */
static int check_rail(struct task *t, const char *session, char error[SPEC_ERROR_BYTES])
{
	struct rdmareg_session_info info = { .size = sizeof(info) };
	int r = rdmareg_session_get(t->bus, t->uid, session, &info);

	if (r >= 0)
		return 0;
	snprintf(error, SPEC_ERROR_BYTES, "%.400s%s", rdmareg_last_error(),
		 r == -ENXIO ? "; the prolog creates it for jobs that are submitted with rails"
			     : "");
	return r;
}

/* A ticket of one region of this node on a rail, or NULL with a sentence. */
static char *make_region(struct task *t, size_t i, size_t rail, FILE *notes,
			 char error[SPEC_ERROR_BYTES])
{
	const struct spec *s = &t->list.specs[i];
	char key[SPEC_BYTES + 128], session[JOB_SESSION_BYTES], *ticket;
	struct rdmareg_region *region = NULL;
	uint64_t length;
	int fd, r;

	job_session(session, t->job, rail);
	if (rail && check_rail(t, session, error) < 0)
		return NULL;
	key_of(t, s, rail, key, sizeof(key));
	ticket = ticket_of_earlier_step(t, notes, key);
	if (ticket)
		return ticket;
	fd = open_memory(i, s, &length);
	if (fd < 0) {
		snprintf(error, SPEC_ERROR_BYTES, "%.200s: %.250s",
			 s->source == SPEC_FILE ? s->path : "its memory",
			 memory.error[i][0] ? memory.error[i] : strerror(-fd));
		return NULL;
	}
	r = register_memory(t, fd, length, s, session, &region);
	close(fd);
	if (r == 0)
		r = export_region(region, key, notes, &ticket);
	if (r < 0) {
		snprintf(error, SPEC_ERROR_BYTES, "%s", rdmareg_last_error());
		error[strcspn(error, "\n")] = '\0';
		if (region)
			rdmareg_release(region);
	}
	rdmareg_region_free(region);
	return r < 0 ? NULL : ticket;
}

/* What a task does not find, and its log. @where: " on DEVICE", or "". */
static void put_failure(const struct task *t, const struct spec *s, const char *where,
			const char *error, FILE *lines)
{
	fprintf(lines, "# node %u of the step, %s: region %s failed%s: %s\n", t->x.node_id,
		t->x.node, s->name, where, error);
	slurm_error("rdmareg: job %u: region %s%s: %s", t->job, s->name, where, error);
}

static size_t count_rails(const struct task *t, const struct spec *s)
{
	return s->rails && t->settings.n_devices > 1 ? t->settings.n_devices : 1;
}

/* The region's line: with rails, of the tickets that there are. */
static void put_line(struct task *t, size_t i, FILE *notes, FILE *lines)
{
	char where[SETTINGS_DEVICE_BYTES + 8] = "", error[SPEC_ERROR_BYTES] = "";
	const struct spec *s = &t->list.specs[i];
	size_t rails = count_rails(t, s), n = 0, rail;
	char *tickets[RDMAREG_RAILS_MAX];

	if (!t->bus) {
		put_failure(t, s, "", rdmareg_last_error(), lines);
		return;
	}
	if (s->rails && rails == 1)
		fprintf(lines,
			"# node %u of the step, %s: region %s has no rails: device= in "
			"plugstack.conf names no second device\n",
			t->x.node_id, t->x.node, s->name);
	for (rail = 0; rail < rails; rail++) {
		if (rails > 1)
			snprintf(where, sizeof(where), " on %s",
				 settings_device(&t->settings, rail));
		tickets[n] = make_region(t, i, rail, notes, error);
		if (tickets[n])
			n++;
		else
			put_failure(t, s, where, error, lines);
	}
	if (!n)
		return;
	fprintf(lines, "%u %s %s %s", t->x.node_id, t->x.node, s->name,
		rdmareg_access_name(s->access));
	for (rail = 0; rail < n; rail++) {
		fprintf(lines, " %s", tickets[rail]);
		free(tickets[rail]);
	}
	fputc('\n', lines);
}

/* The node's regions, made by whichever of its tasks comes first. */
static int publish(struct task *t)
{
	struct rdmareg_open_options options = { .size = sizeof(options),
						.work_timeout_usec =
							WARM_LIMIT_SEC * USEC_PER_SEC };
	int lock = exchange_lock(&t->x, exchange_clock() + WARM_LIMIT_SEC * USEC_PER_SEC), r = 0;
	FILE *notes, *lines;
	char *text = NULL;
	size_t n = 0, i;

	if (lock < 0)
		return lock;
	if (exchange_published(&t->x)) {
		close(lock);
		return 0;
	}
	notes = fdopen(lock, "a+");
	if (!notes) {
		close(lock);
		return -ENOMEM;
	}
	lines = open_memstream(&text, &n);
	if (!lines) {
		fclose(notes);
		return -ENOMEM;
	}
	if (rdmareg_open(&options, &t->bus) < 0)
		t->bus = NULL;
	for (i = 0; i < t->list.n; i++)
		put_line(t, i, notes, lines);
	t->bus = rdmareg_close(t->bus);
	fflush(notes);
	if (fclose(lines) == 0)
		r = exchange_publish(&t->x, text);
	free(text);
	fclose(notes);
	return r;
}

/* Which of them the file of all does not have a ticket of, for each node of the step. */
static int lacks_required(const struct task *t, const char *path)
{
	char *line = NULL, *name = NULL, *node = NULL;
	unsigned int found = 0, wanted = 0;
	size_t size = 0, i;
	FILE *all = fopen(path, "re");
	uint32_t number;

	for (i = 0; i < t->list.n; i++)
		wanted += t->list.specs[i].required ? t->nodes : 0;
	while (all && getline(&line, &size, all) > 0) {
		if (sscanf(line, "%u %ms %ms", &number, &node, &name) == 3)
			for (i = 0; i < t->list.n; i++)
				found += t->list.specs[i].required &&
					 !strcmp(t->list.specs[i].name, name);
		free(node);
		free(name);
		node = name = NULL;
	}
	if (all)
		fclose(all);
	free(line);
	return found < wanted;
}

/* A step that was started in another's task has that one's: numbers of what it did not inherit. */
static void forget_caller(spank_t sp)
{
	char **job = NULL;
	char name[SPEC_VARIABLE_BYTES];

	spank_unsetenv(sp, "RDMAREG_TICKETS");
	spank_unsetenv(sp, "RDMAREG_MISSING");
	/* each is found anew: unsetting one moves the others */
	while (spank_get_item(sp, S_JOB_ENV, &job) == ESPANK_SUCCESS && job) {
		size_t n = 0;

		for (; *job && !n; job++)
			if (!strncmp(*job, SPEC_VARIABLE_PREFIX, strlen(SPEC_VARIABLE_PREFIX)))
				n = strcspn(*job, "=");
		if (!n || n >= sizeof(name))
			break;
		memcpy(name, job[-1], n);
		name[n] = '\0';
		if (spank_unsetenv(sp, name) != ESPANK_SUCCESS)
			break;
	}
}

static void tell_memory(spank_t sp, const struct spec_list *list)
{
	char variable[SPEC_VARIABLE_BYTES], value[16];
	size_t i;

	for (i = 0; i < list->n; i++) {
		if (!memory.fd[i])
			continue;
		spec_variable(variable, list->specs[i].name);
		snprintf(value, sizeof(value), "%d", memory.fd[i]);
		spank_setenv(sp, variable, value, 1);
	}
}

/* Not started: what it needs is not there, and it said that it needs it. */
static void end_task(const struct task *t, const char *why)
{
	dprintf(STDERR_FILENO, "rdmareg: node %s: the job requires a region that is missing: %s\n",
		t->x.node, why);
	_exit(1);
}

void task_begin(spank_t sp, int argc, char **argv)
{
	struct task t = { .x.fd = -1 };
	char path[PATH_MAX] = "", value[16], why[EXCHANGE_ERROR_BYTES + 64] = "";
	char error[EXCHANGE_ERROR_BYTES] = "", session[JOB_SESSION_BYTES];
	int missing = 0, r;

	if (!spank_remote(sp) || job_is_extern(sp))
		return;
	forget_caller(sp);
	if (job_read_list(sp, &t.list) < 0 || !t.list.n)
		return;
	job_settings(&t.settings, argc, argv);
	r = identify(sp, &t);
	/* what the program registers itself is the job's too, and ends with it */
	if (r == 0) {
		job_session(session, t.job, 0);
		spank_setenv(sp, "RDMAREG_SESSION", session, 1);
	}
	if (r == 0)
		r = exchange_path(t.x.path, t.settings.directory, t.uid, t.job);
	if (r == 0)
		r = exchange_open(&t.x, error);
	if (r == 0)
		r = publish(&t);
	if (r == 0)
		r = missing = exchange_collect(&t.x, t.nodes,
					       exchange_clock() + t.settings.wait_usec, path);
	exchange_close(&t.x);
	if (r < 0) {
		if (!error[0])
			snprintf(error, sizeof(error), "%.*s: %s", PATH_MAX, t.x.path,
				 strerror(-r));
		snprintf(why, sizeof(why), "tickets cannot be exchanged: %s", error);
		slurm_error("rdmareg: job %u: %s", t.job, why);
		missing = (int)t.nodes;
	} else if (spec_list_required(&t.list) && lacks_required(&t, path)) {
		snprintf(why, sizeof(why), "see %s", path);
	}
	if (why[0] && spec_list_required(&t.list))
		end_task(&t, why);
	tell_memory(sp, &t.list);
	spank_setenv(sp, "RDMAREG_TICKETS", path, 1);
	snprintf(value, sizeof(value), "%d", missing);
	spank_setenv(sp, "RDMAREG_MISSING", value, 1);
}
