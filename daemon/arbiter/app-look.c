// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * app-look.c - what a descriptor is that a keeper gave, found out in a thread: its file is whatever the keeper
 * chose, and looking at it can wait for ever (util/offload.h). The same of a file that no keeper can be asked for, which is
 * looked for where it was when it was registered.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>

#include "arbiter/app-internal.h"
#include "util/cleanup.h"

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

/* In a thread. */
static void look(struct offload_task *task)
{
	struct look *l = (struct look *)task;
	struct file_facts *f = &l->facts;
	struct statfs filesystem;
	struct stat st;

	if (*l->path) /* opens nothing: what is there may be anything by now */
		l->fd = open(l->path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (l->fd < 0) {
		f->error = -errno;
		return;
	}
	f->flags = fcntl(l->fd, F_GETFL);
	if (f->flags < 0 || fstat(l->fd, &st) < 0 || fstatfs(l->fd, &filesystem) < 0) {
		f->error = -errno;
		return;
	}
	f->device = st.st_dev;
	f->inode = st.st_ino;
	f->uid = st.st_uid;
	f->mode = st.st_mode;
	f->filesystem = (uint32_t)filesystem.f_type;
}

static void ended(struct offload_task *task, int error)
{
	struct look *l = (struct look *)task;
	const struct file_facts none = { .error = error };

	l->done(l->app, l->context, error ? &none : &l->facts, &l->fd);
}

static void release(struct offload_task *task)
{
	struct look *l = (struct look *)task;

	offload_close(l->app->offload, l->fd, l->uid);
	free(l);
}

static void begin(struct app *a, int fd, const char *path, uint32_t uid, app_looked_t *done, void *context)
{
	struct look *l = calloc(1, sizeof(*l));
	struct file_facts none = { .error = -ENOMEM };

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
	done(a, context, &none, &fd);
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
