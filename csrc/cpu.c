/* Which kernels this processor runs. The list is best first and ends in the plain one. */
#include <string.h>

#include "backprop.h"

extern const bp_kernels bp_kernels_baseline_float32, bp_kernels_baseline_float64;
#ifdef __x86_64__
extern const bp_kernels bp_kernels_avx2_float32, bp_kernels_avx2_float64;
extern const bp_kernels bp_kernels_avx512_float32, bp_kernels_avx512_float64;
#endif

static const struct {
    const char *name;
    const bp_kernels *float32, *float64;
} implementations[] = {
#ifdef __x86_64__
    {"avx512", &bp_kernels_avx512_float32, &bp_kernels_avx512_float64},
    {"avx2", &bp_kernels_avx2_float32, &bp_kernels_avx2_float64},
#endif
    {"baseline", &bp_kernels_baseline_float32, &bp_kernels_baseline_float64},
};
#define COUNT (sizeof implementations / sizeof *implementations)

const char *const *bp_instruction_sets(void)
{
    static const char *const names[] = {
#ifdef __x86_64__
        "avx512", "avx2",
#endif
        "baseline", NULL,
    };
    _Static_assert(sizeof names / sizeof *names == COUNT + 1, "each, and the end");
    return names;
}

int bp_instruction_set_runs(const char *name)
{
#ifdef __x86_64__
    __builtin_cpu_init();
    if (strcmp(name, "avx512") == 0)
        return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
               __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("fma");
    if (strcmp(name, "avx2") == 0)
        return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#endif
    return strcmp(name, "baseline") == 0;
}

const bp_kernels *bp_find_kernels(const char *name, size_t itemsize)
{
    for (size_t i = 0; i < COUNT; ++i)
        if (strcmp(implementations[i].name, name) == 0 && bp_instruction_set_runs(name))
            return itemsize == sizeof(float) ? implementations[i].float32 : implementations[i].float64;
    return NULL;
}
