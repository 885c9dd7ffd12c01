/* SPDX-License-Identifier: Apache-2.0 */
/* The ChaCha20 block function (RFC 8439, "The ChaCha20 Block Function"). */
#ifndef GK_CHACHA_H
#define GK_CHACHA_H

#include <stdint.h>

#define CHACHA_KEY_WORDS 8
#define CHACHA_BLOCK_WORDS 16
#define CHACHA_BLOCK_BYTES 64

/* 64 bytes of key stream for @key, the block @counter and @nonce (three words). */
void chacha20_block(const uint32_t key[CHACHA_KEY_WORDS], uint32_t counter, const uint32_t nonce[3],
		    uint32_t out[CHACHA_BLOCK_WORDS]);

#endif
