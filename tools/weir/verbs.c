// Everything that can be typed. The only list: completion, help, usage, the manual page and the
// tests are made from it.
#include <string.h>

#include "weir_priv.h"

enum { O = OPERATIONAL, C = CONFIGURE, P = PIPE };

const struct verb verbs[] = {
	// --- Looking
	{ "show ports", "Ports with their state and counters", run_show, "ports", O, V_TABLE },
	{ "show interfaces [PORT]", "The same as show ports", run_show, "ports", O, V_TABLE },
	{ "show port PORT", "One port with all its counters", run_show, "port", O, V_TABLE },
	{ "show macs", "Forwarding table", run_show, "macs", O, V_TABLE },
	{ "show vms", "Virtual machines with their cards", run_show, "vms", O, V_TABLE },
	{ "show vm VM", "One virtual machine with its cards, boot and storage", run_show, "vm", O,
	  V_TABLE },
	{ "show classes [PORT]", "Counters per traffic class", run_show, "classes", O, V_TABLE },
	{ "show drops [PORT]", "Dropped frames by reason", run_show, "drops", O, V_TABLE },
	{ "show qos [vm VM]",
	  "What classes may have, get and wait for on each link; or one machine", run_show, "qos",
	  O, V_TABLE },
	{ "show storage [vm VM]",
	  "Who waits for which portal and how long, and how much of it here; or one machine",
	  run_show, "storage", O, V_TABLE },
	{ "show portals", "Storage portals: declared, of listed servers, learnt", run_show,
	  "portals", O, V_TABLE },
	{ "show openflow", "Controllers and clients of OpenFlow, and what becomes of frames",
	  run_show, "openflow", O, V_TABLE },
	{ "show boot [VM]",
	  "How machines booted; or of one: what happened, what it waits for, at what to look",
	  run_show, "boot", O, V_TABLE },
	{ "show boots", "The same as show boot", run_show, "boot", O, V_TABLE },
	{ "show workers", "Worker threads and memory", run_show, "system", O, V_TABLE },
	{ "show system", "The same as show workers", run_show, "system", O, V_TABLE },
	{ "show responder", "Counters of the boot responder", run_show, "responder", O, V_TABLE },
	{ "show configuration [PATH...]", "What runs, or a part of it", run_show_configuration,
	  "running", O, V_TABLE | V_CONFIG },
	{ "show history [NUMBER]", "Commits that are kept; a number: what it changed", run_history,
	  NULL, O, V_TABLE | V_DIFF },
	{ "show sessions", "NETCONF sessions", run_show_sessions, NULL, O, V_TABLE },
	{ "show status", "Uncommitted changes, locks, a confirmed commit that waits", run_status,
	  NULL, O, V_TABLE },
	{ "explain PORT WORD...", "What would happen to a frame that enters by the port",
	  run_explain, NULL, O, V_TABLE },
	{ "trace PORT [-c COUNT|FILTER]...", "Follow frames that enter by the port, hop by hop",
	  run_trace, NULL, O, V_TABLE | V_STREAM },
	{ "capture PORT [-c COUNT|-w FILE|FILTER]...",
	  "Frames that enter or leave by the port, as pcap; -w - is standard output", run_capture,
	  NULL, O, V_STREAM },
	{ "reload [--dry-run]", "Load the configuration file again, or only print the plan",
	  run_reload, NULL, O, V_TABLE },
	{ "clear counters [port PORT]", "Counters begin at 0 again: all, or those of one port",
	  run_clear, NULL, O, 0 },
	{ "vm VM boot (begin|complete)", "Tell that a machine begins to boot, or has booted",
	  run_boot, NULL, O, 0 },
	{ "vm VM prepare [--incoming] [FILE]",
	  "Make its ports and its disk ready; FILE: one element of vms/vm, if it is not configured",
	  run_vm_prepare, NULL, O, V_TABLE },
	{ "vm VM release", "It has ended: what was made for it goes", run_vm_release, NULL, O, 0 },
	{ "vm VM event EVENT", "Tell what became of it", run_vm_event, NULL, O, 0 },
	{ "vm list", "Machines: what they do, their processes, addresses", run_vm_list, NULL, O,
	  V_TABLE },
	{ "vm (start VM|VM start) [--wait]",
	  "Start a machine on this host, as it is configured; --wait: until it ends", run_vm_start,
	  NULL, O, V_STREAM },
	{ "vm (stop VM|VM stop) [--force]",
	  "Power a machine off, or end it where it does not; --force: end it at once", run_vm_stop,
	  NULL, O, 0 },
	{ "vm (reset VM|VM reset)", "Reset a machine as its button does", run_vm_reset, NULL, O,
	  0 },
	{ "vm (console VM|VM console)", "The serial port of a machine; ^] leaves it",
	  run_vm_console, NULL, O, V_STREAM },
	{ "vm (log VM|VM log)", "What a machine and its QEMU have written", run_vm_log, NULL, O,
	  0 },
	{ "vm (qemu-args VM|VM qemu-args)", "Shell commands that start a machine by hand",
	  run_vm_arguments, NULL, O, V_TABLE },
	{ "vm (libvirt-xml VM|VM libvirt-xml)", "A domain of libvirt for a machine", run_vm_xml,
	  NULL, O, V_TABLE },
	{ "forget portal ADDRESS (tcp|udp) NUMBER", "Forget one portal that was learnt", run_forget,
	  NULL, O, 0 },
	{ "forget portal all", "Forget all portals that were learnt", run_forget, NULL, O, 0 },
	{ "ping", "Is the switch alive?", run_ping, NULL, O, 0 },
	{ "configure", "Change the configuration", run_configure, NULL, O, 0 },

	// --- Changing
	{ "set PATH...", "Set what the path names; several leaves may follow", run_edit_line, NULL,
	  C, 0 },
	{ "delete PATH...", "Delete a node with all that is in it", run_edit_line, NULL, C, 0 },
	{ "edit PATH...", "Work below a node", run_context, "edit", C, 0 },
	{ "up [NUMBER]", "One or more levels up", run_context, "up", C, 0 },
	{ "top", "Back to the top", run_context, "top", C, 0 },
	{ "copy PATH...", "PATH to KEY: a second entry with the same content", run_edit_line, NULL,
	  C, 0 },
	{ "rename PATH...", "PATH to KEY: another name for an entry", run_edit_line, NULL, C, 0 },
	{ "insert PATH...", "PATH first|last|before KEY|after KEY: order of what is ordered",
	  run_edit_line, NULL, C, 0 },
	{ "annotate PATH...", "PATH TEXT: a comment at a node; \"\" takes it away", run_edit_line,
	  NULL, C, 0 },
	{ "show [PATH...]", "The candidate, or a part of it; | compare: what changed",
	  run_show_configuration, "candidate", C, V_TABLE | V_CONFIG | V_COMPARES },
	{ "compare [rollback NUMBER] [PATH...]",
	  "What differs from what runs, or from an earlier commit", run_compare, NULL, C,
	  V_TABLE | V_DIFF },
	{ "plan", "What a commit would do", run_plan, NULL, C, V_TABLE },
	{ "validate", "Check the candidate as a commit would", run_validate, NULL, C, 0 },
	{ "commit check", "The same as validate", run_validate, NULL, C, 0 },
	{ "commit [confirmed [MINUTES]] [comment TEXT...] [and-quit]",
	  "Bring the candidate into force; confirmed: roll back unless confirmed in time",
	  run_commit, NULL, C, 0 },
	{ "confirm", "Keep what a confirmed commit brought", run_confirm, NULL, C, 0 },
	{ "cancel", "Roll back a confirmed commit now", run_cancel, NULL, C, 0 },
	{ "rollback [NUMBER]", "Load an earlier commit into the candidate; 0: what runs",
	  run_rollback, NULL, C, 0 },
	{ "discard", "Forget all changes that are not committed", run_discard, NULL, C, 0 },
	{ "load (merge|replace|override|set) (terminal|FILE)",
	  "Load JSON, XML or set lines; terminal or -: what is pasted, or standard input", run_load,
	  NULL, C, 0 },
	{ "save FILE [as (json|set|xml|text)]", "Write the candidate to a file", run_save, NULL, C,
	  0 },
	{ "history [NUMBER]", "Commits that are kept; a number: what it changed", run_history, NULL,
	  C, V_TABLE | V_DIFF },
	{ "status", "Uncommitted changes, locks, a confirmed commit that waits", run_status, NULL,
	  C, V_TABLE },
	{ "lock", "Keep other sessions from changing the candidate", run_lock, "lock", C, 0 },
	{ "unlock", "Release the lock; forgets changes that are not committed", run_lock, "unlock",
	  C, 0 },
	{ "run COMMAND...", "An operational command", NULL, NULL, C, V_PREFIX },

	// --- Everywhere
	{ "help [COMMAND...]", "Commands and how they are typed", run_help, NULL, O | C, 0 },
	{ "exit", "Back to where edit came from, out of configure mode, out of weir", run_exit,
	  NULL, O | C, 0 },
	{ "quit", "Out of configure mode, out of weir", run_quit, NULL, O | C, 0 },

	// --- Behind |
	{ "match PATTERN...", "Only lines that the regular expression matches", NULL, "match", P,
	  0 },
	{ "except PATTERN...", "Only lines that it does not match", NULL, "except", P, 0 },
	{ "count", "How many lines", NULL, "count", P, 0 },
	{ "last [NUMBER]", "Only the last lines", NULL, "last", P, 0 },
	{ "compare [rollback NUMBER]", "What differs from what runs, or from an earlier commit",
	  NULL, "compare", P, 0 },
	{ "json", "As JSON", NULL, "display", P, 0 },
	{ "xml", "A configuration as XML", NULL, "display", P, 0 },
	{ "set", "A configuration as lines that make it again", NULL, "display", P, 0 },
	{ "display (json|xml|set)", "The same, as others write it", NULL, "display", P, 0 },
	{ "no-more", "Do not stop after each page", NULL, "no-more", P, 0 },
	{ "save FILE", "Into a file", NULL, "save", P, 0 },
};
const size_t n_verbs = sizeof(verbs) / sizeof(verbs[0]);

