// SPDX-License-Identifier: Apache-2.0
#include "format/pack/zstd_frame.h"

#include <fmt/format.h>
#include <zstd.h>

#include "format/coding.h"
#include "format/pack/geometry.h"
#include "format/per_thread.h"

namespace quire {
namespace {

using Context = LibraryContext<ZSTD_createDCtx, ZSTD_freeDCtx>;

}  // namespace

void FrameDictionary::Free::operator()(ZSTD_DDict_s* dictionary) const { ZSTD_freeDDict(dictionary); }

std::optional<FrameDictionary> FrameDictionary::Create(std::span<const std::byte> bytes) {
  FrameDictionary dictionary(ZSTD_createDDict(bytes.data(), bytes.size()));
  if (dictionary.get() == nullptr) return std::nullopt;
  return dictionary;
}

std::optional<std::string> FaultOfFrame(const CodedMember& member) {
  if (member.size_bytes > kFrameBytes)
    return fmt::format("{} bytes in one frame, which has at most {}", member.size_bytes, kFrameBytes);
  if (member.codec == Codec::kStored && (member.stored_bytes != member.size_bytes || member.dictionary != 0))
    return fmt::format("{} bytes that are stored as {}", member.size_bytes, member.stored_bytes);
  if (member.codec == Codec::kZstd && member.stored_bytes >= member.size_bytes)
    return fmt::format("{} bytes that are compressed to {}", member.size_bytes, member.stored_bytes);
  return std::nullopt;
}

bool DecodeFrame(std::span<const std::byte> stored, std::span<std::byte> into, const FrameDictionary* dictionary) {
  static PerThread<Context> contexts;
  ZSTD_DCtx* const context = contexts.Get().get();
  if (context == nullptr) return false;
  // The library may know frames from before the format was settled as well.
  if (stored.size() < sizeof(uint32_t) || LoadUint<4>(stored, 0) != ZSTD_MAGICNUMBER) return false;
  if (ZSTD_getFrameContentSize(stored.data(), stored.size()) != into.size()) return false;
  // The decoder would go on with a second frame, or pass what is called skippable.
  if (ZSTD_findFrameCompressedSize(stored.data(), stored.size()) != stored.size()) return false;
  // In one call nothing is allocated for the window, however large a frame says that it is: `into` is the window.
  return ZSTD_decompress_usingDDict(context, into.data(), into.size(), stored.data(), stored.size(),
                                    dictionary == nullptr ? nullptr : dictionary->get()) == into.size();
}

}  // namespace quire
