// SPDX-License-Identifier: Apache-2.0
#include "format/write/leftovers.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <memory>
#include <optional>
#include <string_view>

#include "format/checksum.h"
#include "format/pack/geometry.h"
#include "format/pack/superblock.h"

namespace quire {
namespace {

constexpr std::string_view kPrefix = ".quire-";
constexpr size_t kBootDigits = 8;
constexpr size_t kDigits = kBootDigits + 16;

uint64_t Random() {
  uint64_t random = 0;
  static_cast<void>(getrandom(&random, sizeof random, 0));  // 8 bytes never fail; O_EXCL and EEXIST guard all the same
  return random;
}

// Which run of which machine this is, containers included: there a lock tells for sure whether a packer lives. Process
// ids are no help, since in every container there is a process 1. Where it cannot be read, it is another one each time.
uint32_t BootNumber() {
  const auto file = File::Open("/proc/sys/kernel/random/boot_id", O_RDONLY);
  std::array<std::byte, 36> id = {};
  if (!file || !file->ReadExactly(0, id)) return static_cast<uint32_t>(Random());
  return static_cast<uint32_t>(Xxh3(id));
}

std::string BootDigits() {
  static const std::string digits = fmt::format("{:0{}x}", BootNumber(), kBootDigits);
  return digits;
}

// The digits of a temporary name; empty for any other name.
std::string_view DigitsOf(std::string_view name) {
  if (!name.starts_with(kPrefix)) return {};
  name.remove_prefix(kPrefix.size());
  const size_t digits = std::min(name.find_first_not_of("0123456789abcdef"), name.size());
  return digits == kDigits && (name.size() == kDigits || name[kDigits] == '-') ? name.substr(0, kDigits)
                                                                               : std::string_view();
}

// Whether `file` is a whole pack: what says so is written when all else is on the disk.
bool IsFinished(const File& file, uint64_t bytes) {
  std::array<std::byte, 2 * kSuperblockBytes> slots = {};
  const auto got = file.ReadUpTo(0, slots);
  if (!got) return true;  // nobody can tell
  const auto chosen = ChooseSuperblock(std::span(slots).first(*got));
  return chosen ? chosen->superblock.pack_bytes <= bytes : chosen.error().code == ErrorCode::kUnsupported;
}

// Whether `folder` has the file under the name that it was to get as well: its packer died between link(2) and
// unlink(2).
bool HasItsName(const File& folder, std::string_view temporary, const struct stat& status) {
  const size_t at = kPrefix.size() + kDigits + 1;
  struct stat named{};
  return temporary.size() > at &&
         fstatat(folder.fd(), std::string(temporary.substr(at)).c_str(), &named, AT_SYMLINK_NOFOLLOW) == 0 &&
         named.st_dev == status.st_dev && named.st_ino == status.st_ino;
}

std::vector<std::string> FindTemporaryNames(const std::string& folder) {
  std::vector<std::string> names;
  const std::unique_ptr<DIR, int (*)(DIR*)> listing(opendir(folder.c_str()), &closedir);
  if (listing == nullptr) return names;
  while (const dirent* const entry = readdir(listing.get()))
    if (!DigitsOf(entry->d_name).empty()) names.emplace_back(entry->d_name);
  std::ranges::sort(names);
  return names;
}

std::optional<std::string> RemoveLeftover(const File& folder, const std::string& path, const std::string& name) {
  const File file(openat(folder.fd(), name.c_str(), O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
  struct stat status{};
  if (!file.is_open() || fstat(file.fd(), &status) != 0 || !S_ISREG(status.st_mode)) return {};
  const bool is_locked = flock(file.fd(), LOCK_EX | LOCK_NB) == 0;
  if (!is_locked && errno == EWOULDBLOCK) return {};  // its packer lives
  const bool has_its_name = HasItsName(folder, name, status);
  if (!has_its_name && IsFinished(file, static_cast<uint64_t>(status.st_size)))
    return fmt::format("{}/{} is a finished pack that did not get its name: rename it, or remove it", path, name);
  if (!has_its_name && (!is_locked || !DigitsOf(name).starts_with(BootDigits())))
    return fmt::format(
        "{}/{} is what a packer began on another machine, or before this one was started: remove it, unless that "
        "packer is at work",
        path, name);
  if (unlinkat(folder.fd(), name.c_str(), 0) != 0) return {};
  return fmt::format("removed {}/{}, which a packer left that died", path, name);
}

}  // namespace

std::string TemporaryNameFor(const std::string& name) {
  std::string temporary = fmt::format("{}{}{:016x}", kPrefix, BootDigits(), Random());
  // The name itself is part of it, so that a file system that cannot hold it refuses this one too.
  if (name.empty() || temporary.size() + 1 + name.size() > kMaxNameBytes) return temporary;
  return temporary + "-" + name;
}

bool MarkAlive(const File& file) { return flock(file.fd(), LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK; }

std::vector<std::string> RemoveLeftovers(const std::set<std::string>& folders) {
  std::vector<std::string> sentences;
  for (const std::string& path : folders) {
    const auto folder = File::Open(path, O_PATH | O_DIRECTORY);
    if (!folder) continue;
    for (const std::string& name : FindTemporaryNames(path))
      if (auto sentence = RemoveLeftover(*folder, path, name)) sentences.push_back(*std::move(sentence));
  }
  return sentences;
}

}  // namespace quire
