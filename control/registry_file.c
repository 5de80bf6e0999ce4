// Records of VMs on the disk, beside the commits: a file that appears whole or not at all
// (persist_priv.h).
//
//	weir-vms 1
//	crc32: 5d1f0c7e
//	vm web1 running 1763800000 3 0 libvirt - 0 412 0 0
//	{"name":"web1", ..}
//
// Each record: name, state, since, run, paused, source, provider, what is of it, and the sizes of
// definition, answer and image, which follow. crc32 covers all behind its line.
//
// A transient VM is on the disk before its preparation is answered, if the disk takes it, as is
// what hooks and people tell; what is seen or heard of QEMU is written within a second. A disk that
// fails is left alone for a minute: machines start all the same, and are not known after a restart
// then.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "persist_priv.h"
#include "registry.h"

#define NAME "vms.transient"
#define EVERY_NS 1000000000ull
#define RETRY_NS 60000000000ull
#define HEAD "weir-vms 1\ncrc32: "
#define HEAD_SIZE (sizeof(HEAD) - 1 + 9)
#define SIZE_MAX_BYTES (CTL_REG_TEXT + (4u << 20)) // texts, and 4,096 records around them
#define RECORDS_MAX 8192

// --- Writing

static const char *or_dash(const char *text)
{
	return text[0] == '\0' ? "-" : text;
}

static size_t size_of(const char *text)
{
	return text == NULL ? 0 : strlen(text);
}

static void record_write(void *arg, struct ctl_reg_vm *v)
{
	FILE *f = arg;

	if (v->definition == NULL && v->boot == NULL && v->provide == CTL_REG_NO_PROVIDER &&
	    v->life.state == LIFE_DEFINED)
		return;
	fprintf(f, "vm %s %s %lld %u %d %s %s %u %zu %zu %zu\n%s%s%s\n", v->name,
		life_state_name(v->life.state), (long long)v->since_s, v->life.run, v->life.paused,
		or_dash(v->source), or_dash(v->provider), v->provide, size_of(v->definition),
		size_of(v->boot), size_of(v->image), v->definition == NULL ? "" : v->definition,
		v->boot == NULL ? "" : v->boot, v->image);
}

static int print(struct ctl_registry *r, char **text, size_t *size)
{
	FILE *f = open_memstream(text, size);
	char crc[10];

	if (f == NULL)
		return -ENOMEM;
	fputs(HEAD "00000000\n", f);
	ctl_reg_each(r, record_write, f);
	if (ferror(f) != 0 || fclose(f) != 0)
		return -ENOMEM;
	snprintf(crc, sizeof(crc), "%08x\n", cfg_crc32(0, *text + HEAD_SIZE, *size - HEAD_SIZE));
	memcpy(*text + sizeof(HEAD) - 1, crc, 9);
	return 0;
}

void ctl_reg_file_write(struct ctl_registry *r, bool now)
{
	struct cfg_error err = { .reason = "out of memory" };
	char *text = NULL;
	size_t size;
	int rc;

	if (r->ctl->persist == NULL || !r->stale || r->now_ns < r->file_retry_ns ||
	    (!now && r->now_ns - r->file_ns < EVERY_NS))
		return;
	rc = print(r, &text, &size);
	if (rc == 0)
		rc = ctl_file_replace(r->ctl->persist, NAME, text, size, &err);
	free(text);
	r->file_ns = r->now_ns;
	if (rc == 0) {
		r->stale = false;
		return;
	}
	r->file_retry_ns = r->now_ns + RETRY_NS;
	weir_log_limited(&r->log_file, WEIR_ERROR, "transient VMs are not kept: %s: %s", err.value,
			 err.reason);
}

// --- Reading

// A text of the file that is being read. returns NULL: it does not fit, or memory is short
static char *text_take(const char **at, const char *end, size_t size)
{
	char *text;

	if (size > (size_t)(end - *at))
		return NULL;
	text = strndup(*at, size);
	*at += size;
	return text;
}

