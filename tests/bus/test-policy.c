// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test-policy.c - the bus' policy that is installed, on a bus that otherwise refuses every call and lets every signal
 * pass, as the system's does: methods get through with the descriptors that they take, and with no more; signals get
 * through from root (systemd), and from nobody else. This process has the daemon's name, and answers nothing: what
 * gets through is not refused.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness.h"

#define NOBODY 65534
#define SIGNAL "Said"

static char address[128];
static int signals;

static sd_bus *connect_bus(void)
{
	sd_bus *b = NULL;

	check(sd_bus_new(&b) >= 0 && sd_bus_set_address(b, address) >= 0 &&
	      sd_bus_set_bus_client(b, 1) >= 0 && sd_bus_start(b) >= 0 &&
	      sd_bus_get_unique_name(b, &(const char *){ NULL }) >= 0);
	return b;
}

static pid_t start_bus(const char *directory)
{
	char path[128], line[16];
	int out[2];
	FILE *f;
	pid_t pid;

	snprintf(path, sizeof(path), "%s/bus.conf", directory);
	snprintf(address, sizeof(address), "unix:path=%s/bus", directory);
	f = fopen(path, "we");
	check(f);
	check(fprintf(f,
		      "<!DOCTYPE busconfig PUBLIC \"-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN\"\n"
		      "\"http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd\">\n"
		      "<busconfig><type>system</type><listen>%s</listen><auth>EXTERNAL</auth>\n"
		      "<policy context=\"default\"><allow user=\"*\"/><deny own=\"*\"/><deny send_type=\"method_call\"/>\n"
		      "<allow send_type=\"signal\"/>\n"
		      "<allow send_requested_reply=\"true\" send_type=\"method_return\"/>\n"
		      "<allow send_requested_reply=\"true\" send_type=\"error\"/><allow receive_type=\"method_call\"/>\n"
		      "<allow receive_type=\"method_return\"/><allow receive_type=\"error\"/>\n<allow receive_type=\"signal\"/>\n"
		      "<allow send_destination=\"org.freedesktop.DBus\" send_interface=\"org.freedesktop.DBus\"/></policy>\n"
		      "<include>%s</include></busconfig>\n",
		      address, getenv("RDMAREG_BUS_POLICY")) > 0 &&
	      fclose(f) == 0 && pipe2(out, O_CLOEXEC) == 0);
	pid = fork();
	check(pid >= 0);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		dup2(out[1], STDOUT_FILENO);
		execlp("dbus-daemon", "dbus-daemon", "--config-file", path, "--nofork", "--nopidfile",
		       "--nosyslog", "--print-pid", NULL);
		_exit(127);
	}
	close(out[1]);
	check(read(out[0], line, sizeof(line)) > 0); /* it listens */
	close(out[0]);
	return pid;
}

static int on_call(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	(void)error;
	signals += sd_bus_message_is_signal(m, RDMAREG_MANAGER_INTERFACE, SIGNAL);
	if (!sd_bus_message_is_method_call(m, NULL, NULL))
		return 0;
	++*(int *)userdata;
	return sd_bus_reply_method_return(m, NULL);
}

/* Whether a call with so many descriptors gets through. */
static bool passes(sd_bus *daemon, sd_bus *client, int *calls, const char *interface, int descriptors)
{
	sd_bus_message *m = new_call(client, RDMAREG_MANAGER_PATH, interface, "Anything");
	struct later answer = { 0 };
	int before = *calls;

	for (int i = 0; i < descriptors; i++)
		check(sd_bus_message_append(m, "h", STDIN_FILENO) >= 0);
	send_later(client, m, &answer);
	until(sd_bus_process(daemon, NULL) >= 0 && is_answered(client, &answer));
	check(*calls == before + !*answer.reply.error);
	if (*answer.reply.error)
		check_text(answer.reply.error, SD_BUS_ERROR_ACCESS_DENIED);
	return !*answer.reply.error;
}

/* Whether a signal of this user gets through. */
static bool hears(sd_bus *daemon, int *calls, uid_t uid)
{
	int before = *calls, heard = signals;
	pid_t pid = fork();

	check(pid >= 0);
	if (pid == 0) {
		sd_bus_message *m = NULL;
		sd_bus *b;

		check(setuid(uid) == 0);
		b = connect_bus();
		check(sd_bus_message_new_signal(b, &m, RDMAREG_MANAGER_PATH, RDMAREG_MANAGER_INTERFACE, SIGNAL) >= 0 &&
		      sd_bus_message_set_destination(m, RDMAREG_BUS_NAME) >= 0 && sd_bus_send(b, m, NULL) >= 0);
		/* that comes after it */
		check(sd_bus_call_method(b, RDMAREG_BUS_NAME, RDMAREG_MANAGER_PATH, RDMAREG_MANAGER_INTERFACE, "Anything", NULL,
					 NULL, NULL) >= 0);
		_exit(0);
	}
	until(sd_bus_process(daemon, NULL) >= 0 && *calls > before);
	waitpid(pid, NULL, 0);
	return signals > heard;
}

int main(void)
{
	static const char *const without[] = { RDMAREG_REGION_INTERFACE, RDMAREG_JOB_INTERFACE,
					       "org.freedesktop.DBus.Properties",
					       "org.freedesktop.DBus.Introspectable",
					       "org.freedesktop.DBus.Peer" };
	char directory[] = "/tmp/rdmareg-XXXXXX", path[64];
	sd_bus *daemon, *client;
	int calls = 0;
	pid_t bus;

	if (geteuid() != 0)
		return SKIP;
	check(mkdtemp(directory) && chmod(directory, 0755) == 0);
	bus = start_bus(directory);
	daemon = connect_bus();
	client = connect_bus();
	check(sd_bus_add_filter(daemon, NULL, on_call, &calls) >= 0);
	check(sd_bus_request_name(daemon, RDMAREG_BUS_NAME, 0) >= 0);
	for (int n = 0; n <= 2; n++) {
		check(passes(daemon, client, &calls, RDMAREG_MANAGER_INTERFACE, n) == (n <= 1));
		for (size_t i = 0; i < sizeof(without) / sizeof(without[0]); i++)
			check(passes(daemon, client, &calls, without[i], n) == (n == 0));
	}
	check(!passes(daemon, client, &calls, "org.example.Other", 0));
	check(hears(daemon, &calls, 0));
	check(!hears(daemon, &calls, NOBODY));
	disconnect(client);
	disconnect(daemon);
	kill(bus, SIGTERM);
	waitpid(bus, NULL, 0);
	snprintf(path, sizeof(path), "%s/bus.conf", directory);
	unlink(path);
	snprintf(path, sizeof(path), "%s/bus", directory);
	unlink(path);
	rmdir(directory);
	return 0;
}
