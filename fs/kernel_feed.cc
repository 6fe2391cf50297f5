#include "fs/kernel_feed.h"

#include <algorithm>
#include <thread>
#include <utility>

#include "cache/memory/memory_limit.h"

namespace quire {
namespace {

// A thread copies 4 GB/s into the kernel, more than most disks read. The readers want the cores as well.
constexpr unsigned kCoresPerPusher = 4;
constexpr unsigned kMaxPushers = 4;

unsigned PusherThreads() { return std::clamp(std::thread::hardware_concurrency() / kCoresPerPusher, 1U, kMaxPushers); }

}  // namespace

KernelFeed::KernelFeed(const Pack& pack, NodeNumber root, SampleReader& samples, std::string mount_point, PushMode mode)
    : index_(pack.index()),
      mode_(mode),
      view_(index_.node_count()),
      store_(view_),
      budget_(mode, pack.superblock().stored_bytes,
              {.available_bytes = [] { return FindAvailableMemory().value_or(0); }}),
      pusher_(index_, samples.cache(), view_, store_, budget_),
      plan_(index_.node_count()),
      runner_(index_, samples, plan_, view_, store_, budget_),
      pipe_(index_, root, plan_, std::move(mount_point),
            [this](bool is_end) { is_end ? runner_.FutureChanged() : runner_.Wake(); }) {
  if (mode_ == PushMode::kOff) return;
  samples.cache().SetPageListener([this](uint64_t page, bool is_prefetch) { pusher_.PageArrived(page, is_prefetch); });
}

Result<void> KernelFeed::Start(fuse_session* session, dev_t device) {
  store_.Attach(session);
  if (auto started = runner_.Start(); !started) return started;
  if (auto started = pipe_.Start(device); !started) return started;
  return mode_ == PushMode::kOff ? Result<void>() : pusher_.Start(PusherThreads());
}

void KernelFeed::Stop() {
  pipe_.Stop();
  runner_.Stop();
  pusher_.Stop();
}

void KernelFeed::ReadBegun(NodeNumber number, const Node& node) {
  const KernelView::ReadEvent event = view_.BeginRead(number);
  if (event.was_pushed) budget_.SampleDropped();
  if (event.was_control)
    if (const auto page = PageOf(node)) pusher_.ControlRead(*page);
  switch (plan_.Read(number)) {
    case Plan::Verdict::kExpected:
      return runner_.Wake();
    case Plan::Verdict::kForgotten:
      return runner_.FutureChanged();
    case Plan::Verdict::kNoPlan:
    case Plan::Verdict::kUnexpected:
      return;
  }
}

void KernelFeed::ReadAnswered(const Node& node) {
  if (mode_ == PushMode::kOff) return;
  if (const auto page = PageOf(node)) pusher_.PageRead(*page);
}

std::optional<uint64_t> KernelFeed::PageOf(const Node& node) const {
  if (node.kind != NodeKind::kFile || node.size_bytes == 0) return std::nullopt;
  const auto extent = index_.GetExtent(node.content);
  if (!extent || extent->volume != 0) return std::nullopt;
  return extent->offset / kPageBytes;
}

FeedFigures KernelFeed::figures() const {
  return {.mode = mode_,
          .is_pushing = mode_ != PushMode::kOff && store_.is_supported(),
          .pushed_samples = store_.samples(),
          .pushed_bytes = store_.bytes(),
          .refused_pushes = store_.refused(),
          .push = budget_.figures(),
          .plan = plan_.figures(),
          .plan_unknown = pipe_.unknown()};
}

}  // namespace quire
