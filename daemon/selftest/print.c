// SPDX-License-Identifier: GPL-2.0-or-later
/* print.c - see print.h. */
#include "selftest/print.h"

#include <errno.h>
#include <json-c/json.h>
#include <libsmartcols.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

bool report_is_good(const struct report *r, char *why, size_t size)
{
	const struct quirks *q = &r->quirks;
	char quirks[200];
	enum check c;

	if (r->failure.code) {
		snprintf(why, size, "%s", r->failure.text);
		return false;
	}
	if (!quirks_are_usable(q, &c)) {
		snprintf(why, size, "%s: %s", check_name(c), r->findings[c].text);
		return false;
	}
	if (r->active_mtu < q->minimum_mtu) {
		snprintf(
			why, size,
			"the port's MTU is %u bytes and %u are needed: raise the interface's MTU (to %u or more)",
			r->active_mtu, q->minimum_mtu, q->minimum_mtu + 104);
		return false;
	}
	quirks_describe(q, quirks, sizeof(quirks));
	if (strcmp(quirks, "none") != 0)
		snprintf(why, size, "its quirks, which rdmaregd obeys, are: %s", quirks);
	else
		snprintf(why, size, "it has no quirks");
	return true;
}

static const char *color_of(enum verdict v)
{
	switch (v) {
	case VERDICT_OK:
		return "green";
	case VERDICT_FAILED:
		return "red";
	case VERDICT_QUIRK:
		return "yellow";
	default:
		return NULL;
	}
}

static int add_line(struct libscols_table *t, const struct report *r, enum check c, bool color)
{
	struct libscols_line *line = scols_table_new_line(t, NULL);
	const struct finding *f = &r->findings[c];
	const char *of_verdict = color ? color_of(f->verdict) : NULL;

	if (!line || scols_line_set_data(line, 0, check_name(c)) ||
	    scols_line_set_data(line, 1, verdict_name(f->verdict)) ||
	    scols_line_set_data(line, 2, f->text))
		return -ENOMEM;
	if (of_verdict)
		scols_cell_set_color(scols_line_get_cell(line, 1), of_verdict);
	return 0;
}

static int print_findings(const struct report *r, bool legend, bool color)
{
	struct libscols_table *t = scols_new_table();
	int error = 0;

	if (!t)
		return -ENOMEM;
	scols_table_enable_noheadings(t, !legend);
	scols_table_enable_colors(t, color);
	if (!scols_table_new_column(t, "CHECK", 0, 0) ||
	    !scols_table_new_column(t, "VERDICT", 0, 0) ||
	    !scols_table_new_column(t, "FINDING", 0, 0))
		error = -ENOMEM;
	for (enum check c = 0; c < _CHECK_MAX && !error; c++)
		error = add_line(t, r, c, color);
	if (!error)
		error = scols_print_table(t);
	scols_unref_table(t);
	return error;
}

int print_table(const struct report *r, bool legend)
{
	const struct quirks_identity *of = &r->quirks.of;
	const char *no_color = getenv("NO_COLOR");
	bool color = isatty(STDOUT_FILENO) && !(no_color && *no_color);
	char why[300];
	bool good = report_is_good(r, why, sizeof(why));
	int error = 0;

	if (legend)
		printf("%s: driver %s, firmware %s, kernel %s", of->device, of->driver,
		       of->firmware, of->kernel);
	if (legend && !r->failure.code)
		printf(", port %u, RDMA MTU %u", r->port, r->active_mtu);
	if (legend)
		puts("\n");
	if (!r->failure.code)
		error = print_findings(r, legend, color);
	if (legend)
		printf("%s%s %s: %s\n", r->failure.code ? "" : "\n", of->device,
		       good ? "can be used" : "cannot be used as it is", why);
	return error;
}

static void add_text(json_object *o, const char *key, const char *value)
{
	json_object_object_add(o, key, json_object_new_string(value));
}

/* What is known of one of them beyond what can happen; "" where it was not tried. */
static const char *tried_there(const struct kernel_faults *k, const struct fsdax *f)
{
	return f->device == k->tried_on && k->tried.verdict != VERDICT_NOT_RUN ? k->tried.text : "";
}

void print_faults(const struct kernel_faults *k)
{
	struct utsname u;

	if (!k->n || uname(&u) < 0)
		return;
	printf("\nLinux %s and files with direct access here (docs/dax.md, \"Blocks that a write replaces\"):\n",
	       u.release);
	for (size_t i = 0; i < k->n; i++) {
		const struct fsdax *f = &k->item[i];
		const char *tried = tried_there(k, f);

		printf("%s (%s%s): %s.", f->path, f->xfs ? "xfs" : "ext4",
		       f->only_some ? ", files with the attribute" : "", fsdax_fault(f));
		printf("%s%s%s\n", *tried ? " Tried just now: " : "", tried, *tried ? "." : "");
	}
}

static json_object *faults_json(const struct kernel_faults *k)
{
	json_object *list = json_object_new_array();

	for (size_t i = 0; list && i < k->n; i++) {
		const struct fsdax *f = &k->item[i];
		json_object *o = json_object_new_object();

		add_text(o, "path", f->path);
		add_text(o, "filesystem", f->xfs ? "xfs" : "ext4");
		add_text(o, "fault", fsdax_fault(f));
		add_text(o, "tried", tried_there(k, f));
		json_object_array_add(list, o);
	}
	return list;
}

int print_json(const struct report *r, const struct kernel_faults *k)
{
	json_object *o = json_object_new_object(), *checks = json_object_new_array();
	char why[300], quirks[200];

	if (!o || !checks)
		return -ENOMEM;
	add_text(o, "device", r->quirks.of.device);
	add_text(o, "driver", r->quirks.of.driver);
	add_text(o, "firmware", r->quirks.of.firmware);
	add_text(o, "kernel", r->quirks.of.kernel);
	add_text(o, "build", r->quirks.of.build);
	json_object_object_add(o, "port", json_object_new_int(r->port));
	json_object_object_add(o, "active_mtu", json_object_new_int64(r->active_mtu));
	json_object_object_add(o, "usable",
			       json_object_new_boolean(report_is_good(r, why, sizeof(why))));
	add_text(o, "reason", why);
	json_object_object_add(o, "alignment", json_object_new_int64(r->quirks.alignment));
	json_object_object_add(o, "minimum_mtu", json_object_new_int64(r->quirks.minimum_mtu));
	quirks_describe(&r->quirks, quirks, sizeof(quirks));
	add_text(o, "quirks", r->failure.code ? "" : quirks);
	for (enum check c = 0; c < _CHECK_MAX && !r->failure.code; c++) {
		json_object *check = json_object_new_object();

		add_text(check, "name", check_name(c));
		add_text(check, "verdict", verdict_name(r->findings[c].verdict));
		add_text(check, "finding", r->findings[c].text);
		json_object_array_add(checks, check);
	}
	json_object_object_add(o, "checks", checks);
	json_object_object_add(o, "kernel_faults", faults_json(k));
	puts(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN |
						       JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(o);
	return 0;
}
