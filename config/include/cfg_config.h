// A configuration as typed C structs: what YANG-modelled JSON (RFC 7951) says, checked, with
// defaults filled in.
//
// Bytes in, structs out; no side effects. libyang validates against our modules and the standard
// ones of Debian; what YANG cannot say well (a MAC used twice across VMs, an address outside its
// network) is checked here. The first error names the data path, the value and the reason.
//
//   cfg_schema_create("/usr/share/weir/yang", &schema, &err);
//   cfg_load(schema, bytes, size, &cfg, &err); ... cfg_free(cfg);
//
// thread: one at a time per schema.
#ifndef CFG_CONFIG_H
#define CFG_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CFG_PORT_NAME 32
#define CFG_FILE_MAX (8u << 20) // largest configuration accepted, bytes
#define CFG_ADDRS 4
#define CFG_NICS 8
#define CFG_CLASSES 7 // in the order of the YANG enumeration traffic-class
#define CFG_CLASS_NAME 16
#define CFG_VIDS 4096
#define CFG_DSCP_KEEP 0xff
#define CFG_RESERVABLE_PERCENT 75u // of the slowest rated link

struct cfg_error {
	char path[256];	 // data path, "/weir-vm:vms/vm[name='web1']/nic[id='0']/mac"; empty = the
			 // file as a whole
	char value[128]; // the value refused; empty where there is none
	char reason[256];
	char app_tag[32]; // error-app-tag of RFC 7950 section 7.5.4.2; empty = none
};

enum cfg_port_type { CFG_PORT_GUEST, CFG_PORT_UPLINK, CFG_PORT_HOST };
enum cfg_link { CFG_LINK_SOCKET, CFG_LINK_AF_PACKET, CFG_LINK_TAP, CFG_LINK_DEVICE };
// In the order of the YANG enumeration vlan-mode.
enum cfg_vlan_mode {
	CFG_VLAN_ACCESS,
	CFG_VLAN_TRUNK,
	CFG_VLAN_NATIVE_UNTAGGED,
	CFG_VLAN_NATIVE_TAGGED,
	CFG_VLAN_TUNNEL,
	CFG_VLAN_PROVIDER,
	CFG_VLAN_TRANSPARENT,
};
// In the order of the YANG enumeration boot/method.
enum cfg_boot_method {
	CFG_BOOT_NONE,
	CFG_BOOT_ISCSI,
	CFG_BOOT_KERNEL,
	CFG_BOOT_NFS,
	CFG_BOOT_HTTP,
};
enum cfg_dhcp_mode { CFG_DHCP_AUTHORITATIVE, CFG_DHCP_PROXY, CFG_DHCP_OFF };
enum cfg_firmware { CFG_FW_BIOS, CFG_FW_UEFI };
enum cfg_accel { CFG_ACCEL_AUTO, CFG_ACCEL_KVM, CFG_ACCEL_TCG };

// All structs are compared byte by byte, so they are zeroed before they are filled.

// Rates in bit/s on the wire; 0 = none.
struct cfg_node {
	uint64_t reservation, limit;
	uint32_t shares;
};

enum cfg_meter_kind { CFG_METER_NONE, CFG_METER_RFC4115, CFG_METER_RFC2698 };

struct cfg_meter {
	uint8_t kind; // enum cfg_meter_kind
	bool colour_aware;
	uint64_t committed, second; // bit/s; second: excess or peak
	uint32_t committed_burst, second_burst;
};

// Policy of a VM, or of a guest port without one; its template is resolved already.
struct cfg_policy {
	struct cfg_node cls[CFG_CLASSES];
	uint64_t reservation;
	uint64_t limit_from, limit_to;	   // 0 = none
	uint32_t packets_from, packets_to; // frames/s; 0 = no limit
	uint32_t shares;
	uint8_t priority; // class of the reservation + 1; 0 = none. cls[] has it too
	struct cfg_meter meter;
};

struct cfg_class {
	struct cfg_node node;
	uint32_t target_us, interval_us, ecn_us; // 0 = off
	uint32_t max_wait_us, max_bytes;
	uint8_t pcp;
	uint8_t dscp; // or CFG_DSCP_KEEP
};

