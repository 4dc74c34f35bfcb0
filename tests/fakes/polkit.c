// SPDX-License-Identifier: GPL-2.0-or-later
/* polkit.c - see fakes/polkit.h. */
#include "polkit.h"

#define INTERFACE "org.freedesktop.PolicyKit1.Authority"

struct polkit polkit;

static void copy(char *out, size_t size, const char *text)
{
	check(snprintf(out, size, "%s", text) < (int)size);
}

static int on_check(sd_bus_message *m)
{
	struct polkit_question *q = &polkit.question[polkit.questions];
	const char *kind, *subject, *action, *key, *path, *cancellation;

	check(polkit.questions < POLKIT_QUESTIONS_MAX);
	check(sd_bus_message_read(m, "(sa{sv})sa{ss}us", &kind, 1, &key, "s", &subject, &action, 1,
				  &key, &path, &q->flags, &cancellation) > 0);
	check_text(key, "path");
	copy(q->kind, sizeof(q->kind), kind);
	copy(q->subject, sizeof(q->subject), subject);
	copy(q->action, sizeof(q->action), action);
	copy(q->path, sizeof(q->path), path);
	copy(q->cancellation, sizeof(q->cancellation), cancellation);
	q->message = sd_bus_message_ref(m);
	polkit.questions++;
	return 1;
}

static int on_cancel(sd_bus_message *m)
{
	const char *id;

	check(polkit.cancellations < POLKIT_QUESTIONS_MAX && sd_bus_message_read(m, "s", &id) > 0);
	copy(polkit.cancelled[polkit.cancellations++], sizeof(polkit.cancelled[0]), id);
	return sd_bus_reply_method_return(m, NULL);
}

/* Not a vtable: that would see to it that answers are well-formed. */
static int on_message(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	(void)userdata, (void)error;
	if (sd_bus_message_is_method_call(m, INTERFACE, "CheckAuthorization"))
		return on_check(m);
	if (sd_bus_message_is_method_call(m, INTERFACE, "CancelCheckAuthorization"))
		return on_cancel(m);
	return 0;
}

void polkit_start(const struct world *w)
{
	polkit.bus = connect_client(w);
	check(sd_bus_add_object(polkit.bus, NULL, "/org/freedesktop/PolicyKit1/Authority",
				on_message, NULL) >= 0);
	check(sd_bus_request_name(polkit.bus, "org.freedesktop.PolicyKit1", 0) >= 0);
}

void polkit_stop(void)
{
	polkit_forget();
	disconnect(polkit.bus);
}

void polkit_serve(void)
{
	while (sd_bus_process(polkit.bus, NULL) > 0)
		;
}

void polkit_await(size_t n)
{
	until((polkit_serve(), polkit.questions >= n));
	check(polkit.questions == n);
}

void polkit_answer(bool authorized, bool challenge)
{
	check(polkit.questions);
	check(sd_bus_reply_method_return(polkit.question[0].message, "(bba{ss})", (int)authorized,
					 (int)challenge, 0) >= 0);
	check(sd_bus_flush(polkit.bus) >= 0);
	polkit_forget();
}

void polkit_forget(void)
{
	while (polkit.questions)
		sd_bus_message_unref(polkit.question[--polkit.questions].message);
	polkit.cancellations = 0;
}
