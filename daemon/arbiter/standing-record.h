/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * standing-record.h - what of a standing region is kept over a reboot: a small file in the state
 * directory, standing/UID:SESSION:NAME, with one "key value" a line.
 *
 * What always holds: what was not written here is not believed, whoever wrote it: each value is
 * checked, none comes twice, and all that are needed are there. A key that is not known is of
 * another package, and ignored.
 */
#ifndef RDMAREG_STANDING_RECORD_H
#define RDMAREG_STANDING_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "bus/bus.h"
#include "bus/identity.h"
#include "arbiter/record-files.h"
#include "arbiter/region-table.h"

#define STANDING_FILE_NAME_MAX (TENANT_SESSION_MAX + REGION_NAME_MAX + 16)

/* A region that is to be there, with all that it was registered with. */
struct standing {
	uint32_t uid;
	char session[TENANT_SESSION_MAX];
	char name[REGION_NAME_MAX];
	char path[DESCRIPTOR_PATH_MAX];
	struct file_identity file;
	uint64_t offset;
	uint64_t length;
	uint64_t grace_usec;
	uint8_t access;
	uint8_t policy;
	uint8_t warm_mode;
	bool pre_content; /* it was asked for */
	bool no_warm;	  /* its pages are not prefetched when it is made */

	/* of this daemon; not written */
	bool pending;		    /* it stands once its record is on disk, */
	bool queued;		    /* which is under way */
	struct standing_job *job;   /* a write that has not begun */
	struct waitings waits;	    /* for the end of its record; they do so until it is dropped */
	uint64_t number;	    /* for lists */
	uint64_t region;	    /* 0: it is not there */
	char why[STANDING_WHY_MAX]; /* as in struct standing_view */
	/* app-standing-start.c's: */
	uint64_t there_usec; /* CLOCK_MONOTONIC: since when it is there; 0: it is not */
	uint64_t due_usec;   /* likewise: when it is to be made again; 0: not by itself */
	uint32_t losses;     /* in a row */
	bool waits_for_user; /* to restore it; until the daemon starts anew */
	TAILQ_ENTRY(standing) all;
};

/* What its file is called. */
void standing_file_name(const struct standing *s, char out[static STANDING_FILE_NAME_MAX]);
/* Its file, terminated. The number of bytes. */
size_t standing_print(const struct standing *s, char out[static RECORD_TEXT_MAX]);
/* @text is changed. False: it is no such file. */
bool standing_parse(char *text, struct standing *ret);

#endif
