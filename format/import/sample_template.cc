// SPDX-License-Identifier: Apache-2.0
#include "format/import/sample_template.h"

#include <algorithm>
#include <charconv>
#include <iterator>

namespace quire {
namespace {

constexpr unsigned kMostDigits = 20;  // of 2^64

// Of '08d': digits, filled up with zeros. False where it is something else.
bool ParseDigits(std::string_view format, unsigned& digits) {
  if (!format.starts_with('0') || !format.ends_with('d')) return false;
  const char* const end = format.data() + format.size() - 1;
  const auto [behind, error] = std::from_chars(format.data() + 1, end, digits);
  return error == std::errc() && behind == end && digits >= 1 && digits <= kMostDigits;
}

}  // namespace

Result<SampleTemplate> SampleTemplate::Parse(std::string_view text) {
  SampleTemplate result;
  for (std::string_view rest = text; !rest.empty();) {
    if (rest.front() != '{') {
      const std::string_view plain = rest.substr(0, std::min(rest.find('{'), rest.size()));
      result.parts_.push_back({.text = std::string(plain)});
      rest.remove_prefix(plain.size());
      continue;
    }
    const size_t close = rest.find('}');
    const std::string_view name = close == std::string_view::npos ? "" : rest.substr(1, close - 1);
    Part part{.kind = name == "field" ? Kind::kField : Kind::kIndex};
    const bool is_known =
        name == "field" || name == "index" || (name.starts_with("index:") && ParseDigits(name.substr(6), part.digits));
    if (!is_known)
      return Invalid("'{}': names are made of {{index}}, {{index:08d}} with 1 to {} digits, and {{field}}", text,
                     kMostDigits);
    result.parts_.push_back(part);
    rest.remove_prefix(close + 1);
  }
  if (!result.Has(Kind::kIndex) || !result.Has(Kind::kField))
    return Invalid("'{}': it needs {{index}} and {{field}}, so that no two files have one name", text);
  return result;
}

bool SampleTemplate::Has(Kind kind) const { return std::ranges::find(parts_, kind, &Part::kind) != parts_.end(); }

void SampleTemplate::Expand(uint64_t index, std::string_view field, std::string& path) const {
  path.clear();
  for (const Part& part : parts_) switch (part.kind) {
      case Kind::kText:
        path += part.text;
        break;
      case Kind::kIndex:
        fmt::format_to(std::back_inserter(path), "{:0{}}", index, part.digits);
        break;
      case Kind::kField:
        path += field;
        break;
    }
}

}  // namespace quire
