// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * ctl.c - command lines of rdmaregctl, and text of others in what it prints. The first byte of the
 * input says which; zero-terminated pieces follow.
 *
 * Measured: client/ctl/arguments.c client/ctl/format.c client/ctl/shown.c client/ctl/table.c
 * Measured: client/ctl/session-files.c
 *
 * A command line is read as the program reads it, up to where the verb would run: it is taken, or
 * refused with one line, and no part of it moves a cursor. (In a piece that begins with \001 the
 * second byte picks a verb, with \002 an option of it.) Text of others goes through tables, through
 * errors, and through an object's lines: whatever it is, what is printed has as many lines as there
 * are rows, and nothing but printable UTF-8. A size or time that is printed without a fraction is
 * read again as the same.
 */
#undef NDEBUG
#include <assert.h>

#include "bytes.h"
int ctl_main(int argc, char **argv);
#define main ctl_main
#include "client/ctl/main.c"
#undef main
#include "client/ctl/session-files.h"
#include "client/ctl/table.h"
#include "hidden-characters.h"

#define WORDS 12

static FILE *captured;
static char *output;
static size_t output_size;
static FILE *real_stdout, *real_stderr;

static void capture(void)
{
	real_stdout = stdout;
	real_stderr = stderr;
	captured = open_memstream(&output, &output_size);
	assert(captured);
	stdout = stderr = captured;
}

/* UTF-8, by RFC 3629: the shortest form, no surrogate; nothing that moves a cursor or turns text round. */
static const char *check_character(const char *c)
{
	unsigned char first = (unsigned char)*c++;
	unsigned int more = first < 0x80 ? 0 : first < 0xe0 ? 1 : first < 0xf0 ? 2 : 3;
	uint32_t v = more ? first & 0x3fu >> more : first;

	assert(first < 0x80 || (first >= 0xc2 && first < 0xf5));
	for (unsigned int i = 0; i < more; i++, c++) {
		assert(((unsigned char)*c & 0xc0) == 0x80);
		v = v << 6 | ((unsigned char)*c & 0x3fu);
	}
	assert(more < 2 || v >= (more == 2 ? 0x800u : 0x10000u));
	assert(v <= 0x10ffff && (v < 0xd800 || v > 0xdfff));
	assert(v == '\n' || (v >= ' ' && (v < 0x7f || v >= 0xa0)));
	assert(!is_hidden_character(v));
	return c;
}

/* What was printed since, which is clean, and to be freed. */
static char *release(void)
{
	char *text;

	stdout = real_stdout;
	stderr = real_stderr;
	fclose(captured);
	text = output;
	assert(strlen(text) == output_size);
	for (const char *c = text; *c; c = check_character(c))
		;
	return text;
}

static size_t lines_of(const char *text)
{
	size_t n = 0;

	for (; *text; text++)
		n += *text == '\n';
	return n;
}

/* One spelling at least of each: what is exact is read as it was. */
static void check_numbers(uint64_t value)
{
	char text[FORMAT_BYTES];
	uint64_t again;

	format_size(text, value);
	assert(strlen(text) < sizeof(text));
	if (!strchr(text, '.'))
		assert(parse_size(text, &again) == 0 && again == value);
	format_time(text, value);
	assert(strlen(text) < sizeof(text));
	if (!strchr(text, '.'))
		assert(parse_time(text, &again) == 0 && again == value);
}

static char *word_of(char *text, size_t size, const struct verb *verb)
{
	uint8_t which = (uint8_t)text[1];
	char name[64];
	size_t n = 0;

	if (*text == 1) {
		snprintf(name, sizeof(name), "%s", verbs[which % N_VERBS]->name);
		memmove(text, name, strlen(name) + 1);
		return text;
	}
	if (*text != 2 || !text[1] || !verb)
		return text;
	while (verb->options && verb->options[n].name)
		n++;
	if (n) {
		char rest[128];

		snprintf(rest, sizeof(rest), "%s", text + 2);
		snprintf(text, size, "--%s%s%s", verb->options[which % n].name, *rest ? "=" : "",
			 rest);
	}
	return text;
}

