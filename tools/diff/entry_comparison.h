// SPDX-License-Identifier: Apache-2.0
// Compares one entry of a pack with what has its name in a directory.
#pragma once

#include <sys/stat.h>

#include <functional>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cache/sample_reader.h"
#include "format/file.h"
#include "format/pack/index.h"
#include "format/result.h"
#include "format/write/source_attributes.h"
#include "tools/pack_entry.h"

namespace quire {

// What may differ, by the names that users know.
inline constexpr std::string_view kTypeAspect = "type";  // then nothing else is compared
inline constexpr std::string_view kSizeAspect = "size";  // then the content is not compared
inline constexpr std::string_view kContentAspect = "content";
inline constexpr std::string_view kTargetAspect = "target";
inline constexpr std::string_view kModeAspect = "mode";
inline constexpr std::string_view kOwnerAspect = "owner";
inline constexpr std::string_view kMtimeAspect = "mtime";
inline constexpr std::string_view kXattrsAspect = "xattrs";
inline constexpr std::string_view kLinksAspect = "links";  // which names are one file; tree_comparison.h

using Aspects = std::set<std::string, std::less<>>;

struct Detail {
  std::string_view aspect;
  std::string text;  // for people: "0644, now 0600"
};

// Thread-safe.
class EntryComparer {
 public:
  // Both must outlive it.
  EntryComparer(const Index& index, SampleReader& reader, Aspects ignored)
      : index_(index), reader_(reader), ignored_(std::move(ignored)) {}

  struct Outcome {
    Attributes attributes;    // of the entry
    struct stat status = {};  // of the other
    std::vector<Detail> what = {};
  };
  // `folder` holds the other, or is it where `entry` is the root. Reads the whole sample. An error says what could not
  // be read, on either side.
  [[nodiscard]] Result<Outcome> Compare(const PackEntry& entry, const File& folder) const;

  [[nodiscard]] bool Compares(std::string_view aspect) const { return !ignored_.contains(aspect); }

 private:
  void CompareStatus(const PackEntry& entry, Outcome& outcome) const;
  [[nodiscard]] Result<void> CompareTarget(const PackEntry& entry, const File& folder, Outcome& outcome) const;
  [[nodiscard]] Result<void> CompareXattrs(const Xattrs& now, Outcome& outcome) const;
  [[nodiscard]] Result<void> CompareContent(const PackEntry& entry, const File& folder, Outcome& outcome) const;
  // The first byte that differs.
  [[nodiscard]] Result<std::optional<uint64_t>> FindDifference(const Node& node, const File& file) const;

  const Index& index_;
  SampleReader& reader_;
  const Aspects ignored_;
};

}  // namespace quire
