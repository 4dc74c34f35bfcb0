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

static char base[] = "/tmp/test-slurm-exchange.XXXXXX";

static struct exchange *node(const char *name, uint32_t id, uint32_t restart)
{
	struct exchange *x = calloc(1, sizeof(*x));

	assert(x);
	x->node_id = id;
	x->restart = restart;
	snprintf(x->node, sizeof(x->node), "%s", name);
	assert(exchange_path(x->path, base, geteuid(), 7) == 0);
	assert(exchange_open(x) == 0);
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

static void test_refused(void)
{
	struct exchange x = { .node = "a" };
	char elsewhere[PATH_MAX], much[PATH_MAX + 2];

	assert(exchange_path(x.path, base, geteuid(), 8) == 0);
	/* open for others */
	assert(mkdir(x.path, 0700) == 0 && chmod(x.path, 0750) == 0);
	assert(exchange_open(&x) == -EPERM && exchange_remove(x.path, "a") == -EPERM);
	assert(rmdir(x.path) == 0);
	/* a link to a directory that would do */
	assert(snprintf(elsewhere, sizeof(elsewhere), "%s/elsewhere", base) > 0);
	assert(mkdir(elsewhere, 0700) == 0 && symlink(elsewhere, x.path) == 0);
	assert(exchange_open(&x) < 0 && exchange_remove(x.path, "a") < 0);
	assert(unlink(x.path) == 0 && rmdir(elsewhere) == 0);
	/* no directory */
	assert(close(open(x.path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600)) == 0);
	assert(exchange_open(&x) == -ENOTDIR && unlink(x.path) == 0);
	/* its parent is made, that one's is not */
	assert(exchange_path(x.path, "/tmp/test-slurm-exchange.none/none", geteuid(), 8) == 0);
	assert(exchange_open(&x) == -ENOENT);

	memset(much, 'x', sizeof(much));
	much[0] = '/';
	much[sizeof(much) - 1] = '\0';
	assert(exchange_path(x.path, much, geteuid(), 8) == -ENAMETOOLONG);
	assert(exchange_path(x.path, "~/x", UINT32_MAX - 7, 8) == -ENOENT);
	assert(exchange_path(x.path, "~/x", 0, 8) == 0 && !strcmp(x.path, "/root/x/0-8"));
}

int main(void)
{
	assert(mkdtemp(base));
	test_two_nodes();
	test_requeued();
	test_lock();
	test_removed();
	test_refused();
	assert(rmdir(base) == 0);
	return 0;
}
