// SPDX-License-Identifier: Apache-2.0
#include "tools/extract/folder_maker.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <ranges>
#include <set>

namespace quire {
namespace {

constexpr int kOpenFolder = O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;

}  // namespace

void FolderMaker::MakeParents(const std::vector<NodeNumber>& tops, const std::vector<NodeNumber>& folders) {
  std::set<NodeNumber> parents;  // ascending: a folder comes before those in it
  for (const NodeNumber top : tops) {
    for (NodeNumber number = top; number != 0;) {
      const auto parent = tools_.index.GetParent(number);
      if (!parent) return tools_.report.Fault(top, parent.error());
      number = *parent;
      if (number == 0 || std::ranges::binary_search(folders, number) || !parents.insert(number).second) break;
    }
  }
  FolderCursor cursor(tools_.index, tools_.tree);
  for (const NodeNumber number : parents) {
    if (tools_.report.is_ended()) return;
    const auto name = GetEntryName(tools_.index, number);
    const auto folder = cursor.FolderOf(number);
    if (!name) return tools_.report.Fault(number, name.error());
    if (!folder) return tools_.report.Fault(number, folder.error());
    if (mkdirat((*folder)->fd(), name->c_str(), 0777 & ~umask_) != 0 && errno != EEXIST)
      return tools_.report.Fault(number, SystemError(errno, "making the folder").error());
  }
}

void FolderMaker::Make(const std::vector<NodeNumber>& folders) {
  FolderCursor cursor(tools_.index, tools_.tree);
  for (const NodeNumber number : folders) {
    if (tools_.report.is_ended()) return;
    Result<void> made;
    if (number > 0) {
      made = MakeOne(cursor, number);
    } else {
      const auto top = tools_.tree.OpenPath("", O_PATH);
      made = top ? Note(*top, 0) : std::unexpected(top.error());
    }
    if (!made) tools_.report.Fault(number, made.error());
  }
}

Result<void> FolderMaker::MakeOne(FolderCursor& cursor, NodeNumber number) {
  const auto name = GetEntryName(tools_.index, number);
  if (!name) return std::unexpected(name.error());
  const auto parent = cursor.FolderOf(number);
  if (!parent) return std::unexpected(parent.error());
  const int fd = (*parent)->fd();
  if (mkdirat(fd, name->c_str(), kUnfinishedFolderMode) != 0) {
    if (errno != EEXIST) return SystemError(errno, "making the folder");
    if (const File there(openat(fd, name->c_str(), O_PATH | kOpenFolder)); there.is_open()) return Note(there, number);
    if (tools_.existing != Existing::kOverwrite)
      return SystemError(ENOTDIR, "something else is there already (--overwrite replaces it)");
    if (unlinkat(fd, name->c_str(), 0) != 0 || mkdirat(fd, name->c_str(), kUnfinishedFolderMode) != 0)
      return SystemError(errno, "making the folder in place of what is there");
  }
  unfinished_.push_back(number);
  return {};
}

Result<void> FolderMaker::Note(const File& folder, NodeNumber number) {
  struct stat status{};
  if (fstat(folder.fd(), &status) != 0) return SystemError(errno, "fstat");
  // Folders of some file systems, and below one that hands on its group, get the set-group-ID bit by themselves.
  const bool is_unfinished = (status.st_mode & 07777 & ~S_ISGID) == kUnfinishedFolderMode;
  (is_unfinished ? unfinished_ : found_).push_back(number);
  return {};
}

Result<void> FolderMaker::CompleteOne(NodeNumber number, bool is_unfinished) {
  const auto node = tools_.index.GetNode(number);
  if (!node) return std::unexpected(node.error());
  const auto attributes = tools_.index.GetAttributes(node->attributes);
  if (!attributes) return std::unexpected(attributes.error());
  const auto path = tools_.index.GetPath(number);
  if (!path) return std::unexpected(path.error());
  const auto folder = tools_.tree.OpenPath(*path, is_unfinished ? O_RDONLY : O_PATH);
  if (!folder) return std::unexpected(folder.error());
  if (is_unfinished) return tools_.attributes.SetAll(*folder, number, *node, *attributes);
  tools_.attributes.SetTimes(*folder, number, *node);
  return {};
}

void FolderMaker::Complete() {
  const auto complete = [this](NodeNumber number, bool is_unfinished) {
    // What was there has files now that it lacked before, or an extraction was stopped between its mode and its times.
    // The rest may be as its user wants it.
    const bool is_touched = is_unfinished || tools_.existing != Existing::kRefuse;
    const auto done = is_touched ? CompleteOne(number, is_unfinished) : Result<void>();
    if (!done) return tools_.report.Fault(number, done.error());
    if (number > 0) ++tools_.report.entries_done;
  };
  for (const NodeNumber number : found_) complete(number, false);
  // Children before parents, whose final modes may close the way to them.
  for (const NodeNumber number : std::views::reverse(unfinished_)) complete(number, true);
}

}  // namespace quire
