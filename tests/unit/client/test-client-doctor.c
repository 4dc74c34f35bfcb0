// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test-client-doctor.c - what rdmaregctl doctor concludes from facts: from those of a sound machine
 * nothing, and with one of them spoiled just the finding that is meant; each kind is reached.
 */
#undef NDEBUG
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "ctl/doctor.h"

#define MIB (1u << 20)

static struct doctor_keeper keepers[2];
static struct doctor_tenant tenant;
static struct doctor_adapter adapter;
static struct doctor_problem problem = { "adapter x cannot be used", "its port is down",
					 "rdma link" };
static struct doctor_unit unit;
static struct doctor_text text = { "192.0.2.1" };
static struct doctor_stray stray = { 4713, 0 };

/* One user with two keepers, of which one has all regions: three, of which two have a lease. */
static struct doctor_facts sound(void)
{
	tenant = (struct doctor_tenant){
		.uid = 1000, .session = "default", .regions = 3, .bytes = 3 * MIB, .leased = 2
	};
	keepers[0] = (struct doctor_keeper){
		.name = "1000-default-1",
		.state = "driven",
		.unit = "rdmareg-keeper-1000-default-1.service",
		.session = "default",
		.driven = true,
		.uid = 1000,
		.regions = 3,
		.bytes = 3 * MIB,
		.process = { .pid = 4711,
			     .state = 'S',
			     .inside = true,
			     .files = 3,
			     .descriptors = 30,
			     .descriptors_max = 4352,
			     .locked_max = 64 * MIB,
			     .mapped_bytes = 3 * MIB },
		.resources = { 4, 4, 1, 2 },
		.leases = 2,
		.socket = true,
		.record = true,
	};
	keepers[1] = keepers[0];
	keepers[1].name = "1000-default-2";
	keepers[1].unit = "";
	keepers[1].regions = keepers[1].bytes = keepers[1].leases = 0;
	keepers[1].process.pid = 4712;
	keepers[1].process.files = keepers[1].process.mapped_bytes = 0;
	memset(keepers[1].resources, 0, sizeof(keepers[1].resources));
	adapter = (struct doctor_adapter){ "mlx5_0", "mlx5_core", "atomics", 1500 };
	unit = (struct doctor_unit){ "rdmareg-keeper-1000-default-1.service", "active" };
	return (struct doctor_facts){
		.root = true,
		.version = "1.2.3",
		.own_version = "1.2.3",
		.module_version = "1.2.3",
		.regions = 3,
		.bytes = 3 * MIB,
		.daemon = { .pid = 4710, .state = 'S', .inside = true, .descriptors_max = 524288 },
		.adapters = &adapter,
		.n_adapters = 1,
		.keepers = keepers,
		.n_keepers = 2,
		.tenants = &tenant,
		.n_tenants = 1,
		.have_processes = true,
		.have_runtime = true,
		.have_resources = true,
		.have_locks = true,
		.have_settings = true,
		.units = &unit,
		.n_units = 1,
		.module = true,
		.abi = 3,
		.wanted_abi = 3,
		.openers = 1,
		.ranges = 3,
		.layouts = 2,
		.keeper_uid_first = 60706,
		.keeper_uid_last = 61183,
		.regions_per_tenant = 1024,
		.peers_per_tenant = 1024,
		.memlock_bytes = 64 * MIB,
		.max_map_count = 65530,
	};
}

