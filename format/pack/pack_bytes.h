// SPDX-License-Identifier: Apache-2.0
// The bytes of a pack that is no file of this machine. The layer that fetches them implements it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <thread>
#include <vector>

#include "format/pack/pending_read.h"
#include "format/result.h"

namespace quire {

// Bytes of one state of one object: where that changes below it, reads are errors, but while somebody follows it
// (Follow). Thread-safe.
class PackBytes {
 public:
  PackBytes() = default;
  PackBytes(const PackBytes&) = delete;
  PackBytes& operator=(const PackBytes&) = delete;
  virtual ~PackBytes() = default;

  [[nodiscard]] virtual uint64_t size_bytes() const = 0;
  // Fills `into` with the bytes at `offset`. Blocks. The error is kSystem: they could not be read. REQUIRES: they lie
  // in the object.
  virtual Result<void> Read(uint64_t offset, std::span<std::byte> into) = 0;
  // Begins to read `bytes` bytes at `offset` and waits for nothing. Null where Read alone brings them, which costs no
  // round trip then, or where the calling thread is the one that would bring them. REQUIRES: as of Read, and bytes is
  // at most kPageBytes.
  virtual std::shared_ptr<PendingRead> StartRead(uint64_t /*offset*/, uint64_t /*bytes*/) { return nullptr; }
  // The thread that brings bytes, where it is one: it must not wait for a PendingRead.
  [[nodiscard]] virtual std::thread::id reader() const { return {}; }

  // --- For one who follows an object to which bytes are added.

  // From now on a change of the object is no error: what is read meanwhile waits for Renew, and `changed` is called, by
  // any thread, when a change is met. REQUIRES: before others read.
  virtual void Follow(const std::function<void()>& /*changed*/) {}
  // Looks at the object. Whether it is in another state by now: then all that is read from now on is of that state, and
  // `head` is filled with its first bytes, as many as there are of `most_head_bytes`. Blocks.
  virtual Result<bool> Renew(size_t /*most_head_bytes*/, std::vector<std::byte>& /*head*/) { return false; }
  // The state that Renew has found is not one to go on with: that of before is the right one, and what is read of
  // another one is an error, until Renew finds a further one.
  virtual void Refuse() {}

  // What came of these bytes was wrong: what is kept of them on the way is not used any more.
  virtual void Distrust(uint64_t /*offset*/, uint64_t /*bytes*/) {}
};

}  // namespace quire
