#include <stdio.h>
#include <unistd.h>

#include "../unit.h"
#include "pg_config.h"

static struct pg_config c;

// Settings one after the other, separated by blanks; then finish. returns "" or the error
static const char *take(const char *settings)
{
	static struct weir_err err;
	char copy[4096], *save = NULL;

	err.text[0] = '\0';
	pg_config_init(&c);
	snprintf(copy, sizeof(copy), "%s", settings);
	for (char *s = strtok_r(copy, " ", &save); s != NULL; s = strtok_r(NULL, " ", &save))
		if (pg_config_set(&c, s, &err) < 0)
			return err.text;
	if (pg_config_finish(&c, &err) < 0)
		return err.text;
	assert_string_equal(err.text, "");
	return "";
}

static void good_settings_mean_what_they_say(void **state)
{
	(void)state;
	assert_string_equal(take("port=vhost:/a port=vhost-client:/b,churn=5,rx=20kpps"), "");
	assert_int_equal(c.n_ports, 2);
	assert_int_equal(c.ports[0].kind, PG_PORT_LISTEN);
	assert_int_equal(c.ports[0].rx_pps, UINT64_MAX);
	assert_int_equal(c.ports[1].kind, PG_PORT_CONNECT);
	assert_string_equal(c.ports[1].arg, "/b");
	assert_int_equal(c.ports[1].rx_pps, 20000);
	assert_int_equal(c.ports[1].churn, 5);
	assert_int_equal(c.n_streams, 1);
	assert_string_equal(c.streams[0].name, "all");
	assert_int_equal(c.streams[0].from_last, 1);

	assert_string_equal(take("ports=vhost:/run/g%u.sock,rx=off*512 to=next"), "");
	assert_int_equal(c.n_ports, 512);
	assert_string_equal(c.ports[511].arg, "/run/g511.sock");
	assert_int_equal(c.ports[511].rx_pps, 0);

	assert_string_equal(take("port=eth:net_tap0,iface=x port=eth:0000:03:00.0"), "");
	assert_string_equal(c.ports[0].arg, "net_tap0,iface=x");

	assert_string_equal(take("port=copy:a port=copy:b size=100 stream=x size=imix rate=1.5mpps "
				 "stream=y size=64-1000 rate=2gbps from=1 to=0 "
				 "stream=z size=128:3,256:1 flows=10 macs=20 l4=mix order=random"),
			    "");
	assert_int_equal(c.n_streams, 3);
	assert_int_equal(c.streams[0].n_sizes, 3);
	assert_int_equal(c.streams[0].rate_pps, 1500000);
	assert_int_equal(c.streams[1].rate_bits_per_s, 2000000000);
	assert_int_equal(c.streams[1].size_max, 1000);
	assert_int_equal(c.streams[1].from_first, 1);
	assert_int_equal(c.streams[2].flows, 20); // a flow has one MAC
	assert_int_equal(c.streams[2].l4, PG_MIX);
	assert_true(c.streams[2].random);

	assert_string_equal(take("port=vhost:/a port=vhost:/b tso=1448 size=65000"), "");
	assert_true(c.csum);
	assert_int_equal(c.streams[0].l4, PG_TCP);

	assert_string_equal(take("port=vhost:/a port=vhost:/b attach=1s warm-up=0s duration=200ms "
				 "interval=100000us seed=9 kind=iscsi op=write io-size=65536 "
				 "depth=64 think=50us service=1ms mtu=9000 vlan=4094"),
			    "");
	assert_int_equal(c.attach_ns, 1000000000);
	assert_int_equal(c.warm_up_ns, 0);
	assert_int_equal(c.duration_ns, 200000000);
	assert_int_equal(c.streams[0].think_ns, 50000);
	assert_true(c.streams[0].write);
}

#define TWO "port=vhost:/a port=vhost:/b "
#define SIZES                                                                                      \
	"expected imix, a size, a range 64-1514 or up to 8 sizes with weights 1 to 100: "          \
	"64:7,570:4,1514:1"
