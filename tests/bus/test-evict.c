// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test-evict.c - a filesystem is to be unmounted: every region on it ends, of whatever tenant,
 * after its holders were asked, no region elsewhere does, and afterwards nothing of ours holds the
 * filesystem.
 *
 * That only root and those whom polkit knows may do it is test-authorize.c's; here the caller is
 * root, else this is skipped.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <linux/btrfs.h>

#include "harness.h"

#define NOBODY 65534
#define LONG UINT64_C(10000000)

static struct world world;
static sd_bus *owner, *evictor;

static int open_directory(void)
{
	int fd = open(world.directory, O_PATH | O_DIRECTORY | O_CLOEXEC);

	check(fd >= 0);
	return fd;
}

static sd_bus_message *new_evict(sd_bus *b, int fd)
{
	sd_bus_message *m = new_manager_call(b, "Evict");

	check(sd_bus_message_append(m, "h", fd) >= 0);
	return m;
}

static bool evict_at_once(int fd, struct reply *ret)
{
	sd_bus_message *m = new_evict(evictor, fd);

	add_options(m, 1, "grace_usec", "t", UINT64_C(0));
	return finish_call(evictor, m, ret);
}

static void send_evict(sd_bus *b, int fd, struct later *l)
{
	sd_bus_message *m = new_evict(b, fd);

	add_options(m, 0);
	send_later(b, m, l);
}

#define MANY 400
#define PAIRS 50 /* of questions that wait for their answers; a bus lets 128 do that */
#define TRIES 20

struct seen {
	bool answered, live;
};

/* A region that is gone is not live. */
static int on_state(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct seen *s = userdata;
	const char *state;

	(void)error;
	s->answered = true;
	s->live = !sd_bus_message_get_error(m) && sd_bus_message_read(m, "v", "s", &state) > 0 &&
		  !strcmp(state, "live");
	return 1;
}

static void ask_state(uint64_t id, struct seen *s)
{
	char path[80];

	snprintf(path, sizeof(path), RDMAREG_REGION_PREFIX "/%" PRIu64, id);
	check(sd_bus_call_method_async(evictor, NULL, RDMAREG_BUS_NAME, path,
				       "org.freedesktop.DBus.Properties", "Get", on_state, s, "ss",
				       RDMAREG_REGION_INTERFACE, "State") >= 0);
}

/* Was somebody answered when the one had been taken, and the other had not? */
static bool is_served_between(int file, int directory)
{
	struct seen first[PAIRS] = { 0 }, last[PAIRS] = { 0 };
	sd_bus_message *m = new_evict(evictor, directory);
	struct reply one, other;
	bool between = false;
	struct later l;

	check(register_region(owner, file, 0, 0, "r", &one, 0));
	for (int i = 1; i < MANY; i++)
		check(register_region(owner, file, 0, 0, "r", &other, 0));
	add_options(m, 1, "grace_usec", "t", UINT64_C(0));
	send_later(evictor, m, &l);
	for (int i = 0; i < PAIRS; i++) {
		ask_state(one.id, &first[i]);
		ask_state(other.id, &last[i]);
	}
	check(sd_bus_flush(evictor) >= 0);
	for (int i = 0; i < PAIRS; i++) {
		until(is_answered(evictor, &l) && first[i].answered && last[i].answered);
		between = between || (!first[i].live && last[i].live) ||
			  (i && !last[i - 1].live && first[i].live);
	}
	check(!*l.reply.error && l.reply.number == MANY);
	check(!region_exists(owner, one.id) && !region_exists(owner, other.id));
	forget_signals(owner);
	return between;
}

/* Between some of them and the others somebody else is served; when he asks is for the scheduler to say. */
static void test_in_turns(void)
{
	int file = make_file(&world, 8192, O_RDWR), directory = open_directory();
	bool between = false;

	for (int i = 0; i < TRIES && !between; i++)
		between = is_served_between(file, directory);
	check(between);
	close(file);
	close(directory);
}

