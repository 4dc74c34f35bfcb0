// SPDX-License-Identifier: GPL-2.0-or-later
/* least.c - see least.h. */
#include "least.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <systemd/sd-bus.h>
#include <unistd.h>

#include "bench.h"
#include "pass.h"
#include "rdmareg-uapi.h"

_Static_assert(LEAST_MAX <= PASS_MAX, "one packet has all descriptors");

#define OF_BUS 16 /* descriptors of one message: what dbus-daemon passes by default */
#define DEADLINE_MSEC 5000
#define BUS_PATH "/org/rdmareg/Bench1"
#define BUS_INTERFACE "org.rdmareg.Bench1"
#define NAME_BYTES 64 /* of a connection */
#define PATIENCE_USEC 60000000

enum verb { REGISTER, REGISTERED, RELEASE, RELEASED, ASKED, ANSWERED };

/* Between all of them. Only as much of @at is sent as there is. */
struct packet {
	enum verb verb;
	bool by_service;	 /* REGISTER: it asks the holder */
	bool leased;		 /* REGISTERED */
	char holder[NAME_BYTES]; /* "": none */
	uint32_t n;
	struct {
		uint64_t address;
		uint32_t rkey;
	} at[LEAST_MAX];
};

/* Of who asks. */
static int to_keeper = -1;
static sd_bus *bus_of_asker;
static char service_name[NAME_BYTES];

/* --- packets with descriptors, and messages */

static void send_packet(int to, const struct packet *p, const int *fds, size_t n_fds)
{
	if (!pass_send(to, p, offsetof(struct packet, at) + p->n * sizeof(p->at[0]), fds, n_fds))
		die("least: sending");
}

/* How many descriptors came with it. A child ends with who started it. */
static size_t receive_packet(int from, struct packet *ret, int fds[LEAST_MAX])
{
	size_t n;

	if (pass_receive(from, ret, sizeof(*ret), fds, &n) <= 0) {
		if (to_keeper >= 0)
			die("least: the keeper has gone");
		_exit(0);
	}
	return n;
}

static struct packet ask_keeper(const struct packet *p, const int *fds, size_t n)
{
	struct packet answer;
	int none[LEAST_MAX];

	send_packet(to_keeper, p, fds, n);
	receive_packet(to_keeper, &answer, none);
	return answer;
}

static void must(int r, const char *what)
{
	errno = r < 0 ? -r : 0;
	if (r < 0)
		die(what);
}

static sd_bus *open_bus(void)
{
	sd_bus *bus = NULL;
	const char *name;

	must(sd_bus_open_system(&bus), "least: no system bus");
	must(sd_bus_get_unique_name(bus, &name), "least: no system bus"); /* it is there now */
	return bus;
}

static void copy_name(char to[NAME_BYTES], const char *name)
{
	snprintf(to, NAME_BYTES, "%s", name);
}

static void own_name(sd_bus *bus, char ret[NAME_BYTES])
{
	const char *name;

	must(sd_bus_get_unique_name(bus, &name), "least: name");
	copy_name(ret, name);
}

static sd_bus_message *new_signal(sd_bus *bus, const char *to, const char *member)
{
	sd_bus_message *m = NULL;

	must(sd_bus_message_new_signal(bus, &m, BUS_PATH, BUS_INTERFACE, member), "least: signal");
	must(sd_bus_message_set_destination(m, to), "least: signal");
	return m;
}

static void send_signal(sd_bus_message *m)
{
	must(sd_bus_send(NULL, m, NULL), "least: signal");
	sd_bus_message_unref(m);
}

/* The next of ours, or NULL: there is none now. */
static sd_bus_message *take_signal(sd_bus *bus)
{
	sd_bus_message *m;
	int r;

	do {
		m = NULL;
		r = sd_bus_process(bus, &m);
		must(r, "least: bus");
		if (m && sd_bus_message_is_signal(m, BUS_INTERFACE, NULL) > 0)
			return m;
		sd_bus_message_unref(m);
	} while (r > 0);
	return NULL;
}

/* --- the keeper */

