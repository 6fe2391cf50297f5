// SPDX-License-Identifier: Apache-2.0
// What a command with progress can be told about it.
#pragma once

#include <string>

#include "tools/parser.h"
#include "tools/progress.h"

namespace quire {

struct ProgressOptions {
  std::string when = "auto";  // or "always", "never"
  bool quiet = false;         // nothing is printed but what went wrong

  [[nodiscard]] ProgressMode mode() const;
};

// Adds --progress WHEN and --quiet to `subcommand`. `options` must live until it was parsed.
void AddProgressOptions(Command subcommand, ProgressOptions& options);

}  // namespace quire
