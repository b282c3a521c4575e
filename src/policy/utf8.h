/* SPDX-License-Identifier: GPL-2.0-only */
/* One UTF-8 character at a time (RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF). */
#ifndef BULKHEAD_POLICY_UTF8_H
#define BULKHEAD_POLICY_UTF8_H

#include <stddef.h>
#include <stdint.h>

/* Bytes of the character at `bytes` (1 to 4), its code point in *ret_code; 0 when it is none. `left` is at least 1. */
static inline unsigned int utf8_decode(const char *bytes, size_t left, uint32_t *ret_code)
{
	static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
	const unsigned char *p = (const unsigned char *)bytes;
	unsigned int width = p[0] < 0x80	     ? 1
			     : (p[0] & 0xe0) == 0xc0 ? 2
			     : (p[0] & 0xf0) == 0xe0 ? 3
			     : (p[0] & 0xf8) == 0xf0 ? 4
						     : 0;
	uint32_t code = width < 2 ? p[0] : p[0] & (0x7fu >> width);

	if (!width || width > left)
		return 0;
	for (unsigned int i = 1; i < width; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (p[i] & 0x3f);
	}
	if (code < smallest[width] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
		return 0;
	*ret_code = code;
	return width;
}

#endif
