// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * regions.c - as much of librdmareg as the file exerciser of the lab calls, linked in its place: a
 * ticket is the file's name, and what peers do is done by system calls. So the exerciser can be
 * tested where there is no adapter.
 *
 * Each 17th transfer of a connection fails and ends it, a write after its first half. With
 * $FAKE_REGIONS set to "astray" each third write lands a page too far, with "dies" the program is killed
 * by the fifth. When there is a file with the name
 * $FAKE_REGIONS_END, the region is found to have ended, and the file is removed.
 */
#include <rdmareg.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#define PAGE 4096u

struct rdmareg {
	int fd;
};

struct rdmareg_region {
	char path[4096];
	uint64_t start;
	uint64_t length;
};

struct rdmareg_peer {
	int fd;
	int events;
	unsigned int transfers;
	unsigned int writes;
	bool connected;
};

static struct rdmareg_region the_region; /* of this process */
static char last_error[64];

const char *rdmareg_last_error(void)
{
	return last_error;
}

static int fail(int error, const char *why)
{
	snprintf(last_error, sizeof(last_error), "%s", why);
	return -error;
}

int rdmareg_open(const struct rdmareg_open_options *options, struct rdmareg **ret)
{
	struct rdmareg *c = calloc(1, sizeof(*c));

	(void)options;
	if (!c)
		return fail(ENOMEM, "no memory");
	c->fd = eventfd(0, EFD_CLOEXEC);
	*ret = c;
	return 0;
}

struct rdmareg *rdmareg_close(struct rdmareg *c)
{
	if (c)
		close(c->fd);
	free(c);
	return NULL;
}

int rdmareg_register(struct rdmareg *c, int fd, uint64_t offset, uint64_t length,
		     enum rdmareg_access access, const struct rdmareg_register_options *options,
		     struct rdmareg_region **ret)
{
	char name[64];
	ssize_t n;

	(void)c;
	(void)access;
	(void)options;
	the_region.start = offset;
	the_region.length = length;
	snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	n = readlink(name, the_region.path, sizeof(the_region.path) - 1);
	if (n < 0)
		return fail(EBADF, "no file");
	the_region.path[n] = '\0';
	*ret = &the_region;
	return 0;
}

int rdmareg_lookup(struct rdmareg *c, uint64_t id, struct rdmareg_region **ret)
{
	(void)c;
	(void)id;
	*ret = &the_region;
	return 0;
}

uint64_t rdmareg_region_id(const struct rdmareg_region *r)
{
	return r != NULL;
}

int rdmareg_region_get_info(struct rdmareg_region *r, struct rdmareg_region_info *info)
{
	(void)r;
	info->arbitration_mode = RDMAREG_ARBITRATION_NONE;
	return 0;
}

int rdmareg_region_refresh(struct rdmareg_region *r)
{
	const char *ends = getenv("FAKE_REGIONS_END");

	(void)r;
	return ends && unlink(ends) == 0 ? fail(ENOENT, "no such region") : 0;
}

int rdmareg_list_keepers(struct rdmareg *c, const struct rdmareg_keepers_options *options,
			 struct rdmareg_keepers **ret)
{
	(void)c;
	(void)options;
	*ret = NULL;
	return 0;
}

int rdmareg_keepers_next(struct rdmareg_keepers *l, struct rdmareg_keeper *keeper)
{
	(void)l;
	keeper->name = "played";
	keeper->regions = 1;
	return 1;
}

struct rdmareg_keepers *rdmareg_keepers_free(struct rdmareg_keepers *l)
{
	(void)l;
	return NULL;
}

int rdmareg_replace_keeper(struct rdmareg *c, const char *name,
			   const struct rdmareg_replace_options *options, uint32_t *ret_regions)
{
	(void)c;
	(void)name;
	(void)options;
	(void)ret_regions;
	return 0;
}

int rdmareg_prefetch(struct rdmareg_region *r, uint64_t offset, uint64_t length, int for_writing)
{
	(void)r;
	(void)offset;
	(void)length;
	(void)for_writing;
	return 0;
}

int rdmareg_sync(struct rdmareg_region *r, const struct rdmareg_sync_options *options,
		 struct rdmareg_sync_result *result)
{
	(void)r;
	(void)options;
	(void)result;
	return 0;
}

int rdmareg_revoke(struct rdmareg_region *r, const struct rdmareg_revoke_options *options,
		   uint64_t *ret_revocation)
{
	(void)r;
	(void)options;
	*ret_revocation = 1;
	return 0;
}

