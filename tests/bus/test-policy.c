// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test-policy.c - the bus' policy that is installed, on a bus that otherwise refuses every call and
 * lets every signal pass, as the system's does: methods get through with the descriptors that they
 * take, and with no more; signals get through from root (systemd), and from nobody else. This
 * process has the daemon's name, and answers nothing: what gets through is not refused.
 */
#include <stdlib.h>
#include <unistd.h>

#include "harness.h"

#define NOBODY 65534
#define SIGNAL "Said"
#define POLICY                                                                                                \
	"<policy context=\"default\"><allow user=\"*\"/><deny own=\"*\"/><deny send_type=\"method_call\"/>\n" \
	"<allow send_type=\"signal\"/>\n"                                                                     \
	"<allow send_requested_reply=\"true\" send_type=\"method_return\"/>\n"                                \
	"<allow send_requested_reply=\"true\" send_type=\"error\"/><allow receive_type=\"method_call\"/>\n"   \
	"<allow receive_type=\"method_return\"/><allow receive_type=\"error\"/>\n"                            \
	"<allow receive_type=\"signal\"/>\n"                                                                  \
	"<allow send_destination=\"org.freedesktop.DBus\" send_interface=\"org.freedesktop.DBus\"/></policy>\n"

static struct world world;
static int signals;

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
static bool passes_member(sd_bus *daemon, sd_bus *client, int *calls, const char *interface,
			  const char *member, int descriptors)
{
	sd_bus_message *m = new_call(client, RDMAREG_MANAGER_PATH, interface, member);
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

static bool passes(sd_bus *daemon, sd_bus *client, int *calls, const char *interface,
		   int descriptors)
{
	return passes_member(daemon, client, calls, interface, "Anything", descriptors);
}

/* Whether a signal of this user gets through. */
static bool hears(sd_bus *daemon, int *calls, uid_t uid)
{
	sd_bus *b = connect_as(&world, uid);
	sd_bus_message *m = NULL;
	int heard = signals;

	check(sd_bus_message_new_signal(b, &m, RDMAREG_MANAGER_PATH, RDMAREG_MANAGER_INTERFACE,
					SIGNAL) >= 0);
	check(sd_bus_message_set_destination(m, RDMAREG_BUS_NAME) >= 0 &&
	      sd_bus_send(b, m, NULL) >= 0);
	sd_bus_message_unref(m);
	check(passes(daemon, b, calls, RDMAREG_MANAGER_INTERFACE, 0)); /* that comes after it */
	disconnect(b);
	return signals > heard;
}

int main(void)
{
	static const char *const without[] = { RDMAREG_REGION_INTERFACE,
					       RDMAREG_JOB_INTERFACE,
					       "org.freedesktop.DBus.Properties",
					       "org.freedesktop.DBus.Introspectable",
					       "org.freedesktop.DBus.ObjectManager",
					       "org.freedesktop.DBus.Peer" };
	char policy[1500];
	sd_bus *daemon, *client;
	int calls = 0;

	if (geteuid() != 0)
		return SKIP;
	snprintf(policy, sizeof(policy), POLICY "<include>%s</include>",
		 getenv("RDMAREG_BUS_POLICY"));
	world_begin_bus(&world, policy);
	daemon = connect_client(&world);
	client = connect_client(&world);
	check(sd_bus_add_filter(daemon, NULL, on_call, &calls) >= 0);
	check(sd_bus_request_name(daemon, RDMAREG_BUS_NAME, 0) >= 0);
	for (int n = 0; n <= 2; n++) {
		check(passes(daemon, client, &calls, RDMAREG_MANAGER_INTERFACE, n) == (n <= 1));
		for (size_t i = 0; i < sizeof(without) / sizeof(without[0]); i++)
			check(passes(daemon, client, &calls, without[i], n) == (n == 0));
	}
	/* the bus's own limit is another matter */
	check(passes_member(daemon, client, &calls, RDMAREG_MANAGER_INTERFACE, "RegisterRegions",
			    16));
	check(!passes_member(daemon, client, &calls, RDMAREG_REGION_INTERFACE, "RegisterRegions",
			     1));
	check(!passes(daemon, client, &calls, "org.example.Other", 0));
	check(hears(daemon, &calls, 0));
	check(!hears(daemon, &calls, NOBODY));
	disconnect(client);
	disconnect(daemon);
	world_end_bus(&world);
	return 0;
}
