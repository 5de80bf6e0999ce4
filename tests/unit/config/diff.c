// Whatever leaf of the schema changes, the plan names it. The table has a row for each leaf that a
// configuration may have; a leaf without a row fails the test, so that none is forgotten.
#include <stdio.h>

#include "../unit.h"
#include "config_priv.h"

#define ARRAY(a) (sizeof(a) / sizeof((a)[0]))

// Where a row's leaf stands: a document around it.
#define AT_PORT                                                                                    \
	"{\"ietf-interfaces:interfaces\":{\"interface\":[{\"name\":\"a\",\"type\":"                \
	"\"weir-interfaces:guest\",\"weir-interfaces:port\":{%s}}]}}"
#define AT_NIC                                                                                     \
	"{\"weir-vm:vms\":{\"vm\":[{\"name\":\"v\",\"nic\":[{\"id\":0,\"mac\":"                    \
	"\"52:54:00:00:00:01\"%s}]}]}}"
#define AT_NIC_MAC "{\"weir-vm:vms\":{\"vm\":[{\"name\":\"v\",\"nic\":[{\"id\":0,%s}]}]}}"
#define AT_VM                                                                                      \
	"{\"ietf-interfaces:interfaces\":{\"interface\":[{\"name\":\"h\",\"type\":"                \
	"\"weir-interfaces:host\",\"weir-interfaces:port\":{\"tap\":\"h\"}}]},"                    \
	"\"weir-vm:boot-providers\":{\"provider\":[{\"name\":\"p\",\"command\":\"/p\"}]},"         \
	"\"weir-vm:boot-files\":{\"file\":[{\"name\":\"k\",\"path\":\"/k\"},{\"name\":\"l\","      \
	"\"path\":\"/l\"}]},\"weir-vm:boot-services\":{\"service\":[{\"vlan\":1,\"address\":"      \
	"\"10.0.0.2\",\"prefix-length\":24}]},\"weir-vm:vms\":{\"vm\":[{\"name\":\"v\",\"nic\":"   \
	"[{\"id\":0,\"mac\":\"52:54:00:00:00:01\",\"ipv4-address\":[\"10.0.0.5\"]}]%s}]}}"
#define AT_SERVICE "{\"weir-vm:boot-services\":{\"service\":[{\"vlan\":7,%s}]}}"
#define AT_FILE "{\"weir-vm:boot-files\":{\"file\":[{\"name\":\"k\",%s}]}}"
#define AT_LIMITS "{\"weir-vm:boot-services\":{\"limits\":{%s}}}"
#define AT_PROVIDER "{\"weir-vm:boot-providers\":{\"provider\":[{\"name\":\"p\",%s}]}}"
#define AT_STORAGE "{\"weir-qos:storage\":{%s}}"
// An uplink with a rate, so that there may be reservations.
#define AT_CLASS                                                                                   \
	"{\"ietf-interfaces:interfaces\":{\"interface\":[{\"name\":\"u\",\"type\":"                \
	"\"weir-interfaces:uplink\",\"weir-interfaces:port\":{\"tap\":\"u\",\"rate\":"             \
	"\"10000000000\"}}]},\"weir-qos:qos\":{\"class\":[{\"name\":\"storage\"%s}]}}"
#define AT_LINK                                                                                    \
	"{\"ietf-interfaces:interfaces\":{\"interface\":[{\"name\":\"u\",\"type\":"                \
	"\"weir-interfaces:uplink\",\"weir-interfaces:port\":{\"tap\":\"u\"%s}}]}}"
#define AT_NETCONF "{\"weir-management:management\":{\"netconf\":{%s}}}"
#define AT_METRICS "{\"weir-management:management\":{%s}}"
#define AT_TARGET                                                                                  \
	"{\"weir-qos:storage\":{\"server\":[\"10.0.0.1/32\"]},\"weir-vm:vms\":{\"vm\":[{"          \
	"\"name\":\"v\",\"weir-qos:qos\":{\"template\":\"t\"%s}}]},\"weir-qos:qos\":{"             \
	"\"template\":[{\"name\":\"t\",\"storage-target\":1000}]}}"
#define AT_TEMPLATE                                                                                \
	"{\"weir-qos:storage\":{\"server\":[\"10.0.0.1/32\"]},\"weir-vm:vms\":{\"vm\":[{"          \
	"\"name\":\"v\",\"weir-qos:qos\":{\"template\":\"t\"}}]},\"weir-qos:qos\":{"               \
	"\"template\":[{\"name\":\"t\"%s}]}}"
#define AT_SYSTEM "{\"weir-system:system\":{%s}}"
#define AT_TWO                                                                                     \
	"{\"ietf-interfaces:interfaces\":{\"interface\":[{\"name\":\"a\",\"type\":"                \
	"\"weir-interfaces:guest\",\"weir-interfaces:port\":{\"socket\":\"/a\"}},{\"name\":\"b\"," \
	"\"type\":\"weir-interfaces:guest\",\"weir-interfaces:port\":{\"socket\":\"/b\"}}]},"      \
	"\"weir-vm:vms\":{\"vm\":[{\"name\":\"v\",\"nic\":[{\"id\":0,\"mac\":"                     \
	"\"52:54:00:00:00:01\",%s}]}]}}"

#define AT_OF "{\"weir-openflow:openflow\":{%s}}"
#define AT_TLS "{\"weir-openflow:openflow\":{\"tls\":{%s}}}"
#define OF_TLS "\"tls\":{\"private-key\":\"/k\",\"certificate\":\"/c\",\"ca-certificate\":\"/a\"}"
#define AT_CONTROLLER                                                                              \
	"{\"weir-openflow:openflow\":{" OF_TLS ",\"controller\":[{\"name\":\"c\",%s}]}}"
#define AT_LISTENER "{\"weir-openflow:openflow\":{" OF_TLS ",\"listener\":[{\"name\":\"l\",%s}]}}"
#define CONTROLLER "\"address\":\"10.0.0.1\""

