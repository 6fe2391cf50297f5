// SPDX-License-Identifier: Apache-2.0
// Prints the table of mount options as markdown, for manual pages: a heading for each group, below it what the table
// says of each option, and the names of those of which it says nothing.
#include <fmt/format.h>

#include <cstdio>
#include <string>
#include <string_view>

#include "fs/options/mount_options.h"
#include "packaging/man/markdown_escape.h"

namespace {

using quire::EscapeMarkdown;
using quire::MountOptionDescription;

std::string Name(const MountOptionDescription& option) {
  // Choices are said as they are, "on|off"; what stands for a value is in capitals.
  const std::string name = EscapeMarkdown(option.name);
  const std::string value = EscapeMarkdown(option.value);
  if (option.value.empty()) return fmt::format("**{}**", name);
  return option.value.contains('|') ? fmt::format("**{}={}**", name, value) : fmt::format("**{}=***{}*", name, value);
}

}  // namespace

int main() {
  std::string_view group;
  std::string names;  // of the group: options without a text
  const auto end_group = [&names] {
    if (!names.empty()) fmt::print("Also {}.\n\n", names);
    names.clear();
  };
  for (const MountOptionDescription& option : quire::DescribeMountOptions()) {
    if (option.group != group) {
      end_group();
      group = option.group;
      fmt::print("### {}\n\n", EscapeMarkdown(group));
    }
    if (option.text.empty())
      names += (names.empty() ? "" : ", ") + Name(option);
    else
      fmt::print("{}\n:   {}\n\n", Name(option), EscapeMarkdown(option.text));
  }
  end_group();
  return std::fflush(stdout) == 0 ? 0 : 1;
}
