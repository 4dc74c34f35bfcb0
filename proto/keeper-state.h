/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * keeper-state.h - what the daemon can do with a keeper, and how Manager.ListKeepers calls it. For
 * the daemon's parts alone. What always holds: a name, once published, keeps its meaning.
 */
#ifndef RDMAREG_KEEPER_STATE_H
#define RDMAREG_KEEPER_STATE_H

enum keeper_state {
	KEEPER_STARTING, /* it has not listed what it holds yet */
	KEEPER_DRIVEN,
	KEEPER_STUCK,	/* silent, late, not connected, or it said what cannot be */
	KEEPER_FOREIGN, /* it speaks no version of ours */
	KEEPER_ENDING,	/* it was told to end, or killed */
	_KEEPER_STATE_MAX,
};

static const char *const keeper_state_names[_KEEPER_STATE_MAX] = {
	[KEEPER_STARTING] = "starting", [KEEPER_DRIVEN] = "driven", [KEEPER_STUCK] = "stuck",
	[KEEPER_FOREIGN] = "foreign",	[KEEPER_ENDING] = "ending",
};

#endif
