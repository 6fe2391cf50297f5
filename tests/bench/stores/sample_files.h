// SPDX-License-Identifier: Apache-2.0
// The samples of a folder, read whole, for those who put them into something else.
#pragma once

#include <span>
#include <string>

#include "format/file.h"
#include "tools/bench/sample_store.h"

namespace quire::bench {

class SampleFiles {
 public:
  static Result<SampleFiles> Open(const std::string& root);

  // Paths are below the root; errors name them.
  [[nodiscard]] Result<uint64_t> Size(const std::string& path) const;
  // All bytes of the sample, in `buffer`. kUnreadable for one that is shorter than its size says.
  Result<std::span<const std::byte>> Read(const std::string& path, ReadBuffer& buffer) const;

 private:
  explicit SampleFiles(File root) : root_(std::move(root)) {}

  File root_;
};

}  // namespace quire::bench
