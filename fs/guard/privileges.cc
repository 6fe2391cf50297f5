// SPDX-License-Identifier: Apache-2.0
#include "fs/guard/privileges.h"

#include <fmt/format.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <expected>
#include <span>

#include "format/result.h"

namespace quire {
namespace {

struct Capability {
  unsigned number;
  const char* name;
};

constexpr auto kServing = std::to_array<Capability>({
    {CAP_DAC_READ_SEARCH, "dac_read_search"},  // the pack's file and the folder of `.quire`, whoever owns them
    {CAP_IPC_LOCK, "ipc_lock"},                // buffers of io_uring beyond RLIMIT_MEMLOCK
    {CAP_SYS_NICE, "sys_nice"},                // threads whose work readers wait for
});
constexpr auto kUnmounting = std::to_array<Capability>({
    {CAP_SYS_ADMIN, "sys_admin"},              // umount2(2)
    {CAP_DAC_READ_SEARCH, "dac_read_search"},  // a mount point in a folder that is closed to others
});

// Core dumps of one byte are made neither as a file nor, unlike those of none, by a program of core_pattern: core(5),
// and do_coredump() of the kernel.
constexpr rlim_t kNoCoreDump = 1;

constexpr uint64_t MaskOf(unsigned capability) { return uint64_t{1} << capability; }

using CapabilityWords = std::array<__user_cap_data_struct, _LINUX_CAPABILITY_U32S_3>;

bool GetCapabilities(CapabilityWords& words) {
  __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  return syscall(SYS_capget, &header, words.data()) == 0;
}

bool SetCapabilities(const CapabilityWords& words) {
  __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  return syscall(SYS_capset, &header, words.data()) == 0;
}

uint64_t PermittedOf(const CapabilityWords& words) {
  return words[0].permitted | static_cast<uint64_t>(words[1].permitted) << 32;
}

// What programs that the process runs could get. Fails, and does no harm, for those who have nothing to give up.
void ShrinkBoundingSet(uint64_t kept) {
  for (unsigned capability = 0; prctl(PR_CAPBSET_READ, capability, 0, 0, 0) >= 0; ++capability)
    if ((kept & MaskOf(capability)) == 0) prctl(PR_CAPBSET_DROP, capability, 0, 0, 0);
  prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
}

uint64_t MaskOf(std::span<const Capability> capabilities) {
  uint64_t mask = 0;
  for (const Capability& capability : capabilities) mask |= MaskOf(capability.number);
  return mask;
}

// What of `wanted` is left; an errno where the kernel refused.
std::expected<uint64_t, int> Keep(uint64_t wanted) {
  CapabilityWords words = {};
  if (!GetCapabilities(words)) return std::unexpected(errno);
  const uint64_t kept = wanted & PermittedOf(words);
  ShrinkBoundingSet(kept);
  const auto low = static_cast<uint32_t>(kept);
  const auto high = static_cast<uint32_t>(kept >> 32);
  words = {{{.effective = low, .permitted = low, .inheritable = 0},
            {.effective = high, .permitted = high, .inheritable = 0}}};
  if (!SetCapabilities(words)) return std::unexpected(errno);
  return kept;
}

bool GainNoMore() { return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0; }

std::string ListNames(uint64_t kept) {
  std::string list;
  for (const Capability& capability : kServing)
    if ((kept & MaskOf(capability.number)) != 0) list += fmt::format("{}{}", list.empty() ? "" : ", ", capability.name);
  return list.empty() ? "none" : list;
}

}  // namespace

bool MayMount() {
  CapabilityWords words = {};
  if (!GetCapabilities(words)) return geteuid() == 0;
  return (words[0].effective & MaskOf(CAP_SYS_ADMIN)) != 0;
}

std::string KeepServingPrivileges() {
  if (geteuid() == 0) {
    const rlimit none = {kNoCoreDump, kNoCoreDump};
    setrlimit(RLIMIT_CORE, &none);
  }
  const auto kept = Keep(MaskOf(kServing));
  const std::string capabilities = kept ? ListNames(*kept) : fmt::format("all ({})", ReasonOf(kept.error()));
  return fmt::format("capabilities {}; {} can be gained", capabilities, GainNoMore() ? "none" : "more");
}

void KeepUnmountingPrivileges() {
  [[maybe_unused]] const auto kept = Keep(MaskOf(kUnmounting));
  GainNoMore();
}

}  // namespace quire