#define OF "/weir-openflow:openflow/"
#define IF "/ietf-interfaces:interfaces/interface/weir-interfaces:port/"
#define VM "/weir-vm:vms/vm/"
#define STORAGE "/weir-qos:storage/"
#define MANAGEMENT "/weir-management:management/"
#define CLASS "/weir-qos:qos/class/"
#define ISCSI                                                                                      \
	",\"boot\":{\"method\":\"iscsi\",\"iscsi\":{\"server\":\"10.0.0.9\",\"target\":\"iqn.x\""
#define KERNEL ",\"boot\":{\"method\":\"kernel\",\"kernel\":\"k\""

#define CHAP(user, secret) ",\"chap\":{\"user\":\"" user "\",\"secret\":\"" secret "\"}}}"
#define NFS(server, path, more)                                                                    \
	",\"boot\":{\"method\":\"nfs\",\"kernel\":\"k\",\"nfs\":{\"server\":\"" server             \
	"\",\"path\":\"" path "\"" more "}}"

struct row {
	const char *leaf, *around, *from, *to, *want;
};

static const struct row rows[] = {
	{ IF "socket", AT_PORT, "\"socket\":\"/s\"", "\"socket\":\"/t\"",
	  "port a: change socket (a new link)" },
	{ IF "af-packet", AT_PORT, "\"af-packet\":\"e\"", "\"af-packet\":\"f\"",
	  "port a: change af-packet (a new link)" },
	{ IF "tap", AT_PORT, "\"tap\":\"e\"", "\"tap\":\"f\"", "port a: change tap (a new link)" },
	{ IF "device", AT_PORT, "\"socket\":\"/s\"", "\"device\":\"net_null0\"",
	  "port a: change device (a new link)" },
	{ IF "mirror-destination", AT_PORT, "\"socket\":\"/s\"",
	  "\"socket\":\"/s\",\"mirror-destination\":true", "port a: change mirror-destination" },
	{ VM "uuid", AT_VM, ",\"uuid\":\"9a3a56a7-6bd4-4b9e-8a2c-0d5a8a1fd001\"",
	  ",\"uuid\":\"9a3a56a7-6bd4-4b9e-8a2c-0d5a8a1fd002\"", "vm v: change uuid" },
	{ VM "hostname", AT_VM, "", ",\"hostname\":\"h\"", "vm v: change hostname" },
	{ VM "nic/mac", AT_NIC_MAC, "\"mac\":\"52:54:00:00:00:01\"",
	  "\"mac\":\"52:54:00:00:00:02\"", "port v.0: change mac" },
	{ VM "nic/ipv4-address", AT_NIC, ",\"ipv4-address\":[\"10.0.0.5\"]",
	  ",\"ipv4-address\":[\"10.0.0.6\"]", "port v.0: change ipv4-address" },
	{ VM "nic/ipv6-address", AT_NIC, "", ",\"ipv6-address\":[\"2001:db8::1\"]",
	  "port v.0: change ipv6-address" },
	{ VM "nic/socket", AT_NIC, "", ",\"socket\":\"/t\"",
	  "port v.0: change socket (a new link)" },
	{ VM "nic/interface", AT_TWO, "\"interface\":\"a\"", "\"interface\":\"b\"",
	  "port a: change vm, mac\nport b: change vm, mac\nvm v: change nic" },
	{ VM "boot/method", AT_VM, "", ISCSI "}}",
	  "vm v: change boot/method, boot/iscsi/server, boot/iscsi/target" },
	{ VM "boot/iscsi/server", AT_VM, ISCSI "}}",
	  ",\"boot\":{\"method\":\"iscsi\",\"iscsi\":{\"server\":\"10.0.0.8\",\"target\":\"iqn.x\"}"
	  "}",
	  "vm v: change boot/iscsi/server" },
	{ VM "boot/iscsi/target", AT_VM, ISCSI "}}",
	  ",\"boot\":{\"method\":\"iscsi\",\"iscsi\":{\"server\":\"10.0.0.9\",\"target\":\"iqn.y\"}"
	  "}",
	  "vm v: change boot/iscsi/target" },
	{ VM "boot/iscsi/port", AT_VM, ISCSI "}}", ISCSI ",\"port\":860}}",
	  "vm v: change boot/iscsi/port" },
	{ VM "boot/iscsi/lun", AT_VM, ISCSI "}}", ISCSI ",\"lun\":2}}",
	  "vm v: change boot/iscsi/lun" },
	{ VM "boot/iscsi/initiator", AT_VM, ISCSI "}}", ISCSI ",\"initiator\":\"iqn.z\"}}",
	  "vm v: change boot/iscsi/initiator" },
	{ VM "boot/kernel", AT_VM, KERNEL "}", ",\"boot\":{\"method\":\"kernel\",\"kernel\":\"l\"}",
	  "vm v: change boot/kernel" },
	{ VM "boot/initrd", AT_VM, KERNEL "}", KERNEL ",\"initrd\":\"l\"}",
	  "vm v: change boot/initrd" },
	{ VM "boot/cmdline", AT_VM, KERNEL "}", KERNEL ",\"cmdline\":\"quiet\"}",
	  "vm v: change boot/cmdline" },
	{ VM "machine/memory", AT_VM, "", ",\"machine\":{\"memory\":1024}",
	  "vm v: change machine/memory" },
	{ VM "machine/vcpus", AT_VM, "", ",\"machine\":{\"vcpus\":2}",
	  "vm v: change machine/vcpus" },
	{ VM "machine/firmware", AT_VM, "", ",\"machine\":{\"firmware\":\"uefi\"}",
	  "vm v: change machine/firmware" },
	{ VM "machine/acceleration", AT_VM, "", ",\"machine\":{\"acceleration\":\"tcg\"}",
	  "vm v: change machine/acceleration" },
	{ VM "machine/disk", AT_VM, "", ",\"machine\":{\"disk\":[\"/d\"]}",
	  "vm v: change machine/disk" },
	{ VM "machine/argument", AT_VM, "", ",\"machine\":{\"argument\":[\"-S\"]}",
	  "vm v: change machine/argument" },
	{ VM "machine/emulator", AT_VM, "", ",\"machine\":{\"emulator\":\"/e\"}",
	  "vm v: change machine/emulator" },
	{ VM "machine/monitor", AT_VM, "", ",\"machine\":{\"monitor\":\"/m\"}",
	  "vm v: change machine/monitor" },
	{ NULL, AT_VM, ",\"machine\":{\"disk\":[\"/a\",\"/b\"]}",
	  ",\"machine\":{\"disk\":[\"/b\",\"/a\"]}", "vm v: change machine/disk" },
	{ VM "boot/iscsi/chap/user", AT_VM, ISCSI CHAP("u", "0123456789ab"),
	  ISCSI CHAP("w", "0123456789ab"), "vm v: change boot/iscsi/chap/user" },
	{ VM "boot/iscsi/chap/secret", AT_VM, ISCSI CHAP("u", "0123456789ab"),
	  ISCSI CHAP("u", "0123456789ac"), "vm v: change boot/iscsi/chap/secret" },
	{ VM "boot/nfs/server", AT_VM, NFS("10.0.0.9", "/r", ""), NFS("10.0.0.8", "/r", ""),
	  "vm v: change boot/nfs/server" },
	{ VM "boot/nfs/path", AT_VM, NFS("10.0.0.9", "/r", ""), NFS("10.0.0.9", "/s", ""),
	  "vm v: change boot/nfs/path" },
	{ VM "boot/nfs/version", AT_VM, NFS("10.0.0.9", "/r", ""),
	  NFS("10.0.0.9", "/r", ",\"version\":\"3\""), "vm v: change boot/nfs/version" },
	{ VM "boot/nfs/options", AT_VM, NFS("10.0.0.9", "/r", ""),
	  NFS("10.0.0.9", "/r", ",\"options\":\"ro\""), "vm v: change boot/nfs/options" },
	{ VM "boot/http/file", AT_VM, ",\"boot\":{\"method\":\"http\",\"http\":{\"file\":\"k\"}}",
	  ",\"boot\":{\"method\":\"http\",\"http\":{\"file\":\"l\"}}",
	  "vm v: change boot/http/file" },
	{ VM "boot/loader", AT_VM, "", ",\"boot\":{\"loader\":\"ipxe.efi\"}",
	  "vm v: change boot/loader" },
	{ VM "boot/file", AT_VM, ",\"boot\":{\"file\":[\"k\"]}", ",\"boot\":{\"file\":[\"l\"]}",
	  "vm v: change boot/file" },
	{ VM "boot/provider", AT_VM, "", ",\"boot\":{\"provider\":\"p\"}",
	  "vm v: change boot/provider" },
	{ VM "boot/image", AT_VM, ",\"boot\":{\"provider\":\"p\"}",
	  ",\"boot\":{\"provider\":\"p\",\"image\":\"debian\"}", "vm v: change boot/image" },
	{ "/weir-vm:boot-services/service/mode", AT_SERVICE,
	  "\"address\":\"10.0.0.2\",\"prefix-length\":24",
	  "\"address\":\"10.0.0.2\",\"prefix-length\":24,\"mode\":\"proxy\"",
	  "boot-service 7: change mode" },
	{ "/weir-vm:boot-services/service/http", AT_SERVICE,
	  "\"address\":\"10.0.0.2\",\"prefix-length\":24",
	  "\"address\":\"10.0.0.2\",\"prefix-length\":24,\"http\":false",
	  "boot-service 7: change http" },
	{ "/weir-vm:boot-services/service/lease-time", AT_SERVICE,
	  "\"address\":\"10.0.0.2\",\"prefix-length\":24",
	  "\"address\":\"10.0.0.2\",\"prefix-length\":24,\"lease-time\":600",
	  "boot-service 7: change lease-time" },
	{ "/weir-vm:boot-services/service/uefi-loader", AT_SERVICE,
	  "\"address\":\"10.0.0.2\",\"prefix-length\":24",
	  "\"address\":\"10.0.0.2\",\"prefix-length\":24,\"uefi-loader\":\"ipxe.efi\"",
	  "boot-service 7: change uefi-loader" },
	{ "/weir-vm:boot-services/service/bios-loader", AT_SERVICE,
	  "\"address\":\"10.0.0.2\",\"prefix-length\":24",
	  "\"address\":\"10.0.0.2\",\"prefix-length\":24,\"bios-loader\":\"ipxe.efi\"",
	  "boot-service 7: change bios-loader" },
	{ "/weir-vm:boot-services/service/pool/first", AT_SERVICE,
	  "\"address\":\"10.0.0.2\",\"prefix-length\":24,\"pool\":{\"first\":\"10.0.0.50\","
	  "\"last\":\"10.0.0.60\"}",
	  "\"address\":\"10.0.0.2\",\"prefix-length\":24,\"pool\":{\"first\":\"10.0.0.51\","
	  "\"last\":\"10.0.0.60\"}",
	  "boot-service 7: change pool/first" },
	{ "/weir-vm:boot-services/service/pool/last", AT_SERVICE,
	  "\"address\":\"10.0.0.2\",\"prefix-length\":24,\"pool\":{\"first\":\"10.0.0.50\","
	  "\"last\":\"10.0.0.60\"}",
	  "\"address\":\"10.0.0.2\",\"prefix-length\":24,\"pool\":{\"first\":\"10.0.0.50\","
	  "\"last\":\"10.0.0.61\"}",
	  "boot-service 7: change pool/last" },
	{ "/weir-vm:boot-services/service/pool/lease-time", AT_SERVICE,
	  "\"address\":\"10.0.0.2\",\"prefix-length\":24,\"pool\":{\"first\":\"10.0.0.50\","
	  "\"last\":\"10.0.0.60\"}",
	  "\"address\":\"10.0.0.2\",\"prefix-length\":24,\"pool\":{\"first\":\"10.0.0.50\","
	  "\"last\":\"10.0.0.60\",\"lease-time\":600}",
	  "boot-service 7: change pool/lease-time" },
	{ NULL, AT_SERVICE, "\"address\":\"10.0.0.2\",\"prefix-length\":24",
	  "\"address\":\"10.0.0.2\",\"prefix-length\":24,\"pool\":{\"first\":\"10.0.0.50\","
	  "\"last\":\"10.0.0.60\"}",
	  "boot-service 7: change pool, pool/first, pool/last, pool/lease-time" },
	{ "/weir-vm:boot-services/limits/dhcp-rate", AT_LIMITS, "", "\"dhcp-rate\":7",
	  "boot-limits: change dhcp-rate" },
	{ "/weir-vm:boot-services/limits/dhcp-burst", AT_LIMITS, "", "\"dhcp-burst\":7",
	  "boot-limits: change dhcp-burst" },
	{ "/weir-vm:boot-services/limits/neighbour-rate", AT_LIMITS, "", "\"neighbour-rate\":7",
	  "boot-limits: change neighbour-rate" },
	{ "/weir-vm:boot-services/limits/transfers", AT_LIMITS, "", "\"transfers\":7",
	  "boot-limits: change transfers" },
	{ "/weir-vm:boot-providers/provider/command", AT_PROVIDER, "\"command\":\"/p\"",
	  "\"command\":\"/q\"", "boot-provider p: change command" },
	{ "/weir-vm:boot-providers/provider/argument", AT_PROVIDER, "\"command\":\"/p\"",
	  "\"command\":\"/p\",\"argument\":[\"a\"]", "boot-provider p: change argument" },
	{ "/weir-vm:boot-providers/provider/timeout", AT_PROVIDER, "\"command\":\"/p\"",
	  "\"command\":\"/p\",\"timeout\":7", "boot-provider p: change timeout" },
	{ NULL, AT_PROVIDER, "\"command\":\"/p\",\"argument\":[\"a\",\"b\"]",
	  "\"command\":\"/p\",\"argument\":[\"ab\"]", "boot-provider p: change argument" },
	{ "/weir-vm:boot-services/service/address", AT_SERVICE,
	  "\"address\":\"10.0.0.2\",\"prefix-length\":24",
	  "\"address\":\"10.0.0.3\",\"prefix-length\":24", "boot-service 7: change address" },
	{ "/weir-vm:boot-services/service/prefix-length", AT_SERVICE,
	  "\"address\":\"10.0.0.2\",\"prefix-length\":24",
	  "\"address\":\"10.0.0.2\",\"prefix-length\":16", "boot-service 7: change prefix-length" },
	{ "/weir-vm:boot-services/service/router", AT_SERVICE,
	  "\"address\":\"10.0.0.2\",\"prefix-length\":24",
	  "\"address\":\"10.0.0.2\",\"prefix-length\":24,\"router\":\"10.0.0.1\"",
	  "boot-service 7: change router" },
	{ "/weir-vm:boot-services/service/dns", AT_SERVICE,
	  "\"address\":\"10.0.0.2\",\"prefix-length\":24",
	  "\"address\":\"10.0.0.2\",\"prefix-length\":24,\"dns\":[\"10.0.0.1\"]",
	  "boot-service 7: change dns" },
	{ "/weir-vm:boot-services/service/domain", AT_SERVICE,
	  "\"address\":\"10.0.0.2\",\"prefix-length\":24",
	  "\"address\":\"10.0.0.2\",\"prefix-length\":24,\"domain\":\"x.example\"",
	  "boot-service 7: change domain" },
	{ "/weir-vm:boot-files/file/path", AT_FILE, "\"path\":\"/k\"", "\"path\":\"/l\"",
	  "boot-file k: change path" },
	{ "/weir-qos:storage/server", AT_STORAGE, "", "\"server\":[\"10.0.0.0/29\"]",
	  "storage: change server" },
	{ "/weir-qos:storage/portal/service", AT_STORAGE,
	  "\"portal\":[{\"address\":\"10.0.0.9\",\"protocol\":\"tcp\",\"port\":4420}]",
	  "\"portal\":[{\"address\":\"10.0.0.9\",\"protocol\":\"tcp\",\"port\":4420,\"service\":"
	  "\"nbd\"}]",
	  "storage: change portal" },
	{ STORAGE "learning", AT_STORAGE, "", "\"learning\":false", "storage: change learning" },
	{ STORAGE "telemetry", AT_STORAGE, "", "\"telemetry\":false", "storage: change telemetry" },
	{ STORAGE "max-learnt", AT_STORAGE, "", "\"max-learnt\":7", "storage: change max-learnt" },
	{ STORAGE "max-learnt-per-server", AT_STORAGE, "", "\"max-learnt-per-server\":7",
	  "storage: change max-learnt-per-server" },
	{ STORAGE "ageing", AT_STORAGE, "", "\"ageing\":0", "storage: change ageing" },
	{ STORAGE "l2-protocol", AT_STORAGE, "\"l2-protocol\":[\"fcoe\"]",
	  "\"l2-protocol\":[\"aoe\"]", "storage: change l2-protocol" },
	{ STORAGE "boot/window", AT_STORAGE, "", "\"boot\":{\"window\":3}",
	  "storage: change boot/window" },
	{ STORAGE "boot/deadline", AT_STORAGE, "", "\"boot\":{\"deadline\":3}",
	  "storage: change boot/deadline" },
	{ STORAGE "boot/longest", AT_STORAGE, "", "\"boot\":{\"longest\":121}",
	  "storage: change boot/longest" },
	{ STORAGE "boot/most-bytes", AT_STORAGE, "", "\"boot\":{\"most-bytes\":\"1048576\"}",
	  "storage: change boot/most-bytes" },
	{ NULL, AT_STORAGE, "", "\"server\":[\"10.0.0.0/29\"],\"learning\":false",
	  "storage: change server, learning" },
	{ VM "weir-qos:qos/storage-target", AT_TARGET, "", ",\"storage-target\":2000",
	  "vm v: change qos/storage-target" },
	{ "/weir-qos:qos/template/storage-target", AT_TEMPLATE, "", ",\"storage-target\":2000",
	  "vm v: change qos/storage-target" },
	{ OF "enabled", AT_OF, "", "\"enabled\":true", "openflow: add" },
	{ NULL, AT_OF, "\"enabled\":true", "", "openflow: remove" },
	{ OF "datapath-id", AT_OF, "", "\"datapath-id\":\"00000000000000a1\"",
	  "openflow: change datapath-id" },
	{ OF "fail-mode", AT_OF, "", "\"fail-mode\":\"standalone\"", "openflow: change fail-mode" },
	{ OF "flow-limit", AT_OF, "", "\"flow-limit\":7", "openflow: change flow-limit" },
	{ OF "cache-entries", AT_OF, "", "\"cache-entries\":64", "openflow: change cache-entries" },
	{ OF "version-1.4", AT_OF, "", "\"version-1.4\":true", "openflow: change version-1.4" },
	{ OF "packet-in/rate", AT_OF, "", "\"packet-in\":{\"rate\":7}",
	  "openflow: change packet-in/rate" },
	{ OF "packet-in/burst", AT_OF, "", "\"packet-in\":{\"burst\":7}",
	  "openflow: change packet-in/burst" },
	{ OF "controller/name", AT_OF, "", "\"controller\":[{\"name\":\"a\",\"address\":\"::1\"}]",
	  "openflow: change controller" },
	{ OF "controller/address", AT_CONTROLLER, "\"address\":\"10.0.0.1\"",
	  "\"address\":\"10.0.0.2\"", "openflow: change controller" },
	{ OF "controller/port", AT_CONTROLLER, CONTROLLER, CONTROLLER ",\"port\":7",
	  "openflow: change controller" },
	{ OF "controller/protocol", AT_CONTROLLER, CONTROLLER, CONTROLLER ",\"protocol\":\"tls\"",
	  "openflow: change controller" },
	{ OF "controller/inactivity-probe", AT_CONTROLLER, CONTROLLER,
	  CONTROLLER ",\"inactivity-probe\":7", "openflow: change controller" },
	{ OF "controller/max-backoff", AT_CONTROLLER, CONTROLLER, CONTROLLER ",\"max-backoff\":7",
	  "openflow: change controller" },
	{ OF "controller/peer-name", AT_CONTROLLER, CONTROLLER ",\"protocol\":\"tls\"",
	  CONTROLLER ",\"protocol\":\"tls\",\"peer-name\":\"c.example\"",
	  "openflow: change controller" },
	{ OF "listener/name", AT_OF, "\"listener\":[{\"name\":\"l\",\"unix\":\"/s\"}]",
	  "\"listener\":[{\"name\":\"m\",\"unix\":\"/s\"}]", "openflow: change listener" },
	{ OF "listener/unix", AT_LISTENER, "\"unix\":\"/s\"", "\"unix\":\"/t\"",
	  "openflow: change listener" },
	{ OF "listener/address", AT_LISTENER, "\"address\":\"10.0.0.1\"",
	  "\"address\":\"10.0.0.2\"", "openflow: change listener" },
	{ OF "listener/port", AT_LISTENER, "\"address\":\"10.0.0.1\"",
	  "\"address\":\"10.0.0.1\",\"port\":7", "openflow: change listener" },
	{ OF "listener/protocol", AT_LISTENER, "\"address\":\"10.0.0.1\"",
	  "\"address\":\"10.0.0.1\",\"protocol\":\"tls\"", "openflow: change listener" },
	{ OF "listener/peer-name", AT_LISTENER, "\"address\":\"10.0.0.1\",\"protocol\":\"tls\"",
	  "\"address\":\"10.0.0.1\",\"protocol\":\"tls\",\"peer-name\":\"c.example\"",
	  "openflow: change listener" },
	{ NULL, AT_OF, "\"listener\":[{\"name\":\"l\",\"address\":\"::\"}]",
	  "\"enabled\":true,\"listener\":[{\"name\":\"l\",\"address\":\"::\"}]",
	  "openflow: add warning: whoever reaches :: port 6653 may program the switch" },
	{ OF "tls/private-key", AT_TLS, "\"private-key\":\"/x\"", "\"private-key\":\"/y\"",
	  "openflow: change tls/private-key" },
	{ OF "tls/certificate", AT_TLS, "\"certificate\":\"/x\"", "\"certificate\":\"/y\"",
	  "openflow: change tls/certificate" },
	{ OF "tls/ca-certificate", AT_TLS, "\"ca-certificate\":\"/x\"", "\"ca-certificate\":\"/y\"",
	  "openflow: change tls/ca-certificate" },
	{ MANAGEMENT "metrics/port", AT_METRICS, "\"metrics\":{}", "\"metrics\":{\"port\":1}",
	  "metrics: change port" },
	{ NULL, AT_METRICS, "", "\"metrics\":{}", "metrics: add" },
	{ NULL, AT_METRICS, "\"metrics\":{\"address\":\"::1\"}", "", "metrics: remove" },
	// Whoever opens it to others is told.
	{ MANAGEMENT "metrics/address", AT_METRICS, "\"metrics\":{\"address\":\"127.7.7.7\"}",
	  "\"metrics\":{\"address\":\"10.0.0.1\"}",
	  "metrics: change address, warning: whoever reaches 10.0.0.1 port 9477 may read all "
	  "metrics" },
	{ NULL, AT_METRICS, "", "\"metrics\":{\"address\":\"::\"}",
	  "metrics: add warning: whoever reaches :: port 9477 may read all metrics" },
	// A portal is all key but for its service: another one is there.
	{ NULL, AT_STORAGE, "",
	  "\"portal\":[{\"address\":\"10.0.0.9\",\"protocol\":\"tcp\",\"port\":4420}]",
	  "storage: change portal" },
	{ NULL, AT_STORAGE, "\"server\":[\"10.0.0.0/29\"]",
	  "\"portal\":[{\"address\":\"10.0.0.9\",\"protocol\":\"udp\",\"port\":4420}]",
	  "storage: change portal, server" },
	{ IF "rate", AT_LINK, "", ",\"rate\":\"1000000000\"", "port u: change rate" },
	{ CLASS "shares", AT_CLASS, "", ",\"shares\":17", "qos: change storage/shares" },
	{ CLASS "reservation", AT_CLASS, "", ",\"reservation\":\"1000000000\"",
	  "qos: change storage/reservation" },
	{ CLASS "limit", AT_CLASS, "", ",\"limit\":\"1000000000\"", "qos: change storage/limit" },
	{ CLASS "vlan", AT_CLASS, ",\"vlan\":[7]", ",\"vlan\":[8]", "qos: change storage/vlan" },
	{ CLASS "pcp", AT_CLASS, "", ",\"pcp\":3", "qos: change storage/pcp" },
	{ CLASS "dscp", AT_CLASS, "", ",\"dscp\":0", "qos: change storage/dscp" },
	// The interval is 20 targets unless it is set.
	{ CLASS "target", AT_CLASS, "", ",\"target\":1000",
	  "qos: change storage/target, storage/interval" },
	{ CLASS "interval", AT_CLASS, "", ",\"interval\":10000", "qos: change storage/interval" },
	{ CLASS "ecn-threshold", AT_CLASS, "", ",\"ecn-threshold\":0",
	  "qos: change storage/ecn-threshold" },
	{ CLASS "max-wait", AT_CLASS, "", ",\"max-wait\":0", "qos: change storage/max-wait" },
	{ CLASS "max-bytes", AT_CLASS, "", ",\"max-bytes\":65536",
	  "qos: change storage/max-bytes" },
	{ NULL, AT_CLASS, "",
	  ",\"shares\":17,\"vlan\":[7],\"pcp\":3,\"dscp\":0,\"target\":9,\"interval\":1234,"
	  "\"ecn-threshold\":0,\"max-wait\":0,\"max-bytes\":65536,\"limit\":\"1000\"",
	  "qos: change storage/shares, storage/limit, storage/pcp, storage/dscp, storage/target, "
	  "storage/interval, storage/ecn-threshold, storage/max-wait, storage/max-bytes, ..." },
	{ "/weir-management:management/netconf/max-sessions", AT_NETCONF, "", "\"max-sessions\":5",
	  "management: change netconf/max-sessions" },
	{ "/weir-management:management/netconf/idle-timeout", AT_NETCONF, "", "\"idle-timeout\":5",
	  "management: change netconf/idle-timeout" },
	{ "/weir-management:management/netconf/hello-timeout", AT_NETCONF, "",
	  "\"hello-timeout\":5", "management: change netconf/hello-timeout" },
	{ "/weir-system:system/worker-cpu", AT_SYSTEM, "", "\"worker-cpu\":[1]",
	  "system: change worker-cpu" },
	{ "/weir-system:system/max-sleep", AT_SYSTEM, "", "\"max-sleep\":0",
	  "system: change max-sleep" },
	{ "/weir-system:system/packet-buffers", AT_SYSTEM, "", "\"packet-buffers\":4096",
	  "system: change packet-buffers" },
	{ "/weir-system:system/queue-length", AT_SYSTEM, "", "\"queue-length\":64",
	  "system: change queue-length" },
	{ "/weir-system:system/mac-table-size", AT_SYSTEM, "", "\"mac-table-size\":64",
	  "system: change mac-table-size" },
	{ "/weir-system:system/mac-ageing", AT_SYSTEM, "", "\"mac-ageing\":60",
	  "system: change mac-ageing" },
};

