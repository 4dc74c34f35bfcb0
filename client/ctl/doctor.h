/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * doctor.h - does what exists belong together? Facts, which gatherers fill in (doctor-ask.c: what
 * rdmaregd says; doctor-look.c: what the kernel shows), and a judge of them (doctor-judge.c).
 *
 * What always holds: the judge asks nobody and reads nothing, so that the same facts have the same
 * findings. A fact that was not looked at is 0 and marked so, and nothing is concluded from it.
 * Things come and go while the gatherers look, so one that looks again drops what is not there any
 * more; but only a look that could have seen it does.
 */
#ifndef RDMAREGCTL_DOCTOR_H
#define RDMAREGCTL_DOCTOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What the adapter's driver has made for a process, in the order of resource_names. */
enum doctor_resource {
	DOCTOR_MR,
	DOCTOR_PD,
	DOCTOR_QP,
	DOCTOR_CM_ID,
	_DOCTOR_RESOURCE_MAX,
};

#define DOCTOR_SLEEPERS_MAX 8

/* A thread in a sleep that nothing interrupts. One that works sleeps again and again. */
struct doctor_sleeper {
	uint32_t thread;
	uint64_t switches; /* how often it has gone to sleep so far */
};

/* A process, as /proc has it. */
struct doctor_process {
	uint32_t pid; /* 0: not known */
	char state;   /* 'R', 'S', 'T', ...; 0: there is none of this number */
	struct doctor_sleeper sleepers[DOCTOR_SLEEPERS_MAX];
	size_t n_sleepers;
	bool inside;	/* what follows was looked at, which only root can */
	uint64_t files; /* descriptors of files that are not its own: of users */
	uint64_t descriptors, descriptors_max, locked_max;
	uint64_t mapped_bytes; /* of such files */
};

struct doctor_keeper {
	const char *name, *state, *unit, *session; /* as rdmaregd says, and so are these: */
	uint32_t uid;
	uint64_t regions, bytes;
	struct doctor_process process;
	bool driven;  /* what rdmaregd says of it is what it told */
	bool outside; /* it is not in the control group of its unit */
	uint64_t resources[_DOCTOR_RESOURCE_MAX];
	uint64_t leases;
	bool socket, record; /* its files in the runtime directory */
};

/* A process with the keepers' program that rdmaregd does not list. Any user can have one. */
struct doctor_stray {
	uint32_t pid, uid;
};

/* A user's session, by the list of regions. */
struct doctor_tenant {
	uint32_t uid;
	char session[64];
	uint64_t regions, bytes;
	uint64_t leased; /* of them, that are live and say that they have a layout lease */
};

struct doctor_problem {
	const char *what, *cause, *command;
};

struct doctor_adapter {
	const char *name, *driver, *abilities;
	uint64_t mtu; /* of its interface; 0: not known */
};

/* A systemd unit that is called like one of ours. */
struct doctor_unit {
	char name[256];
	char active[16]; /* "active", "failed", ... */
};

struct doctor_text {
	char text[256];
};

struct doctor_facts {
	bool root; /* all users' things are seen */

	/*
	 * Set before: how long each that is asked has for its answer, and when (of
	 * program_now_usec()) none is waited for any longer
	 */
	uint64_t part_usec, until_usec;

	const char *silent; /* why rdmaregd could not be asked; NULL: it answered */
	char why_silent[512];
	bool no_bus_policy;
	const char *version, *own_version, *module_version;
	uint64_t regions, bytes; /* that it has charged */
	uint64_t newest;	 /* number of the newest region; another one: things come and go */
	int64_t clock_step_usec; /* how far the clock was set since rdmaregd started */
	struct doctor_process daemon;

	struct doctor_problem *problems;
	size_t n_problems;
	struct doctor_adapter *adapters;
	size_t n_adapters;
	struct doctor_keeper *keepers;
	size_t n_keepers;
	struct doctor_tenant *tenants;
	size_t n_tenants;

	bool have_processes, have_runtime, have_resources, have_locks, have_settings;
	struct doctor_stray *strays;
	size_t n_strays;
	struct doctor_text *files; /* in the runtime directory, of no keeper that is listed */
	size_t n_files;
	struct doctor_unit *units;
	size_t n_units;

