// SPDX-License-Identifier: Apache-2.0
// Many reads at once. Each is cut into parts of one extent, which are read in the order in which they lie, a window of
// them in flight; each goes from the cache to the reader's buffer without another copy.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <vector>

#include "cache/sample_reader.h"
#include "format/mutex.h"
#include "format/result.h"
#include "tools/library/open_pack.h"
#include "tools/library/quire.h"

namespace quire {

// For one thread, which waits; it carries out one set of reads.
class Batch {
 public:
  explicit Batch(OpenPack& pack) : pack_(pack) {}
  Batch(const Batch&) = delete;
  Batch& operator=(const Batch&) = delete;
  ~Batch() { WaitForAll(); }

  // Carries out all of `requests`, whose results it sets: the error of the first in their order that failed.
  std::optional<Error> Read(std::span<quire_request> requests);
  // Brings samples to the cache, and passes over what cannot be read. Ends early on a stop.
  void Prefetch(std::span<const NodeNumber> nodes, const std::stop_token& stop);
  // Does nothing where `into` is null.
  static void Copy(const SampleBytes& bytes, std::byte* into);

 private:
  // In flight at a time: as many as the widest window of requests of a server (remote/request_window.h). A local disk
  // has the depth of its own source, and what exceeds that waits there.
  static constexpr size_t kWindow = 64;

  struct Part {
    uint64_t place = 0;  // in all volumes as one row of pages, by which they are sorted
    bool is_alone = false;
    uint64_t offset = 0;  // in the sample
    uint64_t bytes = 0;
    std::byte* into = nullptr;  // null: to the cache only
    size_t request = 0;
    Node node;
  };
  struct Flight : SampleRead {
    Batch* batch = nullptr;
    const Part* part = nullptr;
  };

  // Takes a request from memory, or else adds its parts and fills its holes; how many bytes it will have.
  Result<uint64_t> Begin(const quire_request& request, size_t number);
  Result<void> AddParts(const Node& node, uint64_t offset, uint64_t end, std::byte* into, size_t number);
  // What is wanted at once of a page is little if it is less than this share: a page is eight requests to a disk, and
  // what is little has no more bytes than one. 512 samples of 3 KB at random, of 60,000 on a cold disk, took 41 ms so,
  // and 219 ms by whole pages (tests/bench/library_figures).
  static constexpr uint64_t kLittleShare = 8;
  // Says of sorted parts which are to be read alone.
  void ChooseAlone();
  // Reads all parts. Returns when none is in flight any more.
  void ReadParts(const std::stop_token& stop);
  void Start(Flight& flight, const Part& part);
  void End(Flight& flight) QUIRE_EXCLUDES(mutex_);
  static void PartDone(SampleRead& read, Result<SampleBytes> result);
  Flight& WaitForFlight();
  void WaitForAll();
  void Fail(size_t request, Error error) QUIRE_EXCLUDES(mutex_);

  OpenPack& pack_;
  std::span<quire_request> requests_;
  std::vector<Part> parts_;
  std::unique_ptr<std::array<Flight, kWindow>> flights_;  // made for the first part that is not in memory

  Mutex mutex_;
  ConditionVariable came_;
  std::array<Flight*, kWindow> free_ QUIRE_GUARDED_BY(mutex_) = {};
  size_t free_count_ QUIRE_GUARDED_BY(mutex_) = 0;
  size_t first_failed_ QUIRE_GUARDED_BY(mutex_) = 0;  // where there is a first_error_
  std::optional<Error> first_error_ QUIRE_GUARDED_BY(mutex_);
};

}  // namespace quire
