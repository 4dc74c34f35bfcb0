// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test-slurm-exchange.c - ticket files of a job: two nodes of one machine, who waits for whom, what is
 * refused, and that nothing is left.
 */
#undef NDEBUG
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/slurm/exchange.h"

static char base[] = "/tmp/test-slurm-exchange.XXXXXX", error[EXCHANGE_ERROR_BYTES];

static struct exchange *node(const char *name, uint32_t id, uint32_t restart)
{
	struct exchange *x = calloc(1, sizeof(*x));

	assert(x);
	x->node_id = id;
	x->restart = restart;
	snprintf(x->node, sizeof(x->node), "%s", name);
	assert(exchange_path(x->path, base, geteuid(), 7) == 0);
	assert(exchange_open(x, error) == 0);
	return x;
}

static void node_free(struct exchange *x)
{
	exchange_close(x);
	free(x);
}

static void read_file(const char *path, char text[256])
{
	FILE *f = fopen(path, "r");
	size_t n;

	assert(f);
	n = fread(text, 1, 255, f);
	text[n] = '\0';
	fclose(f);
}

static void test_two_nodes(void)
{
	struct exchange *a = node("a", 0, 0), *b = node("b", 1, 0);
	char path[PATH_MAX], text[256];
	struct stat st;

	assert(!exchange_published(a));
	assert(exchange_publish(a, "0 a\n") == 0 && exchange_published(a));
	assert(!exchange_published(b));
	/* the other one is late: what there is, and who is missing */
	assert(exchange_collect(a, 2, exchange_clock(), path) == 1);
	read_file(path, text);
	assert(!strcmp(text, "0 a\n# node 1 of the step: no tickets in time\n"));
	assert(stat(path, &st) == 0 && (st.st_mode & 07777) == 0600);
	assert(exchange_publish(b, "1 b\n") == 0);
	assert(exchange_collect(a, 2, exchange_clock(), path) == 0);
	read_file(path, text);
	assert(!strcmp(text, "0 a\n1 b\n"));
	assert(exchange_collect(b, 2, exchange_clock(), path) == 0);
	read_file(path, text);
	assert(!strcmp(text, "0 a\n1 b\n"));
	/* a node alone waits for nobody */
	assert(exchange_collect(a, 1, 0, path) == 0);
	node_free(a);
	node_free(b);
}

/* The number of a job that was requeued is the same; tickets of its first run are not taken for those of the second. */
static void test_requeued(void)
{
	struct exchange *a = node("a", 0, 1), *b = node("b", 1, 1);
	char path[PATH_MAX];

	assert(!exchange_published(a));
	assert(exchange_collect(a, 2, exchange_clock(), path) == 2);
	node_free(a);
	node_free(b);
}

static void test_lock(void)
{
	struct exchange *a = node("a", 0, 0), *same = node("a", 0, 0), *b = node("b", 1, 0);
	int first = exchange_lock(a, exchange_clock()), second, other;

	assert(first >= 0);
	assert(exchange_lock(same, exchange_clock()) == -ETIME);
	other = exchange_lock(b, exchange_clock());
	assert(other >= 0);
	close(first);
	second = exchange_lock(same, exchange_clock());
	assert(second >= 0);
	close(second);
	close(other);
	node_free(a);
	node_free(same);
	node_free(b);
}

static int left(const char *path)
{
	return access(path, F_OK) == 0;
}

static void test_removed(void)
{
	char path[PATH_MAX];

	assert(exchange_path(path, base, geteuid(), 7) == 0);
	/* "b" is not the end of a name with another beginning */
	assert(exchange_remove(path, "") == 0 && left(path));
	assert(exchange_remove(path, "xa") == 0 && left(path));
	assert(exchange_remove(path, "a") == 0 && left(path));
	assert(exchange_remove(path, "a") == 0 && left(path));
	assert(exchange_remove(path, "b") == 0 && !left(path));
	assert(exchange_remove(path, "b") == 0);
}

static const char *in_base(const char *name)
{
	static char path[PATH_MAX];

	assert(snprintf(path, sizeof(path), "%s/%s", base, name) > 0);
	return path;
}

static const char *mine(void)
{
	static char path[PATH_MAX];

	assert(snprintf(path, sizeof(path), "%s/%u", base, geteuid()) > 0);
	return path;
}

static void refuses(struct exchange *x, int r, const char *said)
{
	error[0] = '\0';
	assert(exchange_open(x, error) == r && exchange_remove(x->path, "a") < 0);
	if (!strstr(error, said)) {
		printf("'%s' is not in: %s\n", said, error);
		assert(0);
	}
}

