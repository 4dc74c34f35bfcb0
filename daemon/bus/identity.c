// SPDX-License-Identifier: GPL-2.0-or-later
/* identity.c - see identity.h. */
#include "bus/identity.h"

#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>

#include <linux/btrfs.h>

#include "util/xfs.h"

/* of any filesystem that has one, since Linux 6.9 */
struct any_uuid {
	uint8_t size;
	uint8_t uuid[16];
};
#define ANY_UUID _IOR(0x15, 0, struct any_uuid)

/* of ext4, since Linux 6.0 */
struct ext4_uuid {
	uint32_t size;
	uint32_t flags;
	uint8_t uuid[16];
};
#define EXT4_UUID _IOR('f', 44, uint64_t)

static void find_uuid(int fd, uint64_t ret[2])
{
	struct any_uuid any = { .size = sizeof(any.uuid) };
	struct ext4_uuid ext4 = { .size = sizeof(ext4.uuid) };
	struct btrfs_ioctl_fs_info_args btrfs = { 0 };
	struct xfs_geometry xfs = { 0 };
	const void *uuid = NULL;

	if (ioctl(fd, ANY_UUID, &any) == 0 && any.size == sizeof(any.uuid))
		uuid = any.uuid;
	else if (ioctl(fd, EXT4_UUID, &ext4) == 0 && ext4.size == sizeof(ext4.uuid))
		uuid = ext4.uuid;
	else if (ioctl(fd, XFS_GEOMETRY, &xfs) == 0)
		uuid = xfs.uuid;
	else if (ioctl(fd, BTRFS_IOC_FS_INFO, &btrfs) == 0)
		uuid = btrfs.fsid;
	if (uuid)
		memcpy(ret, uuid, 2 * sizeof(*ret));
}

void identity_find(int fd, uint64_t inode, uint64_t born_nsec, struct file_identity *ret)
{
	union {
		struct file_handle handle;
		char space[sizeof(struct file_handle) + IDENTITY_HANDLE_MAX];
	} u = { .handle.handle_bytes = IDENTITY_HANDLE_MAX };
	int mount;

	memset(ret, 0, sizeof(*ret));
	ret->inode = inode;
	ret->born_nsec = born_nsec;
	find_uuid(fd, ret->uuid);
	if (name_to_handle_at(fd, "", &u.handle, &mount, AT_EMPTY_PATH) < 0 ||
	    u.handle.handle_bytes > IDENTITY_HANDLE_MAX)
		return;
	ret->handle_type = (uint32_t)u.handle.handle_type;
	ret->handle_size = u.handle.handle_bytes;
	memcpy(ret->handle, u.handle.f_handle, ret->handle_size);
}

bool identity_is_same(const struct file_identity *a, const struct file_identity *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

const char *identity_difference(const struct file_identity *a, const struct file_identity *b)
{
	if (memcmp(a->uuid, b->uuid, sizeof(a->uuid)) != 0)
		return "it is on another filesystem";
	if (a->inode != b->inode)
		return "it is another file of that filesystem";
	return "it has the number of the file that was there, and is another one";
}
