// Frames of a port as they come: capture, trace.
#include <errno.h>
#include <fcntl.h>
#include <pcap/pcap.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "weir_priv.h"

char *filter_compile(const char *expression)
{
	pcap_t *p = pcap_open_dead(DLT_EN10MB, 65535);
	struct bpf_program f;
	char *hex;

	if (p == NULL)
		return NULL;
	if (pcap_compile(p, &f, expression, 1, PCAP_NETMASK_UNKNOWN) < 0) {
		fprintf(stderr, "weir: filter %s: %s\n", expression, pcap_geterr(p));
		pcap_close(p);
		return NULL;
	}
	hex = malloc(16u * f.bf_len + 1);
	for (u_int i = 0; hex != NULL && i < f.bf_len; i++) {
		const struct bpf_insn *n = &f.bf_insns[i];

		snprintf(hex + 16 * i, 17, "%04x%02x%02x%08x", n->code, n->jt, n->jf, n->k);
	}
	pcap_freecode(&f);
	pcap_close(p);
	return hex;
}

static int tap_open(struct cli *c, const struct command *cmd, const char *kind, struct conn *conn)
{
	const char *count = command_arg(cmd, "COUNT");
	unsigned long n = count == NULL ? 0 : strtoul(count, NULL, 10);
	char *filter, *hex;
	json_t *args;

	if (count != NULL && (n == 0 || n > UINT32_MAX))
		return cli_problem(c, EXIT_USAGE, "-c %s: wants a number of packets", count);
	args = json_pack("{s:s, s:s, s:I}", "port", command_arg(cmd, "PORT"), "kind", kind, "count",
			 (json_int_t)n);
	if (args == NULL)
		return cli_problem(c, EXIT_USAGE, "a port that is no UTF-8");
	filter = command_join(cmd, "FILTER");
	if (filter[0] != '\0') {
		hex = filter_compile(filter);
		if (hex == NULL) {
			free(filter);
			json_decref(args);
			return EXIT_USAGE;
		}
		json_object_set_new(args, "filter", json_string(hex));
		free(hex);
	}
	free(filter);
	return cli_stream(c, "weir-operations:tap", args, conn);
}

static int copy(struct cli *c, struct conn *conn, const char *path, int fd)
{
	char buf[65536];
	long n;

	while ((n = conn_read(conn, buf, sizeof(buf))) > 0) {
		for (long at = 0, done; at < n; at += done) {
			done = write(fd, buf + at, (size_t)(n - at));
			if (done < 0 && errno == EINTR && !cli_interrupted)
				done = 0;
			if (done < 0)
				return cli_problem(c, EXIT_FAILED, "%s: %s", path, strerror(errno));
		}
	}
	return 0;
}

int run_capture(struct cli *c, const struct command *cmd)
{
	const char *path = command_arg(cmd, "FILE");
	struct conn conn;
	int rc, fd;

	if (path == NULL)
		return cli_problem(c, EXIT_USAGE, "capture: -w FILE is missing");
	rc = tap_open(c, cmd, "capture", &conn);
	if (rc != 0)
		return rc;
	fd = strcmp(path, "-") == 0 ? STDOUT_FILENO
				    : open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	if (fd < 0) {
		rc = cli_problem(c, EXIT_FAILED, "%s: %s", path, strerror(errno));
	} else {
		fprintf(stderr, "capturing on %s; Ctrl-C ends\n", command_arg(cmd, "PORT"));
		rc = copy(c, &conn, path, fd);
		if (fd != STDOUT_FILENO && close(fd) < 0 && rc == 0)
			rc = cli_problem(c, EXIT_FAILED, "%s: %s", path, strerror(errno));
	}
	conn_close(&conn);
	return rc;
}

int run_trace(struct cli *c, const struct command *cmd)
{
	struct conn conn;
	char *line;
	int rc = tap_open(c, cmd, "trace", &conn);

	if (rc != 0)
		return rc;
	while ((line = conn_line(&conn)) != NULL) {
		json_t *r = json_loads(line, 0, NULL);

		if (c->format == FORMAT_JSON)
			fprintf(c->out, "%s\n", line);
		else if (r != NULL)
			show_trace_line(c->out, r);
		fflush(c->out);
		fflush(stdout);
		json_decref(r);
		free(line);
	}
	conn_close(&conn);
	return 0;
}
