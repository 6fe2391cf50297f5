// SPDX-License-Identifier: Apache-2.0
// An object of a web server, read by ranges: many requests in flight, by one thread. All of them are of the state that
// the object had when it was opened.
#pragma once

#include <atomic>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "cache/remote/answer_times.h"
#include "cache/remote/http_answer.h"
#include "cache/remote/http_transfer.h"
#include "cache/remote/remote_object.h"
#include "cache/remote/remote_options.h"
#include "cache/remote/request_window.h"
#include "cache/volume/volume_source.h"
#include "format/mutex.h"
#include "format/pack/pack_bytes.h"
#include "format/result.h"

namespace quire {

class HttpObject final : public PackBytes {
 public:
  // Asks for the first bytes of `url`, once: an error of seconds at most, which names the URL. kInvalid for a URL that
  // is none, or that holds a password, and for a file of headers that is none. The thread of the object may do what the
  // thread that opens it may. With a `signer` requests are signed, follow no redirect, and leave ~/.netrc alone.
  static Result<std::unique_ptr<HttpObject>> Open(const std::string& url, const RemoteOptions& options,
                                                  std::unique_ptr<RequestSigner> signer = nullptr);
  // Reads that StartRead began end with an error. REQUIRES: no other is under way.
  ~HttpObject() override;

  [[nodiscard]] uint64_t size_bytes() const override { return state().size_bytes; }
  // Any thread, that of the object included, which calls what is told of the end of reads.
  Result<void> Read(uint64_t offset, std::span<std::byte> into) override;

  std::shared_ptr<PendingRead> StartRead(uint64_t offset, uint64_t bytes) override;
  [[nodiscard]] std::thread::id reader() const override { return thread_.get_id(); }
  void Follow(const std::function<void()>& changed) override;
  Result<bool> Renew(size_t most_head_bytes, std::vector<std::byte>& head) override;
  void Refuse() override;

  // As VolumeSource::Submit. Urgent reads go first, and have a share of what may be in flight for themselves. A request
  // that is late is sent a second time; what comes first is used. Reads that are transient faults are repeated as the
  // options say; -EIO where that did not help, or cannot, or the object has changed; -ECANCELED after Stop.
  void Submit(VolumeRead* first);
  // Ends what is under way soon, and what comes later at once. Any thread.
  void Stop();

  [[nodiscard]] const std::string& url() const { return url_; }
  // How long the server took for the first byte that was asked of it.
  [[nodiscard]] std::chrono::microseconds first_latency() const { return first_latency_; }
  // Without the query, in which secrets may stand.
  [[nodiscard]] std::string shown_url() const { return url_.substr(0, url_.find('?')); }
  // The one that all reads are of. It stays where it is as long as the object lives.
  [[nodiscard]] const ObjectState& state() const { return *state_.load(std::memory_order_acquire); }
  // Why a request failed last; empty where none has. Any thread.
  [[nodiscard]] std::string last_fault() const {
    const MutexLock lock(mutex_);
    return last_fault_;
  }
  // Whether the server says by what one state of the object is told from another.
  [[nodiscard]] bool TellsStates() const;
  // Any thread.
  [[nodiscard]] RemoteFigures figures() const;
  // The best size of a request: the smallest with which the widest window brings 3 GB/s at the latency of the server:
  // C = N*U + R, where R is a latency that all requests in flight share. 256 KiB up to 5 ms, a page beyond 45 ms. What
  // is smaller answers earlier; what is less than 256 KiB costs libcurl and the server more than the network.
  [[nodiscard]] uint32_t request_bytes() const;
  // How many that nobody waits for may be in flight at the moment. Any thread.
  [[nodiscard]] uint32_t background_depth() const { return counters_.background_window; }

 private:
  using Clock = std::chrono::steady_clock;

  // A request, and its handle, which is made when the slot is used first.
  struct Flight {
    std::unique_ptr<HttpTransfer> transfer;
    bool is_under_way = false;
  };
  // A read that has been taken up: in flight, or before its next try.
  struct Slot {
    Flight first;
    Flight second;               // beside it, when it is late
    VolumeRead* read = nullptr;  // null: free
    unsigned failed_tries = 0;
    Clock::time_point began;  // of the request
    Clock::time_point first_failure;
    Clock::time_point next_try;
  };

