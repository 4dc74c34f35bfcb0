// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * plugin.c - the SPANK plugin: where Slurm calls it, and as whom.
 *
 *   srun, sbatch, salloc  reads --rdmareg, and puts it into the job's environment (SLURM_RDMAREG),
 *                         from which all steps of the job have it.
 *   prolog, as root       creates the job's session on this node, if the job was submitted with regions.
 *   init of a step, root  makes the user's directory for tickets, where only root can, and sets the
 *                         session's memory limit, where it follows from the job's memory.
 *   user_init, as user    makes memory that has no name (memfd, device-dax): tasks inherit it.
 *   task_init, as user    in the process that becomes the task, in the job's own mounts: the first
 *                         task of a node registers and publishes tickets; each waits for the others'.
 *   epilog, as root       ends all regions of the job on this node, and removes its ticket files.
 *
 * What always holds: nothing here makes a job or a node fail, unless the job asked for `required`,
 * and then only its tasks. slurmd and slurmstepd wait for no file, no prefetch and no other node:
 * that is done by processes that become tasks. What root does depends on the job's number and user
 * alone, never on its environment. No Slurm command is called.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <slurm/slurm.h>
#include <slurm/spank.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "client/ctl/format.h"
#include "exchange.h"
#include "spec.h"

#pragma GCC visibility push(default)
/* What a macro of Slurm makes, for tools that do not know it. No other release loads this. */
const char plugin_name[] = "rdmareg";
const char plugin_type[] = "spank";
const unsigned int plugin_version = SLURM_VERSION_NUMBER;
const unsigned int spank_plugin_version = 1;
spank_f slurm_spank_init, slurm_spank_init_post_opt, slurm_spank_job_prolog, slurm_spank_user_init,
	slurm_spank_task_init, slurm_spank_job_epilog;
#pragma GCC visibility pop

#define LIST_VARIABLE "SLURM_RDMAREG"
#define PROLOG_VARIABLE "RDMAREG" /* the prolog sees it with Slurm's prefix, SPANK_ */
#define INHERITED_PREFIX "SLURM_SPANK__SLURM_SPANK_OPTION_"
#define INHERITED_SUFFIX "_rdmareg"
#define SESSION_BYTES 48
#define NODE_CHARACTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-"
#define USEC_PER_SEC 1000000ull

#define SESSION_MEMORY_MIN (UINT64_C(32) << 20) /* less is refused */

enum {
	CREATE_LIMIT_SEC = 5,
	MAKE_LIMIT_SEC = 5,
	RETRY_LIMIT_SEC = 60,
	WARM_LIMIT_SEC = 600,
	RELEASE_LIMIT_SEC = 20,
	REMOVE_LIMIT_SEC = 10
};

/* What the administrator says in plugstack.conf. */
struct settings {
	const char *directory;
	uint64_t wait_usec;
	uint64_t release_grace_usec;
	/* of a job's keepers on a node; both 0: rdmaregd's own limit */
	uint64_t memory_bytes;
	uint64_t memory_percent; /* of the job's memory there */
};

/* Of the place of submission: what was given so far. */
static struct spec_list asked;
static int was_asked;

/* Of a step: memory without a name, which its tasks inherit. The devices live as long as @bus. */
static struct {
	struct rdmareg *bus;
	int fd[SPECS_MAX]; /* 0: none */
	uint64_t bytes[SPECS_MAX];
	char error[SPECS_MAX][SPEC_ERROR_BYTES];
} memory;

/* SIZE, or a part of the job's memory as N%. */
static int read_memory(struct settings *s, const char *text)
{
	size_t n = strlen(text);
	char digits[8];
	uint64_t percent;

	if (!n || text[n - 1] != '%')
		return parse_size(text, &s->memory_bytes);
	if (n > sizeof(digits))
		return -EINVAL;
	memcpy(digits, text, n - 1);
	digits[n - 1] = '\0';
	if (parse_number(digits, &percent) < 0 || !percent || percent > 1000)
		return -EINVAL;
	s->memory_percent = percent;
	return 0;
}

