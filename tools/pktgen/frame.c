// See pg_frame.h.
#include "pg_frame.h"

void pg_template_init(struct pg_template *t, const struct pg_template_params *p)
{
	// Locally administered; port number in the middle, MAC index in the last three bytes.
	const uint8_t dst[] = { 0x02, (uint8_t)(p->dst_port >> 8), (uint8_t)p->dst_port };
	const uint8_t src[] = { 0x02, (uint8_t)(p->src_port >> 8), (uint8_t)p->src_port };
	uint8_t *ip, *l4;

	memset(t, 0, sizeof(*t));
	memcpy(t->line, pg_pattern(), PG_LINE);
	memcpy(t->line, dst, sizeof(dst));
	memcpy(t->line + 6, src, sizeof(src));
	t->l3 = 14;
	if (p->vlan != 0) {
		pg_put16(t->line + 12, 0x8100);
		pg_put16(t->line + 14, (uint16_t)p->vlan);
		t->l3 = 18;
	}
	pg_put16(t->line + t->l3 - 2, 0x0800);
	t->l4 = (uint8_t)(t->l3 + 20);
	t->tcp = p->tcp;
	t->csum = p->tcp && p->csum;
	t->port = (uint8_t)(t->l4 + (p->from_target ? 2 : 0));
	ip = t->line + t->l3;
	l4 = t->line + t->l4;
	memset(ip, 0, 20);
	ip[0] = 0x45;
	ip[6] = 0x40; // do not fragment
	ip[8] = 64;
	ip[9] = p->tcp ? 6 : 17;
	t->src_ip = 10u << 24 | (p->src_port + 1) << 8 | 1;
	t->dst_ip = 10u << 24 | (p->dst_port + 1) << 8 | 1;
	t->sum = 0x4500 + 0x4000 + (64u << 8 | ip[9]);
	t->service = (uint16_t)(p->iscsi	  ? PG_ISCSI_PORT
				: p->service != 0 ? p->service
						  : PG_FLOOD_PORT);
	t->spread_src = p->iscsi ? 0 : (uint8_t)p->spread_src;
	t->spread_dst = p->iscsi ? 0 : (uint8_t)p->spread_dst;
	t->spread_dport = p->iscsi ? 0 : (uint8_t)p->spread_dport;
	t->spread_sport = p->iscsi ? 0 : (uint8_t)p->spread_sport;
	pg_put16(l4 + (p->from_target ? 0 : 2), t->service);
	if (p->tcp) {
		l4[12] = 5 << 4;
		l4[13] = 0x10; // ACK
		pg_put16(l4 + 14, 65535);
		pg_put16(l4 + 16, 0);
		pg_put16(l4 + 18, 0);
	} else {
		pg_put16(l4 + 6, 0); // RFC 768: no checksum
	}
}

const uint8_t *pg_pattern(void)
{
	static uint8_t pattern[PG_PATTERN_BYTES];

	if (pattern[1] == 0)
		for (uint32_t i = 0; i < PG_PATTERN_BYTES; i++)
			pattern[i] = (uint8_t)(i * 131 + (i >> 8) * 17 + 1);
	return pattern;
}
