// The fill engine of machines that refuse io_uring: a pool of threads, each with one positional read at a time.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "cache/volume/fill_engine.h"
#include "cache/volume/fill_file.h"
#include "cache/volume/fill_queue.h"
#include "format/result.h"

namespace quire {

// A thread sleeps while its read is under way, so that their number is the depth of the queue that the device sees, and
// more than cores make sense: 16 reads of 256 KiB keep a drive of 4 GB/s busy for a millisecond.
inline constexpr unsigned kFillPoolThreads = 16;
inline constexpr unsigned kMaxFillPoolThreads = 64;

class ThreadFillEngine final : public FillEngine {
 public:
  // `threads`: cut to kMaxFillPoolThreads, 0 for kFillPoolThreads; fewer where the machine gives fewer. `remark` ends
  // the description. An error where not even one thread can be started.
  static Result<std::unique_ptr<FillEngine>> Create(FillFile file, unsigned threads, std::string remark);
  ~ThreadFillEngine() override;

  void Submit(FillRead* first) override;
  [[nodiscard]] uint32_t alignment_bytes() const override { return file_.alignment_bytes(); }
  [[nodiscard]] std::string Describe() const override;

 private:
  ThreadFillEngine(FillFile file, std::string remark) : file_(std::move(file)), remark_(std::move(remark)) {}
  void Work();
  void Read(FillRead& read) const;

  const FillFile file_;
  const std::string remark_;

  std::mutex mutex_;  // guards what follows; not held while anything is read or told
  std::condition_variable changed_;
  FillQueue queue_;
  size_t idle_ = 0;  // threads that wait for changed_
  bool stop_ = false;

  std::vector<std::jthread> threads_;  // last: they use all above
};

}  // namespace quire
