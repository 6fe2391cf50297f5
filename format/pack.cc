#include "format/pack.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <optional>

#include "format/checksum.h"

namespace quire {
namespace {

// The valid slot of the highest generation. Where none is valid: what is wrong with slot 0, which `quire pack` writes.
Result<Superblock> ChooseSuperblock(const File& file) {
  std::array<std::byte, 2 * kSuperblockBytes> slots = {};
  const auto got = file.ReadUpTo(0, slots);
  if (!got) return std::unexpected(got.error());
  const std::span<const std::byte> read = std::span(slots).first(*got);
  auto first = DecodeSuperblock(read.first(std::min(read.size(), kSuperblockBytes)));
  auto second = DecodeSuperblock(read.subspan(std::min(read.size(), kSuperblockBytes)));
  if (first && second) return first->generation > second->generation ? first : second;
  if (second) return second;
  return first;
}

}  // namespace

Result<std::unique_ptr<Pack>> Pack::Open(const std::string& path) {
  const auto in_path = [&](Error error) {
    error.message = fmt::format("{}: {}", path, error.message);
    return std::unexpected(std::move(error));
  };
  auto file = File::Open(path, O_RDONLY);
  if (!file) return Propagate(std::move(file));
  struct stat status{};
  if (fstat(file->fd(), &status) != 0) return SystemError(errno, "{}", path);
  if (S_ISDIR(status.st_mode))
    return in_path({ErrorCode::kCorrupt, 0, "is a directory, not a pack; `quire pack` makes a pack of it"});
  auto superblock = ChooseSuperblock(*file);
  if (!superblock) return in_path(superblock.error());
  // stat(2) knows no size of block devices.
  const off_t end = S_ISBLK(status.st_mode) ? lseek(file->fd(), 0, SEEK_END) : status.st_size;
  const auto size = static_cast<uint64_t>(end);
  if ((S_ISREG(status.st_mode) || S_ISBLK(status.st_mode)) && size < superblock->pack_bytes)
    return in_path(
        {ErrorCode::kCorrupt, 0,
         fmt::format("truncated: {} of {} bytes are there; copy or pack it again", size, superblock->pack_bytes)});
  std::unique_ptr<Pack> pack(new Pack(path, std::move(*file)));
  auto index =
      Index::Open(*superblock, [raw = pack.get(), offset = superblock->index_offset](
                                   uint64_t at, std::span<std::byte> into) { return raw->ReadRaw(offset + at, into); });
  if (!index) return in_path(index.error());
  pack->index_ = std::move(*index);
  return pack;
}

Result<void> Pack::ReadRaw(uint64_t offset, std::span<std::byte> into) const { return file_.ReadExactly(offset, into); }

Result<void> Pack::ReadExtent(const Extent& extent, std::span<std::byte> into) const {
  if (extent.volume != 0) return Unsupported("extent in volume {}: this release reads volume 0 only", extent.volume);
  if (auto read = ReadRaw(extent.offset, into); !read) return read;
  if (Xxh3(into) != extent.sum)
    return Corrupt("{} bytes at {} (page {}): checksum mismatch", extent.length_bytes, extent.offset,
                   extent.offset / kPageBytes);
  return {};
}

}  // namespace quire
