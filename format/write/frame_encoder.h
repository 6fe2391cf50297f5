// SPDX-License-Identifier: Apache-2.0
// Compresses frames, as FORMAT.md has them under Coded members: the other side of format/pack/zstd_frame.h.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <span>

struct ZSTD_CDict_s;

namespace quire {

// A dictionary that is ready for compressing at one level. Any number of threads may use it at once.
class EncoderDictionary {
 public:
  // Copies the bytes. Empty where there is no memory, or where they are none.
  static std::optional<EncoderDictionary> Create(std::span<const std::byte> bytes, int level);
  [[nodiscard]] const ZSTD_CDict_s* get() const { return dictionary_.get(); }

 private:
  struct Free {
    void operator()(ZSTD_CDict_s* dictionary) const;
  };
  explicit EncoderDictionary(ZSTD_CDict_s* dictionary) : dictionary_(dictionary) {}
  std::unique_ptr<ZSTD_CDict_s, Free> dictionary_;
};

// Compresses `raw` to one frame at the start of `into`; returns its bytes, or nothing where they are more than `into`
// has. `dictionary`, which may be null, decides the level where there is one. The same arguments give the same bytes,
// by the same release of the library. Any thread: each keeps what the level needs for 256 KiB, 1 to 8 MiB.
std::optional<size_t> EncodeFrame(std::span<const std::byte> raw, std::span<std::byte> into, int level,
                                  const EncoderDictionary* dictionary);

}  // namespace quire