struct sizes {
	size_t definition, boot, image;
};

static int line_read(struct ctl_reg_vm *v, const char *line, struct sizes *n)
{
	char state[16], source[32], provider[32];
	unsigned run, paused, provide;
	long long since;
	int found;

	if (sscanf(line, "vm %31s %15s %lld %u %u %31s %31s %u %zu %zu %zu", v->name, state, &since,
		   &run, &paused, source, provider, &provide, &n->definition, &n->boot,
		   &n->image) != 11)
		return -EINVAL;
	found = life_state_find(state);
	if (found < 0 || provide > CTL_REG_FAILED || n->definition > CFG_OVERLAY_TEXT ||
	    n->boot > CFG_OVERLAY_TEXT || n->image >= sizeof(v->image))
		return -EINVAL;
	v->life.state = (uint8_t)found;
	v->life.run = run;
	v->life.paused = paused != 0;
	v->since_s = since;
	// Who was at work has gone with the daemon; what it half made is given back at the release.
	v->provide = (uint8_t)(provide == CTL_REG_BUSY ? CTL_REG_FAILED : provide);
	v->told = true; // so the next preparation tries again
	snprintf(v->source, sizeof(v->source), "%s", strcmp(source, "-") == 0 ? "" : source);
	snprintf(v->provider, sizeof(v->provider), "%s",
		 strcmp(provider, "-") == 0 ? "" : provider);
	return 0;
}

// One record at *at. returns 0, or -EINVAL: it is damaged
static int record_read(struct ctl_registry *r, const char **at, const char *end)
{
	const char *stop = memchr(*at, '\n', (size_t)(end - *at));
	struct ctl_reg_vm read = { 0 }, *v;
	struct sizes n;
	char line[256], *image;

	if (stop == NULL || (size_t)(stop - *at) >= sizeof(line))
		return -EINVAL;
	snprintf(line, sizeof(line), "%.*s", (int)(stop - *at), *at);
	*at = stop + 1;
	if (line_read(&read, line, &n) < 0 || ctl_reg_find(r, read.name) != NULL ||
	    (v = ctl_reg_get(r, read.name)) == NULL)
		return -EINVAL;
	v->life = read.life;
	v->since_s = read.since_s;
	v->provide = read.provide;
	v->told = read.told;
	if (v->provide == CTL_REG_FAILED)
		snprintf(v->why.reason, sizeof(v->why.reason),
			 "had not made it when the daemon ended");
	memcpy(v->source, read.source, sizeof(v->source));
	memcpy(v->provider, read.provider, sizeof(v->provider));
	snprintf(v->reason, sizeof(v->reason), "kept over a restart");
	if (n.definition > 0) {
		ctl_reg_text_set(r, &v->definition, text_take(at, end, n.definition));
		r->n_transient += v->definition != NULL;
	}
	if (n.boot > 0)
		ctl_reg_text_set(r, &v->boot, text_take(at, end, n.boot));
	image = text_take(at, end, n.image);
	snprintf(v->image, sizeof(v->image), "%s", image == NULL ? "" : image);
	free(image);
	if ((n.definition > 0 && v->definition == NULL) || (n.boot > 0 && v->boot == NULL) ||
	    *at >= end || **at != '\n')
		return -EINVAL;
	(*at)++;
	return 0;
}

static int parse(struct ctl_registry *r, const char *text, size_t size)
{
	const char *at = text + HEAD_SIZE, *end = text + size;
	unsigned crc;

	if (size < HEAD_SIZE || memcmp(text, HEAD, sizeof(HEAD) - 1) != 0 ||
	    sscanf(text + sizeof(HEAD) - 1, "%8x\n", &crc) != 1 || at[-1] != '\n' ||
	    crc != cfg_crc32(0, at, size - HEAD_SIZE) || memchr(text, '\0', size) != NULL)
		return -EINVAL;
	while (at < end) {
		if (r->n_vms >= RECORDS_MAX || r->n_transient > CTL_REG_TRANSIENT ||
		    r->text_bytes > CTL_REG_TEXT || record_read(r, &at, end) < 0)
			return -EINVAL;
	}
	return 0;
}

