// SPDX-License-Identifier: Apache-2.0
// What programs write into `.quire/plan`, from bytes in pieces to nodes.
//
// Text: paths below the root of the mount, each ended by a newline or by NUL; the first of the two that comes decides
// for the whole plan, so that names with newlines can be told with NUL. A leading "/" or "./" changes nothing, and a
// path that begins with the mount point means what it means outside. Binary: a NUL and "inodes\n", then inode numbers
// as stat(2) tells them, 8 bytes each, little-endian.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "format/pack/index.h"

namespace quire {

inline constexpr std::string_view kBinaryPlanMark{"\0inodes\n", 8};

// Not thread-safe. Reads the index, which may wait for the disk.
class PlanParser {
 public:
  // `visit` is called for each sample named, in order. `root`: the directory of the pack that is mounted.
  PlanParser(const Index& index, NodeNumber root, std::string mount_point, std::function<void(NodeNumber)> visit);

  void Feed(std::span<const char> bytes);
  // The plan's end: what was not ended counts as well. The next byte begins another one.
  void End();
  // The same, but what was not ended is left out. Allocates nothing.
  void Abandon();

  // Entries so far that name no sample of the pack, and how the first of them begins.
  [[nodiscard]] uint64_t unknown() const { return unknown_; }
  [[nodiscard]] const std::string& first_unknown() const { return first_unknown_; }

 private:
  enum class Form : uint8_t { kUndecided, kLines, kNuls, kBinary };

  void Decide();
  void TakeEntries();
  void TakePath(std::string_view path);
  void TakeInode(uint64_t inode);
  void Visit(NodeNumber node, std::string_view name);
  void CountUnknown(std::string_view name);

  const Index& index_;
  const NodeNumber root_;
  const std::string mount_point_;
  const std::function<void(NodeNumber)> visit_;
  Form form_ = Form::kUndecided;
  std::string pending_;       // bytes of an entry that is not complete
  bool is_skipping_ = false;  // the rest of an entry that is too long
  uint64_t unknown_ = 0;
  std::string first_unknown_;
};

}  // namespace quire
