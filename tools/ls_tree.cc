// SPDX-License-Identifier: Apache-2.0
#include <cstdio>
#include <string_view>
#include <utility>
#include <vector>

#include "format/escaping.h"
#include "format/pack/entry_path.h"
#include "tools/command.h"
#include "tools/ls_forms.h"
#include "tools/progress.h"

namespace quire {
namespace {

// Directories that are begun are on a stack of our own: no pack is too deep.
class TreeLister {
 public:
  TreeLister(const Listed& listed, bool escapes) : listed_(listed), index_(listed.pack.index()), escapes_(escapes) {}

  uint64_t List() {
    fmt::print("{}\n", Show(listed_.path.empty() ? "." : listed_.path));
    if (listed_.entry.node.kind == NodeKind::kDirectory)
      Begin(listed_.entry.node, "", listed_.path.size());
    else
      ++others_;
    while (!begun_.empty()) {
      Branch& branch = begun_.back();
      if (branch.next == branch.directory.child_count) {
        begun_.pop_back();
        continue;
      }
      const auto child = index_.GetChild(branch.directory, branch.next++);
      const bool is_last = branch.next == branch.directory.child_count;
      if (!child)
        Tell(child.error());
      else
        PrintEntry(*child, branch.indent + (is_last ? "└── " : "├── "), branch.indent + (is_last ? "    " : "│   "),
                   branch.path_bytes);
    }
    fmt::print("\n{}, {}\n", FormatAmount(directories_, "directory", "directories"),
               FormatAmount(others_, "file", "files"));
    return faults_;
  }

 private:
  struct Branch {
    Directory directory;
    uint64_t next;
    std::string indent;
    size_t path_bytes;
  };

  void Tell(const Error& error) {
    Fail("ls", error);
    ++faults_;
  }

  [[nodiscard]] std::string Show(std::string_view name) const {
    return escapes_ ? EscapeName(name) : std::string(name);
  }

  void Begin(const Node& node, std::string indent, size_t path_bytes) {
    const auto directory = index_.GetDirectory(node.content);
    if (!directory) return Tell(directory.error());
    begun_.push_back({*directory, 0, std::move(indent), path_bytes});
  }

  // `path_bytes`: of the directory.
  void PrintEntry(NodeNumber number, const std::string& branch, std::string indent_below, size_t path_bytes) {
    const auto entry = ReadEntry(index_, number);
    if (!entry) return Tell(entry.error());
    path_bytes = PathBytesBelow(path_bytes, entry->name.size());
    if (path_bytes > kMaxPathBytes) return Tell(PathTooLong(number));
    std::string line = branch + Show(entry->name);
    if (entry->node.kind == NodeKind::kSymlink) {
      const auto target = index_.GetTarget(entry->node);
      if (!target) return Tell(target.error());
      line += " -> " + Show(*target);
    }
    fmt::print("{}\n", line);
    const bool is_directory = entry->node.kind == NodeKind::kDirectory;
    ++(is_directory ? directories_ : others_);
    if (is_directory) Begin(entry->node, std::move(indent_below), path_bytes);
  }

  const Listed& listed_;
  const Index& index_;
  const bool escapes_;
  std::vector<Branch> begun_;
  uint64_t directories_ = 0;
  uint64_t others_ = 0;
  uint64_t faults_ = 0;
};

}  // namespace

uint64_t ListAsTree(const Listed& listed, bool escapes) { return TreeLister(listed, escapes).List(); }

}  // namespace quire
