#include "fs/privileges.h"

#include <fmt/format.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <system_error>

namespace quire {
namespace {

struct Needed {
  unsigned capability;
  const char* name;
};

constexpr auto kNeeded = std::to_array<Needed>({
    {CAP_SYS_ADMIN, "sys_admin"},              // mount(2), umount2(2)
    {CAP_DAC_READ_SEARCH, "dac_read_search"},  // to open the pack's file anew, whoever owns it
    {CAP_IPC_LOCK, "ipc_lock"},                // buffers of io_uring beyond RLIMIT_MEMLOCK
    {CAP_SYS_NICE, "sys_nice"},                // threads whose work readers wait for
});

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

std::string ListNames(uint64_t capabilities) {
  std::string list;
  for (const Needed& needed : kNeeded)
    if ((capabilities & MaskOf(needed.capability)) != 0)
      list += fmt::format("{}{}", list.empty() ? "" : ", ", needed.name);
  return list.empty() ? "none" : list;
}

}  // namespace

std::string DropPrivileges() {
  CapabilityWords words = {};
  if (!GetCapabilities(words)) return fmt::format("unknown ({})", std::generic_category().message(errno));
  uint64_t kept = 0;
  for (const Needed& needed : kNeeded) kept |= MaskOf(needed.capability);
  kept &= PermittedOf(words);
  const bool can_unmount = (kept & MaskOf(CAP_SYS_ADMIN)) != 0;
  // fusermount3 has rights of its own, which it would not get.
  if (can_unmount) ShrinkBoundingSet(kept);
  for (size_t i = 0; i < words.size(); ++i) {
    const auto half = static_cast<uint32_t>(kept >> (32 * i));
    words[i] = {.effective = half, .permitted = half, .inheritable = 0};
  }
  if (!SetCapabilities(words)) return fmt::format("all ({})", std::generic_category().message(errno));
  const bool is_final = can_unmount && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0;
  return fmt::format("capabilities {}; {}", ListNames(kept),
                     is_final ? "none can be gained" : "fusermount3, which unmounts, has more");
}

}  // namespace quire
