#include <unistd.h>

#include <cstdio>
#include <memory>

#include "format/pack.h"
#include "format/path_resolver.h"
#include "tools/command.h"
#include "tools/interrupt.h"
#include "tools/progress.h"

namespace quire {
namespace {

struct Arguments {
  std::string pack;
  std::string path;
  bool long_format = false;
  bool recursive = false;
};

char KindLetter(NodeKind kind) {
  if (kind == NodeKind::kDirectory) return 'd';
  return kind == NodeKind::kSymlink ? 'l' : '-';
}

// "drwxr-sr-x", as ls -l prints it.
std::string FormatMode(NodeKind kind, uint32_t mode) {
  std::string text(1, KindLetter(kind));
  for (int shift = 6; shift >= 0; shift -= 3)
    for (int bit = 2; bit >= 0; --bit) text += (mode >> (shift + bit) & 1U) != 0 ? "xwr"[bit] : '-';
  const auto mark = [&](uint32_t flag, size_t at, char with_x, char without_x) {
    if ((mode & flag) != 0) text[at] = text[at] == 'x' ? with_x : without_x;
  };
  mark(04000, 3, 's', 'S');
  mark(02000, 6, 's', 'S');
  mark(01000, 9, 't', 'T');
  return text;
}

class Lister {
 public:
  Lister(const Index& index, bool long_format)
      : index_(index), long_format_(long_format), escape_(isatty(STDOUT_FILENO) != 0) {}

  Result<void> PrintEntry(NodeNumber number, std::string_view name) const {
    std::string line;
    const auto resolved = index_.Resolve(number);
    if (!resolved) return std::unexpected(resolved.error());
    const auto node = index_.GetNode(*resolved);
    if (!node) return std::unexpected(node.error());
    if (long_format_) {
      const auto attributes = index_.GetAttributes(node->attributes);
      if (!attributes) return std::unexpected(attributes.error());
      const timespec mtime = DecodeMtime(node->mtime);
      std::array<char, 32> when = {};
      struct tm local{};
      localtime_r(&mtime.tv_sec, &local);
      strftime(when.data(), when.size(), "%Y-%m-%d %H:%M", &local);
      line = fmt::format("{} {:>3} {:>5} {:>5} {:>12} {} ", FormatMode(node->kind, attributes->mode), attributes->nlink,
                         attributes->uid, attributes->gid, node->size_bytes, when.data());
    }
    line += Show(name);
    if (long_format_ && node->kind == NodeKind::kSymlink) {
      const auto target = index_.GetTarget(*node);
      if (!target) return std::unexpected(target.error());
      line += " -> " + Show(*target);
    }
    line += '\n';
    fwrite(line.data(), 1, line.size(), stdout);
    return {};
  }

  // The entries of directory `number`; faults are told and passed over. Returns whether there were none.
  bool PrintDirectory(NodeNumber number, const std::string& path, bool recursive) const {
    const auto fault = [&](const Error& error) {
      Fail("ls", error);
      return false;
    };
    const auto node = index_.GetNode(number);
    if (!node) return fault(node.error());
    const auto directory = index_.GetDirectory(node->content);
    if (!directory) return fault(directory.error());
    bool good = true;
    std::vector<std::pair<NodeNumber, std::string>> below;
    for (NodeNumber child = directory->first_child; child < directory->first_child + directory->child_count; ++child) {
      const auto child_node = index_.GetNode(child);
      const auto name = child_node ? index_.GetName(*child_node) : std::unexpected(child_node.error());
      const auto printed = name ? PrintEntry(child, *name) : Propagate(Result<std::string_view>(name));
      if (!printed) {
        good = fault(printed.error());
        continue;
      }
      if (recursive && child_node->kind == NodeKind::kDirectory)
        below.emplace_back(child, path.empty() ? std::string(*name) : fmt::format("{}/{}", path, *name));
    }
    for (const auto& [child, child_path] : below) {
      fmt::print("\n{}:\n", Show(child_path));
      good = PrintDirectory(child, child_path, recursive) && good;
    }
    return good;
  }

 private:
  [[nodiscard]] std::string Show(std::string_view name) const { return escape_ ? EscapeName(name) : std::string(name); }

  const Index& index_;
  const bool long_format_;
  const bool escape_;  // a terminal must not be steered by a name
};

int RunLs(const Arguments& arguments) {
  HandleInterruptsInAThread();
  const auto pack = Pack::Open(arguments.pack);
  if (!pack) return Fail("ls", pack.error());
  const Index& index = (*pack)->index();
  const auto number =
      ResolvePath(index, arguments.path, arguments.long_format ? LastSymlink::kKeep : LastSymlink::kFollow);
  if (!number) return Fail("ls", number.error());
  const auto node = index.GetNode(*number);
  if (!node) return Fail("ls", node.error());
  const Lister lister(index, arguments.long_format);
  if (node->kind != NodeKind::kDirectory) {
    const auto printed = lister.PrintEntry(*number, arguments.path);
    return printed ? kExitOk : Fail("ls", printed.error());
  }
  if (arguments.recursive) fmt::print("{}:\n", arguments.path.empty() ? "." : arguments.path);
  return lister.PrintDirectory(*number, arguments.path, arguments.recursive) ? kExitOk : kExitFailed;
}

}  // namespace

void AddLsCommand(CLI::App& app, Body& run) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App* ls = app.add_subcommand("ls", "List what a pack holds, without mounting it");
  ls->add_option("PACK", arguments->pack, "Pack to read")->required();
  ls->add_option("PATH", arguments->path, "Directory or entry in the pack; the root by default");
  ls->add_flag("-l", arguments->long_format, "Mode, links, owner, group, size, time and symlink targets");
  ls->add_flag("-R,--recursive", arguments->recursive, "Directories below, too");
  ls->callback([&run, arguments] { run = [arguments] { return RunLs(*arguments); }; });
}

}  // namespace quire
