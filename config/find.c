// Finding elements in the lists of a configuration that was read: they are sorted by their key.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cfg_config.h"

// The name is the first field of ports, VMs, files and providers.
static int by_name(const void *key, const void *elem)
{
	return strcmp(key, elem);
}

static int by_vlan(const void *key, const void *elem)
{
	return *(const uint16_t *)key - ((const struct cfg_service *)elem)->vlan;
}

const struct cfg_port *cfg_port_get(const struct cfg *c, const char *name)
{
	return bsearch(name, c->ports, c->n_ports, sizeof(*c->ports), by_name);
}

const struct cfg_vm *cfg_vm_get(const struct cfg *c, const char *name)
{
	return bsearch(name, c->vms, c->n_vms, sizeof(*c->vms), by_name);
}

const struct cfg_file *cfg_file_get(const struct cfg *c, const char *name)
{
	return bsearch(name, c->files, c->n_files, sizeof(*c->files), by_name);
}

const struct cfg_provider *cfg_provider_get(const struct cfg *c, const char *name)
{
	return bsearch(name, c->providers, c->n_providers, sizeof(*c->providers), by_name);
}

const struct cfg_service *cfg_service_get(const struct cfg *c, uint16_t vlan)
{
	return bsearch(&vlan, c->services, c->n_services, sizeof(*c->services), by_vlan);
}

void cfg_port_path(const struct cfg_port *p, const char *leaf, char *out, size_t size)
{
	if (p->vm[0] != '\0')
		snprintf(out, size, "/weir-vm:vms/vm[name='%s']/nic[id='%u']/%s", p->vm, p->nic,
			 leaf);
	else
		snprintf(out, size,
			 "/ietf-interfaces:interfaces/interface[name='%s']/weir-interfaces:port/%s",
			 p->name, leaf);
}
