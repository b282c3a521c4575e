/* SPDX-License-Identifier: GPL-2.0-only */
/* What the files of the tc gate share among themselves.
 *
 *   tc_load.c    maps and programs: loaded or taken over
 *   tc_pin.c     pins: made, renamed into place, checked
 *   tc_grace.c   grace periods of the kernel, waited for and shortened
 *   tc_hash.c    many entries of a kernel map at once; what has to be undone
 *   tc_slot.c    the idle slot: inner maps made, filled and put in place
 *   tc_attach.c  programs at ports: by tcx (tc_tcx.c) or by clsact (tc_clsact.c)
 *   tc_xdp.c     XDP programs of others
 *   tc_make.c    ports made, taken over, made ready ahead
 *   tc_port.c    ports closed and opened, and their own addresses
 *   tc_seed.c    flow maps and the flows that were open before
 *   tc_walk.c    open flows, one after the other
 *   tc_world.c   exact addresses, NAT64 prefixes, published ports
 *   tc_watch.c   events and drift, as the kernel tells of them
 *   tc_remove.c  every trace taken out
 *   tc.c         the steps of gate_apply(), counters and status */
#ifndef BULKHEAD_GATE_TC_PRIVATE_H
#define BULKHEAD_GATE_TC_PRIVATE_H

#include <limits.h>

#include "base/array.h"
#include "base/map.h"
#include "base/text.h"
#include "gate/tc.h"

enum tc_map {
	TC_CONFIG,
	TC_CELLS,
	TC_CLASSES,
	TC_SERVICES,
	TC_PREFIXES4,
	TC_PREFIXES6,
	TC_NAT64,
	TC_PORTS,
	TC_OWN,
	TC_ADDRESSES,
	TC_FLOWS,
	TC_PORT_STATE,
	TC_REVOKED,
	TC_FRAGMENTS,
	TC_ANSWERS,
	TC_ANSWER_SPACE,
	TC_PUBLISHED,
	TC_RULE_COUNTERS,
	TC_PORT_COUNTERS,
	TC_REASON_COUNTERS,
	TC_EVENTS,
	TC_MAP_MAX
};
extern const char *const tc_map_names[TC_MAP_MAX];

/* As the host sees it: ingress is what the container sends. */
enum tc_direction { TC_INGRESS, TC_EGRESS, TC_DIRECTION_MAX };
extern const char *const tc_direction_names[TC_DIRECTION_MAX];
extern const char *const tc_program_names[TC_DIRECTION_MAX];

/* The maps that a slot consists of. */
enum tc_slot_map {
	TC_SLOT_CELLS,
	TC_SLOT_CLASSES,
	TC_SLOT_SERVICES,
	TC_SLOT_PREFIXES4,
	TC_SLOT_PREFIXES6,
	TC_SLOT_MAX
};
static inline enum tc_map tc_slot_outer(enum tc_slot_map which)
{
	return (enum tc_map)(TC_CELLS + which);
}
_Static_assert((int)TC_CELLS + TC_SLOT_PREFIXES6 == (int)TC_PREFIXES6, "both lists have one order");

/* ---- Entries of hash maps (tc_hash.c) ---------------------------------------------------------------------------- */

/* A kernel map's definition, as far as it matters here. */
struct tc_shape {
	uint32_t type, key_size, value_size, max_entries, flags;
};
/* All entries of a map, read at once; `keys` and `values` are arrays in the same order. */
struct tc_entries {
	unsigned char *keys, *values;
	size_t count, capacity;
	uint32_t key_size, value_size;
};
void tc_entries_free(struct tc_entries *entries);
/* 0 or -errno; *ret_entries is the caller's. Entries written meanwhile may be missed. */
int tc_entries_read(int fd, const struct tc_shape *shape, struct tc_entries *ret_entries);
/* Writes all entries, in as few calls as can be. Entries before a failing one stay written. */
int tc_entries_write(int fd, const struct tc_entries *entries);
/* A zeroed new last entry: where its key and value are. -ENOMEM. */
int tc_entries_append(struct tc_entries *entries, void **ret_key, void **ret_value);
/* By key, bytewise; needed before tc_entries_find(). 0 or -ENOMEM, unchanged then. */
int tc_entries_sort(struct tc_entries *entries);
/* The value for a key, or NULL. */
void *tc_entries_find(const struct tc_entries *entries, const void *key);

