// SPDX-License-Identifier: Apache-2.0
// What the kernel's page cache holds of a file, asked without reading of it and without touching what it holds.
#pragma once

#include <cstdint>
#include <vector>

#include "format/result.h"

namespace quire {

// Of each page of 2 MiB, how many folios of 4 KiB are cached. `fd`: open to read, of `bytes` bytes. By cachestat(2), or
// by mincore(2) where that tells more. An error, in words for people, where the kernel does not tell it to this user or
// does not know: it is never taken for nothing.
Result<std::vector<uint16_t>> ReadKernelPages(int fd, uint64_t bytes);

// The two ways. The latter answers whoever may not know that all is there: REQUIRES of it: MayAskMincore.
Result<std::vector<uint16_t>> AskCachestat(int fd, uint64_t bytes);
Result<std::vector<uint16_t>> AskMincore(int fd, uint64_t bytes);
bool MayAskMincore(int fd);

}  // namespace quire
