// SPDX-License-Identifier: Apache-2.0
// Streams of deflate (RFC 1951) without a header: short ones as a whole, by libdeflate, and long ones from the start
// on, by zlib, which can be stopped and copied at any byte.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "format/result.h"

namespace quire {

// Of one stream: at 300 MB/s the last byte of it comes after four minutes.
inline constexpr uint64_t kMaxInflatedBytes = uint64_t{64} << 30;

// Why `stored_bytes` are not read as a stream of `size_bytes`; empty where they are. Deflate makes no more than 1032
// bytes of one (258 bytes by two bits: RFC 1951, 3.2.5), and no encoder makes twice as many bytes as it was given.
std::optional<std::string> FaultOfDeflated(uint64_t size_bytes, uint64_t stored_bytes);

// Whether `stored` is one stream that has as many bytes as `into`, which receives them; else `into` is undefined. Any
// thread: each that calls it keeps 32 KiB for it.
bool InflateWhole(std::span<const std::byte> stored, std::span<std::byte> into);

// A stream from its start on. Not thread-safe.
class InflateStream {
 public:
  static Result<InflateStream> Create();  // kSystem: no memory
  InflateStream(InflateStream&&) noexcept = default;
  InflateStream& operator=(InflateStream&&) noexcept = default;
  ~InflateStream() = default;

  // Another one in the same state: 40 KiB.
  [[nodiscard]] Result<InflateStream> Copy() const;

  // Takes of `stored`, which is cut by what was taken, until `into` is full, `stored` is empty or the stream ends;
  // returns the bytes put into `into`. kCorrupt where this is no deflate.
  Result<size_t> Inflate(std::span<const std::byte>& stored, std::span<std::byte> into);

  [[nodiscard]] uint64_t stored_bytes() const { return stored_bytes_; }  // taken until now
  [[nodiscard]] uint64_t size_bytes() const { return size_bytes_; }      // given until now
  [[nodiscard]] uint32_t checksum() const { return crc32_; }             // CRC-32 of those
  [[nodiscard]] bool has_ended() const { return has_ended_; }

 private:
  struct State;  // of zlib, which must not move
  struct Delete {
    void operator()(State* state) const;
  };

  explicit InflateStream(std::unique_ptr<State, Delete> state) : state_(std::move(state)) {}

  std::unique_ptr<State, Delete> state_;
  uint64_t stored_bytes_ = 0;
  uint64_t size_bytes_ = 0;
  uint32_t crc32_ = 0;
  bool has_ended_ = false;
};

}  // namespace quire
