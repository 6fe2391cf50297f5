// SPDX-License-Identifier: Apache-2.0
#include "tools/bench/experiment.h"

#include <fstream>
#include <iterator>

#include "tools/progress.h"

namespace quire::bench {
namespace {

// `word` as a shell reads it back.
std::string Quote(const std::string& word) {
  const bool plain = !word.empty() && word.find_first_not_of(
                                          "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                          "_-./,:=+@%") == std::string::npos;
  if (plain) return word;
  std::string quoted = "'";
  for (const char c : word) {
    if (c == '\'')
      quoted += "'\\''";
    else
      quoted += c;
  }
  return quoted + "'";
}

}  // namespace

void AddOutputOptions(Command subcommand, Outputs& outputs) {
  subcommand.Add("--json", outputs.json, "Write all results as JSON; '-' is standard output")
      .Type("FILE")
      .Group("Output");
  subcommand.Add("--csv", outputs.csv, "Write all results as CSV; '-' is standard output").Type("FILE").Group("Output");
  subcommand.Add("--report", outputs.html, "Write one HTML page with charts and insights").Type("FILE").Group("Output");
}

void AddSpent(const Spent& spent, nlohmann::ordered_json& result) {
  result["disk_bytes"] = nullptr;
  result["daemon_cpu_seconds"] = nullptr;
  if (spent.fetched.bytes && !spent.fetched.at_least) result["disk_bytes"] = *spent.fetched.bytes;
  if (spent.daemon_cpu_seconds) result["daemon_cpu_seconds"] = *spent.daemon_cpu_seconds;
}

void AddWatch(const StorageWatch& watch, nlohmann::ordered_json& settings) {
  const auto text_or_null = [](const std::string& text) {
    return text.empty() ? nlohmann::ordered_json() : nlohmann::ordered_json(text);
  };
  settings["disk_bytes_counted_by"] = text_or_null(watch.counted_by());
  settings["disk_bytes_unknown"] = text_or_null(watch.why_no_bytes());
  settings["daemon_cpu_unknown"] = text_or_null(watch.why_no_cpu());
}

std::string FetchedText(const Fetched& fetched) {
  if (!fetched.bytes) return "";
  return (fetched.at_least ? "at least " : "") + FormatBytes(*fetched.bytes);
}

std::string CommandLine() {
  std::ifstream file("/proc/self/cmdline");
  const std::string all((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  std::string line;
  for (size_t at = 0; at < all.size();) {
    const size_t end = std::min(all.find('\0', at), all.size());
    // The first word is the program: the one that people call is 'quire bench'.
    line += at == 0 ? "quire bench" : " " + Quote(all.substr(at, end - at));
    at = end + 1;
  }
  return line;
}

}  // namespace quire::bench
