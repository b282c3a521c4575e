/* SPDX-License-Identifier: GPL-2.0-only */
/* The prefixes that the language gives a meaning: special-use, private, and what `internet` leaves out. */
#ifndef BULKHEAD_POLICY_SPECIAL_H
#define BULKHEAD_POLICY_SPECIAL_H

#include "base/addr.h"

/* A special-use prefix that shares an address with `prefix`; NULL: there is none. Never freed. */
const struct prefix *special_overlapping(const struct prefix *prefix);
/* Does `prefix` lie wholly within special-use space (as one of its prefixes)? */
bool special_covers(const struct prefix *prefix);
/* The prefixes of `private`, and the whole of both families. Never freed. */
const struct prefix *special_private(size_t *ret_count);
const struct prefix *special_everything(size_t *ret_count);
/* Does `prefix` lie within what is private? Is all of it `internet`, but for metadata addresses? */
bool special_is_private(const struct prefix *prefix);
bool special_is_internet(const struct prefix *prefix);

#endif
