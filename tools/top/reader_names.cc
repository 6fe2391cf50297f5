// SPDX-License-Identifier: Apache-2.0
#include "tools/top/reader_names.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <iterator>
#include <map>
#include <utility>

namespace quire {
namespace {

constexpr std::string_view kProcessField = "Tgid:";

std::string ContentOf(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

uint64_t InodeOf(const std::string& path) {
  struct stat status = {};
  return stat(path.c_str(), &status) == 0 ? status.st_ino : 0;
}

// Words of a command, of which each ends with a NUL, as people write it: its program without the folder.
std::string JoinWords(std::string words) {
  while (!words.empty() && words.back() == '\0') words.pop_back();
  const size_t program_end = std::min(words.find('\0'), words.size());
  words.erase(0, words.substr(0, program_end).rfind('/') + 1);  // none: npos + 1 is 0
  std::ranges::replace(words, '\0', ' ');
  return words;
}

}  // namespace

ReaderNames::ReaderNames(std::string proc) : proc_(std::move(proc)), pid_namespace_(InodeOf(proc_ + "/self/ns/pid")) {}

ReaderNames::Name ReaderNames::Find(uint64_t thread) const {
  const std::string status = ContentOf(fmt::format("{}/{}/status", proc_, thread));
  const size_t field = status.find(kProcessField);
  if (field == std::string::npos) return {};
  const uint64_t process = std::strtoull(status.c_str() + field + kProcessField.size(), nullptr, 10);
  std::string command = JoinWords(ContentOf(fmt::format("{}/{}/cmdline", proc_, process)));
  if (command.empty()) {  // a thread of the kernel, or one that has just ended
    command = ContentOf(fmt::format("{}/{}/comm", proc_, process));
    if (command.ends_with('\n')) command.pop_back();
  }
  return {.process = process, .command = std::move(command)};
}

std::vector<ReaderRate> ReaderNames::Group(const MountRates& rates) {
  // Elsewhere the same number is another process.
  const bool is_ours = rates.pid_namespace != 0 && rates.pid_namespace == pid_namespace_;
  std::unordered_map<uint64_t, Name> names;
  std::map<uint64_t, ReaderRate> by_process;
  for (const auto& [thread, rate] : rates.threads) {
    Name name = is_ours && thread != 0 ? Find(thread) : Name();
    if (name.process == 0) {
      const auto known = known_.find(thread);
      name = known != known_.end() && is_ours ? known->second : Name{.process = thread, .command = ""};
    }
    ReaderRate& reader = by_process[name.process];
    reader.process = name.process;
    if (!name.command.empty()) reader.command = name.command;
    ++reader.threads;
    reader.rate += rate;
    names.emplace(thread, std::move(name));
  }
  known_ = std::move(names);
  std::vector<ReaderRate> readers;
  for (auto& [process, reader] : by_process) readers.push_back(std::move(reader));
  std::ranges::stable_sort(readers, std::greater(), [](const ReaderRate& reader) { return reader.rate.reads_per_s; });
  return readers;
}

}  // namespace quire
