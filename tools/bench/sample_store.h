// SPDX-License-Identifier: Apache-2.0
// Samples wherever they are kept (a directory or mount, a pack), behind one interface, so that one engine reads them
// all and its figures can be compared. tests/bench/stores has further stores, for comparisons.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "format/result.h"

namespace quire::bench {

// Memory that a sample is read into. Grows, and never shrinks. For one thread.
class ReadBuffer {
 public:
  std::span<std::byte> Take(size_t bytes) {
    if (bytes > memory_.size()) memory_.resize(bytes);
    return std::span(memory_).first(bytes);
  }

 private:
  std::vector<std::byte> memory_;
};

// What one thread reads through: its descriptors, transactions, buffer. Made inside the reading process, after fork.
class StoreReader {
 public:
  virtual ~StoreReader() = default;
  // Brings every byte of the sample into the reader's memory, as a loader would before decoding, or, of large ones, one
  // piece after the other. Returns their number.
  virtual Result<uint64_t> Read(uint64_t sample) = 0;
  // The part of the last Read that went by before the first byte was asked for: open and fstat. 0 where a container is
  // open already.
  [[nodiscard]] virtual double open_seconds() const { return 0; }
  // What the last Read brought, until the next one, for those who check it; empty where a reader does not keep it
  // whole.
  [[nodiscard]] virtual std::span<const std::byte> bytes() const { return {}; }
};

// 0 to count - 1: samples in path order. (g++ 12 has no std::ranges::iota.)
std::vector<uint64_t> CountUp(uint64_t count);

class SampleStore {
 public:
  virtual ~SampleStore() = default;

  // Finds the samples, anew at every call: what a loader does once at its start. They are numbered in path order.
  virtual Result<void> List() = 0;
  // The same, and looks at the attributes of every entry on its way, as `ls -lR` does. A container has none to look at.
  virtual Result<void> ListWithAttributes() { return List(); }
  // As of the last List. Thread-safe, like all below.
  [[nodiscard]] virtual uint64_t sample_count() const = 0;
  // The numbers of all samples in the order in which their bytes lie on disk, as far as the store can tell.
  virtual Result<std::vector<uint64_t>> PageOrder() const = 0;
  virtual Result<std::unique_ptr<StoreReader>> NewReader() const = 0;
};

// A directory tree: regular files, which List finds by readdir alone; hard links count each, symlinks are not followed.
// Path order is depth first, the entries of a directory by name (bytes), which is also the default order of a pack.
// Reading is open, fstat, read to the end, close; large files in pieces. Page order is that of the pack behind a mount,
// else of the files' first blocks (FIEMAP), else of their inode numbers.
Result<std::unique_ptr<SampleStore>> OpenDirectoryStore(const std::string& path);

// The paths below `root` of the samples that such a store finds, in its order.
Result<std::vector<std::string>> ListSamplePaths(const std::string& root);

// A pack, read without a file system: the index is loaded by List, then one pread for each extent, sums unchecked.
Result<std::unique_ptr<SampleStore>> OpenPackStore(const std::string& path);

// The store at `path`: a directory, or a file whose name ends with .quire.
Result<std::unique_ptr<SampleStore>> OpenStore(const std::string& path);

}  // namespace quire::bench