static void test_whole_filesystem(void)
{
	sd_bus *nobody = connect_as(&world, NOBODY);
	int file = make_file(&world, 8192, O_RDWR), memory = make_memfd(8192),
	    directory = open_directory();
	struct reply here[3], elsewhere, r;
	struct later l;
	char line[200];

	listen_signals(nobody);
	check(register_region(owner, file, 0, 0, "rw", &here[0], 1, "grace_usec", "t", LONG));
	check(register_region(owner, file, 0, 4096, "r", &here[1], 3, "session", "s", "second",
			      "detached", "b", 1, "grace_usec", "t", LONG));
	check(register_region(nobody, file, 4096, 0, "rw", &here[2], 1, "grace_usec", "t", LONG));
	check(register_region(owner, memory, 0, 0, "rw", &elsewhere, 0));
	forget_signals(owner);

	send_evict(evictor, directory, &l);
	check(acknowledge(nobody, here[2].id, await_request(nobody, "unmount"), &r));
	until(!region_exists(nobody, here[2].id));
	check(still_waits(evictor, &l)); /* the owner's own still waits */
	/* the daemon comes to one region after the other */
	until((get_property(owner, here[0].id, "State", line, sizeof(line)),
	       !strcmp(line, "draining")));
	/* nothing new comes there meanwhile; elsewhere it does */
	check(!register_region(nobody, file, 0, 0, "rw", &r, 0));
	expect_error(&r, "Busy", "being taken down");
	check(register_region(nobody, memory, 0, 0, "r", &r, 0) &&
	      call_region(nobody, r.id, "Release", &r));
	for (int i = 0; i < 2; i++) { /* the detached one has its owner as a holder, too */
		sd_bus_message *m = await_signal(owner, "RevocationRequested");
		const char *path = sd_bus_message_get_path(m);
		uint64_t revocation, id = strtoull(strrchr(path, '/') + 1, NULL, 10);

		check(sd_bus_message_read(m, "t", &revocation) > 0);
		if (id == here[2].id)
			i--;
		else
			check(acknowledge(owner, id, revocation, &r));
		sd_bus_message_unref(m);
	}
	await_answer(evictor, &l);
	check_text(l.reply.error, "");
	check(l.reply.number == 3);
	snprintf(line, sizeof(line), " evicted (%s) by pid %d uid 0: 3 of 3 regions taken down",
		 world.directory, getpid());
	until(world_log_contains(&world, line));
	for (int i = 0; i < 3; i++)
		check(!region_exists(owner, here[i].id));
	expect_property(owner, elsewhere.id, "State", "live");

	check(evict_at_once(directory, &r) && r.number == 0);
	check(register_region(nobody, file, 0, 0, "rw", &r, 0) &&
	      call_region(nobody, r.id, "Release", &r));
	check(evict_at_once(memory, &r) && r.number == 1);
	check(!region_exists(owner, elsewhere.id));
	forget_signals(nobody);
	forget_signals(owner);
	disconnect(nobody);
	close(file);
	close(memory);
	close(directory);
}

/*
 * Why a region ended hears who listens, and who asks for it; however many another user's ended
 * since.
 */
