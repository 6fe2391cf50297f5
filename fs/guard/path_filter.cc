// SPDX-License-Identifier: Apache-2.0
#include "fs/guard/path_filter.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/landlock.h>
#include <pwd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <utility>

#include "format/result.h"

namespace quire {
namespace {

// What the headers of Debian 12 (Linux 6.1) do not know yet: a kernel that does not know it either is not asked for it.
constexpr uint64_t kAccessTruncate = 1 << 14;  // ABI 3
constexpr uint64_t kAccessIoctlDev = 1 << 15;  // ABI 5
constexpr uint64_t kTcpBind = 1;               // ABI 4
constexpr uint64_t kTcpConnect = 2;            // likewise
struct RulesetAttributes {
  uint64_t handled_files;
  uint64_t handled_network;
};

// All that an ABI knows of files is refused where no rule allows it.
uint64_t KnownAccess(long abi) {
  uint64_t known = LANDLOCK_ACCESS_FS_MAKE_SYM * 2 - 1;
  if (abi >= 2) known |= LANDLOCK_ACCESS_FS_REFER;
  if (abi >= 3) known |= kAccessTruncate;
  if (abi >= 5) known |= kAccessIoctlDev;
  return known;
}

uint64_t AccessFor(PathUse use) {
  switch (use) {
    case PathUse::kRead:
      return LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR;
    case PathUse::kReadWrite:
      return LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE;
    case PathUse::kDevice:
      return LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE | kAccessIoctlDev;
    case PathUse::kOwn:
      return LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR | LANDLOCK_ACCESS_FS_WRITE_FILE |
             LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE |
             LANDLOCK_ACCESS_FS_REMOVE_DIR | kAccessTruncate;
    case PathUse::kAppend:
      return LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_MAKE_REG;
  }
  return 0;
}

// What a rule for a file that is no folder may name.
constexpr uint64_t kOfFiles = LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE |
                              LANDLOCK_ACCESS_FS_WRITE_FILE | kAccessTruncate | kAccessIoctlDev;

// An errno: EINVAL for a file that is no folder where `access` has something that only folders have. Nothing else
// matters: what has no path, such as a pipe, needs no rule.
int Add(const File& ruleset, const File& file, uint64_t access) {
  const landlock_path_beneath_attr rule = {.allowed_access = access, .parent_fd = file.fd()};
  return syscall(SYS_landlock_add_rule, ruleset.fd(), LANDLOCK_RULE_PATH_BENEATH, &rule, 0) == 0 ? 0 : errno;
}

// What the C library reads to find a host (nsswitch.conf(5), and the modules that it names), and the libraries of TLS
// to find whom to trust. Not all of /etc, where other secrets lie.
constexpr const char* kOfConnections[] = {"/etc/resolv.conf",
                                          "/etc/hosts",
                                          "/etc/host.conf",
                                          "/etc/nsswitch.conf",
                                          "/etc/gai.conf",
                                          "/etc/services",
                                          "/etc/protocols",
                                          "/etc/passwd",
                                          "/run/systemd/resolve",
                                          "/run/resolvconf",
                                          "/run/NetworkManager",
                                          "/etc/ssl",
                                          "/etc/pki",
                                          "/etc/ca-certificates",
                                          "/etc/crypto-policies",
                                          "/etc/gnutls",
                                          "/usr/share/ca-certificates",
                                          "/usr/local/share/ca-certificates",
                                          "/usr/share/crypto-policies",
                                          "/dev/urandom",
                                          "/etc/ld.so.cache",
                                          "/usr/lib",
                                          "/usr/lib64",
                                          "/lib",
                                          "/lib64"};

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kIsSanitized = true;  // a sanitizer that reports something opens what it likes
#else
constexpr bool kIsSanitized = false;
#endif

}  // namespace

void PathFilter::AllowOpen(int file, PathUse use) {
  File copy(fcntl(file, F_DUPFD_CLOEXEC, 0));
  if (copy.is_open()) rules_.push_back({std::move(copy), use});
}

void PathFilter::Allow(const std::string& path, PathUse use) {
  if (auto file = File::Open(path, O_PATH)) rules_.push_back({*std::move(file), use});
}

void PathFilter::AllowConnections() {
  may_connect_ = true;
  for (const char* const path : kOfConnections) Allow(path, PathUse::kRead);
  // Where HOME is not set, as at boot, libcurl asks for the user's entry, and so does this.
  const char* home = std::getenv("HOME");
  if (const passwd* const user = home == nullptr ? getpwuid(geteuid()) : nullptr) home = user->pw_dir;
  if (home != nullptr) Allow(std::string(home) + "/.netrc", PathUse::kRead);
}

std::string PathFilter::Enforce() const {
  if (kIsSanitized) return "all, in this build";
  const long abi = syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION);
  if (abi < 0) return fmt::format("all (Landlock: {})", ReasonOf(errno));
  const uint64_t known = KnownAccess(abi);
  const RulesetAttributes attributes = {.handled_files = known,
                                        .handled_network = kTcpBind | (may_connect_ ? 0 : kTcpConnect)};
  const size_t bytes = abi >= 4 ? sizeof(attributes) : sizeof(attributes.handled_files);
  const File ruleset(static_cast<int>(syscall(SYS_landlock_create_ruleset, &attributes, bytes, 0)));
  if (!ruleset.is_open()) return fmt::format("all (Landlock: {})", ReasonOf(errno));
  for (const auto& [file, use] : rules_) {
    // Not stat(2), which would wait for the answer of the mount: its own daemon has not begun to serve.
    if (Add(ruleset, file, AccessFor(use) & known) == EINVAL) Add(ruleset, file, AccessFor(use) & known & kOfFiles);
  }
  if (syscall(SYS_landlock_restrict_self, ruleset.fd(), 0) != 0)
    return fmt::format("all (Landlock: {})", ReasonOf(errno));
  return fmt::format("those of serving and no others (Landlock, ABI {})", abi);
}

}  // namespace quire
