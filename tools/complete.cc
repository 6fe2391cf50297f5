// SPDX-License-Identifier: Apache-2.0
// What `quire complete -- WORDS...` prints for the scripts in packaging/completions/. The last of WORDS, maybe empty,
// is the one to complete, as far as the cursor. The first line says what could stand there, in fields between tabs:
//
//   words                   one of the following lines
//   paths                   the same, to be quoted as paths are: of entries in a pack, of mount points
//   files PREFIX PATTERN    a file that matches PATTERN where that is not empty, or a folder on the way to one
//   dirs PREFIX             a folder
//
// PREFIX is what precedes the name in the word, "log_file=" say. Each further line is a whole word and, behind a tab if
// there is one, its description. A space belongs behind the word unless it ends with '=', ':' or '/'. Words that are
// not fit for a terminal, which would show them, are left out (format/escaping.h).
#include "tools/complete.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <ranges>
#include <string_view>

#include "format/escaping.h"
#include "format/pack/pack.h"
#include "format/pack/path_resolver.h"
#include "fs/mounts/mount_table.h"
#include "fs/options/mount_options.h"
#include "tools/command.h"
#include "tools/command_words.h"

namespace quire {
namespace {

constexpr size_t kMaxCandidates = 10'000;  // more than anyone looks through; a folder may hold millions
constexpr const char* kPackPattern = "*.quire";

void AddCandidate(Completion& completion, std::string_view word, std::string text, std::string_view description = {}) {
  if (text.starts_with(word)) completion.candidates.push_back({std::move(text), std::string(description)});
}

// Adds `prefix` and each of `choices`, "auto|on|off".
void AddChoices(Completion& completion, std::string_view word, std::string_view prefix, std::string_view choices,
                char separator) {
  for (const auto choice : std::views::split(choices, separator))
    AddCandidate(completion, word, fmt::format("{}{}", prefix, std::string_view(choice)));
}

// As the shell will expand it when the line is run.
std::string ExpandHome(const std::string& path) {
  const char* const home = std::getenv("HOME");
  return path.starts_with("~/") && home != nullptr ? home + path.substr(1) : path;
}

enum class Wanted : bool { kAll, kDirectories };

// Adds `prefix` and the paths of what `index` holds that begin with `path`, to the next '/'.
Result<void> AddEntries(Completion& completion, const Index& index, std::string_view prefix, std::string_view path,
                        Wanted wanted) {
  const std::string_view folder = path.substr(0, path.rfind('/') + 1);
  const std::string_view stem = path.substr(folder.size());
  const auto number = ResolvePath(index, folder, LastSymlink::kFollow);
  if (!number) return std::unexpected(number.error());
  const auto node = index.GetNode(*number);
  if (!node) return std::unexpected(node.error());
  if (node->kind != NodeKind::kDirectory) return {};
  const auto directory = index.GetDirectory(node->content);
  if (!directory) return std::unexpected(directory.error());

  // Children are sorted by name. One that cannot be read is passed over, wherever it stands.
  const auto node_of = [&](uint64_t child) -> Result<Node> {
    const auto child_number = index.GetChild(*directory, child);
    return child_number ? index.GetNode(*child_number) : std::unexpected(child_number.error());
  };
  const auto name_of = [&](uint64_t child) -> std::string_view {
    const auto child_node = node_of(child);
    const auto name = child_node ? index.GetName(*child_node) : std::unexpected(child_node.error());
    return name.value_or(std::string_view());
  };
  const auto children = std::views::iota(uint64_t{0}, directory->child_count);
  const auto begin = std::ranges::partition_point(children, [&](uint64_t child) { return name_of(child) < stem; });
  for (const uint64_t child : std::ranges::subrange(begin, children.end())) {
    const std::string_view name = name_of(child);
    if (name.empty()) continue;
    if (!name.starts_with(stem) || completion.candidates.size() == kMaxCandidates) break;
    const bool is_directory = node_of(child)->kind == NodeKind::kDirectory;
    if (wanted == Wanted::kDirectories && !is_directory) continue;
    completion.candidates.push_back({fmt::format("{}{}{}{}", prefix, folder, name, is_directory ? "/" : "")});
  }
  return {};
}

Completion CompleteEntry(const std::string& pack_path, std::string_view prefix, std::string_view path, Wanted wanted) {
  Completion completion{.kind = Completion::Kind::kPaths};
  const std::string expanded = ExpandHome(pack_path);
  std::error_code error;
  const auto type = std::filesystem::status(expanded, error).type();
  // A FIFO would wait for a writer, and the shell with it.
  if (type != std::filesystem::file_type::regular && type != std::filesystem::file_type::block) return completion;
  if (const auto pack = Pack::Open(expanded); pack && !AddEntries(completion, (*pack)->index(), prefix, path, wanted))
    completion.candidates.clear();
  return completion;
}

Completion CompleteMountPoint(const std::string& word) {
  Completion completion{.kind = Completion::Kind::kPaths};
  for (const MountEntry& mount : ListMounts())
    if (mount.type == kMountType) AddCandidate(completion, word, mount.mount_point, mount.source);
  // A relative path, most likely.
  return completion.candidates.empty() ? Completion{.kind = Completion::Kind::kDirectories} : completion;
}

// The last part of the list that begins at byte `list_at` of `word`. `pack` may be empty.
Completion CompleteMountOption(const std::string& word, size_t list_at, const std::string& pack) {
  const size_t comma = word.rfind(',');
  const size_t part_at = comma == std::string::npos ? list_at : std::max(list_at, comma + 1);
  const size_t equals = word.find('=', part_at);
  Completion completion;
  if (equals == std::string::npos) {
    for (const auto& option : DescribeMountOptions())
      if (!option.name.ends_with('*'))
        AddCandidate(completion, word,
                     fmt::format("{}{}{}", word.substr(0, part_at), option.name, option.value.empty() ? "" : "="),
                     option.text);
    return completion;
  }
  const auto table = DescribeMountOptions();
  const auto option = std::ranges::find(table, word.substr(part_at, equals - part_at), &MountOptionDescription::name);
  if (option == table.end()) return completion;
  const std::string prefix = word.substr(0, equals + 1);
  if (option->name == "subdir") return CompleteEntry(pack, prefix, word.substr(prefix.size()), Wanted::kDirectories);
  if (option->value == "PATH") return {.kind = Completion::Kind::kFiles, .prefix = prefix};
  if (option->value.contains('|')) AddChoices(completion, word, prefix, option->value, '|');
  return completion;
}

// Of `quire pack --order`.
Completion CompleteOrder(const std::string& word, size_t value_at) {
  const std::string_view value = std::string_view(word).substr(value_at);
  if (value.starts_with("list:") || value.starts_with("list0:"))
    return {.kind = Completion::Kind::kFiles, .prefix = word.substr(0, value_at + value.find(':') + 1)};
  Completion completion;
  AddCandidate(completion, word, word.substr(0, value_at) + "path", "sorted by path");
  AddCandidate(completion, word, word.substr(0, value_at) + "shuffle:", "at random, by the number that follows");
  AddCandidate(completion, word, word.substr(0, value_at) + "list:", "as the lines of a file say");
  AddCandidate(completion, word, word.substr(0, value_at) + "list0:", "the same, separated by NUL");
  return completion;
}

// "TYPE:CHECK:...", as CLI11 has it; a check for one of several is "{a,b}", or "value in {a->1,b->2} OR ...".
std::vector<std::string> ChoicesOf(const std::string& type_name) {
  const size_t open = type_name.find('{');
  if (open == std::string::npos) return {};
  std::vector<std::string> choices;
  const std::string list = type_name.substr(open + 1, type_name.find('}', open) - open - 1);
  for (const auto choice : std::views::split(list, ',')) {
    const std::string_view text(choice);
    choices.emplace_back(text.substr(0, text.find("->")));
  }
  return choices;
}

// The words so far, and what they leave open.
class CommandLine {
 public:
  explicit CommandLine(Command root) : root_(root), words_(root) {}

