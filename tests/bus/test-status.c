// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test-status.c - GetStatus and rdmaregctl status: what root is told, and what an ordinary user;
 * that a drain, a refused reload and a limit that is reached are problems until they are over; and
 * that the exit status says so.
 */
#include <pty.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness.h"

#define NOBODY 65534
#define PAGE 4096u

static struct world world;
static char out[1 << 16];

/* The answer as text, a line for each value: "key=value", "list: key=value". */
static void read_dictionary(sd_bus_message *m, const char *list, size_t *used)
{
	const char *key, *type, *text;
	uint64_t number;
	uint32_t small;
	int truth;

	check(sd_bus_message_enter_container(m, 'a', "{sv}") > 0);
	while (sd_bus_message_enter_container(m, 'e', "sv") > 0) {
		check(sd_bus_message_read(m, "s", &key) > 0);
		check(sd_bus_message_peek_type(m, NULL, &type) > 0);
		*used += (size_t)snprintf(out + *used, sizeof(out) - *used, "%s%s=", list, key);
		switch (*type) {
		case 's':
			check(sd_bus_message_read(m, "v", "s", &text) > 0);
			*used += (size_t)snprintf(out + *used, sizeof(out) - *used, "%s\n", text);
			break;
		case 't':
			check(sd_bus_message_read(m, "v", "t", &number) > 0);
			*used += (size_t)snprintf(out + *used, sizeof(out) - *used, "%llu\n",
						  (unsigned long long)number);
			break;
		case 'u':
			check(sd_bus_message_read(m, "v", "u", &small) > 0);
			*used += (size_t)snprintf(out + *used, sizeof(out) - *used, "%u\n", small);
			break;
		case 'b':
			check(sd_bus_message_read(m, "v", "b", &truth) > 0);
			*used += (size_t)snprintf(out + *used, sizeof(out) - *used, "%d\n", truth);
			break;
		default:
			check(!*list);
			check_text(type, "aa{sv}");
			*used += (size_t)snprintf(out + *used, sizeof(out) - *used, "\n");
			check(sd_bus_message_enter_container(m, 'v', "aa{sv}") > 0);
			check(sd_bus_message_enter_container(m, 'a', "a{sv}") > 0);
			while (!sd_bus_message_at_end(m, 0))
				read_dictionary(m, "- ", used);
			check(sd_bus_message_exit_container(m) >= 0);
			check(sd_bus_message_exit_container(m) >= 0);
		}
		check(sd_bus_message_exit_container(m) >= 0);
		check(*used < sizeof(out));
	}
	check(sd_bus_message_exit_container(m) >= 0);
}

static const char *status(sd_bus *b)
{
	sd_bus_message *reply = NULL;
	size_t used = 0;

	check(sd_bus_call_method(b, RDMAREG_BUS_NAME, RDMAREG_MANAGER_PATH,
				 RDMAREG_MANAGER_INTERFACE, "GetStatus", NULL, &reply, "") >= 0);
	read_dictionary(reply, "", &used);
	sd_bus_message_unref(reply);
	return out;
}

static bool has(sd_bus *b, const char *text)
{
	return strstr(status(b), text) != NULL;
}

static void expect(sd_bus *b, const char *text)
{
	if (!has(b, text))
		check_text(out, text);
}

/* rdmaregctl's, with what it prints in @out. */
static int run_ctl(const char *arguments)
{
	return world_ctl(&world, arguments, out, sizeof(out));
}

static void expect_out(const char *text)
{
	if (!strstr(out, text))
		check_text(out, text);
}

