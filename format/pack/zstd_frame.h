// SPDX-License-Identifier: Apache-2.0
// Frames of Zstandard (RFC 8878), each decoded as a whole: what compressed samples of a pack are made of. FORMAT.md,
// Coded members. The bytes of a frame are as untrusted as the numbers that describe it.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "format/pack/records.h"

struct ZSTD_DDict_s;

namespace quire {

// A dictionary that is ready for decoding. Any number of threads may use it at once.
class FrameDictionary {
 public:
  // Copies the bytes. Empty where they begin as a dictionary does and are none, or where there is no memory.
  static std::optional<FrameDictionary> Create(std::span<const std::byte> bytes);
  [[nodiscard]] const ZSTD_DDict_s* get() const { return dictionary_.get(); }

 private:
  struct Free {
    void operator()(ZSTD_DDict_s* dictionary) const;
  };
  explicit FrameDictionary(ZSTD_DDict_s* dictionary) : dictionary_(dictionary) {}
  std::unique_ptr<ZSTD_DDict_s, Free> dictionary_;
};

// Why the numbers of a member of codec kStored or kZstd cannot be; empty where they can.
std::optional<std::string> FaultOfFrame(const CodedMember& member);

// Whether `stored` is one frame, and nothing behind it, that states as its size that of `into`, and decodes to exactly
// so many bytes, which `into` receives; else `into` is undefined, and nothing was written beside it. `dictionary` may
// be null. Any thread: each that calls it keeps 160 KiB for it, whatever a frame says of its window.
bool DecodeFrame(std::span<const std::byte> stored, std::span<std::byte> into, const FrameDictionary* dictionary);

}  // namespace quire