// What interfaces and network cards have in common; %s is the port.
static const struct row shared[] = {
	{ "vlan-mode", NULL, ",\"vlan-mode\":\"native-untagged\"",
	  ",\"vlan-mode\":\"native-tagged\"", "vlan-mode" },
	{ "vlan", NULL, "", ",\"vlan\":2", "vlan" },
	{ "trunk", NULL, ",\"trunk\":[\"5\"]", ",\"trunk\":[\"5-6\"]", "trunk" },
	{ "mtu", NULL, "", ",\"mtu\":9000", "mtu" },
	{ "queues", NULL, "", ",\"queues\":2", "queues" },
	{ "isolated", NULL, "", ",\"isolated\":true", "isolated" },
	{ "of-port", NULL, "", ",\"of-port\":7", "of-port" },
	{ "default-class", NULL, "", ",\"default-class\":\"scavenger\"", "default-class" },
	{ "trust-dscp", NULL, "", ",\"trust-dscp\":true", "trust-dscp" },
	{ "trust-pcp", NULL, "", ",\"trust-pcp\":true", "trust-pcp" },
	{ "admit/enabled", NULL, "", ",\"admit\":{\"enabled\":false}", "admit/enabled" },
	{ "admit/mac-limit", NULL, "", ",\"admit\":{\"mac-limit\":2}", "mac-limit" },
	{ "admit/broadcast-limit", NULL, "", ",\"admit\":{\"broadcast-limit\":2}",
	  "broadcast-limit" },
	{ "admit/unknown-unicast-limit", NULL, "", ",\"admit\":{\"unknown-unicast-limit\":2}",
	  "unknown-unicast-limit" },
	{ "admit/control-limit", NULL, "", ",\"admit\":{\"control-limit\":2}", "control-limit" },
	{ "admit/dhcp-guard", NULL, "", ",\"admit\":{\"dhcp-guard\":false}", "dhcp-guard" },
	{ "admit/ra-guard", NULL, "", ",\"admit\":{\"ra-guard\":false}", "ra-guard" },
};

