#include <algorithm>
#include <condition_variable>
#include <cstdio>
#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>
#include <thread>
#include <vector>

#include "cache/memory/arena.h"
#include "cache/volume/file_source.h"
#include "format/coding.h"
#include "format/pack.h"
#include "format/verifier.h"
#include "tools/command.h"
#include "tools/interrupt.h"
#include "tools/progress.h"

namespace quire {
namespace {

struct Arguments {
  std::string pack;
  unsigned jobs = std::clamp(2 * std::thread::hardware_concurrency(), 4U, kMaxJobs);  // reads of 2 MiB keep a disk busy
  bool json = false;
};

const char* KindName(Fault::Kind kind) {
  switch (kind) {
    case Fault::Kind::kIndex:
      return "index";
    case Fault::Kind::kSample:
      return "sample";
    case Fault::Kind::kPage:
      return "page";
  }
  return "";
}

// Reads a pack past the kernel's page cache, where that can be had: what is checked is what the disk holds. A page of
// memory for each read at once.
class DiskReader {
 public:
  static Result<std::unique_ptr<DiskReader>> Open(const Pack& pack, unsigned reads_at_once) {
    const uint64_t pages = CeilDiv(pack.superblock().pack_bytes, kPageBytes);
    const auto slots = static_cast<uint32_t>(std::clamp<uint64_t>(pages, 1, reads_at_once));
    // Not the reserved huge pages, which are meant for mounts.
    auto arena = Arena::Create(slots, HugePages::kThp);
    if (!arena) return Propagate(std::move(arena));
    // Fewer are slower, and the first is there.
    const uint32_t populated = (*arena)->PopulateAll();
    auto engine = OpenFileSource(pack.file().fd(), FileSourceOptions());
    if (!engine) return Propagate(std::move(engine));
    return std::unique_ptr<DiskReader>(new DiskReader(*std::move(arena), populated, *std::move(engine)));
  }

  // As ReadPackBytes.
  Result<void> Read(uint64_t offset, size_t bytes, const UseBytes& use) {
    const uint32_t slot = TakeSlot();
    auto read = ReadInto(slot, offset, bytes);
    if (read) use(*read);
    ReturnSlot(slot);
    return read ? Result<void>() : Propagate(std::move(read));
  }

 private:
  DiskReader(std::unique_ptr<Arena> arena, uint32_t slots, std::unique_ptr<VolumeSource> engine)
      : arena_(std::move(arena)), engine_(std::move(engine)) {
    for (uint32_t slot = 0; slot < slots; ++slot) free_.push_back(slot);
  }

  Result<std::span<const std::byte>> ReadInto(uint32_t slot, uint64_t offset, size_t bytes) {
    // Direct reads begin and end at multiples of the alignment; a page does, so what is inside of one fits a slot.
    const uint64_t alignment = engine_->alignment_bytes();
    const uint64_t begin = offset / alignment * alignment;
    const uint64_t end = CeilDiv(offset + bytes, alignment) * alignment;
    auto got = ReadIntoSlot(*engine_, *arena_, slot, begin, static_cast<uint32_t>(end - begin));
    if (!got) return Propagate(std::move(got));
    if (*got < offset + bytes - begin) return Corrupt("truncated: ends at byte {}", begin + *got);
    return std::span<const std::byte>(arena_->slot(slot)).subspan(offset - begin, bytes);
  }

  uint32_t TakeSlot() {
    std::unique_lock lock(mutex_);
    returned_.wait(lock, [this] { return !free_.empty(); });
    const uint32_t slot = free_.back();
    free_.pop_back();
    return slot;
  }
  void ReturnSlot(uint32_t slot) {
    const std::scoped_lock lock(mutex_);
    free_.push_back(slot);
    returned_.notify_one();
  }

  const std::unique_ptr<Arena> arena_;
  const std::unique_ptr<VolumeSource> engine_;
  std::mutex mutex_;  // guards free_
  std::condition_variable returned_;
  std::vector<uint32_t> free_;
};

int RunVerify(const Arguments& arguments) {
  const auto pack = Pack::Open(arguments.pack);
  if (!pack) return Fail("verify", pack.error());
  const auto disk = DiskReader::Open(**pack, arguments.jobs);
  if (!disk) return Fail("verify", disk.error());
  std::atomic<uint64_t> bytes_done = 0;
  Progress progress(ProgressMode::kAuto, [&] {
    return ProgressState{
        .what = "verifying", .counts = "", .done = bytes_done, .total = (*pack)->superblock().pack_bytes};
  });
  nlohmann::ordered_json faults = nlohmann::ordered_json::array();
  WorkerPool pool(arguments.jobs);
  const VerifyOptions options{
      .on_fault =
          [&](const Fault& fault) {
            if (arguments.json)
              faults.push_back({{"kind", KindName(fault.kind)}, {"path", fault.path}, {"message", fault.message}});
            else
              progress.PrintLine(fmt::format("{} fault: {}{}{}", KindName(fault.kind), EscapeName(fault.path),
                                             fault.path.empty() ? "" : ": ", fault.message));
          },
      .bytes_done = &bytes_done,
      .interrupted = CatchInterrupts(),
      .read = [&](uint64_t offset, size_t bytes, const UseBytes& use) { return (*disk)->Read(offset, bytes, use); }};
  const auto summary = VerifyPack(**pack, pool, options);
  if (!summary) {
    progress.PrintLine(fmt::format("quire verify: {}", summary.error().message));
    return kExitFailed;
  }
  if (arguments.json) {
    const nlohmann::ordered_json report = {{"pack", arguments.pack},      {"ok", summary->faults == 0},
                                           {"entries", summary->entries}, {"extents", summary->extents},
                                           {"pages", summary->pages},     {"index_blocks", summary->index_blocks},
                                           {"faults", std::move(faults)}};
    fmt::print("{}\n", report.dump(2, ' ', false, nlohmann::json::error_handler_t::replace));
  } else {
    fmt::print("{}: {} entries, {} extents in {} pages, {} index blocks checked: {}\n", arguments.pack,
               FormatCount(summary->entries), FormatCount(summary->extents), FormatCount(summary->pages),
               FormatCount(summary->index_blocks),
               summary->faults == 0 ? "no fault" : FormatCount(summary->faults) + " faults");
  }
  return summary->faults == 0 ? kExitOk : kExitFailed;
}

}  // namespace

void AddVerifyCommand(CLI::App& app, Body& run) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App* verify = app.add_subcommand("verify", "Check every sum of a pack and name every fault");
  verify->add_option("PACK", arguments->pack, "Pack to read")->required();
  verify->add_option("-j,--jobs", arguments->jobs, "Pages read at once")
      ->check(CLI::Range(1U, kMaxJobs))
      ->capture_default_str()
      ->type_name("N");
  verify->add_flag("--json", arguments->json, "For programs");
  verify->callback([&run, arguments] { run = [arguments] { return RunVerify(*arguments); }; });
}

}  // namespace quire
