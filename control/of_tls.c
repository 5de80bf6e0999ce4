// See of_tls.h. A connection stands between two memory buffers of OpenSSL.
#include "of_tls.h"

#include <errno.h>
#include <limits.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAME_FLAGS = X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS };

struct ctl_tls_files {
	SSL_CTX *ctx;
};

struct ctl_tls {
	SSL *ssl;
	BIO *in, *out; // the SSL's
	char error[128];
};

// The oldest error tells what began it.
static void reason(char *out, size_t size)
{
	unsigned long code = ERR_get_error();
	const char *text = code == 0 ? NULL : ERR_reason_error_string(code);

	// Errors of the system have no words there.
	if (code != 0 && ERR_SYSTEM_ERROR(code))
		text = strerror(ERR_GET_REASON(code));
	snprintf(out, size, "%s", text == NULL ? "TLS failed" : text);
	ERR_clear_error();
}

static int refuse(struct cfg_error *err, const char *leaf, const char *path)
{
	memset(err, 0, sizeof(*err));
	snprintf(err->path, sizeof(err->path), "/weir-openflow:openflow/tls/%s", leaf);
	snprintf(err->value, sizeof(err->value), "%.127s", path);
	reason(err->reason, sizeof(err->reason));
	return -EINVAL;
}

static int files_load(SSL_CTX *ctx, const struct cfg_tls *conf, struct cfg_error *err)
{
	if (SSL_CTX_use_certificate_chain_file(ctx, conf->certificate) != 1)
		return refuse(err, "certificate", conf->certificate);
	// A key that is not the certificate's is refused here, too.
	if (SSL_CTX_use_PrivateKey_file(ctx, conf->key, SSL_FILETYPE_PEM) != 1 ||
	    SSL_CTX_check_private_key(ctx) != 1)
		return refuse(err, "private-key", conf->key);
	if (SSL_CTX_load_verify_file(ctx, conf->ca) != 1)
		return refuse(err, "ca-certificate", conf->ca);
	return 0;
}

// A key with a passphrase is refused: nobody is there to be asked.
static int no_passphrase(char *buf, int size, int writing, void *arg)
{
	(void)buf;
	(void)size;
	(void)writing;
	(void)arg;
	return -1;
}

int ctl_tls_files_read(const struct cfg_tls *conf, struct ctl_tls_files **out,
		       struct cfg_error *err)
{
	struct ctl_tls_files *f = calloc(1, sizeof(*f));
	int rc;

