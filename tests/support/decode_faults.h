/* decode_faults.h: a decoder that misbehaves on demand, to see that the cage holds it.
 *
 * Compiled into captiond-faulty alone, which no target installs: there an image that ends with "captiond-fault:NAME"
 * makes its decoder do what decode_faults.c lists under that name, before it decodes. */
#ifndef TESTS_SUPPORT_DECODE_FAULTS_H
#define TESTS_SUPPORT_DECODE_FAULTS_H

#include "server/decode/helper.h"

#define DECODE_FAULT_MARK "captiond-fault:"

/* 1: the fault has answered in the decoder's place. */
int decode_faults(helper_memory *memory, const unsigned char *file, size_t size);

#endif
