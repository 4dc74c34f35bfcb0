/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * rdmareg-device.h - what this machine has that regions can be made of. Part of rdmareg.h.
 *
 * What always holds: the list is a picture of the moment it was asked for; who wants to know again
 * asks again.
 */
#ifndef RDMAREG_H
#error "include rdmareg.h, which brings this file with it"
#endif
#ifndef RDMAREG_DEVICE_H
#define RDMAREG_DEVICE_H

#ifdef __cplusplus
extern "C" {
#endif

struct rdmareg_devices; /* a walk over devices */

/* Strings are never NULL, and valid until the walk is freed. */
struct rdmareg_device {
	size_t size;
	const char *
		/*
		 * "adapter"; "dax-region": memory that devices are made from; "dax-device". More
		 * may come
		 */
		kind;
	const char *name; /* "mlx5_0", "dax0.0", "region0" */
	const char *path; /* "/dev/dax0.0"; "": nothing to open */
	const char *
		/*
		 * "devdax", "system-ram", "none"; of an adapter its port's state: "active", "down"
		 */
		mode;
	const char
		*unusable; /* why no region can be registered on it, and what to do; "": one can */
	uint64_t bytes;
	uint64_t available_bytes; /* of a dynamic region: what no device has */
	uint64_t alignment;	  /* offset and length of a region on it are multiples of this */
	uint32_t dax_region;	  /* number of the region: its own, or the one it is part of */
	uint32_t node;		  /* memory node it belongs to; UINT32_MAX: none */
	/* 1: devices can be made of the region, and resized, while the system runs */
	uint8_t dynamic;
	uint8_t reserved[7];
	/* Of an adapter; else "" and 0. */
	const char *driver, *firmware;
	const char *netdev; /* its network interface; "": none that rdmaregd sees */
	uint64_t
		/*
		 * of that interface, bytes; 0: not known, as where the service is shown no
		 * interfaces
		 */
		mtu;
	const char *abilities; /* what its self-test saw to work; "": not tested */
	const char *quirks;    /* what rdmaregd has to heed; "none"; or why that is not known */
};

/*
 * rdmareg_list_devices: ask for all devices. Anybody may.
 * @ret: freed with rdmareg_devices_free(). EIO: sysfs cannot be read.
 */
int rdmareg_list_devices(struct rdmareg *c, struct rdmareg_devices **ret);

/* rdmareg_devices_next: 1 and the next one in @device (size set by the caller), or 0 at the end. */
int rdmareg_devices_next(struct rdmareg_devices *d, struct rdmareg_device *device);
struct rdmareg_devices *rdmareg_devices_free(struct rdmareg_devices *d);

struct rdmareg_dax_options {
	size_t size;
	uint32_t region; /* number of a dynamic region, with has_region; else any that has room */
	uint8_t has_region; /* 1: @region counts */
	uint8_t detached;   /* 1: it stays when this connection ends, until it is destroyed */
	uint8_t reserved[2];
};

/*
 * rdmareg_dax_create: a new device-dax device, part of a dynamic region. All its bytes are 0.
 * @bytes: at least 1; rounded up to the region's alignment. @options: NULL: none.
 * @ret_fd: opened O_RDWR, close-on-exec; it is the right to use the device, since the node is
 *          root's.
 * @ret_path: freed with free(); @ret_bytes: what it has. Either may be NULL.
 *
 * Waits until it is cleared. It is destroyed after the connection ended, as soon as nobody has it
 * open or mapped, unless it is detached. EACCES: dax_bytes_per_tenant of rdmaregd.conf does not
 * allow it, nor does polkit. EDQUOT: less is free. EBADF: no such region is dynamic. EBUSY: try
 * again.
 */
int rdmareg_dax_create(struct rdmareg *c, uint64_t bytes, const struct rdmareg_dax_options *options,
		       int *ret_fd, char **ret_path, uint64_t *ret_bytes);

/*
 * rdmareg_dax_destroy: give such a device back to its region.
 * @path: as rdmareg_dax_create() said. EBUSY: somebody has it open or mapped, also this process.
 *        EBADF: it was not made for this user.
 */
int rdmareg_dax_destroy(struct rdmareg *c, const char *path);

#ifdef __cplusplus
}
#endif

#endif
