// SPDX-License-Identifier: Apache-2.0
// What commands that read a pack are given: a pack, also by URL, an index of archives, or archives.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "cache/remote/remote_options.h"
#include "cache/tier/tier_options.h"
#include "format/pack/pack.h"
#include "format/result.h"
#include "tools/parser.h"
#include "tools/progress.h"

namespace quire {

struct SourceOptions {
  VolumePlaces volumes;
  std::string index;        // where the index of archives lies; empty: in the user's cache
  bool beside = false;      // beside the first of the archives
  uint64_t generation = 0;  // of a pack; 0: the newest
  RemoteOptions remote;
  TierOptions tier;  // of a URL
};

void AddSourceOptions(Command& command, SourceOptions& options);
// --generation, for commands that read what the pack held once.
void AddGenerationOption(Command& command, SourceOptions& options);

// The pack at `source`, with all volumes that can be had; that of an archive, or of archives that a pattern names, is
// their index, which is made where there is none. Notices and errors are of `command`, "quire ls".
Result<std::unique_ptr<Pack>> OpenSource(const std::string& source, const SourceOptions& options,
                                         const std::string& command, ProgressMode progress = ProgressMode::kAuto);

// Whether members of archives are left out of their index, which is told: a copy of what it has is no copy of them.
bool TellLeftOut(const Pack& pack, const std::string& command,
                 const std::function<void(const std::string& line)>& print);

}  // namespace quire
