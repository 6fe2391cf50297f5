#include "format/sample_order.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <functional>
#include <limits>
#include <random>
#include <unordered_map>
#include <vector>

#include "format/coding.h"

namespace quire {
namespace {

// Visits samples depth first. Hard links are other names of samples that are visited elsewhere.
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
    if (node.kind == NodeKind::kDirectory) stack.push_back(level_of(node.content));
    if (!node.is_sample()) continue;
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

// Read to its end, not to its size: the list may come through a pipe.
Result<std::string> ReadList(const std::string& path) {
  const auto file = File::Open(path, O_RDONLY);
  if (!file) return std::unexpected(file.error());
  std::string text;
  std::array<char, 64 << 10> buffer;
  while (true) {
    const ssize_t bytes = read(file->fd(), buffer.data(), buffer.size());
    if (bytes < 0 && errno == EINTR) continue;
    if (bytes < 0) return SystemError(errno, "{}", path);
    if (bytes == 0) return text;
    text.append(buffer.data(), static_cast<size_t>(bytes));
  }
}

Result<void> OrderByList(const std::string& list_file, const IndexTables& tables, Spool<NodeNumber>& samples) {
  const auto text = ReadList(list_file);
  if (!text) return std::unexpected(text.error());
  const char separator = text->find('\0') == text->npos ? '\n' : '\0';
  std::unordered_map<std::string_view, size_t> line_of;
  std::vector<NodeNumber> listed;
  for (size_t at = 0; at < text->size();) {
    const size_t end = std::min(text->find(separator, at), text->size());
    std::string_view path(text->data() + at, end - at);
    at = end + 1;
    if (path.starts_with("./")) path.remove_prefix(2);
    if (!path.empty() && line_of.emplace(path, listed.size()).second) listed.push_back(kMaxRecords);
  }
  std::vector<NodeNumber> others;
  auto visited = VisitByPath(tables, [&](NodeNumber number) -> Result<void> {
    const auto line = line_of.find(tables.PathOf(number));
    if (line == line_of.end())
      others.push_back(number);
    else
      listed[line->second] = number;
    return {};
  });
  if (!visited) return visited;
  for (const auto& [path, line] : line_of)
    if (listed[line] == kMaxRecords)
      return Invalid("--order list:{}: '{}' is not a sample of the tree; paths are relative to SRC", list_file, path);
  if (auto added = samples.Append(std::span<const NodeNumber>(listed)); !added) return added;
  return samples.Append(std::span<const NodeNumber>(others));
}

}  // namespace

Result<SampleOrder> ParseSampleOrder(std::string_view text) {
  SampleOrder order;
  constexpr std::string_view kShuffle = "shuffle:";
  constexpr std::string_view kList = "list:";
  if (text == "path") return order;
  if (text.starts_with(kShuffle)) {
    order.order = PackOrder::kShuffle;
    const std::string_view seed = text.substr(kShuffle.size());
    const auto [end, error] = std::from_chars(seed.data(), seed.data() + seed.size(), order.seed);
    if (error == std::errc() && end == seed.data() + seed.size()) return order;
    return Invalid("--order {}: the seed must be a number from 0 to 2^64 - 1", text);
  }
  if (text.starts_with(kList) && text.size() > kList.size()) {
    order.order = PackOrder::kList;
    order.list_file = text.substr(kList.size());
    return order;
  }
  return Invalid("--order {}: expected path, shuffle:SEED or list:FILE", text);
}

Result<void> OrderSamples(const SampleOrder& order, const IndexTables& tables, Spool<NodeNumber>& samples) {
  if (order.order == PackOrder::kList) return OrderByList(order.list_file, tables, samples);
  auto visited = VisitByPath(tables, [&](NodeNumber number) { return samples.Append(number); });
  if (!visited || order.order == PackOrder::kPath) return visited;
  std::mt19937_64 generator(order.seed);
  for (uint64_t i = samples.size(); i > 1; --i) std::swap(samples[i - 1], samples[DrawBelow(generator, i)]);
  return {};
}

}  // namespace quire
