// SPDX-License-Identifier: Apache-2.0
#include "cache/tier/pack_tier.h"

#include <sys/stat.h>

#include <cerrno>
#include <filesystem>
#include <system_error>
#include <utility>

#include "cache/remote/http_object.h"
#include "cache/tier/tiered_bytes.h"
#include "format/file.h"

namespace quire {
namespace {

// Null where none are named.
Result<std::shared_ptr<TierPeers>> OpenPeers(const TierOptions& options) {
  if (options.peers.empty()) return nullptr;
  return TierPeers::Create(options);
}

}  // namespace

Result<TierKey> TierKeyOfFile(int fd, uint64_t root_sum) {
  struct stat status = {};
  if (fstat(fd, &status) != 0) return SystemError(errno, "the file whose pages a tier is to keep");
  std::error_code error;
  const auto path = std::filesystem::read_symlink(ProcPath(fd), error);
  if (error) return SystemError(error.value(), "the file whose pages a tier is to keep");
  const std::string identity = fmt::format("file {} {} {} {}.{:09} {:016x}", path.native(), status.st_size,
                                           status.st_ino, status.st_mtim.tv_sec, status.st_mtim.tv_nsec, root_sum);
  return TierKey::Of(identity, static_cast<uint64_t>(status.st_size), path.native());
}

Result<std::unique_ptr<PackBytes>> OpenTieredBytes(std::unique_ptr<PackBytes> object, const TierOptions& options) {
  const auto& http = dynamic_cast<const HttpObject&>(*object);
  const auto identity = http.Identity();
  if (!identity)
    return Unsupported("{}: the server tells neither an ETag nor a Last-Modified, without which a tier cannot keep it",
                       http.shown_url());
  auto tier = Tier::Open(options);
  if (!tier) return Propagate(std::move(tier));
  auto peers = OpenPeers(options);
  if (!peers) return Propagate(std::move(peers));
  auto volume = TierVolume::Open(*std::move(tier), TierKey::Of(*identity, object->size_bytes(), http.shown_url()),
                                 *std::move(peers));
  if (!volume) return Propagate(std::move(volume));
  auto tiered = TieredBytes::Create(std::move(object), *std::move(volume));
  if (!tiered) return Propagate(std::move(tiered));
  return *std::move(tiered);
}

Result<TierVolumes> OpenTierVolumes(const Pack& pack, const TierOptions& options) {
  const VolumeFds fds = pack.volume_fds();
  TierVolumes volumes(fds.size());
  if (const auto* const tiered = dynamic_cast<const TieredBytes*>(pack.bytes())) {
    volumes.front() = tiered->volume();
    return volumes;
  }
  auto tier = Tier::Open(options);
  if (!tier) return Propagate(std::move(tier));
  const auto peers = OpenPeers(options);
  if (!peers) return std::unexpected(peers.error());
  for (size_t number = 0; number < fds.size(); ++number) {
    if (fds[number] < 0 || pack.IsDecoded(static_cast<uint16_t>(number))) continue;
    const auto key = TierKeyOfFile(fds[number], number == 0 ? pack.superblock().root_sum : 0);
    if (!key) return std::unexpected(key.error());
    auto volume = TierVolume::Open(*tier, *key, *peers);
    if (!volume) return Propagate(std::move(volume));
    volumes[number] = *std::move(volume);
  }
  return volumes;
}

}  // namespace quire
