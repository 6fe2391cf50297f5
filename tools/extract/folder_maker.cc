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

void FolderMaker::Make(const std::vector<NodeNumber>& folders, bool is_new_top) {
  FolderCursor cursor(tools_.index, tools_.tree);
  for (const NodeNumber number : folders) {
    if (tools_.report.is_ended()) return;
    Result<void> made;
    if (number > 0) {
      made = MakeOne(cursor, number);
    } else if (is_new_top) {
      const auto top = tools_.tree.OpenPath("", O_RDONLY);
      made = top ? SetNew(*top, 0) : std::unexpected(top.error());
    }
    if (!made) tools_.report.Fault(number, made.error());
  }
}

Result<void> FolderMaker::MakeOne(FolderCursor& cursor, NodeNumber number) {
  const auto node = tools_.index.GetNode(number);
  if (!node) return std::unexpected(node.error());
  const auto attributes = tools_.index.GetAttributes(node->attributes);
  if (!attributes) return std::unexpected(attributes.error());
  const auto name = GetEntryName(tools_.index, number);
  if (!name) return std::unexpected(name.error());
  const auto parent = cursor.FolderOf(number);
  if (!parent) return std::unexpected(parent.error());
  const int fd = (*parent)->fd();
  const unsigned mode = tools_.attributes.FolderMode(*attributes);
  if (mkdirat(fd, name->c_str(), mode) != 0) {
    if (errno != EEXIST) return SystemError(errno, "making the folder");
    if (const File there(openat(fd, name->c_str(), O_PATH | kOpenFolder)); there.is_open()) {
      found_.push_back(number);
      return {};
    }
    if (tools_.existing != Existing::kOverwrite)
      return SystemError(ENOTDIR, "something else is there already (--overwrite replaces it)");
    if (unlinkat(fd, name->c_str(), 0) != 0 || mkdirat(fd, name->c_str(), mode) != 0)
      return SystemError(errno, "making the folder in place of what is there");
  }
  const File folder(openat(fd, name->c_str(), O_RDONLY | kOpenFolder));
  if (!folder.is_open()) return SystemError(errno, "opening the folder");
  return SetNew(folder, number);
}

Result<void> FolderMaker::SetNew(const File& folder, NodeNumber number) {
  const auto node = tools_.index.GetNode(number);
  if (!node) return std::unexpected(node.error());
  const auto attributes = tools_.index.GetAttributes(node->attributes);
  if (!attributes) return std::unexpected(attributes.error());
  made_.push_back(number);
  return tools_.attributes.SetNewFolder(folder, number, *attributes);
}

// Children before parents, whose final modes may close the way to them.
void FolderMaker::Complete() {
  const auto complete = [&](NodeNumber number, bool is_new) -> Result<void> {
    const auto node = tools_.index.GetNode(number);
    if (!node) return std::unexpected(node.error());
    const auto attributes = tools_.index.GetAttributes(node->attributes);
    if (!attributes) return std::unexpected(attributes.error());
    const auto path = tools_.index.GetPath(number);
    if (!path) return std::unexpected(path.error());
    const auto folder = tools_.tree.OpenPath(*path, is_new ? O_RDONLY : O_PATH);
    if (!folder) return std::unexpected(folder.error());
    if (is_new)
      tools_.attributes.SetFullFolder(*folder, number, *node, *attributes);
    else
      tools_.attributes.SetTimes(*folder, number, *node);
    return {};
  };
  for (const NodeNumber number : std::views::reverse(made_))
    if (const auto done = complete(number, true); !done) tools_.report.Fault(number, done.error());
  // An extraction that was stopped made some of them: the next one completes them, but for what may be their user's.
  if (tools_.existing == Existing::kRefuse) return;
  for (const NodeNumber number : found_)
    if (const auto done = complete(number, false); !done) tools_.report.Fault(number, done.error());
}

}  // namespace quire