// What VMs, guest ports without one and templates have in common.
#define METER "\"committed-rate\":\"5000000\""
static const struct row policies[] = {
	{ "shares", NULL, "", "\"shares\":2", "qos/shares" },
	{ "reservation", NULL, "", "\"reservation\":\"5000\"", "qos/reservation" },
	{ "limit", NULL, "", "\"limit\":\"5000\"", "qos/limit" },
	{ "limit-from", NULL, "", "\"limit-from\":\"5000\"", "qos/limit" },
	{ "limit-to", NULL, "", "\"limit-to\":\"5000\"", "qos/limit" },
	{ "packet-limit", NULL, "", "\"packet-limit\":500", "qos/packet-limit" },
	{ "packet-limit-from", NULL, "", "\"packet-limit-from\":500", "qos/packet-limit" },
	{ "packet-limit-to", NULL, "", "\"packet-limit-to\":500", "qos/packet-limit" },
	{ "priority", NULL, "\"reservation\":\"5000\"",
	  "\"reservation\":\"5000\",\"priority\":\"boot\"", "qos/priority, qos/class" },
	{ "class/shares", NULL, "", "\"class\":[{\"name\":\"boot\",\"shares\":2}]", "qos/class" },
	{ "class/reservation", NULL, "", "\"class\":[{\"name\":\"boot\",\"reservation\":\"5000\"}]",
	  "qos/class" },
	{ "class/limit", NULL, "", "\"class\":[{\"name\":\"boot\",\"limit\":\"5000\"}]",
	  "qos/class" },
	{ "meter/committed-rate", NULL, "", "\"meter\":{" METER "}", "qos/meter" },
	{ "meter/committed-burst", NULL, "\"meter\":{" METER "}",
	  "\"meter\":{" METER ",\"committed-burst\":70000}", "qos/meter" },
	{ "meter/excess-rate", NULL, "\"meter\":{" METER "}",
	  "\"meter\":{" METER ",\"excess-rate\":\"5000\"}", "qos/meter" },
	{ "meter/excess-burst", NULL, "\"meter\":{" METER ",\"excess-rate\":\"5000\"}",
	  "\"meter\":{" METER ",\"excess-rate\":\"5000\",\"excess-burst\":70000}", "qos/meter" },
	{ "meter/peak-rate", NULL, "\"meter\":{" METER "}",
	  "\"meter\":{" METER ",\"peak-rate\":\"5000000\"}", "qos/meter" },
	{ "meter/peak-burst", NULL, "\"meter\":{" METER ",\"peak-rate\":\"5000000\"}",
	  "\"meter\":{" METER ",\"peak-rate\":\"5000000\",\"peak-burst\":170000}", "qos/meter" },
	{ "meter/colour-aware", NULL, "\"meter\":{" METER "}",
	  "\"meter\":{" METER ",\"colour-aware\":true}", "qos/meter" },
};

