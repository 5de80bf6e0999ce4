// The files that guests boot from, in memory. A table of the boot thread refers to them, and the
// next one refers to the same bytes when a file has not changed: a commit that touches a port does
// not read kernels again.
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "control_priv.h"

#define FILE_MAX (512u << 20) // bytes

struct ctl_file {
	struct ctl_file *next; // main only, as all but n_refs
	dev_t dev;
	ino_t ino;
	off_t size;
	struct timespec mtime;
	uint8_t *data;		 // gone when n_refs is 0
	_Atomic uint32_t n_refs; // tables; main adds, the owner of a table takes away
};

// Whoever frees a table. The last one frees the bytes and does not look at f again: main frees
// that.
static void file_release(void *owner)
{
	struct ctl_file *f = owner;
	uint8_t *data = f->data;

	if (atomic_fetch_sub(&f->n_refs, 1) == 1)
		free(data);
}

static bool file_take(struct ctl_file *f)
{
	uint32_t n = atomic_load(&f->n_refs);

	while (n > 0 && !atomic_compare_exchange_weak(&f->n_refs, &n, n + 1))
		continue;
	return n > 0;
}

bool ctl_boot_file_hold(const struct boot_file *f)
{
	return f->release == file_release && file_take(f->owner);
}

void ctl_boot_file_drop(void *owner)
{
	file_release(owner);
}

// Those that no table has any more.
static void forget(struct ctl *c)
{
	for (struct ctl_file **at = &c->files; *at != NULL;) {
		struct ctl_file *f = *at;

		if (atomic_load(&f->n_refs) > 0) {
			at = &f->next;
			continue;
		}
		*at = f->next;
		free(f);
	}
}

static struct ctl_file *known(struct ctl *c, const struct stat *st)
{
	for (struct ctl_file *f = c->files; f != NULL; f = f->next) {
		if (f->dev == st->st_dev && f->ino == st->st_ino && f->size == st->st_size &&
		    f->mtime.tv_sec == st->st_mtim.tv_sec &&
		    f->mtime.tv_nsec == st->st_mtim.tv_nsec && file_take(f))
			return f;
	}
	return NULL;
}

static int data_read(int fd, uint8_t *data, size_t size)
{
	size_t at = 0;

	while (at < size) {
		ssize_t n = read(fd, data + at, size - at);

		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		at += (size_t)n;
	}
	return 0;
}

static int file_read(struct ctl *c, int fd, const struct stat *st, struct ctl_file **out)
{
	struct ctl_file *f = calloc(1, sizeof(*f));
	int rc = -ENOMEM;

	if (f != NULL && (f->data = malloc((size_t)st->st_size + 1)) != NULL)
		rc = data_read(fd, f->data, (size_t)st->st_size);
	if (rc < 0) {
		if (f != NULL)
			free(f->data);
		free(f);
		return rc;
	}
	f->dev = st->st_dev;
	f->ino = st->st_ino;
	f->size = st->st_size;
	f->mtime = st->st_mtim;
	atomic_store(&f->n_refs, 1);
	f->next = c->files;
	c->files = f;
	*out = f;
	return 0;
}

static int file_get(struct ctl *c, const char *path, struct ctl_file **out)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), rc = 0;
	struct stat st = { 0 };

	if (fd < 0 || fstat(fd, &st) < 0)
		rc = -errno;
	else if (!S_ISREG(st.st_mode))
		rc = -EISDIR;
	else if (st.st_size > FILE_MAX)
		rc = -EFBIG;
	else if ((*out = known(c, &st)) == NULL)
		rc = file_read(c, fd, &st, out);
	if (fd >= 0)
		close(fd);
	return rc;
}

int ctl_boot_file(struct ctl *c, const struct cfg_file *from, struct boot_file *out,
		  struct cfg_error *err)
{
	struct ctl_file *f = NULL;
	int rc;

	forget(c);
	rc = file_get(c, from->path, &f);
	if (rc < 0) {
		snprintf(err->path, sizeof(err->path), "/weir-vm:boot-files/file[name='%s']/path",
			 from->name);
		snprintf(err->value, sizeof(err->value), "%.127s", from->path);
		snprintf(err->reason, sizeof(err->reason), "%s",
			 rc == -EISDIR	? "is not an ordinary file"
			 : rc == -EFBIG ? "is larger than 512 MiB"
					: strerror(-rc));
		return rc;
	}
	snprintf(out->name, sizeof(out->name), "%s", from->name);
	out->data = f->data;
	out->size = (size_t)f->size;
	out->release = file_release;
	out->owner = f;
	return 0;
}

const char *ctl_loader_name(size_t i)
{
	static const char *const names[CTL_LOADERS] = { "undionly.kpxe", "snponly.efi",
							"ipxe.efi" };

	return i < CTL_LOADERS ? names[i] : NULL;
}

int ctl_loader_path(const struct ctl *c, size_t i, char *out, size_t size)
{
	const char *dir = c->loaders_dir != NULL ? c->loaders_dir : "/usr/lib/ipxe";
	int n = snprintf(out, size, "%s/%s", dir, ctl_loader_name(i));

	return n < 0 || (size_t)n >= size ? -ENAMETOOLONG : 0;
}

int ctl_loader_file(struct ctl *c, size_t i, struct boot_file *out)
{
	struct cfg_error nobody_asks;
	struct cfg_file f = { 0 };

	snprintf(f.name, sizeof(f.name), "%s", ctl_loader_name(i));
	if (ctl_loader_path(c, i, f.path, sizeof(f.path)) < 0)
		return -ENAMETOOLONG;
	return ctl_boot_file(c, &f, out, &nobody_asks);
}

void ctl_boot_files_free(struct ctl *c)
{
	forget(c);
}
