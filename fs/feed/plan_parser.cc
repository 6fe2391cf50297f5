// SPDX-License-Identifier: Apache-2.0
#include "fs/feed/plan_parser.h"

#include <climits>
#include <utility>

#include "format/coding.h"
#include "format/pack/path_resolver.h"
#include "fs/inodes.h"

namespace quire {
namespace {

constexpr size_t kInodeBytes = 8;
constexpr size_t kMaxLineBytes = size_t{2} * PATH_MAX;  // the mount point and a path below it
constexpr size_t kMaxNamedBytes = 256;                  // of an entry, in the log

}  // namespace

PlanParser::PlanParser(const Index& index, NodeNumber root, std::string mount_point,
                       std::function<void(NodeNumber)> visit)
    : index_(index), root_(root), mount_point_(std::move(mount_point)), visit_(std::move(visit)) {}

void PlanParser::Feed(std::span<const char> bytes) {
  pending_.append(bytes.begin(), bytes.end());
  if (form_ == Form::kUndecided) Decide();
  if (form_ != Form::kUndecided) TakeEntries();
  if (form_ != Form::kBinary && pending_.size() > kMaxLineBytes) {
    if (!std::exchange(is_skipping_, true)) CountUnknown(pending_);
    pending_.clear();
  }
}

void PlanParser::End() {
  if (form_ == Form::kUndecided && pending_.starts_with('\0')) {  // as a mark begins, but it was none
    form_ = Form::kNuls;
    TakeEntries();
  }
  if (form_ != Form::kBinary && !pending_.empty() && !is_skipping_) TakePath(pending_);
  if (form_ == Form::kBinary && !pending_.empty()) CountUnknown("an inode number that is cut short");
  Abandon();
}

void PlanParser::Abandon() {
  pending_ = std::string();  // its memory too: plans are few and far between
  is_skipping_ = false;
  form_ = Form::kUndecided;
}

void PlanParser::Decide() {
  if (pending_.starts_with('\0') && !is_skipping_) {
    if (pending_.size() < kBinaryPlanMark.size() && kBinaryPlanMark.starts_with(pending_)) return;
    form_ = pending_.starts_with(kBinaryPlanMark) ? Form::kBinary : Form::kNuls;
    if (form_ == Form::kBinary) pending_.erase(0, kBinaryPlanMark.size());
    return;
  }
  const size_t end = pending_.find_first_of(std::string_view("\n\0", 2));
  if (end != std::string::npos) form_ = pending_[end] == '\n' ? Form::kLines : Form::kNuls;
}

void PlanParser::TakeEntries() {
  size_t begin = 0;
  if (form_ == Form::kBinary) {
    for (; pending_.size() - begin >= kInodeBytes; begin += kInodeBytes)
      TakeInode(LoadUint<8>(std::as_bytes(std::span(pending_)), begin));
  } else {
    const char separator = form_ == Form::kLines ? '\n' : '\0';
    for (size_t end = 0; (end = pending_.find(separator, begin)) != std::string::npos; begin = end + 1)
      if (!std::exchange(is_skipping_, false)) TakePath(std::string_view(pending_).substr(begin, end - begin));
  }
  pending_.erase(0, begin);
}

void PlanParser::TakePath(std::string_view path) {
  if (path.empty()) return;
  if (path.size() > kMaxLineBytes) return CountUnknown(path);
  std::string_view below = path;
  if (below.starts_with(mount_point_) && below.substr(mount_point_.size()).starts_with('/'))
    below.remove_prefix(mount_point_.size());
  const auto node = ResolvePath(index_, below, LastSymlink::kFollow, root_);
  if (!node) return CountUnknown(path);
  Visit(*node, path);
}

void PlanParser::TakeInode(uint64_t inode) { Visit(NodeOf(inode), fmt::format("inode {}", inode)); }

void PlanParser::Visit(NodeNumber number, std::string_view name) {
  const auto node = index_.GetNode(number);
  if (!node || !node->is_sample()) return CountUnknown(name);
  visit_(number);
}

void PlanParser::CountUnknown(std::string_view name) {
  if (unknown_++ == 0) first_unknown_ = name.substr(0, kMaxNamedBytes);
}

}  // namespace quire
