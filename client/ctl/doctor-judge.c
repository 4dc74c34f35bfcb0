// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * doctor-judge.c - see doctor.h. What is said of each kind of finding stands in doctor_words; the
 * functions below decide which facts are one.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "doctor.h"
#include "proto/keeper-options.h"

#define SOFT_DRIVER "software" /* as daemon/selftest/quirks.c calls one without a device below it */
#define SOFT_MTU 4200u	       /* below it soft-RoCE misplaces data */
#define PROCESS_MAPPINGS 200u  /* its libraries, threads and buffers */
#define HUGE_PAGE (2u << 20)   /* a region's mapping may be longer than the region by less */
#define CLOCK_STEP_USEC 10000000

static const char *const resource_names[] = { "memory regions", "protection domains", "queue pairs",
					      "connections" };

/* clang-format off */
const struct doctor_words doctor_words[] = {
	[FOUND_SILENT] = { "daemon-silent", DOCTOR_WRONG, "rdmaregd does not answer",
		"systemctl status rdmaregd; journalctl -u rdmaregd" },
	[FOUND_BUS_POLICY] = { "bus-policy", DOCTOR_WRONG, "the bus lets nobody have the name of rdmaregd: its policy file is not installed",
		"install rdmaregd again, then: systemctl reload dbus" },
	[FOUND_PROBLEM] = { "problem", DOCTOR_WRONG, NULL, NULL },
	[FOUND_VERSIONS] = { "versions", DOCTOR_NOTE, "parts of different versions run",
		"systemctl restart rdmaregd; modprobe -r rdmareg && modprobe rdmareg when no region is there" },
	[FOUND_ABI] = { "module-abi", DOCTOR_WRONG, "the module that is loaded does not fit",
		"install the module of this version, then, when no region is there: modprobe -r rdmareg && modprobe rdmareg" },
	[FOUND_CLOCK] = { "clock", DOCTOR_NOTE, "the clock was set: times of day from before are not those of now",
		"nothing: deadlines go by another clock" },
	[FOUND_CHARGES] = { "charges", DOCTOR_WRONG, "what rdmaregd has charged is not what it lists",
		"report it; systemctl restart rdmaregd counts anew, and no region is lost" },
	[FOUND_DAEMON_STOPPED] = { "daemon-stopped", DOCTOR_WRONG, "rdmaregd is stopped: it answers nobody",
		"find out who stopped it, then: kill -CONT PID" },
	[FOUND_DAEMON_SLEEPS] = { "daemon-sleeps", DOCTOR_WRONG, "threads of rdmaregd wait for a filesystem or device that does not answer",
		"cat /proc/PID/task/*/stack and the kernel's log name it; repair or unmount it" },
	[FOUND_DAEMON_FILES] = { "daemon-files", DOCTOR_NOTE, "rdmaregd has files of users open: they are being registered, or cannot be closed",
		"if nothing is being registered, their filesystem does not answer: ls -l /proc/PID/fd" },
	[FOUND_DAEMON_DESCRIPTORS] = { "daemon-descriptors", DOCTOR_WRONG, "rdmaregd is running out of descriptors",
		"ls -l /proc/PID/fd; LimitNOFILE= of rdmaregd.service" },
	[FOUND_GONE] = { "keeper-gone", DOCTOR_WRONG, "rdmaregd lists a keeper whose process is not there",
		"journalctl -u rdmaregd; report it" },
	[FOUND_STOPPED] = { "keeper-stopped", DOCTOR_WRONG, "a keeper is stopped: nobody answers for its regions",
		"find out who stopped it, then: kill -CONT PID" },
	[FOUND_SLEEPS] = { "keeper-sleeps", DOCTOR_WRONG, "threads of a keeper wait for storage or an adapter that does not answer",
		"cat /proc/PID/task/*/stack and the kernel's log name it; repair or unmount it" },
	[FOUND_OUTSIDE] = { "keeper-outside", DOCTOR_WRONG, "a keeper is not in the control group of its unit: its memory is charged elsewhere",
		"find out who moved it (cat /proc/PID/cgroup), then: rdmaregctl keeper replace NAME" },
	[FOUND_UNRECORDED] = { "keeper-unrecorded", DOCTOR_WRONG, "a file of a keeper is missing: the next rdmaregd will not find it, or release its regions",
		"find out who removed it, then: rdmaregctl keeper replace NAME, before rdmaregd is restarted" },
	[FOUND_DISAGREE] = { "keepers-disagree", DOCTOR_WRONG, "the regions that rdmaregd lists are not those of its keepers",
		"journalctl -u rdmaregd; report it" },
	[FOUND_RESOURCES_LEFT] = { "resources-left", DOCTOR_WRONG, "a keeper has more on the adapter than its regions and peers need",
		"if the journal of its unit names storage that does not answer, repair that; else report it, and: rdmaregctl keeper replace NAME" },
	[FOUND_RESOURCES_LACK] = { "resources-lack", DOCTOR_WRONG, "a keeper has less on the adapter than its regions need: peers cannot reach some",
		"journalctl -u the keeper's unit; report it, and: rdmaregctl keeper replace NAME" },
	[FOUND_LEASES_LEFT] = { "leases-left", DOCTOR_WRONG, "there are more layout leases than regions: truncates wait for nobody",
		"report it, and: rdmaregctl keeper replace NAME" },
	[FOUND_LEASES_LACK] = { "leases-lack", DOCTOR_WRONG, "regions say that they have a layout lease, and the kernel knows of fewer",
		"their holders will not be asked; report it, and: rdmaregctl keeper replace NAME" },
	[FOUND_MAPPINGS_LEFT] = { "mappings-left", DOCTOR_WRONG, "a keeper maps more of files than its regions",
		"if the journal of its unit names storage that does not answer, repair that; else report it, and: rdmaregctl keeper replace NAME" },
	[FOUND_FILES_LEFT] = { "files-left", DOCTOR_WRONG, "a keeper has more files open than it has regions",
		"if the journal of its unit names storage that does not answer, repair that; else report it, and: rdmaregctl keeper replace NAME" },
	[FOUND_DESCRIPTORS] = { "keeper-descriptors", DOCTOR_WRONG, "a keeper is running out of descriptors",
		"release regions, or raise regions_per_tenant and peers_per_tenant and: rdmaregctl keeper replace NAME" },
	[FOUND_OLD_LIMITS] = { "keeper-limits", DOCTOR_NOTE, "a keeper was started with lower limits than rdmaregd.conf gives now",
		"rdmaregctl keeper replace NAME, if it needs them" },
	[FOUND_STRAY_PROCESS] = { "stray-process", DOCTOR_WRONG, "a keeper's process is none of those that rdmaregd lists",
		"systemctl status PID says what it is; if it is of an earlier rdmaregd, end it: kill PID" },
	[FOUND_STRAY_FILE] = { "stray-file", DOCTOR_WRONG, "a file of a keeper is there, and the keeper is not",
		"systemctl restart rdmaregd removes it; if it comes again, report it" },
	[FOUND_STRAY_UNIT] = { "stray-unit", DOCTOR_WRONG, "a unit of a keeper runs, and rdmaregd does not list the keeper",
		"systemctl status UNIT; if it has nothing that is needed: systemctl stop UNIT" },
	[FOUND_FAILED_UNIT] = { "failed-unit", DOCTOR_WRONG, "a unit has failed",
		"journalctl -u UNIT; then: systemctl reset-failed UNIT" },
	[FOUND_WATCHES_LEFT] = { "watches-left", DOCTOR_WRONG, "the module has more watches than there are regions",
		"report it; rdmaregctl keeper replace ends those of a keeper" },
	[FOUND_MAP_COUNT] = { "map-count", DOCTOR_WRONG, "vm.max_map_count is too small for what rdmaregd.conf allows each tenant",
		"sysctl -w vm.max_map_count=N, and in /etc/sysctl.d; or lower regions_per_tenant or peers_per_tenant" },
	[FOUND_ADDRESS] = { "address", DOCTOR_WRONG, "keepers are to listen at an address that this machine does not have",
		"ip address: give it back, or correct listen_address in rdmaregd.conf, and: rdmaregctl reload" },
	[FOUND_UNTESTED] = { "untested", DOCTOR_NOTE, "an adapter has no self-test that is valid now: keepers assume the worst",
		"rdmaregctl selftest NAME" },
	[FOUND_SOFT] = { "soft", DOCTOR_NOTE, "soft-RoCE is an adapter for trying things out",
		"nothing; peers can write whole pages only, and prefetching needs Linux 6.17" },
	[FOUND_MTU] = { "mtu", DOCTOR_WRONG, "the MTU is too small for soft-RoCE: peers will be refused",
		"ip link set DEV mtu 4200, at both ends" },
};
/* clang-format on */
_Static_assert(sizeof(doctor_words) / sizeof(doctor_words[0]) == _FOUND_MAX, "a kind has no words");

