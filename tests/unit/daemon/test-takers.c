// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test-takers.c - who else has a file, read from a tree that looks as /sys, /proc, /var and /etc do; and
 * that this machine's own can be read.
 */
#undef NDEBUG
#include <assert.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "arbiter/takers.h"

static char root[] = "/tmp/test-takers.XXXXXX";

/* With the folders on the way. */
static void put(const char *path, const char *text)
{
	char full[512];
	FILE *f;

	snprintf(full, sizeof(full), "%s/%s", root, path);
	for (char *c = full + strlen(root) + 1; (c = strchr(c, '/')); c++) {
		*c = 0;
		mkdir(full, 0700);
		*c = '/';
	}
	f = fopen(full, "we");
	assert(f && fputs(text, f) >= 0 && fclose(f) == 0);
}

static void put_link(const char *path, const char *to)
{
	char full[512];

	snprintf(full, sizeof(full), "%s/%s", root, path);
	assert(symlink(to, full) == 0);
}

static char text[2000];

static const char *takers_of(const char *path)
{
	struct takers t;

	assert(takers_find(&t, root, true) == 0);
	takers_describe(&t, path, true, text, sizeof(text));
	takers_deinit(&t);
	return text;
}

static bool names(const char *path, const char *what)
{
	return strstr(takers_of(path), what);
}

static void test_devices(void)
{
	put("sys/block/loop0/size", "0\n"); /* has no image */
	put("sys/block/loop3/loop/backing_file", "/images/disk one.img\n");
	put("sys/block/loop4/loop/backing_file", "/images/gone.img (deleted)\n");
	put("sys/block/sda/loop/backing_file", "/images/no\n");
	assert(names("/images/disk one.img", "loop3 has the file as its image"));
	assert(!*takers_of("/images/disk one.img2") && !*takers_of("/images") &&
	       !*takers_of("/images/no"));
	assert(!*takers_of("/images/gone.img") && names("/images/gone.img (deleted)", "loop4"));

	put("sys/kernel/config/target/core/fileio_0/backstore/udev_path", "/images/lun\n");
	put("sys/kernel/config/target/core/iblock_1/disk/udev_path", "/dev/sdb\n");
	assert(names("/images/lun", "target backstore") && !*takers_of("/dev/sdb"));

	/* where udev_path is not written, which is a custom of rtslib, the kernel says it all the same */
	put("sys/kernel/config/target/core/fileio_1/by hand/udev_path", "");
	put("sys/kernel/config/target/core/fileio_1/by hand/info",
	    "Status: ACTIVATED  Max Queue Depth: 128  SectorSize: 512  HwMaxSectors: 8192\n"
	    "        TCM FILEIO ID: 0        File: /images/by  Size: hand  Size: 4194304  Mode: "
	    "Buffered-WCE Async: 0\n");
	assert(names("/images/by  Size: hand", "target by hand"));
	put("sys/kernel/config/target/core/fileio_2/new/info",
	    "Status: DEACTIVATED  Max Queue Depth: 0  SectorSize: 0  HwMaxSectors: 0\n");
	put("sys/kernel/config/target/core/fileio_3/odd/info", "        File: /images/odd");
	assert(!*takers_of("/images/odd"));
	/* who wrote another name there does not hide the file */
	put("sys/kernel/config/target/core/fileio_4/two/udev_path", "/images/said\n");
	put("sys/kernel/config/target/core/fileio_4/two/info",
	    "TCM FILEIO ID: 1        File: /images/used  Size: 1  Mode: O_DSYNC Async: 0\n");
	assert(names("/images/used", "target two") && names("/images/said", "target two"));

	put("sys/kernel/config/nvmet/subsystems/nqn.lab/namespaces/7/device_path",
	    "/images/namespace\n");
	put("sys/kernel/config/nvmet/subsystems/nqn.lab/namespaces/8/device_path", "/dev/sdc\n");
	assert(names("/images/namespace", "namespace 7:") && !*takers_of("/images/name"));
}

static void test_swap(void)
{
	put("proc/swaps",
	    "Filename\tType\tSize\tUsed\tPriority\n/dev/sda2 partition 1 0 -2\n/swap\\040file file 1 0 -3\n");
	assert(names("/swap file", "swaps to the file") && !*takers_of("/dev/sda2"));
}

/*
 * What no mode sees is looked for, and told, by itself: the same tree has a loop device on the
 * file.
 */
static void test_swap_alone(void)
{
	struct takers swap, all;

	put("sys/block/loop5/loop/backing_file", "/swap file\n");
	assert(takers_find(&swap, root, false) == 0 && swap.n == 1);
	assert(takers_find(&all, root, true) == 0 && all.n > 1);
	takers_describe(&all, "/swap file", true, text, sizeof(text));
	assert(strstr(text, "loop5") && strstr(text, "swaps to the file"));
	takers_describe(&all, "/swap file", false, text, sizeof(text));
	assert(!strstr(text, "loop5") && strstr(text, "swaps to the file"));
	assert(takers_same_swap(&swap, &all));
	takers_deinit(&all);

	put("proc/swaps",
	    "Filename\tType\tSize\tUsed\tPriority\n/swap\\040file file 1 0 -3\n/other file 1 0 -4\n");
	assert(takers_find(&all, root, false) == 0 && !takers_same_swap(&swap, &all) &&
	       !takers_same_swap(&all, &swap));
	takers_deinit(&swap);
	takers_deinit(&all);
	put("proc/swaps", "Filename\tType\tSize\tUsed\tPriority\n");
	assert(takers_find(&all, root, false) == 0 && !all.n);
}

