// SPDX-License-Identifier: Apache-2.0
// How far work is, as one line.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "tools/progress.h"

namespace quire {

enum class ProgressTime : uint8_t {
  kLeft,   // the work goes on: the time that it still takes
  kTaken,  // it is done: the time that it took
};

// `state` after `seconds` of work, percent and time first, in at most `columns` characters: what does not fit is left
// out, the least important first. With `has_bar` a bar of at least ten cells takes the rest, where there is so much.
std::string FormatProgress(const ProgressState& state, double seconds, ProgressTime time, size_t columns, bool has_bar);

}  // namespace quire
