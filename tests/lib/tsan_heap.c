// DPDK's heap replaced by malloc, for the thread sanitizer: it does not see that memory of
// rte_malloc which comes back is another object. Linked in, these are what libraries call too.
#include <stdlib.h>
#include <string.h>

#include <rte_malloc.h>

void *rte_malloc(const char *type, size_t size, unsigned int align)
{
	void *p;

	(void)type;
	return posix_memalign(&p, align < 64 ? 64 : align, size == 0 ? 1 : size) == 0 ? p : NULL;
}

void *rte_zmalloc(const char *type, size_t size, unsigned int align)
{
	void *p = rte_malloc(type, size, align);

	return p == NULL ? NULL : memset(p, 0, size);
}

void *rte_malloc_socket(const char *type, size_t size, unsigned int align, int socket)
{
	(void)socket;
	return rte_malloc(type, size, align);
}

void *rte_zmalloc_socket(const char *type, size_t size, unsigned int align, int socket)
{
	(void)socket;
	return rte_zmalloc(type, size, align);
}

void rte_free(void *p)
{
	free(p);
}