static struct taken {
	int fd;
	void *map;
	size_t length;
	struct ibv_mr *mr;
	uint32_t range, layout;
} taken[LEAST_MAX];
static size_t n_taken;
static struct ibv_pd *pd;
static int module = -1;
static int to_service = -1; /* the keeper's */
static sd_bus *keeper_bus;
static struct packet wants; /* the registration whose holder is to be asked */
static uint32_t break_id;

static struct ibv_pd *open_device(const char *device)
{
	struct ibv_device **list = ibv_get_device_list(NULL);

	for (int i = 0; list && list[i]; i++)
		if (!device || !strcmp(ibv_get_device_name(list[i]), device))
			return ibv_alloc_pd(ibv_open_device(list[i]));
	return NULL;
}

/* Whether the filesystem will ask. */
static bool watch(struct taken *t)
{
	struct rdmareg_watch_range range = { .address = (uintptr_t)t->map, .length = t->length };
	struct rdmareg_watch_layout layout = { .fd = t->fd, .deadline_ms = DEADLINE_MSEC };
	int r;

	t->range = t->layout = RDMAREG_SLOT_ANY;
	if (module < 0)
		return false;
	if (ioctl(module, RDMAREG_WATCH_RANGE, &range))
		die("least: range watch");
	t->range = range.slot;
	/* one that was taken from somebody a moment ago has to wait */
	while ((r = ioctl(module, RDMAREG_WATCH_LAYOUT, &layout)) && errno == EAGAIN)
		sched_yield();
	if (r && errno != EOPNOTSUPP && errno != EINVAL)
		die("least: layout watch");
	if (!r)
		t->layout = layout.slot;
	return !r;
}

