// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * slurm.c - Slurm that is played, for the plugin's hooks: loads the plugin and calls one of them in a process of its own, as slurmd and
 * slurmstepd do. It knows what a plugin asks of SPANK, and nothing of jobs.
 *
 *   slurm-played PLUGIN option TEXT...      each as an argument of the option; then prints what the job's environment has
 *   slurm-played PLUGIN HOOK N JOB UID STEP NODES NODE [ARGUMENT...]
 *	HOOK (init_post_opt, user_init, task_init, job_prolog, job_epilog) N times, with the plugin's arguments of plugstack.conf. Prints
 *	"HOOK N times: LONGEST us at most", then, of a task, what the plugin put into its environment.
 *
 * Its own environment is that of the job; PLAYED_MIB is the job's memory on the node. Exits 0, or 1 when the hook or the plugin failed.
 */
#undef NDEBUG
#include <assert.h>
#include <dlfcn.h>
#include <slurm/slurm.h>
#include <slurm/spank.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static struct {
	spank_context_t context;
	struct spank_option option;
	uint32_t job, step, nodes, node;
	uid_t uid;
} world;

static uint32_t number(const char *text)
{
	return (uint32_t)strtoul(text, NULL, 10);
}

spank_context_t spank_context(void)
{
	return world.context;
}

int spank_remote(spank_t sp)
{
	(void)sp;
	return world.context == S_CTX_REMOTE;
}

spank_err_t spank_option_register(spank_t sp, struct spank_option *opt)
{
	(void)sp;
	world.option = *opt;
	return ESPANK_SUCCESS;
}

spank_err_t spank_get_item(spank_t sp, spank_item_t item, ...)
{
	spank_err_t r = ESPANK_SUCCESS;
	va_list arguments;

	(void)sp;
	va_start(arguments, item);
	switch (item) {
	case S_JOB_UID:
		*va_arg(arguments, uid_t *) = world.uid;
		break;
	case S_JOB_GID:
		*va_arg(arguments, gid_t *) = getgid();
		break;
	case S_JOB_ID:
		*va_arg(arguments, uint32_t *) = world.job;
		break;
	case S_JOB_STEPID:
		*va_arg(arguments, uint32_t *) = world.step;
		break;
	case S_JOB_NNODES:
		*va_arg(arguments, uint32_t *) = world.nodes;
		break;
	case S_JOB_NODEID:
		*va_arg(arguments, uint32_t *) = world.node;
		break;
	case S_JOB_ALLOC_MEM:
		*va_arg(arguments, uint64_t *) =
			getenv("PLAYED_MIB") ? number(getenv("PLAYED_MIB")) : 0;
		break;
	case S_JOB_ENV:
		*va_arg(arguments, char ***) = environ;
		break;
	case S_SLURM_RESTART_COUNT:
		*va_arg(arguments, uint32_t *) = 0;
		break;
	default:
		r = ESPANK_BAD_ARG;
	}
	va_end(arguments);
	return r;
}

spank_err_t spank_getenv(spank_t sp, const char *var, char *buf, int len)
{
	const char *value = getenv(var);

	(void)sp;
	if (!value)
		return ESPANK_ENV_NOEXIST;
	return snprintf(buf, (size_t)len, "%s", value) < len ? ESPANK_SUCCESS : ESPANK_NOSPACE;
}

spank_err_t spank_setenv(spank_t sp, const char *var, const char *val, int overwrite)
{
	(void)sp;
	printf("%s=%s\n", var, val);
	return setenv(var, val, overwrite) ? ESPANK_BAD_ARG : ESPANK_SUCCESS;
}

spank_err_t spank_unsetenv(spank_t sp, const char *var)
{
	(void)sp;
	if (getenv(var))
		printf("-%s\n", var);
	return unsetenv(var) ? ESPANK_BAD_ARG : ESPANK_SUCCESS;
}

spank_err_t spank_job_control_setenv(spank_t sp, const char *name, const char *value, int overwrite)
{
	(void)sp;
	(void)overwrite;
	fprintf(stderr, "SPANK_%s=%s\n", name, value);
	return ESPANK_SUCCESS;
}

const char *spank_strerror(spank_err_t err)
{
	(void)err;
	return "an error of SPANK";
}

void slurm_error(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputc('\n', stderr);
}

static long long now_usec(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000ll + t.tv_nsec / 1000;
}

static spank_f *find(void *plugin, const char *hook)
{
	char name[64];

	snprintf(name, sizeof(name), "slurm_spank_%s", hook);
	return (spank_f *)dlsym(plugin, name);
}

static int submit(void *plugin, int n, char **texts)
{
	spank_f *end = find(plugin, "init_post_opt");
	const char *list;
	int i;

	for (i = 0; i < n; i++)
		if (world.option.cb(world.option.val, texts[i], 0))
			return 1;
	assert(end);
	if (end(NULL, 0, NULL))
		return 1;
	list = getenv("SLURM_RDMAREG");
	printf("%s\n", list ? list : "");
	return 0;
}

static int call(void *plugin, const char *name, int n, int argc, char **argv)
{
	spank_f *hook = find(plugin, name);
	long long longest = 0;
	int i, r = 0;

	for (i = 0; i < n && hook && r == 0; i++) {
		long long begin = now_usec();

		r = hook(NULL, argc, argv);
		begin = now_usec() - begin;
		if (begin > longest)
			longest = begin;
	}
	printf("%s %d times: %lld us at most\n", name, hook ? n : 0, longest);
	return r ? 1 : 0;
}

int main(int argc, char **argv)
{
	int submits = argc > 2 && !strcmp(argv[2], "option");
	spank_f *begin;
	void *plugin;

	if (!submits && argc < 9)
		return 2;
	world.context = submits			      ? S_CTX_ALLOCATOR
			: strncmp(argv[2], "job_", 4) ? S_CTX_REMOTE
						      : S_CTX_JOB_SCRIPT;
	plugin = dlopen(argv[1], RTLD_NOW);
	if (!plugin) {
		fprintf(stderr, "%s\n", dlerror());
		return 2;
	}
	begin = find(plugin, "init");
	if (!begin || begin(NULL, 0, NULL))
		return 1;
	if (submits)
		return submit(plugin, argc - 3, argv + 3);
	world.job = number(argv[4]);
	world.uid = number(argv[5]);
	world.step = number(argv[6]);
	world.nodes = number(argv[7]);
	world.node = number(argv[8]);
	return call(plugin, argv[2], atoi(argv[3]), argc - 9, argv + 9);
}
