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
 * VALUE(member, name, kind, told): a number, text or truth value; kinds are those of
 * PROPERTY_TYPE_* below. WORD(member, name, vocabulary, told): one of the words of an enumeration,
 * on the bus a string. Told: CONST never changes; QUIET does, and no signal says so; all others
 * name the change of which PropertiesChanged tells.
 */
#define REGION_PROPERTIES(VALUE, WORD)                                      \
	VALUE(id, "Id", NUMBER, CONST)                                      \
	WORD(state, "State", STATE, STATE)                                  \
	WORD(arbitration_mode, "ArbitrationMode", ARBITRATION, ARBITRATION) \
	VALUE(arbitration_reason, "ArbitrationReason", TEXT, ARBITRATION)   \
	VALUE(refuses, "Refuses", TRUTH, ARBITRATION)                       \
	VALUE(degraded, "Degraded", TEXT, ARBITRATION)                      \
	WORD(policy, "Policy", POLICY, ARBITRATION)                         \
	VALUE(grace_usec, "GraceUSec", TIME, ARBITRATION)                   \
	WORD(access, "Access", ACCESS, CONST)                               \
	WORD(durability, "Durability", DURABILITY, QUIET)                   \
	VALUE(path, "Path", TEXT, CONST)                                    \
	WORD(path_state, "PathState", PATH_STATE, FILE)                     \
	VALUE(path_now, "PathNow", TEXT, FILE)                              \
	VALUE(bypasses, "Bypasses", NUMBER, FILE)                           \
	VALUE(last_bypass, "LastBypass", TEXT, FILE)                        \
	VALUE(offset, "Offset", BYTES, CONST)                               \
	VALUE(length, "Length", BYTES, CONST)                               \
	VALUE(valid_length, "ValidLength", BYTES, LENGTH)                   \
	VALUE(rkey, "Rkey", KEY, KEYS)                                      \
	VALUE(generation, "Generation", SMALL, KEYS)                        \
	VALUE(address, "Address", ADDRESS, KEYS)                            \
	VALUE(detached, "Detached", TRUTH, CONST)                           \
	VALUE(standing, "Standing", TRUTH, QUIET)                           \
	VALUE(uid, "Uid", SMALL, CONST)                                     \
	VALUE(session, "Session", TEXT, CONST)                              \
	VALUE(name, "Name", TEXT, CONST)                                    \
	VALUE(ticket, "Ticket", TEXT, TICKET)                               \
	VALUE(peers, "Peers", SMALL, PEERS)                                 \
	VALUE(clients, "Clients", SMALL, PEERS)                             \
	VALUE(revocation, "Revocation", REVOCATION, REVOCATION)             \
	REGION_COUNTERS(VALUE)                                              \
	VALUE(translation_bytes, "TranslationBytes", BYTES, QUIET)          \
	WORD(warm_mode, "WarmMode", WARM_MODE, ARBITRATION)

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

#endif