static bool take(int fd, struct taken *t)
{
	struct stat st;
	bool leased;

	if (fstat(fd, &st))
		die("least: fstat");
	*t = (struct taken){ .fd = fd, .length = (size_t)st.st_size };
	t->map = mmap(NULL, t->length, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (t->map == MAP_FAILED)
		die("least: mmap");
	leased = watch(t);
	t->mr = ibv_reg_mr(pd, t->map, t->length, FAR_ACCESS | IBV_ACCESS_ON_DEMAND);
	if (!t->mr)
		die("least: ibv_reg_mr");
	return leased;
}

static void unwatch(uint32_t slot)
{
	struct rdmareg_unwatch request = { .slot = slot };

	if (slot != RDMAREG_SLOT_ANY)
		ioctl(module, RDMAREG_UNWATCH, &request);
}

static void let_go(struct taken *t)
{
	unwatch(t->layout);
	unwatch(t->range);
	ibv_dereg_mr(t->mr);
	munmap(t->map, t->length);
	close(t->fd);
}

static void on_register(int from, const struct packet *order, const int *fds, size_t n)
{
	struct packet answer = { .verb = REGISTERED, .n = (uint32_t)n };

	if (*order->holder) {
		wants = *order;
		if (!order->by_service && !keeper_bus)
			keeper_bus = open_bus();
	}
	for (size_t i = 0; i < n; i++) {
		struct taken *t = &taken[n_taken++];

		answer.leased = take(fds[i], t);
		answer.at[i].address = (uintptr_t)t->map;
		answer.at[i].rkey = t->mr->rkey;
	}
	send_packet(from, &answer, NULL, 0);
}

/* Somebody waits for blocks. */
static void on_module(void)
{
	struct rdmareg_report report = { .slot = RDMAREG_SLOT_ANY };
	struct packet asked = { .verb = ASKED };

	if (ioctl(module, RDMAREG_COLLECT, &report) || report.kind != RDMAREG_KIND_LAYOUT ||
	    report.layout_state != RDMAREG_LAYOUT_BREAKING || !*wants.holder)
		return;
	break_id = report.break_id;
	copy_name(asked.holder, wants.holder);
	if (wants.by_service)
		send_packet(to_service, &asked, NULL, 0);
	else
		send_signal(new_signal(keeper_bus, wants.holder, "Asked"));
}

static void on_answered(void)
{
	struct rdmareg_release release = { .slot = taken[0].layout, .break_id = break_id };

	if (mprotect(taken[0].map, taken[0].length, PROT_NONE) ||
	    ioctl(module, RDMAREG_RELEASE, &release))
		die("least: giving back");
}

static void take_order(int from)
{
	const struct packet released = { .verb = RELEASED };
	struct packet order;
	int fds[LEAST_MAX];
	size_t n = receive_packet(from, &order, fds);

	if (order.verb == REGISTER) {
		on_register(from, &order, fds, n);
	} else if (order.verb == ANSWERED) {
		on_answered();
	} else {
		while (n_taken)
			let_go(&taken[--n_taken]);
		wants = (struct packet){ 0 };
		send_packet(from, &released, NULL, 0);
	}
}

static _Noreturn void keep(int orders, const char *device)
{
	pd = open_device(device);
	if (!pd)
		die("least: device");
	module = open(RDMAREG_DEVICE, O_RDWR | O_CLOEXEC);
	for (;;) {
		struct pollfd p[] = { { module, POLLIN, 0 },
				      { to_service, POLLIN, 0 },
				      { orders, POLLIN, 0 },
				      { keeper_bus ? sd_bus_get_fd(keeper_bus) : -1, POLLIN, 0 } };
		sd_bus_message *m;

		if (poll(p, 4, -1) < 0)
			die("least: poll");
		if (p[0].revents)
			on_module();
		if (p[1].revents)
			take_order(to_service);
		if (p[2].revents)
			take_order(orders);
		while (p[3].revents && (m = take_signal(keeper_bus))) {
			sd_bus_message_unref(m);
			on_answered();
		}
	}
}

/* --- the service */

static void pass_to_keeper(int keeper, sd_bus_message *m, char client[NAME_BYTES])
{
	const struct packet answered = { .verb = ANSWERED };
	const struct packet order = { .verb = REGISTER };
	int fds[LEAST_MAX];
	size_t n = 0;

	if (sd_bus_message_is_signal(m, NULL, "Answered") > 0) {
		send_packet(keeper, &answered, NULL, 0);
	} else {
		must(sd_bus_message_enter_container(m, 'a', "h"), "least: message");
		while (n < LEAST_MAX && sd_bus_message_read(m, "h", &fds[n]) > 0)
			n++;
		copy_name(client, sd_bus_message_get_sender(m));
		send_packet(keeper, &order, fds, n);
	}
	sd_bus_message_unref(m);
}

static void pass_to_bus(sd_bus *bus, int keeper, const char *client)
{
	struct packet p;
	int none[LEAST_MAX];
	sd_bus_message *m;

	receive_packet(keeper, &p, none);
	if (p.verb == ASKED) {
		send_signal(new_signal(bus, p.holder, "Asked"));
		return;
	}
	m = new_signal(bus, client, "Registered");
	must(sd_bus_message_open_container(m, 'a', "(tu)"), "least: message");
	for (uint32_t i = 0; i < p.n; i++)
		must(sd_bus_message_append(m, "(tu)", p.at[i].address, p.at[i].rkey),
		     "least: message");
	must(sd_bus_message_close_container(m), "least: message");
	send_signal(m);
}

static _Noreturn void serve(int keeper, int parent)
{
	char client[NAME_BYTES] = "", name[NAME_BYTES];
	sd_bus *bus = open_bus();

	own_name(bus, name);
	if (write(parent, name, sizeof(name)) != sizeof(name))
		die("least: name");
	for (;;) {
		struct pollfd p[] = { { sd_bus_get_fd(bus), POLLIN, 0 }, { keeper, POLLIN, 0 } };
		sd_bus_message *m;

		if (poll(p, 2, -1) < 0)
			die("least: poll");
		while (p[0].revents && (m = take_signal(bus)))
			pass_to_keeper(keeper, m, client);
		if (p[1].revents)
			pass_to_bus(bus, keeper, client);
	}
}

/* --- who asks */

static bool is_child(void)
{
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid < 0)
		die("fork");
	if (pid)
		return false;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	return true;
}

