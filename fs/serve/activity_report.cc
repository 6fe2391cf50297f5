// SPDX-License-Identifier: Apache-2.0
#include "fs/serve/activity_report.h"

#include <sys/stat.h>

#include <utility>

#include "fs/json_text.h"
#include "fs/serve/latency_json.h"

namespace quire {
namespace {

constexpr int kActivitySchema = 1;
constexpr uint64_t kNsPerUs = 1000;

Json OperationsJson(const WatchFigures& figures) {
  Json operations = Json::array();
  for (size_t i = 0; i < kWatchedOperations; ++i)
    operations.push_back({{"operation", NameOf(static_cast<WatchedOperation>(i))},
                          {"total_us", figures.operations[i].total_ns / kNsPerUs},
                          {"latency", LatencyJson(figures.operations[i].requests_by_us, "requests")}});
  return operations;
}

void AddReads(Json& entry, const BusyKey& key) {
  entry["reads"] = key.sum.reads;
  entry["files"] = key.sum.files;
  entry["bytes"] = key.sum.bytes;
  entry["missed_reads_at_most"] = key.missed_at_most;
}

}  // namespace

std::string FormatActivity(const WatchFigures& figures, uint64_t pid_namespace,
                           const std::function<std::optional<std::string>(uint64_t node)>& name_folder) {
  Json document = NewDocument(kActivitySchema);
  document["counted_s"] = figures.counted_s;
  document["pid_namespace"] = pid_namespace == 0 ? Json() : Json(pid_namespace);
  document["unassigned_reads"] = figures.unassigned_reads;
  document["operations"] = OperationsJson(figures);
  Json& threads = document["threads"] = Json::array();
  for (const BusyKey& key : figures.threads) {
    Json entry = {{"thread", key.key == 0 ? Json() : Json(key.key)}};
    AddReads(entry, key);
    threads.push_back(std::move(entry));
  }
  Json& folders = document["folders"] = Json::array();
  for (const BusyKey& key : figures.folders) {
    const auto path = name_folder(key.key);
    if (!path) continue;
    Json entry;
    SetName(entry, "path", *path);
    AddReads(entry, key);
    folders.push_back(std::move(entry));
  }
  return FormatJson(document, JsonLayout::kOneLine) + "\n";
}

uint64_t PidNamespace() {
  struct stat status = {};
  return stat("/proc/self/ns/pid", &status) == 0 ? status.st_ino : 0;
}

}  // namespace quire