static void test_what_there_is(sd_bus *b)
{
	struct reply region, r;
	int fd = make_memfd(2 * PAGE);

	expect(b, "form=1\n");
	expect(b, "\nregions=0\nbytes=0\ndraining=0\n");
	expect(b, "\npre_content=");
	check(register_region(b, fd, 0, 0, "rw", &region, 0));
	expect(b, "\ntenants=1\nsessions=0\nregions=1\nbytes=8192\n");
	check(call_region(b, region.id, "Release", &r));
	close(fd);
	if (geteuid() == 0)
		expect(b, "- setting=keepers\n- limit=");
	expect(b, "- setting=tenants_per_uid\n- limit=16\n- use=");
	expect(b, "- setting=pending_calls_per_uid\n- limit=1024\n- use=");
	check(run_ctl("status") == 5);
	expect_out("regions_per_tenant: 0 of 1024");
	expect_out("bytes_per_tenant: 0 of 16T");
}

static void create_session(sd_bus *b, const char *name)
{
	sd_bus_message *m = new_manager_call(b, "CreateSession");
	struct reply r;

	check(sd_bus_message_append(m, "usa{sv}", getuid(), name, 0) >= 0);
	check(finish_call(b, m, &r));
}

static void release_session(sd_bus *b, const char *name)
{
	char arguments[100];

	(void)b;
	snprintf(arguments, sizeof(arguments), "session release %s", name);
	check(run_ctl(arguments) == 0);
}

/* Sessions that were created take no place of those that regions make: as many as jobs are well. */
static void test_created_sessions(sd_bus *b)
{
	struct reply region, r;
	int fd = make_memfd(PAGE);
	char of[80];

	if (geteuid() != 0)
		return;
	world_write_settings(&world, "[limits]\nkeepers = 3\n");
	check(finish_call(b, new_manager_call(b, "Reload"), &r));
	create_session(b, "job.1");
	create_session(b, "job.2");
	check(register_region(b, fd, 0, 0, "rw", &region, 0));
	create_session(b, "job.3");
	expect(b, "\nsessions=3\n");
	expect(b, "- setting=keepers\n- limit=3\n- use=");
	check(!has(b, "- setting=keepers\n- limit=3\n- use=3"));
	check(!has(b, "a limit of rdmaregd.conf is reached"));
	snprintf(of, sizeof(of), "regions_per_tenant: 1 of 1024 (most: uid %u, session default)\n",
		 getuid());
	check(run_ctl("status") == 5); /* no adapter, as ever */
	expect_out(of);
	release_session(b, "job.1");
	release_session(b, "job.2");
	release_session(b, "job.3");
	check(call_region(b, region.id, "Release", &r));
	world_write_settings(&world, "");
	check(finish_call(b, new_manager_call(b, "Reload"), &r));
	close(fd);
}

/* An ordinary user hears of the machine what concerns everybody, and of others nothing. */
static void test_ordinary(sd_bus *b)
{
	struct reply region, r;
	sd_bus *other;
	int fd;

	if (geteuid() != 0)
		return;
	fd = make_memfd(PAGE);
	other = connect_as(&world, NOBODY);
	check(register_region(b, fd, 0, 0, "rw", &region, 0));
	expect(b, "\nwhole=1\n");
	expect(b, "\nkeepers=1\n");
	expect(other, "\nwhole=0\ntenants=0\nsessions=0\nregions=0\nbytes=0\n");
	check(!has(other, "keepers=") && !has(other, "reload_fail") &&
	      !has(other, "setting=keepers") && has(other, "setting=tenants_per_uid\n"));
	check(call_region(b, region.id, "Release", &r));
	close(fd);
	disconnect(other);
}

static void test_drained(sd_bus *b)
{
	struct reply r;
	sd_bus_message *m = new_manager_call(b, "Drain");

	check(!has(b, "the machine is drained"));
	check(sd_bus_message_append(m, "s", "new\ndisks") >= 0 && finish_call(b, m, &r));
	expect(b, "\ndraining=1\ndrain_reason=new?disks\ndrain_uid=");
	expect(b, "- what=nothing new is registered: the machine is drained\n- cause=uid ");
	check(run_ctl("status") == 5);
	expect_out("! nothing new is registered: the machine is drained; uid ");
	expect_out("(new?disks); rdmaregctl undrain\n");
	check(run_ctl("status --json") == 5);
	expect_out("\"drain_reason\":\"new?disks\"");
	check(run_ctl("undrain") == 0 && !has(b, "the machine is drained"));
	check(run_ctl("status") == 5); /* no RDMA adapter can be used here */
	check(!strstr(out, "drained"));
	expect_out("regions      0, with 0 in all, in ");
}