int rdmareg_restore(struct rdmareg_region *r, uint64_t revocation)
{
	(void)r;
	(void)revocation;
	return 0;
}

int rdmareg_configure(struct rdmareg_region *r, const struct rdmareg_configure_options *options)
{
	(void)r;
	(void)options;
	return 0;
}

int rdmareg_export(struct rdmareg_region *r, const struct rdmareg_export_options *options,
		   char **ret_ticket)
{
	(void)options;
	*ret_ticket = strdup(r->path);
	return *ret_ticket ? 0 : fail(ENOMEM, "no memory");
}

int rdmareg_release_all(struct rdmareg *c, const uint64_t *regions, size_t n,
			const struct rdmareg_release_options *options,
			void (*done)(size_t index, int error, void *userdata), void *userdata)
{
	(void)c;
	(void)regions;
	(void)n;
	(void)options;
	(void)done;
	(void)userdata;
	return 0;
}

struct rdmareg_region *rdmareg_region_free(struct rdmareg_region *r)
{
	(void)r;
	return NULL;
}

int rdmareg_get_fd(const struct rdmareg *c)
{
	return c->fd;
}

int rdmareg_dispatch(struct rdmareg *c)
{
	(void)c;
	return 0;
}

int rdmareg_next_event(struct rdmareg *c, struct rdmareg_event *event)
{
	(void)c;
	(void)event;
	return 0;
}

int rdmareg_acknowledge(struct rdmareg *c, uint64_t region, uint64_t revocation)
{
	(void)c;
	(void)region;
	(void)revocation;
	return 0;
}

int rdmareg_peer_connect(const char *ticket, enum rdmareg_access access,
			 const struct rdmareg_peer_options *options, struct rdmareg_peer **ret)
{
	struct rdmareg_peer *p = calloc(1, sizeof(*p));

	(void)access;
	(void)options;
	if (!p)
		return fail(ENOMEM, "no memory");
	p->fd = open(ticket, O_RDWR | O_CLOEXEC);
	p->events = eventfd(0, EFD_CLOEXEC);
	p->connected = true;
	*ret = p;
	return 0;
}

struct rdmareg_peer *rdmareg_peer_close(struct rdmareg_peer *p)
{
	if (p) {
		close(p->fd);
		close(p->events);
	}
	free(p);
	return NULL;
}

/* What of the region has a file behind it. */
static uint64_t length_now(const struct rdmareg_peer *p)
{
	struct stat st;
	uint64_t size = fstat(p->fd, &st) < 0 ? 0 : (uint64_t)st.st_size;

	if (size < the_region.start)
		return 0;
	size -= the_region.start;
	return size < the_region.length ? size : the_region.length;
}

int rdmareg_peer_get_info(struct rdmareg_peer *p, struct rdmareg_peer_info *info)
{
	info->connected = p->connected;
	info->valid_length = length_now(p);
	return 0;
}

static int begin_transfer(struct rdmareg_peer *p, uint64_t end)
{
	if (end > length_now(p))
		return fail(ERANGE, "beyond the end");
	if (++p->transfers % 17)
		return 0;
	p->connected = false;
	return fail(ECONNRESET, "cut off");
}

int64_t rdmareg_peer_write(struct rdmareg_peer *p, const void *data, size_t length, uint64_t offset)
{
	const char *how = getenv("FAKE_REGIONS");
	int r = begin_transfer(p, offset + length);

	offset += the_region.start;
	if (r == -ECONNRESET && pwrite(p->fd, data, length / 2, (off_t)offset) < 0)
		return fail(EIO, "the file does not take it");
	if (r < 0)
		return r;
	if (how && !strcmp(how, "astray") && ++p->writes % 3 == 0)
		offset += PAGE;
	if (how && !strcmp(how, "dies") && ++p->writes == 5)
		raise(SIGKILL);
	return pwrite(p->fd, data, length, (off_t)offset);
}

int64_t rdmareg_peer_read(struct rdmareg_peer *p, void *data, size_t length, uint64_t offset)
{
	int r = begin_transfer(p, offset + length);

	return r < 0 ? r : pread(p->fd, data, length, (off_t)(offset + the_region.start));
}

int rdmareg_peer_persist(struct rdmareg_peer *p, uint64_t offset, uint64_t length)
{
	return begin_transfer(p, offset + length);
}

int rdmareg_peer_get_fd(const struct rdmareg_peer *p)
{
	return p->events;
}

int rdmareg_peer_dispatch(struct rdmareg_peer *p)
{
	(void)p;
	return 0;
}
