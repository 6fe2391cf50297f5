// SPDX-License-Identifier: Apache-2.0
#include "fs/feed/kernel_feed.h"

#include <algorithm>
#include <thread>
#include <utility>

#include "cache/memory/memory_limit.h"
#include "format/pack/sample_content.h"
#include "format/room_to_grow.h"
#include "fs/feed/seam_table.h"

namespace quire {
namespace {

// A thread copies 4 GB/s into the kernel, more than most disks read. The readers want the cores as well.
constexpr unsigned kCoresPerPusher = 4;
constexpr unsigned kMaxPushers = 4;

// As many as show that the kernel makes room, rather than that somebody removed a few inodes from its cache.
constexpr uint64_t kManyForgotten = 256;

unsigned PusherThreads() { return std::clamp(std::thread::hardware_concurrency() / kCoresPerPusher, 1U, kMaxPushers); }

}  // namespace

KernelFeed::KernelFeed(const Pack& pack, NodeNumber root, SampleReader& samples, std::string mount_point, PushMode mode,
                       bool grows)
    : index_(pack.index()),
      samples_(samples),
      mode_(mode),
      most_nodes_(grows ? RecordsWithRoomToGrow(index_.node_count()) : index_.node_count()),
      most_extents_(grows ? RecordsWithRoomToGrow(index_.extent_count()) : index_.extent_count()),
      view_(most_nodes_, most_extents_),
      store_(view_),
      residency_(samples.cache().residency()),
      cache_(samples.cache()),
      sweeper_(index_, cache_, view_),
      pusher_(index_, cache_, view_, store_, [this] { sweeper_.Wake(); }),
      plan_(most_nodes_),
      runner_(index_, samples, plan_, view_, store_, residency_),
      pipe_(index_, root, plan_, std::move(mount_point),
            [this](bool is_end) { is_end ? runner_.FutureChanged() : runner_.Wake(); }) {
  if (mode_ == PushMode::kOff) return;
  cache_.SetPageListener([this](uint64_t page, bool in_run) {
    pusher_.PageArrived(page, in_run);
    sweeper_.Wake();
  });
}

Result<void> KernelFeed::CheckRoomFor(const Index& later) const {
  const auto check = [](uint64_t count, uint64_t most, std::string_view what) -> Result<void> {
    if (count <= most) return {};
    return Unsupported("it has {} {}, and there is room for {}; mount it anew", count, what, most);
  };
  if (auto nodes = check(later.node_count(), most_nodes_, "entries"); !nodes) return nodes;
  return check(later.extent_count(), most_extents_, "extents");
}

Result<void> KernelFeed::Start(fuse_session* session, dev_t device) {
  store_.Attach(session);
  if (auto started = runner_.Start(); !started) return started;
  if (auto started = pipe_.Start(device); !started) return started;
  if (mode_ == PushMode::kOff) return {};
  if (auto started = sweeper_.Start(); !started) return started;
  return pusher_.Start(PusherThreads());
}

void KernelFeed::Stop() {
  pipe_.Stop();
  runner_.Stop();
  sweeper_.Stop();
  pusher_.Stop();
}

void KernelFeed::Forgotten(NodeNumber number) {
  if (!view_.Forgotten(number)) return;
  // Where the kernel lets go of many inodes it lets go of their bytes too, and says so of the inodes only.
  if ((forgotten_.fetch_add(1, std::memory_order_relaxed) + 1) % kManyForgotten == 0) cache_.ForgetHandedOn();
}

void KernelFeed::PieceRead(NodeNumber number, ExtentNumber extent) {
  if (extent >= index_.extent_count()) return;  // a damaged index: the read itself will find out
  const KernelView::ReadEvent event = view_.BeginRead(number, extent);
  if (event.was_pushed && residency_.SampleDropped()) cache_.ForgetHandedOn();
  if (event.was_control) residency_.ControlRead();
}

void KernelFeed::ReadBegun(NodeNumber number, const Node& node, uint64_t offset, uint64_t bytes) {
  if (node.kind == NodeKind::kFile) {
    if (node.size_bytes > 0) PieceRead(number, node.content);
  } else {
    // A request is shorter than a page: it meets two extents at most, and holes between them.
    const uint64_t end = std::min(offset + bytes, node.size_bytes);
    for (uint64_t at = offset; at < end;) {
      const auto run = FindRun(index_, node, at);
      if (!run) break;  // the read itself will find out
      const uint64_t run_end = at + run->length_bytes;
      if (run->extent && WholeKernelPages(at, std::min(run_end, end), run_end == node.size_bytes).is_empty())
        view_.BeginSeamRead(number);
      else if (run->extent)
        PieceRead(number, *run->extent);
      at = run_end;
    }
  }
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
  if (const auto page = samples_.FindFirstPage(node)) pusher_.PageRead(*page);
}

FeedFigures KernelFeed::figures() const {
  return {.mode = mode_,
          .is_pushing = mode_ != PushMode::kOff && store_.is_supported(),
          .pushed_samples = store_.samples(),
          .pushed_bytes = store_.bytes(),
          .refused_pushes = store_.refused(),
          .push = residency_.figures(),
          .plan = plan_.figures(),
          .plan_unknown = pipe_.unknown()};
}

}  // namespace quire
