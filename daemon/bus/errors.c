// SPDX-License-Identifier: GPL-2.0-or-later
/* errors.c - see errors.h. */
#include "bus/errors.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#include "names.h"
#include "util/macros.h"

int failure_set(struct failure *f, const char *name, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fail_va(f, BUS_E_REFUSED, format, args);
	va_end(args);
	f->name = name;
	return BUS_E_REFUSED;
}

int failure_from_refusal(struct failure *f, int refusal, const struct registry_limits *limits,
			 uint32_t uid, const char *session, uint64_t bytes)
{
	switch ((enum registry_refusal)refusal) {
	case REGISTRY_E_REGIONS_PER_TENANT:
		return failure_set(
			f, RDMAREG_ERROR_LIMIT_EXCEEDED,
			"uid %" PRIu32 " session '%s' has reached its limit of %" PRIu32
			" regions: release some, or have the administrator raise regions_per_tenant in "
			"rdmaregd.conf",
			uid, session, limits->regions_per_tenant);
	case REGISTRY_E_BYTES_PER_TENANT:
		return failure_set(
			f, RDMAREG_ERROR_LIMIT_EXCEEDED,
			"%" PRIu64 " more bytes would take uid %" PRIu32
			" session '%s' over its limit of %" PRIu64
			" bytes: release regions, or have the administrator raise bytes_per_tenant in rdmaregd.conf",
			bytes, uid, session, limits->bytes_per_tenant);
	case REGISTRY_E_REGIONS_PER_CLIENT:
		return failure_set(
			f, RDMAREG_ERROR_LIMIT_EXCEEDED,
			"this connection has reached its limit of %" PRIu32
			" regions: release some, register detached ones, "
			"or have the administrator raise regions_per_client in rdmaregd.conf",
			limits->regions_per_client);
	case REGISTRY_E_TENANTS_PER_UID:
		return failure_set(
			f, RDMAREG_ERROR_LIMIT_EXCEEDED,
			"uid %" PRIu32 " has reached its limit of %" PRIu32
			" sessions, so '%s' cannot be opened: use one of "
			"them, or have the administrator raise tenants_per_uid in rdmaregd.conf",
			uid, limits->tenants_per_uid, session);
	case REGISTRY_E_TENANTS:
		return failure_set(f, RDMAREG_ERROR_LIMIT_EXCEEDED,
				   "this machine has reached its limit of %" PRIu32
				   " keepers: try again later, or have the "
				   "administrator raise keepers in rdmaregd.conf",
				   limits->tenants);
	case REGISTRY_E_REGIONS_PER_SESSION:
		return failure_set(
			f, RDMAREG_ERROR_LIMIT_EXCEEDED,
			"session '%s' of uid %" PRIu32
			" has as many regions as it was created for, or more from before its limit was lowered: release "
			"some, or have its MaxRegions raised",
			session, uid);
	case REGISTRY_E_BYTES_PER_SESSION:
		return failure_set(
			f, RDMAREG_ERROR_LIMIT_EXCEEDED,
			"%" PRIu64 " more bytes would take session '%s' of uid %" PRIu32
			" over what it was created for: release regions, or have its MaxBytes raised",
			bytes, session, uid);
	case REGISTRY_E_SESSION_DRAINS:
		return failure_set(f, RDMAREG_ERROR_BUSY,
				   "session '%s' of uid %" PRIu32
				   " is draining: nothing new is registered in it; use another one",
				   session, uid);
	case REGISTRY_E_SESSION_ENDS:
		return failure_set(
			f, RDMAREG_ERROR_BUSY,
			"session '%s' of uid %" PRIu32
			" is being released: nothing new is registered in it; use another one",
			session, uid);
	case REGISTRY_E_SESSIONS:
		return failure_set(
			f, RDMAREG_ERROR_LIMIT_EXCEEDED,
			"there are %" PRIu32
			" sessions, which is the limit: release some, or have the administrator raise sessions_max "
			"in rdmaregd.conf",
			limits->sessions);
	case REGISTRY_E_IDS:
		return failure_set(
			f, RDMAREG_ERROR_LIMIT_EXCEEDED,
			"keepers can run under %" PRIu32
			" user ids, and each is a tenant's already: release sessions, or have the administrator "
			"widen keeper_uids in rdmaregd.conf",
			limits->ids);
	case REGISTRY_E_EXISTS:
		break;
	}
	return failure_set(
		f, RDMAREG_ERROR_FAILED,
		"the region cannot be added (refusal %d, which has no text): please report this",
		refusal);
}

/*
 * What a keeper's errno means to a caller: the matter, unless the keeper has said it better, and
 * the advice.
 */
