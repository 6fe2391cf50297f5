// SPDX-License-Identifier: Apache-2.0
#include "format/pack/inflate.h"

#include <fmt/format.h>
#include <libdeflate.h>
#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <limits>

#include "format/per_thread.h"

namespace quire {
namespace {

constexpr uint64_t kMaxRatio = 258 * 8 / 2;
constexpr uint64_t kMaxExcessBytes = 4096;  // of a stream of few bytes: its block headers
constexpr int kRawWindowBits = -15;         // no header, and the largest window, of 32 KiB

using Decompressor = LibraryContext<libdeflate_alloc_decompressor, libdeflate_free_decompressor>;

}  // namespace

std::optional<std::string> FaultOfDeflated(uint64_t size_bytes, uint64_t stored_bytes) {
  if (size_bytes > kMaxInflatedBytes)
    return fmt::format("it declares {} deflated bytes, and a deflated file has at most {}", size_bytes,
                       kMaxInflatedBytes);
  if (size_bytes / kMaxRatio + (size_bytes % kMaxRatio != 0) > stored_bytes)
    return fmt::format("it declares {} bytes in {} deflated ones, which is more than deflate can do", size_bytes,
                       stored_bytes);
  if (stored_bytes > 2 * size_bytes + kMaxExcessBytes)
    return fmt::format("it declares {} bytes in {} deflated ones, which is no compression", size_bytes, stored_bytes);
  return std::nullopt;
}

bool InflateWhole(std::span<const std::byte> stored, std::span<std::byte> into) {
  static PerThread<Decompressor> decompressors;
  libdeflate_decompressor* const decompressor = decompressors.Get().get();
  if (decompressor == nullptr) return false;
  // Without a place for the size it fails unless that is exactly the one of `into`.
  return libdeflate_deflate_decompress(decompressor, stored.data(), stored.size(), into.data(), into.size(), nullptr) ==
         LIBDEFLATE_SUCCESS;
}

struct InflateStream::State {
  z_stream stream = {};
};

void InflateStream::Delete::operator()(State* state) const {
  inflateEnd(&state->stream);
  delete state;
}

Result<InflateStream> InflateStream::Create() {
  std::unique_ptr<State, Delete> state(new State);
  if (inflateInit2(&state->stream, kRawWindowBits) != Z_OK) return SystemError(ENOMEM, "inflate");
  return InflateStream(std::move(state));
}

Result<InflateStream> InflateStream::Copy() const {
  std::unique_ptr<State, Delete> state(new State);
  if (inflateCopy(&state->stream, &state_->stream) != Z_OK) return SystemError(ENOMEM, "inflate");
  InflateStream copy(std::move(state));
  copy.stored_bytes_ = stored_bytes_;
  copy.size_bytes_ = size_bytes_;
  copy.crc32_ = crc32_;
  copy.has_ended_ = has_ended_;
  return copy;
}

Result<size_t> InflateStream::Inflate(std::span<const std::byte>& stored, std::span<std::byte> into) {
  if (has_ended_) return size_t{0};
  z_stream& stream = state_->stream;
  constexpr size_t kMost = std::numeric_limits<uInt>::max();
  const auto in_bytes = static_cast<uInt>(std::min(stored.size(), kMost));
  const auto out_bytes = static_cast<uInt>(std::min(into.size(), kMost));
  // zlib does not write through it: the type is from a time before const.
  stream.next_in = const_cast<Bytef*>(reinterpret_cast<const Bytef*>(stored.data()));
  stream.avail_in = in_bytes;
  stream.next_out = reinterpret_cast<Bytef*>(into.data());
  stream.avail_out = out_bytes;
  const int status = inflate(&stream, Z_NO_FLUSH);
  if (status == Z_MEM_ERROR) return SystemError(ENOMEM, "inflate");
  // Z_BUF_ERROR: there was nothing to take, or no room.
  if (status != Z_OK && status != Z_STREAM_END && status != Z_BUF_ERROR)
    return Corrupt("its deflated bytes are damaged ({})", stream.msg == nullptr ? "no reason given" : stream.msg);
  has_ended_ = status == Z_STREAM_END;
  stored = stored.subspan(in_bytes - stream.avail_in);
  stored_bytes_ += in_bytes - stream.avail_in;
  const size_t given = out_bytes - stream.avail_out;
  size_bytes_ += given;
  crc32_ = libdeflate_crc32(crc32_, into.data(), given);
  return given;
}

}  // namespace quire
