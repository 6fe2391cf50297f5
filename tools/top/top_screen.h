// SPDX-License-Identifier: Apache-2.0
// The screen of `quire top`, as lines of styled text: nothing here knows a terminal.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "tools/top/terminal_text.h"
#include "tools/top/top_view.h"

namespace quire {

enum class TextStyle {
  kPlain,
  kTitle,    // the line at the top
  kHeading,  // of a table
  kDim,
  kGraph,
  kWarning,
  kAlarm,
};

struct StyledText {
  std::string text;
  TextStyle style = TextStyle::kPlain;
};
using ScreenLine = std::vector<StyledText>;

struct ScreenForm {
  size_t columns = 80;
  size_t lines = 24;
  Charset charset = Charset::kUtf8;
};

// At most `form.lines` lines of at most `form.columns` columns. Of several mounts there is a table, and one of them,
// `views[selected]`, is shown in detail. `period_s`: between updates.
std::vector<ScreenLine> LayOutTop(const std::vector<TopView>& views, size_t selected, double period_s,
                                  const ScreenForm& form);

// A line for each update, where there is no terminal. `many`: it names its mount.
std::string TopLineHeading();
std::string FormatTopLine(const TopView& view, bool many);

}  // namespace quire