  // A word before the one to complete.
  void Take(const std::string& word) {
    if (words_.command() == root_ && word == kHelpCommand) return;  // what follows is a command as well
    if (words_.Take(word) == CommandWords::Role::kPositional) MountWithoutSaying();
  }

  Completion Complete(const std::string& word) {
    if (words_.awaits_value()) return CompleteValue(*words_.awaits_value(), word, 0);
    if (!words_.takes_options() || !word.starts_with('-')) return CompletePositional(word);
    const CommandWords::OptionWord open = words_.ParseOption(word);
    if (open.value_at != std::string::npos) return CompleteValue(*open.option, word, open.value_at);
    return CompleteOptionName(word);
  }

 private:
  // 'quire PACK DIR' is 'quire mount PACK DIR'.
  void MountWithoutSaying() {
    if (const auto mount = words_.command().FindSubcommand("mount")) words_.Enter(*mount);
  }

  [[nodiscard]] std::string PackName() const {
    const auto options = words_.command().positionals();
    for (size_t i = 0; i < std::min(options.size(), words_.positionals().size()); ++i)
      if (options[i].positional_name() == "PACK") return words_.positionals()[i];
    return {};
  }

  [[nodiscard]] Completion CompleteOptionName(const std::string& word) const {
    Completion completion;
    for (const Option& option : words_.command().options()) {
      for (const std::string& name : option.long_names())
        AddCandidate(completion, word, "--" + name, option.description());
      for (const std::string& name : option.short_names())
        AddCandidate(completion, word, "-" + name, option.description());
    }
    return completion;
  }

