// The words of a HTTP request that the library leaves to us: Range and the request target.
#include <string.h>

#include "boot_responder.h"

// Digits at *p. returns false = none, or more than fit: as good as the largest number
static bool number_take(const char **p, uint64_t *out)
{
	const char *at = *p;
	uint64_t v = 0;

	for (; *at >= '0' && *at <= '9'; at++) {
		uint64_t digit = (uint64_t)(*at - '0');

		v = v > (UINT64_MAX - digit) / 10 ? UINT64_MAX : v * 10 + digit;
	}
	if (at == *p)
		return false;
	*p = at;
	*out = v;
	return true;
}

static const char *blanks_skip(const char *p)
{
	return p + strspn(p, " \t");
}

// "bytes=-500": the last 500.
static enum boot_range_kind suffix_parse(const char *p, uint64_t size, struct boot_range *out)
{
	uint64_t n;

	if (!number_take(&p, &n) || *blanks_skip(p) != '\0')
		return BOOT_RANGE_WHOLE;
	if (n == 0 || size == 0)
		return BOOT_RANGE_NONE;
	out->first = n >= size ? 0 : size - n;
	out->last = size - 1;
	return BOOT_RANGE_PART;
}

// What is not understood is as if it were not there (RFC 9110 section 14.2), and so are several
// ranges: a server may ignore them.
enum boot_range_kind boot_range_parse(const char *text, uint64_t size, struct boot_range *out)
{
	static const char unit[] = "bytes=";
	const char *p = text;
	uint64_t first, last = UINT64_MAX;

	if (p == NULL || strncmp(p, unit, sizeof(unit) - 1) != 0)
		return BOOT_RANGE_WHOLE;
	p = blanks_skip(p + sizeof(unit) - 1);
	if (*p == '-')
		return suffix_parse(p + 1, size, out);
	if (!number_take(&p, &first) || *p++ != '-')
		return BOOT_RANGE_WHOLE;
	(void)number_take(&p, &last);
	if (*blanks_skip(p) != '\0' || last < first)
		return BOOT_RANGE_WHOLE;
	if (first >= size)
		return BOOT_RANGE_NONE;
	out->first = first;
	out->last = last < size ? last : size - 1;
	return BOOT_RANGE_PART;
}

const char *boot_target_name(const char *target)
{
	static const char scheme[] = "http://";
	const char *path;

	if (strncmp(target, scheme, sizeof(scheme) - 1) != 0)
		return target;
	path = strchr(target + sizeof(scheme) - 1, '/');
	return path == NULL ? "" : path;
}
