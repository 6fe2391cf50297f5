// SPDX-License-Identifier: Apache-2.0
// The tree of a pack as inodes. fs/SEMANTICS.md says what they promise. Nodes are stateless: no handle, no reference
// count. The inode is the node number + 1, so there is nothing to open, to release, or to forget.
#pragma once

#include <atomic>
#include <optional>
#include <string>
#include <string_view>

#include "format/pack/index.h"
#include "format/pack/pack.h"
#include "fs/feed/kernel_feed.h"
#include "fs/inodes.h"
#include "fs/options/mount_options.h"
#include "fs/serve/inode_space.h"
#include "fs/serve/replies.h"
#include "fs/serve/sample_reads.h"
#include "fs/trace/read_watch.h"

namespace quire {

// How often in MountOptions::idle_timeout the mount looks whether it was used.
inline constexpr int kIdleChecks = 4;

class PackTree : public InodeSpace {
 public:
  // All must outlive it. `root` is a directory of the pack.
  PackTree(const Pack& pack, NodeNumber root, SampleReader& samples, KernelFeed& feed, SampleReads& reads,
           Refusals& refusals, const MountOptions& options);

  Result<InodeEntry> Lookup(ino_t folder, std::string_view name) override;
  void Forget(ino_t inode, uint64_t lookups) override;
  // A write for the first use only: what all threads read does not move between their caches.
  void NoteUse() override {
    if (!used_.load(std::memory_order_relaxed)) used_.store(true, std::memory_order_relaxed);
  }
  [[nodiscard]] Result<struct stat> GetStat(ino_t inode) const override;
  [[nodiscard]] Result<std::string> ReadLink(ino_t inode) const override;
  [[nodiscard]] Result<std::optional<std::span<const std::byte>>> FindXattr(ino_t inode,
                                                                            std::string_view name) const override;
  [[nodiscard]] Result<std::optional<std::string>> TellXattr(ino_t inode, std::string_view name) const override;
  [[nodiscard]] Result<std::string> ListXattrNames(ino_t inode) const override;
  [[nodiscard]] Result<off_t> FindDataOrHole(ino_t inode, off_t offset, int whence) const override;
  // Entries that cannot be read are left out and reported; directory_listing.h says which.
  Result<void> List(ino_t folder, uint64_t cookie, bool with_entries,
                    const std::function<bool(const ListedInode&)>& visit) override;
  [[nodiscard]] bool IsDirect() const override { return options_.direct_io; }
  void Read(fuse_req_t request, ino_t inode, size_t bytes, off_t offset) override;
  [[nodiscard]] std::string Describe(ino_t inode) const override;

  // The folder in which a node is, and its path below the mount's root ("" for that; of a folder above, which a hard
  // link may lead to, that from the pack's root). Nothing where the index is damaged.
  [[nodiscard]] std::optional<WatchedFolder> FindFolder(NodeNumber number) const;
  [[nodiscard]] std::optional<std::string> NameFolder(NodeNumber folder) const;

  // Whether anyone has used the tree since the last call. The kernel tells of all use but of what it remembers: within
  // MountOptions::idle_timeout / kIdleChecks of a name below the root being looked up, use of that name says nothing.
  [[nodiscard]] bool TakeUse() { return used_.exchange(false, std::memory_order_relaxed); }

  // Whether nothing named `name` can be had from the root: it is not there, or where it would stand the index is
  // damaged, in which case figures are wanted most.
  [[nodiscard]] bool LacksTop(std::string_view name) const;

  // Without them no seek needs help. A file that is one hole has no segment, but a size of which nothing is stored.
  // Whoever follows a pack may meet some later.
  [[nodiscard]] bool MayHaveHoles() const {
    if (options_.follow) return true;
    const Superblock& superblock = index_.superblock();
    return index_.segment_count() != 0 || superblock.sample_bytes != superblock.stored_bytes;
  }

 private:
  // The inode of `name`; 0 when there is none.
  [[nodiscard]] Result<ino_t> Find(ino_t folder, std::string_view name) const;
  // Whether `name` would stand before all that the root holds, so that it is not there. Names are in order: the first
  // one tells, for one or two blocks of the index. A search costs one for each step, and far away a round trip each.
  [[nodiscard]] bool IsBeforeTop(std::string_view name) const;
  // The inode of "." and ".." in `inode`. 0 where the mount shows no such file.
  [[nodiscard]] Result<ino_t> FindExported(ino_t inode, bool is_parent) const;
  // Whether the node lies below the root of the mount.
  [[nodiscard]] Result<bool> IsInMount(NodeNumber number) const;
  [[nodiscard]] double KeepNamesS(ino_t folder) const;
  // The kernel will be told of the entry.
  InodeEntry EntryOf(ino_t folder, const struct stat& status);

  const Pack& pack_;
  const Index& index_;
  PageCache& cache_;
  const InodeMap inodes_;
  const size_t first_layers_;  // of the generation that was mounted first
  KernelFeed& feed_;
  SampleReads& reads_;
  Refusals& refusals_;
  const MountOptions& options_;
  const double keep_top_names_s_;  // for how long the kernel keeps what the root holds
  std::atomic<bool> used_ = false;
};

}  // namespace quire