static void read_settings(struct settings *s, int argc, char **argv)
{
	int i;

	*s = (struct settings){ .directory = "~/.rdmareg",
				.wait_usec = 30 * USEC_PER_SEC,
				.release_grace_usec = 2 * USEC_PER_SEC };
	for (i = 0; i < argc; i++) {
		const char *value = strchr(argv[i], '=');
		size_t n = value ? (size_t)(value - argv[i]) : 0;
		int r = -EINVAL;

		if (n == 9 && !strncmp(argv[i], "directory", n) &&
		    (value[1] == '/' || !strncmp(value + 1, "~/", 2))) {
			s->directory = value + 1;
			r = 0;
		} else if (n == 4 && !strncmp(argv[i], "wait", n)) {
			r = parse_time(value + 1, &s->wait_usec);
		} else if (n == 5 && !strncmp(argv[i], "grace", n)) {
			r = parse_time(value + 1, &s->release_grace_usec);
		} else if (n == 6 && !strncmp(argv[i], "memory", n)) {
			r = read_memory(s, value + 1);
		}
		if (r < 0)
			slurm_error(
				"rdmareg: '%s' in plugstack.conf is not understood, and left out; valid: directory=DIRECTORY, wait=TIME, grace=TIME, memory=SIZE or memory=1%% to 1000%% of the job's",
				argv[i]);
	}
}

/* Both are the user's: what the sentence cites, too. */
static void log_list(const char *text, const char *error)
{
	char list[SPEC_ERROR_BYTES], sentence[2 * SPEC_ERROR_BYTES];

	spec_printable(list, sizeof(list), text);
	spec_printable(sentence, sizeof(sentence), error);
	slurm_error("rdmareg: %s=%s: %s", LIST_VARIABLE, list, sentence);
}

/* Of a job that is given no list at all, or an empty one, n is 0. */
static int read_list(spank_t sp, struct spec_list *list)
{
	char text[SPEC_BYTES], error[SPEC_ERROR_BYTES];
	spank_err_t r = spank_getenv(sp, LIST_VARIABLE, text, sizeof(text));

	*list = (struct spec_list){ 0 };
	if (r == ESPANK_ENV_NOEXIST)
		return 0;
	if (r != ESPANK_SUCCESS) {
		slurm_error("rdmareg: %s cannot be read: %s", LIST_VARIABLE, spank_strerror(r));
		return -EINVAL;
	}
	if (spec_list_parse(list, text, error) < 0) {
		log_list(text, error);
		return -EINVAL;
	}
	return 0;
}

/* ---- where the job is submitted */

/*
 * Inside a job Slurm gives srun the last one that the job was submitted with, from a variable of
 * its own and before those that were typed. All of them are in ours, which stays if none is typed.
 */
static int is_inherited(const char *argument)
{
	static int looked;
	size_t n = strlen(INHERITED_PREFIX), m = strlen(INHERITED_SUFFIX);
	char **variable;

	if (looked || !getenv(LIST_VARIABLE))
		return 0;
	looked = 1;
	for (variable = environ; *variable; variable++) {
		const char *value = strchr(*variable, '=');
		size_t length = value ? (size_t)(value - *variable) : 0;

		if (length > n + m && !strncmp(*variable, INHERITED_PREFIX, n) &&
		    !strncmp(value - m, INHERITED_SUFFIX, m) && !strcmp(value + 1, argument))
			return 1;
	}
	return 0;
}

static int take_option(int val, const char *argument, int remote)
{
	char error[SPEC_ERROR_BYTES];

	(void)val;
	/* Slurm passes only the last one on; all of them are in the environment */
	if (remote || is_inherited(argument))
		return 0;
	was_asked = 1;
	if (!strcmp(argument, "none")) {
		asked = (struct spec_list){ 0 };
		return 0;
	}
	if (spec_list_add(&asked, argument, error) < 0) {
		slurm_error("--rdmareg=%s: %s", argument, error);
		return -1;
	}
	return 0;
}

static struct spank_option option = {
	.name = "rdmareg",
	.arginfo = "FILE|dax:SIZE|memfd:SIZE[:r|rw][,OPTION...]",
	.usage =
		"make it reachable for RDMA from all nodes while the job lives; repeatable. Options: "
		"warm, required, policy=follow|yield|hold, grace=TIME, name=NAME. none: nothing",
	.has_arg = 1,
	.cb = take_option,
};

int slurm_spank_init(spank_t sp, int argc, char **argv)
{
	(void)argc;
	(void)argv;
	switch (spank_context()) {
	case S_CTX_LOCAL:
	case S_CTX_ALLOCATOR:
	case S_CTX_REMOTE:
		return spank_option_register(sp, &option) == ESPANK_SUCCESS ? 0 : -1;
	default:
		return 0;
	}
}