static void test_reasons(void)
{
	sd_bus *nobody = connect_as(&world, NOBODY), *short_lived = connect_as(&world, NOBODY);
	int fd = make_memfd(8192);
	struct reply lost, released, evicted, r;

	subscribe(nobody);
	check(register_region(short_lived, fd, 0, 0, "r", &lost, 0));
	check(register_region(nobody, fd, 0, 0, "r", &released, 1, "grace_usec", "t", UINT64_C(0)));
	check(register_region(nobody, fd, 0, 0, "r", &evicted, 1, "grace_usec", "t", UINT64_C(0)));
	disconnect(short_lived);
	await_removed(nobody, lost.id, "disconnected");
	check(call_region(nobody, released.id, "Release", &r));
	await_removed(nobody, released.id, "released");
	check(evict_at_once(fd, &r) && r.number == 1);
	await_removed(nobody, evicted.id, "evicted");
	for (int i = 0; i < 300; i++) {
		check(register_region(owner, fd, 0, 0, "r", &r, 2, "warm", "b", 0, "grace_usec",
				      "t", UINT64_C(0)));
		check(call_region(owner, r.id, "Release", &r));
		forget_signals(owner);
	}
	check(!call_region(nobody, lost.id, "Release", &r));
	expect_error(&r, "NoSuchRegion", "the connection that registered it ended");
	check(!call_region(nobody, released.id, "Release", &r));
	expect_error(&r, "NoSuchRegion", "it was released");
	check(!call_region(nobody, evicted.id, "Release", &r));
	expect_error(&r, "NoSuchRegion", "its filesystem was evicted");
	disconnect(nobody);
	close(fd);
}

/* It may be named by anything on it. */
static void test_descriptors(void)
{
	static const int flags[] = { O_RDONLY, O_WRONLY, O_RDWR, O_PATH };

	for (size_t i = 0; i < sizeof(flags) / sizeof(*flags); i++) {
		int fd = make_file(&world, 8192, O_RDWR), named = make_file(&world, 0, flags[i]);
		struct reply region, r;

		check(register_region(owner, fd, 0, 0, "rw", &region, 1, "grace_usec", "t", LONG));
		check(evict_at_once(named, &r) && r.number == 1);
		check(!region_exists(owner, region.id));
		close(named);
		close(fd);
	}
	forget_signals(owner);
}

/* A grace ends what nobody acknowledges; the caller's longer one does not lengthen the region's. */
static void test_grace(void)
{
	static const struct {
		uint64_t region, asked;
	} graces[] = { { 50000, UINT64_MAX }, { LONG, 50000 }, { 0, 0 } };
	int fd = make_memfd(8192);

	for (size_t i = 0; i < sizeof(graces) / sizeof(*graces); i++) {
		sd_bus_message *m = new_evict(evictor, fd);
		struct reply region, r;

		check(register_region(owner, fd, 0, 0, "rw", &region, 1, "grace_usec", "t",
				      graces[i].region));
		add_options(m, 1, "grace_usec", "t", graces[i].asked);
		check(finish_call(evictor, m, &r) && r.number == 1);
		check(!region_exists(owner, region.id));
	}
	close(fd);
	forget_signals(owner);
}

/*
 * Somebody who is in more of a hurry comes while holders still have a long grace: they are told the
 * new deadline, and it counts. One who leaves them more changes nothing.
 */
static void test_sooner(void)
{
	static const uint64_t graces[] = { UINT64_MAX, LONG / 2, LONG, 50000 };
	uint64_t asked = 0, revocation;
	int fd = make_memfd(8192);
	struct reply region, r;
	struct later l[4];

	check(register_region(owner, fd, 0, 0, "rw", &region, 1, "grace_usec", "t", LONG));
	for (int i = 0; i < 4; i++) {
		sd_bus_message *m = new_evict(evictor, fd);

		add_options(m, 1, "grace_usec", "t", graces[i]);
		send_later(evictor, m, &l[i]);
		if (i == 2)
			continue; /* leaves them more */
		revocation = await_request(owner, "unmount");
		check(revocation == asked + 1);
		check(!asked || !acknowledge(owner, region.id, asked,
					     &r)); /* another question is in its place */
		asked = revocation;
	}
	for (int i = 0; i < 4; i++) {
		await_answer(evictor, &l[i]);
		check_text(l[i].reply.error, "");
	}
	check(!region_exists(owner, region.id));
	close(fd);
	forget_signals(owner);
}

/*
 * Whoever asked goes away: what was begun is finished. Others who release meanwhile are answered,
 * too.
 */
