// SPDX-License-Identifier: Apache-2.0
#include "cache/remote/http_object.h"

#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <random>
#include <semaphore>
#include <span>
#include <sstream>
#include <utility>

#include "cache/background_thread.h"
#include "cache/log.h"
#include "cache/remote/small_file.h"
#include "format/escaping.h"
#include "format/pack/geometry.h"
#include "format/pack/superblock.h"

// The macro of <curl/typecheck-gcc.h> knows no function pointers.
#undef curl_multi_setopt

namespace quire {
namespace {

constexpr std::chrono::milliseconds kFirstPause(100);
constexpr std::chrono::seconds kLongestPause(10);
// Whoever opens waits: an address that nobody answers at is told of in seconds.
constexpr std::chrono::seconds kRetryOpening(3);
constexpr std::chrono::seconds kLongestOpening(20);
constexpr std::chrono::hours kLongestAlone(1);  // of what is repeated until it comes
constexpr size_t kMostHeaderBytes = 64 << 10;
constexpr std::chrono::milliseconds kLongestSleep(1000);           // between tries of what is waited for
constexpr std::chrono::milliseconds kLookAgain(200);               // whether the work was interrupted
constexpr std::chrono::milliseconds kIdle(std::chrono::hours(1));  // libcurl has timers of its own
// The widest window, and some for readers whose requests are repeated while all of those are.
constexpr size_t kSlots = RequestWindow::kMost + RequestWindow::kMost / 4;
constexpr std::chrono::seconds kMostPatience(60);  // that a server may ask for

// Twice as long after each failure, and not the same for all nodes that have met the same fault (full jitter, Brooker,
// "Exponential Backoff And Jitter", 2015).
std::chrono::milliseconds PauseAfter(unsigned failures) {
  static thread_local std::minstd_rand random(std::random_device{}());
  const auto most = std::min<std::chrono::milliseconds>(kFirstPause * (1U << std::min(failures, 10U)), kLongestPause);
  return std::uniform_int_distribution<std::chrono::milliseconds::rep>(most.count() / 4, most.count())(random) *
         std::chrono::milliseconds(1);
}

// The server can serve, but not so many at once (RFC 6585, 4; RFC 9110, 15.6.4).
bool IsRefusal(int status) { return status == 429 || status == 503; }

Result<void> CheckUrl(const std::string& url) {
  if (!std::ranges::all_of(url, [](char byte) { return byte > ' ' && byte < 127; }))
    return Invalid("'{}': a URL has no blanks and letters of ASCII only: write others as %XX", EscapeName(url));
  const size_t host = url.find("://") + 3;
  const std::string_view authority = std::string_view(url).substr(host, url.find_first_of("/?#", host) - host);
  if (authority.empty()) return Invalid("'{}': a URL without a host", url);
  // Everybody sees it: in the table of mounts, in lists of processes and in logs.
  if (authority.contains('@')) return Invalid("a URL with a user or a password: put them into ~/.netrc");
  return {};
}

// RFC 9110, 5.6.2.
bool IsToken(std::string_view text) {
  static constexpr std::string_view kOther = "!#$%&'*+-.^_`|~";
  return !text.empty() && std::ranges::all_of(text, [](char byte) {
    return (byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
           kOther.contains(byte);
  });
}

bool IsHeader(std::string_view line) {
  const size_t colon = line.find(": ");  // with the blank: what stands in /etc/passwd is no header
  return colon != std::string_view::npos && IsToken(line.substr(0, colon)) &&
         std::ranges::all_of(line, [](char byte) { return byte == '\t' || (byte >= ' ' && byte < 127); });
}

// The lines of the file; none where none is named. A file of something else is not sent to anybody.
Result<std::vector<std::string>> ReadHeaderFile(const std::string& path) {
  std::vector<std::string> lines;
  if (path.empty()) return lines;
  auto text = ReadSmallFile(path, "headers", kMostHeaderBytes);
  if (!text) return Propagate(std::move(text));
  std::istringstream stream(*std::move(text));
  size_t number = 0;
  for (std::string line; std::getline(stream, line);) {
    ++number;
    if (line.empty() || line.starts_with('#')) continue;
    if (!IsHeader(line)) return Invalid("headers '{}': line {} is no 'Name: value'", path, number);
    lines.push_back(std::move(line));
  }
  return lines;
}

}  // namespace

Result<std::unique_ptr<HttpObject>> HttpObject::Open(const std::string& url, const RemoteOptions& options,
                                                     std::unique_ptr<RequestSigner> signer) {
  if (auto checked = CheckUrl(url); !checked) return Propagate(std::move(checked));
  auto lines = ReadHeaderFile(options.header_file);
  if (!lines) return Propagate(std::move(lines));
  if (!options.ca_file.empty() && access(options.ca_file.c_str(), R_OK) != 0)
    return SystemError(errno, "certificates '{}'", options.ca_file);
  const auto curl = LoadCurl();
  if (!curl) return std::unexpected(curl.error());
  std::unique_ptr<HttpObject> object(new HttpObject(
      **curl, url, {.ca_file = options.ca_file, .header_lines = *std::move(lines), .signer = std::move(signer)},
      options));
  if (auto asked = object->AskForState(); !asked) return Propagate(std::move(asked));
  if (auto started = object->Start(); !started) return Propagate(std::move(started));
  return object;
}

HttpObject::HttpObject(const CurlLibrary& curl, std::string url, HttpOptions http, const RemoteOptions& options)
    : curl_(curl),
      url_(std::move(url)),
      http_(std::move(http)),
      retry_(options.retry_s == RemoteOptions::kRetryForEver ? std::chrono::seconds(-1)
                                                             : std::chrono::seconds(options.retry_s)),
      interrupted_(options.interrupted),
      multi_(curl.multi_init()) {}

HttpObject::~HttpObject() {
  thread_.request_stop();
  Stop();
  thread_ = {};
  slots_.clear();
  if (multi_ != nullptr) curl_.multi_cleanup(multi_);
}

// By the thread that opens, before that of the object is there.
Result<void> HttpObject::AskForState() {
  auto transfer = HttpTransfer::Create(curl_, url_, http_);
  if (!transfer) return Propagate(std::move(transfer));
  head_.resize(2 * kSuperblockBytes);
  const auto retry = retry_.count() < 0 ? kRetryOpening : std::min(retry_, kRetryOpening);
  if (auto read = Fetch(**transfer, {.offset = 0, .bytes = head_.size()}, head_, retry, kLongestOpening); !read)
    return read;
  head_.resize((*transfer)->got_bytes());
  states_.push_back(std::make_unique<const ObjectState>(*(*transfer)->answer().state()));
  state_ = states_.back().get();
  first_latency_ = (*transfer)->latency();
  return {};
}

Result<void> HttpObject::Fetch(HttpTransfer& transfer, const RangeRequest& request, std::span<std::byte> into,
                               std::chrono::seconds retry, std::chrono::seconds longest) {
  const std::unique_ptr<CURLM, decltype(curl_.multi_cleanup)> multi(curl_.multi_init(), curl_.multi_cleanup);
  if (multi == nullptr) return SystemError(ENOMEM, "libcurl");
  const auto begin = Clock::now();
  for (unsigned failures = 0;; ++failures) {
    if (auto prepared = transfer.Prepare(request, into); !prepared) return prepared;
    ++counters_.requests;
    const HttpVerdict verdict = Perform(multi.get(), transfer, begin + longest);
    if (IsInterrupted()) return MakeError(ErrorCode::kInterrupted, "interrupted");
    if (verdict.outcome == HttpOutcome::kGood) break;
    const bool is_over = is_stopped_ || (retry.count() >= 0 && Clock::now() - begin >= retry);
    if (verdict.outcome != HttpOutcome::kTransient || is_over) return SystemError(EIO, "{}: {}", url_, verdict.reason);
    ++counters_.retries;
    std::this_thread::sleep_for(std::min(PauseAfter(failures), kLongestSleep));
  }
  counters_.bytes += transfer.got_bytes();
  return {};
}

HttpVerdict HttpObject::Perform(CURLM* multi, HttpTransfer& transfer, Clock::time_point until) const {
  curl_.multi_add_handle(multi, transfer.handle());
  int running = 1;
  while (running > 0 && Clock::now() < until && !is_stopped_ && !IsInterrupted()) {
    curl_.multi_perform(multi, &running);
    if (running > 0) curl_.multi_poll(multi, nullptr, 0, static_cast<int>(kLookAgain.count()), nullptr);
  }
  int left = 0;
  const CURLMsg* const message = curl_.multi_info_read(multi, &left);
  const CURLcode code = message != nullptr ? message->data.result : CURLE_OPERATION_TIMEDOUT;
  curl_.multi_remove_handle(multi, transfer.handle());
  return transfer.Finish(code);
}

bool HttpObject::IsInterrupted() const { return interrupted_ != nullptr && *interrupted_; }

Result<void> HttpObject::Start() {
  if (multi_ == nullptr) return SystemError(ENOMEM, "libcurl");
  slots_.resize(kSlots);
  window_ = RequestWindow(first_latency_, request_bytes());
  TellWindow();
  auto thread = StartBackgroundThread("quire-http", [this](const std::stop_token& stop) { Work(stop); });
  if (!thread) return Propagate(std::move(thread));
  thread_ = *std::move(thread);
  return {};
}

void HttpObject::Stop() {
  is_stopped_ = true;
  if (multi_ != nullptr) curl_.multi_wakeup(multi_);
}

void HttpObject::Submit(VolumeRead* first) {
  {
    const MutexLock lock(mutex_);
    while (first != nullptr) {
      VolumeRead& read = *std::exchange(first, first->next);
      (read.is_urgent ? urgent_ : background_).Push(read);
    }
  }
  curl_.multi_wakeup(multi_);
}

Result<void> HttpObject::Read(uint64_t offset, std::span<std::byte> into) {
  if (offset + into.size() <= head_.size()) {
    std::ranges::copy(std::span(head_).subspan(offset, into.size()), into.begin());
    return {};
  }
  if (std::this_thread::get_id() == thread_.get_id()) return ReadAlone(offset, into);
  while (!into.empty()) {
    const auto part = into.first(std::min<uint64_t>(into.size(), kPageBytes));
    const auto got = SubmitAndWait(offset, part, /*is_of_any_state=*/false);
    if (!got) return std::unexpected(got.error());
    if (*got < part.size()) return SystemError(EIO, "{}: it ends at byte {}", url_, offset);
    offset += part.size();
    into = into.subspan(part.size());
  }
  return {};
}

std::shared_ptr<PendingRead> HttpObject::StartRead(uint64_t offset, uint64_t bytes) {
  struct BackgroundRead : VolumeRead {
    std::shared_ptr<PendingRead> pending;
  };
  const bool is_own_thread = std::this_thread::get_id() == thread_.get_id();
  if (is_own_thread || offset + bytes <= head_.size()) return nullptr;
  auto pending = std::make_shared<PendingRead>(bytes, thread_.get_id());
  auto read = std::make_unique<BackgroundRead>();
  read->offset = offset;
  read->into = pending->into().data();
  read->bytes = static_cast<uint32_t>(bytes);
  read->pending = pending;
  read->done = [](VolumeRead& done, int64_t result) {
    const std::unique_ptr<BackgroundRead> own(static_cast<BackgroundRead*>(&done));
    own->pending->End(std::cmp_equal(result, own->bytes));
  };
  Submit(read.release());
  return pending;
}

Result<size_t> HttpObject::SubmitAndWait(uint64_t offset, std::span<std::byte> into, bool is_of_any_state) {
  struct BlockingRead : VolumeRead {
    std::binary_semaphore is_done{0};
    int64_t result = 0;
  };
  BlockingRead read;
  read.offset = offset;
  read.into = into.data();
  read.bytes = static_cast<uint32_t>(into.size());
  read.is_of_any_state = is_of_any_state;
  read.done = [](VolumeRead& done, int64_t result) {
    auto& own = static_cast<BlockingRead&>(done);
    own.result = result;
    own.is_done.release();
  };
  Submit(&read);
  read.is_done.acquire();
  if (read.result >= 0) return static_cast<size_t>(read.result);
  const MutexLock lock(mutex_);
  return SystemError(static_cast<int>(-read.result), "{}: {}", url_, last_fault_);
}

void HttpObject::Follow(const std::function<void()>& changed) { changed_ = changed; }

// By the object's thread, as all requests: who asks may be forbidden to connect to anything.
Result<bool> HttpObject::Renew(size_t most_head_bytes, std::vector<std::byte>& head) {
  head.resize(most_head_bytes);
  const auto got = SubmitAndWait(0, head, /*is_of_any_state=*/true);
  if (!got) return std::unexpected(got.error());
  head.resize(*got);
  if (!found_state_ || *found_state_ == state()) return false;
  auto known = std::ranges::find_if(states_, [this](const auto& state) { return *state == *found_state_; });
  if (known == states_.end()) known = states_.insert(known, std::make_unique<const ObjectState>(*found_state_));
  state_before_ = state_.exchange(known->get(), std::memory_order_acq_rel);
  is_refused_ = false;
  return true;
}

void HttpObject::Refuse() {
  is_refused_ = true;
  state_.store(state_before_, std::memory_order_release);
}

// Whoever is told that a read has ended may look something up in the index, by this thread, which cannot wait for
// itself: it asks by a connection that is made for that.
Result<void> HttpObject::ReadAlone(uint64_t offset, std::span<std::byte> into) {
  auto transfer = HttpTransfer::Create(curl_, url_, http_);
  if (!transfer) return Propagate(std::move(transfer));
  const RangeRequest request{.offset = offset, .bytes = into.size(), .state = &state()};
  return Fetch(**transfer, request, into, retry_, kLongestAlone);
}

void HttpObject::Work(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    StartReads();
    const auto next_late = Hedge();
    int running = 0;
    curl_.multi_perform(multi_, &running);
    // A slot that is free again takes the next read at once.
    const bool has_finished = TakeFinished();
    const auto most = has_finished ? std::chrono::milliseconds(0) : UntilNextTry(next_late);
    curl_.multi_poll(multi_, nullptr, 0, static_cast<int>(most.count()), nullptr);
    if (is_stopped_ || IsInterrupted()) EndAll();
  }
  EndAll();  // what nobody waits for any more
}

void HttpObject::StartReads() {
  const auto now = Clock::now();
  Start(/*is_urgent=*/true, now);
  Start(/*is_urgent=*/false, now);
}

// First what failed, since it has waited longest.
void HttpObject::Start(bool is_urgent, Clock::time_point now) {
  const auto has_room = [&] { return in_flight_ < (is_urgent ? window_.size() : window_.background()); };
  size_t taken = 0;
  for (Slot& slot : slots_) {
    taken += slot.read != nullptr ? 1 : 0;
    const bool is_due = slot.read != nullptr && !slot.first.is_under_way && slot.next_try <= now;
    if (is_due && slot.read->is_urgent == is_urgent && has_room()) Try(slot);
  }
  const size_t most = is_urgent ? kSlots : RequestWindow::kMost;
  for (Slot& slot : slots_) {
    if (taken >= most || !has_room()) return;
    if (slot.read != nullptr) continue;
    slot.read = PopRead(is_urgent);
    if (slot.read == nullptr) return;
    ++taken;
    slot.failed_tries = 0;
    slot.next_try = {};
    Try(slot);
  }
}

VolumeRead* HttpObject::PopRead(bool is_urgent) {
  const MutexLock lock(mutex_);
  return is_urgent ? urgent_.Pop() : background_.Pop();
}

void HttpObject::EndAll() {
  for (Slot& slot : slots_)
    if (slot.read != nullptr) End(slot, -ECANCELED);
  for (const bool is_urgent : {true, false})
    while (VolumeRead* const read = PopRead(is_urgent)) read->done(*read, -ECANCELED);
}

void HttpObject::Try(Slot& slot) {
  if (slot.read->offset >= size_bytes()) return End(slot, 0);
  slot.began = Clock::now();
  const auto sent = Send(slot, slot.first);
  if (!sent) Failed(slot, nullptr, {.outcome = HttpOutcome::kTransient, .reason = sent.error().message});
}

Result<void> HttpObject::Send(Slot& slot, Flight& flight) {
  VolumeRead& read = *slot.read;
  if (flight.transfer == nullptr) {
    auto transfer = HttpTransfer::Create(curl_, url_, http_);
    if (!transfer) return Propagate(std::move(transfer));
    flight.transfer = *std::move(transfer);
  }
  const ObjectState& state = this->state();
  const uint64_t bytes = std::min<uint64_t>(read.bytes, state.size_bytes - read.offset);
  const RangeRequest request{.offset = read.offset,
                             .bytes = bytes,
                             .state = read.is_of_any_state ? nullptr : &state,
                             .is_fresh = read.is_fresh};
  const std::span into(read.into, static_cast<size_t>(bytes));
  auto prepared =
      &flight == &slot.second ? flight.transfer->PrepareApart(request, into) : flight.transfer->Prepare(request, into);
  if (!prepared) return prepared;
  if (curl_.multi_add_handle(multi_, flight.transfer->handle()) != CURLM_OK) return SystemError(ENOMEM, "libcurl");
  flight.is_under_way = true;
  counters_.in_flight = ++in_flight_;
  ++counters_.requests;
  return {};
}

void HttpObject::Leave(Flight& flight) {
  if (!std::exchange(flight.is_under_way, false)) return;
  curl_.multi_remove_handle(multi_, flight.transfer->handle());
  counters_.in_flight = --in_flight_;
}

// Both requests write to the same place: by one thread, and bytes of the same state. What is not used is taken from
// libcurl before its reader is told.
std::optional<HttpObject::Clock::time_point> HttpObject::Hedge() {
  const auto now = Clock::now();
  std::optional<Clock::time_point> next_late;
  Slot* latest = nullptr;
  size_t late = 0;
  size_t waiting = 0;
  for (Slot& slot : slots_) {
    if (!slot.first.is_under_way) continue;
    ++waiting;
    const auto late_after = times_.LateAfter(slot.read->bytes);
    if (!late_after) continue;
    if (slot.began + *late_after > now) {
      next_late = std::min(next_late.value_or(Clock::time_point::max()), slot.began + *late_after);
      continue;
    }
    ++late;
    // Of what is half there the rest comes sooner than all of it once more.
    if (slot.second.is_under_way || 2 * slot.first.transfer->got_bytes() > slot.read->bytes) continue;
    if (latest == nullptr || slot.began < latest->began) latest = &slot;
  }
  if (latest == nullptr || !AnswerTimes::IsTail(late, waiting)) return next_late;
  // Where it cannot be sent, the first one still is.
  if (!Send(*latest, latest->second)) return next_late;
  times_.Hedged();
  ++counters_.hedged;
  return now;  // another one may be as late
}

bool HttpObject::TakeFinished() {
  bool has_finished = false;
  int left = 0;
  while (const CURLMsg* const message = curl_.multi_info_read(multi_, &left)) {
    if (message->msg != CURLMSG_DONE) continue;
    has_finished = true;
    const CURLcode code = message->data.result;
    const CURL* const handle = message->easy_handle;
    const auto is_of = [handle](const Flight& flight) {
      return flight.is_under_way && flight.transfer->handle() == handle;
    };
    const auto slot =
        std::ranges::find_if(slots_, [&](const Slot& own) { return is_of(own.first) || is_of(own.second); });
    const bool is_first = is_of(slot->first);
    Flight& ended = is_first ? slot->first : slot->second;
    Flight& other = is_first ? slot->second : slot->first;
    const bool is_full = in_flight_ >= window_.background();
    Leave(ended);
    const HttpVerdict verdict = ended.transfer->Finish(code);
    if (verdict.outcome == HttpOutcome::kGood) {
      window_.Came(ended.transfer->got_bytes(), is_full, Clock::now());
      Leave(other);
      Came(*slot, *ended.transfer);
      continue;
    }
    if (IsRefusal(ended.transfer->answer().status())) window_.Refused(slot->began, Clock::now());
    if (!other.is_under_way) {
      Failed(*slot, ended.transfer.get(), verdict);
    } else if (is_first) {
      std::swap(slot->first, slot->second);  // which is left alone
    }
  }
  TellWindow();
  return has_finished;
}

void HttpObject::TellWindow() {
  counters_.window = window_.size();
  counters_.background_window = window_.background();
}

void HttpObject::Came(Slot& slot, const HttpTransfer& transfer) {
  if (std::exchange(is_failing_, false)) Log(LogLevel::kInfo, "{}: can be read again", url_);
  has_failed_ = false;
  counters_.bytes += transfer.got_bytes();
  times_.Took(slot.read->bytes, std::chrono::duration_cast<AnswerTimes::Duration>(Clock::now() - slot.began));
  counters_.latency_p50 = times_.Quantile(0.5);
  counters_.latency_p99 = times_.Quantile(0.99);
  if (slot.read->is_of_any_state) found_state_ = transfer.answer().state();
  End(slot, static_cast<int64_t>(transfer.got_bytes()));
}

// `transfer`: what failed; null where not even a request could be made.
void HttpObject::Failed(Slot& slot, const HttpTransfer* transfer, const HttpVerdict& verdict) {
  const auto now = Clock::now();
  if (slot.failed_tries++ == 0) slot.first_failure = now;
  auto pause = PauseAfter(slot.failed_tries - 1);
  if (const auto asked = transfer == nullptr ? std::nullopt : transfer->answer().retry_after())
    pause = std::max<std::chrono::milliseconds>(pause, std::min(*asked, kMostPatience));
  const bool is_in_time = retry_.count() < 0 || now + pause - slot.first_failure <= retry_;
  // Whoever follows the object looks at it, and then it is read in the state that it has.
  const bool is_awaited = verdict.outcome == HttpOutcome::kChanged && changed_ != nullptr && !is_refused_;
  if (is_awaited) changed_();
  const bool is_final = (verdict.outcome != HttpOutcome::kTransient && !is_awaited) || !is_in_time;
  TellFault(verdict.reason, is_final);
  if (is_final) return End(slot, -EIO);
  ++counters_.retries;
  slot.next_try = now + pause;
}

void HttpObject::End(Slot& slot, int64_t result) {
  Leave(slot.first);
  Leave(slot.second);
  if (result < 0) ++counters_.failures;
  VolumeRead& read = *std::exchange(slot.read, nullptr);
  read.done(read, result);
}

// Who has nothing under way is woken by what is submitted, and by nothing else.
std::chrono::milliseconds HttpObject::UntilNextTry(std::optional<Clock::time_point> next_late) const {
  std::chrono::milliseconds until = kIdle;
  const auto now = Clock::now();
  const auto not_beyond = [&](Clock::time_point time) {
    until = std::min(until, std::chrono::ceil<std::chrono::milliseconds>(time - now));
  };
  if (next_late) not_beyond(*next_late);
  for (const Slot& slot : slots_) {
    if (slot.read == nullptr) continue;
    if (interrupted_ != nullptr) until = std::min(until, kLookAgain);
    // One that is due, and finds no room, is started when another one ends.
    if (!slot.first.is_under_way && (slot.next_try > now || in_flight_ == 0)) not_beyond(slot.next_try);
  }
  return std::max(until, std::chrono::milliseconds(0));
}

// Once for an outage, whatever the number of reads that it meets, and once more when it has become an error for one.
void HttpObject::TellFault(const std::string& reason, bool is_final) {
  if (is_final && !std::exchange(has_failed_, true))
    Log(LogLevel::kError, "{}: {}", url_, reason);
  else if (!std::exchange(is_failing_, true))
    Log(LogLevel::kWarning, "{}: {}", url_, reason);
  const MutexLock lock(mutex_);
  last_fault_ = reason;
}

bool HttpObject::TellsStates() const {
  const ObjectState& state = this->state();
  return !state.etag.empty() || !state.last_modified.empty();
}

RemoteFigures HttpObject::figures() const {
  return {.requests = counters_.requests,
          .retries = counters_.retries,
          .bytes = counters_.bytes,
          .failures = counters_.failures,
          .hedged = counters_.hedged,
          .window = counters_.window,
          .in_flight = counters_.in_flight,
          .latency_p50 = counters_.latency_p50,
          .latency_p99 = counters_.latency_p99};
}

uint32_t HttpObject::request_bytes() const {
  constexpr double kBytesPerUs = 3000;
  const double in_flight_bytes = kBytesPerUs * static_cast<double>(first_latency_.count());
  const auto bytes = static_cast<uint64_t>(in_flight_bytes / RequestWindow::kMost);
  return static_cast<uint32_t>(std::bit_ceil(std::clamp<uint64_t>(bytes, 256 << 10, kPageBytes)));
}

std::string HttpSource::Describe() const {
  return fmt::format("ranges of {}, {} KiB each, up to {} at once", object_.url(), request_bytes() >> 10, depth());
}

}  // namespace quire
