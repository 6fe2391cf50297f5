// SPDX-License-Identifier: Apache-2.0
// What the control file `pages` tells of a mount: which pages of which volumes are in its memory, which went on to the
// kernel as samples, and where a tier keeps the volumes. packaging/man/quire-json.7.md is its contract with programs.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cache/sample_reader.h"
#include "format/pack/pack.h"

namespace quire {

// Pages in a row. Runs of a set ascend, and no two of them touch.
struct PageRun {
  uint64_t first = 0;
  uint64_t count = 0;

  bool operator==(const PageRun&) const = default;
};

// Adds a page to the set. REQUIRES: it lies behind all that are in it.
void AddPage(uint64_t page, std::vector<PageRun>& runs);
// "0+12,40+1"; empty where there are none.
std::string FormatPageRuns(std::span<const PageRun> runs);
// Of text that anybody may have written: nothing where it is of another form, or tells of pages from `page_count` on.
std::optional<std::vector<PageRun>> ParsePageRuns(std::string_view text, uint64_t page_count);

// How much is told at most, so that the file has at most some MiB and is made within milliseconds, whatever the pack.
inline constexpr size_t kMostToldVolumes = 4096;
inline constexpr size_t kMostToldRuns = 1 << 17;  // a run takes about 10 bytes
// Whether pages went on to the kernel is looked up page by page, 4 bytes each: of 8 TiB in some 4 ms. A pack that is
// larger has no such pages, but on a machine with twice as much memory.
inline constexpr uint64_t kMostPagesLookedUp = 1 << 22;

// Thread-safe.
class PageMap {
 public:
  // Looks at the files of the volumes, once: later nothing of this may wait for a disk. Both must outlive it.
  PageMap(const Pack& pack, const SampleReader& samples);

  // A JSON object, indented, with a newline at its end. Takes no lock and makes no system call, so that no reader waits
  // for it; pages that come and go meanwhile may be missed.
  [[nodiscard]] std::string Format(std::string_view mount_point) const;

 private:
  struct Volume {
    std::string_view kind;
    std::string path;  // the one that leads to the file that is open, or did when the mount was made
    uint64_t volume_bytes = 0;
    std::optional<uint64_t> device = {};  // st_dev and st_ino of the file
    std::optional<uint64_t> inode = {};
    std::optional<std::string> error = {};
    std::string tier;  // the folder; empty: none
  };
  void LookAt(uint16_t number);

  const Pack& pack_;
  const SampleReader& samples_;
  std::vector<Volume> volumes_;
};

}  // namespace quire
