// SPDX-License-Identifier: Apache-2.0
#include "fs/life/idle_watch.h"

#include <spdlog/spdlog.h>

#include <utility>

#include "fs/mounts/mount_table.h"
#include "fs/serve/pack_tree.h"

namespace quire {
namespace {

using Clock = std::chrono::steady_clock;

constexpr const char* kThreadName = "quire-idle";

// Whether the mount is gone, by this call or another's.
bool TryUnmount(const std::string& mount_point, dev_t device, Unmounter& unmounter, std::chrono::seconds timeout) {
  const auto mount = FindMount(mount_point);
  if (mount && (!*mount || (*mount)->device != device)) return true;
  const auto unmounted = unmounter.Unmount(UnmountMode::kIfIdle);
  if (unmounted) {
    spdlog::info("'{}' was not used for {} s", mount_point, timeout.count());
    return true;
  }
  if (unmounted.error().system_errno != EBUSY)
    spdlog::warn("timeout={}: {}", timeout.count(), unmounted.error().message);
  return false;
}

}  // namespace

Result<void> IdleWatch::Start(std::string mount_point, dev_t device, Unmounter& unmounter, std::chrono::seconds timeout,
                              std::function<bool()> take_use) {
  return thread_.Start(kThreadName, [this, mount_point = std::move(mount_point), device, &unmounter, timeout,
                                     take_use = std::move(take_use)](const std::stop_token& stop) {
    const auto step = std::chrono::duration_cast<Clock::duration>(timeout) / kIdleChecks;
    auto last_use = Clock::now();
    while (true) {
      thread_.Pause(stop, step);
      if (stop.stop_requested()) return;
      const auto now = Clock::now();
      if (take_use()) last_use = now;
      if (now - last_use < timeout + step) continue;
      bool is_gone = false;
      RunStep(kThreadName, [&] { is_gone = TryUnmount(mount_point, device, unmounter, timeout); });
      if (is_gone) return;
      last_use = now;  // somebody has it open
    }
  });
}

}  // namespace quire