static struct doctor_finding *find(struct doctor_findings *f, enum doctor_kind kind,
				   const char *subject, const char *detail, ...)
	__attribute__((format(printf, 4, 5)));
static struct doctor_finding *find(struct doctor_findings *f, enum doctor_kind kind,
				   const char *subject, const char *detail, ...)
{
	static struct doctor_finding spare;
	struct doctor_finding *it = f->n < DOCTOR_FINDINGS_MAX ? &f->all[f->n++] : &spare;
	va_list args;

	f->others += it == &spare;
	f->others_wrong += it == &spare && doctor_words[kind].level == DOCTOR_WRONG;
	*it = (struct doctor_finding){ .kind = kind };
	snprintf(it->subject, sizeof(it->subject), "%s", subject);
	va_start(args, detail);
	vsnprintf(it->detail, sizeof(it->detail), detail, args);
	va_end(args);
	return it;
}

/* Numbers are compared that were read one after the other, while regions come and go. */
static struct doctor_finding *at_rest(const struct doctor_facts *t, struct doctor_finding *it)
{
	it->mark = (t->newest << 32) + t->regions + 1;
	return it;
}

static void judge_sleepers(const struct doctor_process *p, enum doctor_kind kind,
			   const char *subject, struct doctor_findings *f)
{
	for (size_t i = 0; i < p->n_sleepers; i++) {
		const struct doctor_sleeper *s = &p->sleepers[i];

		find(f, kind, subject, "thread %" PRIu32 " of process %" PRIu32, s->thread, p->pid)
			->mark = ((uint64_t)s->thread << 32) + s->switches;
	}
}

