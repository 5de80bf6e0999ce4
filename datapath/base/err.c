#include "weir_err.h"

#include <stdarg.h>
#include <stdio.h>

int weir_err_set(struct weir_err *err, int code, const char *fmt, ...)
{
	va_list ap;

	if (err != NULL) {
		va_start(ap, fmt);
		vsnprintf(err->text, sizeof(err->text), fmt, ap);
		va_end(ap);
	}
	return code;
}
