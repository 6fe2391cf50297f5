// SPDX-License-Identifier: Apache-2.0
// Goal: an object is read in any number of ranges at once, also by who is told that a read has ended; what a reader
// waits for goes first; one request that is late is sent twice, and many are not; and stopping ends whatever waits.
// Method: a server of the test's own on loopback, which answers requests for ranges, or keeps them waiting.
#include "cache/remote/http_object.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <cstring>
#include <functional>
#include <future>
#include <mutex>
#include <thread>
#include <vector>

#include "format/file.h"
#include "tests/support/memory_tree.h"

namespace quire {
namespace {

class RangeServer {
 public:
  explicit RangeServer(std::string content) : content_(std::move(content)) {
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t bytes = sizeof(address);
    auto* const any = reinterpret_cast<sockaddr*>(&address);
    EXPECT_EQ(bind(listener_.fd(), any, bytes), 0);
    EXPECT_EQ(listen(listener_.fd(), 64), 0);
    EXPECT_EQ(getsockname(listener_.fd(), any, &bytes), 0);
    port_ = ntohs(address.sin_port);
    acceptor_ = std::jthread([this] { Accept(); });
  }
  ~RangeServer() {
    Resume();
    shutdown(listener_.fd(), SHUT_RDWR);
    acceptor_.join();
    for (auto& connection : connections_) shutdown(connection->fd(), SHUT_RDWR);
  }

  [[nodiscard]] std::string url() const { return fmt::format("http://127.0.0.1:{}/object", port_); }
  // Requests get no answer from now on, until Resume.
  void Hold() { is_held_ = true; }
  // The next request gets none until then, by whichever connection it comes.
  void HoldNext() {
    is_one_held_ = true;
    holds_next_ = true;
  }
  // Where the requests that came so far begin, in order.
  [[nodiscard]] std::vector<size_t> seen() const {
    const std::scoped_lock lock(mutex_);
    return seen_;
  }
  void Resume() {
    is_held_ = is_one_held_ = false;
    is_held_.notify_all();
    is_one_held_.notify_all();
  }

 private:
  void Accept() {
    while (true) {
      auto connection = std::make_unique<File>(accept4(listener_.fd(), nullptr, nullptr, SOCK_CLOEXEC));
      if (!connection->is_open()) return;
      connections_.push_back(std::move(connection));
      threads_.emplace_back([this, socket = connections_.back()->fd()] { Serve(socket); });
    }
  }

  void Serve(int socket) {
    std::string request;
    std::vector<char> piece(4096);
    while (true) {
      const ssize_t got = recv(socket, piece.data(), piece.size(), 0);
      if (got <= 0) return;
      request.append(piece.data(), static_cast<size_t>(got));
      if (!request.ends_with("\r\n\r\n")) continue;
      const char* const first_digit = request.data() + request.find("bytes=") + 6;
      size_t first = 0;
      size_t last = 0;
      const auto dash = std::from_chars(first_digit, request.data() + request.size(), first).ptr;
      std::from_chars(dash + 1, request.data() + request.size(), last);
      last = std::min(last, content_.size() - 1);
      {
        const std::scoped_lock lock(mutex_);
        seen_.push_back(first);
      }
      is_held_.wait(true);
      if (holds_next_.exchange(false)) is_one_held_.wait(true);
      const std::string answer =
          fmt::format("HTTP/1.1 206 P\r\nContent-Range: bytes {}-{}/{}\r\nContent-Length: {}\r\nETag: \"x\"\r\n\r\n{}",
                      first, last, content_.size(), last + 1 - first, content_.substr(first, last + 1 - first));
      if (send(socket, answer.data(), answer.size(), MSG_NOSIGNAL) < 0) return;
      request.clear();
    }
  }

  const std::string content_;
  const File listener_{socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  uint16_t port_ = 0;
  std::atomic<bool> is_held_ = false;
  std::atomic<bool> is_one_held_ = false;
  std::atomic<bool> holds_next_ = false;
  mutable std::mutex mutex_;
  std::vector<size_t> seen_;
  std::vector<std::unique_ptr<File>> connections_;
  std::vector<std::jthread> threads_;
  std::jthread acceptor_;
};

class HttpObjectTest : public testing::Test {
 protected:
  std::string Read(uint64_t offset, size_t bytes) {
    std::string content(bytes, '?');
    OkOrDie(object_->Read(offset, std::as_writable_bytes(std::span(content))));
    return content;
  }

