// TLS of OpenFlow's connections: bytes in, bytes out, no sockets. Version 1.2 or newer, and both
// sides show a certificate that the configured authorities signed. The one file that knows OpenSSL
// is of_tls.c.
//
// thread: main.
#ifndef CTL_OF_TLS_H
#define CTL_OF_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cfg_config.h"

struct ctl_tls_files; // key, certificates and authorities, read
struct ctl_tls;	      // one connection

// returns 0 and *out; negative with err filled: the leaf, its path, and why
int ctl_tls_files_read(const struct cfg_tls *conf, struct ctl_tls_files **out,
		       struct cfg_error *err);
void ctl_tls_files_free(struct ctl_tls_files *f);

// peer_name: host name or address that the peer's certificate has to be for; "" = any will do.
// f may go before *out. returns 0 or -ENOMEM
int ctl_tls_create(const struct ctl_tls_files *f, bool server, const char *peer_name,
		   struct ctl_tls **out);
void ctl_tls_free(struct ctl_tls *t);
// Has the peer shown a certificate for that name? As peer_name above.
bool ctl_tls_is_for(const struct ctl_tls *t, const char *peer_name);
// Would f believe the certificate that the peer has shown?
bool ctl_tls_is_trusted(const struct ctl_tls *t, const struct ctl_tls_files *f);
// What came from the peer. returns 0 or -ENOMEM
int ctl_tls_feed(struct ctl_tls *t, const uint8_t *bytes, size_t n);
// What it said. returns how many bytes; 0 = nothing yet; -EPROTO = it is over, ctl_tls_error()
// says why
int ctl_tls_read(struct ctl_tls *t, uint8_t *out, size_t size);
// What it shall get. returns how many bytes were taken; 0 = the handshake is not done
size_t ctl_tls_write(struct ctl_tls *t, const uint8_t *bytes, size_t n);
// Bytes for the peer: taken out of t.
size_t ctl_tls_output(struct ctl_tls *t, uint8_t *out, size_t size);
const char *ctl_tls_error(const struct ctl_tls *t);

#endif
