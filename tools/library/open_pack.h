// SPDX-License-Identifier: Apache-2.0
// A pack as a program has it open: its index, its cache, and what it asked for ahead. Thread-safe but for its
// destructor.
#pragma once

#include <memory>
#include <span>
#include <string>

#include "cache/remote/remote_options.h"
#include "cache/sample_reader.h"
#include "format/pack/lazy_bits.h"
#include "format/pack/pack.h"
#include "format/result.h"
#include "tools/library/fork_watch.h"
#include "tools/library/prefetcher.h"

namespace quire {

struct OpenOptions {
  CacheOptions cache;
  RemoteOptions remote;
  VolumePlaces volumes;
  bool verify = false;
};

class OpenPack {
 public:
  static Result<std::unique_ptr<OpenPack>> Open(const std::string& source, const OpenOptions& options);
  OpenPack(const OpenPack&) = delete;
  OpenPack& operator=(const OpenPack&) = delete;
  ~OpenPack();  // REQUIRES: IsOurs(), no other call is under way

  // Whether this is the process that opened it: in another one nothing else may be called.
  [[nodiscard]] bool IsOurs() const { return forks_ == CountForks(); }

  [[nodiscard]] const Index& index() const { return pack_->index(); }
  [[nodiscard]] SampleReader& reader() { return *reader_; }

  // Node `number` as it was found or listed, or what a hard link of that number names. kInvalid where there is none.
  [[nodiscard]] Result<Node> GetNode(NodeNumber number) const;
  // The same, and an error of the system where it is not a sample.
  [[nodiscard]] Result<Node> GetSample(NodeNumber number) const;

  // Whether what little is wanted of a page is read alone: the first time, since the rest may never be wanted; from
  // then on the page is the cache's to fill. So what a program reads at random costs at most a little more than the
  // pages that it reads again and again.
  [[nodiscard]] bool IsReadAlone(uint64_t page);

  // As quire_prefetch.
  Result<size_t> Prefetch(std::span<const NodeNumber> nodes) { return prefetcher_.Add(nodes); }

 private:
  OpenPack(std::unique_ptr<Pack> pack, std::unique_ptr<SampleReader> reader)
      : pack_(std::move(pack)), reader_(std::move(reader)) {}

  const uint64_t forks_ = CountForks();
  const std::unique_ptr<Pack> pack_;
  const std::unique_ptr<SampleReader> reader_;
  LazyBits pages_met_{reader_->cache().page_count()};  // of which something was read alone
  Prefetcher prefetcher_{*this};                       // last: it reads
};

}  // namespace quire
