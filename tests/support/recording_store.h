// SPDX-License-Identifier: Apache-2.0
// A kernel that takes every sample, one that refuses, or one that lets the caller wait; and that can be asked what it
// was given.
#pragma once

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "fs/feed/kernel_store.h"

namespace quire {

class RecordingStore : public KernelStore {
 public:
  using KernelStore::KernelStore;

  // What every later store is answered: 0 or a negative errno.
  void Answer(int result) {
    const std::scoped_lock lock(mutex_);
    result_ = result;
  }
  // Whoever stores waits from now on, until Resume.
  void Hold() {
    const std::scoped_lock lock(mutex_);
    is_held_ = true;
  }
  void Resume() {
    const std::scoped_lock lock(mutex_);
    is_held_ = false;
    changed_.notify_all();
  }

  // The nodes in the order in which they were first stored.
  [[nodiscard]] std::vector<NodeNumber> stored() const {
    const std::scoped_lock lock(mutex_);
    return order_;
  }
  [[nodiscard]] std::string BytesOf(NodeNumber node) const {
    const std::scoped_lock lock(mutex_);
    const auto found = bytes_.find(node);
    return found == bytes_.end() ? std::string() : found->second;
  }
  // Stores that were asked for, whatever became of them.
  [[nodiscard]] uint64_t calls() const {
    const std::scoped_lock lock(mutex_);
    return calls_;
  }
  // Where each store that was taken began, in its file.
  [[nodiscard]] std::vector<uint64_t> offsets() const {
    const std::scoped_lock lock(mutex_);
    return offsets_;
  }
  // Whether the node was given to it by the end of a minute, and so many calls made.
  [[nodiscard]] bool WaitFor(NodeNumber node) const {
    return WaitUntil([&] { return bytes_.contains(node); });
  }
  // The same for all of its bytes.
  [[nodiscard]] bool WaitFor(NodeNumber node, const std::string& content) const {
    return WaitUntil([&] { return bytes_.contains(node) && bytes_.at(node) == content; });
  }
  [[nodiscard]] bool WaitForCalls(uint64_t calls) const {
    return WaitUntil([&] { return calls_ >= calls; });
  }

 protected:
  int Notify(NodeNumber node, uint64_t offset, std::span<const std::byte> bytes) override {
    std::unique_lock lock(mutex_);
    ++calls_;
    changed_.notify_all();
    changed_.wait(lock, [this] { return !is_held_; });
    if (result_ != 0) return result_;
    offsets_.push_back(offset);
    const auto [entry, is_new] = bytes_.try_emplace(node);
    if (is_new) order_.push_back(node);
    std::string& known = entry->second;
    known.resize(std::max(known.size(), offset + bytes.size()), '?');
    known.replace(offset, bytes.size(), reinterpret_cast<const char*>(bytes.data()), bytes.size());
    changed_.notify_all();
    return 0;
  }

 private:
  bool WaitUntil(const auto& is_so) const {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::minutes(1), is_so);
  }

  mutable std::mutex mutex_;  // guards all below
  mutable std::condition_variable changed_;
  int result_ = 0;
  bool is_held_ = false;
  uint64_t calls_ = 0;
  std::vector<NodeNumber> order_;
  std::vector<uint64_t> offsets_;
  std::map<NodeNumber, std::string> bytes_;
};

}  // namespace quire
