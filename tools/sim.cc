// SPDX-License-Identifier: Apache-2.0
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "format/escaping.h"
#include "fs/json_text.h"
#include "tools/command.h"
#include "tools/progress.h"
#include "tools/sim/experiment.h"
#include "tools/sim/sim_report.h"
#include "tools/sim/slot_drawing.h"
#include "tools/sim/trace_sequence.h"
#include "tools/standard_streams.h"
#include "tools/whole_file.h"

namespace quire {
namespace {

using lab::LabPolicy;

struct SimArguments {
  std::vector<std::string> what;
  std::vector<std::string> slots;
  std::vector<std::string> policies;
  std::string admission;
  std::string readahead;
  double ns_per_byte = -1;
  double ns_per_request = -1;
  std::string svg;
  bool draw = false;
  bool json = false;
};

Result<std::vector<uint32_t>> ParseSlots(const std::vector<std::string>& words) {
  std::vector<uint32_t> slots;
  for (const std::string& word : words) {
    uint32_t count = 0;
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), count);
    if (error != std::errc() || end != word.data() + word.size() || count < 1 || count > lab::kMaxLabSlots)
      return Invalid("--slots '{}': give numbers from 1 to {}, such as 64,128,256", EscapeName(word),
                     lab::kMaxLabSlots);
    slots.push_back(count);
  }
  std::ranges::sort(slots);
  slots.erase(std::ranges::unique(slots).begin(), slots.end());
  return slots;
}

Result<std::vector<LabPolicy>> ParsePolicies(const std::vector<std::string>& words, bool is_string) {
  if (words.empty() && is_string)
    return std::vector{LabPolicy::kFifo, LabPolicy::kLru, LabPolicy::kClock, LabPolicy::kBelady};
  if (words.empty()) return std::vector{LabPolicy::kAuto, LabPolicy::kLru, LabPolicy::kPlan, LabPolicy::kBelady};
  std::vector<LabPolicy> policies;
  for (const std::string& word : words) {
    const auto policy = ChoiceOf(lab::kLabPolicyNames, word);
    if (!policy)
      return Invalid("--policy '{}': there are fifo, lru, clock, pin, belady, auto and plan", EscapeName(word));
    if (std::ranges::find(policies, *policy) == policies.end()) policies.push_back(*policy);
  }
  return policies;
}

// Nothing where nothing is known and nothing was said.
std::optional<lab::Prices> PricesOf(const SimArguments& arguments, const lab::LoadedTrace* trace) {
  const CostModel first;  // an ordinary SSD
  const bool is_said = arguments.ns_per_byte >= 0 || arguments.ns_per_request >= 0;
  if (trace == nullptr) {
    if (!is_said) return std::nullopt;
    return lab::Prices{std::max(arguments.ns_per_byte, 0.0), std::max(arguments.ns_per_request, 0.0)};
  }
  return lab::Prices{
      arguments.ns_per_byte >= 0 ? arguments.ns_per_byte : trace->ns_per_byte.value_or(first.ns_per_byte()),
      arguments.ns_per_request >= 0 ? arguments.ns_per_request
                                    : trace->ns_per_request.value_or(first.ns_per_request())};
}

size_t TerminalColumns() {
  winsize size = {};
  return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 20 ? size.ws_col : 120;
}

Result<void> Draw(const lab::ReadSequence& sequence, const lab::ExperimentPlan& plan) {
  if (plan.slots.back() > lab::kMostDrawnSlots)
    return Invalid("--draw: at most {} slots are drawn; choose with --slots", lab::kMostDrawnSlots);
  for (const uint32_t slots : plan.slots)
    for (const LabPolicy policy : plan.policies)
      fmt::print("{}, {}\n{}\n", NameOf(lab::kLabPolicyNames, policy), FormatAmount(slots, "slot", "slots"),
                 lab::DrawSlots(sequence,
                                {.policy = policy,
                                 .slots = slots,
                                 .admission = plan.admission,
                                 .readahead = plan.readahead,
                                 .readers_keep = plan.readers_keep,
                                 .costs = plan.costs},
                                TerminalColumns()));
  return {};
}