/* All that was typed is known: it goes into the job's environment. */
static int tell_job(spank_t sp)
{
	if (was_asked && setenv(LIST_VARIABLE, asked.n ? asked.text : "none", 1) < 0)
		return -1;
	/* the prolog is told that there are regions, not which */
	if (asked.n || (!was_asked && getenv(LIST_VARIABLE)))
		spank_job_control_setenv(sp, PROLOG_VARIABLE, "1", 1);
	return 0;
}

/* ---- what takes long, or may */

/*
 * 1: try again. A session of the job's earlier run is still being released, a keeper did not get
 * ready in time, or something else did not answer in time.
 */
static int retry(int r, uint64_t end, unsigned int *pause)
{
	if ((r != -EBUSY && r != -ETIME && r != -EOWNERDEAD) || exchange_clock() >= end)
		return 0;
	exchange_rest(pause);
	return 1;
}

/* What is done about ticket files by root's hooks. */
struct files {
	const struct settings *settings;
	const char *node;
	uint32_t uid, gid, job;
};

/* In a process of its own: a filesystem that does not answer keeps that one, and nobody else. */
static int apart(int (*work)(const struct files *f), const struct files *f, unsigned int limit_sec)
{
	uint64_t end = exchange_clock() + limit_sec * USEC_PER_SEC;
	struct timespec pause = { .tv_nsec = 1000000 };
	int status = 0;
	pid_t child = fork(), r = 0;

	if (child == 0)
		_exit(work(f) < 0);
	while (child > 0 && (r = waitpid(child, &status, WNOHANG)) == 0 && exchange_clock() < end)
		nanosleep(&pause, NULL);
	if (child > 0 && r == 0)
		kill(child, SIGKILL);
	return child < 0 || r <= 0 || status ? -EIO : 0;
}

/* ---- the beginning of a job on a node */

static int create_session(uint32_t uid, const char *session, uint64_t memory_bytes)
{
	struct rdmareg_open_options options = {
		.size = sizeof(options),
		.work_timeout_usec = CREATE_LIMIT_SEC * USEC_PER_SEC,
	};
	struct rdmareg_session_limits limits = { .size = sizeof(limits),
						 .memory_bytes = memory_bytes };
	uint64_t end = exchange_clock() + CREATE_LIMIT_SEC * USEC_PER_SEC;
	unsigned int pause = EXCHANGE_REST_MSEC;
	struct rdmareg *bus;
	int r = rdmareg_open(&options, &bus);

	if (r < 0)
		return r;
	do
		r = rdmareg_session_create(bus, uid, session, &limits);
	while (retry(r, end, &pause));
	rdmareg_close(bus);
	return r;
}

/*
 * That the job was submitted with regions is all that is taken from its environment, and being
 * wrong about it harms nobody: without a session that was created the job's regions are its user's.
 */
int slurm_spank_job_prolog(spank_t sp, int argc, char **argv)
{
	struct settings settings;
	char session[SESSION_BYTES];
	uint32_t job;
	uid_t uid;
	int r;

	if (!getenv("SPANK_" PROLOG_VARIABLE))
		return 0;
	if (spank_get_item(sp, S_JOB_ID, &job) != ESPANK_SUCCESS ||
	    spank_get_item(sp, S_JOB_UID, &uid) != ESPANK_SUCCESS) {
		slurm_error("rdmareg: a prolog without a job");
		return 0;
	}
	read_settings(&settings, argc, argv);
	snprintf(session, sizeof(session), "slurm.%u", job);
	r = create_session(uid, session, settings.memory_bytes);
	/* a step has set its memory limit already: slurmd was restarted */
	if (r < 0 && !(r == -EEXIST && settings.memory_percent))
		slurm_error("rdmareg: job %u: creating session %s: %s", job, session,
			    rdmareg_last_error());
	return 0;
}

/* ---- a step of a job */

/* The step that holds the job's processes together has no tasks of the user. */
static int is_extern(spank_t sp)
{
	uint32_t step;

	return spank_get_item(sp, S_JOB_STEPID, &step) != ESPANK_SUCCESS ||
	       step == SLURM_EXTERN_CONT;
}

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

/*
 * The prolog is not told the job's memory; a step is, from Slurm's credential. A session that nobody
 * created has no limits.
 */
