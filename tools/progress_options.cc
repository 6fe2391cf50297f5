// SPDX-License-Identifier: Apache-2.0
#include "tools/progress_options.h"

namespace quire {

ProgressMode ProgressOptions::mode() const {
  if (quiet || when == "never") return ProgressMode::kNever;
  return when == "always" ? ProgressMode::kAlways : ProgressMode::kAuto;
}

void AddProgressOptions(Command subcommand, ProgressOptions& options) {
  subcommand.AddFlag("-q,--quiet", options.quiet, "Print nothing but what went wrong");
  subcommand.Add("--progress", options.when, "Show progress: auto, always or never")
      .OneOf({"auto", "always", "never"})
      .Type("WHEN");
}

}  // namespace quire
