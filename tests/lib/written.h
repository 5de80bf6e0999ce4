// Was each byte that leaves for a peer written? Valgrind knows; without it nothing is asked.
#ifndef WRITTEN_H
#define WRITTEN_H

#include <stddef.h>

#if __has_include(<valgrind/memcheck.h>)
#include <valgrind/memcheck.h>
#define WRITTEN_CHECK(p, n) ((void)VALGRIND_CHECK_MEM_IS_DEFINED((p), (n)))
#define WRITTEN_FORGET(p, n) ((void)VALGRIND_MAKE_MEM_UNDEFINED((p), (n)))
#else
#define WRITTEN_CHECK(p, n) ((void)(p), (void)(n))
#define WRITTEN_FORGET(p, n) ((void)(p), (void)(n))
#endif

static inline void written(const void *bytes, size_t n)
{
	if (n > 0)
		WRITTEN_CHECK(bytes, n);
}

// From here on nothing stands there.
static inline void written_forget(void *bytes, size_t n)
{
	if (n > 0)
		WRITTEN_FORGET(bytes, n);
}

#endif
