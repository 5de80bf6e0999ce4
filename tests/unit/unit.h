// What every unit test needs. A test's name is a sentence.
#ifndef UNIT_H
#define UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

// A heap copy of exactly that size, so that the sanitizer sees an over-read of one byte.
static inline uint8_t *exact_copy(const void *data, size_t size)
{
	uint8_t *p = malloc(size == 0 ? 1 : size);

	assert_non_null(p);
	memcpy(p, data, size);
	return p;
}

#endif
