/* cpu.c: picks the SIMD kernels for the CPU found at run time, and calls them.
 *
 * The choice is the one piece of state that the kernels share: an atomic pointer to a constant table, set by
 * caption_init or else by the first call. Two threads that race there store the same value, so no lock is needed, and
 * a program that forgot caption_init still gets right answers. CAPTION_SIMD=baseline|avx2|avx512 asks for a lesser set
 * (to compare speed, or to rule a kernel out; avx512 rules out tiles); a set that this CPU lacks, or an unknown name,
 * changes nothing. */
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#ifdef __x86_64__
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

#include "model/caption.h"
#include "model/kernels/activation.h"
#include "model/kernels/amx/gemm_amx.h"
#include "model/kernels/cpu.h"
#include "model/kernels/matrix.h"
#include "model/kernels/simd/kernels.h"

#define BASELINE(result, name, parameters, arguments) .name = name##_f_baseline,
#define AVX2(result, name, parameters, arguments) .name = name##_f_avx2,
#define AVX512(result, name, parameters, arguments) .name = name##_f_avx512,

static const simd_set sets[] = {
    {.name = "baseline", SIMD_KERNELS(BASELINE)},
#ifdef __x86_64__
    {.name = "avx2", SIMD_KERNELS(AVX2)},
    {.name = "avx512", SIMD_KERNELS(AVX512)},
#endif
};

enum { SETS = sizeof sets / sizeof *sets };

/* Each set needs all that the one before it needs. The features are the -m flags of the Makefile, less f16c, which
 * clang cannot ask for and every CPU with AVX2 has. */
static size_t sets_of_this_cpu(void)
{
    size_t count = 1;
#ifdef __x86_64__
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        count++;
    if (count == 2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
        count++;
#endif
    return count;
}

const simd_set *simd_set_available(size_t i)
{
    return i < sets_of_this_cpu() ? &sets[i] : NULL;
}

static const simd_set *choose(void)
{
    size_t count = sets_of_this_cpu();
    const char *wish = getenv("CAPTION_SIMD");
    for (size_t i = 0; wish && i < count; i++)
        if (strcmp(wish, sets[i].name) == 0)
            return &sets[i];
    return &sets[count - 1];
}

static _Atomic(const simd_set *) chosen;

void cpu_choose_kernels(void)
{
    atomic_store_explicit(&chosen, choose(), memory_order_relaxed);
}

const simd_set *cpu_kernels(void)
{
    const simd_set *set = atomic_load_explicit(&chosen, memory_order_relaxed);
    if (!set) {
        cpu_choose_kernels();
        set = atomic_load_explicit(&chosen, memory_order_relaxed);
    }
    return set;
}

#ifdef __x86_64__
/* Linux lends the tiles to processes that ask for them, at their first use at the latest; asking again does no harm. */
static int has_tiles(void)
{
    enum { EXTENDED_FEATURES = 7, AMX_BF16 = 1 << 22, AMX_TILE = 1 << 24 };
    enum { ARCH_REQUEST_PERMISSION = 0x1023, TILE_DATA = 18 };
    unsigned a, b, c, d;
    return __get_cpuid_count(EXTENDED_FEATURES, 0, &a, &b, &c, &d) && (d & AMX_BF16) && (d & AMX_TILE) &&
           syscall(SYS_arch_prctl, ARCH_REQUEST_PERMISSION, TILE_DATA) == 0;
}
#endif

const bf16_kernels *cpu_bf16_kernels_available(int i)
{
#ifdef __x86_64__
    static const bf16_kernels ways[] = {{"avx512bf16", bf16_pack, bf16_gemm}, {"amx", amx_pack, amx_gemm}};
    if (cpu_kernels() == &sets[SETS - 1] && __builtin_cpu_supports("avx512bf16") && (i == 0 || (i == 1 && has_tiles())))
        return &ways[i];
#endif
    (void)i;
    return NULL;
}

const bf16_kernels *cpu_bf16_kernels(void)
{
    const char *wish = getenv("CAPTION_SIMD");
    const bf16_kernels *tiles = wish && strcmp(wish, "avx512") == 0 ? NULL : cpu_bf16_kernels_available(1);
    return tiles ? tiles : cpu_bf16_kernels_available(0);
}

const char *caption_simd_name(void)
{
    return cpu_kernels()->name;
}

#define DISPATCH(result, name, parameters, arguments)                                                                  \
    result name##_f parameters                                                                                         \
    {                                                                                                                  \
        return cpu_kernels()->name arguments;                                                                          \
    }
SIMD_KERNELS(DISPATCH)