  [[nodiscard]] Completion CompleteValue(Option option, const std::string& word, size_t value_at) const {
    const std::string type_name = option.type();
    const std::string type = type_name.substr(0, type_name.find(':'));
    const std::string prefix = word.substr(0, value_at);
    if (type == "OPTION,...") return CompleteMountOption(word, value_at, PackName());
    if (type == "DIR" || type == "FOLDER") return {.kind = Completion::Kind::kDirectories, .prefix = prefix};
    if (type == "FILE") return {.kind = Completion::Kind::kFiles, .prefix = prefix};
    if (type == "OUT" || type == "PACK")
      return {.kind = Completion::Kind::kFiles, .prefix = prefix, .pattern = kPackPattern};
    if (type == "ORDER") return CompleteOrder(word, value_at);
    // The last of several values in one word.
    const size_t separator = option.delimiter() == '\0' ? std::string::npos : word.rfind(option.delimiter());
    const std::string values =
        separator == std::string::npos ? prefix : word.substr(0, std::max(value_at, separator + 1));
    Completion completion;
    for (const std::string& choice : ChoicesOf(type_name)) AddCandidate(completion, word, values + choice);
    return completion;
  }

  Completion CompletePositional(const std::string& word) {
    Completion completion;
    for (const Command& subcommand : words_.command().subcommands())
      AddCandidate(completion, word, subcommand.name(), subcommand.description());
    if (!completion.candidates.empty()) return completion;
    MountWithoutSaying();

    const auto options = words_.command().positionals();
    if (options.empty()) return completion;
    const size_t place = words_.positionals().size();
    if (place >= options.size() && !options.back().takes_list())
      return words_.takes_options() ? CompleteOptionName(word) : completion;
    const std::string name = options[std::min(place, options.size() - 1)].positional_name();
    if (name == "PACK" || words_.command().name() == "map")
      return {.kind = Completion::Kind::kFiles, .pattern = kPackPattern};
    const bool takes_mounts = words_.command().name() == "umount" || words_.command().name() == "stats";
    if (name == "DIR" && takes_mounts) return CompleteMountPoint(word);
    if (name == "DIR" || name == "SRC") return {.kind = Completion::Kind::kDirectories};
    // Of an entry where the command reads a pack, else of a file.
    if (const std::string pack = PackName(); !pack.empty()) return CompleteEntry(pack, {}, word, Wanted::kAll);
    return {.kind = Completion::Kind::kFiles};
  }

  Command root_;
  CommandWords words_;
};

void Print(const Completion& completion) {
  switch (completion.kind) {
    case Completion::Kind::kWords:
      fmt::print("words\n");
      break;
    case Completion::Kind::kPaths:
      fmt::print("paths\n");
      break;
    case Completion::Kind::kFiles:
      fmt::print("files\t{}\t{}\n", completion.prefix, completion.pattern);
      break;
    case Completion::Kind::kDirectories:
      fmt::print("dirs\t{}\n", completion.prefix);
      break;
  }
  for (const auto& [text, description] : completion.candidates) {
    if (!IsFitForTerminal(text)) continue;
    fmt::print("{}{}{}\n", text, description.empty() ? "" : "\t", description);
  }
}

}  // namespace

Completion Complete(Command root, std::span<const std::string> words) {
  if (words.empty()) return {};
  CommandLine line(root);
  for (const std::string& word : words.first(words.size() - 1)) line.Take(word);
  return line.Complete(words.back());
}

bool IsCompleteCommand(std::span<const std::string> line) {
  return line.size() > 1 && line[0] == "complete" && line[1] == "--";
}

int RunCompleteCommand(Command root, std::span<const std::string> line) {
  const Completion completion = Complete(root, line.subspan(2));
  if (IsFitForTerminal(completion.prefix)) Print(completion);
  return kExitOk;
}

}  // namespace quire
