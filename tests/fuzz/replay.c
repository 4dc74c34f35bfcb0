// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * replay.c - the main program of a fuzz target where no fuzzer is: it plays the inputs of corpora,
 * and random ones.
 *
 * replay-NAME [--random N MAX] [CORPUS...]: each line of a corpus is an input, in which a backslash,
 * and what is no printable ASCII, is written as \xNN, and NNNN zeros in a row as \zNNNN. The random
 * ones are N of at most MAX bytes, always the same.
 *
 * What always holds: an input lies in memory of exactly its size, so that a sanitizer sees whoever
 * reads beyond it; the line that is played when the program dies is the last one that was named.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned int digits(const char *at, int n)
{
	unsigned int v = 0;

	for (; n; n--, at++)
		v = v << 4 | (unsigned int)(*at <= '9' ? *at - '0' : *at - 'a' + 10);
	return v;
}

/* What @line says; the number of bytes. @ret: room for them, or NULL: they are only counted. */
static size_t decode(const char *line, char *ret)
{
	size_t n = 0;

	while (*line && *line != '\n') {
		bool zeros = line[0] == '\\' && line[1] == 'z' && strlen(line) >= 6;
		bool coded = line[0] == '\\' && line[1] == 'x' && strlen(line) >= 4;
		size_t some = zeros ? digits(line + 2, 4) : 1;

		if (ret)
			memset(ret + n, zeros ? 0 : coded ? (int)digits(line + 2, 2) : *line, some);
		n += some;
		line += zeros ? 6 : coded ? 4 : 1;
	}
	return n;
}

static void *room_for(size_t size)
{
	void *room = malloc(size ? size : 1);

	if (!room) {
		fprintf(stderr, "replay: out of memory\n");
		exit(1);
	}
	return room;
}

static void play(const char *bytes, size_t size)
{
	uint8_t *exact = room_for(size);

	memcpy(exact, bytes, size);
	LLVMFuzzerTestOneInput(exact, size);
	free(exact);
}

static void play_corpus(const char *path)
{
	FILE *f = fopen(path, "re");
	size_t room = 0, n = 0;
	char *line = NULL;

	if (!f) {
		fprintf(stderr, "replay: %s: %m\n", path);
		exit(1);
	}
	while (getline(&line, &room, f) >= 0) {
		char *bytes = room_for(decode(line, NULL));

		printf("%s:%zu\n", path, ++n);
		fflush(stdout);
		play(bytes, decode(line, bytes));
		free(bytes);
	}
	free(line);
	fclose(f);
}

static void play_random(unsigned long n, size_t max)
{
	char *bytes = room_for(max + 1);

	for (unsigned long i = 0; i < n; i++) {
		size_t size;

		srand((unsigned int)i + 1);
		size = (size_t)rand() % (max + 1);
		for (size_t b = 0; b < size; b++)
			bytes[b] = (char)(rand() >> 8);
		printf("random input %lu\n", i + 1);
		fflush(stdout);
		play(bytes, size);
	}
	free(bytes);
}

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--random") && i + 2 < argc) {
			play_random(strtoul(argv[i + 1], NULL, 10), strtoul(argv[i + 2], NULL, 10));
			i += 2;
		} else {
			play_corpus(argv[i]);
		}
	}
	return 0;
}
