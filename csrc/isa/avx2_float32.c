/* float32 kernels for avx2; setup.py gives this file its own compiler flags. */
#define BP_NAME "avx2"
#define BP_STUB bp_kernels_avx2_float32
#define BP_SIMD "simd/avx2.h"
#include "kernels/table.h"
