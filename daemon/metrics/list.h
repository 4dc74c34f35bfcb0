/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * list.h - every metric of rdmaregd, described once: what counts it, what the page says of it, and
 * the table in docs/metrics.md (tests/check/check-metrics.py) follow from here.
 *
 * X(ID, name, type, help, labels...): a counter's name has no "_total", which is added to it.
 * Histograms are of microseconds here and of seconds on the page. Up to three labels, each with a
 * fixed list of values (metrics.c), so that the page's size does not depend on what users do.
 *
 * REGION_METRICS(X): one series for each region, only on request; labels are region, uid, session.
 */
#ifndef RDMAREG_METRICS_LIST_H
#define RDMAREG_METRICS_LIST_H

#define METRICS(X)                                                                                   \
	X(BUILD, "rdmareg_build_info", GAUGE, "Always 1; the label is the version of rdmaregd",      \
	  LABEL_VERSION)                                                                             \
	X(START, "rdmareg_start_time_seconds", GAUGE,                                                \
	  "When this rdmaregd was started, in seconds since 1970")                                   \
	X(CRASHES, "rdmareg_crashes", COUNTER,                                                       \
	  "Times since boot that rdmaregd ended without having been asked to")                       \
	X(REGIONS, "rdmareg_regions", GAUGE, "Regions, by state and arbitration mode",               \
	  LABEL_STATE, LABEL_MODE)                                                                   \
	X(REGION_BYTES, "rdmareg_registered_bytes", GAUGE, "Bytes of all regions")                   \
	X(DRAINING, "rdmareg_draining", GAUGE,                                                       \
	  "1: nothing new is registered on this machine (rdmaregctl drain)")                         \
	X(DEGRADED, "rdmareg_degraded_regions", GAUGE,                                               \
	  "Regions that are promised less than their mode suggests (property Degraded)")             \
	X(REVOKING, "rdmareg_revoking_regions", GAUGE,                                               \
	  "Regions of which a revocation is under way: announced, and not settled")                  \
	X(MISSING, "rdmareg_missing_standing_regions", GAUGE,                                        \
	  "Standing regions that are not there: not made again, lost, or taken down")                \
	X(TENANTS, "rdmareg_tenants", GAUGE,                                                         \
	  "Tenants with a region, or a session that was created")                                    \
	X(KEEPERS, "rdmareg_keepers", GAUGE,                                                         \
	  "Keepers: ready (driven), or estranged (stuck or foreign: they cannot be driven)",         \
	  LABEL_KEEPER)                                                                              \
	X(HOLDERS, "rdmareg_holders", GAUGE,                                                         \
	  "Holders of regions: connections to the bus (client) and remote peers", LABEL_HOLDER)      \
	X(REGISTRATIONS, "rdmareg_registrations", COUNTER,                                           \
	  "Registrations that a keeper was asked for, by result", LABEL_REGISTERED)                  \
	X(REGISTRATION, "rdmareg_registration_seconds", HISTOGRAM,                                   \
	  "From the call to the answer, of registrations that succeeded")                            \
	X(ENDS, "rdmareg_regions_ended", COUNTER, "Regions that ended, by reason", LABEL_END)        \
	X(REFUSALS, "rdmareg_refusals", COUNTER,                                                     \
	  "Calls that were refused because a limit was met, by the limit", LABEL_LIMIT)              \
	X(INVALIDATIONS, "rdmareg_invalidations", COUNTER,                                           \
	  "Times that the kernel took translations of a region away")                                \
	X(WRITEBACKS, "rdmareg_writebacks", COUNTER,                                                 \
	  "Invalidations that only write-protected pages")                                           \
	X(REMOVALS, "rdmareg_removals", COUNTER, "Invalidations that took pages away")               \
	X(FAULTS, "rdmareg_faults", COUNTER,                                                         \
	  "Accesses of peers that faulted, of adapters that count them")                             \
	X(WARMED, "rdmareg_warmed_bytes", COUNTER, "Bytes whose translations were brought back")     \
	X(REDIRTIED, "rdmareg_redirtied_bytes", COUNTER,                                             \
	  "Bytes of them that were brought back for writing without having been asked to")           \
	X(BYPASSES, "rdmareg_bypasses", COUNTER,                                                     \
	  "Times that blocks of a region were found freed without its holders being asked")          \
	X(REVOCATIONS, "rdmareg_revocations", COUNTER,                                               \
	  "Revocations that ended, by cause, outcome and arbitration mode", LABEL_CAUSE,             \
	  LABEL_OUTCOME, LABEL_MODE)                                                                 \
	X(WAIT, "rdmareg_filesystem_wait_seconds", HISTOGRAM,                                        \
	  "How long operations of others on files of regions waited, by what held them up",          \
	  LABEL_ARBITER)                                                                             \
	X(ANSWER, "rdmareg_holder_answer_seconds", HISTOGRAM,                                        \
	  "From asking a holder to its acknowledgement", LABEL_HOLDER)                               \
	X(LATE, "rdmareg_late_holders", COUNTER,                                                     \
	  "Holders that had not acknowledged when the region was fenced", LABEL_HOLDER)              \
	X(FENCE, "rdmareg_fence_seconds", HISTOGRAM,                                                 \
	  "From the moment nobody had to be waited for any more until no peer had access")           \
	X(DEADLINES, "rdmareg_deadlines", COUNTER,                                                   \
	  "Operations of others that the kernel let go on at the last deadline, by who enforced it", \
	  LABEL_ARBITER)                                                                             \
	X(PASSAGES, "rdmareg_pre_content_operations", COUNTER,                                       \
	  "Operations on marked files that take blocks of a region, by what became of them",         \
	  LABEL_PASSAGE)                                                                             \
	X(WAITING, "rdmareg_pre_content_waiting", GAUGE,                                             \
	  "Operations on marked files that wait now")                                                \
	X(GATE_ENDS, "rdmareg_gate_ends", COUNTER,                                                   \
	  "Ends of rdmareg-gate; while it is away marked files are not guarded", LABEL_GATE_END)     \
	X(KEEPER_ENDS, "rdmareg_keepers_lost", COUNTER,                                              \
	  "Keepers whose process ended while it held regions that nobody had released")              \
	X(REPLACEMENTS, "rdmareg_keeper_replacements", COUNTER,                                      \
	  "Replacements of keepers (ReplaceKeeper) that ended: all regions were made anew (whole), " \
	  "some (in-part), or none (not)",                                                           \
	  LABEL_REPLACED)                                                                            \
	X(SCRAPES, "rdmareg_scrapes", COUNTER, "Readers of this page, by what they were answered",   \
	  LABEL_SCRAPE)

#define REGION_METRICS(X)                                                                      \
	X(LENGTH, "rdmareg_region_bytes", GAUGE, "Bytes of the region")                        \
	X(PEERS, "rdmareg_region_peers", GAUGE, "Peers that hold it")                          \
	X(IS_DEGRADED, "rdmareg_region_degraded", GAUGE,                                       \
	  "1: it is promised less than its mode suggests")                                     \
	X(OF_INVALIDATIONS, "rdmareg_region_invalidations", COUNTER, "Property Invalidations") \
	X(OF_WRITEBACKS, "rdmareg_region_writebacks", COUNTER, "Property Writebacks")          \
	X(OF_REMOVALS, "rdmareg_region_removals", COUNTER, "Property Removals")                \
	X(OF_FAULTS, "rdmareg_region_faults", COUNTER,                                         \
	  "Property Faults; not there if it is not known")                                     \
	X(OF_WARMED, "rdmareg_region_warmed_bytes", COUNTER, "Property BytesWarmed")           \
	X(OF_REDIRTIED, "rdmareg_region_redirtied_bytes", COUNTER, "Property BytesRedirtied")

#endif
