// What a command with progress can be told about it.
#pragma once

#include <CLI/CLI.hpp>

#include "tools/progress.h"

namespace quire {

struct ProgressOptions {
  ProgressMode when = ProgressMode::kAuto;
  bool quiet = false;  // nothing is printed but what went wrong

  [[nodiscard]] ProgressMode mode() const { return quiet ? ProgressMode::kNever : when; }
};

// Adds --progress WHEN and --quiet to `subcommand`. `options` must live until it was parsed.
void AddProgressOptions(CLI::App& subcommand, ProgressOptions& options);

}  // namespace quire
