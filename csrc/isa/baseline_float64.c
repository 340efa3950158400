/* float64 kernels for baseline; setup.py gives this file its own compiler flags. */
#define BP_FLOAT64
#define BP_NAME "baseline"
#define BP_STUB bp_kernels_baseline_float64
#define BP_SIMD "simd/generic.h"
#include "kernels/table.h"