#define TC_PIN_DIR_MAX 256u /* bytes of the pin directory's path, with the NUL: it is a setting, and short */
#define TC_PATH_MAX    (TC_PIN_DIR_MAX + 1 + NAME_MAX + 1)

#define TC_KEY_MAX 24u /* bytes of the longest key that is journalled */
/* Entries to be taken out again: added ones if the commit fails, stale ones when it has succeeded. */
struct tc_removals {
	struct {
		ARRAY_OF(struct tc_removal {
			enum tc_map map;
			unsigned char key[TC_KEY_MAX];
		});
	};
};
int tc_removals_add(struct tc_removals *removals, enum tc_map map, const void *key, size_t key_size);
struct tc_gate;
int tc_removals_run(const struct tc_gate *tc, struct tc_removals *removals); /* all that can be; empties the list */

/* ---- The gate ------------------------------------------------------------------------------------------------------
 */

struct tc_port {
	uint32_t ifindex;
	char name[IFNAMSIZ];
	uint64_t key;			    /* as gate_port.key; 0: not known */
	struct bh_port entry;		    /* as in the kernel */
	int links[TC_DIRECTION_MAX];	    /* tcx; -1: none */
	uint32_t handles[TC_DIRECTION_MAX]; /* clsact: of our filter; 0: none */
	bool broken;			    /* taken over half made: to be made anew */
	bool flows_placed;		    /* its flow map is where the programs look for it */
	bool suspect;			    /* a check has found something, or nothing was checked yet */
	bool other_way_checked;		    /* nothing is attached by the way (tcx or clsact) that is not in use */
	bool written;			    /* `entry` is in the map of ports: not before it is to be opened */
	bool desired;			    /* of the apply under way */
	bool open_pending;		    /* to be opened by the flip */
	bool attached;			    /* as far as is known */
	bool told;			    /* the kernel told of a change to its filters: to be looked at */
};

struct bulkhead_bpf;
struct ring_buffer;
struct nl_sock;

struct tc_watch {
	struct gate_callbacks callbacks;
	struct loop_source *ring_source, *filter_source, *pin_source, *pin_timer, *line_timer;
	struct ring_buffer *ring;
	size_t line_cursor;	 /* the port whose line of programs is looked at next */
	struct nl_sock *filters; /* RTNLGRP_TC */
	int pins;		 /* inotify */
	int pins_watched;	 /* its number of the directory */
	unsigned int budget;	 /* events left in this wake-up */
};

struct tc_gate {
	struct gate_options options; /* its strings are copies */
	char pin_dir[TC_PIN_DIR_MAX];

	struct bulkhead_bpf *skeleton;
	int maps[TC_MAP_MAX]; /* the skeleton's */
	struct tc_shape shapes[TC_MAP_MAX];
	struct tc_shape inner[TC_MAP_MAX]; /* of maps of maps: what they hold */
	int programs[TC_DIRECTION_MAX];	   /* the skeleton's */
	uint32_t program_ids[TC_DIRECTION_MAX];
	struct bulkhead_bpf *spare; /* a second instance of the programs, when one had to be put in front: tc_tcx.c */
	int spare_programs[TC_DIRECTION_MAX];
	uint32_t spare_ids[TC_DIRECTION_MAX];
	struct bh_config *config; /* mapped */
	bool taken_over;	  /* state of an earlier daemon was found */
	bool tcx;
	bool settled;	 /* no program is at work in the idle slot */
	bool pins_whole; /* as far as is known; a check tells when they are not */
	int possible_cpus;

	int grace_outer, grace_inner; /* private maps, to wait for a grace period: tc_grace() */
	bool grace_shortened;	      /* by us, until the end of the apply under way */
	int no_flows;		      /* an empty flow map, put where a port has gone */

	struct map *ports; /* u32 ifindex → struct tc_port */
	uint8_t index_used[BH_PORTS_MAX / 8];

	const struct table *table;	   /* in force, if this gate put it there; otherwise NULL */
	int64_t tai_offset;		   /* seconds; as `table` was filled in */
	uint32_t slot_ids[2][TC_SLOT_MAX]; /* map ids known to be in the slots; 0: not known */

	/* The commit under way: */
	const struct table *next_table;
	int64_t next_tai_offset;
	uint32_t next_ids[TC_SLOT_MAX];
	unsigned int idle; /* the slot being filled; the active one when the table stays */
	bool next_host_deferred, next_reject;
	struct tc_removals undo, stale;
	struct tc_entries nat64, published; /* desired */
	char problem[160];		    /* what a flip could not do; "" */