static void limit_memory(spank_t sp, const struct settings *s)
{
	struct rdmareg_open_options options = {
		.size = sizeof(options),
		.work_timeout_usec = CREATE_LIMIT_SEC * USEC_PER_SEC,
	};
	struct rdmareg_session_limits limits = { .size = sizeof(limits) };
	char session[SESSION_BYTES];
	struct rdmareg *bus;
	uint64_t mib = 0;
	uint32_t job;
	uid_t uid;
	int r;

	if (spank_get_item(sp, S_JOB_ID, &job) != ESPANK_SUCCESS ||
	    spank_get_item(sp, S_JOB_UID, &uid) != ESPANK_SUCCESS ||
	    spank_get_item(sp, S_JOB_ALLOC_MEM, &mib) != ESPANK_SUCCESS || !mib ||
	    mib > UINT64_MAX >> 31)
		return;
	limits.memory_bytes = (mib * s->memory_percent << 20) / 100;
	if (limits.memory_bytes < SESSION_MEMORY_MIN)
		limits.memory_bytes = SESSION_MEMORY_MIN;
	snprintf(session, sizeof(session), "slurm.%u", job);
	r = rdmareg_open(&options, &bus);
	if (r == 0) {
		r = rdmareg_session_set_limits(bus, uid, session, &limits);
		bus = rdmareg_close(bus);
	}
	if (r < 0 && r != -ENXIO)
		slurm_error("rdmareg: job %u: limiting the memory of session %s: %s", job, session,
			    rdmareg_last_error());
}

static int make_parent(const struct files *f)
{
	return exchange_make_parent(f->settings->directory, f->uid, f->gid);
}

static void make_directory(spank_t sp, const struct settings *s)
{
	struct files f = { .settings = s };
	uid_t uid;
	gid_t gid;

	if (s->directory[0] != '/' || spank_get_item(sp, S_JOB_UID, &uid) != ESPANK_SUCCESS ||
	    spank_get_item(sp, S_JOB_GID, &gid) != ESPANK_SUCCESS)
		return;
	f.uid = uid;
	f.gid = gid;
	if (apart(make_parent, &f, MAKE_LIMIT_SEC) < 0)
		slurm_error("rdmareg: no directory of user %u could be made in %s", f.uid,
			    s->directory);
}

/* In slurmstepd, as root. Whether there is a list is the user's word; what is done is not. */
static void begin_step(spank_t sp, int argc, char **argv)
{
	struct settings settings;
	struct spec_list list;

	if (is_extern(sp) || read_list(sp, &list) < 0 || !list.n)
		return;
	read_settings(&settings, argc, argv);
	make_directory(sp, &settings);
	if (settings.memory_percent)
		limit_memory(sp, &settings);
}

int slurm_spank_init_post_opt(spank_t sp, int argc, char **argv)
{
	switch (spank_context()) {
	case S_CTX_LOCAL:
	case S_CTX_ALLOCATOR:
		return tell_job(sp);
	case S_CTX_REMOTE:
		begin_step(sp, argc, argv);
		return 0;
	default:
		return 0;
	}
}

int slurm_spank_user_init(spank_t sp, int argc, char **argv)
{
	struct spec_list list;
	size_t i;

	(void)argc;
	(void)argv;
	if (!spank_remote(sp) || is_extern(sp) || read_list(sp, &list) < 0)
		return 0;
	for (i = 0; i < list.n; i++) {
		const struct spec *s = &list.specs[i];
		int r = s->source == SPEC_MEMFD ? make_memfd(i, s)
			: s->source == SPEC_DAX ? make_dax(i, s)
						: 0;

		if (r < 0)
			snprintf(memory.error[i], sizeof(memory.error[i]), "%s",
				 s->source == SPEC_DAX ? rdmareg_last_error() : strerror(-r));
	}
	return 0;
}

/* ---- a task, before it is the user's program */

struct task {
	struct spec_list list;
	struct settings settings;
	struct exchange x;
	struct rdmareg *bus;
	char session[SESSION_BYTES];
	uint32_t uid, job, nodes;
	int failed; /* 1: a region of this node that is required is missing */
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
	snprintf(t->session, sizeof(t->session), "slurm.%u", t->job);
	return 0;
}

