// SPDX-License-Identifier: Apache-2.0
#include "format/write/sample_order.h"

#include <charconv>
#include <functional>
#include <limits>
#include <optional>
#include <random>
#include <unordered_map>
#include <vector>

#include "format/write/path_list.h"

namespace quire {
namespace {

// Visits all but directories, depth first.
Result<void> VisitByPath(const IndexTables& tables, const std::function<Result<void>(NodeNumber)>& visit) {
  struct Level {
    NodeNumber next;
    NodeNumber end;
  };
  const auto level_of = [&](uint64_t directory) {
    const Directory& d = tables.directories[directory];
    return Level{.next = d.first_child, .end = d.first_child + d.child_count};
  };
  std::vector<Level> stack = {level_of(0)};
  while (!stack.empty()) {
    Level& level = stack.back();
    if (level.next == level.end) {
      stack.pop_back();
      continue;
    }
    const NodeNumber number = level.next++;
    const Node& node = tables.nodes[number];
    if (node.kind == NodeKind::kDirectory) {
      stack.push_back(level_of(node.content));
      continue;
    }
    if (auto visited = visit(number); !visited) return visited;
  }
  return {};
}

uint64_t DrawBelow(std::mt19937_64& generator, uint64_t bound) {
  const uint64_t unbiased = std::numeric_limits<uint64_t>::max() / bound * bound;
  uint64_t drawn = generator();
  while (drawn >= unbiased) drawn = generator();
  return drawn % bound;
}

// The sample that node `number` is, or is another name of; none for what is neither.
std::optional<NodeNumber> SampleOf(const IndexTables& tables, NodeNumber number) {
  const Node& node = tables.nodes[number];
  if (node.kind == NodeKind::kHardLink) number = node.content;
  return tables.nodes[number].is_sample() ? std::optional(number) : std::nullopt;
}

Result<void> OrderByList(const SampleOrder& order, const IndexTables& tables, Spool<NodeNumber>& samples) {
  const auto text = ReadList(order.list_file);
  if (!text) return std::unexpected(text.error());
  std::unordered_map<std::string_view, std::optional<NodeNumber>> sample_of;  // by listed path
  std::vector<std::string_view> lines = SplitList(*text, order.nul_separated);
  for (std::string_view& path : lines) {
    if (path.starts_with("./")) path.remove_prefix(2);
    sample_of.try_emplace(path);
  }
  auto visited = VisitByPath(tables, [&](NodeNumber number) -> Result<void> {
    if (const auto listed = sample_of.find(tables.PathOf(number)); listed != sample_of.end())
      listed->second = SampleOf(tables, number);
    return {};
  });
  if (!visited) return visited;
  std::vector<bool> placed(tables.nodes.size());
  const auto place = [&](NodeNumber number) -> Result<void> {
    if (placed[number]) return {};
    placed[number] = true;
    return samples.Append(number);
  };
  for (const std::string_view path : lines) {
    if (path.empty()) continue;
    const auto sample = sample_of[path];
    if (!sample)
      return Invalid("--order {}: '{}' is not a sample of the tree; paths are relative to SRC", order.list_file, path);
    if (auto added = place(*sample); !added) return added;
  }
  return VisitByPath(tables, [&](NodeNumber number) -> Result<void> {
    return tables.nodes[number].is_sample() ? place(number) : Result<void>();
  });
}

}  // namespace

Result<SampleOrder> ParseSampleOrder(std::string_view text) {
  SampleOrder order;
  constexpr std::string_view kShuffle = "shuffle:";
  constexpr std::string_view kList = "list:";
  constexpr std::string_view kNulList = "list0:";
  if (text == "path") return order;
  if (text.starts_with(kShuffle)) {
    order.order = PackOrder::kShuffle;
    const std::string_view seed = text.substr(kShuffle.size());
    const auto [end, error] = std::from_chars(seed.data(), seed.data() + seed.size(), order.seed);
    if (error == std::errc() && end == seed.data() + seed.size()) return order;
    return Invalid("--order {}: the seed must be a number from 0 to 2^64 - 1", text);
  }
  for (const std::string_view list : {kList, kNulList}) {
    if (!text.starts_with(list) || text.size() == list.size()) continue;
    order.order = PackOrder::kList;
    order.list_file = text.substr(list.size());
    order.nul_separated = list == kNulList;
    return order;
  }
  return Invalid("--order {}: expected path, shuffle:SEED, list:FILE or list0:FILE", text);
}

Result<void> OrderSamples(const SampleOrder& order, const IndexTables& tables, Spool<NodeNumber>& samples) {
  if (order.order == PackOrder::kList) return OrderByList(order, tables, samples);
  auto visited = VisitByPath(tables, [&](NodeNumber number) {
    return tables.nodes[number].is_sample() ? samples.Append(number) : Result<void>();
  });
  if (!visited || order.order == PackOrder::kPath) return visited;
  std::mt19937_64 generator(order.seed);
  for (uint64_t i = samples.size(); i > 1; --i) std::swap(samples[i - 1], samples[DrawBelow(generator, i)]);
  return {};
}

}  // namespace quire
