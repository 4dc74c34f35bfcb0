// SPDX-License-Identifier: GPL-2.0-or-later
/* harness.c - see harness.h: processes, files, and waiting. harness-bus.c has the calls. */
#include "harness.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const struct world *current;

static const char bus_settings[] =
	"<!DOCTYPE busconfig PUBLIC \"-//freedesktop//DTD D-BUS Bus Configuration 1.0//EN\" "
	"\"http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd\">\n"
	"<busconfig><type>system</type><listen>unix:path=%s/bus</listen><auth>EXTERNAL</auth>\n"
	"%s\n<limit name=\"max_replies_per_connection\">200000</limit>\n"
	"</busconfig>\n";

static const char bus_policy[] =
	"<policy context=\"default\"><allow user=\"*\"/><allow own=\"*\"/>\n"
	"<allow send_type=\"method_call\"/><allow send_type=\"signal\"/><allow send_requested_reply=\"true\"/>\n"
	"<allow receive_type=\"method_call\"/><allow receive_type=\"method_return\"/>\n"
	"<allow receive_type=\"error\"/><allow receive_type=\"signal\"/></policy>";

static void path_in(const struct world *w, const char *name, char out[static 256])
{
	snprintf(out, 256, "%s/%s", w->directory, name);
}

static void print_log(void)
{
	char path[256], line[512];
	FILE *f;

	if (!current)
		return;
	path_in(current, "log", path);
	f = fopen(path, "re");
	if (!f)
		return;
	fprintf(stderr, "--- end of the log of rdmaregd and its keepers\n");
	if (fseek(f, -4194304, SEEK_END) < 0)
		rewind(f);
	while (fgets(line, sizeof(line), f))
		fputs(line, stderr);
	fclose(f);
}

_Noreturn void check_failed(const char *file, int line, const char *what)
{
	print_log();
	fprintf(stderr, "%s:%d: failed: %s\n", file, line, what);
	if (current && getpid() != current->bus)
		world_kill_keepers(current, SIGKILL);
	_exit(EXIT_FAILURE);
}

void check_same_text(const char *file, int line, const char *got, const char *wanted)
{
	char what[1600];

	if (!strcmp(got, wanted))
		return;
	snprintf(what, sizeof(what), "'%s' should be '%s'", got, wanted);
	check_failed(file, line, what);
}

void until_pause(unsigned int n, const char *file, int line, const char *what)
{
	static struct timespec began;
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	if (n == 0)
		began = now;
	if (now.tv_sec - began.tv_sec > WAIT_SEC)
		check_failed(file, line, what);
	nanosleep(&(struct timespec){ .tv_nsec = 2000000 }, NULL);
}

static void write_file(const char *path, const char *text)
{
	FILE *f = fopen(path, "we");

	check(f);
	check(fputs(text, f) >= 0 && fclose(f) == 0);
}

static void copy_program(const struct world *w, const char *from, const char *name)
{
	char path[256], buffer[65536];
	int in = open(from, O_RDONLY | O_CLOEXEC), out;
	ssize_t n;

	path_in(w, name, path);
	out = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0755);
	check(in >= 0 && out >= 0);
	while ((n = read(in, buffer, sizeof(buffer))) > 0)
		check(write(out, buffer, (size_t)n) == n);
	check(n == 0 && fchmod(out, 0755) == 0);
	close(in);
	close(out);
}

/* A child that ends with us. Standard error goes to the log. */
static pid_t start(const struct world *w, char *const argv[])
{
	char path[256];
	pid_t pid = fork();
	int fd;

	check(pid >= 0);
	if (pid > 0)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	path_in(w, "log", path);
	fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
	if (fd < 0 || dup2(fd, STDERR_FILENO) < 0)
		_exit(126);
	execv(argv[0], argv);
	execvp(argv[0], argv);
	_exit(127);
}

/* Its socket is there before it listens on it. */
static bool listens(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), r;

	check(fd >= 0 && strlen(path) < sizeof(address.sun_path));
	strcpy(address.sun_path, path);
	r = connect(fd, (struct sockaddr *)&address, sizeof(address));
	close(fd);
	return r == 0;
}

static void start_bus(struct world *w, const char *policy)
{
	char path[256], option[300], text[4096];

	path_in(w, "bus.conf", path);
	check(snprintf(text, sizeof(text), bus_settings, w->directory, policy) < (int)sizeof(text));
	write_file(path, text);
	snprintf(option, sizeof(option), "--config-file=%s", path);
	w->bus = start(w, (char *[]){ (char[]){ "dbus-daemon" }, option, (char[]){ "--nofork" },
				      (char[]){ "--nopidfile" }, (char[]){ "--nosyslog" }, NULL });
	snprintf(w->address, sizeof(w->address), "unix:path=%s/bus", w->directory);
	path_in(w, "bus", path);
	until(listens(path));
}

