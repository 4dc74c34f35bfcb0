// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * error.c - see error.h. The state is the thread's own, so that functions which fail before any
 * object exists can say why too, and objects used by different threads never overwrite each other's
 * message.
 */
#include "error.h"

#include <stdio.h>
#include <string.h>

#include "config.h"
#include "names.h"
#include "rdmareg.h"
#include "util.h"

static _Thread_local struct failure last;

/* The bus tried to, and only rdmaregd and the service manager know why that failed. */
#define NOT_STARTED                                                                   \
	"rdmaregd could not be started; see: systemctl status rdmaregd, and its "     \
	"log: journalctl -u rdmaregd. Whether its settings are right: " PKGLIBEXECDIR \
	"/rdmaregd --check-config"

/* Each of our own names has an errno of its own, so that nothing is lost on the way. */
static const struct {
	const char *name;
	int error;
	const char *hint; /* for errors whose sender could not say what to do */
} table[] = {
	{ RDMAREG_ERROR_INVALID_FILE, EBADF, NULL },
	{ RDMAREG_ERROR_INVALID_RANGE, ERANGE, NULL },
	{ RDMAREG_ERROR_INVALID_OPTION, EINVAL, NULL },
	{ RDMAREG_ERROR_ACCESS_DENIED, EACCES, NULL },
	{ RDMAREG_ERROR_LIMIT_EXCEEDED, EDQUOT, NULL },
	{ RDMAREG_ERROR_NO_SUCH_REGION, ENOENT, NULL },
	{ RDMAREG_ERROR_NAME_TAKEN, ENOTUNIQ, NULL },
	{ RDMAREG_ERROR_NO_SUCH_REVOCATION, ESTALE, NULL },
	{ RDMAREG_ERROR_NO_SUCH_JOB, ESRCH, NULL },
	{ RDMAREG_ERROR_NO_SUCH_SESSION, ENXIO, NULL },
	{ RDMAREG_ERROR_SESSION_EXISTS, EEXIST, NULL },
	{ RDMAREG_ERROR_NO_ADAPTER, ENODEV, NULL },
	{ RDMAREG_ERROR_BUSY, EBUSY, NULL },
	{ RDMAREG_ERROR_TIMEOUT, ETIME, NULL }, /* ETIMEDOUT is for silence */
	{ RDMAREG_ERROR_NOT_SUPPORTED, EOPNOTSUPP, NULL },
	{ RDMAREG_ERROR_KEEPER_LOST, EOWNERDEAD, NULL },
	{ RDMAREG_ERROR_FAILED, EIO, NULL },
	{ SD_BUS_ERROR_ACCESS_DENIED, EACCES,
	  "the bus policy does not let this user talk to rdmaregd" },
	{ SD_BUS_ERROR_AUTH_FAILED, EACCES, NULL },
	{ SD_BUS_ERROR_INTERACTIVE_AUTHORIZATION_REQUIRED, EACCES, NULL },
	{ SD_BUS_ERROR_SERVICE_UNKNOWN, EHOSTUNREACH,
	  "rdmaregd is not running; start it with: systemctl start rdmaregd" },
	{ SD_BUS_ERROR_NAME_HAS_NO_OWNER, EHOSTUNREACH, NOT_STARTED }, /* dbus-broker says so */
	{ SD_BUS_ERROR_NO_REPLY, ETIMEDOUT,
	  "rdmaregd did not answer; see: systemctl status rdmaregd" },
	{ SD_BUS_ERROR_TIMEOUT, ETIMEDOUT,
	  "rdmaregd did not answer; see: systemctl status rdmaregd" },
	{ SD_BUS_ERROR_DISCONNECTED, ENOTCONN,
	  "the connection to the bus is gone; open a new one" },
	{ SD_BUS_ERROR_LIMITS_EXCEEDED, EDQUOT, "a limit of the bus" },
	{ SD_BUS_ERROR_UNKNOWN_OBJECT, ENOENT, NULL },
	{ SD_BUS_ERROR_UNKNOWN_METHOD, EOPNOTSUPP, "this rdmaregd is too old for the request" },
	{ SD_BUS_ERROR_UNKNOWN_INTERFACE, EOPNOTSUPP, "this rdmaregd is too old for the request" },
	{ SD_BUS_ERROR_INVALID_ARGS, EINVAL, NULL },
	{ SD_BUS_ERROR_NO_MEMORY, ENOMEM, NULL },
};

int error_to_errno(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		if (!strcmp(table[i].name, name))
			return table[i].error;
	/* Whatever way the bus failed to start it, nobody is there to answer. */
	if (!strncmp(name, "org.freedesktop.DBus.Error.Spawn.", 33))
		return EHOSTUNREACH;
	return 0;
}

static const char *hint_for(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		if (!strcmp(table[i].name, name))
			return table[i].hint;
	if (!strncmp(name, "org.freedesktop.DBus.Error.Spawn.", 33))
		return NOT_STARTED;
	return NULL;
}

