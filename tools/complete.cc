// What `quire complete -- WORDS...` prints for the scripts in packaging/completions/. The last of WORDS, maybe empty,
// is the one to complete, as far as the cursor. The first line says what could stand there, in fields between tabs:
//
//   words                   one of the following lines
//   paths                   the same, to be quoted as paths are: of entries in a pack, of mount points
//   files PREFIX PATTERN    a file that matches PATTERN where that is not empty, or a folder on the way to one
//   dirs PREFIX             a folder
//
// PREFIX is what precedes the name in the word, "log_file=" say. Each further line is a whole word and, behind a tab if
// there is one, its description. A space belongs behind the word unless it ends with '=' or '/'. Words with control
// characters, which no line could carry, are left out.
#include "tools/complete.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <ranges>
#include <string_view>

#include "format/pack.h"
#include "format/path_resolver.h"
#include "fs/mount_options.h"
#include "fs/mount_table.h"
#include "tools/command.h"

namespace quire {
namespace {

constexpr size_t kMaxCandidates = 10'000;  // more than anyone looks through; a folder may hold millions
constexpr const char* kPackPattern = "*.quire";

bool TakesValue(const CLI::Option& option) { return option.get_items_expected_max() > 0; }

std::vector<const CLI::Option*> PositionalsOf(const CLI::App& app) {
  return app.get_options([](const CLI::Option* option) { return option->get_positional(); });
}

const CLI::App* FindSubcommand(const CLI::App& app, std::string_view name) {
  const auto found = app.get_subcommands([name](const CLI::App* sub) { return sub->get_name() == name; });
  return found.empty() ? nullptr : found.front();
}

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
  const auto name_of = [&index](NodeNumber child) -> std::string_view {
    const auto child_node = index.GetNode(child);
    const auto name = child_node ? index.GetName(*child_node) : std::unexpected(child_node.error());
    return name.value_or(std::string_view());
  };
  const auto children = std::views::iota(directory->first_child, directory->first_child + directory->child_count);
  const auto begin = std::ranges::partition_point(children, [&](NodeNumber child) { return name_of(child) < stem; });
  for (const NodeNumber child : std::ranges::subrange(begin, children.end())) {
    const std::string_view name = name_of(child);
    if (name.empty()) continue;
    if (!name.starts_with(stem) || completion.candidates.size() == kMaxCandidates) break;
    const bool is_directory = index.GetNode(child)->kind == NodeKind::kDirectory;
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
  explicit CommandLine(const CLI::App& app) : app_(&app) {}

  // A word before the one to complete.
  void Take(const std::string& word) {
    if (awaits_value_ != nullptr) {
      awaits_value_ = nullptr;
    } else if (!only_positionals_ && word == "--") {
      only_positionals_ = true;
    } else if (!only_positionals_ && word.starts_with('-')) {
      const OpenOption open = FindOpenOption(word);
      if (open.value_at == std::string::npos) awaits_value_ = open.option;
    } else if (const CLI::App* const subcommand = FindSubcommand(*app_, word)) {
      app_ = subcommand;
    } else {
      MountWithoutSaying();
      positionals_.push_back(word);
    }
  }

  Completion Complete(const std::string& word) {
    if (awaits_value_ != nullptr) return CompleteValue(*awaits_value_, word, 0);
    if (only_positionals_ || !word.starts_with('-')) return CompletePositional(word);
    const OpenOption open = FindOpenOption(word);
    if (open.value_at != std::string::npos) return CompleteValue(*open.option, word, open.value_at);
    return CompleteOptionName(word);
  }

 private:
  // An option that takes a value; byte `value_at` of the word begins it, or it is the next word.
  struct OpenOption {
    const CLI::Option* option = nullptr;
    size_t value_at = std::string::npos;
  };

  [[nodiscard]] OpenOption FindOpenOption(const std::string& word) const {
    if (word.starts_with("--")) {
      const size_t equals = word.find('=');
      const CLI::Option* const option = app_->get_option_no_throw(word.substr(0, equals));
      if (option == nullptr || !TakesValue(*option)) return {};
      return {option, equals == std::string::npos ? equals : equals + 1};
    }
    for (size_t i = 1; i < word.size(); ++i) {  // -lR, -oro
      const CLI::Option* const option = app_->get_option_no_throw({'-', word[i]});
      if (option == nullptr) return {};
      if (TakesValue(*option)) return {option, i + 1 < word.size() ? i + 1 : std::string::npos};
    }
    return {};
  }

  // 'quire PACK DIR' is 'quire mount PACK DIR'.
  void MountWithoutSaying() {
    if (const CLI::App* const mount = FindSubcommand(*app_, "mount")) app_ = mount;
  }

  [[nodiscard]] std::string PackName() const {
    const auto options = PositionalsOf(*app_);
    for (size_t i = 0; i < std::min(options.size(), positionals_.size()); ++i)
      if (options[i]->get_name(true) == "PACK") return positionals_[i];
    return {};
  }

  [[nodiscard]] Completion CompleteOptionName(const std::string& word) const {
    Completion completion;
    for (const CLI::Option* const option : app_->get_options()) {
      for (const std::string& name : option->get_lnames())
        AddCandidate(completion, word, "--" + name, option->get_description());
      for (const std::string& name : option->get_snames())
        AddCandidate(completion, word, "-" + name, option->get_description());
    }
    return completion;
  }

  [[nodiscard]] Completion CompleteValue(const CLI::Option& option, const std::string& word, size_t value_at) const {
    const std::string type_name = option.get_type_name();
    const std::string type = type_name.substr(0, type_name.find(':'));
    const std::string prefix = word.substr(0, value_at);
    if (type == "OPTION,...") return CompleteMountOption(word, value_at, PackName());
    if (type == "DIR" || type == "FOLDER") return {.kind = Completion::Kind::kDirectories, .prefix = prefix};
    if (type == "FILE") return {.kind = Completion::Kind::kFiles, .prefix = prefix};
    if (type == "OUT") return {.kind = Completion::Kind::kFiles, .prefix = prefix, .pattern = kPackPattern};
    Completion completion;
    for (const std::string& choice : ChoicesOf(type_name)) AddCandidate(completion, word, prefix + choice);
    return completion;
  }

  Completion CompletePositional(const std::string& word) {
    Completion completion;
    for (const CLI::App* const subcommand : app_->get_subcommands([](const CLI::App*) { return true; }))
      AddCandidate(completion, word, subcommand->get_name(), subcommand->get_description());
    if (!completion.candidates.empty()) return completion;
    MountWithoutSaying();

    const auto options = PositionalsOf(*app_);
    if (options.empty()) return completion;
    if (positionals_.size() >= options.size() && options.back()->get_items_expected_max() == 1)
      return only_positionals_ ? completion : CompleteOptionName(word);
    const std::string name = options[std::min(positionals_.size(), options.size() - 1)]->get_name(true);
    if (name == "PACK") return {.kind = Completion::Kind::kFiles, .pattern = kPackPattern};
    if (name == "DIR" && app_->get_name() == "umount") return CompleteMountPoint(word);
    if (name == "DIR" || name == "SRC") return {.kind = Completion::Kind::kDirectories};
    // Of an entry where the command reads a pack, else of a file.
    if (const std::string pack = PackName(); !pack.empty()) return CompleteEntry(pack, {}, word, Wanted::kAll);
    return {.kind = Completion::Kind::kFiles};
  }

  const CLI::App* app_;
  const CLI::Option* awaits_value_ = nullptr;
  bool only_positionals_ = false;  // a "--" went before
  std::vector<std::string> positionals_;
};

bool HasControlCharacters(std::string_view text) {
  return std::ranges::any_of(text, [](unsigned char c) { return c < 0x20 || c == 0x7f; });
}

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
    if (HasControlCharacters(text)) continue;
    fmt::print("{}{}{}\n", text, description.empty() ? "" : "\t", description);
  }
}

}  // namespace

Completion Complete(const CLI::App& app, std::span<const std::string> words) {
  if (words.empty()) return {};
  CommandLine line(app);
  for (const std::string& word : words.first(words.size() - 1)) line.Take(word);
  return line.Complete(words.back());
}

bool IsCompleteCommand(int argc, char** argv) {
  return argc > 2 && std::string_view(argv[1]) == "complete" && std::string_view(argv[2]) == "--";
}

int RunCompleteCommand(const CLI::App& app, int argc, char** argv) {
  const std::vector<std::string> words(argv + 3, argv + argc);
  const Completion completion = Complete(app, words);
  if (!HasControlCharacters(completion.prefix)) Print(completion);
  return kExitOk;
}

}  // namespace quire
