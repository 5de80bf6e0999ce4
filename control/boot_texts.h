// Texts made for a machine: boot.ipxe, grub.cfg, a pxelinux configuration.
#ifndef BOOT_TEXTS_H
#define BOOT_TEXTS_H

#include "cfg_config.h"

struct ctl_texts {
	const struct cfg_vm *vm;
	const uint8_t *mac, *ip; // of its first card; ip all zero = of a pool
	bool http;		 // it can fetch by HTTP
	const char *server;	 // the service's address
	const char *base;	 // "http://10.0.0.2/": names come behind
	const char *root_path;	 // of method iscsi
	const char *loader; // NULL, or what its firmware loads first, when that is no iPXE of ours
};

struct ctl_texts_out {
	char *script, *grub, *pxelinux; // free(); NULL = none for this machine
};

// returns 0 and *out, or a negative errno with err filled: something cannot be written for the
// loader that would read it
int ctl_boot_texts(const struct ctl_texts *in, struct ctl_texts_out *out, struct cfg_error *err);

// "10.0.0.1:/export/web1", the guest's address in place of %s as far as it is known.
void ctl_nfs_root(const struct ctl_texts *in, char *out, size_t size);

#endif