static void judge_daemon(const struct doctor_facts *t, struct doctor_findings *f)
{
	const struct doctor_process *p = &t->daemon;

	if (t->silent)
		find(f, FOUND_SILENT, "rdmaregd", "%s", t->silent);
	if (t->silent && t->no_bus_policy)
		find(f, FOUND_BUS_POLICY, "bus",
		     "org.rdmareg.Registry1.conf is in none of the "
		     "folders for policies");
	for (size_t i = 0; i < t->n_problems; i++) {
		const struct doctor_problem *of = &t->problems[i];
		struct doctor_finding *it = find(f, FOUND_PROBLEM, of->what, "%s", of->cause);

		snprintf(it->what, sizeof(it->what), "%s", of->what);
		snprintf(it->command, sizeof(it->command), "%s", of->command);
	}
	if (p->state == 'T' || p->state == 't')
		find(f, FOUND_DAEMON_STOPPED, "rdmaregd", "process %" PRIu32 "%s", p->pid,
		     p->state == 't' ? ", by a debugger" : "");
	judge_sleepers(p, FOUND_DAEMON_SLEEPS, "rdmaregd", f);
	if (p->inside && p->files)
		find(f, FOUND_DAEMON_FILES, "rdmaregd",
		     "%" PRIu64 " descriptors of process %" PRIu32, p->files, p->pid);
	if (p->inside && p->descriptors > p->descriptors_max / 4 * 3)
		find(f, FOUND_DAEMON_DESCRIPTORS, "rdmaregd",
		     "process %" PRIu32 " has %" PRIu64 " of %" PRIu64, p->pid, p->descriptors,
		     p->descriptors_max);
	if (t->clock_step_usec > CLOCK_STEP_USEC || t->clock_step_usec < -CLOCK_STEP_USEC)
		find(f, FOUND_CLOCK, "clock", "by %+" PRId64 " s since rdmaregd was started",
		     t->clock_step_usec / 1000000);
}

static void judge_versions(const struct doctor_facts *t, struct doctor_findings *f)
{
	if (t->version && *t->version && strcmp(t->version, t->own_version) != 0)
		find(f, FOUND_VERSIONS, "rdmaregd", "rdmaregd is %s, and rdmaregctl %s", t->version,
		     t->own_version);
	if (t->module_version && *t->module_version &&
	    strcmp(t->module_version, t->own_version) != 0)
		find(f, FOUND_VERSIONS, "module", "the module is %s, and rdmaregctl %s",
		     t->module_version, t->own_version);
	if (t->abi != t->wanted_abi)
		find(f, FOUND_ABI, "module",
		     "it speaks version %" PRIu32 " of its interface, and "
		     "keepers %" PRIu32,
		     t->abi, t->wanted_abi);
}

