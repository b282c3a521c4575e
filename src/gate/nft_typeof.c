/* SPDX-License-Identifier: GPL-2.0-only */
/* What nft(8) is told of keys that have no type of their own, as it writes it for `typeof iif . @th,64,128` itself
 * (libnftnl's udata.h; nftables: src/expression.c, src/payload.c, src/meta.c). */
#include <libnftnl/udata.h>
#include <string.h>

#include "gate/nft_model.h"

enum { ETYPE_PAYLOAD = 7, ETYPE_META = 9, ETYPE_CONCAT = 13 }; /* enum expr_types */
enum { META_KEY = 0 };
enum { PAYLOAD_DESC = 0, PAYLOAD_TYPE, PAYLOAD_BASE, PAYLOAD_OFFSET, PAYLOAD_LENGTH };
#define BASE_TRANSPORT 3u /* enum proto_bases */

static void payload_put(struct nftnl_udata_buf *buf, const struct nft_set *set)
{
	struct nftnl_udata *nest;

	nftnl_udata_put_u32(buf, NFTNL_UDATA_SET_TYPEOF_EXPR, ETYPE_PAYLOAD);
	nest = nftnl_udata_nest_start(buf, NFTNL_UDATA_SET_TYPEOF_DATA);
	nftnl_udata_put_u32(buf, PAYLOAD_DESC, 0);
	nftnl_udata_put_u32(buf, PAYLOAD_TYPE, 0);
	nftnl_udata_put_u32(buf, PAYLOAD_BASE, BASE_TRANSPORT);
	nftnl_udata_put_u32(buf, PAYLOAD_OFFSET, set->raw.offset * 8u);
	nftnl_udata_put_u32(buf, PAYLOAD_LENGTH, set->raw.length * 8u);
	nftnl_udata_nest_end(buf, nest);
}

static void interface_put(struct nftnl_udata_buf *buf)
{
	struct nftnl_udata *nest;

	nftnl_udata_put_u32(buf, NFTNL_UDATA_SET_TYPEOF_EXPR, ETYPE_META);
	nest = nftnl_udata_nest_start(buf, NFTNL_UDATA_SET_TYPEOF_DATA);
	nftnl_udata_put_u32(buf, META_KEY, NFT_META_IIF);
	nftnl_udata_nest_end(buf, nest);
}

static void pair_put(struct nftnl_udata_buf *buf, const struct nft_set *set)
{
	struct nftnl_udata *parts, *part;

	nftnl_udata_put_u32(buf, NFTNL_UDATA_SET_TYPEOF_EXPR, ETYPE_CONCAT);
	parts = nftnl_udata_nest_start(buf, NFTNL_UDATA_SET_TYPEOF_DATA);
	part = nftnl_udata_nest_start(buf, 0);
	interface_put(buf);
	nftnl_udata_nest_end(buf, part);
	part = nftnl_udata_nest_start(buf, 1);
	payload_put(buf, set);
	nftnl_udata_nest_end(buf, part);
	nftnl_udata_nest_end(buf, parts);
}

size_t nft_typeof_write(const struct nft_set *set, uint8_t data[NFT_TYPEOF_MAX])
{
	struct nftnl_udata_buf *buf = nftnl_udata_buf_alloc(NFT_TYPEOF_MAX);
	struct nftnl_udata *whole;
	size_t size;

	if (!buf)
		return 0;
	whole = nftnl_udata_nest_start(buf, NFTNL_UDATA_SET_KEY_TYPEOF);
	if (set->raw.by_link)
		pair_put(buf, set);
	else
		payload_put(buf, set);
	nftnl_udata_nest_end(buf, whole);
	size = nftnl_udata_buf_len(buf);
	memcpy(data, nftnl_udata_buf_data(buf), size);
	nftnl_udata_buf_free(buf);
	return size;
}
