// Errors of a switch: their names as ovs-ofctl has them, and what they mean.
#include <stdio.h>
#include <string.h>

#include "of13.h"
#include "text_priv.h"

enum { ONF_BUNDLE_FAILED = 2300 };

static const struct {
	uint16_t type;
	const char *prefix;
} prefixes[] = {
	{ OF13_ERROR_HELLO_FAILED, "OFPHFC" },
	{ OF13_ERROR_BAD_REQUEST, "OFPBRC" },
	{ OF13_ERROR_BAD_ACTION, "OFPBAC" },
	{ OF13_ERROR_BAD_INSTRUCTION, "OFPBIC" },
	{ OF13_ERROR_BAD_MATCH, "OFPBMC" },
	{ OF13_ERROR_FLOW_MOD_FAILED, "OFPFMFC" },
	{ OF13_ERROR_GROUP_MOD_FAILED, "OFPGMFC" },
	{ OF13_ERROR_PORT_MOD_FAILED, "OFPPMFC" },
	{ OF13_ERROR_TABLE_MOD_FAILED, "OFPTMFC" },
	{ OF13_ERROR_QUEUE_OP_FAILED, "OFPQOFC" },
	{ OF13_ERROR_SWITCH_CONFIG_FAILED, "OFPSCFC" },
	{ OF13_ERROR_ROLE_REQUEST_FAILED, "OFPRRFC" },
	{ OF13_ERROR_METER_MOD_FAILED, "OFPMMFC" },
	{ OF13_ERROR_TABLE_FEATURES_FAILED, "OFPTFFC" },
	{ OF13_ERROR_BAD_PROPERTY, "OFPBPC" },
	{ OF13_ERROR_ASYNC_CONFIG_FAILED, "OFPACFC" },
	{ OF13_ERROR_BUNDLE_FAILED, "OFPBFC" },
};