	struct tc_watch watch;
};

/* ---- tc_grace.c */
int tc_grace_make(struct tc_gate *tc, struct error *error);
int tc_grace(struct tc_gate *tc); /* waits until no program that runs now runs any more */
/* To be called before what makes the kernel wait for a grace period, any number of times... */
void tc_grace_shorten(struct tc_gate *tc);
/* ...and this at the end of it all, or for a daemon that did not come to it. */
void tc_grace_restore(const char *pin_dir);
#define TC_MARK_GRACE "grace" /* a directory: what is deleted in it is no news to who watches the pins */
static inline unsigned int tc_active_slot(const struct tc_gate *tc)
{
	return __atomic_load_n(&tc->config->active, __ATOMIC_ACQUIRE) & 1;
}

/* ---- tc_load.c */
int tc_load(struct tc_gate *tc, struct error *error);
void tc_libbpf_quiet(void);		  /* its words go into errors, not to the terminal */
void tc_config_write(struct tc_gate *tc); /* what the options say */
void tc_unload(struct tc_gate *tc);
/* A second instance of the programs over the same maps, once. */
int tc_load_spare(struct tc_gate *tc, struct error *error);
bool tc_program_is_ours(const struct tc_gate *tc, enum tc_direction direction, uint32_t id); /* of this daemon */
int tc_map_id(int fd, uint32_t *ret_id);
/* The version word of pinned state: 0 when it can be used, -ENOENT: none there. Names both versions when not. */
int tc_pin_version(const char *pin_dir, struct error *error);

/* ---- tc_pin.c */
/* Path of a pin, into `buffer`. Returns it. */
const char *tc_pin_path(const char *pin_dir, const char *name, char buffer[TC_PATH_MAX]);
/* Pins `fd`, over what has the name already, without a moment in which the name is missing. */
int tc_pin_replace(const char *pin_dir, int fd, const char *name, struct error *error);
/* Pins that are missing or not ours are made anew. */
int tc_pin_repair(struct tc_gate *tc, struct error *error);
int tc_pin_programs(struct tc_gate *tc, struct error *error);
int tc_pin_check(struct tc_gate *tc, struct text *drift); /* 0 whole, 1 drift, -errno */
int tc_pin_sweep(struct tc_gate *tc); /* what a killed daemon left half done, and pins of interfaces without a port */
bool tc_on_bpffs(const char *path);   /* tc_bpffs.c */
/* Where no init mounts it (small systems, containers), as iproute2 does: if the pins are to be at the usual place. */
int tc_bpffs_ensure(const char *pin_dir, bool *ret_mounted, struct error *error);
int tc_pin_directory(const char *pin_dir, struct error *error); /* made if missing; must be on a bpffs */
#define TC_PIN_NEW "new_"					/* how temporary names begin */
/* Directories that remember what was made by us, so that uninstall takes away that and no more. */
#define TC_MARK_MOUNTED "mounted" /* the bpffs */
#define TC_MARK_CLSACT	"clsact_" /* and an ifindex: its clsact qdisc */

/* ---- tc_slot.c */
bool tc_slot_needed(const struct tc_gate *tc, const struct table *table);
int tc_slot_fill(struct tc_gate *tc, const struct table *table, struct error *error);
int64_t tc_tai_offset(void);

/* ---- tc_attach.c */
/* Attaches both programs (or replaces older ones in place, or finds that all is well). */
int tc_attach_port(struct tc_gate *tc, struct tc_port *port, struct error *error);
void tc_detach_port(struct tc_gate *tc, struct tc_port *port);
/* Are both there, ours, and first in line? Appends what is not. 0 whole, 1 drift, -errno. */
int tc_attach_check(struct tc_gate *tc, struct tc_port *port, struct text *drift);
/* What runs ahead of ours at our ports: docs/json.md, 'gate'. A new array; NULL when memory is short. */
json_t *tc_attach_foreign(struct tc_gate *tc);
int tc_program_name(uint32_t id, char name[32]); /* -ENOENT and "" when it is gone */