	bool module;		  /* it is loaded, and has told: */
	uint32_t abi, wanted_abi; /* 0: it was not asked */
	uint64_t openers, ranges, layouts;

	/* Settings, and what the kernel allows; 0: not known. */
	uint32_t keeper_uid_first, keeper_uid_last; /* users that keepers are */
	uint64_t regions_per_tenant, peers_per_tenant, memlock_bytes, max_map_count;
	struct doctor_text *addresses; /* of listen_address, that this machine does not have */
	size_t n_addresses;

	struct doctor_text *unseen; /* what was not looked at, and why */
	size_t n_unseen;
	bool incomplete; /* some of it is what this user may see */
};

/*
 * Both fill in what they see and note what they do not. doctor_ask: what rdmaregd says, on a
 * connection of its own; @ret_o: what texts of the facts are part of, freed with json_object_put()
 * after doctor_free(). doctor_look: what the kernel and the files show of that, so it comes second.
 */
struct json_object;
void doctor_ask(struct doctor_facts *t, struct json_object **ret_o);
void doctor_look(struct doctor_facts *t);
void doctor_free(struct doctor_facts *t);

/*
 * One more element, all zero, behind an array of the facts, whose pointer @array points to;
 * doctor_unseen: a line of that list.
 * There is always room: where there is no memory, one that is overwritten is given.
 */
void *doctor_grow(void *array, size_t *n, size_t size);
void doctor_unseen(struct doctor_facts *t, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

enum doctor_level {
	DOCTOR_NOTE,  /* worth knowing */
	DOCTOR_WRONG, /* something has to be done */
};

enum doctor_kind {
	FOUND_SILENT,
	FOUND_BUS_POLICY,
	FOUND_PROBLEM,
	FOUND_VERSIONS,
	FOUND_ABI,
	FOUND_CLOCK,
	FOUND_CHARGES,
	FOUND_DAEMON_STOPPED,
	FOUND_DAEMON_SLEEPS,
	FOUND_DAEMON_FILES,
	FOUND_DAEMON_DESCRIPTORS,
	FOUND_GONE,
	FOUND_STOPPED,
	FOUND_SLEEPS,
	FOUND_OUTSIDE,
	FOUND_UNRECORDED,
	FOUND_DISAGREE,
	FOUND_RESOURCES_LEFT,
	FOUND_RESOURCES_LACK,
	FOUND_LEASES_LEFT,
	FOUND_LEASES_LACK,
	FOUND_MAPPINGS_LEFT,
	FOUND_FILES_LEFT,
	FOUND_DESCRIPTORS,
	FOUND_OLD_LIMITS,
	FOUND_STRAY_PROCESS,
	FOUND_STRAY_FILE,
	FOUND_STRAY_UNIT,
	FOUND_FAILED_UNIT,
	FOUND_WATCHES_LEFT,
	FOUND_MAP_COUNT,
	FOUND_ADDRESS,
	FOUND_UNTESTED,
	FOUND_SOFT,
	FOUND_MTU,
	_FOUND_MAX,
};

/* What is the matter and what to do, for each kind. @command: NULL: the finding has its own. */
struct doctor_words {
	const char *word; /* for programs */
	enum doctor_level level;
	const char *what, *command;
};
extern const struct doctor_words doctor_words[_FOUND_MAX];

struct doctor_finding {
	enum doctor_kind kind;
	char subject[128]; /* what it is about: with the kind, the same in every look, as is */
	/* with the detail, what would have changed if it were only on its way; 0: nothing */
	uint64_t mark;
	char what[256]; /* in place of the kind's; "": that */
	char detail[512];
	char command[256]; /* likewise */
};

#define DOCTOR_FINDINGS_MAX 200 /* more are counted only */

struct doctor_findings {
	struct doctor_finding all[DOCTOR_FINDINGS_MAX];
	size_t n, others, others_wrong; /* wrong: of the others */
};

/* @ret: what these facts say is wrong or worth knowing, the wrong first. */
void doctor_judge(const struct doctor_facts *facts, struct doctor_findings *ret);

/*
 * Leaves in @f what is in @again, too; all, unless @saw_all: it could see what @f has. That rdmaregd
 * does not answer any more is added.
 */
void doctor_confirm(struct doctor_findings *f, const struct doctor_findings *again, bool saw_all);

#endif