/* A region has one of a range, and perhaps one of a layout. Other programs may have theirs. */
static void judge_watches(const struct doctor_facts *t, struct doctor_findings *f)
{
	uint64_t regions = t->openers ? t->regions : 0;

	if (!t->module || !t->root || t->silent || t->openers > t->n_keepers)
		return;
	if (t->ranges > regions || t->layouts > regions)
		at_rest(t, find(f, FOUND_WATCHES_LEFT, "module",
				"%" PRIu64 " of ranges and %" PRIu64 " of layouts, by %" PRIu64
				" processes, and there are %" PRIu64 " regions",
				t->ranges, t->layouts, t->openers, t->regions));
}

/* What the keepers of a tenant have together; not driven if that is not known of one of them. */
static struct doctor_keeper sum_of(const struct doctor_facts *t, const struct doctor_tenant *of)
{
	struct doctor_keeper sum = { .driven = true };

	for (size_t i = 0; i < t->n_keepers; i++) {
		const struct doctor_keeper *k = &t->keepers[i];

		if (k->uid != of->uid || strcmp(k->session, of->session) != 0)
			continue;
		sum.regions += k->regions;
		sum.bytes += k->bytes;
		sum.leases += k->leases;
		sum.driven = sum.driven && k->driven;
	}
	return sum;
}

static bool has_tenant(const struct doctor_facts *t, const struct doctor_keeper *k)
{
	for (size_t i = 0; i < t->n_tenants; i++)
		if (t->tenants[i].uid == k->uid && !strcmp(t->tenants[i].session, k->session))
			return true;
	return false;
}

static void judge_tenants(const struct doctor_facts *t, struct doctor_findings *f)
{
	struct doctor_tenant all = { 0 };

	if (t->silent)
		return; /* perhaps in the middle of the list */
	for (size_t i = 0; i < t->n_tenants; i++) {
		const struct doctor_tenant *of = &t->tenants[i];
		struct doctor_keeper sum = sum_of(t, of);
		char subject[128];

		all.regions += of->regions;
		all.bytes += of->bytes;
		snprintf(subject, sizeof(subject), "session %s of uid %" PRIu32, of->session,
			 of->uid);
		if (!sum.driven)
			continue;
		if (sum.regions != of->regions || sum.bytes != of->bytes)
			at_rest(t, find(f, FOUND_DISAGREE, subject,
					"%" PRIu64 " regions with %" PRIu64
					" bytes are listed, and its keepers "
					"have %" PRIu64 " with %" PRIu64,
					of->regions, of->bytes, sum.regions, sum.bytes));
		if (t->have_locks && sum.leases < of->leased)
			at_rest(t, find(f, FOUND_LEASES_LACK, subject,
					"%" PRIu64 " regions with one, %" PRIu64
					" leases in /proc/locks",
					of->leased, sum.leases));
	}
	if (all.regions != t->regions || all.bytes != t->bytes)
		at_rest(t, find(f, FOUND_CHARGES, "charges",
				"%" PRIu64 " regions with %" PRIu64
				" bytes are charged, and %" PRIu64 " with %" PRIu64 " listed",
				t->regions, t->bytes, all.regions, all.bytes));
}

/*
 * On the adapter a keeper has a domain of its own; a region a memory region and a domain; a peer a
 * memory region (its messages), a queue pair and a connection. Whoever is connecting or on its way
 * out has these as well, so of those more are found only where there are no regions. That there are
 * fewer is not concluded: the kernel tells which thread made them, and that may have ended.
 */
static void judge_resources(const struct doctor_facts *t, const struct doctor_keeper *k,
			    const char *subject, struct doctor_findings *f)
{
	const uint64_t *has = k->resources;

	if (has[DOCTOR_PD] > k->regions + 1)
		at_rest(t, find(f, FOUND_RESOURCES_LEFT, subject,
				"%" PRIu64 " %s for %" PRIu64 " regions", has[DOCTOR_PD],
				resource_names[DOCTOR_PD], k->regions));
	else if (!k->regions && (has[DOCTOR_MR] || has[DOCTOR_QP]))
		at_rest(t,
			find(f, FOUND_RESOURCES_LEFT, subject,
			     "%" PRIu64 " %s and %" PRIu64 " %s, and no region", has[DOCTOR_MR],
			     resource_names[DOCTOR_MR], has[DOCTOR_QP], resource_names[DOCTOR_QP]));
	if (k->regions && !has[DOCTOR_CM_ID])
		at_rest(t, find(f, FOUND_RESOURCES_LACK, subject, "nothing listens for peers"));
}

