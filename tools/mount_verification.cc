// SPDX-License-Identifier: Apache-2.0
#include "tools/mount_verification.h"

#include <algorithm>
#include <thread>

#include "format/pack/verifier.h"
#include "format/worker_pool.h"
#include "tools/progress.h"

namespace quire {
namespace {

// So many faults are told one by one; `quire verify` tells more.
constexpr uint64_t kMostFaults = 10;

}  // namespace

Result<void> VerifyBeforeMount(const Pack& pack, const std::function<void(const std::string& sentence)>& notice) {
  if (auto has_sums = CheckHasSums(pack); !has_sums) return has_sums;
  WorkerPool pool(std::clamp(2 * std::thread::hardware_concurrency(), 4U, kMaxJobs));  // as `quire verify`
  const auto summary =
      VerifyPack(pack, pool,
                 {.on_fault =
                      [&](const Fault& fault) {
                        notice(fault.path.empty() ? fault.message : fmt::format("{}: {}", fault.path, fault.message));
                      },
                  .fault_limit = kMostFaults});
  if (!summary) return std::unexpected(summary.error());
  if (summary->faults == 0) return {};
  return Corrupt("'{}' is damaged in {}, so it is not mounted; 'quire verify' names them", pack.path(),
                 FormatAmount(summary->faults, "place", "places"));
}

}  // namespace quire
