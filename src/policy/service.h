/* SPDX-License-Identifier: GPL-2.0-only */
/* Services: what a word of the language means, and sets of atoms. */
#ifndef BULKHEAD_POLICY_SERVICE_H
#define BULKHEAD_POLICY_SERVICE_H

#include "policy/model.h"

/* Names that the language gives a meaning of its own: the built-in services and the words before a '/'. */
extern const char *const service_reserved_names[];
extern const size_t service_reserved_count;
/* How many of them, from the first, stand for a service by themselves. */
extern const size_t service_builtin_count;

/* A built-in service or `proto/…`: its atoms are appended. -ENOENT: a plain name that is no built-in (nothing in
 * `error`); -EINVAL with the reason in `error`; -ENOMEM. */
int service_word_parse(const char *word, struct service_atoms *atoms, struct error *error);
/* Takes out what is there twice. */
void service_atoms_unique(struct service_atoms *atoms);
/* Leaves the tunnels out of `all` and `udp`, as an allow rule does. */
void service_atoms_without_tunnels(struct service_atoms *atoms);
/* Is everything that `inner` matches matched by `outer`, an atom that holds tunnels? */
bool service_atom_covers(const struct service_atom *outer, const struct service_atom *inner);

#endif