void least_start(const char *device)
{
	int orders[2], between[2], name[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, orders) ||
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, between) ||
	    pipe2(name, O_CLOEXEC))
		die("least: sockets");
	if (is_child()) {
		to_service = between[0];
		close(orders[0]);
		close(between[1]);
		keep(orders[1], device);
	}
	close(orders[1]);
	close(between[0]);
	if (is_child()) {
		close(orders[0]);
		serve(between[1], name[1]);
	}
	to_keeper = orders[0];
	close(between[1]);
	close(name[1]);
	if (read(name[0], service_name, sizeof(service_name)) != sizeof(service_name))
		die("least: the service did not start");
	close(name[0]);
	bus_of_asker = open_bus();
}

/* All that fits into one message; how many it were. */
static size_t ask_by_bus(const int *fds, size_t n)
{
	sd_bus_message *m = new_signal(bus_of_asker, service_name, "Register");
	size_t some = n < OF_BUS ? n : OF_BUS;

	must(sd_bus_message_open_container(m, 'a', "h"), "least: message");
	for (size_t i = 0; i < some; i++)
		must(sd_bus_message_append(m, "h", fds[i]), "least: message");
	must(sd_bus_message_close_container(m), "least: message");
	send_signal(m);
	return some;
}

/* How many it tells of. */
static size_t take_answer(void)
{
	sd_bus_message *m;
	uint64_t address;
	uint32_t rkey;
	size_t n = 0;

	while (!(m = take_signal(bus_of_asker)))
		if (sd_bus_wait(bus_of_asker, PATIENCE_USEC) <= 0)
			die("least: the service does not answer");
	must(sd_bus_message_enter_container(m, 'a', "(tu)"), "least: message");
	while (sd_bus_message_read(m, "(tu)", &address, &rkey) > 0)
		n++;
	sd_bus_message_unref(m);
	return n;
}

static void register_by_bus(const int *fds, size_t n)
{
	size_t asked = 0, answered = 0;

	while (asked < n)
		asked += ask_by_bus(fds + asked, n - asked);
	while (answered < n)
		answered += take_answer();
}

double least_register_usec(enum least_way way, const int *fds, size_t n)
{
	const struct packet order = { .verb = REGISTER };
	double start = now_usec();

	if (way == LEAST_SERVICE)
		register_by_bus(fds, n);
	else
		ask_keeper(&order, fds, n);
	return now_usec() - start;
}

/* --- a holder */

static struct {
	pthread_t thread;
	sd_bus *bus;
	int end;
	bool there;
} holder;

static void *answer_all(void *userdata)
{
	struct pollfd p[] = { { sd_bus_get_fd(holder.bus), POLLIN, 0 }, { holder.end, POLLIN, 0 } };
	sd_bus_message *m;

	(void)userdata;
	while (poll(p, 2, -1) >= 0 && !p[1].revents)
		while ((m = take_signal(holder.bus))) {
			send_signal(
				new_signal(holder.bus, sd_bus_message_get_sender(m), "Answered"));
			sd_bus_message_unref(m);
		}
	return NULL;
}

static void begin_holder(struct packet *order)
{
	holder.bus = open_bus();
	holder.end = eventfd(0, EFD_CLOEXEC);
	holder.there = true;
	own_name(holder.bus, order->holder);
	if (pthread_create(&holder.thread, NULL, answer_all, NULL))
		die("thread");
}

bool least_hold(enum least_way way, int fd)
{
	struct packet order = { .verb = REGISTER, .by_service = way == LEAST_SERVICE };

	begin_holder(&order);
	return ask_keeper(&order, &fd, 1).leased;
}

void least_release(void)
{
	const struct packet order = { .verb = RELEASE };

	ask_keeper(&order, NULL, 0);
	if (!holder.there)
		return;
	if (eventfd_write(holder.end, 1) || pthread_join(holder.thread, NULL))
		die("thread");
	sd_bus_flush_close_unref(holder.bus);
	close(holder.end);
	holder.there = false;
}
