// A table of connections under test, with short names for what is said to it.
#ifndef STORAGE_UNIT_H
#define STORAGE_UNIT_H

#include "../unit.h"
#include "qos_storage.h"

#define S 1000000000ull
#define MS 1000000ull
#define US 1000ull

// What was reported.
struct heard {
	uint32_t n_logins, n_portals;
	struct qos_login login; // the last one; its names are below
	char initiator[224], target[224];
	struct qos_portal portal[64];
	struct qos_addr teacher;
};

static inline void on_login(void *ctx, const struct qos_login *l)
{
	struct heard *h = ctx;

	h->n_logins++;
	h->login = *l;
	strncpy(h->initiator, l->initiator, sizeof(h->initiator) - 1);
	strncpy(h->target, l->target, sizeof(h->target) - 1);
}

static inline void on_portal(void *ctx, const struct qos_addr *teacher, const struct qos_portal *p,
			     uint64_t ns)
{
	struct heard *h = ctx;

	(void)ns;
	h->teacher = *teacher;
	assert_true(h->n_portals < 64);
	h->portal[h->n_portals++] = *p;
}

static inline struct qos_storage *watch_sized(struct heard *h, const struct qos_storage_params *p)
{
	const struct qos_storage_events ev = { h, on_login, on_portal };
	struct qos_storage *s;

	memset(h, 0, sizeof(*h));
	assert_int_equal(qos_storage_create(p, &ev, &s), 0);
	return s;
}

static inline struct qos_storage *watch(struct heard *h)
{
	const struct qos_storage_params p = { 16, 64, 16, 256, 60 * S };

	return watch_sized(h, &p);
}

static inline struct qos_addr v4(uint32_t a)
{
	return (struct qos_addr){ .b = { [10] = 0xff,
					 [11] = 0xff,
					 [12] = (uint8_t)(a >> 24),
					 [13] = (uint8_t)(a >> 16),
					 [14] = (uint8_t)(a >> 8),
					 [15] = (uint8_t)a } };
}

#define PORTAL 0x0a000001u
#define CLIENT 0x0a000100u

static inline struct qos_conn_key key_of(uint32_t portal, uint16_t client_port, uint16_t port)
{
	return (struct qos_conn_key){ .client = v4(CLIENT),
				      .portal = v4(portal),
				      .proto = 6,
				      .client_port = client_port,
				      .portal_port = port };
}

static inline uint16_t port_of(enum qos_service svc)
{
	return svc == QOS_SVC_ISCSI	? 3260
	       : svc == QOS_SVC_NFS	? 2049
	       : svc == QOS_SVC_RPCBIND ? 111
					: 4420;
}

// One direction of the connection from client_port.
static inline int open_way(struct qos_storage *s, uint16_t client_port, enum qos_service svc,
			   enum qos_way way, uint16_t vm_idx)
{
	const struct qos_conn_key k = key_of(PORTAL, client_port, port_of(svc));
	const struct qos_portal_hit hit = { .service = (uint8_t)svc,
					    .way = (uint8_t)way,
					    .how = QOS_HOW_DECLARED,
					    .listed = true };

	return qos_storage_open(s, &k, &hit, vm_idx, 1);
}

// Both.
static inline int open_conn(struct qos_storage *s, uint16_t client_port, enum qos_service svc,
			    uint16_t vm_idx)
{
	int conn = open_way(s, client_port, svc, QOS_TO_PORTAL, vm_idx);

	assert_true(conn >= 0);
	assert_int_equal(open_way(s, client_port, svc, QOS_FROM_PORTAL, 0), conn);
	return conn;
}

static inline void ask(struct qos_storage *s, int conn, uint32_t tag, enum qos_op op, uint64_t ns)
{
	const struct qos_pdu p = {
		.kind = QOS_PDU_REQUEST, .tag = tag, .op = (uint8_t)op, .bytes = 4096
	};

	qos_storage_pdu(s, conn, QOS_TO_PORTAL, &p, ns);
}

static inline void answer(struct qos_storage *s, int conn, uint32_t tag, uint64_t ns)
{
	const struct qos_pdu p = { .kind = QOS_PDU_RESPONSE, .tag = tag };

	qos_storage_pdu(s, conn, QOS_FROM_PORTAL, &p, ns);
}

static inline void say(struct qos_storage *s, int conn, enum qos_way way, enum qos_pdu_kind kind,
		       uint8_t status)
{
	const struct qos_pdu p = { .kind = (uint8_t)kind, .status = status };

	qos_storage_pdu(s, conn, way, &p, 1);
}

// The only row, or that of the VM.
static inline const struct qos_storage_row *row_of(const struct qos_storage *s, uint16_t vm_idx)
{
	const struct qos_storage_row *r;

	for (uint32_t i = 0; (r = qos_storage_row(s, i)) != NULL; i++) {
		if (r->vm_idx == vm_idx)
			return r;
	}
	return NULL;
}

static inline struct qos_storage_counts counts_of(const struct qos_storage *s)
{
	struct qos_storage_counts c;

	qos_storage_counts(s, &c);
	return c;
}

#endif