static void test_servers(void)
{
	put("var/lib/nfs/etab", "/srv/data\t*(rw,sync)\n");
	assert(!*takers_of("/srv/data/file")); /* what is configured, and no server */
	put("proc/1/net/rpc/nfsd.export/content", "#path domain(flags)\n# /old\n/srv/two\t*(rw)\n");
	assert(names("/srv/data/file", "exports /srv/data:") &&
	       names("/srv/two/deep/file", "exports /srv/two:"));
	assert(!*takers_of("/srv/database") && !*takers_of("/old/file"));
	put("var/lib/nfs/etab", "/\t*(rw)\n");
	assert(names("/anything", "exports /:"));
	put("var/lib/nfs/etab", "");
}

/* What is configured counts once the kernel says that the server runs. */
static void test_shares(void)
{
	put("etc/ksmbd/ksmbd.conf",
	    "[global]\n\tnetbios name = lab\n[one]\n\tpath = /shares/one two \r\n[two]\n"
	    "path=/shares/two\n;path = /shares/three\n pathology = /shares/four\n path /shares/five\n"
	    "path =\n path = relative\n");
	assert(!*takers_of("/shares/two/file"));
	put("sys/class/ksmbd-control/stats", "2 shutdown 445 0\n");
	assert(!*takers_of("/shares/two/file"));
	put("sys/class/ksmbd-control/stats", "2 running 445 0\n");
	assert(names("/shares/two/deep/file", "SMB server shares /shares/two:") &&
	       names("/shares/one two/file", "SMB server shares /shares/one two:"));
	assert(!*takers_of("/shares/three/file") && !*takers_of("/shares/four/file") &&
	       !*takers_of("/shares/five/file") && !*takers_of("/shares/twofold"));
	put("sys/class/ksmbd-control/stats", "2 resetting 445 0\n");
	assert(!*takers_of("/shares/two/file"));
}

/* Of a container too, once for each folder however often it is mounted. */
static void test_overlays(void)
{
	put("proc/1/mountinfo",
	    "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw,errors=remount-ro\n"
	    "40 22 0:33 / /merged\\040here rw shared:2 - overlay overlay "
	    "rw,lowerdir=/lower,upperdir=/up\\040per,workdir=/scratch\n"
	    "41 22 0:34 / /plain rw - overlay overlay rw,lowerdir=/a:/b\n");
	mkdir(strcat(strcpy(text, root), "/proc/1/ns"), 0700);
	put_link("proc/1/ns/mnt", "mnt:[1]");
	put("proc/77/mountinfo",
	    "50 1 0:40 / / rw - overlay overlay rw,lowerdir=/l,upperdir=/docker/x/diff,workdir=/w\n"
	    "51 1 0:40 / /again rw - overlay overlay rw,lowerdir=/l,upperdir=/docker/x/diff,workdir=/w\n");
	mkdir(strcat(strcpy(text, root), "/proc/77/ns"), 0700);
	put_link("proc/77/ns/mnt", "mnt:[2]");
	put("proc/78/mountinfo", "50 1 0:40 / / rw - overlay overlay rw,upperdir=/never\n");
	mkdir(strcat(strcpy(text, root), "/proc/78/ns"), 0700);
	put_link("proc/78/ns/mnt", "mnt:[2]"); /* the same mounts as 77 */
	assert(names("/up per/folder/file", "overlay mounted on /merged here:"));
	takers_of("/docker/x/diff/file");
	assert(strstr(text, "overlay mounted on") &&
	       !strstr(strstr(text, "overlay") + 1, "overlay"));
	assert(!*takers_of("/never/file") && !*takers_of("/lower/file") &&
	       !*takers_of("/scratch/file"));
}

/* More than is shown; a file that several have. */
static void test_many(void)
{
	char path[100];

	for (unsigned int i = 10; i < 20; i++) {
		snprintf(path, sizeof(path), "sys/block/loop%u/loop/backing_file", i);
		put(path, "/images/popular\n");
	}
	put("proc/swaps", "Filename\n/images/popular file 1 0 -3\n");
	takers_of("/images/popular");
	/* one of a kind stands for all that have the same */
	assert(strstr(text, "has the file as its image") && strstr(text, "swaps to the file"));
}

/* What a name cannot tell, and what was not looked at, is said. */
static void test_limits(void)
{
	char path[300], to[32];

	assert(names("/images/popul?r", "cannot be told"));
	memset(path, 'x', sizeof(path));
	path[0] = '/';
	path[255] = 0;
	assert(names(path, "cannot be told"));
	assert(!*takers_of("/images/other"));
	for (unsigned int i = 1000; i < 1300; i++) {
		snprintf(path, sizeof(path), "proc/%u/mountinfo", i);
		put(path, "");
		snprintf(path, sizeof(path), "%s/proc/%u/ns", root, i);
		mkdir(path, 0700);
		snprintf(path, sizeof(path), "proc/%u/ns/mnt", i);
		snprintf(to, sizeof(to), "mnt:[%u]", i);
		put_link(path, to);
	}
	assert(names("/images/other", "more processes or mount namespaces"));
}

static void test_machine(void)
{
	struct takers t;

	assert(takers_find(&t, "", true) == 0);
	takers_describe(&t, "/nobody's", true, text, sizeof(text));
	takers_deinit(&t);
	assert(takers_find(&t, "/nowhere", true) == 0 && t.n == 0);
	takers_deinit(&t);
}

int main(void)
{
	char command[100];

	assert(mkdtemp(root));
	test_devices();
	test_swap();
	test_swap_alone();
	test_servers();
	test_shares();
	test_overlays();
	test_many();
	test_limits();
	test_machine();
	snprintf(command, sizeof(command), "rm -rf %s", root);
	return system(command);
}
