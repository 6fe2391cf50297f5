// SPDX-License-Identifier: Apache-2.0
// Makes the bytes of an archive that one task stands for: headers, and samples that were read and checked.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "format/pack/pack.h"
#include "format/result.h"
#include "tools/export/export_plan.h"

namespace quire {

// What a task became. Memory is kept for the next one.
struct ComposedTask {
  // A hard link among the bytes: it goes where its sample is left out.
  struct Link {
    size_t begin = 0;
    size_t end = 0;
    NodeNumber place = 0;
    NodeNumber first = 0;  // the name that it is a link to
  };
  struct Fault {
    NodeNumber place = 0;
    Error error;
  };

  std::string bytes;
  std::vector<Link> links;
  std::vector<Fault> faults;  // of members that are not in the bytes, or of the part
  uint64_t members = 0;       // that end in the bytes
  uint64_t sample_bytes = 0;  // with those of members that are left out

  void Clear();
};

// Thread-safe.
class TaskComposer {
 public:
  // All must outlive it.
  TaskComposer(const Pack& pack, const ExportPlan& plan, const ExportStyle& style)
      : pack_(pack), index_(pack.index()), plan_(plan), style_(style) {}

  // Reads the samples through the kernel's page cache, where a pack that was just made lies. Blocks in I/O.
  void Compose(const ExportTask& task, ComposedTask& composed) const;

 private:
  // Starts to read what lies close together.
  void ReadAhead(const ExportTask& task) const;
  Result<void> AppendMember(const ExportMember& member, std::string& bytes, uint64_t& sample_bytes) const;
  Result<void> AppendPart(const ExportTask& task, std::string& bytes, uint64_t& sample_bytes) const;
  Result<void> AppendRanges(const Node& node, const std::vector<TarRange>& ranges, std::string& bytes) const;
  // Fills `into` with the bytes of `node` from `offset` on.
  Result<void> ReadRange(const Node& node, uint64_t offset, std::span<std::byte> into) const;

  const Pack& pack_;
  const Index& index_;
  const ExportPlan& plan_;
  const ExportStyle style_;
};

}  // namespace quire