static void judge_inside(const struct doctor_facts *t, const struct doctor_keeper *k,
			 const char *subject, struct doctor_findings *f)
{
	const struct doctor_process *p = &k->process;

	if (p->mapped_bytes > k->bytes + k->regions * HUGE_PAGE)
		at_rest(t, find(f, FOUND_MAPPINGS_LEFT, subject,
				"%" PRIu64 " bytes are mapped, and its regions have %" PRIu64,
				p->mapped_bytes, k->bytes));
	if (p->files > k->regions)
		at_rest(t, find(f, FOUND_FILES_LEFT, subject,
				"%" PRIu64 " files for %" PRIu64 " regions", p->files, k->regions));
	if (p->descriptors > p->descriptors_max / 4 * 3)
		find(f, FOUND_DESCRIPTORS, subject, "%" PRIu64 " of %" PRIu64, p->descriptors,
		     p->descriptors_max);
	if (t->have_settings && (p->descriptors_max < t->regions_per_tenant + t->peers_per_tenant ||
				 p->locked_max < t->memlock_bytes))
		find(f, FOUND_OLD_LIMITS, subject,
		     "%" PRIu64 " descriptors and %" PRIu64 " bytes of locked memory",
		     p->descriptors_max, p->locked_max);
}

static void judge_keeper(const struct doctor_facts *t, const struct doctor_keeper *k,
			 struct doctor_findings *f)
{
	const struct doctor_process *p = &k->process;
	char subject[128];

	snprintf(subject, sizeof(subject), "keeper %s", k->name);
	if (!t->silent && k->driven && k->regions && !has_tenant(t, k))
		at_rest(t, find(f, FOUND_DISAGREE, subject,
				"it has %" PRIu64 " regions, and none is listed", k->regions));
	if (t->have_runtime && !(k->socket && k->record))
		find(f, FOUND_UNRECORDED, subject, "no %s.%s", k->name,
		     k->socket ? "record" : "sock");
	if (!p->pid || !t->have_processes)
		return;
	if (!p->state || p->state == 'Z') {
		find(f, FOUND_GONE, subject, "process %" PRIu32, p->pid);
		return;
	}
	if (p->state == 'T' || p->state == 't')
		find(f, FOUND_STOPPED, subject, "process %" PRIu32 "%s", p->pid,
		     p->state == 't' ? ", by a debugger" : "");
	judge_sleepers(p, FOUND_SLEEPS, subject, f);
	if (k->outside)
		find(f, FOUND_OUTSIDE, subject, "process %" PRIu32 ", unit %s", p->pid, k->unit);
	if (!k->driven)
		return;
	if (t->have_locks && k->leases > k->regions)
		at_rest(t,
			find(f, FOUND_LEASES_LEFT, subject,
			     "%" PRIu64 " leases for %" PRIu64 " regions", k->leases, k->regions));
	if (t->have_resources)
		judge_resources(t, k, subject, f);
	if (p->inside)
		judge_inside(t, k, subject, f);
}

static bool is_listed(const struct doctor_facts *t, const struct doctor_unit *u)
{
	for (size_t i = 0; i < t->n_keepers; i++)
		if (!strcmp(t->keepers[i].unit, u->name))
			return true;
	return false;
}

/* What is there although rdmaregd, which answers and shows all, does not know of it. */
static void judge_strays(const struct doctor_facts *t, struct doctor_findings *f)
{
	static const char keepers[] = "rdmareg-keeper-";
	char subject[128];

	for (size_t i = 0; i < t->n_units; i++) {
		const struct doctor_unit *u = &t->units[i];

		if (!strcmp(u->active, "failed"))
			find(f, FOUND_FAILED_UNIT, u->name, "%s", u->name);
		else if (!t->silent && t->root && !strcmp(u->active, "active") &&
			 !strncmp(u->name, keepers, strlen(keepers)) && !is_listed(t, u))
			find(f, FOUND_STRAY_UNIT, u->name, "%s", u->name);
	}
	if (t->silent || !t->root)
		return;
	for (size_t i = 0; i < t->n_strays; i++) {
		const struct doctor_stray *s = &t->strays[i];

		if (s->uid && (s->uid < t->keeper_uid_first || s->uid > t->keeper_uid_last))
			continue; /* a user's own, which is nobody's keeper */
		snprintf(subject, sizeof(subject), "process %" PRIu32, s->pid);
		find(f, FOUND_STRAY_PROCESS, subject, "%s, of uid %" PRIu32, subject, s->uid);
	}
	for (size_t i = 0; i < t->n_files; i++)
		find(f, FOUND_STRAY_FILE, t->files[i].text, "%s", t->files[i].text);
}