void world_write_settings(struct world *w, const char *settings)
{
	char path[256], text[4096];

	path_in(w, "rdmaregd.conf", path);
	snprintf(
		text, sizeof(text),
		"[daemon]\nlog_level = debug\n[keepers]\nspawn = direct\nidle_exit_sec = 1\nlisten_address = 192.0.2.1\n%s\n",
		settings);
	write_file(path, text);
}

static size_t count_directory(const char *path)
{
	DIR *d = opendir(path);
	size_t n = 0;

	if (!d)
		return 0;
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

size_t world_descriptors(const struct world *w)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/fd", w->daemon);
	return count_directory(path);
}

size_t world_memory(const struct world *w)
{
	char path[64], line[256];
	size_t kib = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", w->daemon);
	f = fopen(path, "re");
	check(f);
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "VmRSS: %zu", &kib) == 1)
			break;
	fclose(f);
	return kib;
}

static bool serves(sd_bus *b)
{
	char *version = NULL;
	int r = sd_bus_get_property_string(b, RDMAREG_BUS_NAME, RDMAREG_MANAGER_PATH,
					   RDMAREG_MANAGER_INTERFACE, "Version", NULL, &version);

	free(version);
	return r >= 0;
}

/* One that ends before it serves will not serve however long one waits. */
static bool daemon_runs(const struct world *w)
{
	check(waitpid(w->daemon, NULL, WNOHANG) == 0);
	return true;
}

void world_add_gate(struct world *w)
{
	copy_program(w, getenv("RDMAREG_FAKE_GATE"), "gate");
}

void world_start_daemon(struct world *w)
{
	char config[256], runtime[256], state[256], keeper[256], dax[256], gate[256];
	sd_bus *b = connect_client(w);

	path_in(w, "rdmaregd.conf", config);
	path_in(w, "run", runtime);
	path_in(w, "state", state);
	path_in(w, "keeper", keeper);
	path_in(w, "dax", dax);
	path_in(w, "gate", gate);
	w->daemon = start(
		w, (char *[]){ (char *)(uintptr_t)getenv("RDMAREGD"), (char[]){ "--bus-address" },
			       w->address, (char[]){ "--config" }, config,
			       (char[]){ "--runtime-dir" }, runtime, (char[]){ "--state-dir" },
			       state, (char[]){ "--keeper" }, keeper, (char[]){ "--dax-helper" },
			       dax, (char[]){ "--gate" }, gate, NULL });
	/*
	 * a predecessor that cannot end has the name until its successor takes it, and answers
	 * nothing
	 */
	sd_bus_set_method_call_timeout(b, 2000000);
	until(daemon_runs(w) && serves(b));
	w->descriptors = world_descriptors(w);
	disconnect(b);
}

int world_end_daemon(struct world *w, int signal)
{
	int status;

	check(kill(w->daemon, signal) == 0);
	check(waitpid(w->daemon, &status, 0) == w->daemon);
	w->daemon = 0;
	return status;
}

void world_begin_bus(struct world *w, const char *policy)
{
	char path[256];

	signal(SIGPIPE, SIG_IGN);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	*w = (struct world){ 0 };
	strcpy(w->directory, "/tmp/rdmareg-XXXXXX");
	check(mkdtemp(w->directory) && chmod(w->directory, 0755) == 0);
	current = w;
	path_in(w, "log", path);
	write_file(path, "");
	chmod(path, 0666);
	start_bus(w, policy);
}

void world_begin(struct world *w, const char *settings)
{
	char path[256];

	check(getenv("RDMAREGD") && getenv("RDMAREG_BAD_KEEPER") && getenv("RDMAREG_FORM_KEEPER") &&
	      getenv("RDMAREG_KEEPER_FAKE"));
	world_begin_bus(w, bus_policy);
	path_in(w, "fake", path);
	/* a tenant's keepers come one after the other, under one user id and another */
	check(mkdir(path, 0777) == 0 && chmod(path, 0777) == 0);
	setenv("RDMAREG_FAKE_DIR", path, 1);
	/* keepers are other users' processes: what they run must be where these can read it */
	copy_program(w, getenv("RDMAREG_BAD_KEEPER"), "keeper");
	copy_program(w, getenv("RDMAREG_KEEPER_FAKE"), "keeper-fake");
	copy_program(w, getenv("RDMAREG_FORM_KEEPER"), "keeper-form-5");
	copy_program(w, getenv("RDMAREG_FAKE_DAX"), "dax");
	world_write_settings(w, settings);
	world_start_daemon(w);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st, (void)type, (void)ftw;
	return remove(path);
}

