#include "fs/serve/control_files.h"

#include <unistd.h>

#include <array>
#include <cerrno>
#include <ctime>
#include <utility>

#include "fs/json_text.h"
#include "fs/serve/attributes.h"

namespace quire {
namespace {

constexpr std::string_view kStatsName = "stats";
constexpr int kStatsSchema = 1;
// Of the folder, which decides who comes to what is in it.
constexpr mode_t kFolderOfAll = S_IFDIR | 0555;
constexpr mode_t kFolderOfOwner = S_IFDIR | 0500;
constexpr mode_t kFileMode = S_IFREG | 0444;
constexpr mode_t kPlanMode = S_IFIFO | 0622;  // the daemon, whose it is, reads it
// As a listing tells it: nobody has looked it up yet.
constexpr ino_t kUnopenedStatsInode = kPlanInode + 1;
// Contents of a few KiB: what programs that forget to close their files may make us keep.
constexpr size_t kMaxFiles = 1024;

timespec Now() {
  timespec now = {};
  clock_gettime(CLOCK_REALTIME, &now);
  return now;
}

// read_share: of what was pushed, as far as the control group tells.
Json PushJson(const FeedFigures& feed) {
  const PushFigures& push = feed.push;
  return {
      {"mode", NameOf(kPushNames, feed.mode)},
      {"is_pushing", feed.is_pushing},
      {"samples", feed.pushed_samples},
      {"bytes", feed.pushed_bytes},
      {"refused", feed.refused_pushes},
      {"dropped_samples", push.dropped_samples},
      {"pages", push.pages},
      {"handed_on_pages", push.handed_on_pages},
      {"control_pages", push.control_pages},
      {"control_pages_read", push.control_pages_read},
      {"read_share", push.control_pages == 0 ? Json()
                                             : Json(static_cast<double>(push.control_pages_read) /
                                                    static_cast<double>(push.control_pages))},
      {"pauses", push.pauses},
      {"is_paused", push.is_paused},
      {"available_bytes", push.available_bytes},
  };
}

Json PlanJson(const FeedFigures& feed) {
  const PlanFigures& plan = feed.plan;
  return {
      {"told", plan.told},
      {"unknown", feed.plan_unknown},
      {"ignored", plan.ignored},
      {"prefetched", plan.prefetched},
      {"overtaken", plan.overtaken},
      {"expected_reads", plan.expected_reads},
      {"unexpected_reads", plan.unexpected_reads},
      {"forgotten_plans", plan.forgotten_plans},
      {"ahead", plan.ahead},
      {"left", plan.left},
      {"memory_bytes", plan.memory_bytes},
  };
}

std::unexpected<Error> NoSuchInode(ino_t inode) {
  return MakeError(ErrorCode::kNotFound, "inode {}: no such control file", inode);
}

}  // namespace

ControlFiles::ControlFiles(std::function<std::string()> write_stats, bool for_all)
    : write_stats_(std::move(write_stats)),
      folder_mode_(for_all ? kFolderOfAll : kFolderOfOwner),
      since_(Now()),
      next_inode_(kUnopenedStatsInode + 1) {}

Result<std::optional<ino_t>> ControlFiles::Find(ino_t folder, std::string_view name) {
  if (folder != kControlFolderInode) return std::nullopt;
  if (name == kPlanName) return kPlanInode;
  if (name != kStatsName) return std::nullopt;
  File file = {.content = std::make_shared<const std::string>(write_stats_()), .made = Now(), .lookups = 1};
  const std::lock_guard lock(mutex_);
  if (files_.size() >= kMaxFiles) return SystemError(ENFILE, "{} control files are open", kMaxFiles);
  files_.emplace(next_inode_, std::move(file));
  return next_inode_++;
}

void ControlFiles::Forget(ino_t inode, uint64_t lookups) {
  const std::lock_guard lock(mutex_);
  const auto found = files_.find(inode);
  if (found == files_.end()) return;
  if (found->second.lookups > lookups)
    found->second.lookups -= lookups;
  else
    files_.erase(found);
}

Result<struct stat> ControlFiles::GetStat(ino_t inode) const {
  struct stat status = {};
  status.st_ino = inode;
  status.st_uid = geteuid();
  status.st_gid = getegid();
  timespec changed = since_;
  if (inode == kControlFolderInode) {
    status.st_mode = folder_mode_;
    status.st_nlink = 2;
  } else if (inode == kPlanInode) {
    status.st_mode = kPlanMode;
    status.st_nlink = 1;
  } else {
    const std::lock_guard lock(mutex_);
    const auto found = files_.find(inode);
    if (found == files_.end()) return NoSuchInode(inode);
    status.st_mode = kFileMode;
    status.st_nlink = 1;
    status.st_size = static_cast<off_t>(found->second.content->size());
    changed = found->second.made;
  }
  status.st_mtim = changed;
  status.st_atim = changed;
  status.st_ctim = changed;
  return status;
}

std::shared_ptr<const std::string> ControlFiles::GetContent(ino_t inode) const {
  const std::lock_guard lock(mutex_);
  const auto found = files_.find(inode);
  return found == files_.end() ? nullptr : found->second.content;
}

Result<Omissions> ControlFiles::List(ino_t folder, uint64_t cookie,
                                     const std::function<bool(const ListedEntry&)>& visit) {
  if (folder != kControlFolderInode) return NoSuchInode(folder);
  const std::array<ListedEntry, 4> entries = {{
      {".", NodeOf(kControlFolderInode), S_IFDIR, std::nullopt, 1},
      {"..", 0, S_IFDIR, std::nullopt, 2},
      {kPlanName, NodeOf(kPlanInode), S_IFIFO, std::nullopt, 3},
      {kStatsName, NodeOf(kUnopenedStatsInode), S_IFREG, std::nullopt, 4},
  }};
  for (uint64_t i = cookie; i < entries.size(); ++i)
    if (!visit(entries[i])) break;
  return Omissions();
}

std::string FormatReport(const MountReport& report) {
  const CacheStats& cache = report.cache;
  Json counters;
  for (size_t i = 0; i < kCounters; ++i) counters[NameOf(static_cast<Counter>(i))] = cache.counters[i];
  Json latencies = Json::array();
  for (size_t i = 0; i < kLatencyBuckets; ++i) {
    const bool is_last = i + 1 == kLatencyBuckets;
    latencies.push_back({{"from_us", i == 0 ? 0 : uint64_t{1} << i},
                         {"below_us", is_last ? Json() : Json(uint64_t{1} << (i + 1))},
                         {"fills", cache.fill_latency_us[i]}});
  }
  const auto reads = static_cast<double>(cache.reads());
  Json document = NewDocument(kStatsSchema);
  SetName(document, "pack", report.pack_path);
  document.update(Json{
      {"uptime_s", report.uptime_s},
      {"transport", report.transport},
      {"parked_requests", report.parked_requests},
      {"failed_requests", report.failed_requests},
      {"cache", report.cache_lines},
      {"slots", cache.slots},
      {"resident_pages", cache.resident_pages},
      {"hit_ratio", reads == 0 ? Json() : Json(static_cast<double>(cache[Counter::kHits]) / reads)},
      {"counters", std::move(counters)},
      {"cost_model",
       {{"ns_per_byte", static_cast<double>(cache.ns_per_byte_x1000) / 1000},
        {"ns_per_request", cache.ns_per_request}}},
      {"fill_latency", std::move(latencies)},
      {"push", PushJson(report.feed)},
      {"plan", PlanJson(report.feed)},
  });
  return FormatJson(document) + "\n";
}

}  // namespace quire
