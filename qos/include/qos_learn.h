// Portals that listed servers taught: who taught them, when they were last seen, until when they
// count. Bounded, aged, and written as text, so that a restart knows them at once. Sessions are not
// kept.
//
// Times are seconds of CLOCK_REALTIME; a clock that was set back makes nothing older than it is.
//
// thread  one at a time
#ifndef QOS_LEARN_H
#define QOS_LEARN_H

#include "qos_portal.h"

#define QOS_LEARNT_MAX 2048

struct qos_learnt {
	struct qos_portal portal;
	struct qos_addr teacher;
	uint64_t first_s, last_s; // taught, or seen in use
	uint64_t uses;		  // times taught
};

struct qos_learn_params {
	uint32_t max, max_per_teacher; // portals; max <= QOS_LEARNT_MAX
	uint32_t ageing_s;	       // unused for so long, it is forgotten; 0 = never
};

struct qos_learn_counts {
	uint32_t now;
	uint64_t taught, refused_full, refused_teacher_full, refused_unlisted, refused_address,
		aged;
};

struct qos_learn;

int qos_learn_create(const struct qos_learn_params *p, struct qos_learn **out);
void qos_learn_destroy(struct qos_learn *l);
// New bounds: what does not fit any more goes, that which was unused longest first.
void qos_learn_set(struct qos_learn *l, const struct qos_learn_params *p);

// table    who is listed; a declared portal needs no learning
// returns  0 = new; -EEXIST = known, and seen now; -EPERM = the teacher is not listed; -ENOSPC =
// one
//          of the bounds, nothing is pushed out; -EINVAL = not an address a portal can have
//          (unspecified, loopback, multicast, broadcast, link-local) or port 0. Each is counted.
int qos_learn_add(struct qos_learn *l, const struct qos_portals *table,
		  const struct qos_addr *teacher, const struct qos_portal *p, uint64_t now_s);
// Somebody uses it. returns true when it is a learnt one
bool qos_learn_seen(struct qos_learn *l, const struct qos_addr *a, uint8_t proto, uint16_t port,
		    uint64_t now_s);
// Forget those that are too old, and those whose teacher is not listed any more. returns how many
uint32_t qos_learn_age(struct qos_learn *l, const struct qos_portals *table, uint64_t now_s);
// returns 0 or -ENOENT
int qos_learn_remove(struct qos_learn *l, const struct qos_addr *a, uint8_t proto, uint16_t port);
void qos_learn_clear(struct qos_learn *l);

// 0..n-1 in no order; NULL behind the last
const struct qos_learnt *qos_learn_at(const struct qos_learn *l, uint32_t i);
void qos_learn_counts(const struct qos_learn *l, struct qos_learn_counts *out);

// As text: a first line with format and version, one line per portal, a last line with their number
// and a CRC.
// returns  0 and *text (free it), *size without its NUL; -ENOMEM
int qos_learn_write(const struct qos_learn *l, char **text, size_t *size);
// Take over what the text says; what is there already stays.
// returns  0; -EINVAL = damaged or not ours, *line says where: nothing was taken
int qos_learn_read(struct qos_learn *l, const char *text, size_t size, uint32_t *line);

#endif
