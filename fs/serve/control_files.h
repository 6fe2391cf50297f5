// What a mount tells of itself: the folder `.quire`, which the root does not list but finds by name, and the files in
// it. `plan` is a named pipe, of which nothing but the name is here (plan_pipe.h). Each look-up of another file makes
// its content, under an inode of its own that lives until the kernel forgets it: so whoever has it open reads one
// moment's truth, of a size that is known, and the next one to open it reads the next.
#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "cache/cache_stats.h"
#include "format/pack/geometry.h"
#include "format/result.h"
#include "fs/feed/feed_figures.h"
#include "fs/serve/directory_listing.h"

namespace quire {

inline constexpr std::string_view kControlFolderName = ".quire";
inline constexpr std::string_view kPlanName = "plan";

// Inodes behind those of all nodes that a pack can have.
inline constexpr ino_t kControlFolderInode = kMaxRecords + 2;

// Of the pipe `plan`: always the same, so that whoever opens it meets the others.
inline constexpr ino_t kPlanInode = kControlFolderInode + 1;

constexpr bool IsControlInode(ino_t inode) { return inode >= kControlFolderInode; }

// Thread-safe, and nothing of it blocks.
class ControlFiles {
 public:
  // `write_stats` gives the content of the file `stats`; any thread may call it. `for_all`: everybody who may use the
  // mount may use the folder, and not only the user who mounted, whose it is.
  ControlFiles(std::function<std::string()> write_stats, bool for_all);

  // The inode of `name` in `folder`; empty where there is none. A regular file's is new, and is kept until Forget was
  // told of each time that it was given out. kSystem with ENFILE when too many are kept. REQUIRES:
  // IsControlInode(folder), here and below.
  Result<std::optional<ino_t>> Find(ino_t folder, std::string_view name);
  void Forget(ino_t inode, uint64_t lookups);

  [[nodiscard]] Result<struct stat> GetStat(ino_t inode) const;
  // The content of a file; null for the folder, and where there is no such inode.
  [[nodiscard]] std::shared_ptr<const std::string> GetContent(ino_t inode) const;
  // As ListDirectory.
  static Result<Omissions> List(ino_t folder, uint64_t cookie, const std::function<bool(const ListedEntry&)>& visit);

 private:
  struct File {
    std::shared_ptr<const std::string> content;
    struct timespec made;
    uint64_t lookups;
  };

  const std::function<std::string()> write_stats_;
  const mode_t folder_mode_;
  const struct timespec since_;  // of the folder
  mutable std::mutex mutex_;     // guards all below
  ino_t next_inode_;
  std::unordered_map<ino_t, File> files_;
};

// What the file `stats` tells.
struct MountReport {
  std::string pack_path;
  double uptime_s = 0;
  std::string transport;         // TransportChoice::Describe
  uint64_t parked_requests = 0;  // that wait for the disk now
  uint64_t failed_requests = 0;
  CacheStats cache;
  std::vector<std::string> cache_lines;  // SampleReader::Describe
  FeedFigures feed;
};

// A JSON object, indented, with a newline at its end.
std::string FormatReport(const MountReport& report);

}  // namespace quire
