#include "dp_drop.h"

static const char *const names[DP_N_DROPS] = {
#define DP_DROP_NAME(id, help) [DP_DROP_##id] = #id,
	DP_DROP_LIST(DP_DROP_NAME)
#undef DP_DROP_NAME
};

static const char *const helps[DP_N_DROPS] = {
#define DP_DROP_HELP(id, help) [DP_DROP_##id] = help,
	DP_DROP_LIST(DP_DROP_HELP)
#undef DP_DROP_HELP
};

const char *dp_drop_name(enum dp_drop reason)
{
	return reason < DP_N_DROPS ? names[reason] : "invalid";
}

const char *dp_drop_help(enum dp_drop reason)
{
	return reason < DP_N_DROPS ? helps[reason] : "invalid";
}