static struct cfg_schema *schema;

static struct cfg *load(const char *around, const char *leaf)
{
	char json[2048];
	struct cfg_error err = { 0 };
	struct cfg *c;

	snprintf(json, sizeof(json), around, leaf);
	if (cfg_load(schema, json, strlen(json), &c, &err) < 0)
		fail_msg("%s: %s %s: %s", json, err.path, err.value, err.reason);
	return c;
}

static void expect_plan(const struct cfg *from, const struct cfg *to, const char *want)
{
	char text[1024] = "", line[320];
	struct cfg_action *a;
	int n = cfg_diff(from, to, &a);

	for (int i = 0; i < n; i++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s",
			 i > 0 ? "\n" : "", cfg_action_text(&a[i], line, sizeof(line)));
	free(a);
	assert_string_equal(text, want);
}

// Forth and back: one plan in both directions, and none from a configuration to itself.
static void expect_named(const struct row *r, const char *want)
{
	struct cfg *x = load(r->around, r->from), *y = load(r->around, r->to);

	expect_plan(x, y, want);
	expect_plan(y, y, "");
	cfg_free(x);
	cfg_free(y);
}

static void every_change_is_named(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY(rows); i++)
		expect_named(&rows[i], rows[i].want);
}

static void policy_is_named_on_interfaces_and_on_cards(void **state)
{
	char from[256], to[256], want[256];

	(void)state;
	for (size_t i = 0; i < ARRAY(shared); i++) {
		struct row r = { .around = AT_NIC, .from = shared[i].from, .to = shared[i].to };

		snprintf(want, sizeof(want), "port v.0: change %s", shared[i].want);
		expect_named(&r, want);
		snprintf(from, sizeof(from), "\"socket\":\"/s\"%s", shared[i].from);
		snprintf(to, sizeof(to), "\"socket\":\"/s\"%s", shared[i].to);
		r = (struct row){ .around = AT_PORT, .from = from, .to = to };
		snprintf(want, sizeof(want), "port a: change %s", shared[i].want);
		expect_named(&r, want);
	}
}