/* A reload that was refused is a problem until one is not. */
static void test_reload(sd_bus *b)
{
	struct reply r;

	if (geteuid() != 0)
		return;
	check(!has(b, "reload_failed_usec"));
	world_write_settings(&world, "[limits]\nkeepers = many\n");
	check(run_ctl("reload") == 1);
	expect(b, "\nreload_failed_usec=");
	expect(b, "- what=the settings in force are older than rdmaregd.conf\n- cause=");
	expect(b, "'many' is not valid for keepers");
	check(run_ctl("status") == 5);
	expect_out("'many' is not valid for keepers");
	world_write_settings(&world, "");
	check(finish_call(b, new_manager_call(b, "Reload"), &r));
	check(!has(b, "reload_failed_usec") && has(b, "\nreload_failure=\n"));
	/* a signal's, too, whom nobody answers */
	world_write_settings(&world, "[limits]\nkeepers = none\n");
	check(kill(world.daemon, SIGHUP) == 0);
	until(has(b, "'none' is not valid for keepers"));
	world_write_settings(&world, "");
	check(finish_call(b, new_manager_call(b, "Reload"), &r));
}

/* A limit that is reached is a problem as long as it is. */
static void test_limit(sd_bus *b)
{
	struct reply region, other, r;
	int fd = make_memfd(PAGE);

	world_write_settings(&world, "[limits]\nkeepers = 2\ntenants_per_uid = 2\n");
	check(finish_call(b, new_manager_call(b, "Reload"), &r));
	check(!has(b, "a limit of rdmaregd.conf is reached"));
	check(register_region(b, fd, 0, 0, "rw", &region, 0));
	check(register_region(b, fd, 0, 0, "rw", &other, 1, "session", "s", "second"));
	expect(b, "- what=a limit of rdmaregd.conf is reached\n");
	check(run_ctl("status") == 5);
	expect_out("allows 2, and so many there are");
	world_write_settings(&world, "");
	check(finish_call(b, new_manager_call(b, "Reload"), &r));
	check(!has(b, "a limit of rdmaregd.conf is reached"));
	check(call_region(b, region.id, "Release", &r) && call_region(b, other.id, "Release", &r));
	close(fd);
}

/* On a terminal of so many columns no line is wider, and nothing is missing. */
static void test_terminal(unsigned short columns)
{
	const struct winsize size = { .ws_col = columns, .ws_row = 50 };
	size_t n = 0, width = 0;
	int terminal, status;
	ssize_t got;
	pid_t pid = forkpty(&terminal, NULL, NULL, &size);

	check(pid >= 0);
	if (!pid) {
		setenv("RDMAREG_BUS_ADDRESS", world.address, 1);
		execl(getenv("RDMAREGCTL"), "rdmaregctl", "status", (char *)NULL);
		_exit(127);
	}
	while ((got = read(terminal, out + n, sizeof(out) - 1 - n)) > 0)
		n += (size_t)got;
	out[n] = 0;
	check(waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 5);
	close(terminal);
	for (const char *c = out; *c; c++) {
		width = *c == '\n' || *c == '\r' ? 0 : width + 1;
		check(width <= columns);
	}
	expect_out("rdmaregd ");
	expect_out("bytes_per_tenant: ");
	expect_out("rdma link\r\n");
	printf("%s\n", out);
}

int main(void)
{
	sd_bus *b;

	world_begin(&world, "");
	b = connect_client(&world);
	test_what_there_is(b);
	test_ordinary(b);
	test_drained(b);
	test_reload(b);
	test_limit(b);
	test_created_sessions(b);
	test_terminal(80);
	test_terminal(200);
	disconnect(b);
	world_end(&world);
	return 0;
}
