// SPDX-License-Identifier: Apache-2.0
#include "cache/tier/pack_tier.h"

#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <filesystem>
#include <system_error>
#include <utility>

#include "cache/remote/http_object.h"
#include "cache/tier/tiered_bytes.h"
#include "format/file.h"
#include "format/pack/superblock.h"

namespace quire {
namespace {

// Null where none are named.
Result<std::shared_ptr<TierPeers>> OpenPeers(const TierOptions& options) {
  if (options.peers.empty()) return nullptr;
  return TierPeers::Create(options);
}

// As far as it is known without the layers below.
TierKey KeyOfLayer(const std::string& source, const Superblock& layer) {
  return TierKey::Of(fmt::format("layer {} {} {:016x}", source, layer.generation, layer.root_sum), layer.pack_bytes,
                     source);
}

// The keys of all parts of a pack, as far as they can be told by its superblock and by what the tier holds: of a pack
// of several layers by the map of the newest one, and those that it names. None where one of them is missing.
std::vector<TierKey> FindKeys(const Tier& tier, const std::string& source, const Superblock& superblock) {
  const TierKey newest = KeyOfLayer(source, superblock);
  if (!superblock.has_layers_below()) return {newest};
  std::vector<TierKey> keys;
  for (auto words = newest.words; keys.empty() || keys.back().first_page > 0; words = keys.back().below) {
    const auto map = TierMap::Open(tier.PathOf(TierKey::FolderName(words)));
    if (!map || map->key().words != words) return {};
    const TierKey& key = map->key();
    // Whatever the files say: each begins below the one above.
    if (keys.empty() ? key.volume_bytes != newest.volume_bytes : key.first_page >= keys.back().first_page) return {};
    keys.push_back(key);
  }
  std::ranges::reverse(keys);
  return keys;
}

}  // namespace

std::vector<TierKey> TierKeysOf(const std::string& source, const IndexLayers& layers) {
  std::vector<TierKey> keys;
  uint64_t begin = 0;
  for (size_t i = 0; i < layers.size(); ++i) {
    const Superblock& layer = layers[i].superblock;
    const uint64_t first_page = begin / kPageBytes;
    begin = layer.pack_bytes;
    // What has no page to its end is all in pages of the layer above it.
    if (i + 1 < layers.size() && begin / kPageBytes == first_page) continue;
    TierKey key = KeyOfLayer(source, layer);
    key.first_page = first_page;
    if (!keys.empty()) key.below = keys.back().words;
    keys.push_back(std::move(key));
  }
  return keys;
}

Result<std::vector<TierKey>> TierKeysOfFile(int fd, const Pack* pack) {
  std::error_code error;
  const auto path = std::filesystem::read_symlink(ProcPath(fd), error);
  if (error) return SystemError(error.value(), "the file whose pages a tier is to keep");
  if (pack != nullptr) return TierKeysOf(path.native(), pack->index().layers());
  struct stat status = {};
  if (fstat(fd, &status) != 0) return SystemError(errno, "the file whose pages a tier is to keep");
  const std::string identity = fmt::format("file {} {} {} {}.{:09} 0000000000000000", path.native(), status.st_size,
                                           status.st_ino, status.st_mtim.tv_sec, status.st_mtim.tv_nsec);
  return std::vector{TierKey::Of(identity, static_cast<uint64_t>(status.st_size), path.native())};
}

Result<std::unique_ptr<PackBytes>> OpenTieredBytes(std::unique_ptr<PackBytes> object, const TierOptions& options) {
  const auto& http = dynamic_cast<const HttpObject&>(*object);
  if (!http.TellsStates())
    return Unsupported("{}: the server tells neither an ETag nor a Last-Modified, without which a tier cannot keep it",
                       http.shown_url());
  auto tier = Tier::Open(options);
  if (!tier) return Propagate(std::move(tier));
  auto peers = OpenPeers(options);
  if (!peers) return Propagate(std::move(peers));
  // These bytes came when it was opened.
  std::array<std::byte, 2 * kSuperblockBytes> slots = {};
  const auto head = std::span(slots).first(std::min<uint64_t>(slots.size(), object->size_bytes()));
  if (auto read = object->Read(0, head); !read) return Propagate(std::move(read));
  auto parts = std::make_shared<TierParts>(*tier, *std::move(peers), http.shown_url());
  // What is no pack is told of by who opens it.
  if (const auto chosen = ChooseSuperblock(head))
    if (auto taken = parts->Take(FindKeys(**tier, parts->source(), chosen->superblock)); !taken)
      return Propagate(std::move(taken));
  auto tiered = TieredBytes::Create(std::move(object), std::move(parts));
  if (!tiered) return Propagate(std::move(tiered));
  return *std::move(tiered);
}

Result<void> OpenTierParts(const Pack& pack) {
  const auto* const tiered = dynamic_cast<const TieredBytes*>(pack.bytes());
  if (tiered == nullptr) return {};
  return tiered->parts()->Take(TierKeysOf(tiered->parts()->source(), pack.index().layers()));
}

Result<TierVolumes> OpenTierVolumes(const Pack& pack, const TierOptions& options) {
  const VolumeFds fds = pack.volume_fds();
  TierVolumes volumes(fds.size());
  if (const auto* const tiered = dynamic_cast<const TieredBytes*>(pack.bytes())) {
    volumes.front() = tiered->parts();
    return volumes;
  }
  auto tier = Tier::Open(options);
  if (!tier) return Propagate(std::move(tier));
  const auto peers = OpenPeers(options);
  if (!peers) return std::unexpected(peers.error());
  for (size_t number = 0; number < fds.size(); ++number) {
    if (fds[number] < 0 || pack.IsDecoded(static_cast<uint16_t>(number))) continue;
    const auto keys = TierKeysOfFile(fds[number], number == 0 ? &pack : nullptr);
    if (!keys) return std::unexpected(keys.error());
    volumes[number] = std::make_shared<TierParts>(*tier, *peers, keys->back().source);
    if (auto taken = volumes[number]->Take(*keys); !taken) return Propagate(std::move(taken));
  }
  return volumes;
}

}  // namespace quire
