// SPDX-License-Identifier: Apache-2.0
// Changes numbers of a pack as a hostile writer would: fields of records and of the superblock, to values at borders
// and to those of other records. For fuzzers; what comes out depends on the seed only.
#pragma once

#include <cstdint>
#include <random>

#include "tests/support/forged_pack.h"

namespace quire {

// One to four changes.
void Mutate(ForgedPack& pack, std::mt19937_64& random);

}  // namespace quire
