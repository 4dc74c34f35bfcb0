// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * pinned.c - what an ordinary, pinned registration of file memory does on this kernel. The contrast
 * of the demo.
 *
 *   pinned DEVICE register FILE     register 1 MiB of FILE for reading and writing; prints the
 *   result pinned DEVICE lose              the same on a tmpfs file, then truncate it to nothing,
 *   grow it again, and let a peer write:
 *                                   every write completes; prints how many pages the file never got
 *
 * One process plays both ends over one device, so nothing of rdmaregd is involved. Exits 0 when the
 * measurement ran, whatever it says.
 */
#include <errno.h>
#include <fcntl.h>
#include <infiniband/verbs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define PAGE 4096u
#define PAGES 256u
#define LENGTH ((size_t)PAGE * PAGES)
#define MARK 0x5a

static struct ibv_context *context;
static struct ibv_pd *pd;
static struct ibv_cq *cq;
static union ibv_gid gid;
static int gid_index = -1;

static void die(const char *what, int error)
{
	fprintf(stderr, "pinned: %s: %s\n", what, strerror(error));
	exit(1);
}

static void open_device(const char *name)
{
	static const uint8_t v4_mapped[12] = { [10] = 0xff, [11] = 0xff };
	struct ibv_device **list = ibv_get_device_list(NULL);

	for (int i = 0; list && list[i]; i++)
		if (!strcmp(ibv_get_device_name(list[i]), name))
			context = ibv_open_device(list[i]);
	if (!context)
		die(name, ENODEV);
	ibv_free_device_list(list);
	pd = ibv_alloc_pd(context);
	cq = ibv_create_cq(context, 64, NULL, NULL, 0);
	if (!pd || !cq)
		die("protection domain or completion queue", errno);
	for (int i = 0; i < 16 && gid_index < 0; i++)
		if (!ibv_query_gid(context, 1, i, &gid) &&
		    !memcmp(gid.raw, v4_mapped, sizeof(v4_mapped)))
			gid_index = i;
	if (gid_index < 0)
		die("an IPv4 address on the device", ENODEV);
}

static struct ibv_qp *make_qp(void)
{
	struct ibv_qp_init_attr init = {
		.send_cq = cq,
		.recv_cq = cq,
		.qp_type = IBV_QPT_RC,
		.cap = { .max_send_wr = 16,
			 .max_recv_wr = 1,
			 .max_send_sge = 1,
			 .max_recv_sge = 1 },
	};
	struct ibv_qp_attr attr = {
		.qp_state = IBV_QPS_INIT,
		.port_num = 1,
		.qp_access_flags = IBV_ACCESS_REMOTE_WRITE | IBV_ACCESS_REMOTE_READ,
	};
	struct ibv_qp *qp = ibv_create_qp(pd, &init);
	int e;

	if (!qp)
		die("queue pair", errno);
	e = ibv_modify_qp(qp, &attr,
			  IBV_QP_STATE | IBV_QP_PKEY_INDEX | IBV_QP_PORT | IBV_QP_ACCESS_FLAGS);
	if (e)
		die("queue pair to INIT", e);
	return qp;
}

static void connect_qp(struct ibv_qp *qp, uint32_t to)
{
	struct ibv_qp_attr attr = {
		.qp_state = IBV_QPS_RTR,
		.path_mtu = IBV_MTU_4096,
		.dest_qp_num = to,
		.max_dest_rd_atomic = 1,
		.min_rnr_timer = 12,
		.ah_attr = { .is_global = 1,
			     .port_num = 1,
			     .grh = { .dgid = gid,
				      .sgid_index = (uint8_t)gid_index,
				      .hop_limit = 1 } },
	};
	int e = ibv_modify_qp(qp, &attr,
			      IBV_QP_STATE | IBV_QP_AV | IBV_QP_PATH_MTU | IBV_QP_DEST_QPN |
				      IBV_QP_RQ_PSN | IBV_QP_MAX_DEST_RD_ATOMIC |
				      IBV_QP_MIN_RNR_TIMER);

	if (e)
		die("queue pair to RTR", e);
	attr = (struct ibv_qp_attr){ .qp_state = IBV_QPS_RTS,
				     .timeout = 14,
				     .retry_cnt = 6,
				     .rnr_retry = 7,
				     .max_rd_atomic = 1 };
	e = ibv_modify_qp(qp, &attr,
			  IBV_QP_STATE | IBV_QP_TIMEOUT | IBV_QP_RETRY_CNT | IBV_QP_RNR_RETRY |
				  IBV_QP_SQ_PSN | IBV_QP_MAX_QP_RD_ATOMIC);
	if (e)
		die("queue pair to RTS", e);
}

