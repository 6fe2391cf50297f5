// SPDX-License-Identifier: Apache-2.0
// A read of bytes far away that was begun and that nobody waits for yet. Who reads it and who needs it share it: the
// one may end it after the other has lost interest.
#pragma once

#include <atomic>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <thread>

namespace quire {

class PendingRead {
 public:
  // Of `bytes` bytes, which the thread `reader` will bring.
  PendingRead(uint64_t bytes, std::thread::id reader)
      : reader_(reader), bytes_(std::make_unique_for_overwrite<std::byte[]>(bytes)), size_bytes_(bytes) {}
  PendingRead(const PendingRead&) = delete;
  PendingRead& operator=(const PendingRead&) = delete;

  // Where the bytes go. REQUIRES: it has not ended.
  [[nodiscard]] std::span<std::byte> into() { return {bytes_.get(), size_bytes_}; }
  // Once, by the reader: the bytes are there, all of them, or cannot be had.
  void End(bool is_there) {
    assert(state_ == State::kUnderWay);
    state_.store(is_there ? State::kThere : State::kFailed, std::memory_order_release);
    state_.notify_all();
  }

  // Any thread, without waiting.
  [[nodiscard]] bool has_ended() const { return state_.load(std::memory_order_acquire) != State::kUnderWay; }
  // Waits for the end, any number of threads at once; the reader, which cannot wait for itself, does not. The bytes;
  // none where they cannot be had.
  [[nodiscard]] std::span<const std::byte> Wait() const {
    if (std::this_thread::get_id() != reader_) state_.wait(State::kUnderWay, std::memory_order_acquire);
    if (state_.load(std::memory_order_acquire) != State::kThere) return {};
    return {bytes_.get(), size_bytes_};
  }

 private:
  enum class State : uint8_t { kUnderWay, kThere, kFailed };

  const std::thread::id reader_;
  const std::unique_ptr<std::byte[]> bytes_;
  const uint64_t size_bytes_;
  std::atomic<State> state_ = State::kUnderWay;
};

}  // namespace quire