static const struct {
	int error;
	const char *name;
	const char *matter;
	const char *advice;
} errno_table[] = {
	{ EINVAL, RDMAREG_ERROR_INVALID_RANGE, "the range does not fit the file",
	  "check offset and length" },
	{ ERANGE, RDMAREG_ERROR_INVALID_RANGE, "the range does not fit",
	  "check offset and length" },
	{ EOVERFLOW, RDMAREG_ERROR_INVALID_RANGE, "the range does not fit the file",
	  "check offset and length" },
	{ EBADF, RDMAREG_ERROR_INVALID_FILE, "the descriptor cannot be used",
	  "open a file O_RDONLY or O_RDWR" },
	{ ENODEV, RDMAREG_ERROR_INVALID_FILE, "the file cannot be mapped",
	  "use one on a filesystem with mmap(2)" },
	{ ENOTSUP, RDMAREG_ERROR_NO_ADAPTER, "no RDMA device here can do this",
	  "a device with on-demand paging is needed" },
	{ ENXIO, RDMAREG_ERROR_NO_ADAPTER,
	  "no RDMA device with on-demand paging has an address here",
	  "see rdma link and ip address" },
	{ EADDRNOTAVAIL, RDMAREG_ERROR_FAILED,
	  "no RDMA device has the listen_address of rdmaregd.conf",
	  "have the administrator set it to an address of an RDMA device, see rdma link and ip address, or to any, "
	  "and then call: rdmaregctl reload" },
	{ ENETDOWN, RDMAREG_ERROR_NO_ADAPTER, "no peer can connect",
	  "try again when the address is there, see ip address" },
	{ EADDRINUSE, RDMAREG_ERROR_FAILED, "the port of rdmaregd.conf is taken",
	  "have the administrator set it to 0 or a free one, and then call: rdmaregctl reload" },
	{ EMSGSIZE, RDMAREG_ERROR_NO_ADAPTER, "the RDMA device's MTU is too small",
	  "see minimum_mtu in rdmaregd.conf" },
	{ EACCES, RDMAREG_ERROR_ACCESS_DENIED, "the descriptor does not allow it",
	  "open the file with more rights" },
	{ EPERM, RDMAREG_ERROR_ACCESS_DENIED, "the descriptor or a seal does not allow it",
	  "ask for access 'r'" },
	{ ENOSPC, RDMAREG_ERROR_LIMIT_EXCEEDED, "no space is left", "make some, and try again" },
	{ EDQUOT, RDMAREG_ERROR_LIMIT_EXCEEDED, "a limit is reached",
	  "see [limits] in rdmaregd.conf" },
	{ EMFILE, RDMAREG_ERROR_LIMIT_EXCEEDED, "no descriptors are left", "release regions" },
	{ ENOMEM, RDMAREG_ERROR_LIMIT_EXCEEDED, "memory, or memory that may be locked, has run out",
	  "see memlock_bytes in rdmaregd.conf" },
	{ EBUSY, RDMAREG_ERROR_BUSY, "the region is busy", "try again when the region is live" },
	{ EAGAIN, RDMAREG_ERROR_BUSY, "too much else is under way", "try again" },
	{ ENOENT, RDMAREG_ERROR_NO_SUCH_REGION, "the region ended meanwhile", "register it again" },
	{ ECANCELED, RDMAREG_ERROR_BUSY, "the region was released meanwhile", "register it again" },
	{ ESTALE, RDMAREG_ERROR_NO_SUCH_REVOCATION, "the revocation is over",
	  "wait for the next one" },
	{ EPIPE, RDMAREG_ERROR_KEEPER_LOST, "the tenant's keeper was lost",
	  "try again, a new one is started" },
	{ ETIME, RDMAREG_ERROR_TIMEOUT, "the storage does not answer",
	  "see the kernel's log; what is registered there can still be released" },
	{ ETIMEDOUT, RDMAREG_ERROR_TIMEOUT, "the tenant's keeper has not answered in time",
	  "try again when it answers; see timeout_msec in rdmaregd.conf" },
	{ ENOTCONN, RDMAREG_ERROR_BUSY, "the connection to the tenant's keeper ended meanwhile",
	  "try again" },
	{ ENOSYS, RDMAREG_ERROR_NOT_SUPPORTED, "the region's keeper is of an older package",
	  "what is registered in another session gets a new keeper" },
	{ EPROTO, RDMAREG_ERROR_FAILED,
	  "rdmaregd and the tenant's keeper do not understand each other",
	  "see the journal of rdmaregd" },
};

int failure_from_errno(struct failure *f, const char *what, int error, const char *detail)
{
	for (size_t i = 0; i < ARRAY_SIZE(errno_table); i++)
		if (errno_table[i].error == -error)
			return failure_set(f, errno_table[i].name, "%s failed: %s (%s)", what,
					   *detail ? detail : errno_table[i].matter,
					   errno_table[i].advice);
	return failure_set(f, RDMAREG_ERROR_FAILED, "%s failed: %s (see the journal of rdmaregd)",
			   what, *detail ? detail : strerror(-error));
}