  HttpObject(const CurlLibrary& curl, std::string url, HttpOptions http, const RemoteOptions& options);
  Result<void> Start();
  Result<void> AskForState();
  // Waits for the answer to a request, which is repeated for `retry`, below 0 for ever, but no longer than `longest`.
  Result<void> Fetch(HttpTransfer& transfer, const RangeRequest& request, std::span<std::byte> into,
                     std::chrono::seconds retry, std::chrono::seconds longest);
  HttpVerdict Perform(CURLM* multi, HttpTransfer& transfer, Clock::time_point until) const;
  // Bytes that came.
  Result<size_t> SubmitAndWait(uint64_t offset, std::span<std::byte> into, bool is_of_any_state);
  Result<void> ReadAlone(uint64_t offset, std::span<std::byte> into);
  [[nodiscard]] bool IsInterrupted() const;

  // By the object's thread alone.
  void Work(const std::stop_token& stop);
  // Those that are due, urgent ones first, as far as the window has room.
  void StartReads();
  void Start(bool is_urgent, Clock::time_point now);
  // Sends what is late a second time, and says when the next one will be late.
  std::optional<Clock::time_point> Hedge();
  bool TakeFinished();  // whether any had
  VolumeRead* PopRead(bool is_urgent);
  void EndAll();  // what is under way and what waits
  void Try(Slot& slot);
  [[nodiscard]] Result<void> Send(Slot& slot, Flight& flight);
  void Leave(Flight& flight);  // takes it from libcurl
  void Came(Slot& slot, const HttpTransfer& transfer);
  void Failed(Slot& slot, const HttpTransfer* transfer, const HttpVerdict& verdict);
  void End(Slot& slot, int64_t result);
  [[nodiscard]] std::chrono::milliseconds UntilNextTry(std::optional<Clock::time_point> next_late) const;
  void TellFault(const std::string& reason, bool is_final);
  void TellWindow();

  const CurlLibrary& curl_;
  const std::string url_;
  const HttpOptions http_;
  const std::chrono::seconds retry_;
  const std::atomic<bool>* const interrupted_;
  // The one of the opening and those that Renew has found, which requests that are under way may still name.
  std::vector<std::unique_ptr<const ObjectState>> states_;
  std::atomic<const ObjectState*> state_ = nullptr;  // the one of all further requests
  const ObjectState* state_before_ = nullptr;        // Renew has found the one that is read
  std::optional<ObjectState> found_state_;           // by the thread, for Renew
  std::function<void()> changed_;                    // of Follow; empty where nobody follows
  std::atomic<bool> is_refused_ = false;             // the state that the object has now
  std::vector<std::byte> head_;                      // the first bytes, which the opening brought
  CURLM* multi_ = nullptr;
  struct Counters {
    std::atomic<uint64_t> requests = 0;
    std::atomic<uint64_t> retries = 0;
    std::atomic<uint64_t> bytes = 0;
    std::atomic<uint64_t> failures = 0;
    std::atomic<uint64_t> hedged = 0;
    std::atomic<unsigned> window = RequestWindow::kFirst;
    std::atomic<unsigned> background_window = RequestWindow().background();
    std::atomic<unsigned> in_flight = 0;
    std::atomic<AnswerTimes::Duration> latency_p50{};
    std::atomic<AnswerTimes::Duration> latency_p99{};
  };
  Counters counters_;
  std::chrono::microseconds first_latency_{0};
  // Of the thread.
  std::vector<Slot> slots_;
  RequestWindow window_;
  AnswerTimes times_;
  unsigned in_flight_ = 0;  // requests

  mutable Mutex mutex_;
  ReadQueue urgent_ QUIRE_GUARDED_BY(mutex_);
  ReadQueue background_ QUIRE_GUARDED_BY(mutex_);
  std::string last_fault_ QUIRE_GUARDED_BY(mutex_);
  std::atomic<bool> is_stopped_ = false;
  bool is_failing_ = false;  // of the thread: the last request failed, which the log knows
  bool has_failed_ = false;  // and a read ended with an error, which it knows too

  std::jthread thread_;  // last: it uses all above
};

// The pack's volume that is such an object. `object` must outlive it.
class HttpSource final : public VolumeSource {
 public:
  explicit HttpSource(HttpObject& object) : object_(object) {}

  void Submit(VolumeRead* first) override { object_.Submit(first); }
  void Cancel() override { object_.Stop(); }
  [[nodiscard]] uint32_t request_bytes() const override { return object_.request_bytes(); }
  [[nodiscard]] uint32_t depth() const override { return RequestWindow::kMost; }
  [[nodiscard]] uint32_t background_depth() const override { return object_.background_depth(); }
  [[nodiscard]] uint32_t alignment_bytes() const override { return 1; }
  [[nodiscard]] std::string Describe() const override;

 private:
  HttpObject& object_;
};

}  // namespace quire