/* As main() does it. */
static void arguments(struct bytes *b)
{
	static char room[WORDS + 1][160];
	char *argv[WORDS + 2] = { (char *)(uintptr_t)"rdmaregctl" }, *said;
	_Alignas(8) char options[OPTIONS_BYTES] = { 0 };
	struct ctl ctl = { 0 };
	const struct verb *verb = NULL;
	int argc = 1, at, first, status = EXIT_OK;

	while (argc <= WORDS && bytes_text(b, room[argc], sizeof(room[argc]))) {
		argv[argc] = word_of(room[argc], sizeof(room[argc]), verb);
		for (size_t i = 0; !verb && i < N_VERBS; i++)
			verb = strcmp(verbs[i]->name, argv[argc]) ? NULL : verbs[i];
		if (verb && strchr(argv[argc], ' ') && argc < WORDS) { /* of two words */
			char *second = strchr(argv[argc], ' ');

			snprintf(room[argc + 1], sizeof(room[0]), "%s", second + 1);
			*second = 0;
			argv[argc + 1] = room[argc + 1];
			argc++;
		}
		argc++;
	}
	at = next_word(argc, argv, 1);
	if (at >= argc || argv[at][0] == '-')
		return;
	capture();
	verb = find_verb(&argc, argv, at, &status);
	if (verb) {
		for (; at > 0; at--)
			argv[at] = argv[at - 1];
		status = arguments_parse(&ctl, verb, argc - 1, argv + 1, options, &first);
		assert(status == 0 || status == EXIT_USAGE || (status < 0 && ctl.help));
		if (!status)
			assert(first >= 1 && argc - 1 - first >= verb->min_arguments &&
			       argc - 1 - first <= verb->max_arguments);
	}
	said = release();
	if (status > 0)
		assert(lines_of(said) == 1 && !strncmp(said, "rdmaregctl: ", 12));
	free(said);
}

static void print(struct bytes *b)
{
	static const struct column columns[] = {
		{ "path", "PATH", LOOK_PLAIN, .cut = CUT_BEGIN },
		{ "name", "NAME", LOOK_PLAIN, .right = true },
		{ "bytes", "BYTES", LOOK_SIZE },
		{ "usec", "TIME", LOOK_TIME },
	};
	json_object *rows = json_object_new_array(), *first = NULL;
	char text[200], *said;
	struct ctl ctl = { 0 };
	size_t n = 0;

	capture();
	while (n < 8 && bytes_text(b, text, sizeof(text))) {
		json_object *row = json_object_new_object();
		uint64_t number = bytes_u64(b);

		json_object_object_add(row, "path", json_object_new_string(text));
		bytes_text(b, text, sizeof(text));
		json_object_object_add(row, "name", json_object_new_string(text));
		json_object_object_add(row, "bytes", json_object_new_uint64(number));
		json_object_object_add(row, "usec", json_object_new_uint64(number >> 7));
		check_numbers(number);
		json_object_array_add(rows, row);
		first = row;
		n++;
	}
	assert(table_print(&ctl, columns, 4, rows, NULL) == 0);
	said = release();
	assert(lines_of(said) == (n ? n + 1 : 0));
	free(said);
	capture();
	if (first)
		table_show(&ctl, json_object_get(first));
	assert(ctl_error(EXIT_FAILED, "opening %s: %s", text, strerror(ENOENT)) == EXIT_FAILED);
	said = release();
	assert(lines_of(said) >= 1 && lines_of(said) <= 5);
	free(said);
	json_object_put(rows);
}

/* No part of a ticket is printed that came in place of something else. */
static void ticket(struct bytes *b)
{
	static const char token[] = "ca82095c6061fd4f46e7efd2511a7f0b";
	char before[100], behind[100], *said;

	bytes_text(b, before, sizeof(before));
	bytes_text(b, behind, sizeof(behind));
	/* the token has to end there, and to be nowhere else */
	if ((strspn(behind, " \t\r\n:;,'\"") == 0 && *behind) || strstr(before, token) ||
	    strstr(behind, token))
		return;
	capture();
	ctl_error(EXIT_USAGE, "%srdmareg://10.0.0.1:7/7?%s%s", before, token, behind);
	said = release();
	assert(!strstr(said, token));
	free(said);
}

static void files(struct bytes *b)
{
	static char room[4][PATH_MAX];
	struct texts texts = { .n = 0 };
	struct session_file *read = NULL;
	char *said;
	int r;

	while (texts.n < 4 && bytes_text(b, room[texts.n], sizeof(room[0]))) {
		texts.all[texts.n] = room[texts.n];
		texts.n++;
	}
	capture();
	r = session_files_read(&texts, &read);
	said = release();
	assert(r == 0 ? !*said : r == EXIT_USAGE && lines_of(said) == 1);
	free(said);
	for (size_t i = 0; r == 0 && i < texts.n; i++) {
		assert(*read[i].name && !strchr(read[i].name, '/') && *read[i].name != '.');
		for (size_t k = 0; k < i; k++)
			assert(strcmp(read[i].name, read[k].name) != 0);
	}
	free(read);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes b = { data, size };

	switch (bytes_u8(&b)) {
	case 'a':
		arguments(&b);
		break;
	case 'p':
		print(&b);
		break;
	case 't':
		ticket(&b);
		break;
	case 'f':
		files(&b);
		break;
	default:
		break;
	}
	return 0;
}
