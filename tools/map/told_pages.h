// SPDX-License-Identifier: Apache-2.0
// What `.quire/pages` of a mount tells, taken apart. Whoever serves a mount may tell anything: it is believed as far as
// its form is right, and files that it names are looked at only where they are those that it says.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "format/file.h"
#include "format/result.h"
#include "fs/serve/page_map.h"

namespace quire {

struct ToldVolume {
  std::string path;
  std::string kind;
  uint64_t volume_bytes = 0;
  std::optional<uint64_t> device = {};
  std::optional<uint64_t> inode = {};
  std::optional<std::string> error = {};
  std::optional<std::vector<PageRun>> memory = {};     // nothing: they are too many runs to be told
  std::optional<std::vector<PageRun>> handed_on = {};  // likewise, or too many pages to be looked through
  std::string tier = {};                               // empty: none
};

struct ToldPages {
  std::string pack;
  std::vector<ToldVolume> volumes = {};
  uint64_t left_out_volumes = 0;
};

// kUnsupported for another schema, kCorrupt for what is of no form of ours.
Result<ToldPages> ParseToldPages(std::string_view text);

// Opens the file of a volume to look at it; an error where another one lies at its path by now, or it is neither a file
// nor a block device: nothing else is opened, since that may do things.
Result<File> OpenToldFile(const ToldVolume& volume);

}  // namespace quire
