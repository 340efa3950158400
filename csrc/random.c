/* SplitMix64 (Steele, Lea and Flood, 2014): a counter and a mixer, so that any draw of any stream can be had
 * on its own. */
#include "backprop.h"

__extension__ typedef unsigned __int128 uint128;

uint64_t bp_stream(uint64_t seed, uint64_t purpose, uint64_t index)
{
    return bp_mix(bp_mix(bp_mix(seed) + purpose) + index);
}

/* Fisher-Yates; the draw is scaled to [0, i] by the high half of a 128-bit product. */
void bp_shuffle(uint64_t state, int64_t *indices, int64_t count, int64_t first, int64_t last)
{
    state += BP_GAMMA * (uint64_t)(count - last);
    for (int64_t i = last - 1; i >= first; --i) {
        state += BP_GAMMA;
        const int64_t j = (int64_t)(((uint128)bp_mix(state) * (uint64_t)(i + 1)) >> 64);
        const int64_t swapped = indices[i];
        indices[i] = indices[j];
        indices[j] = swapped;
    }
}