/* What is spoiled, and what is found then, about whom. */
#define SPOILED(X)                                                                             \
	X(PROBLEM, "adapter x cannot be used", (t->problems = &problem, t->n_problems = 1))    \
	X(VERSIONS, "rdmaregd", t->version = "1.2.2")                                          \
	X(VERSIONS, "module", t->module_version = "1.2.2")                                     \
	X(ABI, "module", t->abi = 2)                                                           \
	X(CLOCK, "clock", t->clock_step_usec = -3600000000)                                    \
	X(CLOCK, "clock", t->clock_step_usec = 11000000)                                       \
	X(CHARGES, "charges", t->regions = 4)                                                  \
	X(CHARGES, "charges", t->bytes += 1)                                                   \
	X(DAEMON_SLEEPS, "rdmaregd", t->daemon.n_sleepers = 1)                                 \
	X(DAEMON_STOPPED, "rdmaregd", t->daemon.state = 'T')                                   \
	X(DAEMON_FILES, "rdmaregd", t->daemon.files = 1)                                       \
	X(DAEMON_DESCRIPTORS, "rdmaregd", t->daemon.descriptors = 400000)                      \
	X(GONE, "keeper 1000-default-1", k->process.state = 0)                                 \
	X(GONE, "keeper 1000-default-1", k->process.state = 'Z')                               \
	X(STOPPED, "keeper 1000-default-1", k->process.state = 'T')                            \
	X(SLEEPS, "keeper 1000-default-1", k->process.n_sleepers = 1)                          \
	X(OUTSIDE, "keeper 1000-default-1", k->outside = true)                                 \
	X(UNRECORDED, "keeper 1000-default-1", k->record = false)                              \
	X(UNRECORDED, "keeper 1000-default-1", k->socket = false)                              \
	X(DISAGREE, "session default of uid 1000",                                             \
	  (k->regions = 2, k->process.files = 2, k->resources[DOCTOR_PD] = 2))                 \
	X(DISAGREE, "session default of uid 1000", k->bytes += 1)                              \
	X(DISAGREE, "keeper 1000-default-2",                                                   \
	  (keepers[1].regions = 1, keepers[1].session = "other",                               \
	   memcpy(keepers[1].resources, k->resources, sizeof(k->resources)),                   \
	   keepers[1].resources[DOCTOR_PD] = 1))                                               \
	X(RESOURCES_LEFT, "keeper 1000-default-1", k->resources[DOCTOR_PD] = 5)                \
	X(RESOURCES_LEFT, "keeper 1000-default-2", keepers[1].resources[DOCTOR_MR] = 1)        \
	X(RESOURCES_LEFT, "keeper 1000-default-2", keepers[1].resources[DOCTOR_QP] = 1)        \
	X(RESOURCES_LACK, "keeper 1000-default-1", k->resources[DOCTOR_CM_ID] = 0)             \
	X(LEASES_LEFT, "keeper 1000-default-1", k->leases = 4)                                 \
	X(LEASES_LACK, "session default of uid 1000", k->leases = 1)                           \
	X(MAPPINGS_LEFT, "keeper 1000-default-1", k->process.mapped_bytes = 10 * MIB)          \
	X(MAPPINGS_LEFT, "keeper 1000-default-2", keepers[1].process.mapped_bytes = 4096)      \
	X(FILES_LEFT, "keeper 1000-default-1", k->process.files = 4)                           \
	X(DESCRIPTORS, "keeper 1000-default-1", k->process.descriptors = 4000)                 \
	X(OLD_LIMITS, "keeper 1000-default-1", k->process.descriptors_max = 1024)              \
	X(OLD_LIMITS, "keeper 1000-default-1", k->process.locked_max = MIB)                    \
	X(STRAY_PROCESS, "process 4713", (t->strays = &stray, t->n_strays = 1))                \
	X(STRAY_FILE, "192.0.2.1", (t->files = &text, t->n_files = 1))                         \
	X(STRAY_UNIT, "rdmareg-keeper-7-x-1.service",                                          \
	  strcpy(unit.name, "rdmareg-keeper-7-x-1.service"))                                   \
	X(FAILED_UNIT, "rdmareg-keeper-1000-default-1.service", strcpy(unit.active, "failed")) \
	X(WATCHES_LEFT, "module", t->openers = 0)                                              \
	X(WATCHES_LEFT, "module", t->ranges = 4)                                               \
	X(WATCHES_LEFT, "module", t->layouts = 4)                                              \
	X(MAP_COUNT, "vm.max_map_count", t->max_map_count = 1600)                              \
	X(ADDRESS, "192.0.2.1", (t->addresses = &text, t->n_addresses = 1))                    \
	X(UNTESTED, "adapter mlx5_0", adapter.abilities = "")                                  \
	X(SOFT, "adapter mlx5_0", (adapter.driver = "software", adapter.mtu = 0))              \
	X(SOFT, "adapter mlx5_0", (adapter.driver = "software", adapter.mtu = 4200))

static struct doctor_findings found, again;

static bool reached[_FOUND_MAX];

