// Portals that listed servers taught: who taught them, when they were last seen, until when they
// count. Bounded, aged, and written as text, so that a restart knows them at once. Sessions are not
// kept.
//
// Times are seconds of CLOCK_REALTIME; a clock that was set back makes nothing older than it is.
// Time that passed while nobody looked counts, also where the clock was set forward.
//
// A portal belongs to who taught it first. Who teaches it again makes it younger, and becomes its
// teacher only where the first one is not listed any more.
//
// usage    worker:  if (qos_learn_wanted(table, &portal)) qos_portals_learn(table, &portal);
//          main:    rc = qos_learn_add(l, table, &teacher, &portal, now_s);
//                   if (rc is not 0 and not -EEXIST) build the next table, without it;
//          main, now and then and after each commit: if (qos_learn_age(l, table, now_s) > 0) the
//          same.
// thread  one at a time
#ifndef QOS_LEARN_H
#define QOS_LEARN_H

#include "qos_portal.h"

#define QOS_LEARNT_MAX 2048

struct qos_learnt {
	struct qos_portal portal;
	struct qos_addr teacher;
	uint64_t first_s, last_s; // taught, or seen in use; first_s <= last_s
	uint64_t uses;		  // times taught
};

struct qos_learn_params {
	uint32_t max, max_per_teacher; // portals; max <= QOS_LEARNT_MAX
	uint32_t ageing_s;	       // unused for so long, it is forgotten; 0 = never
};

struct qos_learn_counts {
	uint32_t now;
	uint64_t taught; // new ones
	uint64_t again;	 // known ones
	uint64_t refused_full, refused_teacher_full, refused_unlisted, refused_address;
	uint64_t aged;
	uint64_t dropped; // teacher not listed any more, bounds made smaller, or told to
};

struct qos_learn;

// returns 0; -EINVAL = max is greater than QOS_LEARNT_MAX; -ENOMEM
int qos_learn_create(const struct qos_learn_params *p, struct qos_learn **out);
void qos_learn_destroy(struct qos_learn *l);
// New bounds: what does not fit any more goes, that which was unused longest first. A max above
// QOS_LEARNT_MAX is QOS_LEARNT_MAX.
void qos_learn_set(struct qos_learn *l, const struct qos_learn_params *p);

// Can anybody teach it at all? Not one whose address is unspecified, loopback, multicast,
// broadcast or link-local, in either family; nor port 0, another protocol than TCP and UDP, or a
// `how` that is not taught.
// thread  any
// source  RFC 6890 section 2.2.2 (0/8, 127/8, 169.254/16, broadcast), RFC 5771 (224/4);
//         RFC 4291 sections 2.5.2, 2.5.3, 2.5.5.1 (::/96 is no host's), 2.5.6, 2.7
bool qos_learn_allowed(const struct qos_portal *p);
// The same, and it is no declared portal nor a listed server's well-known port: what a server says
// must not change what the operator said. What a worker asks before it enters one.
// thread  any; reads only
bool qos_learn_wanted(const struct qos_portals *table, const struct qos_portal *p);

// table    who is listed; a declared portal, or a listed server's well-known port, needs no
//          learning: -EEXIST. NULL = nobody is listed
// returns  0 = new; -EEXIST = known, and seen now; -EPERM = the teacher is not listed; -ENOSPC =
//          one of the bounds, nothing is pushed out; -EINVAL = !qos_learn_allowed. Each is counted.
int qos_learn_add(struct qos_learn *l, const struct qos_portals *table,
		  const struct qos_addr *teacher, const struct qos_portal *p, uint64_t now_s);
// Somebody uses it: call it when the portal has answered, not when somebody sends to it, or any
// guest keeps it young. returns true when it is a learnt one
bool qos_learn_seen(struct qos_learn *l, const struct qos_addr *a, uint8_t proto, uint16_t port,
		    uint64_t now_s);
// Forget those that are too old, and those whose teacher is not listed any more. What was last seen
// in what is the future now is not old; the next use mends that. returns how many went
uint32_t qos_learn_age(struct qos_learn *l, const struct qos_portals *table, uint64_t now_s);
// returns 0 or -ENOENT
int qos_learn_remove(struct qos_learn *l, const struct qos_addr *a, uint8_t proto, uint16_t port);
void qos_learn_clear(struct qos_learn *l);

// 0..n-1 in no order; NULL behind the last
const struct qos_learnt *qos_learn_at(const struct qos_learn *l, uint32_t i);
void qos_learn_counts(const struct qos_learn *l, struct qos_learn_counts *out);

// As text: a first line with format and version, one line per portal, last seen first, a last line
// with their number and the CRC-32 of all bytes before its last field:
//
//	weir-learnt 1
//	192.0.2.7 tcp 3260 iscsi redirect 192.0.2.1 1700000000 1700000100 12
//	end 1 crc32 c6719205
//
// that is portal, protocol, port, service, how, teacher, first and last seen, times taught.
// returns  0 and *text (free it), *size without its NUL; -ENOMEM with *text = NULL
int qos_learn_write(const struct qos_learn *l, char **text, size_t *size);
// Take over what the text says; what is there already stays. Bounds hold: those last seen come
// first, what finds no place is counted as refused. Who is listed is not asked: qos_learn_age does.
// returns  0; -EINVAL = damaged or not ours, *line (from 1) says where: nothing was taken; -ENOMEM:
//          the same, *line = 0
int qos_learn_read(struct qos_learn *l, const char *text, size_t size, uint32_t *line);

#endif