static int do_register(const char *path)
{
	int fd = open(path, O_RDWR);
	struct ibv_mr *mr;
	void *p;

	if (fd < 0)
		die(path, errno);
	p = mmap(NULL, LENGTH, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED)
		die("mmap", errno);
	mr = ibv_reg_mr(pd, p, LENGTH,
			IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE | IBV_ACCESS_REMOTE_READ);
	printf("%s\n", mr ? "ok" : strerrorname_np(errno));
	return 0;
}

/* One page at a time; returns how many completed. */
static unsigned int write_pages(struct ibv_qp *qp, struct ibv_mr *from, uint64_t to, uint32_t rkey)
{
	unsigned int completed = 0;

	for (unsigned int i = 0; i < PAGES; i++) {
		struct ibv_sge sge = { .addr = (uintptr_t)from->addr,
				       .length = PAGE,
				       .lkey = from->lkey };
		struct ibv_send_wr wr = {
			.sg_list = &sge,
			.num_sge = 1,
			.opcode = IBV_WR_RDMA_WRITE,
			.send_flags = IBV_SEND_SIGNALED,
			.wr.rdma = { .remote_addr = to + (uint64_t)i * PAGE, .rkey = rkey },
		}, *bad;
		struct ibv_wc wc;
		int n, e = ibv_post_send(qp, &wr, &bad);

		if (e)
			die("posting a write", e);
		while (!(n = ibv_poll_cq(cq, 1, &wc)))
			;
		if (n < 0 || wc.status)
			break;
		completed++;
	}
	return completed;
}

static int do_lose(void)
{
	static unsigned char page[PAGE] __attribute__((aligned(4096)));
	int fd = memfd_create("pinned", MFD_CLOEXEC);
	struct ibv_qp *a, *b;
	struct ibv_mr *mr, *from;
	unsigned int completed, lost = 0;
	unsigned char *p;

	if (fd < 0 || ftruncate(fd, (off_t)LENGTH))
		die("memfd", errno);
	p = mmap(NULL, LENGTH, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED)
		die("mmap", errno);
	mr = ibv_reg_mr(pd, p, LENGTH, IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE);
	memset(page, MARK, sizeof(page));
	from = ibv_reg_mr(pd, page, sizeof(page), IBV_ACCESS_LOCAL_WRITE);
	if (!mr || !from)
		die("registering", errno);
	a = make_qp();
	b = make_qp();
	connect_qp(a, b->qp_num);
	connect_qp(b, a->qp_num);

	/* what log rotation, a checkpoint library or a careless script does */
	if (ftruncate(fd, 0) || ftruncate(fd, (off_t)LENGTH))
		die("truncate", errno);
	completed = write_pages(a, from, (uintptr_t)p, mr->rkey);
	for (unsigned int i = 0; i < PAGES; i++) {
		if (pread(fd, page, PAGE, (off_t)i * PAGE) != PAGE)
			die("reading back", errno);
		lost += page[0] != MARK;
	}
	printf("%u of %u writes completed, %u of %u pages never reached the file\n", completed,
	       PAGES, lost, PAGES);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 4 && !strcmp(argv[2], "register")) {
		open_device(argv[1]);
		return do_register(argv[3]);
	}
	if (argc == 3 && !strcmp(argv[2], "lose")) {
		open_device(argv[1]);
		return do_lose();
	}
	fprintf(stderr, "usage: pinned DEVICE register FILE | pinned DEVICE lose\n");
	return 2;
}
