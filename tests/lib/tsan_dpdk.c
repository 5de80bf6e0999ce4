// DPDK's heap replaced by malloc, for the thread sanitizer: it does not see that memory of
// rte_malloc which comes back is another object. Linked in, these are what our own code
// calls, not DPDK's libraries.
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <rte_malloc.h>
#include <rte_mbuf.h>
#include <rte_mempool.h>

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

// The pool, under a lock: DPDK's ring orders what several free by relaxed loads and the library is
// not instrumented, so that a buffer which main frees and a worker takes would look like a race.
struct pool {
	pthread_mutex_t lock;
	uint32_t n;
	void *objs[];
};

static int pool_alloc(struct rte_mempool *mp)
{
	struct pool *p = calloc(1, sizeof(*p) + mp->size * sizeof(p->objs[0]));

	if (p == NULL)
		return -ENOMEM;
	pthread_mutex_init(&p->lock, NULL);
	mp->pool_data = p;
	return 0;
}

static void pool_free(struct rte_mempool *mp)
{
	free(mp->pool_data);
}

static int pool_put(struct rte_mempool *mp, void *const *objs, unsigned int n)
{
	struct pool *p = mp->pool_data;

	pthread_mutex_lock(&p->lock);
	memcpy(p->objs + p->n, objs, n * sizeof(objs[0]));
	p->n += n;
	pthread_mutex_unlock(&p->lock);
	return 0;
}

static int pool_get(struct rte_mempool *mp, void **objs, unsigned int n)
{
	struct pool *p = mp->pool_data;
	int rc = -ENOBUFS;

	pthread_mutex_lock(&p->lock);
	if (n <= p->n) {
		p->n -= n;
		memcpy(objs, p->objs + p->n, n * sizeof(objs[0]));
		rc = 0;
	}
	pthread_mutex_unlock(&p->lock);
	return rc;
}

static unsigned int pool_count(const struct rte_mempool *mp)
{
	struct pool *p = mp->pool_data;
	unsigned int n;

	pthread_mutex_lock(&p->lock);
	n = p->n;
	pthread_mutex_unlock(&p->lock);
	return n;
}

static const struct rte_mempool_ops pool_ops = { .name = "tsan_pool",
						 .alloc = pool_alloc,
						 .free = pool_free,
						 .enqueue = pool_put,
						 .dequeue = pool_get,
						 .get_count = pool_count };

RTE_MEMPOOL_REGISTER_OPS(pool_ops);

struct rte_mempool *rte_pktmbuf_pool_create(const char *name, unsigned int n, unsigned int cache,
					    uint16_t priv, uint16_t room, int socket)
{
	return rte_pktmbuf_pool_create_by_ops(name, n, cache, priv, room, socket, pool_ops.name);
}
