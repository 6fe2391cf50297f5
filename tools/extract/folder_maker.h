// SPDX-License-Identifier: Apache-2.0
// Makes the folders of an extraction before anything is put into them, and gives them their metadata when all is there.
// A folder that is made has a mode of its own until then, which no folder of a user is likely to have: an extraction
// that continues one that was stopped knows by it what is left to complete, on every file system that keeps modes, and
// nobody else gets into a folder that is half done. One that is complete is told from it by its mode alone, which is
// therefore set when owner and attributes are.
#pragma once

#include <cstdint>
#include <vector>

#include "tools/extract/entry_writer.h"

namespace quire {

// mkdir(2) takes the sticky bit, so that no folder is without the mark for a moment.
inline constexpr unsigned kUnfinishedFolderMode = 01700;

// For one thread.
class FolderMaker {
 public:
  // `umask`: cut off the modes of folders that only lead to what is extracted.
  FolderMaker(const ExtractTools& tools, unsigned umask) : tools_(tools), umask_(umask) {}

  // Makes `folders`, ascending by node number, with kUnfinishedFolderMode; that of the pack's root is there. One that
  // is there and finished keeps its metadata; what else stands in its place is a fault unless it may be replaced.
  void Make(const std::vector<NodeNumber>& folders);
  // Before that: makes the folders on the way to `tops` that are not among `folders`, with default modes.
  void MakeParents(const std::vector<NodeNumber>& tops, const std::vector<NodeNumber>& folders);

  // Sets the metadata of what is unfinished, and the times of what was there. REQUIRES: nothing more is made in them.
  void Complete();

 private:
  Result<void> MakeOne(FolderCursor& cursor, NodeNumber number);
  Result<void> CompleteOne(NodeNumber number, bool is_unfinished);
  // Sorts a folder that is there by what is left to do.
  Result<void> Note(const File& folder, NodeNumber number);

  const ExtractTools tools_;
  const unsigned umask_;
  // Both ascending by node number.
  std::vector<NodeNumber> unfinished_;  // made here, or by an extraction that was stopped
  std::vector<NodeNumber> found_;       // there before, and complete
};

}  // namespace quire