/* Reaps what became our child; keepers that still run are counted. */
size_t world_keepers(const struct world *w)
{
	size_t n = 0;
	int status;
	pid_t pid;
	DIR *d;
	struct dirent *e;

	/* bus and daemon are waited for where they are ended */
	while ((pid = waitpid(-1, &status, WNOHANG | __WNOTHREAD)) > 0)
		if (pid == w->daemon || pid == w->bus)
			check_failed(__FILE__, __LINE__, "bus or daemon ended by itself");
	d = opendir("/proc");
	check(d);
	while ((e = readdir(d))) {
		char path[300], target[256], wanted[256];
		ssize_t length;

		snprintf(path, sizeof(path), "/proc/%s/exe", e->d_name);
		length = readlink(path, target, sizeof(target) - 1);
		if (length < 0)
			continue;
		target[length] = 0;
		path_in(w, "keeper", wanted);
		n += !strncmp(target, wanted, strlen(wanted)); /* keeper and keeper-fake */
	}
	closedir(d);
	return n;
}

void world_kill_keepers(const struct world *w, int signal)
{
	struct dirent *e;
	DIR *d = opendir("/proc");

	while (d && (e = readdir(d))) {
		char path[300], target[256], wanted[256];
		ssize_t length;

		snprintf(path, sizeof(path), "/proc/%s/exe", e->d_name);
		length = readlink(path, target, sizeof(target) - 1);
		if (length < 0)
			continue;
		target[length] = 0;
		path_in(w, "keeper", wanted);
		if (!strncmp(target, wanted, strlen(wanted)))
			kill(atoi(e->d_name), signal);
	}
	if (d)
		closedir(d);
}

void world_end_bus(struct world *w)
{
	kill(w->bus, SIGTERM);
	waitpid(w->bus, NULL, 0);
	current = NULL;
	nftw(w->directory, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

void world_end(struct world *w)
{
	sd_bus *b = connect_client(w);
	int status;

	until(get_manager_number(b, "Regions") == 0);
	disconnect(b);
	/*
	 * or fewer: a helper that gave a device back for a user who is gone may have run when they
	 * were counted
	 */
	until(world_descriptors(w) <= w->descriptors);
	until(world_keepers(w) == 0);
	status = world_end_daemon(w, SIGTERM);
	check(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	world_end_bus(w);
}

int world_ctl(const struct world *w, const char *arguments, char *out, size_t size)
{
	char command[512];
	size_t n;
	FILE *f;
	int r;

	check((size_t)snprintf(command, sizeof(command),
			       "RDMAREG_BUS_ADDRESS='%s' '%s' %s 2>&1 </dev/null", w->address,
			       getenv("RDMAREGCTL"), arguments) < sizeof(command));
	f = popen(command, "re");
	check(f);
	n = fread(out, 1, size - 1, f);
	out[n] = 0;
	r = pclose(f);
	check(WIFEXITED(r));
	return WEXITSTATUS(r);
}

unsigned int world_log_count(const struct world *w, const char *text)
{
	char path[256], line[2048];
	unsigned int n = 0;
	FILE *f;

	path_in(w, "log", path);
	f = fopen(path, "re");
	check(f);
	while (fgets(line, sizeof(line), f))
		n += strstr(line, text) != NULL;
	fclose(f);
	return n;
}

bool world_log_contains(const struct world *w, const char *text)
{
	return world_log_count(w, text) > 0;
}

void world_tell_keeper(const struct world *w, uid_t uid, const char *session, const char *format,
		       ...)
{
	char path[256], line[256];
	va_list args;
	int fd, n;

	snprintf(path, sizeof(path), "%s/fake/%u-%s", w->directory, uid, session);
	va_start(args, format);
	n = vsnprintf(line, sizeof(line) - 1, format, args);
	va_end(args);
	line[n++] = '\n';
	until((fd = open(path, O_WRONLY | O_CLOEXEC | O_NONBLOCK)) >= 0);
	until(write(fd, line, (size_t)n) == n); /* whole lines, as room comes */
	close(fd);
}

int make_file(const struct world *w, size_t size, int flags)
{
	char path[256];
	int fd, keep;

	path_in(w, "file", path);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
	check(fd >= 0 && ftruncate(fd, (off_t)size) == 0);
	keep = open(path, flags | O_CLOEXEC);
	check(keep >= 0);
	close(fd);
	unlink(path);
	return keep;
}

int make_memfd(size_t size)
{
	int fd = memfd_create("test", MFD_CLOEXEC);

	check(fd >= 0 && ftruncate(fd, (off_t)size) == 0);
	return fd;
}

void run_as(const struct world *w, uid_t uid,
	    void (*body)(const struct world *w, const void *arguments), const void *arguments)
{
	pid_t pid = fork();
	int status;

	check(pid >= 0);
	if (pid == 0) {
		check(setresgid(uid, uid, uid) == 0 && setresuid(uid, uid, uid) == 0);
		body(w, arguments);
		_exit(EXIT_SUCCESS);
	}
	check(waitpid(pid, &status, 0) == pid);
	check(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

unsigned int count_equal_lines(const struct world *w, const char *file, const char *wanted)
{
	char path[256], line[256];
	unsigned int n = 0;
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", w->directory, file);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = 0;
		n += !strcmp(line, wanted);
	}
	if (f)
		fclose(f);
	return n;
}