static void test_vanish(void)
{
	sd_bus *b = connect_as(&world, 0);
	int fd = make_memfd(8192);
	struct reply region, r;
	struct later l, release, second;
	uint64_t revocation;

	check(register_region(owner, fd, 0, 0, "rw", &region, 1, "grace_usec", "t", LONG));
	send_evict(b, fd, &l);
	revocation = await_request(owner, "unmount");
	disconnect(b);
	send_evict(evictor, fd, &second);
	send_later(evictor, new_region_call(evictor, region.id, "Release"), &release);
	check(acknowledge(owner, region.id, revocation, &r));
	await_answer(evictor, &release);
	await_answer(evictor, &second);
	check_text(second.reply.error, "");
	check(!region_exists(owner, region.id));
	close(fd);
	forget_signals(owner);
}

/*
 * The point of it all: when Evict is answered, umount(2) works, at once, and however little there
 * was to do.
 */
static void test_unmount(const char *mountpoint)
{
	for (int i = 0; i < 40; i++) {
		struct reply region, r;
		char path[128];
		int fd, directory;

		check(mount("evict", mountpoint, "tmpfs", 0, NULL) == 0);
		directory = open(mountpoint, O_PATH | O_CLOEXEC);
		check(directory >= 0);
		if (i % 4 == 0) {
			snprintf(path, sizeof(path), "%s/file", mountpoint);
			fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
			check(fd >= 0 && ftruncate(fd, 8192) == 0);
			check(register_region(owner, fd, 0, 0, "rw", &region, 1, "grace_usec", "t",
					      LONG));
			close(fd);
			check(umount(mountpoint) < 0 && errno == EBUSY);
		}
		check(evict_at_once(directory, &r) && r.number == (i % 4 == 0));
		close(directory);
		check(umount(mountpoint) == 0);
	}
	forget_signals(owner);
}

