/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rdmaregd-calls.h - the played daemon's inside: what its methods work on, shared by the one who
 * answers calls and the one who is told what to do. One process, one thread; see fakes/rdmaregd.h
 * for what is played.
 */
#ifndef RDMAREG_TEST_CLIENT_MOCK_CALLS_H
#define RDMAREG_TEST_CLIENT_MOCK_CALLS_H

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-bus.h>

#define REGIONS_MAX 1024

struct mock_region {
	bool exists, detached, degraded, full, slow;
	uint64_t offset, length, grace, acked, revoked, bypasses;
	char access[4], session[49], policy[8], ticket[64], joined[64], owner[64],
		name[65]; /* owner: "" when detached; name: "": none */
	uint32_t uid;
	unsigned int replaced; /* its keeper, so many times */
};

extern struct mock_region mock_regions[REGIONS_MAX];
extern char mock_subscriber[64];
extern bool mock_sessions_denied;  /* to create, drain, limit and release them */
extern bool mock_sessions_unknown; /* as to a daemon that is older than they are */
extern bool mock_sessions_late;	   /* their regions, when they are released */
extern unsigned int mock_busy;	   /* so many calls that make something are refused */
extern bool mock_scrambled;	   /* ListDevices makes no sense */
extern char mock_options[512];	   /* of the last call that had any, as " key=value" each */
extern const sd_bus_vtable mock_manager[], mock_methods[], mock_job_methods[],
	mock_session_methods[];

void mock_take_options(sd_bus_message *m);

/* The value of an option of the last call; NULL: it was not given. Good until the fourth next. */
const char *mock_option(const char *key);

/* fakes/rdmaregd-sessions.c */
int mock_create_session(sd_bus_message *m, void *userdata, sd_bus_error *error);
int mock_get_session(sd_bus_message *m, void *userdata, sd_bus_error *error);
int mock_list_sessions(sd_bus_message *call, void *userdata, sd_bus_error *error);
int mock_find_session(sd_bus *bus, const char *path, const char *interface, void *userdata,
		      void **ret_found, sd_bus_error *error);

void mock_tell_nonsense(sd_bus *bus);

/* fakes/rdmaregd-jobs.c; telling: whether it was about jobs */
int mock_start_prefetch(sd_bus_message *m, void *userdata, sd_bus_error *error);
int mock_find_job(sd_bus *bus, const char *path, const char *interface, void *userdata,
		  void **ret_found, sd_bus_error *error);
bool mock_tell_job(sd_bus *bus, const char *what, unsigned int number, unsigned int *ret);

uint64_t mock_new_region(const char *access, uint64_t offset, uint64_t length);
const char *mock_path_of(uint64_t id);

#endif