/* What the node's tasks know of each other: KEY TAB ID TAB TICKET, a line for each region. */
static void key_of(const struct task *t, const struct spec *s, char *key, size_t bytes)
{
	if (s->source == SPEC_FILE)
		snprintf(key, bytes, "%s\t%s\t%s", s->name, rdmareg_access_name(s->access),
			 s->path);
	else
		snprintf(key, bytes, "%s\t%u", s->name, t->x.step);
}

static char *ticket_of_earlier_step(const struct task *t, FILE *notes, const char *key)
{
	char *line = NULL, *ticket = NULL;
	size_t size = 0, n = strlen(key);
	struct rdmareg_region *region;
	unsigned long long id;
	int at;

	rewind(notes);
	while (getline(&line, &size, notes) > 0) {
		if (strncmp(line, key, n) || line[n] != '\t')
			continue;
		if (sscanf(line + n, "\t%llu\t%n", &id, &at) != 1)
			continue;
		if (rdmareg_lookup(t->bus, id, &region) < 0)
			continue;
		rdmareg_region_free(region);
		free(ticket);
		line[n + (size_t)at + strcspn(line + n + at, "\n")] = '\0';
		ticket = strdup(line + n + at);
	}
	free(line);
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
			   struct rdmareg_region **ret)
{
	struct rdmareg_register_options options = {
		.size = sizeof(options),
		.session = t->session,
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
	} while (retry(r, end, &pause));
	return r;
}

/* A ticket of one region of this node, or NULL with a sentence. */
static char *make_region(struct task *t, size_t i, FILE *notes, char error[SPEC_ERROR_BYTES])
{
	const struct spec *s = &t->list.specs[i];
	struct rdmareg_region *region = NULL;
	char key[SPEC_BYTES + 128], *ticket;
	uint64_t length;
	int fd, r;

	key_of(t, s, key, sizeof(key));
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
	r = register_memory(t, fd, length, s, &region);
	close(fd);
	if (r == 0)
		r = rdmareg_export(region, NULL, &ticket);
	if (r < 0) {
		snprintf(error, SPEC_ERROR_BYTES, "%s", rdmareg_last_error());
		error[strcspn(error, "\n")] = '\0';
		if (region)
			rdmareg_release(region);
	} else {
		fprintf(notes, "%s\t%llu\t%s\n", key, (unsigned long long)rdmareg_region_id(region),
			ticket);
	}
	rdmareg_region_free(region);
	return r < 0 ? NULL : ticket;
}

