// SPDX-License-Identifier: Apache-2.0
// Archives become temporary files, and an index of their members in these: a pack that lives as long as it is open.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "format/pack/pack.h"
#include "format/result.h"
#include "format/unpack/archive_stream.h"
#include "format/worker_pool.h"

namespace quire {

struct UnpackOptions {
  std::vector<std::string> paths;  // of archives; at least one
  std::string folder;              // for temporary files
  UnpackWatch watch = {};
  std::atomic<uint64_t>* bytes_total = nullptr;  // of the archives that are unpacked; optional
  // Told of what an archive has and a pack does not hold, and of what cannot be read of it; `member` may be empty. By
  // one thread at a time.
  std::function<void(const std::string& archive, std::string_view member, std::string_view reason)> on_notice;
  std::function<void(const std::string& archive, std::string_view member, std::string_view reason)> on_damage;
};

// Archives that can be read where they lie are not unpacked, and are read by the pack as long as it is there. Nothing
// has a name, so nothing is left, however the process ends. Errors name the archive: kUnreadable where one changed
// meanwhile, kCorrupt and kUnsupported for what is no archive or cannot be read at all, kSystem, kInterrupted.
Result<std::unique_ptr<Pack>> UnpackArchives(const UnpackOptions& options, WorkerPool& pool);

}  // namespace quire
