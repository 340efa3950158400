/* float64 kernels for avx512; setup.py gives this file its own compiler flags. */
#define BP_FLOAT64
#define BP_NAME "avx512"
#define BP_STUB bp_kernels_avx512_float64
#define BP_SIMD "simd/avx512.h"
#include "kernels/table.h"