struct cfg_qos {
	struct cfg_class cls[CFG_CLASSES];
	uint8_t vlan_class[CFG_VIDS]; // class + 1; 0 = none
};

struct cfg_port {
	char name[CFG_PORT_NAME];
	uint8_t type; // enum cfg_port_type
	uint8_t link; // enum cfg_link
	char link_arg[256];
	uint8_t vlan_mode;  // enum cfg_vlan_mode
	uint16_t vlan;	    // 0 = trunk without native VLAN
	uint8_t trunk[512]; // bit per VLAN
	uint16_t mtu, queues, mac_limit;
	// Number in OpenFlow as configured; 0 = none. While OpenFlow is on, control writes one here
	// before configurations are compared, and takes it away while it is off.
	uint32_t of_port;
	bool isolated, mirror_destination, trust_dscp, trust_pcp, admit, dhcp_guard, ra_guard;
	bool has_policy; // one of its own, and no VM's
	char mirror_to[CFG_PORT_NAME];
	char default_class[CFG_CLASS_NAME];
	uint64_t rate;						// of the link, bit/s; 0 = none
	struct cfg_policy policy;				// of a guest without a VM
	uint32_t broadcast_limit, unknown_limit, control_limit; // frames/s
	// From the VM's network card, when the port is one.
	char vm[32];
	uint8_t nic;
	bool has_mac;
	uint8_t mac[6];
	uint8_t n_ip4, n_ip6;
	uint8_t ip4[CFG_ADDRS][4];
	uint8_t ip6[CFG_ADDRS][16];
	uint8_t service_ip4[4]; // of the port's VLAN; all zero = no boot service
	uint8_t service_mode;	// enum cfg_dhcp_mode
};

struct cfg_nic {
	uint8_t id;
	char port[CFG_PORT_NAME];
};

#define CFG_FILE_NAME 128
#define CFG_VM_FILES 8
#define CFG_VM_DISKS 4
#define CFG_ARGS_MAX 2048 // arguments, each with its NUL
#define CFG_LEASE_INFINITE 0xffffffffu

// What 'weir vm start' makes of a VM.
struct cfg_machine {
	uint32_t memory_mib;
	uint16_t vcpus;
	uint8_t firmware; // enum cfg_firmware
	uint8_t accel;	  // enum cfg_accel
	uint8_t n_disks, n_args;
	char monitor[108]; // QMP socket; never empty
	char emulator[256];
	char disks[CFG_VM_DISKS][256];
	char args[CFG_ARGS_MAX]; // n_args of them, one behind the other
};

struct cfg_vm {
	char name[32];
	char hostname[64];
	char uuid[37];	       // lower case; empty = none
	uint8_t method;	       // enum cfg_boot_method
	char iscsi_server[48]; // as written; empty = none
	uint16_t iscsi_port, iscsi_lun;
	char iscsi_target[224];
	char iscsi_initiator[224];
	char chap_user[64], chap_secret[64]; // both or none
	char nfs_server[48], nfs_path[128], nfs_options[128];
	bool nfs_v3;
	char kernel[CFG_FILE_NAME], initrd[CFG_FILE_NAME], cmdline[401];
	char http_file[CFG_FILE_NAME], loader[CFG_FILE_NAME]; // empty = none, the service's
	uint8_t n_files;
	char files[CFG_VM_FILES][CFG_FILE_NAME]; // that it may fetch besides
	char provider[32], image[256];		 // empty = none
	struct cfg_machine machine;
	uint8_t n_nics;
	struct cfg_nic nics[CFG_NICS];
	struct cfg_policy policy;
	uint32_t slo_p99_us; // of its storage; 0 = none
};

struct cfg_portal {
	uint8_t addr[16]; // IPv4 as IPv4-mapped
	uint16_t port;
	uint8_t proto;
	uint8_t service; // enum qos_service; 0 = by its port
};

struct cfg_server {
	uint8_t addr[16];
	uint8_t prefix_bits; // in the 128-bit form
};