#define PORTS "expected vhost:SOCKET, vhost-client:SOCKET, eth:DEVICE or copy:NAME"
#define RATE "expected max, 100kpps, 1mpps, 500mbps or 10gbps"
#define TIMES "expected a time: 10s, 200ms, 50us, 0s"
#define COPY "copy: ports stand alone, in even number, with packed=off, pairs=1 and piece=0"
#define LONG                                                                                       \
	"0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567" \
	"8901234567890123456789012345678901234567"

static const struct {
	const char *settings, *error;
} bad[] = {
	{ "", "0 ports: at least two are needed (port=vhost:SOCKET)" },
	{ "port=vhost:/a", "1 ports: at least two are needed (port=vhost:SOCKET)" },
	{ "nonsense", "nonsense: no such setting (weir-pktgen --help lists them)" },
	{ "nonsense=1", "nonsense: no such setting (weir-pktgen --help lists them)" },
	{ "por=1", "por: no such setting (weir-pktgen --help lists them)" },
	{ "ports2=1", "ports2: no such setting (weir-pktgen --help lists them)" },
	{ "=1", ": no such setting (weir-pktgen --help lists them)" },
	{ "port=", "port=: " PORTS },
	{ "port=/a", "port=/a: " PORTS },
	{ "port=vhost:", "port=vhost:: expected a socket's path or a device of at most 127 bytes" },
	{ "port=vhost:" LONG,
	  "port=vhost:" LONG ": expected a socket's path or a device of at most 127 bytes" },
	{ "port=vhost:/a,rx=0pps",
	  "port=vhost:/a,rx=0pps: expected a port that ends with ,rx=off or ,rx=20kpps" },
	{ "port=vhost:/a,rx=20",
	  "port=vhost:/a,rx=20: expected a port that ends with ,rx=off or ,rx=20kpps" },
	{ "port=vhost:/a,churn=0",
	  "port=vhost:/a,churn=0: expected a port with ,churn=N, 1 to 1000000 times, before ,rx=" },
	{ "port=vhost:/a,rx=off,churn=3",
	  "port=vhost:/a,rx=off,churn=3: expected a port that ends with ,rx=off or ,rx=20kpps" },
	{ "port=copy:a,churn=3",
	  "port=copy:a,churn=3: expected churn on vhost: and vhost-client: ports only" },
	{ "port=eth:net_tap0,churn=3",
	  "port=eth:net_tap0,churn=3: expected churn on vhost: and vhost-client: ports only" },
	{ "ports=vhost:/g*4",
	  "ports=vhost:/g*4: expected a pattern with %u and a number: vhost:/run/g%u.sock*64" },
	{ "ports=vhost:/g%u",
	  "ports=vhost:/g%u: expected a pattern with %u and a number: vhost:/run/g%u.sock*64" },
	{ "ports=vhost:/g%u*0", "ports=0: expected a number from 1 to 512" },
	{ "ports=vhost:/g%u*513", "ports=513: expected a number from 1 to 512" },
	{ "ports=vhost:/g%u*512 port=vhost:/a", "port=vhost:/a: expected at most 512 ports" },
	{ "queue-size=63", "queue-size=63: expected a number from 64 to 16384" },
	{ "queue-size=-64", "queue-size=-64: expected a number from 64 to 16384" },
	{ "queue-size=64x", "queue-size=64x: expected a number from 64 to 16384" },
	{ "queue-size=18446744073709551680",
	  "queue-size=18446744073709551680: expected a number from 64 to 16384" },
	{ TWO "queue-size=100", "queue-size=100: expected a power of two" },
	{ "pairs=17", "pairs=17: expected a number from 1 to 16" },
	{ "mergeable=yes", "mergeable=yes: expected on or off" },
	{ "hugepages=yes", "hugepages=yes: expected auto, on or off" },
	{ "duration=10", "duration=10: " TIMES },
	{ "duration=-1s", "duration=-1s: " TIMES },
	{ "duration=nans", "duration=nans: " TIMES },
	{ "duration=infs", "duration=infs: " TIMES },
	{ "duration=1e15s", "duration=1e15s: " TIMES },
	{ "duration=s", "duration=s: " TIMES },
	{ TWO "interval=0s", "interval=0s: expected at least 10ms" },
	{ "seed=0", "seed=0: expected a number from 1 to 4294967295" },
	{ "expect=fast", "expect=fast: expected none or lossless" },
	{ "stream=", "stream=: expected a name of 1 to 31 letters, digits, - _ ." },
	{ "stream=a\"b", "stream=a\"b: expected a name of 1 to 31 letters, digits, - _ ." },
	{ "stream=01234567890123456789012345678901",
	  "stream=01234567890123456789012345678901: expected a name of 1 to 31 letters, digits, - "
	  "_ ." },
	{ "stream=a stream=a", "stream=a: expected a name that no other stream has" },
	{ "kind=x", "kind=x: expected flood or iscsi" },
	{ "from=1-0", "from=1-0: expected all, a port's number or a range: 0-31" },
	{ "from=1x", "from=1x: expected all, a port's number or a range: 0-31" },
	{ "from=-1", "from=-1: expected all, a port's number or a range: 0-31" },
	{ "from=512", "from=512: expected all, a port's number or a range: 0-31" },
	{ TWO "from=2", "stream all: port 2: the last port is 1" },
	{ TWO "to=7", "stream all: port 7: the last port is 1" },
	{ TWO "from=0 to=0", "stream all: from port 0 to itself" },
	{ TWO "port=vhost:/c",
	  "stream all: to=pair: port 2 has no partner: an even number of ports is needed" },
	{ "to=x", "to=x: expected pair, next or a port's number" },
	{ "to=-1", "to=-1: expected pair, next or a port's number" },
	{ "to=1x", "to=1x: expected pair, next or a port's number" },
	{ "size=63", "size=63: expected a number from 64 to 65000" },
	{ "size=x", "size=x: expected a number from 64 to 65000" },
	{ "size=100-64", "size=100-64: expected a range from small to large" },
	{ "size=64:0", "size=64:0: " SIZES },
	{ "size=64:101", "size=64:101: " SIZES },
	{ "size=64:1,", "size=64:1,: " SIZES },
	{ "size=64:1,x", "size=64:1,x: " SIZES },
	{ "size=64:1;65:1", "size=64:1;65:1: " SIZES },
	{ "size=1:1,2:1,3:1,4:1,5:1,6:1,7:1,8:1,9:1",
	  "size=1:1,2:1,3:1,4:1,5:1,6:1,7:1,8:1,9:1: " SIZES },
	{ TWO "size=63:1", "stream all: size=63: 64 to 9000 bytes (longer ones need tso)" },
	{ TWO "size=9001", "stream all: size=9001: 64 to 9000 bytes (longer ones need tso)" },
	{ TWO "size=60-100", "stream all: size=60-100: 64 to 9000 bytes" },
	{ TWO "size=64-9001", "stream all: size=64-9001: 64 to 9000 bytes" },
	{ TWO "size=64-65001 tso=1000", "stream all: size=64-65001: 64 to 65000 bytes" },
	{ "tso=9001", "tso=9001: expected a number from 0 to 9000" },
	{ "flows=0", "flows=0: expected a number from 1 to 1048576" },
	{ "vlan=4095", "vlan=4095: expected a number from 0 to 4094" },
	{ "l4=sctp", "l4=sctp: expected udp, tcp or mix" },
	{ "rate=0pps", "rate=0pps: " RATE },
	{ "rate=100", "rate=100: " RATE },
	{ "rate=1e15mpps", "rate=1e15mpps: " RATE },
	{ "rate=fast", "rate=fast: " RATE },
	{ TWO "kind=iscsi rate=1mbps", "stream all: rate: an iscsi stream has depth and think" },
	{ TWO "kind=iscsi rate=1kpps", "stream all: rate: an iscsi stream has depth and think" },
	{ "order=x", "order=x: expected sequential or random" },
	{ "op=erase", "op=erase: expected read or write" },
	{ "io-size=511", "io-size=511: expected a number from 512 to 1048576" },
	{ "depth=65", "depth=65: expected a number from 1 to 64" },
	{ "mtu=127", "mtu=127: expected a number from 128 to 9000" },
	{ "port=copy:a port=vhost:/b", COPY },
	{ "port=copy:a port=copy:b pairs=2", COPY },
	{ "port=copy:a port=copy:b packed=on", COPY },
	{ "port=copy:a port=copy:b port=copy:c to=next", COPY },
	{ "port=copy:a port=copy:b size=2037", "copy: ports: frames of 2037 need rx-buffer=2049" },
	{ "port=copy:a port=copy:b size=64-9000",
	  "copy: ports: frames of 9000 need rx-buffer=9012" },
	{ "port=copy:a port=copy:b kind=iscsi mtu=4000",
	  "copy: ports: frames of 4000 need rx-buffer=4012" },
};