static const struct {
	const char *word, *help;
} words[] = {
	{ "show", "Look into the switch" },
	{ "commit", "Bring the candidate into force, or only check it" },
	{ "forget", "Forget portals that were learnt" },
	{ "portal", "One learnt portal, or all" },
	{ "vm", "Virtual machines: start and stop them, look at one" },
	{ "start", "Start it on this host" },
	{ "stop", "Power it off" },
	{ "reset", "Reset it" },
	{ "console", "Its serial port" },
	{ "log", "What it and its QEMU have written" },
	{ "qemu-args", "How it is started by hand" },
	{ "libvirt-xml", "How libvirt starts it" },
	{ "--wait", "Until it ends" },
	{ "--force", "At once" },
	{ "boot", "Its boot" },
	{ "prepare", "Make it ready before it starts" },
	{ "release", "It has ended" },
	{ "event", "Something became of it" },
	{ "--incoming", "It comes from another host: silent until it runs here" },
	{ "begin", "It boots from now on, with a deadline" },
	{ "complete", "It has booted" },
	{ "tcp", "TCP" },
	{ "udp", "UDP" },
	{ "load", "Load JSON, XML or set lines" },
	{ "confirmed", "Roll back unless confirmed in time (10 minutes)" },
	{ "comment", "Why; kept in the history" },
	{ "and-quit", "Leave configure mode afterwards" },
	{ "rollback", "An earlier commit" },
	{ "merge", "Add to the candidate" },
	{ "replace", "Replace the candidate as a whole" },
	{ "override", "The same as replace" },
	{ "terminal", "What is pasted, until Ctrl-D" },
	{ "as", "Choose how it is written (otherwise: by the file's name, else JSON)" },
	{ "json", "RFC 7951" },
	{ "xml", "XML, as NETCONF has it" },
	{ "set", "Lines of set and delete" },
	{ "text", "Braces, for people" },
	{ "--dry-run", "Only print the plan" },
	{ "-c", "Stop after so many frames" },
	{ "-w", "Where to write" },
	{ "display", "Another form of the configuration" },
};