Result<void> Run(const SimArguments& arguments) {
  const bool is_file = arguments.what.size() == 1 && access(arguments.what.front().c_str(), F_OK) == 0;
  std::optional<lab::LoadedTrace> trace;
  lab::ReadSequence sequence;
  if (is_file) {
    auto loaded = lab::LoadTrace(arguments.what.front());
    if (!loaded) return Propagate(std::move(loaded));
    trace = *std::move(loaded);
    if (!trace->damage.empty())
      PrintToStderr(fmt::format("quire sim: '{}': {}; what came before is used\n", EscapeName(arguments.what.front()),
                                trace->damage));
    sequence = lab::SequenceOf(*trace);
    trace->records = {};
    if (sequence.reads.empty()) return Invalid("'{}' holds no reads", EscapeName(arguments.what.front()));
  } else {
    auto parsed = lab::ParseReferenceString(arguments.what);
    if (!parsed) return Propagate(std::move(parsed));
    sequence = *std::move(parsed);
  }
  lab::ExperimentPlan plan;
  auto slots = ParseSlots(arguments.slots);
  if (!slots) return Propagate(std::move(slots));
  plan.slots = slots->empty() ? lab::ChooseSlots(sequence, trace ? trace->header.page_slots : 0) : *std::move(slots);
  auto policies = ParsePolicies(arguments.policies, sequence.is_reference_string());
  if (!policies) return Propagate(std::move(policies));
  plan.policies = *std::move(policies);
  const auto prices = PricesOf(arguments, trace ? &*trace : nullptr);
  if (trace) {
    plan.admission = trace->header.admission;
    plan.readahead = trace->header.readahead;
    plan.readers_keep = trace->header.readers_keep;
    plan.costs = lab::ModelOf(prices->ns_per_byte, prices->ns_per_request);
    if (const auto said = ChoiceOf(kAdmissionNames, arguments.admission)) plan.admission = *said;
    if (!arguments.readahead.empty()) plan.readahead = arguments.readahead == "on";
  }
  if (arguments.draw && !arguments.json)
    if (auto drawn = Draw(sequence, plan); !drawn) return drawn;
  const lab::Experiment experiment = lab::RunExperiment(sequence, plan);
  const lab::SimReport report = {
      .sequence = sequence, .experiment = experiment, .trace = trace ? &*trace : nullptr, .prices = prices};
  if (!arguments.svg.empty())
    if (auto written = WriteWholeFile(arguments.svg, lab::FormatSimSvg(report)); !written) return written;
  if (arguments.json)
    fmt::print("{}\n", FormatJson(lab::SimJson(report)));
  else
    fmt::print("{}", lab::FormatSimText(report));
  return {};
}

int RunSim(const SimArguments& arguments) {
  const auto done = Run(arguments);
  return done ? kExitOk : Fail("sim", done.error());
}

}  // namespace

void AddSimCommand(Command program, Body& run) {
  auto arguments = std::make_shared<SimArguments>();
  Command sim =
      program.AddSubcommand("sim", "Try policies and sizes of a cache on recorded reads or a reference string");
  sim.Add("TRACE", arguments->what, "A trace of 'quire trace start', or the pages of a reference string: 1 2 3 4 1 2 5")
      .Type("TRACE|PAGE")
      .Required();
  sim.Add("--slots", arguments->slots, "How many pages the cache holds; several are tried in turn")
      .Type("N,...")
      .OneWord()
      .SeparatedBy(',');
  sim.Add("--policy", arguments->policies,
          "fifo, lru, clock, pin, belady (the optimum), auto (as a mount), plan (as a mount that is told the order)")
      .Type("POLICY,...")
      .OneWord()
      .SeparatedBy(',');
  sim.Add("--admit", arguments->admission, "What a miss brings in; without this as the recorded mount")
      .Type("WHAT")
      .OneOf({"auto", "page", "extent"});
  sim.Add("--readahead", arguments->readahead, "Likewise").Type("WHEN").OneOf({"on", "off"});
  sim.Add("--ns-per-byte", arguments->ns_per_byte, "U of the cost C = N*U + R; without this as the mount learnt it")
      .Type("NS")
      .NotNegative();
  sim.Add("--ns-per-request", arguments->ns_per_request, "R, likewise").Type("NS").NotNegative();
  sim.Add("--svg", arguments->svg, "Draw misses by memory into this file").Type("FILE");
  sim.AddFlag("--draw", arguments->draw, "Show what lies in the slots after each read");
  sim.AddFlag("--json", arguments->json, "For programs: quire-json(7)");
  sim.SetBody(run, [arguments] { return RunSim(*arguments); });
}

}  // namespace quire
