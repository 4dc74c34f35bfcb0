// SPDX-License-Identifier: GPL-2.0-or-later
/* errors.c - see errors.h. */
#include "bus/errors.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "names.h"

int failure_set(struct failure *f, const char *name, const char *format, ...)
{
	va_list args;

	f->name = name;
	va_start(args, format);
	vsnprintf(f->text, sizeof(f->text), format, args);
	va_end(args);
	return BUS_E_REFUSED;
}

int failure_from_refusal(struct failure *f, int refusal, const struct registry_limits *limits, uint32_t uid,
			 const char *session, uint64_t bytes)
{
	switch ((enum registry_refusal)refusal) {
	case REGISTRY_E_REGIONS_PER_TENANT:
		return failure_set(f, RDMAREG_ERROR_LIMIT_EXCEEDED,
				   "uid %" PRIu32 " session '%s' has its %" PRIu32 " regions already: release some, or have "
				   "the administrator raise regions_per_tenant in rdmaregd.conf",
				   uid, session, limits->regions_per_tenant);
	case REGISTRY_E_BYTES_PER_TENANT:
		return failure_set(f, RDMAREG_ERROR_LIMIT_EXCEEDED,
				   "%" PRIu64 " more bytes would take uid %" PRIu32 " session '%s' over its %" PRIu64
				   ": release regions, or have the administrator raise bytes_per_tenant in rdmaregd.conf",
				   bytes, uid, session, limits->bytes_per_tenant);
	case REGISTRY_E_REGIONS_PER_CLIENT:
		return failure_set(f, RDMAREG_ERROR_LIMIT_EXCEEDED,
				   "this connection owns its %" PRIu32 " regions already: release some, register detached ones, "
				   "or have the administrator raise regions_per_client in rdmaregd.conf",
				   limits->regions_per_client);
	case REGISTRY_E_TENANTS_PER_UID:
		return failure_set(f, RDMAREG_ERROR_LIMIT_EXCEEDED,
				   "uid %" PRIu32 " has its %" PRIu32 " sessions already, so '%s' cannot be opened: use one of "
				   "them, or have the administrator raise tenants_per_uid in rdmaregd.conf",
				   uid, limits->tenants_per_uid, session);
	case REGISTRY_E_TENANTS:
		return failure_set(f, RDMAREG_ERROR_LIMIT_EXCEEDED,
				   "this machine runs its %" PRIu32 " keepers already: try again later, or have the "
				   "administrator raise keepers in rdmaregd.conf",
				   limits->tenants);
	case REGISTRY_E_EXISTS:
		break;
	}
	return failure_set(f, RDMAREG_ERROR_FAILED, "the region could not be entered (reason %d): please report this",
			   refusal);
}

/* What a keeper's errno means to a caller, and the advice that goes with it. */
static const struct {
	int error;
	const char *name;
	const char *advice;
} errno_table[] = {
	{ EINVAL, RDMAREG_ERROR_INVALID_RANGE, "check offset and length against the file" },
	{ ERANGE, RDMAREG_ERROR_INVALID_RANGE, "check offset and length against the region" },
	{ EOVERFLOW, RDMAREG_ERROR_INVALID_RANGE, "check offset and length against the file" },
	{ EBADF, RDMAREG_ERROR_INVALID_FILE, "pass a descriptor opened O_RDONLY or O_RDWR" },
	{ ENODEV, RDMAREG_ERROR_INVALID_FILE, "this file cannot be mapped" },
	{ ENOTSUP, RDMAREG_ERROR_NO_ADAPTER, "needs an RDMA device with on-demand paging" },
	{ ENXIO, RDMAREG_ERROR_NO_ADAPTER, "needs an RDMA device that is up and has an address" },
	{ EMSGSIZE, RDMAREG_ERROR_NO_ADAPTER, "needs a larger MTU" },
	{ EACCES, RDMAREG_ERROR_ACCESS_DENIED, "the descriptor does not allow it" },
	{ EPERM, RDMAREG_ERROR_ACCESS_DENIED, "the descriptor or a seal does not allow it" },
	{ ENOSPC, RDMAREG_ERROR_LIMIT_EXCEEDED, "a limit of the keeper is reached; see [limits] in rdmaregd.conf" },
	{ EDQUOT, RDMAREG_ERROR_LIMIT_EXCEEDED, "a limit of the keeper is reached; see [limits] in rdmaregd.conf" },
	{ EMFILE, RDMAREG_ERROR_LIMIT_EXCEEDED, "the keeper has no descriptors left: release regions" },
	{ ENOMEM, RDMAREG_ERROR_LIMIT_EXCEEDED,
	  "memory or the keeper's locked-memory limit ran out; see memlock_bytes in rdmaregd.conf" },
	{ EBUSY, RDMAREG_ERROR_BUSY, "try again when the region is live" },
	{ EAGAIN, RDMAREG_ERROR_BUSY, "try again" },
	{ ENOENT, RDMAREG_ERROR_NO_SUCH_REGION, "it ended meanwhile" },
	{ ECANCELED, RDMAREG_ERROR_BUSY, "the region was released meanwhile" },
	{ ESTALE, RDMAREG_ERROR_NO_SUCH_REVOCATION, "it is over" },
	{ EPIPE, RDMAREG_ERROR_KEEPER_LOST, "try again: a new keeper is started" },
	{ ECONNRESET, RDMAREG_ERROR_KEEPER_LOST, "try again: a new keeper is started" },
	{ ETIMEDOUT, RDMAREG_ERROR_KEEPER_LOST, "the keeper did not answer in time; see timeout_msec in rdmaregd.conf" },
};

int failure_from_errno(struct failure *f, const char *what, int error, const char *detail)
{
	const char *colon = *detail ? ": " : "";

	for (size_t i = 0; i < sizeof(errno_table) / sizeof(errno_table[0]); i++)
		if (errno_table[i].error == -error)
			return failure_set(f, errno_table[i].name, "%s failed: %s%s%s (%s)", what, strerror(-error), colon,
					   detail, errno_table[i].advice);
	return failure_set(f, RDMAREG_ERROR_FAILED, "%s failed: %s%s%s (see the journal of rdmaregd)", what,
			   strerror(-error), colon, detail);
}
