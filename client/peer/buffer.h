/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * buffer.h - pinned memory of this side. What always holds: it lives as long as the connection;
 * nothing may be in flight when it is freed.
 */
#ifndef RDMAREG_CLIENT_BUFFER_H
#define RDMAREG_CLIENT_BUFFER_H

#include "peer.h"

struct rdmareg_buffer {
	struct rdmareg_peer *peer;
	struct rdmareg_buffer *next;
	struct ibv_mr *mr;
	uint8_t *memory;
	size_t length;
	bool writable;
};

/* Bytes of which every chunk but the last is a multiple. */
uint32_t buffer_chunk_unit(const struct rdmareg_peer *p);
/* Pin the peer's own memory, p->bounce, unless it is. */
int buffer_prepare(struct rdmareg_peer *p);
void buffer_free_all(struct rdmareg_peer *p);

#endif
