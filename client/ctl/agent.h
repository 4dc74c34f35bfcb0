/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * agent.h - somebody on this terminal can be asked for a password: polkit's own program for that,
 * pkttyagent(1), while this process lives. Without a desktop nobody else would ask.
 *
 * What always holds: it is begun only for a user who is not root and sits at the terminal, and it
 * never keeps anything from being done: without it polkit says no, as it would have.
 */
#ifndef RDMAREGCTL_AGENT_H
#define RDMAREGCTL_AGENT_H

/* Returns when it can be asked, or there is none. */
void agent_begin(void);
void agent_end(void);

#endif