static void test_refused(void)
{
	struct exchange x = { .node = "a" };
	char much[PATH_MAX + 2];

	assert(exchange_path(x.path, base, geteuid(), 8) == 0);
	/* open for others */
	assert(mkdir(x.path, 0700) == 0 && chmod(x.path, 0750) == 0);
	refuses(&x, -EPERM, "is open to others (mode 0750)");
	assert(rmdir(x.path) == 0);
	/* a link to a directory that would do */
	assert(mkdir(in_base("elsewhere"), 0700) == 0);
	assert(symlink(in_base("elsewhere"), x.path) == 0);
	refuses(&x, -ENOTDIR, "cannot be used");
	assert(unlink(x.path) == 0);
	/* no directory */
	assert(close(open(x.path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600)) == 0);
	refuses(&x, -ENOTDIR, "cannot be used");
	assert(unlink(x.path) == 0);
	/* the same of the one that it is in: others could put another one in its place */
	assert(chmod(mine(), 0730) == 0);
	refuses(&x, -EPERM, "is open to others (mode 0730)");
	assert(chmod(mine(), 0700) == 0 && rmdir(mine()) == 0);
	assert(symlink(in_base("elsewhere"), mine()) == 0);
	refuses(&x, -ENOTDIR, "cannot be used");
	assert(unlink(mine()) == 0 && rmdir(in_base("elsewhere")) == 0);
	/* its parent is made, that one's is not */
	assert(exchange_path(x.path, "/tmp/test-slurm-exchange.none", geteuid(), 8) == 0);
	assert(exchange_open(&x, error) == -ENOENT && strstr(error, "cannot be made"));
	assert(exchange_remove(x.path, "a") == 0);

	memset(much, 'x', sizeof(much));
	much[0] = '/';
	much[sizeof(much) - 1] = '\0';
	assert(exchange_path(x.path, much, geteuid(), 8) == -ENAMETOOLONG);
	assert(exchange_path(x.path, "~/x", UINT32_MAX - 7, 8) == -ENOENT);
	assert(exchange_path(x.path, "~/x", 0, 8) == 0 && !strcmp(x.path, "/root/x/8"));
	assert(exchange_path(x.path, "/x", 0, 8) == 0 && !strcmp(x.path, "/x/0/8"));
}

/* The rest needs two users. */
enum { OWNER = 60001, THIEF = 60002 };

static void as(uint32_t uid)
{
	assert(seteuid(0) == 0 && (!uid || seteuid(uid) == 0));
}

/* An ordinary user who makes the directory of another one. */
static void test_thief(void)
{
	struct exchange x = { .node = "a" };
	char owners[PATH_MAX];
	struct stat st;

	snprintf(owners, sizeof(owners), "%s/%u", base, OWNER);
	assert(exchange_path(x.path, base, OWNER, 8) == 0);
	/* where everybody may write he is first, and root makes nothing */
	assert(chmod(base, 01777) == 0);
	assert(exchange_make_parent(base, OWNER, OWNER) == 0 && access(owners, F_OK) < 0);
	as(THIEF);
	assert(mkdir(owners, 0777) == 0);
	as(OWNER);
	refuses(&x, -EPERM, "belongs to user id 60002, not to the job's");
	/* with a job's directory in it that would do */
	as(0);
	assert(mkdir(x.path, 0700) == 0 && chown(x.path, OWNER, OWNER) == 0);
	as(OWNER);
	refuses(&x, -EPERM, "belongs to user id 60002, not to the job's");
	as(0);
	assert(rmdir(x.path) == 0 && rmdir(owners) == 0);

	/* where only root may write he cannot, and root makes it, also if it was killed in the middle */
	assert(chmod(base, 0755) == 0);
	as(THIEF);
	assert(mkdir(owners, 0777) < 0 && errno == EACCES);
	as(OWNER);
	assert(exchange_open(&x, error) == -EACCES && strstr(error, "cannot be made"));
	as(0);
	assert(mkdir(owners, 0700) == 0);
	for (int i = 0; i < 2; i++) {
		assert(exchange_make_parent(base, OWNER, OWNER) == 0);
		assert(stat(owners, &st) == 0 && st.st_uid == OWNER && st.st_gid == OWNER);
		assert((st.st_mode & 07777) == 0700);
	}
	as(OWNER);
	assert(exchange_open(&x, error) == 0);
	exchange_close(&x);
	assert(exchange_remove(x.path, "a") == 0);
	as(0);
	/* nor does root take for one what is none, or somebody's */
	assert(rmdir(owners) == 0 && symlink("/etc", owners) == 0);
	assert(exchange_make_parent(base, OWNER, OWNER) < 0);
	assert(stat("/etc", &st) == 0 && !st.st_uid && unlink(owners) == 0);
	assert(exchange_make_parent("/tmp/test-slurm-exchange.none", OWNER, OWNER) == -ENOENT);
	assert(exchange_make_parent("~/x", OWNER, OWNER) == 0);
}

int main(void)
{
	assert(mkdtemp(base));
	test_two_nodes();
	test_requeued();
	test_lock();
	test_removed();
	test_refused();
	if (!geteuid())
		test_thief();
	assert(rmdir(base) == 0);
	return 0;
}
