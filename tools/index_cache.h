// SPDX-License-Identifier: Apache-2.0
// Indexes of archives that commands make when they are first given an archive, and find again later. They lie in
// $XDG_CACHE_HOME/quire, under names made of what the archives are: where one changes, another index is meant, and the
// old one goes when room is needed. A damaged one is made anew.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "format/import/archive_indexer.h"
#include "format/pack/pack.h"
#include "format/result.h"

namespace quire {

// All indexes of a user together; those that were not used for longest go first. An index takes some 100 bytes a
// member, so that this is about 80 million of them.
inline constexpr uint64_t kIndexCacheBytes = uint64_t{8} << 30;

struct IndexRequest {
  std::vector<ArchiveToIndex> archives = {};
  std::string path;  // where the index is to lie; empty: in the cache
  // Told of what will not be shown, and of a wait for another process that makes the same index.
  std::function<void(const std::string& sentence)> on_notice;
  IndexProgress* progress = nullptr;
};

// The index of these archives that is there, opened with its volumes; null where it has to be made. Reads nothing of
// the archives.
std::unique_ptr<Pack> FindIndexOf(const IndexRequest& request);

// The index of these archives, opened with its volumes: the one that is there if it is theirs, else a new one.
// Processes that ask at once make one index together.
Result<std::unique_ptr<Pack>> OpenIndexOf(const IndexRequest& request);

}  // namespace quire
