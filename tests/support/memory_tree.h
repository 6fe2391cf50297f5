// SPDX-License-Identifier: Apache-2.0
// Packs made of trees in memory, for tests that need every byte under control.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "format/pack/pack.h"
#include "format/pack/records.h"
#include "format/write/compression.h"
#include "format/write/sample_order.h"

namespace quire {

class MemoryTree {
 public:
  // Paths are relative, their directories are made as needed. Defaults: mode 0644 (directories 0755), uid 1000, gid
  // 1000, mtime 2001-02-03T04:05:06.000000007Z.
  MemoryTree& AddFile(const std::string& path, std::string content);
  // `ranges` (offset, bytes) of `content` are data, the rest is holes; REQUIRES: zeros there.
  MemoryTree& AddSparseFile(const std::string& path, std::string content,
                            std::vector<std::pair<uint64_t, uint64_t>> ranges);
  MemoryTree& AddSymlink(const std::string& path, std::string target);
  MemoryTree& AddHardLink(const std::string& path, std::string existing);  // `existing` stands earlier, breadth first
  MemoryTree& AddDirectory(const std::string& path);
  MemoryTree& SetXattr(const std::string& path, const std::string& name, std::string value);

  // Writes the pack; a failure ends the test program.
  void WriteTo(const std::string& path, const SampleOrder& order = {}, unsigned jobs = 2,
               const Compression* compression = nullptr) const;

  // The files' contents by path, hard links included.
  [[nodiscard]] std::map<std::string, std::string> Contents() const;

 private:
  struct Entry {
    NodeKind kind = NodeKind::kDirectory;
    std::string content;  // or target, or existing path
    std::vector<std::pair<uint64_t, uint64_t>> ranges;
    std::map<std::string, std::string> xattrs;
  };
  Entry& Add(const std::string& path, NodeKind kind, std::string content);

  std::map<std::string, Entry> entries_;  // "" is the root
};

// A folder that goes away at the end of the test.
class TemporaryFolder {
 public:
  TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  ~TemporaryFolder();
  [[nodiscard]] std::string operator/(const std::string& name) const { return path_ + "/" + name; }
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
};

std::string ReadFile(const std::string& path);
void WriteFile(const std::string& path, const std::string& bytes);

// `bytes` of noise that depends on `seed` only.
std::string Noise(size_t bytes, uint64_t seed);

// `bytes` of text that depends on `seed` only, and is compressed to less than a half.
std::string Text(size_t bytes, uint64_t seed);

// Ends the test program with the error's message.
void DieOf(const Error& error);

template <typename T>
T ValueOrDie(Result<T> result) {
  if (!result) DieOf(result.error());
  return std::move(*result);
}

inline void OkOrDie(const Result<void>& result) {
  if (!result) DieOf(result.error());
}

// Reads the whole sample at `path` through its extents, each checked; errors as they come.
Result<std::string> ReadSampleAt(const Pack& pack, const std::string& path);

}  // namespace quire
