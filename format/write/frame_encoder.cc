// SPDX-License-Identifier: Apache-2.0
#include "format/write/frame_encoder.h"

#include <zstd.h>

#include "format/per_thread.h"

namespace quire {
namespace {

using Context = LibraryContext<ZSTD_createCCtx, ZSTD_freeCCtx>;

}  // namespace

void EncoderDictionary::Free::operator()(ZSTD_CDict_s* dictionary) const { ZSTD_freeCDict(dictionary); }

std::optional<EncoderDictionary> EncoderDictionary::Create(std::span<const std::byte> bytes, int level) {
  EncoderDictionary dictionary(ZSTD_createCDict(bytes.data(), bytes.size(), level));
  if (dictionary.get() == nullptr) return std::nullopt;
  return dictionary;
}

std::optional<size_t> EncodeFrame(std::span<const std::byte> raw, std::span<std::byte> into, int level,
                                  const EncoderDictionary* dictionary) {
  static PerThread<Context> contexts;
  ZSTD_CCtx* const context = contexts.Get().get();
  if (context == nullptr) return std::nullopt;
  ZSTD_CCtx_reset(context, ZSTD_reset_session_and_parameters);
  ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, level);
  ZSTD_CCtx_setParameter(context, ZSTD_c_dictIDFlag, 0);  // the member states the dictionary
  if (dictionary != nullptr) ZSTD_CCtx_refCDict(context, dictionary->get());
  const size_t bytes = ZSTD_compress2(context, into.data(), into.size(), raw.data(), raw.size());
  if (ZSTD_isError(bytes) != 0) return std::nullopt;
  return bytes;
}

}  // namespace quire