static void a_mirror_is_named(void **state)
{
#define WATCH                                                                                      \
	"\"ietf-interfaces:interfaces\":{\"interface\":[{\"name\":\"w\",\"type\":"                 \
	"\"weir-interfaces:host\",\"weir-interfaces:port\":{\"tap\":\"w\",\"mirror-destination\":" \
	"true}},{\"name\":\"a\",\"type\":\"weir-interfaces:guest\",\"weir-interfaces:port\":{"     \
	"\"socket\":\"/s\""
#define CARD                                                                                       \
	"}}]},\"weir-vm:vms\":{\"vm\":[{\"name\":\"v\",\"nic\":[{\"id\":0,\"mac\":"                \
	"\"52:54:00:00:00:01\""
	static const struct row at[] = {
		{ NULL, "{" WATCH "%s" CARD "}]}]}}", "", ",\"mirror-to\":\"w\"",
		  "port a: change mirror-to" },
		{ NULL, "{" WATCH CARD "%s}]}]}}", "", ",\"mirror-to\":\"w\"",
		  "port v.0: change mirror-to" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY(at); i++)
		expect_named(&at[i], at[i].want);
}

// A policy stands in three places; what a template says is named where it counts.
#define PLACES                                                                                     \
	"{\"ietf-interfaces:interfaces\":{\"interface\":[{\"name\":\"u\",\"type\":"                \
	"\"weir-interfaces:uplink\",\"weir-interfaces:port\":{\"tap\":\"u\",\"rate\":"             \
	"\"10000000000\"}},{\"name\":\"a\",\"type\":\"weir-interfaces:guest\","                    \
	"\"weir-interfaces:port\":{\"socket\":\"/s\""
#define PLACES_VM "}}]},\"weir-vm:vms\":{\"vm\":[{\"name\":\"v\""

static void policy_is_named_wherever_it_stands(void **state)
{
	static const char *const places[] = {
		PLACES ",\"weir-qos:qos\":{%s}" PLACES_VM "}]}}",
		PLACES PLACES_VM ",\"weir-qos:qos\":{%s}}]}}",
		PLACES ",\"weir-qos:qos\":{\"template\":\"t\"}" PLACES_VM
		       "}]},\"weir-qos:qos\":{\"template\":[{\"name\":\"t\"%s}]}}",
		PLACES PLACES_VM
		",\"weir-qos:qos\":{\"template\":\"t\"}}]},\"weir-qos:qos\":{\"template\":"
		"[{\"name\":\"t\"%s}]}}",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY(policies) * ARRAY(places); i++) {
		const struct row *p = &policies[i / ARRAY(places)];
		size_t place = i % ARRAY(places);
		char from[256], to[256], want[256];
		struct row r = { .around = places[place], .from = from, .to = to };

		// In a template it stands behind the name.
		snprintf(from, sizeof(from), "%s%s", place > 1 && p->from[0] ? "," : "", p->from);
		snprintf(to, sizeof(to), "%s%s", place > 1 ? "," : "", p->to);
		snprintf(want, sizeof(want),
			 place % 2 == 0 ? "port a: change %s" : "vm v: change %s", p->want);
		expect_named(&r, want);
	}
}

static bool has_policy_row(const char *leaf)
{
	static const char *const places[] = { IF "weir-qos:qos/", VM "weir-qos:qos/",
					      "/weir-qos:qos/template/" };

	for (size_t i = 0; i < ARRAY(places); i++) {
		if (strncmp(leaf, places[i], strlen(places[i])) != 0)
			continue;
		leaf += strlen(places[i]);
		for (size_t k = 0; k < ARRAY(policies); k++) {
			if (strcmp(policies[k].leaf, leaf) == 0)
				return true;
		}
		return strcmp(leaf, "template") == 0; // policy_is_named_wherever_it_stands
	}
	return false;
}

static bool has_row(const char *leaf)
{
	const char *tail = NULL;

	if (has_policy_row(leaf))
		return true;

	if (strncmp(leaf, IF, strlen(IF)) == 0)
		tail = leaf + strlen(IF);
	else if (strncmp(leaf, VM "nic/", strlen(VM "nic/")) == 0)
		tail = leaf + strlen(VM "nic/");
	for (size_t i = 0; i < ARRAY(rows); i++) {
		if (rows[i].leaf != NULL && strcmp(rows[i].leaf, leaf) == 0)
			return true;
	}
	for (size_t i = 0; tail != NULL && i < ARRAY(shared); i++) {
		if (strcmp(shared[i].leaf, tail) == 0)
			return true;
	}
	return tail != NULL && strcmp(tail, "mirror-to") == 0; // a_mirror_is_named
}

static uint32_t n_leaves;

static LY_ERR leaf_check(struct lysc_node *n, void *data, ly_bool *dfs_continue)
{
	char path[512];

	(void)data;
	(void)dfs_continue;
	if ((n->nodetype & (LYS_LEAF | LYS_LEAFLIST)) == 0 || (n->flags & LYS_CONFIG_R) != 0 ||
	    lysc_is_key(n) || strncmp(n->module->name, "weir-", 5) != 0)
		return LY_SUCCESS;
	lysc_path(n, LYSC_PATH_DATA, path, sizeof(path));
	n_leaves++;
	// What is written for people only asks nothing of the switch.
	if (strcmp(n->name, "description") != 0 && !has_row(path))
		fail_msg("%s has no row: which action names its change?", path);
	return LY_SUCCESS;
}

static void no_leaf_is_forgotten(void **state)
{
	static const char *const modules[] = { "ietf-interfaces", "weir-vm", "weir-qos",
					       "weir-system", "weir-management" };

	(void)state;
	for (size_t i = 0; i < ARRAY(modules); i++) {
		const struct lys_module *m = ly_ctx_get_module_implemented(schema->ctx, modules[i]);

		assert_non_null(m);
		for (struct lysc_node *n = m->compiled->data; n != NULL; n = n->next)
			assert_int_equal(lysc_tree_dfs_full(n, leaf_check, NULL), LY_SUCCESS);
	}
	assert_true(n_leaves > 60);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_change_is_named),
		cmocka_unit_test(policy_is_named_on_interfaces_and_on_cards),
		cmocka_unit_test(policy_is_named_wherever_it_stands),
		cmocka_unit_test(a_mirror_is_named),
		cmocka_unit_test(no_leaf_is_forgotten),
	};
	struct cfg_error err = { 0 };
	int rc;

	if (cfg_schema_create(WEIR_YANG_SRC, &schema, &err) < 0) {
		fprintf(stderr, "%s: %s\n", err.value, err.reason);
		return 1;
	}
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	cfg_schema_destroy(schema);
	return rc;
}
