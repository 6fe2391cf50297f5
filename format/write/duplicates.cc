// SPDX-License-Identifier: Apache-2.0
#include "format/write/duplicates.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <tuple>
#include <vector>

#include "format/checksum.h"

namespace quire {
namespace {

struct Candidate {
  uint64_t size_bytes;
  uint64_t sum;   // of the sums of its pages
  uint64_t rank;  // in the order of the pack
  NodeNumber node;
  bool readable;
};

// What samples are read from, and the flag that ends it; null: nothing does.
struct Reading {
  const SampleSource& source;
  const std::atomic<bool>* interrupted;
};

// Calls `visit` for each page's worth of the sample's bytes.
template <typename Visit>
Result<void> ForEachChunk(const Reading& reading, NodeNumber node, uint64_t size_bytes, std::span<std::byte> buffer,
                          Visit visit) {
  for (uint64_t at = 0; at < size_bytes; at += kPageBytes) {
    if (reading.interrupted != nullptr && *reading.interrupted)
      return MakeError(ErrorCode::kInterrupted, "interrupted");
    const auto chunk = buffer.first(std::min(kPageBytes, size_bytes - at));
    if (auto read = reading.source.Read(node, at, chunk); !read) return read;
    if (!visit(at, chunk)) break;
  }
  return {};
}

bool SumUp(const Reading& reading, Candidate& candidate) {
  const auto buffer = std::make_unique_for_overwrite<std::byte[]>(std::min(kPageBytes, candidate.size_bytes));
  std::vector<uint64_t> sums;
  const auto read = ForEachChunk(reading, candidate.node, candidate.size_bytes,
                                 {buffer.get(), std::min(kPageBytes, candidate.size_bytes)},
                                 [&](uint64_t, std::span<const std::byte> chunk) {
                                   sums.push_back(Xxh3(chunk));
                                   return true;
                                 });
  candidate.sum = Xxh3(std::as_bytes(std::span(sums)));
  return read.has_value();
}

bool AreEqual(const Reading& reading, const Candidate& a, const Candidate& b) {
  const uint64_t bytes = std::min(kPageBytes, a.size_bytes);
  const auto of_a = std::make_unique_for_overwrite<std::byte[]>(bytes);
  const auto of_b = std::make_unique_for_overwrite<std::byte[]>(bytes);
  bool equal = true;
  const auto read = ForEachChunk(reading, a.node, a.size_bytes, {of_a.get(), bytes},
                                 [&](uint64_t at, std::span<const std::byte> chunk) {
                                   const std::span other(of_b.get(), chunk.size());
                                   equal = reading.source.Read(b.node, at, other).has_value() &&
                                           std::memcmp(chunk.data(), other.data(), chunk.size()) == 0;
                                   return equal;
                                 });
  return read.has_value() && equal;
}

}  // namespace

Result<std::vector<Duplicate>> FindDuplicates(const IndexTables& tables, const Spool<NodeNumber>& samples,
                                              const std::map<NodeNumber, std::vector<DataRange>>& sparse,
                                              const SampleSource& source, WorkerPool& pool,
                                              const std::atomic<bool>* interrupted) {
  const Reading reading{.source = source, .interrupted = interrupted};
  std::vector<Candidate> candidates;
  for (uint64_t rank = 0; rank < samples.size(); ++rank) {
    const Node& node = tables.nodes[samples[rank]];
    if (node.size_bytes > 0 && !sparse.contains(samples[rank]))
      candidates.push_back(
          {.size_bytes = node.size_bytes, .sum = 0, .rank = rank, .node = samples[rank], .readable = true});
  }
  std::ranges::sort(candidates, {}, [](const Candidate& c) { return std::tuple(c.size_bytes, c.rank); });

  auto summed = pool.ForEach(candidates.size(), [&](uint64_t i) -> Result<void> {
    if (interrupted != nullptr && *interrupted) return MakeError(ErrorCode::kInterrupted, "interrupted");
    const auto has_size_of = [&](size_t other) {
      return other < candidates.size() && candidates[other].size_bytes == candidates[i].size_bytes;
    };
    if (has_size_of(i + 1) || (i > 0 && has_size_of(i - 1))) candidates[i].readable = SumUp(reading, candidates[i]);
    return {};
  });
  if (!summed) return Propagate(std::move(summed));
  std::ranges::sort(candidates, {}, [](const Candidate& c) { return std::tuple(c.size_bytes, c.sum, c.rank); });

  std::vector<std::span<const Candidate>> groups;  // of equal size and sum
  for (size_t begin = 0; begin < candidates.size();) {
    size_t end = begin + 1;
    while (end < candidates.size() && candidates[end].size_bytes == candidates[begin].size_bytes &&
           candidates[end].sum == candidates[begin].sum)
      ++end;
    if (end - begin > 1) groups.emplace_back(&candidates[begin], end - begin);
    begin = end;
  }
  std::vector<std::vector<Duplicate>> found(groups.size());
  auto compared = pool.ForEach(groups.size(), [&](uint64_t i) -> Result<void> {
    std::vector<const Candidate*> distinct;
    for (const Candidate& candidate : groups[i]) {
      if (interrupted != nullptr && *interrupted) return MakeError(ErrorCode::kInterrupted, "interrupted");
      if (!candidate.readable) continue;
      const auto same =
          std::ranges::find_if(distinct, [&](const Candidate* first) { return AreEqual(reading, *first, candidate); });
      if (same == distinct.end())
        distinct.push_back(&candidate);
      else
        found[i].push_back({.node = candidate.node, .first = (*same)->node});
    }
    return {};
  });
  if (!compared) return Propagate(std::move(compared));
  // Readings that were ended look like samples that cannot be read.
  if (interrupted != nullptr && *interrupted) return MakeError(ErrorCode::kInterrupted, "interrupted");
  std::vector<Duplicate> duplicates;
  for (const auto& group : found) duplicates.insert(duplicates.end(), group.begin(), group.end());
  std::ranges::sort(duplicates, {}, &Duplicate::node);
  return duplicates;
}

}  // namespace quire
