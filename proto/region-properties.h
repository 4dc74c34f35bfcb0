/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * region-properties.h - what org.rdmareg.Registry1.Region shows of a region. Each property is
 * described once, in the list: its member in struct rdmareg_region_info and key in JSON, its name
 * on the bus, what kind of value it is, and what tells of a change. The daemon's bus, the library
 * and rdmaregctl are made from the list. The interface's XML is the manual; a test compares it.
 *
 * What always holds: the order is that in which people see them; none is in the list twice.
 */
#ifndef RDMAREG_REGION_PROPERTIES_H
#define RDMAREG_REGION_PROPERTIES_H

#include "counters.h"

/*
 * VALUE(member, name, kind, told, where): a number, text or truth value; kinds are those of
 * PROPERTY_TYPE_* below. WORD(member, name, vocabulary, told, where): one of the words of an
 * enumeration, on the bus a string. Told: CONST never changes; QUIET does, and no signal says so;
 * all others name the change of which PropertiesChanged tells. Where: BRIEF is also in what
 * rdmareg_list() brings if it is asked to be brief, and so in the table of `rdmaregctl list`; FULL
 * is not.
 */
#define REGION_PROPERTIES(VALUE, WORD)                                             \
	VALUE(id, "Id", NUMBER, CONST, BRIEF)                                      \
	WORD(state, "State", STATE, STATE, BRIEF)                                  \
	WORD(arbitration_mode, "ArbitrationMode", ARBITRATION, ARBITRATION, BRIEF) \
	VALUE(arbitration_reason, "ArbitrationReason", TEXT, ARBITRATION, FULL)    \
	VALUE(refuses, "Refuses", TRUTH, ARBITRATION, BRIEF)                       \
	VALUE(degraded, "Degraded", TEXT, ARBITRATION, BRIEF)                      \
	WORD(policy, "Policy", POLICY, ARBITRATION, BRIEF)                         \
	VALUE(grace_usec, "GraceUSec", TIME, ARBITRATION, FULL)                    \
	WORD(access, "Access", ACCESS, CONST, BRIEF)                               \
	WORD(durability, "Durability", DURABILITY, QUIET, FULL)                    \
	VALUE(path, "Path", TEXT, CONST, BRIEF)                                    \
	WORD(path_state, "PathState", PATH_STATE, FILE, BRIEF)                     \
	VALUE(path_now, "PathNow", TEXT, FILE, FULL)                               \
	VALUE(bypasses, "Bypasses", NUMBER, FILE, FULL)                            \
	VALUE(last_bypass, "LastBypass", TEXT, FILE, FULL)                         \
	VALUE(offset, "Offset", BYTES, CONST, FULL)                                \
	VALUE(length, "Length", BYTES, CONST, BRIEF)                               \
	VALUE(valid_length, "ValidLength", BYTES, LENGTH, BRIEF)                   \
	VALUE(rkey, "Rkey", KEY, KEYS, FULL)                                       \
	VALUE(generation, "Generation", SMALL, KEYS, FULL)                         \
	VALUE(address, "Address", ADDRESS, KEYS, FULL)                             \
	VALUE(detached, "Detached", TRUTH, CONST, FULL)                            \
	VALUE(standing, "Standing", TRUTH, QUIET, FULL)                            \
	VALUE(uid, "Uid", SMALL, CONST, BRIEF)                                     \
	VALUE(session, "Session", TEXT, CONST, BRIEF)                              \
	VALUE(name, "Name", TEXT, CONST, BRIEF)                                    \
	VALUE(ticket, "Ticket", TEXT, TICKET, FULL)                                \
	VALUE(peers, "Peers", SMALL, PEERS, BRIEF)                                 \
	VALUE(clients, "Clients", SMALL, PEERS, BRIEF)                             \
	VALUE(revocation, "Revocation", REVOCATION, REVOCATION, FULL)              \
	REGION_COUNTERS(VALUE)                                                     \
	VALUE(translation_bytes, "TranslationBytes", BYTES, QUIET, FULL)           \
	WORD(warm_mode, "WarmMode", WARM_MODE, ARBITRATION, FULL)

/* The kinds, with their types on the bus. */
#define PROPERTY_TYPE_NUMBER "t"
#define PROPERTY_TYPE_COUNT "t" /* UINT64_MAX: nobody can know */
#define PROPERTY_TYPE_BYTES "t" /* likewise */
#define PROPERTY_TYPE_TIME "t"	/* in microseconds */
#define PROPERTY_TYPE_ADDRESS "t"
#define PROPERTY_TYPE_SMALL "u"
#define PROPERTY_TYPE_KEY "u"
#define PROPERTY_TYPE_TRUTH "b"
#define PROPERTY_TYPE_TEXT "s"
#define PROPERTY_TYPE_WORD "s"
#define PROPERTY_TYPE_REVOCATION "(tsttt)"

/* What is only for those that are in a brief list, and nothing for all others. */
#define WHERE_BRIEF(...) __VA_ARGS__
#define WHERE_FULL(...)

#endif
