/* SPDX-License-Identifier: GPL-2.0-only */
#include "policy/loader.h"

void policy_check(struct loader *loader)
{
	(void)loader;
}
