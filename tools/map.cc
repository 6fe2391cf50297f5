// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "fs/json_text.h"
#include "tools/command.h"
#include "tools/map/map_source.h"
#include "tools/map/png_picture.h"
#include "tools/map/svg_picture.h"
#include "tools/map/terminal_picture.h"
#include "tools/whole_file.h"

namespace quire {
namespace {

constexpr std::array<std::pair<std::string_view, ColourChoice>, 3> kColourNames = {{
    {"auto", ColourChoice::kAuto},
    {"always", ColourChoice::kAlways},
    {"never", ColourChoice::kNever},
}};

struct MapArguments {
  MapRequest request;
  std::string colour = "auto";
  bool json = false;
  std::string svg;
  std::string png;
};

// 0 where standard output is no terminal.
size_t TerminalColumns() {
  constexpr size_t kUsual = 80;
  if (isatty(STDOUT_FILENO) == 0) return 0;
  winsize size = {};
  return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : kUsual;
}

ColourChoice ColourOf(const std::string& name) {
  for (const auto& [known, choice] : kColourNames)
    if (name == known) return choice;
  return ColourChoice::kAuto;  // the parser takes no other
}

Result<void> Run(const MapArguments& arguments) {
  const auto report = LookForPages(arguments.request);
  if (!report) return std::unexpected(report.error());
  if (!arguments.svg.empty())
    if (auto written = WriteWholeFile(arguments.svg, DrawSvg(*report)); !written) return written;
  if (!arguments.png.empty()) {
    const std::string png = DrawPng(*report);
    if (png.empty()) return SystemError(ENOMEM, "{}", arguments.png);
    if (auto written = WriteWholeFile(arguments.png, png); !written) return written;
  }
  if (arguments.json) {
    fmt::print("{}\n", FormatJson(MapJson(*report)));
    return {};
  }
  const TerminalStyle style =
      ChooseTerminalStyle(ColourOf(arguments.colour), TerminalColumns(), [](const char* name) { return getenv(name); });
  fmt::print("{}", DrawForTerminal(*report, style));
  return {};
}

int RunMap(const MapArguments& arguments) {
  const auto done = Run(arguments);
  return done ? kExitOk : Fail("map", done.error());
}

}  // namespace

void AddMapCommand(Command program, Body& run) {
  auto arguments = std::make_shared<MapArguments>();
  Command map =
      program.AddSubcommand("map", "Show which pages of a pack are in memory, in the page cache or in a tier");
  map.Add("SOURCE", arguments->request.source,
          "A folder where a pack is mounted; or a pack, an archive or a pattern of archives that is not; or a URL")
      .Type("DIR|PACK")
      .Required();
  map.Add("--tier", arguments->request.tier, "The tier that keeps a PACK or URL which is not mounted").Type("DIR");
  map.Add("--volumes", arguments->request.places,
          "An archive, or a folder of them, outside of PACK's folder that it may read")
      .Type("PATH")
      .OneWord();
  map.AddFlag("--json", arguments->json, "For programs: quire-json(7)");
  map.Add("--svg", arguments->svg, "Draw the map into this file, as SVG").Type("FILE");
  map.Add("--png", arguments->png, "Likewise as PNG").Type("FILE");
  map.Add("--color", arguments->colour, "Whether the terminal shows colours").OneOf({"auto", "always", "never"});
  map.SetBody(run, [arguments] { return RunMap(*arguments); });
}

}  // namespace quire
