// OpenFlow as text: a line is refused, or read, written and read to the same message again; and
// whatever bytes come as a message, they are printed.
#include <stdlib.h>
#include <string.h>

#include "of13.h"
#include "of_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void line(const char *text, enum of_text_command command)
{
	struct of_buf one = { 0 }, two = { 0 };
	struct of_text_error e;
	struct of_text t = { 0 };
	int rc = of_text_line(text, command, NULL, &one, &e);

	if (rc == 0) {
		if (of_text_mod(&t, one.data, one.size, NULL) != 0 || t.failed)
			abort();
		if (of_text_line(t.buf, command, NULL, &two, &e) != 0 || one.size != two.size ||
		    memcmp(one.data, two.data, one.size) != 0)
			abort();
		of_text_message(&t, one.data, one.size, NULL);
	} else if (one.size != 0 || (rc == -22 && e.at + e.size > strlen(text))) {
		abort();
	}
	of_buf_fini(&one);
	of_buf_fini(&two);
	of_text_fini(&t);
}

static void others(const char *text)
{
	struct of_buf b = { 0 };
	struct of_text_error e;
	struct of_text t = { 0 };

	if (of_text_flow_request(text, false, NULL, &b, &e) == 0)
		of_text_message(&t, b.data, b.size, NULL);
	of_buf_fini(&b);
	if (of_text_packet_out(text, NULL, &b, &e) == 0)
		of_text_message(&t, b.data, b.size, NULL);
	of_buf_fini(&b);
	of_text_fini(&t);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct of_text t = { 0 };
	char *text;

	if (size == 0)
		return 0;
	if (data[0] == 4 || data[0] == 5) {
		of_text_message(&t, data, size, NULL);
		of_text_fini(&t);
		return 0;
	}
	text = malloc(size);
	if (text == NULL)
		return 0;
	memcpy(text, data + 1, size - 1);
	text[size - 1] = '\0';
	line(text, (enum of_text_command)(data[0] % 5));
	others(text);
	free(text);
	return 0;
}