static int make_file_at(int directory, const char *name)
{
	int fd = openat(directory, name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	check(fd >= 0 && ftruncate(fd, 8192) == 0);
	return fd;
}

static void make_subvolume(int directory, const char *name)
{
	struct btrfs_ioctl_vol_args v = { 0 };

	snprintf(v.name, sizeof(v.name), "%s", name);
	check(ioctl(directory, BTRFS_IOC_SUBVOL_CREATE, &v) == 0);
}

static uint64_t device_of(int fd)
{
	struct stat st;

	check(fstat(fd, &st) == 0);
	return st.st_dev;
}

/* False: there is no btrfs here. */
static bool mount_btrfs(const char *mountpoint, const char *image)
{
	char command[400];

	snprintf(
		command, sizeof(command),
		"{ truncate -s 256M %s && mkfs.btrfs -q %s && mount -t btrfs -o loop %s %s; } >/dev/null 2>&1",
		image, image, image, mountpoint);
	return system(command) == 0;
}

/*
 * A filesystem is all its subvolumes, each of which has a device number of its own; named by any of
 * them.
 */
static void test_subvolumes(const char *mountpoint)
{
	int root = open(mountpoint, O_RDONLY | O_DIRECTORY | O_CLOEXEC), fds[3],
	    elsewhere = make_memfd(8192);
	struct reply regions[3], other, r;
	struct later l;

	check(root >= 0);
	make_subvolume(root, "one");
	make_subvolume(root, "two");
	fds[0] = make_file_at(root, "file");
	fds[1] = make_file_at(root, "one/file");
	fds[2] = make_file_at(root, "two/file");
	check(device_of(fds[0]) != device_of(fds[1]) && device_of(fds[1]) != device_of(fds[2]));
	check(register_region(owner, elsewhere, 0, 0, "rw", &other, 0));
	for (int by = 0; by < 4; by++) {
		int named = by < 3 ? fds[by] : open(mountpoint, O_PATH | O_CLOEXEC);

		check(register_region(owner, fds[0], 0, 0, "rw", &regions[0], 1, "grace_usec", "t",
				      LONG));
		check(register_region(owner, fds[1], 0, 0, "rw", &regions[1], 1, "grace_usec", "t",
				      UINT64_C(0)));
		forget_signals(owner);
		send_evict(evictor, named, &l);
		until(!region_exists(owner, regions[1].id));
		/*
		 * one subvolume is empty already, another one was never used: nothing is registered
		 * on any
		 */
		for (int i = 0; i < 3; i++) {
			check(!register_region(owner, fds[i], 0, 0, "rw", &r, 0));
			expect_error(&r, "Busy", "being taken down");
		}
		check(still_waits(evictor, &l));
		check(acknowledge(owner, regions[0].id, await_request(owner, "unmount"), &r));
		await_answer(evictor, &l);
		check_text(l.reply.error, "");
		check(l.reply.number == 2);
		if (by == 3)
			close(named);
	}
	/* what an earlier daemon registered */
	for (int i = 0; i < 3; i++)
		check(register_region(owner, fds[i], 0, 0, "rw", &regions[i], 1, "detached", "b",
				      1));
	world_end_daemon(&world, SIGKILL);
	world_start_daemon(&world);
	check(evict_at_once(fds[1], &r) && r.number == 3);
	expect_property(owner, other.id, "State", "live");
	check(call_region(owner, other.id, "Release", &r));
	for (int i = 0; i < 3; i++)
		close(fds[i]);
	close(root);
	close(elsewhere);
	check(umount(mountpoint) == 0);
	subscribe(owner);
	forget_signals(owner);
}

static void refuse(const char *mentions, const char *key, const char *type, uint64_t value)
{
	int fd = make_memfd(8192);
	sd_bus_message *m = new_evict(evictor, fd);
	struct reply r;

	if (*type == 't')
		add_options(m, 1, key, type, value);
	else
		add_options(m, 1, key, type, (int)value);
	check(!finish_call(evictor, m, &r));
	expect_error(&r, "InvalidOption", mentions);
	close(fd);
}

static void test_input(void)
{
	struct reply r;
	sd_bus_message *m = new_manager_call(evictor, "Evict");

	refuse("no option 'grace'", "grace", "t", 0);
	refuse("no option 'for_usec'", "for_usec", "t", 1);
	refuse("a 64-bit", "grace_usec", "u", 1);
	refuse("a 64-bit", "grace_usec", "b", 1);
	check(sd_bus_message_append(m, "s", "/mnt") >= 0);
	check(!finish_call(evictor, m, &r));
	check_text(r.error, "org.freedesktop.DBus.Error.InvalidArgs");
}

int main(void)
{
	char mountpoint[] = "/tmp/rdmareg-evict-XXXXXX", image[sizeof(mountpoint) + 8];
	bool may_mount, has_btrfs;

	if (getuid() != 0)
		return SKIP;
	/* daemon and keepers see the mounts made here, and nobody else does */
	may_mount = unshare(CLONE_NEWNS) == 0;
	check(may_mount || errno == EPERM);
	check(!may_mount || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0);
	check(mkdtemp(mountpoint));
	snprintf(image, sizeof(image), "%s.image", mountpoint);
	/* nobody is late here: what is slow is the machine, also under strace(1) */
	world_begin(&world, "timeout_msec = 60000\n");
	owner = connect_client(&world);
	evictor = connect_client(&world);
	subscribe(owner);
	test_input();
	test_whole_filesystem();
	test_in_turns();
	test_reasons();
	test_descriptors();
	test_grace();
	test_sooner();
	test_vanish();
	if (may_mount)
		test_unmount(mountpoint);
	has_btrfs = may_mount && mount_btrfs(mountpoint, image);
	if (has_btrfs)
		test_subvolumes(mountpoint);
	unlink(image);
	disconnect(evictor);
	disconnect(owner);
	world_end(&world);
	rmdir(mountpoint);
	if (has_btrfs)
		return 0;
	fprintf(stderr, "not tried, since %s here: %ssubvolumes; the rest passed\n",
		may_mount ? "btrfs cannot be made and mounted" : "root may not mount",
		may_mount ? "" : "umount(2) after Evict, ");
	return SKIP;
}
