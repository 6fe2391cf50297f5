// SPDX-License-Identifier: Apache-2.0
#include "format/write/dictionary_trainer.h"

#include <zdict.h>

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "format/open_files.h"
#include "format/pack/geometry.h"

namespace quire {
namespace {

// Larger ones find in themselves what to refer to; and below a few dozen bytes there is nothing to save.
constexpr uint64_t kMostSampleBytes = 32 << 10;
constexpr uint64_t kLeastSampleBytes = 32;
// Fewer are not worth a dictionary, nor enough to tell whether one is of use.
constexpr uint64_t kLeastSamples = 64;
// zstd's manual wants about a hundred times the dictionary to train it with. This is that for 40 KiB, and keeps a
// thread at 32 MiB; with it packing 200,000 JSON texts of one kind takes no longer than without.
constexpr uint64_t kMostTrainingBytes = 4 << 20;
constexpr uint64_t kMostTrainingSamples = 16'384;
// Of a kind a dictionary has a sixteenth, up to what zstd makes by itself.
constexpr uint64_t kShareOfKind = 16;
constexpr uint32_t kMostDictionaryBytes = 112 << 10;
constexpr uint32_t kLeastDictionaryBytes = 4 << 10;
// The first kinds by their bytes: a reader may load all of their dictionaries.
constexpr size_t kMostKinds = 24;
// Every fourth sample is not trained with, but tried.
constexpr size_t kTriedShare = 4;
// It must save so many times what it takes, and this share of what its samples are compressed to without it.
constexpr uint64_t kLeastGain = 2;
constexpr double kLeastShareSaved = 0.05;

// Samples of a kind that are read for training.
struct Kind {
  std::string name;
  std::vector<NodeNumber> nodes;  // spread over the kind
  uint64_t bytes = 0;             // of all small samples of it
};

struct Content {
  std::vector<std::byte> bytes;
  std::vector<size_t> sizes;
};

class Trainer {
 public:
  Trainer(const SamplesToCompress& samples, const Compression& compression, const std::atomic<bool>* interrupted)
      : in_(samples), compression_(compression), interrupted_(interrupted) {}

  // The kinds by what their small samples have together, the largest first. Of what has no suffix the kind is asked of
  // its bytes: it is one here, and split when it was read.
  std::vector<Kind> FindKinds() {
    std::map<std::string, std::pair<uint64_t, uint64_t>, std::less<>> totals;  // samples and bytes
    ForEachSmall([&](const std::string& kind, NodeNumber, uint64_t bytes) {
      auto& [count, all] = totals[kind];
      ++count;
      all += bytes;
    });
    std::vector<Kind> kinds;
    std::map<std::string, std::pair<size_t, uint64_t>> chosen;  // its number, and which samples are taken: each such
    for (const auto& [name, total] : totals) {
      if (total.first < kLeastSamples) continue;
      const uint64_t wanted =
          std::min(kMostTrainingSamples, total.first * kMostTrainingBytes / std::max<uint64_t>(total.second, 1));
      chosen[name] = {kinds.size(), std::max<uint64_t>(1, total.first / std::max<uint64_t>(wanted, 1))};
      kinds.push_back({.name = name, .nodes = {}, .bytes = total.second});
    }
    std::map<std::string, uint64_t> passed;
    ForEachSmall([&](const std::string& kind, NodeNumber node, uint64_t) {
      const auto found = chosen.find(kind);
      if (found == chosen.end()) return;
      const auto [number, step] = found->second;
      if (passed[kind]++ % step == 0) kinds[number].nodes.push_back(node);
    });
    std::ranges::stable_sort(kinds, std::greater(), &Kind::bytes);
    if (kinds.size() > kMostKinds) kinds.resize(kMostKinds);
    return kinds;
  }

  // Those that `kind` comes to, by name, and whose dictionaries are worth it.
  Result<std::vector<std::pair<std::string, std::vector<std::byte>>>> Train(const Kind& kind) {
    std::map<std::string, Content> contents;
    uint64_t read_bytes = 0;
    std::vector<std::byte> buffer(kMostSampleBytes);
    for (const NodeNumber node : kind.nodes) {
      if (interrupted_ != nullptr && *interrupted_) return MakeError(ErrorCode::kInterrupted, "interrupted");
      const auto into = std::span(buffer).first(in_.tables.nodes[node].size_bytes);
      if (const auto read = in_.source.Read(node, 0, into); !read) {
        if (IsOutOfFiles(read.error())) return std::unexpected(read.error());
        continue;
      }
      Content& content = contents[KindOfSample(in_.tables.NameOf(in_.tables.nodes[node]), into)];
      content.bytes.insert(content.bytes.end(), into.begin(), into.end());
      content.sizes.push_back(into.size());
      read_bytes += into.size();
    }
    std::vector<std::pair<std::string, std::vector<std::byte>>> made;
    for (const auto& [name, content] : contents) {
      // Of what was read, so much stands for all of the kind.
      const uint64_t kind_bytes =
          kind.bytes / std::max<uint64_t>(read_bytes, 1) * content.bytes.size() +
          kind.bytes % std::max<uint64_t>(read_bytes, 1) * content.bytes.size() / std::max<uint64_t>(read_bytes, 1);
      if (content.sizes.size() < kLeastSamples) continue;
      if (auto dictionary = TrainOne(content, kind_bytes)) made.emplace_back(name, *std::move(dictionary));
    }
    return made;
  }

