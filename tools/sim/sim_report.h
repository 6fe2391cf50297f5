// SPDX-License-Identifier: Apache-2.0
// An experiment as text for people, JSON for programs (quire-json(7)) and a chart.
#pragma once

#include <optional>
#include <string>

#include "fs/json_text.h"
#include "tools/sim/experiment.h"
#include "tools/sim/trace_sequence.h"

namespace quire::lab {

struct Prices {
  double ns_per_byte = 0;     // U
  double ns_per_request = 0;  // R
};

struct SimReport {
  const ReadSequence& sequence;
  const Experiment& experiment;
  const LoadedTrace* trace = nullptr;  // null of a reference string
  std::optional<Prices> prices = {};   // empty: nothing is said of costs
};

std::string FormatSimText(const SimReport& report);
Json SimJson(const SimReport& report);
// The miss ratio by memory: a line for each policy, and LRU for every number of slots.
std::string FormatSimSvg(const SimReport& report);
// "Give it 812 MiB (cache_size=812M): ...", one line without a newline.
std::string FormatAdvice(const SimReport& report);

}  // namespace quire::lab
