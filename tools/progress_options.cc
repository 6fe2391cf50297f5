#include "tools/progress_options.h"

#include <map>
#include <string>

namespace quire {

void AddProgressOptions(CLI::App& subcommand, ProgressOptions& options) {
  static const std::map<std::string, ProgressMode> kModes = {
      {"auto", ProgressMode::kAuto}, {"always", ProgressMode::kAlways}, {"never", ProgressMode::kNever}};
  subcommand.add_flag("-q,--quiet", options.quiet, "Print nothing but what went wrong");
  subcommand
      .add_option_function<std::string>(
          "--progress", [&options](const std::string& when) { options.when = kModes.at(when); },
          "Show progress: auto, always or never")
      ->check(CLI::IsMember({"auto", "always", "never"}))
      ->type_name("WHEN");
}

}  // namespace quire
