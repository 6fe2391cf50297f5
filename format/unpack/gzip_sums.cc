// SPDX-License-Identifier: Apache-2.0
#include "format/unpack/gzip_sums.h"

#include <algorithm>
#include <array>
#include <memory>
#include <string_view>

#include "format/checksum.h"
#include "format/coding.h"

namespace quire {
namespace {

constexpr size_t kTrailerBytes = 8;  // CRC-32 and length modulo 2^32
// A header begins so; three flag bits of its fourth byte are 0.
constexpr std::string_view kHeader = "\x1f\x8b\x08";
constexpr unsigned kReservedFlags = 0xe0;
constexpr size_t kPieceBytes = 1 << 20;
// By chance a header is seen where none is, once in 134 MB, and then bytes are summed in vain. So many times all bytes
// may be: a file that is made to be slow is refused.
constexpr uint64_t kMaxRounds = 8;

std::unexpected<Error> Differ() { return Corrupt("gzip: its sum differs from that of the bytes that come out of it"); }

// Searches where the members of a gzip file end in what came out of it.
class MemberSearch {
 public:
  MemberSearch(const File& unpacked, uint64_t bytes, const std::atomic<bool>* interrupted)
      : unpacked_(unpacked),
        bytes_(bytes),
        interrupted_(interrupted),
        budget_(kMaxRounds * (bytes + kPieceBytes)),
        piece_(std::make_unique_for_overwrite<std::byte[]>(kPieceBytes)) {}

  // Whether the next member, which begins where the last one ended, has this trailer. If so it ends there.
  Result<bool> TakeMember(std::span<const std::byte> trailer) {
    const auto crc32 = static_cast<uint32_t>(LoadUint<4>(trailer, 0));
    uint64_t end = end_ + LoadUint<4>(trailer, 4);
    uint64_t at = end_;
    for (uint32_t sum = 0; end <= bytes_; end += uint64_t{1} << 32U) {
      auto summed = Sum(at, end, sum);
      if (!summed) return Propagate(std::move(summed));
      if (sum == crc32) {
        end_ = end;
        return true;
      }
      at = end;
    }
    return false;
  }
  [[nodiscard]] bool is_at_end() const { return end_ == bytes_; }

 private:
  // Adds the bytes from `at` to `end` to `sum`.
  Result<void> Sum(uint64_t at, uint64_t end, uint32_t& sum) {
    while (at < end) {
      if (interrupted_ != nullptr && *interrupted_) return MakeError(ErrorCode::kInterrupted, "interrupted");
      const std::span piece(piece_.get(), std::min<uint64_t>(kPieceBytes, end - at));
      if (piece.size() > budget_) return Differ();
      budget_ -= piece.size();
      if (auto read = unpacked_.ReadExactly(at, piece); !read) return read;
      sum = Crc32(piece, sum);
      at += piece.size();
    }
    return {};
  }

  const File& unpacked_;
  const uint64_t bytes_;
  const std::atomic<bool>* const interrupted_;
  uint64_t budget_;
  const std::unique_ptr<std::byte[]> piece_;
  uint64_t end_ = 0;  // of the last member that was found
};

// Calls `take` with the trailer that would stand before each header that seems to be in `file`, and with the last one.
template <typename Take>
Result<void> ForEachTrailer(const File& file, uint64_t size_bytes, const Take& take) {
  // Pieces overlap, so that a trailer with the header behind it is whole in one of them.
  constexpr size_t kWholeBytes = kTrailerBytes + kHeader.size() + 1;
  const auto buffer = std::make_unique_for_overwrite<std::byte[]>(kPieceBytes);
  for (uint64_t begin = 0; begin + kWholeBytes <= size_bytes; begin += kPieceBytes - kWholeBytes + 1) {
    const std::span piece(buffer.get(), std::min<uint64_t>(kPieceBytes, size_bytes - begin));
    if (auto read = file.ReadExactly(begin, piece); !read) return read;
    const std::string_view text = AsText(piece);
    for (size_t at = text.find(kHeader, kTrailerBytes); at != text.npos && at + kHeader.size() < text.size();
         at = text.find(kHeader, at + 1)) {
      if ((static_cast<unsigned char>(text[at + kHeader.size()]) & kReservedFlags) != 0) continue;
      if (auto taken = take(piece.subspan(at - kTrailerBytes, kTrailerBytes)); !taken) return taken;
    }
  }
  std::array<std::byte, kTrailerBytes> last = {};
  if (auto read = file.ReadExactly(size_bytes - kTrailerBytes, last); !read) return read;
  return take(last);
}

}  // namespace

void GzipSums::Add(std::span<const std::byte> bytes) {
  crc32_ = Crc32(bytes, crc32_);
  bytes_ += bytes.size();
}

Result<void> GzipSums::Check(const File& file, uint64_t size_bytes, const File& unpacked,
                             const std::atomic<bool>* interrupted) const {
  if (size_bytes < kTrailerBytes) return Differ();
  std::array<std::byte, kTrailerBytes> last = {};
  if (auto read = file.ReadExactly(size_bytes - kTrailerBytes, last); !read) return read;
  if (LoadUint<4>(last, 0) == crc32_ && LoadUint<4>(last, 4) == static_cast<uint32_t>(bytes_)) return {};
  MemberSearch search(unpacked, bytes_, interrupted);
  auto searched = ForEachTrailer(file, size_bytes, [&](std::span<const std::byte> trailer) -> Result<void> {
    auto taken = search.TakeMember(trailer);
    return taken ? Result<void>() : Propagate(std::move(taken));
  });
  if (!searched) return searched;
  return search.is_at_end() ? Result<void>() : Differ();
}

}  // namespace quire
