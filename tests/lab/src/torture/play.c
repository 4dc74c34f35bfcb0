// SPDX-License-Identifier: GPL-2.0-or-later
/* play.c - see play.h. */
#include "play.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

struct play {
	const struct subject *subject;
	struct counts *counts;
	struct verdict *verdict;
	struct model model;
	bool acted; /* there was an actor in this tape */
	uint8_t data[FILE_BYTES];
};

static bool wrong(struct play *p, const struct op *op, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static bool wrong(struct play *p, const struct op *op, const char *format, ...)
{
	size_t size = sizeof(p->verdict->what);
	va_list arguments;
	int n = snprintf(p->verdict->what, size, "%s of %c [%u, %u): ", op_name(op->kind),
			 op->file ? 'b' : 'a', op->offset, op->offset + op->length);

	va_start(arguments, format);
	vsnprintf(p->verdict->what + n, size - (size_t)n, format, arguments);
	va_end(arguments);
	return false;
}

static bool failed(struct play *p, const struct op *op, int64_t error)
{
	const char *why = op_is_remote(op->kind) || op_is_actor(op->kind)
				  ? p->subject->why(p->subject->self)
				  : "";

	return wrong(p, op, "%s%s%s", strerror((int)-error), *why ? ": " : "", why);
}

static bool compare(struct play *p, const struct op *op, uint32_t length)
{
	const uint8_t *must = p->model.bytes[op->file];
	uint32_t at = model_compare(&p->model, op->file, op->offset, p->data, length), n = 0;

	if (at == FILE_BYTES)
		return true;
	for (uint32_t i = at; i < op->offset + length; i++)
		n += p->data[i - op->offset] != must[i];
	return wrong(p, op, "byte %u (page %u) is %#x and must be %#x; %u bytes are wrong, size %u",
		     at, at / PAGE, p->data[at - op->offset], must[at], n, p->model.size[op->file]);
}

/* How a peer's operation may fail: in words, and so that the peer knows what to do. */
static bool may_fail(const struct play *p, int64_t error)
{
	switch (-error) {
	case EACCES:
	case ESTALE:
	case ECONNRESET:
	case EAGAIN:
	case ERANGE:
	case EREMOTEIO:
		return true;
	case ECONNREFUSED: /* the host, its keeper or the way there may be gone for a while */
	case EHOSTUNREACH:
	case ENODEV:
	case ETIMEDOUT:
		return p->acted;
	default:
		return false;
	}
}

/* What is asked for about a region may lie beyond what the daemon knows already of the file. */
static bool may_be_refused(const struct play *p, enum op_kind kind, int64_t error)
{
	switch (kind) {
	case OP_REMOTE_WRITE:
	case OP_PERSIST:
		return may_fail(p, error);
	case OP_PREFETCH:
	case OP_REVOKE:
		return error == -ERANGE;
	default:
		return false;
	}
}

/* Nothing is reached beyond the page in which the file ends. */
static bool judge_peek(struct play *p, const struct op *op, int64_t n)
{
	uint32_t end = (p->model.size[0] + PAGE - 1) / PAGE * PAGE;

	if (n > 0 && op->offset + (uint32_t)n > end)
		return wrong(p, op, "%u bytes were read, and the file ends at %u", (uint32_t)n,
			     p->model.size[0]);
	return compare(p, op, (uint32_t)n);
}

static bool judge_read(struct play *p, const struct op *op, int64_t n)
{
	if (n < 0 && op_is_remote(op->kind) && may_fail(p, n) &&
	    *p->subject->why(p->subject->self)) {
		p->counts->refused++;
		return true;
	}
	if (n < 0)
		return failed(p, op, n);
	if (op->kind == OP_REMOTE_PEEK)
		return judge_peek(p, op, n);
	if (n != op->length)
		return wrong(p, op, "%d bytes were read", (int)n);
	for (unsigned int i = 0;
	     op->kind == OP_REMOTE_READ && i < p->subject->late_reads &&
	     model_compare(&p->model, op->file, op->offset, p->data, op->length) != FILE_BYTES;
	     i++) {
		p->counts->late += i == 0;
		n = p->subject->perform(p->subject->self, op, p->data);
		if (n != op->length)
			return failed(p, op, n);
	}
	return compare(p, op, op->length);
}

static bool judge_state(struct play *p, const struct op *op, int64_t size)
{
	if (size < 0)
		return failed(p, op, size);
	if (size != p->model.size[op->file])
		return wrong(p, op, "the file has %u bytes and must have %u", (uint32_t)size,
			     p->model.size[op->file]);
	for (uint32_t i = 0; i < size; i++)
		if (p->data[i] && p->model.bytes[op->file][i])
			return wrong(p, op, "byte %u lies in a hole and must be %#x", i,
				     p->model.bytes[op->file][i]);
	return true;
}

/* A write whose end nobody was told. */
static bool judge_unknown(struct play *p, const struct op *op, int64_t n)
{
	uint32_t at;

	if (n != op->length)
		return wrong(p, op, "%d bytes are left of it", (int)n);
	at = model_adopt(&p->model, op, p->data);
	return at == FILE_BYTES ||
	       wrong(p, op, "byte %u (page %u) is %#x, which is neither what was there nor new", at,
		     at / PAGE, p->data[at - op->offset]);
}

static bool judge_change(struct play *p, const struct op *op, int64_t n)
{
	bool held = p->model.region && p->model.kind.policy == 2;

	if (n == -EOPNOTSUPP || n == -ENOTTY || n == -EXDEV || n == -ENOSYS) {
		p->counts->missing++;
		p->counts->done[op->kind] -= op_is_actor(op->kind);
		return true;
	}
	if ((n == -ETXTBSY && held && op_takes(op->kind)) ||
	    (n < 0 && may_be_refused(p, op->kind, n) && *p->subject->why(p->subject->self))) {
		p->counts->refused++;
		return true;
	}
	if (n < 0)
		return failed(p, op, n);
	model_apply(&p->model, op, (uint32_t)n);
	return op->kind != OP_STORAGE_FAILS || judge_unknown(p, op, n);
}

static bool step(struct play *p, struct op op)
{
	int64_t n;

	if (!model_fit(&p->model, &op))
		return true;
	for (uint32_t i = 0; !op_reads(op.kind) && i < op.length && i < FILE_BYTES; i++)
		p->data[i] = op_byte(&op, i);
	p->acted |= op_is_actor(op.kind);
	n = p->subject->perform(p->subject->self, &op, p->data);
	p->counts->done[op.kind]++;
	if (n == -ETIME)
		return wrong(p, &op, "it does not end. %s", p->subject->why(p->subject->self));
	if (op_reads(op.kind))
		return judge_read(p, &op, n);
	if (op.kind == OP_STATE)
		return judge_state(p, &op, n);
	return judge_change(p, &op, n);
}

/* Every byte of both files, each way. */
static bool check(struct play *p)
{
	static const enum op_kind ways[] = { OP_STATE, OP_READ, OP_MAP_READ, OP_REMOTE_READ };
	bool device = p->subject->device_bytes > 0;

	for (size_t i = device ? 2 : 0; i < sizeof(ways) / sizeof(*ways); i++)
		for (uint32_t file = 0; file < (device || ways[i] == OP_REMOTE_READ ? 1 : 2);
		     file++)
			if (!step(p, (struct op){ .kind = ways[i],
						  .file = file,
						  .length = p->model.size[file],
						  .other = 1 }))
				return false;
	return true;
}

bool play(const struct subject *s, const struct op *ops, size_t n, struct counts *counts,
	  struct verdict *ret)
{
	struct counts unused = { 0 };
	struct play *p = calloc(1, sizeof(*p));
	bool held = p != NULL;
	int r;

	if (!p)
		abort();
	p->subject = s;
	p->counts = counts ? counts : &unused;
	p->verdict = ret;
	p->model.size[0] = s->device_bytes;
	ret->at = 0;
	r = s->begin(s->self);
	if (r < 0) {
		snprintf(ret->what, sizeof(ret->what), "it cannot begin: %s", strerror(-r));
		held = false;
	}
	for (size_t i = 0; held && i <= n; i++) {
		ret->at = i;
		held = i == n || ops[i].kind == OP_CHECK ? check(p) : step(p, ops[i]);
		/* whatever has happened to the product, the bytes are there */
		if (held && i < n && op_is_actor(ops[i].kind) && op_is_over(ops[i].kind))
			held = check(p);
	}
	s->end(s->self);
	free(p);
	return held;
}
