// weir-switchd: start-up in one readable order, the main loop, and the end.
#include <errno.h>
#include <getopt.h>
#include <grp.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <rte_eal.h>
#include <systemd/sd-daemon.h>

#include "control_priv.h"
#include "weir_log.h"

#define RUN_DIR "/run/weir"
#define STATE_DIR "/var/lib/weir"
#define GUESTS_DIR RUN_DIR "/guests"
#define FILES_WANTED 65536

struct options {
	const char *yang_dir;
	bool no_huge, check, state_given;
};

struct watchers {
	struct ev_signal term, intr, hup;
	struct ev_timer housekeep, watch;
};

static const char usage[] =
	"usage: weir-switchd [options]\n"
	"  -c, --config FILE   configuration, RFC 7951 JSON (default /etc/weir/weir.json)\n"
	"  -d, --state DIR     where commits are kept (default " STATE_DIR
	"; with -c FILE: FILE.d)\n"
	"  -s, --socket PATH   socket of the weir command (default " RUN_DIR "/weir.sock)\n"
	"  -y, --yang DIR      Weir's YANG modules (default " WEIR_YANG_DIR ")\n"
	"      --no-huge       do not use hugepages\n"
	"      --check         check the configuration and exit\n"
	"      --rollback N    start with the N-th commit before the newest (0..50) and commit it\n"
	"  -v, --verbose       say more\n"
	"      --version\n"
	"  -h, --help\n"
	"Stays in the foreground. SIGHUP loads the configuration again, SIGTERM ends.\n";

static void error_say(const char *what, const struct cfg_error *e)
{
	weir_log(WEIR_ERROR, "%s: %s%s%s%s%s", what, e->path, e->path[0] ? " " : "", e->value,
		 e->value[0] ? ": " : "", e->reason);
}

static void on_signal(struct ev_loop *loop, struct ev_signal *s, int revents)
{
	(void)revents;
	weir_log(WEIR_NOTICE, "%s: ending", s->signum == SIGTERM ? "SIGTERM" : "SIGINT");
	ev_break(loop, EVBREAK_ALL);
}

static void on_hup(struct ev_loop *loop, struct ev_signal *s, int revents)
{
	struct cfg_error err = { 0 };
	char *plan = NULL;

	(void)loop;
	(void)revents;
	sd_notify(0, "RELOADING=1");
	if (ctl_reload(s->data, false, &plan, &err) < 0)
		error_say("configuration refused, the running one stays", &err);
	free(plan);
	ctl_netconf_flush(s->data);
	sd_notify(0, "READY=1");
}

static void on_housekeep(struct ev_loop *loop, struct ev_timer *t, int revents)
{
	struct ctl *c = t->data;

	(void)loop;
	(void)revents;
	dp_switch_housekeep(c->sw, dp_switch_now_ns());
	ctl_storage_poll(c, dp_switch_now_ns());
}

static void on_watch(struct ev_loop *loop, struct ev_timer *t, int revents)
{
	(void)loop;
	(void)revents;
	ctl_vm_watch(t->data, dp_switch_now_ns());
	ctl_registry_poll(t->data, dp_switch_now_ns());
	ctl_event_ports(t->data);
	ctl_qmp_watch(t->data, dp_switch_now_ns());
	ctl_of_poll(t->data, dp_switch_now_ns());
}

static int rollback_read(const char *text, struct ctl *c)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	if (text[0] < '0' || text[0] > '9' || *end != '\0' || n > 50) {
		fprintf(stderr, "weir-switchd: --rollback %s: expected 0..50\n", text);
		return -EINVAL;
	}
	c->roll_back = true;
	c->roll_back_n = (uint32_t)n;
	return 0;
}

static int option_take(int opt, struct ctl *c, struct options *o)
{
	switch (opt) {
	case 'c':
		c->config_path = optarg;
		if (!o->state_given)
			snprintf(c->state_dir, sizeof(c->state_dir), "%s.d", optarg);
		return 0;
	case 'd':
		snprintf(c->state_dir, sizeof(c->state_dir), "%s", optarg);
		o->state_given = true;
		return 0;
	case 's':
		c->socket_path = optarg;
		return 0;
	case 'y':
		o->yang_dir = optarg;
		return 0;
	case 1:
		o->no_huge = true;
		return 0;
	case 2:
		o->check = true;
		return 0;
	case 4:
		return rollback_read(optarg, c);
	case 'v':
		weir_log_set_level(WEIR_DEBUG);
		return 0;
	case 3:
		puts("weir-switchd " WEIR_VERSION);
		exit(0);
	case 'h':
		fputs(usage, stdout);
		exit(0);
	default:
		fputs(usage, stderr);
		return -EINVAL;
	}
}