  const std::string content_ = Noise(300'000, 1);
  RangeServer server_{content_};
  std::unique_ptr<HttpObject> object_ = ValueOrDie(HttpObject::Open(server_.url(), {}));
};

// A read whose end is told to `told`, in which that is called by the thread of the object.
struct ToldRead : VolumeRead {
  explicit ToldRead(std::function<void(int64_t)> then) : told(std::move(then)) {
    into = memory.data();
    bytes = static_cast<uint32_t>(memory.size());
    done = [](VolumeRead& read, int64_t result) { static_cast<ToldRead&>(read).told(result); };
  }
  std::vector<std::byte> memory = std::vector<std::byte>(1000);
  std::function<void(int64_t)> told;
};

TEST_F(HttpObjectTest, BytesAreThoseOfTheirPlaces) {
  EXPECT_EQ(object_->size_bytes(), content_.size());
  for (const size_t offset : {0UL, 1UL, 8191UL, 8192UL, 299'000UL})
    EXPECT_TRUE(Read(offset, 1000) == content_.substr(offset, 1000)) << offset;
}

TEST_F(HttpObjectTest, WhoIsToldOfAReadMayRead) {
  std::promise<std::string> inner;
  ToldRead read([&](int64_t) { inner.set_value(Read(100'000, 70'000)); });
  object_->Submit(&read);
  EXPECT_TRUE(inner.get_future().get() == content_.substr(100'000, 70'000));
}

TEST_F(HttpObjectTest, ManyReadsAreUnderWayAtOnce) {
  constexpr size_t kReads = 200;
  std::atomic<size_t> right = 0;
  std::vector<std::unique_ptr<ToldRead>> reads;
  std::promise<void> all;
  std::atomic<size_t> ended = 0;
  for (size_t i = 0; i < kReads; ++i) {
    reads.push_back(std::make_unique<ToldRead>([&, i](int64_t result) {
      const std::string wanted = content_.substr(i * 1000, 1000);
      if (result == 1000 && std::memcmp(reads[i]->memory.data(), wanted.data(), 1000) == 0) ++right;
      if (++ended == kReads) all.set_value();
    }));
    reads[i]->offset = i * 1000;
  }
  for (const auto& read : reads) object_->Submit(read.get());
  all.get_future().get();
  EXPECT_EQ(right, kReads);
}

TEST_F(HttpObjectTest, WhatAReaderWaitsForGoesFirst) {
  constexpr size_t kReads = 100;
  constexpr size_t kUrgent = 200'000;
  server_.Hold();
  std::vector<std::unique_ptr<ToldRead>> reads;
  std::atomic<size_t> ended = 0;
  std::promise<void> all;
  for (size_t i = 0; i <= kReads; ++i) {
    reads.push_back(std::make_unique<ToldRead>([&](int64_t) {
      if (++ended == kReads + 1) all.set_value();
    }));
    reads[i]->offset = i == kReads ? kUrgent : i * 1000;
    reads[i]->is_urgent = i == kReads;
    object_->Submit(reads[i].get());
  }
  // It is sent while the others that are in flight have no answer.
  const auto has_come = [&] {
    const auto seen = server_.seen();
    return std::ranges::find(seen, kUrgent) != seen.end();
  };
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (!has_come() && std::chrono::steady_clock::now() < deadline) std::this_thread::yield();
  EXPECT_TRUE(has_come());
  // The first one opened the object. How long it took, on a slow machine too, decides how many may be in flight.
  const size_t seen = server_.seen().size();
  const RemoteFigures figures = object_->figures();
  EXPECT_LE(seen, 1 + figures.window + figures.hedged);
  server_.Resume();
  all.get_future().get();
}

TEST_F(HttpObjectTest, WhatIsLateIsAskedForASecondTime) {
  for (size_t i = 0; i < 100; ++i) Read(10'000 + i * 1000, 1000);
  server_.HoldNext();
  EXPECT_TRUE(Read(200'000, 1000) == content_.substr(200'000, 1000));
  EXPECT_EQ(object_->figures().hedged, 1U);
  EXPECT_EQ(object_->figures().retries, 0U);
  EXPECT_EQ(object_->figures().in_flight, 0U) << "what came too late was left";
  server_.Resume();
  EXPECT_TRUE(Read(210'000, 1000) == content_.substr(210'000, 1000));
}

TEST_F(HttpObjectTest, WhatIsSlowForAllIsAskedForOnce) {
  for (size_t i = 0; i < 200; ++i) Read(10'000 + i * 1000, 1000);
  server_.Hold();
  std::vector<std::unique_ptr<ToldRead>> reads;
  std::vector<std::promise<void>> ends(12);
  for (auto& end : ends) {
    reads.push_back(std::make_unique<ToldRead>([&end](int64_t) { end.set_value(); }));
    reads.back()->offset = 200'000;
    if (reads.size() > 1) reads[reads.size() - 2]->next = reads.back().get();
  }
  object_->Submit(reads.front().get());  // together: one that is late alone would be asked for again
  std::this_thread::sleep_for(std::chrono::milliseconds(300));  // so late that each would be asked for again
  // One may be late alone: the first, where the thread lost its processor before it sent the others.
  const uint64_t hedged = object_->figures().hedged;
  server_.Resume();
  for (auto& end : ends) end.get_future().get();
  EXPECT_LE(hedged, 1U) << "of the four that there is an allowance for";
}

TEST_F(HttpObjectTest, StoppingEndsWhatWaits) {
  server_.Hold();
  std::vector<std::promise<int64_t>> results(50);
  std::vector<std::unique_ptr<ToldRead>> reads;
  for (auto& result : results) {
    reads.push_back(std::make_unique<ToldRead>([&result](int64_t value) { result.set_value(value); }));
    object_->Submit(reads.back().get());
  }
  object_->Stop();
  for (auto& result : results) EXPECT_EQ(result.get_future().get(), -ECANCELED);
}

}  // namespace
}  // namespace quire
