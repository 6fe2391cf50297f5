// SPDX-License-Identifier: Apache-2.0
// Carries out the tasks of a plan: samples and symlinks, each of which appears under its name when it is whole.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <unordered_map>
#include <unordered_set>

#include "format/mutex.h"
#include "format/pack/pack.h"
#include "tools/disk_reader.h"
#include "tools/extract/entry_attributes.h"
#include "tools/extract/extract_plan.h"
#include "tools/extract/extract_report.h"
#include "tools/extract/new_file.h"
#include "tools/extract/sample_copy.h"
#include "tools/extract/target_tree.h"

namespace quire {

// What becomes of a name that is there already.
enum class Existing : uint8_t { kRefuse, kSkip, kOverwrite };

// What all tasks share. Not owned.
struct ExtractTools {
  const Index& index;
  SampleCopy& copy;
  TargetTree& tree;
  FileMaker& files;
  AttributeSetter& attributes;
  ExtractReport& report;
  Existing existing;
};

class EntryWriter {
 public:
  EntryWriter(const ExtractTools& tools, const ExtractPlan& plan) : tools_(tools), plan_(plan) {}

  // Faults go to the report, and once that has ended, the rest of the task is left out. Any number of threads, each
  // task once; the tasks of one large sample share an open file from the first to the last.
  void Run(const ExtractTask& task);

  // Whether the name was made, for nodes of several names.
  bool WasMade(NodeNumber place) const;

 private:
  struct LargeFile {
    explicit LargeFile(uint64_t tasks) : tasks_left(tasks) {}

    Mutex mutex;  // not held while bytes are copied
    bool is_started QUIRE_GUARDED_BY(mutex) = false;
    bool is_wanted QUIRE_GUARDED_BY(mutex) = false;  // it is not there already, and nothing went wrong
    NewFile file;  // begun by the first task and ended by the last; all write into it without the lock meanwhile
    uint64_t tasks_left QUIRE_GUARDED_BY(mutex);
  };

  void MakeSamples(std::span<const Piece> pieces);
  Result<void> MakeSample(FolderCursor& cursor, NodeNumber place, std::span<const std::byte> bytes);
  void MakePartOfLarge(const ExtractTask& task);
  Result<void> StartLarge(LargeFile& large, NodeNumber place, const Node& node) QUIRE_REQUIRES(large.mutex);
  // The last task of the sample finishes the file; whether this was the last.
  bool EndTask(LargeFile& large, NodeNumber place);
  Result<void> MakeSymlink(FolderCursor& cursor, NodeNumber place);
  Result<void> ReplaceBySymlink(const File& folder, const std::string& target, const std::string& name);
  // Metadata, then the name.
  Result<void> Finish(NewFile& file, NodeNumber place, const Node& node);
  Result<void> MeetExisting();
  void CountDone(NodeNumber place, const Node& node);
  bool IsToBeSkipped(FolderCursor& cursor, NodeNumber place);

  const ExtractTools tools_;
  const ExtractPlan& plan_;
  mutable Mutex mutex_;  // not held across system calls
  std::unordered_map<uint32_t, std::shared_ptr<LargeFile>> large_files_ QUIRE_GUARDED_BY(mutex_);
  std::unordered_set<NodeNumber> made_ QUIRE_GUARDED_BY(mutex_);  // of several names
};

// The node that stands at `place`, through a hard link, and its name.
Result<Node> GetContentNode(const Index& index, NodeNumber place);
Result<std::string> GetEntryName(const Index& index, NodeNumber place);

// "is there already; --skip-existing keeps it, --overwrite replaces it".
std::unexpected<Error> IsThereAlready();

}  // namespace quire
