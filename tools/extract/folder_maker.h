// Makes the folders of an extraction before anything is put into them, and completes their metadata when all is there.
#pragma once

#include <cstdint>
#include <vector>

#include "tools/extract/entry_writer.h"

namespace quire {

// For one thread.
class FolderMaker {
 public:
  // `umask`: cut off the modes of folders that only lead to what is extracted.
  FolderMaker(const ExtractTools& tools, unsigned umask) : tools_(tools), umask_(umask) {}

  // Makes `folders`, ascending by node number. One that is there keeps its metadata; what stands in its place
  // is a fault unless it may be replaced. `is_new_top`: the folder of the pack's root was made for this extraction.
  void Make(const std::vector<NodeNumber>& folders, bool is_new_top);
  // Before that: makes the folders on the way to `tops` that are not among `folders`, with default modes.
  void MakeParents(const std::vector<NodeNumber>& tops, const std::vector<NodeNumber>& folders);

  // Sets what would have been in the way before, and times. REQUIRES: nothing more is made in them.
  void Complete();

 private:
  Result<void> MakeOne(FolderCursor& cursor, NodeNumber number);
  Result<void> SetNew(const File& folder, NodeNumber number);

  const ExtractTools tools_;
  const unsigned umask_;
  std::vector<NodeNumber> made_;
  std::vector<NodeNumber> found_;  // there before
};

}  // namespace quire