struct cfg_service {
	uint16_t vlan;
	uint8_t addr[4], router[4]; // router all zero = none
	uint8_t prefix_len, n_dns;
	uint8_t dns[3][4];
	char domain[64];
	uint8_t mode; // enum cfg_dhcp_mode
	bool http, has_pool;
	uint8_t pool_first[4], pool_last[4];
	uint32_t lease_s, pool_lease_s; // CFG_LEASE_INFINITE
	char uefi_loader[CFG_FILE_NAME], bios_loader[CFG_FILE_NAME];
};

// What each guest port may ask of the boot services.
struct cfg_boot_limits {
	uint32_t dhcp_rate, dhcp_burst, neighbour_rate; // messages/s, messages
	uint32_t transfers;
};

struct cfg_file {
	char name[CFG_FILE_NAME];
	char path[256];
};

struct cfg_provider {
	char name[32];
	char command[256];
	uint8_t n_args;
	char args[CFG_ARGS_MAX]; // n_args of them, one behind the other
	uint16_t timeout_s;
};

struct cfg_system {
	uint32_t n_workers; // 0 = choose
	uint16_t worker_cpu[8];
	uint32_t max_sleep_us, packet_buffers, queue_len, mac_table_size, mac_ageing_s;
};

// What is known of storage without being told each portal.
struct cfg_storage {
	bool learning, telemetry;
	uint32_t max_learnt, max_learnt_per_server, ageing_s; // ageing 0 = never
	uint8_t l2;					      // bits of enum qos_l2
	uint32_t boot_window, boot_deadline_s, boot_max_s;
	uint64_t boot_max_bytes;
};

struct cfg_metrics {
	bool enabled;
	uint8_t addr[16]; // to listen on
	uint16_t port;
};

struct cfg_management {
	uint32_t max_sessions, idle_timeout_s, hello_timeout_s; // of NETCONF; idle 0 = never
};

#define CFG_CONTROLLERS 8
#define CFG_LISTENERS 4
#define CFG_PEER_NAME 254

struct cfg_controller {
	char name[32];
	uint8_t addr[16]; // IPv4 as IPv4-mapped
	uint16_t port;
	uint16_t probe_s, max_backoff_s; // probe 0 = never
	bool tls;
	char peer_name[CFG_PEER_NAME]; // in its certificate; empty = any
};

struct cfg_listener {
	char name[32];
	char path[108];	  // of a UNIX socket; empty = addr and port
	uint8_t addr[16]; // IPv4 as IPv4-mapped
	uint16_t port;
	bool tls;
	char peer_name[CFG_PEER_NAME]; // in clients' certificates; empty = any
};

// Files in PEM; empty = none.
struct cfg_tls {
	char key[256], certificate[256], ca[256];
};

struct cfg_openflow {
	bool enabled, standalone, allow_14;
	uint64_t datapath_id; // 0 = not set
	uint32_t flow_limit, cache_entries;
	uint32_t packet_in_rate,
		packet_in_burst; // per port, frames/s and frames; rate 0 = no limit
	uint8_t n_controllers, n_listeners;
	struct cfg_controller controllers[CFG_CONTROLLERS]; // by name
	struct cfg_listener listeners[CFG_LISTENERS];	    // by name
	struct cfg_tls tls;
};

// Lists are sorted by their key.
struct cfg {
	struct cfg_system system;
	struct cfg_management management;
	struct cfg_storage storage;
	struct cfg_metrics metrics;
	struct cfg_qos qos;
	struct cfg_boot_limits boot_limits;
	struct cfg_openflow openflow;
	struct cfg_port *ports; // ports[n_ports]: interfaces and network cards
	struct cfg_vm *vms;
	struct cfg_portal *portals;
	struct cfg_server *servers;
	struct cfg_service *services;
	struct cfg_file *files;
	struct cfg_provider *providers;
	uint32_t n_ports, n_vms, n_portals, n_servers, n_services, n_files, n_providers;
};

struct cfg_schema;

// Load our modules from yang_dir and the standard ones from where Debian's packages put them.
// returns 0 and *out; -ENOENT or -EINVAL with err naming the module
int cfg_schema_create(const char *yang_dir, struct cfg_schema **out, struct cfg_error *err);
void cfg_schema_destroy(struct cfg_schema *s);