	*out = NULL;
	ERR_clear_error();
	if (f != NULL)
		f->ctx = SSL_CTX_new(TLS_method());
	if (f == NULL || f->ctx == NULL) {
		free(f);
		return refuse(err, "private-key", conf->key);
	}
	SSL_CTX_set_min_proto_version(f->ctx, TLS1_2_VERSION);
	SSL_CTX_set_options(f->ctx,
			    SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_TICKET | SSL_OP_NO_COMPRESSION);
	SSL_CTX_set_session_cache_mode(f->ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_mode(f->ctx, SSL_MODE_ENABLE_PARTIAL_WRITE |
					 SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
					 SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_default_passwd_cb(f->ctx, no_passphrase);
	SSL_CTX_set_verify(f->ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	rc = files_load(f->ctx, conf, err);
	if (rc < 0) {
		ctl_tls_files_free(f);
		return rc;
	}
	*out = f;
	return 0;
}

void ctl_tls_files_free(struct ctl_tls_files *f)
{
	if (f == NULL)
		return;
	SSL_CTX_free(f->ctx);
	free(f);
}

// What is no address is a name. Without a common name's help for addresses: RFC 6125 section 6.4.4
// knows it for names only.
static int peer_name_set(SSL *ssl, const char *name)
{
	X509_VERIFY_PARAM *p = SSL_get0_param(ssl);

	if (name[0] == '\0')
		return 0;
	X509_VERIFY_PARAM_set_hostflags(p, NAME_FLAGS);
	if (X509_VERIFY_PARAM_set1_ip_asc(p, name) == 1)
		return 0;
	return X509_VERIFY_PARAM_set1_host(p, name, 0) == 1 ? 0 : -ENOMEM;
}

int ctl_tls_create(const struct ctl_tls_files *f, bool server, const char *peer_name,
		   struct ctl_tls **out)
{
	struct ctl_tls *t = calloc(1, sizeof(*t));

	*out = NULL;
	if (t == NULL)
		return -ENOMEM;
	t->ssl = SSL_new(f->ctx);
	t->in = BIO_new(BIO_s_mem());
	t->out = BIO_new(BIO_s_mem());
	if (t->ssl == NULL || t->in == NULL || t->out == NULL ||
	    peer_name_set(t->ssl, peer_name) < 0) {
		BIO_free(t->in);
		BIO_free(t->out);
		SSL_free(t->ssl);
		free(t);
		ERR_clear_error();
		return -ENOMEM;
	}
	SSL_set_bio(t->ssl, t->in, t->out); // owns them from now on
	if (server)
		SSL_set_accept_state(t->ssl);
	else
		SSL_set_connect_state(t->ssl);
	(void)SSL_do_handshake(t->ssl); // the client's first words
	ERR_clear_error();
	*out = t;
	return 0;
}

void ctl_tls_free(struct ctl_tls *t)
{
	if (t == NULL)
		return;
	SSL_free(t->ssl);
	free(t);
}

bool ctl_tls_is_for(const struct ctl_tls *t, const char *peer_name)
{
	X509 *cert = SSL_get0_peer_certificate(t->ssl);
	int rc;

	if (cert == NULL || peer_name[0] == '\0')
		return cert != NULL;
	rc = X509_check_ip_asc(cert, peer_name, 0);
	if (rc == -2) // no address
		rc = X509_check_host(cert, peer_name, 0, NAME_FLAGS, NULL);
	ERR_clear_error();
	return rc == 1;
}

bool ctl_tls_is_trusted(const struct ctl_tls *t, const struct ctl_tls_files *f)
{
	X509 *cert = SSL_get0_peer_certificate(t->ssl);
	X509_STORE_CTX *v = X509_STORE_CTX_new();
	bool ok = false;

	if (cert != NULL && v != NULL &&
	    X509_STORE_CTX_init(v, SSL_CTX_get_cert_store(f->ctx), cert,
				SSL_get_peer_cert_chain(t->ssl)) == 1 &&
	    X509_STORE_CTX_set_default(v, SSL_is_server(t->ssl) ? "ssl_client" : "ssl_server") == 1)
		ok = X509_verify_cert(v) == 1;
	X509_STORE_CTX_free(v);
	ERR_clear_error();
	return ok;
}

int ctl_tls_feed(struct ctl_tls *t, const uint8_t *bytes, size_t n)
{
	return n > INT_MAX || BIO_write(t->in, bytes, (int)n) != (int)n ? -ENOMEM : 0;
}

int ctl_tls_read(struct ctl_tls *t, uint8_t *out, size_t size)
{
	long verify;
	int n, code;

	ERR_clear_error();
	n = SSL_read(t->ssl, out, size > INT_MAX ? INT_MAX : (int)size);
	if (n > 0)
		return n;
	code = SSL_get_error(t->ssl, n);
	if (code == SSL_ERROR_WANT_READ || code == SSL_ERROR_WANT_WRITE)
		return 0;
	verify = SSL_get_verify_result(t->ssl);
	if (code == SSL_ERROR_ZERO_RETURN)
		snprintf(t->error, sizeof(t->error), "closed by the peer");
	else if (verify != X509_V_OK)
		snprintf(t->error, sizeof(t->error), "its certificate: %s",
			 X509_verify_cert_error_string(verify));
	else
		reason(t->error, sizeof(t->error));
	ERR_clear_error();
	return -EPROTO;
}

size_t ctl_tls_write(struct ctl_tls *t, const uint8_t *bytes, size_t n)
{
	size_t took = 0;

	if (n == 0 || !SSL_is_init_finished(t->ssl))
		return 0;
	ERR_clear_error();
	if (SSL_write_ex(t->ssl, bytes, n, &took) != 1)
		took = 0; // what is wrong, reading says
	ERR_clear_error();
	return took;
}

size_t ctl_tls_output(struct ctl_tls *t, uint8_t *out, size_t size)
{
	int n = BIO_read(t->out, out, size > INT_MAX ? INT_MAX : (int)size);

	return n > 0 ? (size_t)n : 0;
}

const char *ctl_tls_error(const struct ctl_tls *t)
{
	return t->error;
}
