// SPDX-License-Identifier: GPL-2.0-or-later
/* intake-header.c - see intake-header.h. */
#include "bus/intake-header.h"

#include <endian.h>
#include <errno.h>
#include <string.h>

#include "util/passed.h"

enum field {
	FIELD_SENDER = 7,
	FIELD_UNIX_FDS = 9,
	_FIELD_MAX,
};

/* The fields that D-Bus knows, by number, */
static const char field_types[_FIELD_MAX] = { [1] = 'o', 's', 's', 's', 'u', 's', 's', 'g', 'u' };
/*
 * and how long texts may be that come with descriptors: far more than any method takes, less than
 * what sd-bus does.
 */
#define PLAIN_PATH_MAX 4096
#define PLAIN_SIGNATURE_MAX 32

static uint32_t number_at(const unsigned char *data, size_t at)
{
	uint32_t n;

	memcpy(&n, data + at, sizeof(n));
	return data[0] == 'B' ? be32toh(n) : le32toh(n);
}

static size_t align(size_t at, size_t to)
{
	return (at + to - 1) & ~(to - 1);
}

static void note_field(struct header *h, uint8_t field, char type)
{
	if (field >= _FIELD_MAX || field_types[field] != type || h->seen & (1u << field))
		h->odd = true;
	else
		h->seen |= (uint16_t)(1u << field);
}

/*
 * One field at *@at. False: it ends here, or has a type that no field we look for has. The size of
 * a text is less than 2^27 or it is not in what we have.
 */
static bool read_field(const unsigned char *data, size_t size, size_t *at, struct header *h)
{
	size_t start = align(*at, 8), value = align(start + 4, 4), n;
	char type;

	if (start + 4 >= size || data[start + 1] != 1)
		return false;
	type = (char)data[start + 2];
	note_field(h, data[start], type);
	if (type == 'g') {
		h->odd |= data[start + 4] > PLAIN_SIGNATURE_MAX;
		*at = start + 4 + 1 + data[start + 4] + 1;
		return true;
	}
	if (value + 4 > size)
		return false;
	if (type == 'u') {
		if (data[start] == FIELD_UNIX_FDS)
			h->n_fds = number_at(data, value);
		*at = value + 4;
		return true;
	}
	n = number_at(data, value);
	if ((type != 's' && type != 'o') || n >= MESSAGE_MAX || value + 4 + n + 1 > size)
		return false;
	h->odd |= n > (type == 'o' ? PLAIN_PATH_MAX : BUS_NAME_MAX - 1);
	if (data[start] == FIELD_SENDER && n < sizeof(h->sender)) {
		memcpy(h->sender, data + value + 4, n);
		h->sender[n] = 0;
	}
	*at = value + 4 + n + 1;
	return true;
}

int header_begin(const unsigned char *data, struct header *ret)
{
	uint64_t fields = number_at(data, 12), body = number_at(data, 4);

	if (data[0] != 'l' && data[0] != 'B')
		return -EBADMSG;
	*ret = (struct header){ .type = data[1],
				.serial = number_at(data, 8),
				.fields = HEADER_SIZE + fields };
	ret->size = HEADER_SIZE + align(fields, 8) + body;
	return 0;
}

void header_read(const unsigned char *data, size_t size, struct header *h)
{
	size_t end = h->fields < size ? h->fields : size, at = HEADER_SIZE;

	while (at < end && read_field(data, end, &at, h))
		;
	h->odd |= at != h->fields || !*h->sender || !h->n_fds || h->n_fds > DESCRIPTORS_MAX;
}
