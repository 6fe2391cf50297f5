// SPDX-License-Identifier: Apache-2.0
// What a trace shows, as text for people and as JSON for programs: quire-json(7).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "fs/json_text.h"
#include "tools/trace/trace_insights.h"

namespace quire::lab {

// The same reads, had something been otherwise.
struct Alternative {
  std::string name;  // for programs: "as_it_is", "plan", "order", "memory_2x", "memory_all"
  std::string what;  // for people
  uint32_t slots = 0;
  Tally tally;
  double cost_ns = 0;  // by what the mount learnt of its disk
};

// With `slots`, and as the mount was for the rest.
std::vector<Alternative> TryAlternatives(const LoadedTrace& trace, uint32_t slots);

std::string FormatTraceText(const LoadedTrace& trace, const TraceInsights& insights,
                            const std::vector<Alternative>& alternatives);
Json TraceJson(const LoadedTrace& trace, const TraceInsights& insights, const std::vector<Alternative>& alternatives);

}  // namespace quire::lab
