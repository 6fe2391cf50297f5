// SPDX-License-Identifier: Apache-2.0
#include <array>
#include <cmath>
#include <cstdio>
#include <ctime>
#include <string_view>
#include <utility>

#include "format/escaping.h"
#include "tools/command.h"
#include "tools/ls_forms.h"

namespace quire {
namespace {

// 1536 -> "1.5K": as `ls -h` has it, rounded up.
std::string FormatShortSize(uint64_t bytes) {
  constexpr std::string_view kUnits = "KMGTPE";
  if (bytes < 1024) return std::to_string(bytes);
  double value = static_cast<double>(bytes) / 1024;
  size_t unit = 0;
  for (; std::ceil(value) >= 1024 && unit + 1 < kUnits.size(); ++unit) value /= 1024;
  const double tenths = std::ceil(value * 10) / 10;
  if (tenths < 10) return fmt::format("{:.1f}{}", tenths, kUnits[unit]);
  return fmt::format("{:.0f}{}", std::ceil(value), kUnits[unit]);
}

std::string FormatLocalTime(const timespec& time) {
  std::array<char, 32> text = {};
  struct tm local{};
  localtime_r(&time.tv_sec, &local);
  strftime(text.data(), text.size(), "%Y-%m-%d %H:%M", &local);
  return text.data();
}

class TextLister {
 public:
  TextLister(const Listed& listed, const TextForm& form) : listed_(listed), index_(listed.pack.index()), form_(form) {}

  uint64_t List() {
    if (listed_.entry.node.kind != NodeKind::kDirectory) {
      Print(listed_.entry, listed_.path);
      return faults_;
    }
    const bool is_recursive = listed_.depth == Depth::kAll;
    const bool has_headings = is_recursive && !form_.ends_with_nul;
    const bool has_paths = is_recursive && form_.ends_with_nul;
    bool is_first = true;
    ForEachEntry(
        index_, listed_.entry.node, listed_.path, listed_.depth,
        {.begin_directory =
             [&](const std::string& path) {
               if (!has_headings) return;
               fmt::print("{}{}:\n", std::exchange(is_first, false) ? "" : "\n", path.empty() ? "." : Show(path));
             },
         .visit = [&](const PackEntry& entry, const std::string& path) { Print(entry, has_paths ? path : entry.name); },
         .on_fault = [&](const Error& error) { Tell(error); }});
    return faults_;
  }

 private:
  void Tell(const Error& error) {
    Fail("ls", error);
    ++faults_;
  }

  [[nodiscard]] std::string Show(std::string_view name) const {
    return form_.escapes ? EscapeName(name) : std::string(name);
  }

  void Print(const PackEntry& entry, std::string_view name) {
    const auto line = FormatLine(entry, name);
    if (!line) return Tell(line.error());
    fwrite(line->data(), 1, line->size(), stdout);
    putchar(form_.ends_with_nul ? '\0' : '\n');
  }

  [[nodiscard]] Result<std::string> FormatLine(const PackEntry& entry, std::string_view name) const {
    if (!form_.is_long) return Show(name);
    const Node& node = entry.node;
    const auto attributes = index_.GetAttributes(node.attributes);
    if (!attributes) return std::unexpected(attributes.error());
    const std::string size = form_.human_sizes ? fmt::format("{:>5}", FormatShortSize(node.size_bytes))
                                               : fmt::format("{:>12}", node.size_bytes);
    std::string line =
        fmt::format("{} {:>3} {:>5} {:>5} {} {} {}", FormatMode(node.kind, attributes->mode), attributes->nlink,
                    attributes->uid, attributes->gid, size, FormatLocalTime(DecodeMtime(node.mtime)), Show(name));
    if (node.kind == NodeKind::kSymlink) {
      const auto target = index_.GetTarget(node);
      if (!target) return std::unexpected(target.error());
      line += " -> " + Show(*target);
    }
    return line;
  }

  const Listed& listed_;
  const Index& index_;
  const TextForm& form_;
  uint64_t faults_ = 0;
};

}  // namespace

uint64_t ListAsText(const Listed& listed, const TextForm& form) { return TextLister(listed, form).List(); }

}  // namespace quire