static const struct {
	const char *name, *help;
} arguments[] = {
	{ "PORT", "Name of a port" },
	{ "VM", "Name of a virtual machine" },
	{ "ADDRESS", "IP address" },
	{ "EVENT", "What became of it" },
	{ "PATH", "Words of a path" },
	{ "NUMBER", "A number" },
	{ "MINUTES", "Minutes, or seconds as 90s" },
	{ "COUNT", "Number of frames" },
	{ "FILE", "File; - is standard input or output" },
	{ "TEXT", "Text" },
	{ "PATTERN", "Regular expression" },
	{ "FILTER", "libpcap expression" },
	{ "WORD", "src=MAC dst=MAC vlan=N type=arp|0x.. ip=A,B tcp=P,P udp=P,P proto=N dscp=N "
		  "size=BYTES" },
	{ "COMMAND", "Command" },
};

// As weir-operations.yang has them, but prepare and release, which are commands.
const struct verb_event verb_events[] = {
	{ "started", "Its process runs" },
	{ "reset", "It was reset, and boots again" },
	{ "pause", "Its CPUs were stopped" },
	{ "resume", "Its CPUs run again" },
	{ "suspend", "It suspended itself to memory" },
	{ "wakeup", "It woke up from that" },
	{ "shutdown", "It was shut down" },
	{ "panicked", "Its operating system panicked" },
	{ "watchdog", "Its watchdog fired" },
	{ "migrate-in", "It is coming from another host" },
	{ "migrate-out", "It is going to another host" },
	{ "migrate-cancelled", "It was going to another host, and stays" },
	{ "migrated", "It has gone to another host" },
	{ "stopped", "Its process has ended" },
	{ "reconnect", "Who starts machines came anew, and it was running" },
	{ NULL, NULL },
};

const char *word_help(const char *word)
{
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (strcmp(words[i].word, word) == 0)
			return words[i].help;
	}
	return "";
}

const char *argument_help(const char *name)
{
	for (size_t i = 0; i < sizeof(arguments) / sizeof(arguments[0]); i++) {
		if (strcmp(arguments[i].name, name) == 0)
			return arguments[i].help;
	}
	return "";
}
