// iSCSI and NVMe/TCP streams: what bytes say does not depend on how they are cut; any order, loss
// and repetition is read within bounds, with bounded calls and state. First byte: which, and which
// way; then as pdu_common.h says.
#include "pdu_common.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size > 0)
		fuzz_stream((data[0] & 2) != 0 ? QOS_SVC_NVME : QOS_SVC_ISCSI,
			    (enum qos_way)(data[0] & 1), data + 1, size - 1);
	return 0;
}
