// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * app-look.c - what a descriptor is that a keeper gave, found out in a thread: its file is whatever
 * the keeper chose, and looking at it can wait for ever (util/offload.h). The same of a file that
 * no keeper can be asked for, which is looked for where it was when it was registered.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <linux/openat2.h>

#include "arbiter/app-internal.h"
#include "util/cleanup.h"
#include "util/file-id.h"

struct look {
	struct offload_task task;
	struct app *app;
	app_looked_t *done;
	void *context;
	struct file_facts facts;
	int fd;
	uint32_t uid;
	char path[RECORD_PATH_MAX]; /* or empty */
};

/*
 * Opens nothing: what is there may be anything by now. A path that was read of a descriptor has no
 * links in it, so one that is there now was put there since.
 */
static int find(const char *path)
{
	struct open_how how = { .flags = O_PATH | O_NOFOLLOW | O_CLOEXEC,
				.resolve = RESOLVE_NO_SYMLINKS };

	return (int)syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof(how));
}

/* Its number alone does not tell: once a file is gone another one gets it. */
static bool is_file_of(const struct file_facts *file, const struct region_entry *e)
{
	const struct region_text *t = &e->text;

	return file->device == t->device && file->inode == t->inode &&
	       (!file->born_nsec || !t->born_nsec || file->born_nsec == t->born_nsec);
}

const char *file_complaint(const struct file_facts *file, const struct region_entry *e)
{
	bool foreign = proxy_is_foreign(e->keeper);

	if (file->error == -ETIMEDOUT || file->error == -EBUSY)
		return "its filesystem does not answer";
	if (file->error)
		return foreign ? "its keeper cannot be asked for the file, which is not where it was"
			       : "its keeper did not give the file";
	if (!is_file_of(file, e))
		return foreign ? "its keeper cannot be asked for the file, and another one is where it was"
			       : "its keeper gave another file";
	return NULL;
}

/* In a thread. */
static void look(struct offload_task *task)
{
	struct look *l = (struct look *)task;
	struct file_facts *f = &l->facts;
	struct statfs filesystem;
	struct statx st;

	if (*l->path)
		l->fd = find(l->path);
	if (l->fd < 0) {
		f->error = -errno;
		return;
	}
	f->flags = fcntl(l->fd, F_GETFL);
	if (f->flags < 0 || statx(l->fd, "", AT_EMPTY_PATH, FILE_ID_MASK, &st) < 0 ||
	    fstatfs(l->fd, &filesystem) < 0) {
		f->error = -errno;
		return;
	}
	f->device = file_device(&st);
	f->inode = st.stx_ino;
	f->born_nsec = file_born_nsec(&st);
	f->uid = st.stx_uid;
	f->mode = st.stx_mode;
	f->filesystem = (uint32_t)filesystem.f_type;
}

static void ended(struct offload_task *task, int error)
{
	struct look *l = (struct look *)task;
	const struct file_facts none = { .error = error };
	int no_fd = -1;

	l->done(l->app, l->context, error ? &none : &l->facts, error ? &no_fd : &l->fd);
}

static void release(struct offload_task *task)
{
	struct look *l = (struct look *)task;

	offload_close(l->app->offload, l->fd, l->uid);
	free(l);
}

static void begin(struct app *a, int fd, const char *path, uint32_t uid, app_looked_t *done,
		  void *context)
{
	struct look *l = calloc(1, sizeof(*l));
	struct file_facts none = { .error = -ENOMEM };
	int no_fd = -1;

	if (l) {
		*l = (struct look){ .task = { .work = look, .ended = ended, .release = release },
				    .app = a,
				    .done = done,
				    .context = context,
				    .fd = fd,
				    .uid = uid };
		snprintf(l->path, sizeof(l->path), "%s", path);
		none.error = fd < 0 && !*path ? -EBADF : offload_run(a->offload, &l->task, uid);
		if (none.error == 0)
			return;
		free(l);
	}
	done(a, context, &none, &no_fd);
	offload_close(a->offload, fd, uid);
}

void app_look(struct app *a, int fd, uint32_t uid, app_looked_t *done, void *context)
{
	begin(a, fd, "", uid, done, context);
}

void app_look_at(struct app *a, const char *path, uint32_t uid, app_looked_t *done, void *context)
{
	begin(a, -1, path, uid, done, context);
}
