// SPDX-License-Identifier: Apache-2.0
// Entries of a pack, for what lists them or compares them.
#pragma once

#include <cstdint>
#include <ctime>
#include <functional>
#include <string>
#include <string_view>

#include "format/pack/index.h"
#include "format/pack/records.h"
#include "format/result.h"

namespace quire {

struct PackEntry {
  std::string_view name;  // valid as long as the index; "" of the root
  NodeNumber number = 0;  // whose content it is: that of another name where it is a hard link
  Node node;              // that one
};

// The entry at node `number`. Its attributes and a symlink's target are not looked at: they may be damaged.
Result<PackEntry> ReadEntry(const Index& index, NodeNumber number);

// Of an entry whose path is longer than kMaxPathBytes: what lists a pack ends there, since a pack may be as deep as it
// is long.
Error PathTooLong(NodeNumber number);

// What a walk calls. `path` is below the root of the pack.
struct EntryVisitor {
  std::function<void(const std::string& path)> begin_directory = [](const std::string&) {};
  std::function<void(const PackEntry& entry, const std::string& path)> visit;
  std::function<void(const Error&)> on_fault;  // of what cannot be read, which is passed over
};

// Visits the entries of the directory `node`, whose path is `path`, sorted by name; with Depth::kAll then those of each
// directory below, from the first down to its last, before the second begins. Paths that are too long are faults.
// REQUIRES: node.kind is kDirectory.
enum class Depth : bool { kOne, kAll };
void ForEachEntry(const Index& index, const Node& node, const std::string& path, Depth depth,
                  const EntryVisitor& visitor);

// "file", "directory" or "symlink".
const char* KindName(NodeKind kind);

// "drwxr-sr-x", as ls -l prints it.
std::string FormatMode(NodeKind kind, uint32_t mode);

// "2001-02-03T04:05:06.000000007Z".
std::string FormatTime(const timespec& time);

// "a/b"; `name` alone where `folder` is the root, "".
std::string JoinPath(std::string_view folder, std::string_view name);

}  // namespace quire
