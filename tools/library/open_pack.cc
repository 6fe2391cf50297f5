// SPDX-License-Identifier: Apache-2.0
#include "tools/library/open_pack.h"

#include <algorithm>
#include <cerrno>
#include <thread>
#include <utility>

#include "cache/remote/remote_object.h"
#include "format/pack/verifier.h"
#include "format/worker_pool.h"

namespace quire {
namespace {

Result<std::unique_ptr<Pack>> OpenSource(const std::string& source, const OpenOptions& options) {
  if (!IsUrl(source)) {
    auto pack = Pack::Open(source);
    if (pack) (*pack)->OpenVolumes(options.volumes);
    return pack;
  }
  auto object = OpenRemoteObject(source, options.remote);
  if (!object) return Propagate(std::move(object));
  auto pack = Pack::Open(*std::move(object), source);
  if (pack && (*pack)->has_other_files())
    return Unsupported("{}: is an index of archives, which must lie where the archives can be opened: copy it there",
                       source);
  if (pack) (*pack)->OpenVolumes({});
  return pack;
}

Result<void> Verify(const Pack& pack) {
  if (auto has_sums = CheckHasSums(pack); !has_sums) return has_sums;
  WorkerPool pool(std::clamp(2 * std::thread::hardware_concurrency(), 4U, kMaxJobs));  // as `quire verify`
  std::string first_fault;
  const auto summary =
      VerifyPack(pack, pool, {.on_fault = [&](const Fault& fault) { first_fault = fault.message; }, .fault_limit = 1});
  if (!summary) return std::unexpected(summary.error());
  if (summary->faults == 0) return {};
  return Corrupt("'{}' is damaged in {} places, of which `quire verify` tells; the first: {}", pack.path(),
                 summary->faults, first_fault);
}

}  // namespace

Result<std::unique_ptr<OpenPack>> OpenPack::Open(const std::string& source, const OpenOptions& options) {
  auto pack = OpenSource(source, options);
  if (!pack) return Propagate(std::move(pack));
  if (options.verify)
    if (auto verified = Verify(**pack); !verified) return Propagate(std::move(verified));
  auto reader = SampleReader::Open(**pack, options.cache);
  if (!reader) return Propagate(std::move(reader));
  return std::unique_ptr<OpenPack>(new OpenPack(*std::move(pack), *std::move(reader)));
}

OpenPack::~OpenPack() {
  reader_->Cancel();
  pack_->CancelDecoding();
}

bool OpenPack::IsReadAlone(uint64_t page) {
  if (pages_met_.Test(page)) return false;
  pages_met_.Set(page);
  return true;
}

Result<Node> OpenPack::GetNode(NodeNumber number) const {
  if (number >= index().node_count())
    return Invalid("node {}: there is none, since the pack has {}; quire_find and quire_list give their numbers",
                   number, index().node_count());
  auto node = index().GetNode(number);
  return node && node->kind == NodeKind::kHardLink ? index().GetLinkedNode(number, *node) : node;
}

Result<Node> OpenPack::GetSample(NodeNumber number) const {
  auto node = GetNode(number);
  if (!node || node->is_sample()) return node;
  if (node->kind == NodeKind::kDirectory) return SystemError(EISDIR, "node {}", number);
  return Invalid("node {}: is a symlink, which quire_find follows and quire_readlink reads", number);
}

}  // namespace quire
