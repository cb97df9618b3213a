/* caged.h: bytes as an image of one format, by the way that helpers decode (helper.h). */
#ifndef TESTS_FUZZ_CAGED_H
#define TESTS_FUZZ_CAGED_H

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Decodes a copy of just that size, so that not a byte may be read behind it; both forms are wanted. The limit of
 * pixels is small, so that claimed sizes stay cheap and the fuzzer fast. */
void caged_decode(const uint8_t *data, size_t size);

/* The same with the bytes that files of the format begin with at `at`, whatever stands there. */
void caged_decode_as(const char *magic, size_t magic_size, size_t at, const uint8_t *data, size_t size);

#endif
