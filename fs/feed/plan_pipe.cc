// SPDX-License-Identifier: Apache-2.0
#include "fs/feed/plan_pipe.h"

#include <fcntl.h>
#include <poll.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <utility>

#include "fs/inodes.h"

namespace quire {
namespace {

using std::chrono::milliseconds;

// From a look-up to the open that it belongs to: microseconds, unless the program is stopped in between. Whoever only
// looked, as ls does, keeps the mount busy for no longer.
constexpr milliseconds kPatience{50};
// Then a glance now and then, ever more seldom, whether such a program waits after all: it would wait for good.
constexpr milliseconds kLongestBetweenLooks{64'000};
constexpr milliseconds kPollEvery{20};
constexpr size_t kReadBytes = 64 << 10;  // what a pipe holds
// Taken at a time between two looks whether the mount ends: each entry is looked up in the index, which may wait for
// the disk. Some ten paths, or 64 inode numbers.
constexpr size_t kTakenBytes = 512;
constexpr const char* kThreadName = "quire-plan";

}  // namespace

PlanPipe::PlanPipe(const Index& index, NodeNumber root, Plan& plan, std::string mount_point,
                   std::function<void(bool is_end)> changed)
    : plan_(plan),
      mount_point_(std::move(mount_point)),
      changed_(std::move(changed)),
      parser_(index, root, mount_point_, [this](NodeNumber node) { plan_.Append(node); }) {}

Result<void> PlanPipe::Start(dev_t device) {
  device_ = device;
  return thread_.Start(kThreadName, [this](const std::stop_token& stop) { Run(stop); });
}

void PlanPipe::Run(const std::stop_token& stop) {
  milliseconds between_looks = kLongestBetweenLooks;
  while (!stop.stop_requested()) {
    const bool is_new = WaitUntilLookedUp(between_looks, stop);
    if (stop.stop_requested()) return;
    between_looks = is_new ? 2 * kPatience : std::min(2 * between_looks, kLongestBetweenLooks);
    const bool was_read = RunStep(kThreadName, [&] {
      if (const File pipe = Open(O_RDONLY); pipe.is_open()) ReadPlans(pipe, is_new ? kPatience : milliseconds(0), stop);
      // Now that we are not, somebody else may be a reader, who waits for a writer: one that comes and goes will do.
      const File writer = Open(O_WRONLY);
    });
    if (!was_read) AbandonPlan();
    // Ours was a look-up too. One that came in between found the pipe open, and was heard.
    thread_.ForgetWakes();
  }
}

// False where it is time for another glance. Long after the last look-up there is nobody to wait for.
bool PlanPipe::WaitUntilLookedUp(milliseconds at_most, const std::stop_token& stop) {
  return at_most < kLongestBetweenLooks ? thread_.Sleep(stop, at_most) : thread_.Sleep(stop);
}

// Empty where what is seen there is not our pipe: the mount may be hidden, or gone.
File PlanPipe::Open(int access_mode) const {
  const std::string path = fmt::format("{}/{}/{}", mount_point_, kControlFolderName, kPlanName);
  File pipe(open(path.c_str(), access_mode | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW));
  struct stat status = {};
  if (!pipe.is_open() || fstat(pipe.fd(), &status) != 0 || !S_ISFIFO(status.st_mode) || status.st_dev != device_)
    return {};
  return pipe;
}

// Until nobody has written for `patience`, and nobody has it open to do so.
void PlanPipe::ReadPlans(const File& pipe, milliseconds patience, const std::stop_token& stop) {
  std::array<char, kReadBytes> bytes;  // NOLINT(cppcoreguidelines-pro-type-member-init): filled before it is read
  auto idle_since = std::chrono::steady_clock::now();
  while (!stop.stop_requested()) {
    const ssize_t count = read(pipe.fd(), bytes.data(), bytes.size());
    const auto now = std::chrono::steady_clock::now();
    if (count > 0) {
      TakeBytes({bytes.data(), static_cast<size_t>(count)}, stop);
      idle_since = now;
    } else if (count < 0) {  // somebody has it open, and has written nothing new
      if (errno != EAGAIN && errno != EINTR) break;
      idle_since = now;
      pollfd ready = {pipe.fd(), POLLIN, 0};
      // An error, such as a want of memory, comes at once, and would come again at once.
      if (poll(&ready, 1, static_cast<int>(kPollEvery.count())) < 0) std::this_thread::sleep_for(kPollEvery);
    } else {  // nobody has it open for writing
      EndPlan();
      if (now - idle_since >= patience) return;
      std::this_thread::sleep_for(milliseconds(1));  // poll does not wait where the last writer has hung up
    }
  }
  EndPlan();
}

void PlanPipe::TakeBytes(std::span<const char> bytes, const std::stop_token& stop) {
  if (!std::exchange(is_in_plan_, true)) plan_.Begin();
  for (; !bytes.empty() && !stop.stop_requested(); bytes = bytes.subspan(std::min(bytes.size(), kTakenBytes)))
    parser_.Feed(bytes.first(std::min(bytes.size(), kTakenBytes)));
  unknown_.store(parser_.unknown(), std::memory_order_relaxed);
  changed_(false);
}

void PlanPipe::EndPlan() {
  if (!std::exchange(is_in_plan_, false)) return;
  parser_.End();
  if (unknown_.exchange(parser_.unknown(), std::memory_order_relaxed) != 0 && parser_.unknown() > 0)
    spdlog::warn("plan: {} entries so far name no sample of the pack, the first of them '{}'", parser_.unknown(),
                 parser_.first_unknown());
  changed_(true);
}

// After a want of memory: what was told so far stays told, the rest is as if nobody had written it.
void PlanPipe::AbandonPlan() {
  parser_.Abandon();
  is_in_plan_ = false;
}

}  // namespace quire