/* ---- tc_tcx.c */
bool tc_tcx_probe(void);
int tc_tcx_attach(struct tc_gate *tc, struct tc_port *port, enum tc_direction direction, struct error *error);
int tc_tcx_check(struct tc_gate *tc, const struct tc_port *port, enum tc_direction direction, struct text *drift);
/* The pinned link of an interface; -1 when there is none or it is dead or another's. */
/* Is our program the first in line? In one call, where tc_tcx_check() takes three. True when it can't be seen. */
bool tc_tcx_leads(const struct tc_gate *tc, const struct tc_port *port, enum tc_direction direction);
int tc_tcx_open(const char *pin_dir, uint32_t ifindex, enum tc_direction direction);
bool tc_tcx_is_dead(int fd); /* its interface has gone */
void tc_tcx_detach(const char *pin_dir, uint32_t ifindex, enum tc_direction direction);
#define TC_LINE_MAX 64 /* programs at one interface: BPF_MPROG_MAX of the kernel */
/* The ids of the programs in line, ours or not, the first first; how many, or -errno. */
int tc_tcx_line(uint32_t ifindex, enum tc_direction direction, uint32_t ids[TC_LINE_MAX]);
const char *tc_link_name(uint32_t ifindex, enum tc_direction direction, char buffer[64]); /* of the pin */

/* ---- tc_xdp.c */
uint32_t tc_xdp_program(uint32_t ifindex); /* its id; 0: none */

/* ---- tc_clsact.c */
int tc_clsact_attach(struct tc_gate *tc, struct tc_port *port, enum tc_direction direction, struct error *error);
int tc_clsact_check(struct tc_gate *tc, const struct tc_port *port, enum tc_direction direction, struct text *drift);
int tc_clsact_detach(const char *pin_dir, uint32_t ifindex); /* how many filters were taken away */
/* The program of our filter: its id, 0 when there is none; *ret_handle its handle. */
uint32_t tc_clsact_find(uint32_t ifindex, enum tc_direction direction, uint32_t *ret_handle);
/* Filters ahead of ours, appended to `array` (may be NULL); how many, or -errno. */
int tc_clsact_ahead(const struct tc_port *port, enum tc_direction direction, json_t *array);

/* ---- tc_make.c */
/* Attaching to a port makes the kernel wait for two grace periods (8 to 16 ms each where tc_grace.c can't shorten
 * them), one port after the other: a host with hundreds of containers is opened in turns, so that the first do not wait
 * for the last. */
#define TC_OPENINGS_A_TURN 16u
int tc_ports_take_over(struct tc_gate *tc, struct error *error);
/* A new port; its flow map is added to `flows`, to be put in place by tc_flows_place(). -ENOSPC: BH_PORTS_MAX. */
int tc_port_make(struct tc_gate *tc, const struct gate_port *gate, struct tc_entries *flows);
int tc_flows_place(struct tc_gate *tc, const struct tc_entries *flows, struct error *error); /* unmakes on failure */
int tc_port_seed(const struct tc_gate *tc, const struct tc_port *port, const struct table *table,
		 struct gate_port *gate);
void tc_ports_ahead(struct tc_gate *tc, const struct gate_desired *desired);
void tc_index_free(struct tc_gate *tc, uint32_t index); /* nobody is at work on its flow map */
void tc_port_free(void *value);
void tc_ports_free(struct tc_gate *tc);

/* ---- tc_port.c */
int tc_ports_close(struct tc_gate *tc, const struct gate_desired *desired, struct error *error);
int tc_ports_prepare(struct tc_gate *tc, struct gate_desired *desired, struct error *error);
void tc_ports_flip(struct tc_gate *tc);
void tc_ports_cancel(struct tc_gate *tc);
struct tc_port *tc_port_find(const struct tc_gate *tc, uint32_t ifindex);

/* ---- tc_seed.c */
int tc_flows_make(const struct tc_gate *tc); /* the flow map of a port, empty: a descriptor, or -errno */
/* Its seeds, before it is opened. 0 or -errno; what of them could not be kept is told in ret_problem. */
int tc_flows_seed(const struct tc_gate *tc, int fd, const struct table *table, struct gate_port *gate);
uint64_t tc_boot_ns(void); /* the clock of flows' expiry */

/* ---- tc_world.c */
int tc_world_prepare(struct tc_gate *tc, const struct gate_desired *desired, struct error *error);
void tc_world_flip(struct tc_gate *tc);

/* ---- tc_watch.c */
void tc_watch_stop(struct tc_gate *tc);

#endif
