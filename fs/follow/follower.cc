// SPDX-License-Identifier: Apache-2.0
#include "fs/follow/follower.h"

#include <spdlog/spdlog.h>
#include <sys/stat.h>

#include <chrono>
#include <memory>
#include <utility>

namespace quire {
namespace {

constexpr const char* kThreadName = "quire-follow";
// How soon a generation that another machine commits is seen, beside what its file system needs to tell of it. A look
// reads 8 KiB that are in the page cache.
constexpr std::chrono::seconds kBetweenLooks{2};
// The same of a pack by URL: a request each time. Where something of it is read meanwhile that is no longer there, the
// answer tells of the change.
constexpr std::chrono::seconds kBetweenRequests{5};
// A program that writes and closes without end makes us look no more often.
constexpr std::chrono::milliseconds kLeastBetweenLooks{100};

}  // namespace

Follower::Follower(Pack& pack, SampleReader& samples, KernelFeed& feed)
    : pack_(pack),
      samples_(samples),
      feed_(feed),
      watch_(std::make_shared<const PackWatch>(pack.GetVolumeFd(0).value_or(-1))) {
  if (pack.bytes() != nullptr) pack.bytes()->Follow([watch = watch_] { watch->Wake(); });
}

Result<void> Follower::Start(fuse_session* session, NodeNumber root) {
  notices_.emplace(session, InodeMap(root));
  return thread_.Start(kThreadName, [this](const std::stop_token& stop) { Run(stop); });
}

void Follower::Run(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    RunStep(kThreadName, [&] {
      const auto looked = Look(stop);
      SetTrouble(looked ? "" : looked.error().message);
    });
    thread_.Pause(stop, kLeastBetweenLooks);
    watch_->Wait(stop, pack_.bytes() == nullptr ? kBetweenLooks : kBetweenRequests);
  }
}

Result<void> Follower::Look(const std::stop_token& stop) {
  auto later = pack_.FindLater();
  if (!later) return std::unexpected(later.error());
  if (*later != nullptr) return Take(**later, stop);
  struct stat status = {};
  const auto file = pack_.GetVolumeFd(0);
  if (file && fstat(*file, &status) == 0 && status.st_nlink == 0)
    return Invalid("{}: was removed, or another file has its name by now; mount it anew to see what is there",
                   pack_.path());
  return {};
}

// What is new is ready before anybody can ask for it: its volumes, then their pages, then the index.
Result<void> Follower::Take(Index& later, const std::stop_token& stop) {
  const uint64_t generation = later.superblock().generation;
  const auto in_generation = [&](const Error& error) {
    return MakeError(error.code, "{}: generation {} is not shown: {}", pack_.path(), generation, error.message);
  };
  if (auto room = feed_.CheckRoomFor(later); !room) return in_generation(room.error());
  if (auto opened = pack_.OpenVolumesOf(later); !opened) return in_generation(opened.error());
  if (auto grown = samples_.Grow(later); !grown) return in_generation(grown.error());
  pack_.Adopt(later);
  const Index& before = later;
  if (const auto told = notices_->Tell(before, pack_.index(), stop); !told) {
    const bool is_heard = notices_->TellAllNames();
    spdlog::warn(
        "{}: what generation {} has changed cannot be read: {}; {}", pack_.path(), generation, told.error().message,
        is_heard ? "the kernel asks for all names anew" : "names that the kernel knows may be those of before");
  }
  taken_.fetch_add(1, std::memory_order_relaxed);
  spdlog::info("generation {}: {} samples, in place of generation {}", generation, pack_.superblock().samples,
               before.superblock().generation);
  return {};
}

FollowFigures Follower::figures() const {
  const MutexLock lock(mutex_);
  return {.taken = taken_.load(std::memory_order_relaxed), .trouble = trouble_};
}

void Follower::SetTrouble(std::string trouble) {
  const MutexLock lock(mutex_);
  if (trouble == trouble_) return;
  if (!trouble.empty()) spdlog::warn("{}", trouble);
  trouble_ = std::move(trouble);
}

}  // namespace quire