static void bad_settings_are_refused_by_key_value_and_reason(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		const char *error = take(bad[i].settings);

		if (strcmp(error, bad[i].error) != 0)
			fail_msg("'%s'\n  says '%s'\n  not  '%s'", bad[i].settings, error,
				 bad[i].error);
	}
}

static const char *load(const char *text)
{
	size_t size = strlen(text);
	static struct weir_err err;
	char path[] = "/tmp/weir-profile.XXXXXX";
	int fd = mkstemp(path);
	int rc;

	assert_int_equal(write(fd, text, size), size);
	close(fd);
	pg_config_init(&c);
	err.text[0] = '\0';
	rc = pg_config_load(&c, path, &err);
	unlink(path);
	assert_int_equal(rc == 0, err.text[0] == '\0');
	return rc == 0 ? "" : strchr(err.text, ',') + 2; // what follows the name
}

static void profiles_have_comments_and_line_numbers(void **state)
{
	static char longer[3000];
	struct weir_err err;

	(void)state;
	assert_string_equal(load("# all\n\n  queue-size = 256  # small\nport=vhost:/a\n"
				 "port = vhost:/b"),
			    "");
	assert_int_equal(c.queue_size, 256);
	assert_int_equal(c.n_ports, 2);
	assert_string_equal(c.ports[1].arg, "/b");
	assert_string_equal(load("pairs=1\n\npairs = 77\n"),
			    "line 3: pairs=77: expected a number from 1 to 16");
	assert_string_equal(load("pairs\n"),
			    "line 1: pairs: no such setting (weir-pktgen --help lists them)");
	memset(longer, 'x', sizeof(longer) - 1);
	assert_string_equal(load(longer), "line 1: longer than 1022 bytes");
	assert_int_equal(pg_config_load(&c, "/nowhere", &err), -2);
	assert_string_equal(err.text, "profile /nowhere: No such file or directory");
	assert_int_equal(pg_config_load(&c, "/tmp", &err), -21);
	assert_string_equal(err.text, "profile /tmp: Is a directory");
}

static void the_longest_frame_is_known(void **state)
{
	(void)state;
	take(TWO);
	assert_int_equal(pg_config_longest_frame(&c), 128); // an iscsi command fits always
	take(TWO "size=imix");
	assert_int_equal(pg_config_longest_frame(&c), 1514);
	take(TWO "stream=a size=100-5000 stream=b kind=iscsi mtu=6000");
	assert_int_equal(pg_config_longest_frame(&c), 6000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_settings_mean_what_they_say),
		cmocka_unit_test(bad_settings_are_refused_by_key_value_and_reason),
		cmocka_unit_test(profiles_have_comments_and_line_numbers),
		cmocka_unit_test(the_longest_frame_is_known),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