 private:
  template <typename Visit>
  void ForEachSmall(Visit visit) const {
    for (const NodeNumber node : in_.samples.span()) {
      const uint64_t bytes = in_.tables.nodes[node].size_bytes;
      if (bytes < kLeastSampleBytes || bytes > kMostSampleBytes || in_.sparse.contains(node)) continue;
      if (std::ranges::binary_search(in_.duplicates, node, {}, &Duplicate::node)) continue;
      std::string kind = KindOfSample(in_.tables.NameOf(in_.tables.nodes[node]), {});
      visit(kind, node, bytes);
    }
  }

  [[nodiscard]] std::optional<std::vector<std::byte>> TrainOne(const Content& content, uint64_t kind_bytes) const {
    const auto dictionary_bytes = compression_.dictionary_bytes.value_or(static_cast<uint32_t>(
        std::clamp<uint64_t>(kind_bytes / kShareOfKind, kLeastDictionaryBytes, kMostDictionaryBytes)));
    Content training;
    std::vector<std::span<const std::byte>> tried;
    std::span<const std::byte> rest = content.bytes;
    for (size_t i = 0; i < content.sizes.size(); ++i) {
      const auto sample = rest.first(content.sizes[i]);
      rest = rest.subspan(content.sizes[i]);
      if (i % kTriedShare == kTriedShare - 1) {
        tried.push_back(sample);
        continue;
      }
      training.bytes.insert(training.bytes.end(), sample.begin(), sample.end());
      training.sizes.push_back(sample.size());
    }
    std::vector<std::byte> dictionary(dictionary_bytes);
    const size_t bytes = ZDICT_trainFromBuffer(dictionary.data(), dictionary.size(), training.bytes.data(),
                                               training.sizes.data(), static_cast<unsigned>(training.sizes.size()));
    if (ZDICT_isError(bytes) != 0) return std::nullopt;  // they have nothing in common, or are too few
    dictionary.resize(bytes);
    const auto encoder = EncoderDictionary::Create(dictionary, compression_.level);
    if (!encoder || !IsWorthIt(tried, *encoder, bytes, kind_bytes)) return std::nullopt;
    return dictionary;
  }

  [[nodiscard]] bool IsWorthIt(std::span<const std::span<const std::byte>> tried, const EncoderDictionary& dictionary,
                               uint64_t dictionary_bytes, uint64_t kind_bytes) const {
    uint64_t raw = 0;
    uint64_t with = 0;
    uint64_t without = 0;
    std::vector<std::byte> into;
    for (const auto sample : tried) {
      into.resize(sample.size());
      raw += sample.size();
      with += EncodeFrame(sample, into, compression_.level, &dictionary).value_or(sample.size());
      without += EncodeFrame(sample, into, compression_.level, nullptr).value_or(sample.size());
    }
    if (raw == 0 || with >= without) return false;
    const double saved_share = static_cast<double>(without - with) / static_cast<double>(raw);
    return static_cast<double>(without - with) >= kLeastShareSaved * static_cast<double>(without) &&
           saved_share * static_cast<double>(kind_bytes) >= static_cast<double>(kLeastGain * dictionary_bytes);
  }

  const SamplesToCompress& in_;
  const Compression& compression_;
  const std::atomic<bool>* const interrupted_;
};

}  // namespace

Result<void> TrainDictionaries(const SamplesToCompress& samples, const Compression& compression, WorkerPool& pool,
                               const std::atomic<bool>* interrupted, EncoderDictionaries& dictionaries) {
  if (!compression.is_each_alone || compression.dictionary_bytes == 0U) return {};
  Trainer trainer(samples, compression, interrupted);
  const std::vector<Kind> kinds = trainer.FindKinds();
  std::vector<std::vector<std::pair<std::string, std::vector<std::byte>>>> made(kinds.size());
  auto trained = pool.ForEach(kinds.size(), [&](uint64_t i) -> Result<void> {
    auto dictionary = trainer.Train(kinds[i]);
    if (!dictionary) return Propagate(std::move(dictionary));
    made[i] = *std::move(dictionary);
    return {};
  });
  if (!trained) return trained;
  for (auto& of_kind : made)
    for (auto& [kind, bytes] : of_kind)
      if (auto added = dictionaries.Add(kind, std::move(bytes), compression.level); !added) return added;
  return {};
}

}  // namespace quire
