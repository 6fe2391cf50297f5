// SPDX-License-Identifier: Apache-2.0
#include "format/write/normalisation.h"

#include <charconv>
#include <ctime>
#include <limits>
#include <string>

#include "format/pack/records.h"

namespace quire {
namespace {

template <typename Number>
bool ParseNumber(std::string_view text, Number& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size();
}

// -1 means "leave it" to chown(2), so nobody has that number.
bool ParseId(std::string_view text, std::optional<uint32_t>& id) {
  uint32_t number = 0;
  if (!ParseNumber(text, number) || number == std::numeric_limits<uint32_t>::max()) return false;
  id = number;
  return true;
}

// strptime(3) takes dates that no calendar has, such as February 30: timegm(3) would move them.
bool ParseDate(const std::string& text, const char* format, std::time_t& seconds) {
  std::tm date{};
  const char* end = strptime(text.c_str(), format, &date);
  if (end == nullptr || *end != '\0') return false;
  const int day = date.tm_mday;
  seconds = timegm(&date);
  return date.tm_mday == day;
}

}  // namespace

Result<uint64_t> ParseMtime(std::string_view text) {
  const std::string date(text);
  std::time_t seconds = 0;
  const bool is_time = text.starts_with('@')
                           ? ParseNumber(text.substr(1), seconds)
                           : ParseDate(date, "%Y-%m-%d", seconds) || ParseDate(date, "%Y-%m-%dT%H:%M:%S", seconds) ||
                                 ParseDate(date, "%Y-%m-%dT%H:%M:%SZ", seconds);
  if (!is_time)
    return Invalid("--mtime {}: expected @SECONDS since 1970, YYYY-MM-DD or YYYY-MM-DDTHH:MM:SSZ, in UTC", text);
  const timespec time{.tv_sec = seconds, .tv_nsec = 0};
  if (!MtimeFits(time)) return Invalid("--mtime {}: a pack holds times from 1901 to 2486", text);
  return EncodeMtime(time);
}

Result<void> ParseOwner(std::string_view text, Normalisation& normalisation) {
  const size_t colon = text.find(':');
  const std::string_view user = text.substr(0, colon);
  bool is_owner = !text.empty() && text != ":";
  if (!user.empty()) is_owner = is_owner && ParseId(user, normalisation.uid);
  if (colon != text.npos && colon + 1 < text.size())
    is_owner = is_owner && ParseId(text.substr(colon + 1), normalisation.gid);
  if (!is_owner) return Invalid("--owner {}: expected UID, UID:GID or :GID, as numbers from 0 to 4294967294", text);
  return {};
}

}  // namespace quire