// Parse and check one configuration.
// returns 0 and *out (free with cfg_free); -EINVAL = refused, err filled; -ENOMEM; -EFBIG
int cfg_load(struct cfg_schema *s, const char *json, size_t size, struct cfg **out,
	     struct cfg_error *err);
// The configuration of a switch that has none: no ports.
int cfg_empty(struct cfg **out);
void cfg_free(struct cfg *c);

// By key, in a configuration that was read: NULL = there is none.
const struct cfg_port *cfg_port_get(const struct cfg *c, const char *name);
const struct cfg_vm *cfg_vm_get(const struct cfg *c, const char *name);
const struct cfg_file *cfg_file_get(const struct cfg *c, const char *name);
const struct cfg_provider *cfg_provider_get(const struct cfg *c, const char *name);
const struct cfg_service *cfg_service_get(const struct cfg *c, uint16_t vlan);
// Data path of a leaf of a port, or of the card that it belongs to.
void cfg_port_path(const struct cfg_port *p, const char *leaf, char *out, size_t size);
// Name of a traffic class, 0..CFG_CLASSES - 1.
const char *cfg_class_name(uint32_t cls);
// Is it what a VM has that says nothing?
bool cfg_policy_is_default(const struct cfg_policy *p);
// Are metrics served on an address that others than this host may reach? If so, text warns of it.
bool cfg_metrics_open(const struct cfg_metrics *m, char *text, size_t size);
// May others than this host program the switch without showing a certificate? If so, text warns.
bool cfg_openflow_open(const struct cfg_openflow *o, char *text, size_t size);
// An address in its 128-bit form, as a person writes it. returns buf
const char *cfg_addr_text(const uint8_t addr[16], char *buf, size_t size);
// The same while it is being read, one by one.
const struct cfg_port *cfg_port_find(const struct cfg *c, const char *name);
const struct cfg_vm *cfg_vm_find(const struct cfg *c, const char *name);

// --- Difference: typed actions, in the order in which they are to be done (removals first).

enum cfg_object {
	CFG_OBJ_SYSTEM,
	CFG_OBJ_PORT,
	CFG_OBJ_VM,
	CFG_OBJ_STORAGE,
	CFG_OBJ_SERVICE,
	CFG_OBJ_FILE,
	CFG_OBJ_MANAGEMENT,
	CFG_OBJ_QOS,
	CFG_OBJ_METRICS,
	CFG_OBJ_BOOT_LIMITS,
	CFG_OBJ_PROVIDER,
	CFG_OBJ_OPENFLOW,
};
enum cfg_change { CFG_DEL, CFG_SET_CHANGED, CFG_ADD };

struct cfg_action {
	uint8_t change;	  // enum cfg_change
	uint8_t object;	  // enum cfg_object
	char name[128];	  // port, VM, VLAN, file or provider; empty where there is one only
	char detail[160]; // the fields that change, for people
};

// returns the number of actions and *out (free()), or -ENOMEM
int cfg_diff(const struct cfg *from, const struct cfg *to, struct cfg_action **out);
// One line: "port web1.0: change vlan, mtu". returns buf
const char *cfg_action_text(const struct cfg_action *a, char *buf, size_t size);

// --- Operations: one request of a local tool, JSON after weir-operations.yang.

enum cfg_op { CFG_OP_GET_STATE, CFG_OP_EXPLAIN, CFG_OP_TAP, CFG_OP_RELOAD };

struct cfg_request {
	uint8_t op;    // enum cfg_op
	char part[16]; // get-state
	char name[65]; // get-state; port of explain and tap
	bool trace, dry_run;
	uint32_t count;
	uint8_t *bytes; // frame of explain, filter of tap
	size_t size;
};

#define CFG_REQUEST_MAX (128u << 10)

// returns 0 and r filled (release with cfg_request_fini), -EINVAL with err filled, -ENOMEM
int cfg_request_parse(struct cfg_schema *s, const char *json, size_t size, struct cfg_request *r,
		      struct cfg_error *err);
void cfg_request_fini(struct cfg_request *r);

// Check that a state document fits the modules; for tests. returns 0 or -EINVAL with err filled.
int cfg_state_check(struct cfg_schema *s, const char *json, size_t size, struct cfg_error *err);

#endif
