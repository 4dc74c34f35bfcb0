// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test-failure.c - what went wrong, as functions hand it up: the code comes back, the text is cut,
 * a name of a D-Bus error stays with the failure that was given it.
 */
#undef NDEBUG
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "bus/errors.h"
#include "names.h"
#include "util/failure.h"

static void test_filled(void)
{
	struct failure f;

	assert(fail(&f, -ENOSPC, "asking for %d: %s", 7, "no room") == -ENOSPC);
	assert(f.code == -ENOSPC && !f.name && !strcmp(f.text, "asking for 7: no room"));
}

static void test_nobody_asks(void)
{
	assert(fail(NULL, -EIO, "%s", "nobody reads this") == -EIO);
}

static void test_too_long(void)
{
	char text[2 * FAILURE_TEXT_MAX];
	struct failure f;

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = 0;
	assert(fail(&f, -E2BIG, "%s", text) == -E2BIG);
	assert(strlen(f.text) == FAILURE_TEXT_MAX - 1);
}

/* A second failure in the same place leaves nothing of the first. */
static void test_filled_again(void)
{
	struct failure f;

	assert(failure_set(&f, RDMAREG_ERROR_BUSY, "not %s", "now") == BUS_E_REFUSED);
	assert(f.code == BUS_E_REFUSED && !strcmp(f.name, RDMAREG_ERROR_BUSY));
	assert(!strcmp(f.text, "not now"));
	assert(fail(&f, -EINVAL, "no") == -EINVAL);
	assert(f.code == -EINVAL && !f.name && !strcmp(f.text, "no"));
	assert(failure_from_errno(&f, "registering a", -ENOSPC, "") == BUS_E_REFUSED);
	assert(f.code == BUS_E_REFUSED && !strcmp(f.name, RDMAREG_ERROR_LIMIT_EXCEEDED));
}

int main(void)
{
	test_filled();
	test_nobody_asks();
	test_too_long();
	test_filled_again();
	return 0;
}
