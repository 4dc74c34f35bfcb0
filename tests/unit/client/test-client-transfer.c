// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test-client-transfer.c - put and get of rdmaregctl, and through them the peer side, with the
 * adapter and the keeper at the other end played (fakes/peer.c). argv[1]: rdmaregctl, linked with
 * that.
 */
#undef NDEBUG
#include <assert.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "rdmareg-wire.h"

#define TICKET "'rdmareg://10.99.0.1:33632/7?ca82095c6061fd4f46e7efd2511a7f0b'"
#define WORLD "length=4 valid=1 "
#define MIB (1L << 20)

static const char *ctl;
static char out[1 << 16], file[64];

/* What people are told is in @out, on whichever channel. */
static int run(const char *world, const char *arguments)
{
	char command[1024];
	size_t n;
	FILE *f;
	int status;

	setenv("FAKE_PEER", world, 1);
	snprintf(command, sizeof(command), "'%s' %s 2>&1 </dev/null", ctl, arguments);
	f = popen(command, "r");
	assert(f);
	n = fread(out, 1, sizeof(out) - 1, f);
	out[n] = 0;
	status = pclose(f);
	fprintf(stderr, "%s: %s: %d\n%.600s\n", world, arguments, WEXITSTATUS(status), out);
	assert(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static bool says(const char *text)
{
	return strstr(out, text);
}

static int get(const char *world, const char *options)
{
	char arguments[256];

	snprintf(arguments, sizeof(arguments), "get " TICKET " %s %s", file, options);
	return run(world, arguments);
}

static int put(const char *world, const char *options)
{
	char arguments[256];

	snprintf(arguments, sizeof(arguments), "put %s " TICKET " %s", file, options);
	return run(world, arguments);
}

static void make(off_t bytes)
{
	FILE *f = fopen(file, "we");

	assert(f && ftruncate(fileno(f), bytes) == 0 && fclose(f) == 0);
}

static off_t size(void)
{
	struct stat st;

	return stat(file, &st) < 0 ? -1 : st.st_size;
}

/*
 * What is not there to be read is not "all of it": nothing is read, and the file stays what it was.
 */
static void test_beyond(void)
{
	make(100);
	assert(get(WORLD, "--offset 2M") == 1);
	assert(says("at offset 2097152") && says("only the first 1048576 bytes") && size() == 100);
	assert(get(WORLD, "--offset 1M") == 1 && says("only the first 1048576") && size() == 100);
	assert(get(WORLD, "--offset 4M") == 1 && says("the region has 4194304 bytes") &&
	       size() == 100);
	assert(get(WORLD, "--offset 5M") == 1 && says("the region has 4194304 bytes") &&
	       size() == 100);
	assert(get(WORLD, "--length 2M") == 1 && says("only the first 1048576") && size() == 100);
	assert(get(WORLD, "--length 5M") == 1 && says("the region has 4194304 bytes") &&
	       size() == 100);
	assert(get(WORLD, "--offset 512K --length 513K") == 1 && size() == 100);
	assert(get(WORLD, "--offset 512K --length 512K") == 0 && size() == MIB / 2);
	assert(get(WORLD, "--offset 1048575") == 0 && size() == 1);
	assert(get(WORLD, "") == 0 && size() == MIB && says("connection kept"));
	assert(put(WORLD, "--offset 2M") == 1 && says("room for 0 bytes at offset 2097152"));
	for (int i = 0; i < 2; i++) {
		assert(put(WORLD, i ? "--offset 4M --clip" : "--offset 4M") == 1);
		assert(says(
			"nothing was written: offset 4194304 is not inside; the region has 4194304 bytes"));
	}
	/* an empty file is all of it */
	assert(get("length=4 valid=0", "") == 0 && size() == 0);
}

/* Who failed says so last, and what became of the file; --json has its summary all the same. */
static void test_failure(void)
{
	make(100);
	assert(get("length=4 valid=4 fails=1 cause=7", "") == 1);
	assert(says("read 0 of 4194304 bytes into /") && says("which is empty now") &&
	       !says("connection"));
	assert(get("length=4 valid=4 fails=3 cause=7", "") == 1);
	assert(says("read 2097152 of 4194304 bytes into /") && says("which has only those now"));
	assert(size() == 2 * MIB);
	assert(get("length=4 valid=4 fails=3 cause=7", "--json") == 1);
	assert(says("\"bytes\":2097152") && says("\"connected\":false"));
	make(MIB);
	assert(put("length=4 valid=4 fails=1 cause=4", "") == 1 && !says("0 operations"));
	assert(put("length=4 valid=4", "") == 0 && says("wrote 1M in "));
	/* a folder that is missing is not found, whatever the file is for */
	assert(run(WORLD, "get " TICKET " /nonexistent/x") == 3 &&
	       says("opening /nonexistent/x for writing: "));
	assert(run(WORLD, "put /nonexistent/x " TICKET) == 3);
	assert(run(WORLD, "put /proc/self/exe @/nonexistent/x") == 3 &&
	       says("opening /nonexistent/x: "));
}

/*
 * Of an access that failed there the peer hears from its adapter and from the connection manager,
 * in any order. The cause is the same.
 */
static void test_causes(void)
{
	char world[128];

	make(MIB);
	for (int order = 0; order < 4; order++) {
		snprintf(world, sizeof(world), "length=4 valid=4 fails=1 order=%d cause=%d", order,
			 WIRE_CAUSE_NO_SPACE);
		assert(put(world, "") == 1 && says("no space left for a hole") &&
		       !says("keeper died"));
		snprintf(world, sizeof(world), "length=4 valid=4 fails=1 order=%d cause=%d", order,
			 WIRE_CAUSE_FENCED);
		assert(put(world, "") == 1 && says("fenced by a revocation"));
		snprintf(world, sizeof(world), "length=4 valid=4 fails=1 order=%d gone=1", order);
		assert(put(world, "") == 1 && says("keeper is gone"));
		/* a keeper that answers has not died, whatever it knows */
		for (int cause = WIRE_CAUSE_UNKNOWN; cause <= WIRE_CAUSE_AVAILABLE; cause++) {
			snprintf(world, sizeof(world), "length=4 valid=4 fails=1 order=%d cause=%d",
				 order, cause);
			assert(put(world, "") == 1 && !says("released") && says("connect again"));
			assert(!says("keeper died") || order == 0);
		}
	}
}

static size_t count(const char *text)
{
	size_t n = 0;

	for (const char *p = out; (p = strstr(p, text)); p++)
		n++;
	return n;
}

/*
 * What the keeper says is the matter, and here what to do: nothing twice. And between whom it was.
 */
static void test_refusals(void)
{
	static const struct {
		enum wire_refusal reason;
		int status;
		const char *text, *matter, *advice;
	} refusals[] = {
		{ WIRE_REFUSED_TICKET, 4, "the ticket is unknown, expired or used up",
		  "the ticket is", "a new one" },
		{ WIRE_REFUSED_RIGHTS, 4, "the ticket does not allow what was asked",
		  "does not allow", "another ticket" },
		{ WIRE_REFUSED_LIMIT, 1, "too many peers; try again when one has left", "too many",
		  "peers_per_tenant" },
		{ WIRE_REFUSED_SHARE, 1, "this ticket has its share of the tenant's peers", "share",
		  "peers_per_tenant" },
		{ WIRE_REFUSED_RESOURCES, 1, "the adapter has no room for another connection",
		  "no room", "nobody uses" },
		{ WIRE_REFUSED_MTU, 1, "the path MTU is too small for this adapter", "too small",
		  "raise the MTU" },
		{ WIRE_REFUSED_MALFORMED, 1, "the request is not one of this protocol or version",
		  "version", "one version" },
		{ 900, 1, "the moon is full", "moon", "does not know that reason" },
	};

	for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
		char world[64];

		snprintf(world, sizeof(world), "refuse=%d", (int)refusals[i].reason);
		setenv("FAKE_PEER_TEXT", refusals[i].text, 1);
		assert(get(world, "") == refusals[i].status && says(refusals[i].text));
		assert(says(refusals[i].advice) &&
		       says("connecting to 10.99.0.1:33632: the other side refuses: "));
		assert(count(refusals[i].matter) == 1 ||
		       refusals[i].reason == WIRE_REFUSED_MALFORMED);
		assert(count("connecting") == 1 && count("does not allow") <= 1);
	}
	assert(get("status=8", "") == 1 &&
	       says("connecting to 10.99.0.1:33632: nothing listens at the ticket's port: "));
	assert(get("status=28", "") == 1 &&
	       says("10.99.0.1:33632: what listens at the ticket's port refuses (reason 28)"));
	assert(run("status=8",
		   "get 'rdmareg://[fd00::1]:33632/7?ca82095c6061fd4f46e7efd2511a7f0b' x") == 1);
	assert(says("connecting to [fd00::1]:33632: nothing listens"));
}

/* A source address that is none is named, and what it has to be. */
static void test_source(void)
{
	assert(get("away=19", "--source 10.1.2.3") == 77 &&
	       says("10.99.0.1:33632 from 10.1.2.3: "));
	assert(says("an RDMA device of this machine") && says("ip address") && says("loopback"));
	assert(get("away=99", "--source 127.0.0.1") == 1 && says(" from 127.0.0.1: ") &&
	       says("loopback"));
	assert(get("away=19", "") == 77 && !says("source") && !says("loopback"));
	assert(get("status=8", "--source 10.1.2.3") == 1 && says("from 10.1.2.3: nothing") &&
	       !says("loopback"));
	assert(get(WORLD, "--source rxeb") == 1 && says("looking up the source address rxeb: ") &&
	       says("numeric"));
	assert(get(WORLD, "--source ::1") == 1 &&
	       says("the source address ::1 and the ticket's host 10.99.0.1"));
	/* a device of this machine does not read like one there */
	assert(put("length=4 valid=4 fails=1 cause=4", "") == 1 &&
	       says("from local device fake0: "));
}

/* Of a file that is not where it was, and of blocks that went meanwhile, people hear. */
static void test_file(void)
{
	static const char *const states[] = { "unknown", "there", "moved", "deleted" };
	char world[64], text[64];

	for (int i = 0; i < 4; i++) {
		snprintf(world, sizeof(world), "length=4 valid=4 path=%d", i);
		snprintf(text, sizeof(text), "\"path_state\":\"%s\"", states[i]);
		assert(get(world, "--json") == 0 && says(text) && says("\"bypasses\":0"));
		snprintf(text, sizeof(text), "rdmaregctl: the file of the region was %s there",
			 states[i]);
		assert(get(world, "") == 0 && says(text) == (i > 1) &&
		       !says("blocks of the file were freed"));
		snprintf(text, sizeof(text), ", file %s\n", states[i]);
		assert(says(text) == (i > 1));
		snprintf(text, sizeof(text), "was %s there", states[i]);
		assert(put(world, "") == 0 && says(text) == (i > 1));
	}
	assert(get("length=4 valid=4 bypass=2", "") == 0 && size() == 4 * MIB);
	assert(says(
		"blocks of the file were freed during the transfer: what was read there may be old data "
		"or new\n"));
	assert(put("length=4 valid=4 bypass=2", "--json") == 0 && says("\"bypasses\":1"));
	assert(says("freed during the transfer: what was written there may be lost\n"));
	/* the failure is the last word */
	assert(get("length=4 valid=4 bypass=2 fails=3 cause=7", "") == 1 &&
	       says("blocks of the file were freed"));
	assert(strstr(out, "blocks of the file were freed") <
	       strstr(out, "read 2097152 of 4194304"));
}

#define SECOND "'rdmareg://10.99.1.1:33632/8?ca82095c6061fd4f46e7efd2511a7f0b'"

/* Tickets of both rails, as one argument: "T1 T2". */
static int with_rails(const char *world, const char *verb, const char *options)
{
	static const char list[] = TICKET "' '" SECOND;
	char arguments[512];

	snprintf(arguments, sizeof(arguments), "%s %s %s %s", verb, *verb == 'p' ? file : list,
		 *verb == 'p' ? list : file, options);
	return run(world, arguments);
}

/* Both are used, and one is enough. */
static void test_rails(void)
{
	static const char *const verbs[] = { "put", "get" };

	make(3 * MIB);
	for (int i = 0; i < 2; i++) {
		assert(with_rails("length=4 valid=3", verbs[i], "") == 0 &&
		       says("connection kept") && size() == 3 * MIB);
		assert(with_rails("length=4 valid=3 breaks=2 at=3", verbs[i], "--timeline") == 0);
		assert(says("{\"event\":\"disconnected\",\"rail\":1,") &&
		       says("\"connected\":true"));
		assert(with_rails("length=4 valid=3 absent=1", verbs[i], "--json") == 0 &&
		       says("\"connected\":true"));
		assert(with_rails("length=4 valid=3 breaks=1 at=3", verbs[i],
				  "--first --timeline") == 0);
		assert(says("\"rail\":0") && says("\"connected\":true"));
		assert(with_rails("length=4 valid=3 other=2", verbs[i], "") == 2 &&
		       says("of different files"));
		assert(with_rails("length=4 valid=3", verbs[i], "--stripe 1") == 2 &&
		       says("stripe_bytes"));
		assert(with_rails("length=4 valid=3 absent=1 status=8", verbs[i], "") == 1 &&
		       says("nothing listens"));
	}
}

int main(int argc, char **argv)
{
	char folder[] = "/tmp/rdmareg-transfer-XXXXXX";

	assert(argc == 2);
	ctl = argv[1];
	alarm(80);
	assert(mkdtemp(folder));
	snprintf(file, sizeof(file), "%s/file", folder);
	test_beyond();
	test_failure();
	test_causes();
	test_refusals();
	test_source();
	test_file();
	test_rails();
	unlink(file);
	rmdir(folder);
	return 0;
}
