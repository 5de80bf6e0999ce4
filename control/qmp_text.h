// What QEMU says on its monitor, as bytes that may be anything: whoever holds the socket is not
// believed to be QEMU. Lines are cut at 1 MiB, what is longer is skipped up to its end, and of what
// is no message nothing is taken. Pure: bytes in, what became of the machine out.
//
// A session: greeting; QMP_CAPS; QMP_EVENTS, so that migration is told; QMP_STATUS, which says how
// things are at that moment; from then on, events. source: QEMU's documentation, "QEMU Machine
// Protocol Specification" and "QEMU QMP Reference Manual" (7.2)
//
// usage: qmp_reader_init(&r); while bytes come: for (at = 0; at < n;) { at += qmp_reader_take(&r,
//        bytes + at, n - at, &said); if (said.kind != QMP_NOTHING) .. }
#ifndef QMP_TEXT_H
#define QMP_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "life.h"

#define QMP_LINE_BYTES (1u << 20)

enum qmp_kind {
	QMP_NOTHING,  // no whole line yet, or nothing that matters
	QMP_GREETING, // it speaks
	QMP_DONE,     // QMP_CAPS was taken
	QMP_LIFE,     // something became of the machine
	QMP_FILTER,   // a card's receive filter was changed; told once until it was asked for
	QMP_MAC,      // the address in a card's filter
	QMP_NOTE,     // worth a line for people
	QMP_REFUSED,  // it does not do what it was asked for
};

struct qmp_said {
	enum qmp_kind kind;
	uint8_t n_events; // of QMP_LIFE, in this order
	enum life_event events[2];
	char text[96]; // of QMP_NOTE and QMP_REFUSED: for people, clean; QMP_FILTER, QMP_MAC: the
		       // card
	char mac[18]; // of QMP_MAC, lower case
};

struct qmp_reader {
	char *line;
	size_t size, cap;
	bool skipping;	// up to the end of a line that is too long
	bool incoming;	// the machine comes from another host
	bool moving;	// goes to another host: its pauses are part of that
	uint64_t n_bad; // lines that were no messages, or too long
};

void ctl_qmp_reader_init(struct qmp_reader *r);
void ctl_qmp_reader_fini(struct qmp_reader *r);
// Take bytes up to the end of a line. returns how many, at least 1 of size > 0
size_t ctl_qmp_reader_take(struct qmp_reader *r, const char *data, size_t size,
			   struct qmp_said *said);

// What is sent, each a line. QMP_FILTER_ASK: with the card's name, if it can be asked for.
extern const char ctl_qmp_caps[], ctl_qmp_events[], ctl_qmp_status[];
// returns the length, or 0: the name cannot be said
size_t ctl_qmp_filter_ask(const char *card, char *out, size_t size);

#endif