static const struct {
	uint16_t type, code;
	const char *words;
} meanings[] = {
#define MEANS(type, code, words)                                                                   \
	{                                                                                          \
		OF13_ERROR_##type, OF13_##type##_##code, words                                     \
	}
	MEANS(HELLO_FAILED, INCOMPATIBLE, "the switch speaks no OpenFlow 1.3"),
	MEANS(BAD_REQUEST, BAD_VERSION, "it is not spoken in this version"),
	MEANS(BAD_REQUEST, BAD_TYPE, "the switch does not know the message"),
	MEANS(BAD_REQUEST, BAD_MULTIPART, "the switch does not know the request"),
	MEANS(BAD_REQUEST, EPERM, "not allowed here"),
	MEANS(BAD_REQUEST, BAD_TABLE_ID, "there is no such table"),
	MEANS(BAD_REQUEST, IS_SLAVE, "this controller may only read"),
	MEANS(BAD_REQUEST, BAD_PORT, "there is no such port"),
	MEANS(BAD_REQUEST, BAD_PACKET, "the frame cannot be sent"),
	MEANS(BAD_ACTION, BAD_TYPE, "the switch does not know the action"),
	MEANS(BAD_ACTION, BAD_OUT_PORT, "there is no such port to send to"),
	MEANS(BAD_ACTION, BAD_ARGUMENT, "an action's number is not possible"),
	MEANS(BAD_ACTION, TOO_MANY, "more actions than the switch can do"),
	MEANS(BAD_ACTION, BAD_QUEUE, "there is no such queue"),
	MEANS(BAD_ACTION, BAD_OUT_GROUP, "there is no such group"),
	MEANS(BAD_ACTION, MATCH_INCONSISTENT, "what the flow matches does not have that field"),
	MEANS(BAD_ACTION, UNSUPPORTED_ORDER, "not in this order in an action set"),
	MEANS(BAD_ACTION, BAD_TAG, "not that tag or label"),
	MEANS(BAD_ACTION, BAD_SET_TYPE, "that field cannot be set"),
	MEANS(BAD_ACTION, BAD_SET_ARGUMENT, "that field cannot be set to that value"),
	MEANS(BAD_INSTRUCTION, UNSUP_INST, "the switch does not have that instruction"),
	MEANS(BAD_INSTRUCTION, BAD_TABLE_ID, "goto_table only goes on, to a table that exists"),
	MEANS(BAD_INSTRUCTION, UNSUP_METADATA, "not those bits of metadata"),
	MEANS(BAD_MATCH, BAD_FIELD, "the switch does not match that field"),
	MEANS(BAD_MATCH, BAD_VALUE, "a field cannot have that value"),
	MEANS(BAD_MATCH, BAD_MASK, "a field cannot have that mask"),
	MEANS(BAD_MATCH, BAD_PREREQ, "a field wants others before it: ip, tcp, ..."),
	MEANS(BAD_MATCH, DUP_FIELD, "a field is given twice"),
	MEANS(FLOW_MOD_FAILED, TABLE_FULL, "no more flows fit"),
	MEANS(FLOW_MOD_FAILED, BAD_TABLE_ID, "there is no such table"),
	MEANS(FLOW_MOD_FAILED, OVERLAP, "a flow of the same priority overlaps"),
	MEANS(FLOW_MOD_FAILED, BAD_FLAGS, "not those flags"),
	MEANS(GROUP_MOD_FAILED, GROUP_EXISTS, "there is a group of that number"),
	MEANS(GROUP_MOD_FAILED, INVALID_GROUP, "not as this group is described"),
	MEANS(GROUP_MOD_FAILED, OUT_OF_GROUPS, "no more groups fit"),
	MEANS(GROUP_MOD_FAILED, OUT_OF_BUCKETS, "no more buckets fit"),
	MEANS(GROUP_MOD_FAILED, CHAINING_UNSUPPORTED, "groups do not send to groups here"),
	MEANS(GROUP_MOD_FAILED, LOOP, "groups would send to each other in a circle"),
	MEANS(GROUP_MOD_FAILED, UNKNOWN_GROUP, "there is no such group"),
	MEANS(GROUP_MOD_FAILED, CHAINED_GROUP, "another group sends to it"),
	MEANS(GROUP_MOD_FAILED, BAD_WATCH, "a bucket watches what does not exist"),
	MEANS(PORT_MOD_FAILED, BAD_PORT, "there is no such port"),
	MEANS(PORT_MOD_FAILED, BAD_HW_ADDR, "the port has another address by now"),
	MEANS(PORT_MOD_FAILED, BAD_CONFIG, "the port cannot do that"),
	MEANS(QUEUE_OP_FAILED, BAD_PORT, "there is no such port"),
	MEANS(QUEUE_OP_FAILED, BAD_QUEUE, "the port has no such queue"),
	MEANS(METER_MOD_FAILED, METER_EXISTS, "there is a meter of that number"),
	MEANS(METER_MOD_FAILED, INVALID_METER, "not as this meter is described"),
	MEANS(METER_MOD_FAILED, UNKNOWN_METER, "there is no such meter"),
	MEANS(METER_MOD_FAILED, BAD_BAND, "the switch does not have that kind of band"),
	MEANS(METER_MOD_FAILED, OUT_OF_METERS, "no more meters fit"),
	MEANS(METER_MOD_FAILED, OUT_OF_BANDS, "more bands than a meter has"),
	MEANS(BUNDLE_FAILED, MSG_FAILED, "a message of it failed: nothing has changed"),
	MEANS(BUNDLE_FAILED, MSG_UNSUP, "that message cannot be in a bundle"),
	MEANS(BUNDLE_FAILED, MSG_TOO_MANY, "more messages than a bundle holds"),
	MEANS(BUNDLE_FAILED, OUT_OF_BUNDLES, "no more bundles can be open"),
#undef MEANS
};

// ONF's bundles for 1.3 have their errors as an experimenter's, from 2300 on.
static void unify(uint16_t *type, uint16_t *code)
{
	if (*type == OF13_ERROR_EXPERIMENTER && *code >= ONF_BUNDLE_FAILED &&
	    *code <= ONF_BUNDLE_FAILED + OF13_BUNDLE_FAILED_BUNDLE_IN_PROGRESS) {
		*type = OF13_ERROR_BUNDLE_FAILED;
		*code = (uint16_t)(*code - ONF_BUNDLE_FAILED);
	}
}

const char *of_text_error_words(uint16_t type, uint16_t code)
{
	unify(&type, &code);
	for (size_t i = 0; i < sizeof(meanings) / sizeof(meanings[0]); i++) {
		if (meanings[i].type == type && meanings[i].code == code)
			return meanings[i].words;
	}
	return "";
}

void of_text_error_name(struct of_text *t, uint16_t type, uint16_t code)
{
	const char *name;

	unify(&type, &code);
	name = of13_error_code_name(type, code);
	for (size_t i = 0; name != NULL && i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
		if (prefixes[i].type == type) {
			of_text_printf(t, "%s_%s", prefixes[i].prefix, name);
			return;
		}
	}
	of_text_printf(t, "error type %u code %u", type, code);
}
