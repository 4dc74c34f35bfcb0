// SPDX-License-Identifier: GPL-2.0-or-later
/* model.c - see model.h. */
#include "model.h"

#include <string.h>

static uint32_t least(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

static uint32_t down(uint32_t n)
{
	return n / PAGE * PAGE;
}

static uint32_t up(uint32_t n)
{
	return down(n + PAGE - 1);
}

bool op_reads(enum op_kind kind)
{
	return kind == OP_READ || kind == OP_MAP_READ || kind == OP_DIRECT_READ ||
	       kind == OP_REMOTE_READ || kind == OP_REMOTE_PEEK;
}

bool op_takes(enum op_kind kind)
{
	switch (kind) {
	case OP_TRUNCATE:
	case OP_PUNCH:
	case OP_ZERO:
	case OP_ZERO_KEEP:
	case OP_COLLAPSE:
	case OP_INSERT:
	case OP_UNSHARE:
	case OP_ALLOCATE:
	case OP_ALLOCATE_KEEP:
	case OP_CLONE:
	case OP_COPY:
		return true;
	default:
		return false;
	}
}

/* A range that lies below @end; false: there is none. */
static bool within(struct op *op, uint32_t end)
{
	if (end == 0 || op->length == 0)
		return false;
	op->offset %= end;
	op->length = least(op->length, end - op->offset);
	return true;
}

/* Whole pages below @end. */
static bool pages_within(struct op *op, uint32_t end)
{
	op->offset = down(op->offset);
	op->length = up(op->length);
	return within(op, down(end));
}

/* What is registered of [0, @end). */
static bool within_region(const struct model *m, struct op *op, uint32_t end)
{
	uint32_t start = m->kind.start;

	end = least(end, start + m->kind.length);
	if (!m->region || end <= start || !within(op, end - start))
		return false;
	op->offset += start;
	return true;
}

static bool fit_from_other(const struct model *m, struct op *op, bool pages)
{
	uint32_t end = m->size[!op->file];

	if (pages) {
		end = down(end);
		op->other = down(op->other);
	}
	if (end == 0 || !(pages ? pages_within(op, FILE_BYTES) : within(op, FILE_BYTES)))
		return false;
	op->other %= end;
	op->length = least(op->length, end - op->other);
	return true;
}

bool model_fit(const struct model *m, struct op *op)
{
	uint32_t size;

	if (op_is_remote(op->kind))
		op->file = 0;
	size = m->size[op->file];
	switch (op->kind) {
	case OP_WRITE:
	case OP_ALLOCATE:
	case OP_ALLOCATE_KEEP:
	case OP_PUNCH:
	case OP_ZERO:
	case OP_ZERO_KEEP:
	case OP_UNSHARE:
		return within(op, FILE_BYTES);
	case OP_DIRECT_WRITE:
		return pages_within(op, FILE_BYTES);
	case OP_READ:
	case OP_MAP_READ:
	case OP_MAP_WRITE:
	case OP_MSYNC:
	case OP_DONTNEED:
	case OP_PAGEOUT:
		return within(op, size);
	case OP_DIRECT_READ:
		op->offset = size ? down(op->offset % size) : 0;
		return within(op, size);
	case OP_TRUNCATE:
		op->length = least(op->length, FILE_BYTES);
		return true;
	case OP_COLLAPSE: /* not up to the end */
		return size > PAGE && pages_within(op, size - 1);
	case OP_INSERT:
		if (size == 0)
			return false;
		op->offset = down(op->offset % size);
		op->length = least(up(op->length), down(FILE_BYTES - size));
		return op->length > 0;
	case OP_CLONE:
		return fit_from_other(m, op, true);
	case OP_COPY:
		return fit_from_other(m, op, false);
	case OP_REMOTE_WRITE:
		if (m->kind.read_only || !within_region(m, op, size))
			return false;
		op->length += op->offset % PAGE;
		op->offset = down(op->offset);
		return true;
	case OP_REMOTE_READ:
	case OP_PERSIST:
	case OP_PREFETCH:
	case OP_REVOKE:
		return within_region(m, op, size);
	case OP_REMOTE_PEEK:
		return within_region(m, op, FILE_BYTES);
	case OP_DISCONNECT:
	case OP_SYNC:
	case OP_CONFIGURE:
	case OP_RELEASE:
	case OP_GONE:
	case OP_REPLACE_KEEPER:
		return m->region;
	case OP_STORAGE_FAILS:
		return within(op, size);
	case OP_REGION: /* it begins inside the file */
		return size > region_of(op->value).start;
	default:
		return true;
	}
}

static void resize(struct model *m, uint32_t file, uint32_t size)
{
	if (size < m->size[file])
		memset(m->bytes[file] + size, 0, FILE_BYTES - size);
	m->size[file] = size;
}

static void extend(struct model *m, uint32_t file, uint32_t end)
{
	if (end > m->size[file])
		m->size[file] = end;
}

void model_apply(struct model *m, const struct op *op, uint32_t done)
{
	uint8_t *bytes = m->bytes[op->file];
	uint32_t size = m->size[op->file], end = op->offset + op->length;

	switch (op->kind) {
	case OP_WRITE:
	case OP_MAP_WRITE:
	case OP_DIRECT_WRITE:
	case OP_REMOTE_WRITE:
		for (uint32_t i = 0; i < done; i++)
			bytes[op->offset + i] = op_byte(op, i);
		extend(m, op->file, op->offset + done);
		break;
	case OP_TRUNCATE:
		resize(m, op->file, op->length);
		break;
	case OP_ALLOCATE:
		extend(m, op->file, end);
		break;
	case OP_ZERO:
		extend(m, op->file, end);
		memset(bytes + op->offset, 0, op->length);
		break;
	case OP_PUNCH:
	case OP_ZERO_KEEP:
		memset(bytes + op->offset, 0, op->length);
		break;
	case OP_COLLAPSE:
		memmove(bytes + op->offset, bytes + end, size - end);
		resize(m, op->file, size - op->length);
		break;
	case OP_INSERT:
		memmove(bytes + end, bytes + op->offset, size - op->offset);
		memset(bytes + op->offset, 0, op->length);
		m->size[op->file] = size + op->length;
		break;
	case OP_CLONE:
	case OP_COPY:
		memcpy(bytes + op->offset, m->bytes[!op->file] + op->other, done);
		extend(m, op->file, op->offset + done);
		break;
	case OP_REGION:
		m->region = true;
		m->kind = region_of(op->value);
		break;
	case OP_CONFIGURE:
		m->kind = region_configured(m->kind, op->value);
		break;
	case OP_RELEASE:
	case OP_GONE:
	case OP_KILL_KEEPER:
	case OP_REMOUNT:
	case OP_STORAGE_FAILS:
		m->region = false;
		break;
	default:
		break;
	}
}

uint32_t model_adopt(struct model *m, const struct op *op, const uint8_t *data)
{
	uint8_t *bytes = m->bytes[op->file] + op->offset;

	for (uint32_t i = 0; i < op->length; i++)
		if (data[i] != bytes[i] && data[i] != op_byte(op, i))
			return op->offset + i;
	memcpy(bytes, data, op->length);
	return FILE_BYTES;
}

uint32_t model_compare(const struct model *m, uint32_t file, uint32_t offset, const uint8_t *data,
		       uint32_t length)
{
	for (uint32_t i = 0; i < length; i++)
		if (data[i] != m->bytes[file][offset + i])
			return offset + i;
	return FILE_BYTES;
}
