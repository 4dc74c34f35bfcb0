// SPDX-License-Identifier: GPL-2.0-or-later
/* verbs.c - see fakes/verbs.h. */
#undef NDEBUG
#include "verbs.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#undef ibv_reg_mr
#undef ibv_query_port

struct verbs_fake fake;

static struct verbs_context device_context;
static struct ibv_device device = { .name = "fake0" };

/* 0, or the errno this call is to fail with. */
static int failure(enum verbs_call call)
{
	if (call != CALL_DEALLOC_PD && call != CALL_DEREG_MR && ++fake.calls == fake.fail_at)
		return ENOMEM;
	if (!fake.fail_times[call])
		return 0;
	fake.fail_times[call]--;
	return fake.fail[call];
}

static int query_device_ex(struct ibv_context *context,
			   const struct ibv_query_device_ex_input *input,
			   struct ibv_device_attr_ex *attr, size_t size)
{
	int error = failure(CALL_QUERY);

	(void)context;
	assert(!input && size == sizeof(*attr));
	if (error)
		return error;
	attr->odp_caps.general_caps = fake.rc_odp_caps ? IBV_ODP_SUPPORT : 0;
	attr->odp_caps.per_transport_caps.rc_odp_caps = fake.rc_odp_caps;
	return 0;
}

/* An mr of ours: what it was registered for is behind it. */
struct fake_mr {
	struct ibv_mr mr;
	unsigned int access;
	bool imported;
};

static int advise_mr(struct ibv_pd *pd, enum ibv_advise_mr_advice advice, uint32_t flags,
		     struct ibv_sge *sge, uint32_t n)
{
	int error = failure(CALL_ADVISE);
	unsigned int access = fake.access;

	assert(pd && n == 1 && (access & IBV_ACCESS_ON_DEMAND)); /* any other is a kernel oops */
	fake.advice = (int)advice;
	fake.advise_flags = (int)flags;
	fake.advised = sge->addr;
	fake.advised_length = sge->length;
	if (error)
		return error;
	if (fake.advise_wants_local_write && !(access & IBV_ACCESS_LOCAL_WRITE))
		return EINVAL;
	return 0;
}

static void init_context(struct verbs_context *c, int fd)
{
	memset(c, 0, sizeof(*c));
	c->sz = sizeof(*c);
	c->query_device_ex = query_device_ex;
	c->advise_mr = advise_mr;
	c->context.device = &device;
	c->context.cmd_fd = fd;
	c->context.abi_compat = __VERBS_ABI_IS_EXTENDED;
}

const char *ibv_get_device_name(struct ibv_device *d)
{
	return d->name;
}

/* What verbs.h falls back to without query_device_ex. */
int ibv_query_device(struct ibv_context *context, struct ibv_device_attr *attr)
{
	(void)context, (void)attr;
	return EOPNOTSUPP;
}

int ibv_get_device_index(struct ibv_device *d)
{
	(void)d;
	return fake.counts ? 0 : -1;
}

int ibv_query_port(struct ibv_context *context, uint8_t port, struct _compat_ibv_port_attr *attr)
{
	(void)context, (void)port, (void)attr;
	return EINVAL;
}

struct ibv_pd *ibv_alloc_pd(struct ibv_context *context)
{
	struct ibv_pd *pd = calloc(1, sizeof(*pd));

	errno = failure(CALL_ALLOC_PD);
	if (errno) {
		free(pd);
		return NULL;
	}
	pd->context = context;
	pd->handle = 100 + (uint32_t)fake.pds++;
	return pd;
}

int ibv_dealloc_pd(struct ibv_pd *pd)
{
	int error = failure(CALL_DEALLOC_PD);

	if (error)
		return error;
	assert(fake.pds-- > 0);
	free(pd);
	return 0;
}

struct ibv_mr *ibv_reg_mr(struct ibv_pd *pd, void *address, size_t length, int access)
{
	void (*registered)(const struct ibv_mr *mr);
	struct fake_mr *m = calloc(1, sizeof(*m));