// --- Into force

// Those that are laid over the configuration; the others are in force, or gone.
struct kept {
	struct ctl_registry *r;
	struct ctl_reg_vm **vms;
	uint32_t n;
};

static void laid_collect(void *arg, struct ctl_reg_vm *v)
{
	struct kept *k = arg;

	if (v->definition != NULL || v->boot != NULL)
		k->vms[k->n++] = v;
}

// Together, since each time all is checked; where they do not fit, those that do not are found by
// halving.
static void lay(struct ctl_registry *r, struct ctl_reg_vm **vms, uint32_t n)
{
	struct cfg_error err = { 0 };

	if (n == 0 || ctl_reg_lay(r, vms, n, &err) == 0)
		return;
	if (n > 1) {
		lay(r, vms, n / 2);
		lay(r, vms + n / 2, n - n / 2);
		return;
	}
	weir_log(WEIR_ERROR, "vm %s: was transient, from %s, and does not fit any more: %s %s: %s",
		 vms[0]->name, vms[0]->source, err.path, err.value, err.reason);
	ctl_reg_free(r, vms[0]);
	r->stale = true;
}

static void resume(void *arg, struct ctl_reg_vm *v)
{
	struct ctl_registry *r = arg;
	const uint8_t s = v->life.state;

	if (cfg_vm_get(r->ctl->running, v->name) == NULL) {
		ctl_reg_free(r, v);
		return;
	}
	// Who does not come back has gone meanwhile.
	if (s == LIFE_RUNNING || s == LIFE_PAUSED || s == LIFE_CRASHED || s == LIFE_OUTGOING)
		v->alone_ns = r->now_ns;
	if (s == LIFE_INCOMING || s == LIFE_MOVED)
		ctl_vm_quiet(r->ctl, v->name, true);
	if (s == LIFE_DEFINED)
		v->linger_ns = r->now_ns + CTL_REG_LINGER_NS; // it was on its way out
}

static void forget_one(void *arg, struct ctl_reg_vm *v)
{
	ctl_reg_free(arg, v);
}

void ctl_reg_file_read(struct ctl_registry *r)
{
	const struct ctl_persist *p = r->ctl->persist;
	struct kept k = { .r = r };
	struct ctl_file_bytes b;
	int rc;

	if (p == NULL)
		return;
	p->sys->unlinkat(p->dir_fd, NAME ".tmp", 0);
	rc = ctl_file_read(p, p->dir_fd, NAME, SIZE_MAX_BYTES, &b);
	if (rc == -ENOENT)
		return;
	if (rc < 0) {
		weir_log(WEIR_ERROR, "%s/" NAME ": %s: transient VMs are not known", p->path,
			 ctl_file_reason(rc));
		if (!ctl_file_is_shortage(rc))
			ctl_file_put_aside(p, p->dir_fd, NAME, ctl_file_reason(rc));
		return;
	}
	if (parse(r, b.buf, b.size) < 0) {
		ctl_file_put_aside(p, p->dir_fd, NAME, "damaged, or not ours");
		ctl_reg_each(r, forget_one, r);
	}
	free(b.buf);
	k.vms = calloc(r->n_vms + 1u, sizeof(struct ctl_reg_vm *));
	if (k.vms == NULL)
		return;
	ctl_reg_each(r, laid_collect, &k);
	lay(r, k.vms, k.n);
	free(k.vms);
	ctl_reg_each(r, resume, r);
	if (r->n_vms > 0)
		weir_log(WEIR_NOTICE, "%u transient VMs are known, of %u", r->n_transient,
			 r->n_vms);
}