static void put_line(struct task *t, size_t i, FILE *notes, FILE *lines)
{
	const struct spec *s = &t->list.specs[i];
	char error[SPEC_ERROR_BYTES] = "", *ticket = NULL;

	if (t->bus)
		ticket = make_region(t, i, notes, error);
	else
		snprintf(error, sizeof(error), "%s", rdmareg_last_error());
	if (ticket) {
		fprintf(lines, "%u %s %s %s %s\n", t->x.node_id, t->x.node, s->name,
			rdmareg_access_name(s->access), ticket);
	} else {
		fprintf(lines, "# node %u of the step, %s: region %s failed: %s\n", t->x.node_id,
			t->x.node, s->name, error);
		slurm_error("rdmareg: job %u: region %s: %s", t->job, s->name, error);
	}
	free(ticket);
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

int slurm_spank_task_init(spank_t sp, int argc, char **argv)
{
	struct task t = { .x.fd = -1 };
	char path[PATH_MAX] = "", value[16], why[EXCHANGE_ERROR_BYTES + 64] = "";
	char error[EXCHANGE_ERROR_BYTES] = "";
	int missing = 0, r;

	if (!spank_remote(sp) || is_extern(sp))
		return 0;
	forget_caller(sp);
	if (read_list(sp, &t.list) < 0 || !t.list.n)
		return 0;
	read_settings(&t.settings, argc, argv);
	r = identify(sp, &t);
	/* what the program registers itself is the job's too, and ends with it */
	if (r == 0)
		spank_setenv(sp, "RDMAREG_SESSION", t.session, 1);
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
	return 0;
}

/* ---- the end of a job on a node */

struct ids {
	uint64_t *at;
	size_t n;
};

static int regions_of_job(struct rdmareg *bus, uint32_t uid, const char *session, struct ids *ret)
{
	struct rdmareg_list_options options = { .size = sizeof(options), .session = session };
	struct rdmareg_region_info info = { .size = sizeof(info) };
	struct rdmareg_list *list;
	int r = rdmareg_list(bus, &options, &list);

	if (r < 0)
		return r;
	while ((r = rdmareg_list_next(list, &info)) > 0) {
		uint64_t *more;

		if (info.uid != uid)
			continue;
		more = realloc(ret->at, (ret->n + 1) * sizeof(*more));
		if (!more) {
			r = -ENOMEM;
			break;
		}
		ret->at = more;
		ret->at[ret->n++] = info.id;
	}
	rdmareg_list_free(list);
	return r;
}

/* Of a job whose session nobody created: a step asked for regions, the job did not. */
static int release_regions(struct rdmareg *bus, uint64_t grace_usec, uint32_t uid,
			   const char *session)
{
	struct rdmareg_release_options release = { .size = sizeof(release),
						   .grace_usec = grace_usec };
	struct ids ids = { 0 };
	int r = regions_of_job(bus, uid, session, &ids);

	if (r == 0 && ids.n)
		r = rdmareg_release_all(bus, ids.at, ids.n, &release, NULL, NULL);
	free(ids.at);
	/* somebody else was quicker: gone is what was wanted */
	return r == -ENOENT ? 0 : r;
}

/* What is late ends by itself; who wonders why a device is still busy finds it in the log. */
static void log_late(struct rdmareg_released *l, uint32_t job, const char *session)
{
	struct rdmareg_released_region region = { .size = sizeof(region) };

	while (rdmareg_released_next(l, &region) > 0)
		if (region.outcome == RDMAREG_RELEASE_LATE)
			slurm_error("rdmareg: job %u: region %llu of session %s is late: %s", job,
				    (unsigned long long)region.region, session, region.text);
}

static void release_job(const struct settings *s, uint32_t uid, uint32_t job)
{
	struct rdmareg_open_options options = {
		.size = sizeof(options),
		.work_timeout_usec = RELEASE_LIMIT_SEC * USEC_PER_SEC,
	};
	struct rdmareg_session_release_options release = {
		.size = sizeof(release),
		.grace_usec = s->release_grace_usec ? s->release_grace_usec : RDMAREG_NO_GRACE,
		.limit_usec = RELEASE_LIMIT_SEC * USEC_PER_SEC / 2,
	};
	struct rdmareg_released *released = NULL;
	char session[SESSION_BYTES];
	struct rdmareg *bus;
	int r = rdmareg_open(&options, &bus);

	snprintf(session, sizeof(session), "slurm.%u", job);
	if (r == 0) {
		r = rdmareg_session_release(bus, uid, session, &release, &released);
		if (released)
			log_late(released, job, session);
		rdmareg_released_free(released);
		if (r == -ENXIO)
			r = release_regions(bus, release.grace_usec, uid, session);
		bus = rdmareg_close(bus);
	}
	if (r < 0)
		slurm_error("rdmareg: job %u: releasing session %s: %s", job, session,
			    rdmareg_last_error());
}

/* Gives root up for good: it is called in a process of its own. */
static int remove_as_user(const struct files *f)
{
	struct passwd *account = getpwuid(f->uid);
	char path[PATH_MAX];
	int r;

	if (!account || initgroups(account->pw_name, account->pw_gid) < 0 ||
	    setgid(account->pw_gid) < 0 || setuid(f->uid) < 0)
		return -EPERM;
	r = exchange_path(path, f->settings->directory, f->uid, f->job);
	return r < 0 ? r : exchange_remove(path, f->node);
}

int slurm_spank_job_epilog(spank_t sp, int argc, char **argv)
{
	struct settings settings;
	struct files f = { .settings = &settings, .node = getenv("SLURMD_NODENAME") };
	uint32_t job;
	uid_t uid;

	if (spank_get_item(sp, S_JOB_ID, &job) != ESPANK_SUCCESS ||
	    spank_get_item(sp, S_JOB_UID, &uid) != ESPANK_SUCCESS) {
		slurm_error("rdmareg: an epilog without a job");
		return 0;
	}
	read_settings(&settings, argc, argv);
	release_job(&settings, uid, job);
	f.uid = uid;
	f.job = job;
	if (f.node && *f.node && apart(remove_as_user, &f, REMOVE_LIMIT_SEC) < 0)
		slurm_error("rdmareg: job %u: ticket files of this node could not be removed", job);
	return 0;
}
