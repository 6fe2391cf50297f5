// SPDX-License-Identifier: Apache-2.0
// Prints the table of metrics as markdown, for quire-stats(1).
#include <fmt/format.h>

#include <cstdio>

#include "fs/serve/metrics.h"
#include "packaging/man/markdown_escape.h"

int main() {
  for (const auto& [name, type, help] : quire::DescribeMetrics())
    fmt::print("**{}** ({})\n:   {}\n\n", quire::EscapeMarkdown(name), quire::EscapeMarkdown(type),
               quire::EscapeMarkdown(help));
  return std::fflush(stdout) == 0 ? 0 : 1;
}
