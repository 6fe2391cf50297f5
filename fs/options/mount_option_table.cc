// SPDX-License-Identifier: Apache-2.0
#include "fs/options/mount_option_table.h"

#include <array>
#include <charconv>
#include <limits>
#include <optional>
#include <ranges>
#include <string>
#include <utility>

#include "fs/options/byte_size.h"
#include "fs/options/peer_list.h"

namespace quire {
namespace {

constexpr unsigned kMaxThreads = 1024;
constexpr unsigned kMaxReadAheadKb = 64 << 10;  // more than any file system asks for at once
constexpr unsigned kMaxIdleS = 365 * 24 * 3600;
constexpr unsigned kMaxSlowMs = 3600 * 1000;
constexpr unsigned kMaxId = std::numeric_limits<unsigned>::max() - 1;  // -1 means "nobody in particular" to the kernel
constexpr unsigned kAllPermissions = 0777;

// Those that a mount can be given.
constexpr ChoiceNames<PolicyKind, 4> kPolicies = {kPolicyNames[0], kPolicyNames[1], kPolicyNames[2], kPolicyNames[3]};

constexpr ChoiceNames<bool, 2> kControl = {{{"owner", false}, {"all", true}}};

constexpr ChoiceNames<bool, 2> kSwitch = {{{"on", true}, {"off", false}}};

constexpr ChoiceNames<spdlog::level::level_enum, 5> kLevels = {{
    {"debug", spdlog::level::debug},
    {"info", spdlog::level::info},
    {"warning", spdlog::level::warn},
    {"error", spdlog::level::err},
    {"off", spdlog::level::off},
}};

Result<void> Ignore(MountOptions& /*options*/, std::string_view /*name*/, std::string_view /*value*/) { return {}; }

Result<void> RefuseWriting(MountOptions& /*options*/, std::string_view name, std::string_view /*value*/) {
  return Invalid("option '{}': packs are read-only; leave it out or say 'ro'", name);
}

Result<void> RefuseRemount(MountOptions& /*options*/, std::string_view name, std::string_view /*value*/) {
  return Invalid("option '{}': the options of a mount stay as they are: unmount it and mount it anew", name);
}

template <bool MountOptions::* kFlag, bool kValue = true>
Result<void> Set(MountOptions& options, std::string_view /*name*/, std::string_view /*value*/) {
  options.*kFlag = kValue;
  return {};
}

// What mount(8) means by 'user': who is not root gets no programs with it, unless a later option says so.
Result<void> SetUser(MountOptions& options, std::string_view /*name*/, std::string_view /*value*/) {
  options.exec = false;
  options.suid = false;
  options.dev = false;
  return {};
}

Result<void> AddContext(MountOptions& options, std::string_view name, std::string_view value) {
  options.security_contexts.push_back(fmt::format("{}={}", name, value));
  return {};
}

std::optional<unsigned> ParseNumber(std::string_view text, unsigned least, unsigned most, int base = 10) {
  unsigned number = 0;
  const auto [end, error] = std::from_chars(text.begin(), text.end(), number, base);
  if (error != std::errc() || end != text.end() || number < least || number > most) return std::nullopt;
  return number;
}

Result<unsigned> TakeNumber(std::string_view name, std::string_view value, unsigned least, unsigned most) {
  const auto number = ParseNumber(value, least, most);
  if (!number) return Invalid("option '{}={}': give a number from {} to {}", name, value, least, most);
  return *number;
}

Result<void> SetThreads(MountOptions& options, std::string_view name, std::string_view value) {
  auto threads = TakeNumber(name, value, 1, kMaxThreads);
  if (!threads) return Propagate(std::move(threads));
  options.threads = *threads;
  return {};
}

Result<void> SetGeneration(MountOptions& options, std::string_view name, std::string_view value) {
  auto generation = TakeNumber(name, value, 1, std::numeric_limits<unsigned>::max());
  if (!generation) return Propagate(std::move(generation));
  options.generation = *generation;
  return {};
}

Result<void> SetReadAheadKb(MountOptions& options, std::string_view name, std::string_view value) {
  auto kib = TakeNumber(name, value, 0, kMaxReadAheadKb);
  if (!kib) return Propagate(std::move(kib));
  options.read_ahead_kb = *kib;
  return {};
}

Result<void> SetIdleTimeout(MountOptions& options, std::string_view name, std::string_view value) {
  auto seconds = TakeNumber(name, value, 0, kMaxIdleS);
  if (!seconds) return Propagate(std::move(seconds));
  options.idle_timeout = std::chrono::seconds(*seconds);
  return {};
}

// Numbers only: names need NSS, which a static program lacks. mount(8) translates names before we see them.
template <auto kId>
Result<void> SetId(MountOptions& options, std::string_view name, std::string_view value) {
  const auto id = ParseNumber(value, 0, kMaxId);
  if (!id) return Invalid("option '{}={}': give a number, as 'id -{} NAME' prints it", name, value, name.front());
  options.overrides.*kId = id;
  return {};
}

template <bool kFiles, bool kDirectories>
Result<void> SetMask(MountOptions& options, std::string_view name, std::string_view value) {
  const auto mask = ParseNumber(value, 0, kAllPermissions, 8);
  if (!mask) return Invalid("option '{}={}': give the bits to take away in octal, from 0 to 777", name, value);
  if (kFiles) options.overrides.file_mask = mask;
  if (kDirectories) options.overrides.directory_mask = mask;
  return {};
}

// Whether `path` climbs above what it begins at, as far as its own words say: "a/../..".
bool LeadsOut(std::string_view path) {
  int depth = 0;
  for (const auto part : std::views::split(path, '/')) {
    const std::string_view name(part.begin(), part.end());
    if (name == "..") --depth;
    if (!name.empty() && name != "." && name != "..") ++depth;
    if (depth < 0) return true;
  }
  return false;
}

Result<void> SetSubdir(MountOptions& options, std::string_view name, std::string_view value) {
  if (LeadsOut(value)) return Invalid("option '{}={}': this leads out of the pack; name a folder in it", name, value);
  options.subdir = value;
  return {};
}

Result<void> SetVolumes(MountOptions& options, std::string_view name, std::string_view value) {
  options.volumes.clear();
  for (const auto part : std::views::split(value, ':')) {
    const std::string_view path(part.begin(), part.end());
    if (!path.starts_with('/')) return Invalid("option '{}={}': give absolute paths, with ':' between", name, value);
    options.volumes.emplace_back(path);
  }
  return {};
}

Result<void> SetIndex(MountOptions& options, std::string_view name, std::string_view value) {
  if (value != kIndexBeside && !value.starts_with('/'))
    return Invalid("option '{}={}': give an absolute path, or '{}'", name, value, kIndexBeside);
  options.index = value;
  return {};
}

template <std::string RemoteOptions::* kMember>
Result<void> SetRemoteFile(MountOptions& options, std::string_view name, std::string_view value) {
  if (!value.starts_with('/')) return Invalid("option '{}={}': give an absolute path", name, value);
  options.remote.*kMember = value;
  return {};
}

Result<void> SetProfile(MountOptions& options, std::string_view name, std::string_view value) {
  if (value.empty()) return Invalid("option '{}=': give the name of a profile", name);
  options.remote.profile = value;
  return {};
}

template <bool RemoteOptions::* kMember>
Result<void> SetRemote(MountOptions& options, std::string_view /*name*/, std::string_view /*value*/) {
  options.remote.*kMember = true;
  return {};
}

Result<void> SetTier(MountOptions& options, std::string_view name, std::string_view value) {
  if (!value.starts_with('/')) return Invalid("option '{}={}': give an absolute path", name, value);
  options.cache.tier.directory = value;
  return {};
}

Result<void> SetTierSize(MountOptions& options, std::string_view name, std::string_view value) {
  const auto bytes = ParseByteSize(value);
  if (!bytes || *bytes == 0) return Invalid("option '{}={}': give bytes, or a size such as 500G", name, value);
  options.cache.tier.most_bytes = bytes;
  return {};
}

Result<void> SetRetry(MountOptions& options, std::string_view name, std::string_view value) {
  if (value == "-1") {
    options.remote.retry_s = RemoteOptions::kRetryForEver;
    return {};
  }
  const auto seconds = ParseNumber(value, 0, kMaxIdleS);
  if (!seconds) return Invalid("option '{}={}': give seconds, or -1 for as long as it takes", name, value);
  options.remote.retry_s = *seconds;
  return {};
}

Result<void> SetSlow(MountOptions& options, std::string_view name, std::string_view value) {
  const auto ms = ParseNumber(value, 0, kMaxSlowMs);
  if (!ms) return Invalid("option '{}={}': give milliseconds, up to {}, or 0 for never", name, value, kMaxSlowMs);
  options.slow = std::chrono::milliseconds(*ms);
  return {};
}

Result<void> SetLogFile(MountOptions& options, std::string_view name, std::string_view value) {
  if (value.empty()) return Invalid("option '{}=': give the path of a file", name);
  options.log_file = value;
  return {};
}

// How large it may be depends on the machine, and is checked when the memory is taken.
Result<void> SetCacheSize(MountOptions& options, std::string_view name, std::string_view value) {
  const auto bytes = ParseByteSize(value);
  if (!bytes) return Invalid("option '{}={}': give bytes, or a size such as 512M or 1.5G", name, value);
  options.cache.cache_bytes = bytes;
  return {};
}

// "auto, page or extent".
template <typename Choice, size_t kCount>
std::string ListNames(const ChoiceNames<Choice, kCount>& names) {
  std::string list;
  for (size_t i = 0; i < kCount; ++i) {
    if (i > 0) list += i + 1 < kCount ? ", " : " or ";
    list += names[i].first;
  }
  return list;
}

template <const auto& kNames>
Result<void> Choose(auto& choice, std::string_view name, std::string_view value) {
  const auto chosen = ChoiceOf(kNames, value);
  if (!chosen) return Invalid("option '{}={}': give {}", name, value, ListNames(kNames));
  choice = *chosen;
  return {};
}

// Sets a member of MountOptions, or of its CacheOptions, to one of `kNames`.
template <const auto& kNames, auto kMember>
Result<void> SetChoice(MountOptions& options, std::string_view name, std::string_view value) {
  if constexpr (requires { options.*kMember; })
    return Choose<kNames>(options.*kMember, name, value);
  else
    return Choose<kNames>(options.cache.*kMember, name, value);
}

Result<void> SetPrefetch(MountOptions& options, std::string_view name, std::string_view value) {
  return Choose<kTierPrefetchNames>(options.cache.tier.prefetch, name, value);
}

Result<void> SetLimit(MountOptions& options, std::string_view name, std::string_view value) {
  const auto bytes = ParseByteSize(value);
  if (!bytes || *bytes < kLeastPrefetchBytesPerS)
    return Invalid("option '{}={}': give bytes a second, 64K at least, such as 50M", name, value);
  options.cache.tier.prefetch_bytes_per_s = *bytes;
  return {};
}

Result<void> SetPeers(MountOptions& options, std::string_view name, std::string_view value) {
  auto peers = ParsePeerList(fmt::format("option '{}='", name), value);
  if (!peers) return Propagate(std::move(peers));
  options.cache.tier.peers = *std::move(peers);
  return {};
}

Result<void> SetPolicy(MountOptions& options, std::string_view name, std::string_view value) {
  if (value == NameOf(kPolicyNames, PolicyKind::kBelady))
    return Invalid("option '{}={}': it needs to be told the order of all reads, and no option does; give {}", name,
                   value, ListNames(kPolicies));
  return Choose<kPolicies>(options.cache.policy, name, value);
}

constexpr std::string_view kShown = "What is shown";
constexpr std::string_view kUsers = "Who may use it";
constexpr std::string_view kLife = "Its life";
constexpr std::string_view kMemory = "Memory and the disk";
constexpr std::string_view kKernel = "The kernel";
constexpr std::string_view kTaken = "Taken from fstab and mount(8)";

// The last group is what every file system is given: most of it says what a mount of a pack is anyway, or is meant for
// others who read the same line.
constexpr auto kTable = std::to_array<MountOptionEntry>({
    {{"subdir", "PATH", kShown, "Mount this folder of the pack instead of all of it."}, SetSubdir},
    {{"uid", "N", kShown, "Everything belongs to this user."}, SetId<&AttributeOverrides::uid>},
    {{"gid", "N", kShown, "Everything belongs to this group."}, SetId<&AttributeOverrides::gid>},
    {{"umask", "OCTAL", kShown, "Files and folders have the mode 0777 without these bits, not the one in the pack."},
     SetMask<true, true>},
    {{"fmask", "OCTAL", kShown, "The same of files alone."}, SetMask<true, false>},
    {{"dmask", "OCTAL", kShown, "The same of folders alone."}, SetMask<false, true>},

    {{"allow_other", "", kUsers,
      "Everybody, as far as modes and owners let them. Who is not root needs the line 'user_allow_other' in "
      "/etc/fuse.conf."},
     Set<&MountOptions::allow_other>},
    {{"allow_root", "", kUsers, "Root, beside the user who mounts."}, Set<&MountOptions::allow_root>},
    {{"default_permissions", "", kUsers,
      "Check modes and owners for the user who mounts as well. On where others are let in."},
     Set<&MountOptions::default_permissions>},

    {{"control", "owner|all", kUsers,
      "Who may tell plans and read the figures in .quire: the user who mounts, and root, or everybody who may use the "
      "mount."},
     SetChoice<kControl, &MountOptions::control_for_all>},

    {{"volumes", "PATH[:PATH...]", kUsers,
      "Archives, or folders of them, outside of the pack's own folder, that a pack of archives may read."},
     SetVolumes},

    {{"generation", "N", kLife,
      "The generation of the pack that is mounted, as quire-generations(1) lists them; by default the newest one at "
      "that time. Generations that are added later are not seen, but with follow."},
     SetGeneration},
    {{"follow", "", kLife,
      "Show each further generation of the pack soon after it was added, while the mount is used. What somebody has "
      "open stays as it is."},
     Set<&MountOptions::follow>},

    {{"index", "PATH", kLife,
      "Where the index of archives lies that are mounted in place of a pack; 'beside' is beside the first of them, as "
      "ARCHIVE.quire. By default it lies in ~/.cache/quire."},
     SetIndex},
    {{"ca_file", "PATH", kLife, "Of a pack by https: certificates that are trusted in place of the system's."},
     SetRemoteFile<&RemoteOptions::ca_file>},
    {{"header_file", "PATH", kLife,
      "Of a pack by URL: a file with lines 'Name: value', sent along with each request, such as 'Authorization: Bearer "
      "TOKEN'. Users and passwords are taken from ~/.netrc."},
     SetRemoteFile<&RemoteOptions::header_file>},
    {{"profile", "NAME", kLife,
      "Of a pack by s3://: the profile of ~/.aws that tells keys, region and endpoint; by default the one of "
      "AWS_PROFILE, or 'default'."},
     SetProfile},
    {{"anonymous", "", kLife, "Of a pack by s3://: requests are not signed, as for buckets that everybody may read."},
     SetRemote<&RemoteOptions::is_anonymous>},
    {{"requester_pays", "", kLife, "Of a pack by s3://: you pay for requests, not the owner of the bucket."},
     SetRemote<&RemoteOptions::requester_pays>},
    {{"retry", "SECONDS", kLife,
      "Of a pack by URL: how long a request that fails is repeated before whoever reads gets an error; by default 60. "
      "-1: as long as it takes."},
     SetRetry},
    {{"verify", "", kLife,
      "Read all samples and compare them with their sums before anything is mounted. What is damaged is named, and not "
      "mounted. An index of a tar needs sums for it, by 'quire index --sums'."},
     Set<&MountOptions::verify>},
    {{"timeout", "SECONDS", kLife, "Unmount when nobody has used the mount for so long. 0, the default: never."},
     SetIdleTimeout},
    {{"threads", "N", kLife, "Threads that answer requests; by default one a core, from 2 to 16."}, SetThreads},
    {{"log_level", "debug|info|warning|error|off", kLife, "What is worth a line in the log; by default info."},
     SetChoice<kLevels, &MountOptions::log_level>},
    {{"log_file", "PATH", kLife,
      "Log into this file instead of syslog. SIGHUP to the daemon opens it anew, as logrotate wants it."},
     SetLogFile},
    {{"slow_ms", "N", kLife,
      "A read that takes so many milliseconds is counted as slow, and the log names one in 10 seconds, and where its "
      "time "
      "went; by default 1000. 0: never."},
     SetSlow},

    {{"cache_size", "SIZE", kMemory,
      "Memory for pages of the pack, such as 512M or 1.5GiB, units being powers of 1024; by default a tenth of what "
      "the process may use, at most 1G."},
     SetCacheSize},
    {{"huge", "auto|hugetlb|thp|off", kMemory,
      "What that memory is made of; hugetlb needs the sysctl vm.nr_hugepages."},
     SetChoice<kHugePagesNames, &CacheOptions::huge>},
    {{"admit", "auto|page|extent", kMemory,
      "What a miss reads: its page of 2 MiB, or its sample alone; auto weighs what both cost."},
     SetChoice<kAdmissionNames, &CacheOptions::admission>},
    {{"policy", "auto|lru|fifo|pin", kMemory, "Which page makes room."}, SetPolicy},
    {{"io", "auto|uring|threads", kMemory, "How the pack is read: io_uring with O_DIRECT, or a pool of threads."},
     SetChoice<kIoNames, &CacheOptions::io>},
    {{"tier", "PATH", kMemory,
      "A directory on a disk of this machine that keeps what was read of packs far away, for all mounts that name it: "
      "of a pack by URL, or on a slow shared file system."},
     SetTier},
    {{"tier_size", "SIZE", kMemory,
      "What all of the tier may take, such as 500G; by default half of what its disk has free. What was not used for "
      "longest goes first."},
     SetTierSize},
    {{"peers", "URL[+URL]...", kMemory,
      "With a tier: where neighbours serve their tiers, such as http://node{01..16}:8080/tier. They are asked for what "
      "the tier has not, before what is mounted is."},
     SetPeers},
    {{"prefetch", "off|epoch|all", kMemory,
      "What is brought to the tier before it is asked for, with what readers leave of the network: what plans tell, "
      "which is the default, or all."},
     SetPrefetch},
    {{"limit", "SIZE", kMemory, "Of that, no more than so many bytes a second, such as 50M."}, SetLimit},
    {{"readahead", "on|off", kMemory, "Read the pages to come of a sequential run ahead."},
     SetChoice<kSwitch, &CacheOptions::readahead>},

    {{"push", "auto|on|off", kKernel, "Hand samples into the kernel's page cache before they are asked for."},
     SetChoice<kPushNames, &MountOptions::push>},
    {{"direct_io", "", kKernel,
      "Keep nothing in the kernel's page cache: cache_size is all the memory that samples "
      "take."},
     Set<&MountOptions::direct_io>},
    {{"read_ahead_kb", "N", kKernel, "The kernel's readahead within a file. Only root may set it."}, SetReadAheadKb},
    {{"readdirplus", "on|off", kKernel, "Whether listings bring attributes along."},
     SetChoice<kSwitch, &MountOptions::readdirplus>},
    {{"transport", "auto|dev|uring", kKernel,
      "How requests come: by /dev/fuse, or by FUSE-over-io_uring, which auto takes for small samples where it is "
      "there."},
     SetChoice<kTransportNames, &MountOptions::transport>},
    {{"context", "CONTEXT", kKernel,
      "For SELinux, as mount(8) says; so are fscontext, defcontext and rootcontext. Without effect where it is off."},
     AddContext},
    {{"fscontext", "CONTEXT", kKernel, ""}, AddContext},
    {{"defcontext", "CONTEXT", kKernel, ""}, AddContext},
    {{"rootcontext", "CONTEXT", kKernel, ""}, AddContext},
    {{"noexec", "", kKernel, "No programs are run from the mount."}, Set<&MountOptions::exec, false>},
    {{"exec", "", kKernel, ""}, Set<&MountOptions::exec>},
    {{"suid", "", kKernel, "Set-user-ID bits take effect. Only root may ask for it."}, Set<&MountOptions::suid>},
    {{"nosuid", "", kKernel, ""}, Set<&MountOptions::suid, false>},
    {{"dev", "", kKernel, ""}, Set<&MountOptions::dev>},
    {{"nodev", "", kKernel, ""}, Set<&MountOptions::dev, false>},

    {{"ro", "", kTaken, ""}, Ignore},
    {{kWritableOption, "", kTaken,
      "Refused by 'quire mount', since packs are read-only; mount(8) says it to its "
      "helpers wherever nobody says ro, so there it is a notice."},
     RefuseWriting},
    {{"defaults", "", kTaken, ""}, Ignore},
    {{"auto", "", kTaken, ""}, Ignore},
    {{"noauto", "", kTaken, ""}, Ignore},
    {{"nofail", "", kTaken, "By mount(8), a pack that is not there is no error then, and nothing is mounted."},
     Set<&MountOptions::nofail>},
    {{"_netdev", "", kTaken, ""}, Ignore},
    {{"user", "", kTaken, "Whoever may mount by it gets noexec, nosuid and nodev; so with users, owner and group."},
     SetUser},
    {{"users", "", kTaken, ""}, SetUser},
    {{"owner", "", kTaken, ""}, SetUser},
    {{"group", "", kTaken, ""}, SetUser},
    {{"nouser", "", kTaken, ""}, Ignore},
    {{"comment", "TEXT", kTaken, ""}, Ignore},
    {{"x-*", "", kTaken, "For systemd and other readers of fstab, as is X-*."}, Ignore},
    {{"X-*", "", kTaken, ""}, Ignore},
    {{kRemountOption, "", kTaken, "Refused: unmount it and mount it anew."}, RefuseRemount},
    {{"loop", "", kTaken, "Not needed: a pack is mounted as the file that it is, or from a block device."}, Ignore},
    {{"sizelimit", "BYTES", kTaken, "Without effect: a pack knows its size."}, Ignore},
    {{"sync", "", kTaken, ""}, Ignore},
    {{"async", "", kTaken, ""}, Ignore},
    {{"dirsync", "", kTaken, ""}, Ignore},
    {{"atime", "", kTaken, ""}, Ignore},
    {{"noatime", "", kTaken, ""}, Ignore},
    {{"diratime", "", kTaken, ""}, Ignore},
    {{"nodiratime", "", kTaken, ""}, Ignore},
    {{"relatime", "", kTaken, ""}, Ignore},
    {{"norelatime", "", kTaken, ""}, Ignore},
    {{"strictatime", "", kTaken, ""}, Ignore},
    {{"nostrictatime", "", kTaken, ""}, Ignore},
    {{"lazytime", "", kTaken, ""}, Ignore},
    {{"nolazytime", "", kTaken, ""}, Ignore},
    {{"silent", "", kTaken, ""}, Ignore},
    {{"loud", "", kTaken, ""}, Ignore},
    {{"mand", "", kTaken, ""}, Ignore},
    {{"nomand", "", kTaken, ""}, Ignore},
    {{"iversion", "", kTaken, ""}, Ignore},
    {{"noiversion", "", kTaken, ""}, Ignore},
});

}  // namespace

std::span<const MountOptionEntry> MountOptionTable() { return kTable; }

}  // namespace quire