int failure_fill(struct failure *f, int error, const char *format, va_list args)
{
	vsnprintf(f->text, sizeof(f->text), format, args);
	f->name[0] = 0;
	f->code = !error ? -EIO : error < 0 ? error : -error;
	return f->code;
}

int fail(int error, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	error = failure_fill(&last, error, format, args);
	va_end(args);
	return error;
}

/*
 * What was asked, rdmaregd says itself ("registering the region failed: ..."), for those who call
 * it without this library. Here it was said already, and better.
 */
static const char *matter_of(const char *text)
{
	static const char failed[] = " failed: ";
	const char *at = strstr(text, failed);

	return at && (size_t)(at - text) == strcspn(text, ":;") - (sizeof(failed) - 3)
		       ? at + sizeof(failed) - 1
		       : text;
}

int fail_bus(const sd_bus_error *error, int r, const char *format, ...)
{
	const char *name = error && error->name ? error->name : "";
	const char *text =
		error && error->name && error->message ? matter_of(error->message) : NULL;
	const char *hint = NULL;
	int number = error_to_errno(name);
	char asked[FD_NAME_BYTES + 120];
	va_list args;

	if (!number)
		number = r < 0 ? -r : EIO;
	/*
	 * sd-bus fills in a name only for answers; a connection that broke is told by its return
	 * value alone.
	 */
	if (number == ECONNRESET || number == EPIPE || number == ESHUTDOWN)
		number = ENOTCONN;
	va_start(args, format);
	vsnprintf(asked, sizeof(asked), format, args);
	va_end(args);
	if (*name)
		hint = hint_for(name);
	else if (number == ENOTCONN)
		hint = hint_for(SD_BUS_ERROR_DISCONNECTED);
	else if (number == ETIMEDOUT)
		hint = hint_for(SD_BUS_ERROR_TIMEOUT);
	else if (number == ECHILD)
		hint = "the connection belongs to the parent process; open one after fork(2)";
	if (!text)
		text = strerror(number);
	if (number == EHOSTUNREACH && hint) /* what the bus says of it comes last */
		snprintf(last.text, sizeof(last.text), "%s: %s (%s)", asked, hint, text);
	else
		snprintf(last.text, sizeof(last.text), "%s: %s%s%s", asked,
			 hint && !*name ? "" : text, hint && *name ? "; " : "", hint ? hint : "");
	snprintf(last.name, sizeof(last.name), "%s", name);
	last.code = -number;
	return last.code;
}

struct failure failure_keep(void)
{
	return last;
}

int failure_put_back(const struct failure *f)
{
	last = *f;
	return last.code;
}

_public_ const char *rdmareg_last_error(void)
{
	return last.text;
}

_public_ const char *rdmareg_last_error_name(void)
{
	return last.name;
}

const char *fd_name(int fd, char buffer[static FD_NAME_BYTES])
{
	char link[40];
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, buffer, FD_NAME_BYTES - 1);
	if (n <= 0) {
		snprintf(buffer, FD_NAME_BYTES, "descriptor %d", fd);
		return buffer;
	}
	buffer[n] = 0;
	if (n == FD_NAME_BYTES - 1)
		memcpy(buffer + n - 3, "...", 3);
	return buffer;
}

int struct_in(void *target, size_t target_bytes, const void *caller)
{
	size_t size;

	memset(target, 0, target_bytes);
	if (!caller)
		return 0;
	memcpy(&size, caller, sizeof(size));
	if (size < sizeof(size) || size > STRUCT_MAX)
		return fail(
			EINVAL,
			"reading options: their member size is %zu; set it to sizeof of the structure",
			size);
	for (size_t i = target_bytes; i < size; i++)
		if (((const uint8_t *)caller)[i])
			return fail(
				E2BIG,
				"reading options: byte %zu is set and this librdmareg knows only %zu; "
				"update the library",
				i, target_bytes);
	memcpy(target, caller, size < target_bytes ? size : target_bytes);
	return 0;
}

int struct_check_reserved(const void *reserved, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++)
		if (((const uint8_t *)reserved)[i])
			return fail(E2BIG, "reading options: what is reserved in them is not zero; "
					   "initialise the whole structure");
	return 0;
}

int struct_out_check(const void *caller)
{
	size_t size;

	if (!caller)
		return fail(EINVAL, "returning information: no structure was given");
	memcpy(&size, caller, sizeof(size));
	if (size < sizeof(size) || size > STRUCT_MAX)
		return fail(EINVAL,
			    "returning information: the member size is %zu; "
			    "set it to sizeof of the structure",
			    size);
	return 0;
}

int struct_out(void *caller, const void *source, size_t source_bytes)
{
	size_t size;
	int r;

	r = struct_out_check(caller);
	if (r < 0)
		return r;
	memcpy(&size, caller, sizeof(size));
	if (size > source_bytes)
		memset((uint8_t *)caller + source_bytes, 0, size - source_bytes);
	memcpy((uint8_t *)caller + sizeof(size), (const uint8_t *)source + sizeof(size),
	       (size < source_bytes ? size : source_bytes) - sizeof(size));
	return 0;
}