static void judge_limits(const struct doctor_facts *t, struct doctor_findings *f)
{
	uint64_t most = t->max_map_count, needed;

	for (size_t i = 0; i < t->n_addresses; i++)
		find(f, FOUND_ADDRESS, t->addresses[i].text, "%s", t->addresses[i].text);
	if (!t->have_settings || !most)
		return;
	needed = t->regions_per_tenant + PROCESS_MAPPINGS +
		 keeper_mappings_for(t->peers_per_tenant, most);
	if (needed > most)
		find(f, FOUND_MAP_COUNT, "vm.max_map_count",
		     "it is %" PRIu64 ", and a tenant with %" PRIu64 " regions and %" PRIu64
		     " peers takes %" PRIu64,
		     most, t->regions_per_tenant, t->peers_per_tenant, needed);
}

static void judge_adapters(const struct doctor_facts *t, struct doctor_findings *f)
{
	for (size_t i = 0; i < t->n_adapters; i++) {
		const struct doctor_adapter *a = &t->adapters[i];
		bool soft = !strcmp(a->driver, SOFT_DRIVER);
		char subject[128];

		snprintf(subject, sizeof(subject), "adapter %s", a->name);
		if (!*a->abilities)
			find(f, FOUND_UNTESTED, subject, "%s", a->name);
		if (soft)
			find(f, FOUND_SOFT, subject, "%s", a->name);
		if (soft && a->mtu && a->mtu < SOFT_MTU)
			find(f, FOUND_MTU, subject, "%s has %" PRIu64 ", and needs %u", a->name,
			     a->mtu, SOFT_MTU);
	}
}

/* What is wrong, in the order that it was found in, then what is only worth knowing. */
static void sort(struct doctor_findings *f)
{
	for (size_t i = 1; i < f->n; i++)
		for (size_t at = i; at && doctor_words[f->all[at].kind].level >
						  doctor_words[f->all[at - 1].kind].level;
		     at--) {
			struct doctor_finding one = f->all[at];

			f->all[at] = f->all[at - 1];
			f->all[at - 1] = one;
		}
}

void doctor_judge(const struct doctor_facts *facts, struct doctor_findings *ret)
{
	ret->n = ret->others = ret->others_wrong = 0;
	judge_daemon(facts, ret);
	judge_versions(facts, ret);
	judge_watches(facts, ret);
	judge_tenants(facts, ret);
	for (size_t i = 0; i < facts->n_keepers; i++)
		judge_keeper(facts, &facts->keepers[i], ret);
	judge_limits(facts, ret);
	judge_adapters(facts, ret);
	judge_strays(facts, ret); /* last: of these there can be any number */
	sort(ret);
}

static bool has(const struct doctor_findings *f, const struct doctor_finding *it)
{
	for (size_t i = 0; i < f->n; i++)
		if (f->all[i].kind == it->kind && f->all[i].mark == it->mark &&
		    !strcmp(f->all[i].subject, it->subject) &&
		    (!it->mark || !strcmp(f->all[i].detail, it->detail)))
			return true;
	/* perhaps among those that were only counted, which are the last */
	return f->others > 0 && it->kind >= FOUND_STRAY_PROCESS && it->kind <= FOUND_FAILED_UNIT;
}

void doctor_confirm(struct doctor_findings *f, const struct doctor_findings *again, bool saw_all)
{
	size_t n = 0;

	for (size_t i = 0; saw_all && i < f->n; i++)
		if (has(again, &f->all[i]))
			f->all[n++] = f->all[i];
	if (saw_all) {
		f->n = n;
		f->others = f->others < again->others ? f->others : again->others;
		f->others_wrong = f->others_wrong < f->others ? f->others_wrong : f->others;
	}
	for (size_t i = 0; i < again->n; i++)
		if (again->all[i].kind == FOUND_SILENT && !has(f, &again->all[i])) {
			f->all[f->n < DOCTOR_FINDINGS_MAX ? f->n++ : f->n - 1] = again->all[i];
			sort(f);
		}
}
