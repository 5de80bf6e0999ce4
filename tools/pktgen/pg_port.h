// A port of the generator: a guest of ours (vhost/front) or an ethdev. Bursts in, bursts out; the
// frames are written and read in place.
#ifndef PG_PORT_H
#define PG_PORT_H

#include <stdbool.h>
#include <stdint.h>

#include "pg_config.h"
#include "vh_front.h"

enum { PG_BURST = 32 };

struct pg_eth; // an ethdev and what is on its way in or out

struct pg_port {
	struct vh_ring *rx[VH_FRONT_PAIRS_MAX], *tx[VH_FRONT_PAIRS_MAX]; // guests
	struct pg_eth *eth;
	const struct pg_port_cfg *cfg;
	uint16_t n_pairs, guest_idx;
	bool active; // attached
	uint64_t rx_pkts, rx_bytes, tx_pkts, tx_bytes, foreign_pkts;
	double rx_credit;
};

// Devices: EAL starts with the first one.
//
// cpu      where the calling thread is to stay; -1 = anywhere
// returns  0; negative errno with the device and the reason
int pg_eth_start(int cpu, bool huge, struct weir_err *err);
int pg_eth_open(const char *devargs, uint32_t frame_bytes, struct pg_eth **out,
		struct weir_err *err);
void pg_eth_close(struct pg_eth *e);
uint16_t pg_eth_reserve(struct pg_eth *e, uint16_t n, uint8_t **frames);
void pg_eth_send(struct pg_eth *e, uint16_t n, const uint32_t *lens);
uint16_t pg_eth_take(struct pg_eth *e, uint16_t n, struct vh_frame *frames);
void pg_eth_release(struct pg_eth *e);

static inline uint16_t pg_port_reserve(struct pg_port *p, uint16_t q, uint16_t n, uint8_t **frames)
{
	return __builtin_expect(p->eth == NULL, 1) ? vh_ring_reserve(p->tx[q], n, frames)
						   : pg_eth_reserve(p->eth, n, frames);
}

static inline void pg_port_send(struct pg_port *p, uint16_t q, uint16_t n, const uint32_t *lens)
{
	if (__builtin_expect(p->eth == NULL, 1))
		vh_ring_send(p->tx[q], n, lens);
	else
		pg_eth_send(p->eth, n, lens);
}

static inline uint16_t pg_port_take(struct pg_port *p, uint16_t q, uint16_t n,
				    struct vh_frame *frames)
{
	return __builtin_expect(p->eth == NULL, 1) ? vh_ring_take(p->rx[q], n, frames)
						   : pg_eth_take(p->eth, n, frames);
}

static inline void pg_port_release(struct pg_port *p, uint16_t q)
{
	if (__builtin_expect(p->eth == NULL, 1))
		vh_ring_release(p->rx[q]);
	else
		pg_eth_release(p->eth);
}

// A piece of a frame after its first buffer. *size = its bytes
const uint8_t *pg_port_piece(const struct pg_port *p, uint16_t q, const struct vh_frame *f,
			     uint16_t k, uint32_t *size);

#endif