static int options_read(int argc, char **argv, struct ctl *c, struct options *o)
{
	static const struct option longs[] = {
		{ "config", 1, NULL, 'c' },
		{ "state", 1, NULL, 'd' },
		{ "socket", 1, NULL, 's' },
		{ "yang", 1, NULL, 'y' },
		{ "no-huge", 0, NULL, 1 },
		{ "check", 0, NULL, 2 },
		{ "verbose", 0, NULL, 'v' },
		{ "help", 0, NULL, 'h' },
		{ "version", 0, NULL, 3 },
		{ "rollback", 1, NULL, 4 },
		{ 0 },
	};
	int opt;

	c->config_path = "/etc/weir/weir.json";
	snprintf(c->state_dir, sizeof(c->state_dir), STATE_DIR);
	c->socket_path = RUN_DIR "/weir.sock";
	o->yang_dir = WEIR_YANG_DIR;
	while ((opt = getopt_long(argc, argv, "c:d:s:y:vh", longs, NULL)) != -1)
		if (option_take(opt, c, o) < 0)
			return -EINVAL;
	if (optind < argc) {
		fprintf(stderr, "weir-switchd: %s: takes no argument\n%s", argv[optind], usage);
		return -EINVAL;
	}
	return 0;
}

// /run/weir is root's, its group may look, others may pass (the sockets have modes of their own);
// QEMU makes its sockets in /run/weir/guests, so there the group may write, and the sticky bit
// keeps one QEMU's hands off another's socket.
static void run_dirs_make(void)
{
	const struct group *kvm = getgrnam("kvm");
	const gid_t gid = kvm == NULL ? (gid_t)-1 : kvm->gr_gid;

	mkdir(RUN_DIR, 0751);
	mkdir(GUESTS_DIR, 0770);
	if (chown(RUN_DIR, (uid_t)-1, gid) < 0 || chmod(RUN_DIR, 0751) < 0)
		weir_log(WEIR_WARNING, RUN_DIR ": %s", strerror(errno));
	if (chown(GUESTS_DIR, (uid_t)-1, gid) < 0 || chmod(GUESTS_DIR, 01770) < 0)
		weir_log(WEIR_WARNING, GUESTS_DIR ": %s", strerror(errno));
}

static void files_limit_raise(void)
{
	struct rlimit l;

	if (getrlimit(RLIMIT_NOFILE, &l) == 0 && l.rlim_cur < FILES_WANTED) {
		l.rlim_cur = l.rlim_max < FILES_WANTED ? l.rlim_max : FILES_WANTED;
		setrlimit(RLIMIT_NOFILE, &l);
	}
}

// Only looks: neither a state directory nor a switch is needed.
static int check(struct ctl *c)
{
	struct cfg_error err = { 0 };
	struct cfg *cfg = NULL;
	char *text;
	int rc = ctl_text_read(c->config_path, &text, &err);

	if (rc == 0)
		rc = cfg_load(c->schema, text, strlen(text), &cfg, &err);
	free(text);
	cfg_free(cfg);
	if (rc < 0)
		error_say(c->config_path, &err);
	else
		printf("%s: is valid\n", c->config_path);
	return rc;
}

// What depends on the configuration.
static int start_ports(struct ctl *c, const struct options *o, const char *text,
		       struct cfg_error *err)
{
	struct ctl_eal eal = { .no_huge = o->no_huge };
	struct cfg *first;
	// Memory and workers come from the configuration, so it is read before DPDK starts.
	int rc = cfg_load(c->schema, text, strlen(text), &first, err);

	if (rc < 0)
		return rc;
	rc = ctl_eal_init(&first->system, &eal, err);
	if (rc == 0)
		rc = ctl_switch_create(c, &first->system, &eal, err);
	cfg_free(first);
	if (rc == 0)
		rc = ctl_boot_start(c);
	if (rc == 0)
		rc = ctl_storage_start(c, err); // what was learnt comes with the first commit
	if (rc == 0)
		rc = ctl_commit_first(c, text, err);
	if (rc == 0)
		rc = ctl_registry_start(c);
	return rc;
}

