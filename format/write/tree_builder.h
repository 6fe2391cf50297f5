// SPDX-License-Identifier: Apache-2.0
// Fills the namespace of index tables, breadth first. Equal trees make equal tables, wherever they are read from.
// Not thread-safe.
#pragma once

#include <cstdint>
#include <map>
#include <string_view>
#include <vector>

#include "format/result.h"
#include "format/write/index_tables.h"
#include "format/write/page_layout.h"

namespace quire {

using SparseSamples = std::map<NodeNumber, std::vector<DataRange>>;  // the data of samples with holes

// Adds the bytes from `begin` to `end`, which are data, behind those of `ranges`. A pack has holes in units of 4096
// bytes, so that it does not depend on the blocks of the file system that it is made on. `size_bytes`: of the sample.
// REQUIRES: begin < end, begin < size_bytes.
void AddData(std::vector<DataRange>& ranges, uint64_t begin, uint64_t end, uint64_t size_bytes);

// An entry of the tree, but for further names of a sample or symlink.
struct TreeEntry {
  std::string_view name;            // valid; "" of the root
  NodeKind kind = NodeKind::kFile;  // of each sample; else kDirectory or kSymlink
  uint32_t mode = 0;                // not of a symlink: file systems tell different ones, which mean nothing
  uint32_t uid = 0;
  uint32_t gid = 0;
  std::string_view xattrs = {};  // a list as InternXattrs takes it
  uint64_t mtime = 0;
  uint64_t size_bytes = 0;       // of a sample
  std::string_view target = {};  // of a symlink
  // Of a sample that may have holes: its data, as AddData makes it.
  const std::vector<DataRange>* data = nullptr;
};

class TreeBuilder {
 public:
  // `tables` are empty, and must outlive it.
  explicit TreeBuilder(IndexTables& tables) : tables_(tables) {}

  // The root, and then, between BeginDirectory and EndDirectory, the entries of each directory that was added, in the
  // order in which they were, by name. Samples of more than one page, or with holes, become kSegmented; no content is
  // set.
  Result<NodeNumber> Add(const TreeEntry& entry);
  // Another name of `first`, a sample or symlink.
  Result<NodeNumber> AddName(std::string_view name, NodeNumber first);
  void BeginDirectory();
  Result<void> EndDirectory();

  // Sets the numbers of links, which are known only when all names were added. Returns the samples with holes.
  // REQUIRES: nothing is added later.
  Result<SparseSamples> Finish();

 private:
  IndexTables& tables_;
  SparseSamples sparse_;
  std::map<NodeNumber, uint32_t> names_;  // of samples and symlinks that have several
  uint64_t directory_ = 0;                // the record that is filled, or will be next
  uint32_t subdirectories_ = 0;           // of it
};

}  // namespace quire