static void judge_spoiled(struct doctor_facts *t, enum doctor_kind kind, const char *subject)
{
	doctor_judge(t, &found);
	fprintf(stderr, "%s, %s: %zu\n", doctor_words[kind].word, subject, found.n);
	for (size_t i = 0; i < found.n; i++)
		fprintf(stderr, "    %s, %s: %s\n", doctor_words[found.all[i].kind].word,
			found.all[i].subject, found.all[i].detail);
	assert(found.n == 1 && !found.others);
	assert(found.all[0].kind == kind && !strcmp(found.all[0].subject, subject));
	assert(*found.all[0].detail);
	assert(*found.all[0].what || doctor_words[kind].what);
	assert(*found.all[0].command || doctor_words[kind].command);
	reached[kind] = true;
}

static void test_each(void)
{
#define CASE(kind, subject, ...)                                \
	{                                                       \
		struct doctor_facts spoiled = sound();          \
		struct doctor_facts *t = &spoiled;              \
		struct doctor_keeper *k = &keepers[0];          \
                                                                \
		(void)t, (void)k;                               \
		(void)(__VA_ARGS__);                            \
		judge_spoiled(&spoiled, FOUND_##kind, subject); \
	}
	SPOILED(CASE)
}

/* Nothing more is said when there is no daemon to compare with; nor of another user's things. */
static void test_without_daemon(void)
{
	struct doctor_facts t = { .root = true, .silent = "no such name", .strays = &stray };

	t.n_strays = 1;
	judge_spoiled(&t, FOUND_SILENT, "rdmaregd");
	t.no_bus_policy = true;
	doctor_judge(&t, &found);
	assert(found.n == 2 && found.all[1].kind == FOUND_BUS_POLICY);
	reached[FOUND_BUS_POLICY] = true;

	t = sound();
	t.root = false;
	t.ranges = 100; /* of others' regions */
	t.strays = &stray;
	t.n_strays = 1;
	strcpy(unit.name, "rdmareg-keeper-7-x-1.service");
	for (size_t i = 0; i < 2; i++)
		keepers[i].process.inside = false;
	t.have_runtime = t.have_settings = t.have_resources = t.have_locks = false;
	keepers[0].resources[DOCTOR_MR] = keepers[0].leases = 0;
	keepers[0].process.files = 100;
	keepers[0].record = false;
	doctor_judge(&t, &found);
	assert(!found.n);
}

/* A list that broke off says nothing of those that are not in it. */
static void test_half_a_list(void)
{
	struct doctor_facts t = sound();

	t.silent = "timed out";
	t.n_tenants = 0;
	judge_spoiled(&t, FOUND_SILENT, "rdmaregd");
	t.n_tenants = 1;
	tenant.regions = 1;
	judge_spoiled(&t, FOUND_SILENT, "rdmaregd");
}

/* Every user can run the keepers' program, but none as root or as a user that keepers are. */
static void test_strays_of_users(void)
{
	struct doctor_facts t = sound();

	t.strays = &stray;
	t.n_strays = 1;
	for (stray.uid = 60705; stray.uid <= 61184; stray.uid++) {
		doctor_judge(&t, &found);
		assert(found.n == (stray.uid > 60705 && stray.uid < 61184));
	}
	stray.uid = 0;
}

/* A program that uses the device has watches of its own. */
static void test_others_watches(void)
{
	struct doctor_facts t = sound();

	t.openers = 3;
	t.ranges = 100;
	doctor_judge(&t, &found);
	assert(!found.n);
}

/* What a keeper has that rdmaregd cannot drive is not known well enough to be compared. */
static void test_estranged(void)
{
	struct doctor_facts t = sound();

	keepers[0].driven = false;
	keepers[0].regions = keepers[0].leases = 0;
	doctor_judge(&t, &found);
	assert(!found.n);
	keepers[0].process.state = 'T';
	judge_spoiled(&t, FOUND_STOPPED, "keeper 1000-default-1");
}

/* The wrong comes first, and what a second look does not have is none. */
static void test_looks(void)
{
	struct doctor_facts t = sound();

	adapter.driver = "software";
	adapter.mtu = 1500;
	keepers[0].process.descriptors_max = 1024;
	doctor_judge(&t, &found);
	assert(found.n == 3 && found.all[0].kind == FOUND_MTU);
	reached[FOUND_MTU] = true;
	assert(found.all[1].kind == FOUND_OLD_LIMITS && found.all[2].kind == FOUND_SOFT);
	keepers[0].process.descriptors_max = 4352;
	doctor_judge(&t, &again);
	doctor_confirm(&found, &again, true);
	assert(found.n == 2 && found.all[0].kind == FOUND_MTU && found.all[1].kind == FOUND_SOFT);
	t = sound();
	doctor_judge(&t, &again);
	doctor_confirm(&found, &again, true);
	assert(!found.n && !found.others);
}

/* A look that does not see drops nothing, and that rdmaregd is gone is not lost. */
static void test_blind_look(void)
{
	struct doctor_facts t = sound(), gone = { .root = true, .silent = "gone" };

	keepers[0].process.descriptors_max = 1024;
	doctor_judge(&t, &found);
	assert(found.n == 1);
	doctor_judge(&gone, &again);
	doctor_confirm(&found, &again, false);
	assert(found.n == 2 && found.all[0].kind == FOUND_SILENT);
	assert(found.all[1].kind == FOUND_OLD_LIMITS);
	doctor_confirm(&found, &again, false);
	assert(found.n == 2);
	doctor_confirm(&found, &again, true);
	assert(found.n == 1 && found.all[0].kind == FOUND_SILENT);
}

/* Whoever works is seen with more than it has, or asleep, in each look; but not with the same. */
static void test_at_work(void)
{
	struct doctor_facts t = sound();

	keepers[0].resources[DOCTOR_PD] = 5;
	keepers[0].process.sleepers[0] = (struct doctor_sleeper){ 4711, 17 };
	keepers[0].process.n_sleepers = 1;
	doctor_judge(&t, &found);
	assert(found.n == 2);
	doctor_judge(&t, &again);
	doctor_confirm(&found, &again, true);
	assert(found.n == 2);
	t.newest++;
	keepers[0].process.sleepers[0].switches++;
	doctor_judge(&t, &again);
	assert(again.n == 2);
	doctor_confirm(&found, &again, true);
	assert(!found.n);
}

/* Numbers that are wrong each time, and never the same, are those of things that come and go. */
static void test_other_numbers(void)
{
	struct doctor_facts t = sound();

	t.bytes = 4 * MIB;
	doctor_judge(&t, &found);
	assert(found.n == 1 && found.all[0].kind == FOUND_CHARGES);
	doctor_judge(&t, &again);
	doctor_confirm(&found, &again, true);
	assert(found.n == 1);
	t.bytes = 5 * MIB;
	doctor_judge(&t, &again);
	doctor_confirm(&found, &again, true);
	assert(!found.n);
}

/* More than there is room for are counted, and stay so if they are there again. */
static void test_many(void)
{
	struct doctor_facts t = sound();
	static struct doctor_text files[DOCTOR_FINDINGS_MAX + 3];

	for (size_t i = 0; i < DOCTOR_FINDINGS_MAX + 3; i++)
		snprintf(files[i].text, sizeof(files[i].text), "file %zu", i);
	t.files = files;
	t.n_files = DOCTOR_FINDINGS_MAX + 3;
	doctor_judge(&t, &found);
	assert(found.n == DOCTOR_FINDINGS_MAX && found.others == 3);
	doctor_judge(&t, &again);
	doctor_confirm(&found, &again, true);
	assert(found.n == DOCTOR_FINDINGS_MAX && found.others == 3);
	t.n_files = 1;
	doctor_judge(&t, &again);
	doctor_confirm(&found, &again, true);
	assert(found.n == 1 && !found.others);
}

int main(void)
{
	struct doctor_facts t = sound();

	doctor_judge(&t, &found);
	assert(!found.n && !found.others);
	test_each();
	test_without_daemon();
	test_half_a_list();
	test_strays_of_users();
	test_others_watches();
	test_estranged();
	test_looks();
	test_blind_look();
	test_at_work();
	test_other_numbers();
	test_many();
	for (size_t i = 0; i < _FOUND_MAX; i++) {
		if (!reached[i])
			fprintf(stderr, "not reached: %s\n", doctor_words[i].word);
		assert(reached[i] && doctor_words[i].word && *doctor_words[i].word);
	}
	return 0;
}