	fake.access = m->access = (unsigned int)access;
	errno = failure(CALL_REG_MR);
	if (errno) {
		free(m);
		return NULL;
	}
	m->mr = (struct ibv_mr){ .context = pd->context,
				 .pd = pd,
				 .addr = address,
				 .length = length,
				 .handle = 200 + (uint32_t)fake.mrs++,
				 .lkey = 0x11,
				 .rkey = 0x22 };
	registered = fake.registered;
	fake.registered = NULL;
	if (registered)
		registered(&m->mr);
	return &m->mr;
}

struct ibv_mr *ibv_reg_mr_iova2(struct ibv_pd *pd, void *address, size_t length, uint64_t iova,
				unsigned int access)
{
	assert(iova == (uintptr_t)address);
	return ibv_reg_mr(pd, address, length, (int)access);
}

int ibv_dereg_mr(struct ibv_mr *mr)
{
	int error = failure(CALL_DEREG_MR);

	if (error)
		return error;
	assert(!((struct fake_mr *)mr)->imported && fake.mrs-- > 0);
	free(mr);
	return 0;
}

struct ibv_context *ibv_import_device(int fd)
{
	struct verbs_context *c;
	struct stat st;
	int error;

	if (fstat(fd, &st) < 0 || !S_ISCHR(st.st_mode)) {
		errno = EINVAL;
		return NULL;
	}
	if (!fake.has_import) {
		errno = EOPNOTSUPP;
		return NULL;
	}
	error = failure(CALL_IMPORT_DEVICE);
	if (error) {
		close(fd);
		errno = error;
		return NULL;
	}
	c = malloc(sizeof(*c));
	init_context(c, fd);
	fake.contexts++;
	return &c->context;
}

int ibv_close_device(struct ibv_context *context)
{
	struct verbs_context *c = verbs_get_ctx(context);

	assert(!fake.imported_pds && !fake.imported_mrs && fake.contexts-- > 0);
	close(context->cmd_fd);
	free(c);
	return 0;
}

struct ibv_pd *ibv_import_pd(struct ibv_context *context, uint32_t handle)
{
	struct ibv_pd *pd;

	errno = failure(CALL_IMPORT_PD);
	if (errno)
		return NULL;
	pd = calloc(1, sizeof(*pd));
	pd->context = context;
	pd->handle = handle;
	fake.imported_pds++;
	return pd;
}

void ibv_unimport_pd(struct ibv_pd *pd)
{
	assert(!fake.imported_mrs && fake.imported_pds-- > 0);
	free(pd);
}

struct ibv_mr *ibv_import_mr(struct ibv_pd *pd, uint32_t handle)
{
	struct fake_mr *m;

	errno = failure(CALL_IMPORT_MR);
	if (errno)
		return NULL;
	m = calloc(1, sizeof(*m));
	m->imported = true;
	m->mr = (struct ibv_mr){ .context = pd->context,
				 .pd = pd,
				 .length = 8192,
				 .handle = handle,
				 .lkey = 0x11,
				 .rkey = fake.imported_rkey };
	fake.imported_mrs++;
	return &m->mr;
}

void ibv_unimport_mr(struct ibv_mr *mr)
{
	assert(((struct fake_mr *)mr)->imported && fake.imported_mrs-- > 0);
	free(mr);
}

void verbs_fake_begin(bool like_mlx5)
{
	int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	assert(fd >= 0);
	memset(&fake, 0, sizeof(fake));
	init_context(&device_context, fd);
	fake.context = &device_context.context;
	fake.rc_odp_caps = IBV_ODP_SUPPORT_SEND | IBV_ODP_SUPPORT_RECV | IBV_ODP_SUPPORT_READ |
			   IBV_ODP_SUPPORT_WRITE | (like_mlx5 ? 0 : IBV_ODP_SUPPORT_ATOMIC);
	fake.has_import = like_mlx5;
	fake.advise_wants_local_write = !like_mlx5;
	fake.imported_rkey = 0x22;
}

void verbs_fake_end(void)
{
	assert(!fake.contexts && !fake.pds && !fake.mrs && !fake.imported_pds &&
	       !fake.imported_mrs);
	close(device_context.context.cmd_fd);
}

int count_descriptors(void)
{
	DIR *d = opendir("/proc/self/fd");
	int n = 0;

	assert(d);
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}
