// SPDX-License-Identifier: Apache-2.0
#include "tools/sim/read_sequence.h"

#include <algorithm>
#include <cctype>
#include <map>

#include "format/escaping.h"

namespace quire::lab {
namespace {

constexpr std::string_view kSeparators = " \t\n,;";

bool IsNameByte(char byte) { return std::isalnum(static_cast<unsigned char>(byte)) != 0; }

std::vector<std::string> SplitWords(std::span<const std::string> words) {
  std::vector<std::string> names;
  for (std::string_view word : words) {
    while (!word.empty()) {
      const size_t end = std::min(word.find_first_of(kSeparators), word.size());
      if (end > 0) names.emplace_back(word.substr(0, end));
      word.remove_prefix(std::min(end + 1, word.size()));
    }
  }
  return names;
}

}  // namespace

bool LooksLikeReferences(std::string_view word) {
  return !word.empty() &&
         std::ranges::all_of(word, [](char byte) { return IsNameByte(byte) || kSeparators.contains(byte); });
}

Result<ReadSequence> ParseReferenceString(std::span<const std::string> words) {
  for (const std::string& word : words)
    if (!LooksLikeReferences(word))
      return Invalid(
          "'{}' is neither a trace that is there nor a reference string: write pages as '1 2 3 4 1 2 5' or 'a,b,c'",
          EscapeName(word));
  std::vector<std::string> names = SplitWords(words);
  if (names.size() == 1) {  // "123412512345"
    const std::string word = names.front();
    names.clear();
    for (const char byte : word) names.emplace_back(1, byte);
  }
  if (names.empty()) return Invalid("a reference string needs a page at least");
  ReadSequence sequence;
  sequence.page_bytes = 1;
  std::map<std::string, uint32_t> number_of;
  for (const std::string& name : names) {
    const auto [found, is_new] = number_of.try_emplace(name, static_cast<uint32_t>(number_of.size()));
    if (is_new) sequence.names.push_back(name);
    sequence.reads.push_back({.page = found->second, .begin = 0, .extent_bytes = 1, .wanted_bytes = 1});
  }
  sequence.page_numbers = sequence.distinct_pages = static_cast<uint32_t>(sequence.names.size());
  sequence.volume_pages = sequence.distinct_pages;
  return sequence;
}

ReadSequence NumberPages(std::span<const PlacedRead> reads, uint64_t volume_pages) {
  std::vector<uint64_t> pages;
  for (const PlacedRead& read : reads) {
    const uint64_t page = read.place / kPageBytes;
    if (pages.empty() || pages.back() != page) pages.push_back(page);
  }
  std::ranges::sort(pages);
  pages.erase(std::ranges::unique(pages).begin(), pages.end());
  std::vector<uint32_t> numbers;
  numbers.reserve(pages.size());
  for (size_t i = 0; i < pages.size(); ++i) {
    const bool is_next = i > 0 && pages[i] == pages[i - 1] + 1;
    numbers.push_back(i == 0 ? 0 : numbers.back() + (is_next ? 1 : 2));
  }
  ReadSequence sequence;
  sequence.distinct_pages = static_cast<uint32_t>(pages.size());
  sequence.page_numbers = numbers.empty() ? 0 : numbers.back() + 1;
  sequence.volume_pages = std::max<uint64_t>(volume_pages, sequence.page_numbers);
  sequence.reads.reserve(reads.size());
  for (const PlacedRead& read : reads) {
    const auto at = std::ranges::lower_bound(pages, read.place / kPageBytes) - pages.begin();
    sequence.reads.push_back({.page = numbers[static_cast<size_t>(at)],
                              .begin = static_cast<uint32_t>(read.place % kPageBytes),
                              .extent_bytes = read.extent_bytes,
                              .wanted_bytes = read.wanted_bytes});
  }
  return sequence;
}

}  // namespace quire::lab