static int start_sockets(struct ctl *c, struct cfg_error *err)
{
	struct weir_err werr;
	int rc = ctl_server_start(c, err);

	if (rc == 0)
		rc = ctl_netconf_start(c, err);
	if (rc == 0 && (rc = dp_switch_start(c->sw, &werr)) < 0)
		snprintf(err->reason, sizeof(err->reason), "%s", werr.text);
	return rc;
}

static int start(struct ctl *c, const struct options *o)
{
	struct cfg_error err = { 0 };
	bool missing = false, refused = false;
	char *text = NULL;
	int rc = cfg_schema_create(o->yang_dir, &c->schema, &err);

	if (rc == 0 && o->check)
		return check(c);
	if (rc == 0)
		rc = ctl_commit_open(c, &text, &missing, &err);
	if (rc == 0) {
		rc = start_ports(c, o, text, &err);
		refused = rc < 0;
	}
	if (rc == 0)
		rc = start_sockets(c, &err);
	free(text);
	if (rc < 0)
		error_say("start", &err);
	if (refused)
		ctl_commit_advise(c);
	if (rc < 0)
		return rc;
	if (missing)
		weir_log(WEIR_NOTICE,
			 "no configuration: running without ports. Next step: weir configure, or "
			 "write %s (README, \"Configuration by example\") and run: weir reload",
			 c->config_path);
	return rc;
}

static void run(struct ctl *c)
{
	struct watchers w;

	ev_signal_init(&w.term, on_signal, SIGTERM);
	ev_signal_init(&w.intr, on_signal, SIGINT);
	ev_signal_init(&w.hup, on_hup, SIGHUP);
	ev_timer_init(&w.housekeep, on_housekeep, 0.005, 0.005);
	ev_timer_init(&w.watch, on_watch, 0.01, 0.01);
	w.hup.data = w.housekeep.data = w.watch.data = c;
	ev_signal_start(c->loop, &w.term);
	ev_signal_start(c->loop, &w.intr);
	ev_signal_start(c->loop, &w.hup);
	ev_timer_start(c->loop, &w.housekeep);
	ev_timer_start(c->loop, &w.watch);
	weir_log(WEIR_NOTICE, "ready: %u worker%s, %s", dp_switch_n_workers(c->sw),
		 dp_switch_n_workers(c->sw) == 1 ? "" : "s",
		 c->hugepages ? "hugepages" : "ordinary memory");
	sd_notify(0, "READY=1");
	ev_run(c->loop, 0);
	sd_notify(0, "STOPPING=1");
}

int main(int argc, char **argv)
{
	struct options o = { 0 };
	struct ctl c = { 0 };
	int rc;

	if (options_read(argc, argv, &c, &o) < 0)
		return 2;
	umask(0027);
	signal(SIGPIPE, SIG_IGN);
	// Small pieces that are freed are merged one by one: 500,000 flows' together, when the next
	// large piece is wanted, take 20 ms.
	(void)mallopt(M_MXFAST, 0);
	files_limit_raise();
	if (strncmp(c.socket_path, RUN_DIR "/", sizeof(RUN_DIR)) == 0 && !o.check)
		run_dirs_make();
	c.loop = ev_default_loop(0);
	rc = start(&c, &o);
	if (rc == 0 && !o.check)
		run(&c);
	ctl_qmp_stop(&c);
	ctl_server_stop(&c);
	ctl_netconf_stop(&c);
	ctl_metrics_stop(&c);
	ctl_registry_stop(&c);
	ctl_providers_stop(&c);
	ctl_storage_stop(&c);
	ctl_boot_stop(&c); // its leases lie beside the commits
	ctl_of_stop(&c);
	ctl_commit_close(&c);
	if (c.sw != NULL)
		dp_switch_stop(c.sw);
	ctl_of_free(&c);
	dp_switch_destroy(c.sw);
	ctl_vms_free(&c);
	ctl_clear_free(&c);
	cfg_free(c.running);
	cfg_schema_destroy(c.schema);
	if (c.eal_started)
		rte_eal_cleanup();
	return rc == 0 ? 0 : 1;
}
