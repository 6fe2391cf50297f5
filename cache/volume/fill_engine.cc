#include "cache/volume/fill_engine.h"

#include <algorithm>
#include <array>
#include <condition_variable>
#include <mutex>

#include "cache/volume/fill_file.h"
#include "cache/volume/thread_fill_engine.h"
#include "cache/volume/uring_fill_engine.h"

namespace quire {

Result<std::unique_ptr<FillEngine>> OpenFillEngine(int fd, const Arena& arena, const FillEngineOptions& options) {
  std::string remark;
  if (options.io != IoKind::kThreads) {
    auto file = FillFile::Open(fd, options.direct);
    if (!file) return Propagate(std::move(file));
    auto engine = UringFillEngine::Create(std::move(*file), arena, options.registered, options.threads);
    if (engine || options.io == IoKind::kUring) return engine;
    remark = fmt::format(" (io_uring refused: {})", engine.error().message);
  }
  auto file = FillFile::Open(fd, options.direct);
  if (!file) return Propagate(std::move(file));
  return ThreadFillEngine::Create(std::move(*file), options.threads, std::move(remark));
}

namespace {

// A page that is being read, and the thread that waits for it.
struct PageRead {
  struct Part : FillRead {
    PageRead* page = nullptr;
    int64_t result = 0;
  };

  std::array<Part, kPageBytes / kFillPartBytes> parts;
  std::mutex mutex;
  std::condition_variable finished;
  size_t left = 0;  // parts under way

  static void PartDone(FillRead& read, int64_t result) {
    auto& part = static_cast<Part&>(read);
    PageRead& page = *part.page;
    part.result = result;
    // Told under the lock: the waiter, and with it the page, may be gone as soon as it is free.
    const std::lock_guard lock(page.mutex);
    if (--page.left == 0) page.finished.notify_one();
  }
};

}  // namespace

Result<uint32_t> ReadIntoSlot(FillEngine& engine, const Arena& arena, uint32_t slot, uint64_t offset, uint32_t bytes) {
  PageRead page;
  const auto memory = arena.slot(slot).first(bytes);
  for (uint32_t at = 0; at < bytes; at += kFillPartBytes) {
    PageRead::Part& part = page.parts[page.left++];
    part.offset = offset + at;
    part.into = memory.data() + at;
    part.bytes = std::min<uint32_t>(kFillPartBytes, bytes - at);
    part.slot = slot;
    part.done = PageRead::PartDone;
    part.page = &page;
    if (at > 0) page.parts[page.left - 2].next = &part;
  }
  const auto parts = std::span(page.parts).first(page.left);
  engine.Submit(parts.data());
  {
    std::unique_lock lock(page.mutex);
    page.finished.wait(lock, [&] { return page.left == 0; });
  }
  uint32_t got = 0;
  for (const PageRead::Part& part : parts) {
    if (part.result < 0) return SystemError(static_cast<int>(-part.result), "read of {} bytes at {}", bytes, offset);
    got += static_cast<uint32_t>(part.result);
    if (part.result < part.bytes) break;
  }
  return got;
}

}  // namespace quire
