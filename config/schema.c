// The set of modules: the standard ones where Debian's packages put them, ours from one directory.
#include <errno.h>
#include <stdlib.h>

#include "config_priv.h"

// Neither writable-running (edits go through the candidate) nor url (the daemon fetches nothing).
static const char *nc_features[] = {
	"candidate", "confirmed-commit", "rollback-on-error", "startup", "validate", "xpath", NULL,
};
// Not origin: nothing here says where a value came from.
static const char *nmda_features[] = { "with-defaults", NULL };

static const struct {
	const char *name, *revision;
	const char **features;
} modules[] = {
	{ "ietf-netconf", "2011-06-01", nc_features }, // libyuma-base: RFC 6241
	{ "ietf-interfaces", "2018-02-20", NULL },     // libyuma-base, nmda-modules: RFC 8343
	{ "ietf-netconf-acm", "2018-02-14", NULL },    // RFC 8341
	{ "ietf-netconf-with-defaults", "2011-06-01", NULL }, // RFC 6243
	{ "ietf-netconf-monitoring", "2010-10-04", NULL },    // RFC 6022
	{ "ietf-datastores", "2018-02-14", NULL },	      // RFC 8342
	{ "ietf-origin", "2018-02-14", NULL },
	{ "ietf-netconf-nmda", "2019-01-07", nmda_features }, // RFC 8526
	{ "ietf-netconf-notifications", "2012-02-06", NULL }, // RFC 6470
	{ "notifications", "2008-07-14", NULL },	      // ietf-derived: RFC 5277
	{ "nc-notifications", "2008-07-14", NULL },
	{ "weir-interfaces", NULL, NULL },
	{ "weir-vlans", NULL, NULL },
	{ "weir-vm", NULL, NULL },
	{ "weir-qos", NULL, NULL },
	{ "weir-storage", NULL, NULL },
	{ "weir-openflow", NULL, NULL },
	{ "weir-system", NULL, NULL },
	{ "weir-management", NULL, NULL },
	{ "weir-operations", NULL, NULL },
	{ "weir-configuration", NULL, NULL },
	{ "weir-events", NULL, NULL },
};

static const char *const standard_dirs[] = {
	"/usr/share/yuma/nmda-modules/ietf", "/usr/share/yuma/modules/ietf",
	"/usr/share/yuma/modules/ietf-derived",
	"/usr/share/yuma/modules/netconfcentral", // what notifications.yang imports
};

int cfg_schema_create(const char *yang_dir, struct cfg_schema **out, struct cfg_error *err)
{
	struct cfg_schema *s = calloc(1, sizeof(*s));

	*out = NULL;
	if (s == NULL)
		return -ENOMEM;
	ly_log_options(LY_LOSTORE_LAST); // errors are read, not printed
	if (ly_ctx_new(yang_dir, LY_CTX_DISABLE_SEARCHDIR_CWD, &s->ctx) != LY_SUCCESS) {
		free(s);
		cfg_refuse(err, "", yang_dir,
			   "directory of YANG modules cannot be read (option -y names another)");
		return -ENOENT;
	}
	for (size_t i = 0; i < sizeof(standard_dirs) / sizeof(standard_dirs[0]); i++)
		ly_ctx_set_searchdir(s->ctx, standard_dirs[i]);
	for (size_t i = 0; i < sizeof(modules) / sizeof(modules[0]); i++) {
		if (ly_ctx_load_module(s->ctx, modules[i].name, modules[i].revision,
				       modules[i].features) == NULL) {
			cfg_refuse(err, "", modules[i].name,
				   "YANG module does not load (ours: %s; standard ones: package "
				   "libyuma-base): %s",
				   yang_dir,
				   ly_errmsg(s->ctx) == NULL ? "not found" : ly_errmsg(s->ctx));
			cfg_schema_destroy(s);
			return -EINVAL;
		}
	}
	*out = s;
	return 0;
}

void cfg_schema_destroy(struct cfg_schema *s)
{
	if (s == NULL)
		return;
	ly_ctx_destroy(s->ctx);
	free(s);
}
