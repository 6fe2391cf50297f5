// SPDX-License-Identifier: Apache-2.0
#include "format/write/encoder_dictionaries.h"

#include <algorithm>
#include <cassert>
#include <utility>

#include "format/coding.h"
#include "format/pack/geometry.h"

namespace quire {
namespace {

constexpr size_t kMostSuffixBytes = 8;  // ".parquet" has seven; what is longer is part of a name
constexpr size_t kHeadBytes = 256;      // of a sample, by which its kind is told

bool IsLetterOrDigit(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'); }
char SmallLetter(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

std::string KindOfContent(std::span<const std::byte> head) {
  const std::string_view text = AsText(head.first(std::min(head.size(), kHeadBytes)));
  const bool is_text = std::ranges::all_of(
      text, [](char c) { return static_cast<unsigned char>(c) >= ' ' || c == '\n' || c == '\t' || c == '\r'; });
  if (!is_text) return "binary";
  const size_t first = text.find_first_not_of(" \n\r\t");
  if (first == text.npos) return "text";
  if (text[first] == '<') return "markup";
  return text[first] == '{' || text[first] == '[' ? "braces" : "text";
}

}  // namespace

std::string SuffixOf(std::string_view name) {
  const size_t dot = name.rfind('.');
  const auto suffix = dot == name.npos || dot == 0 ? std::string_view() : name.substr(dot + 1);
  if (suffix.empty() || suffix.size() > kMostSuffixBytes || !std::ranges::all_of(suffix, IsLetterOrDigit)) return {};
  std::string small(name.substr(dot));
  std::ranges::transform(small, small.begin(), SmallLetter);
  return small;
}

std::string KindOfSample(std::string_view name, std::span<const std::byte> head) {
  std::string suffix = SuffixOf(name);
  return suffix.empty() ? KindOfContent(head) : suffix;
}

Result<void> EncoderDictionaries::Add(const std::string& kind, std::vector<std::byte> bytes, int level) {
  assert(count() + 1 < kMaxDictionaries && !numbers_.contains(kind));
  auto ready = EncoderDictionary::Create(bytes, level);
  if (!ready) return Invalid("{} bytes for samples of kind '{}' are no dictionary", bytes.size(), kind);
  ready_.push_back(*std::move(ready));
  bytes_.push_back(std::move(bytes));
  numbers_.emplace(kind, static_cast<uint8_t>(count()));
  return {};
}

EncoderDictionaries::Choice EncoderDictionaries::Find(std::string_view name, std::span<const std::byte> head) const {
  if (numbers_.empty()) return {};
  const auto found = numbers_.find(KindOfSample(name, head));
  if (found == numbers_.end()) return {};
  return {.number = found->second, .dictionary = &ready_[found->second - 1]};
}

}  // namespace quire
