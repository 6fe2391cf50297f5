#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <unordered_map>

#include "cache/sample_reader.h"
#include "format/file.h"
#include "format/pack.h"
#include "format/path_resolver.h"
#include "tools/command.h"
#include "tools/progress.h"
#include "tools/read_once.h"

namespace quire {
namespace {

struct Arguments {
  std::string pack;
  std::vector<std::string> paths;
  std::string folder;
};

// Writes entries below one folder. Nothing that is there is overwritten, no symlink is followed: a hostile pack writes
// nowhere else. A fault is told and harms its entry only.
class Extractor {
 public:
  Extractor(const Index& index, SampleReader& reader, File root)
      : index_(index), reader_(reader), root_(std::move(root)) {}

  // Extracts `path` with all below it, its parents too (those with default modes).
  void ExtractPath(const std::string& path) {
    const auto number = ResolvePath(index_, path, LastSymlink::kKeep);
    if (!number) return Report(number.error());
    const auto full = index_.GetPath(*number);
    if (!full) return Report(full.error());
    if (*number == 0) return ExtractRoot();
    const std::filesystem::path where(*full);
    auto parent = OpenParents(where.parent_path());
    if (!parent) return Report(parent.error());
    ExtractEntry(*number, *parent, where.filename().string(), *full);
  }

  [[nodiscard]] bool good() const { return good_; }

 private:
  void ExtractRoot() {
    const auto node = index_.GetNode(0);
    if (!node) return Report(node.error());
    const int fd = openat(root_.fd(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return ReportSystem("", "open");
    const File folder(fd);
    ExtractChildren(*node, folder, "");
    Check("", SetMetadata(*node, folder));
  }

  Result<File> OpenParents(const std::filesystem::path& parents) {
    int fd = openat(root_.fd(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (const auto& name : parents) {
      const File parent(fd);
      mkdirat(parent.fd(), name.c_str(), 0777);  // where it fails, opening says why
      fd = openat(parent.fd(), name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
      if (fd < 0) return SystemError(errno, "{}: parent folder", EscapeName(parents.string()));
    }
    return File(fd);
  }

  void ExtractEntry(NodeNumber number, const File& parent, const std::string& name, const std::string& path) {
    const auto resolved = index_.Resolve(number);
    if (!resolved) return ReportAt(path, resolved.error());
    const auto node = index_.GetNode(*resolved);
    if (!node) return ReportAt(path, node.error());
    const auto attributes = index_.GetAttributes(node->attributes);
    if (!attributes) return ReportAt(path, attributes.error());
    if (node->kind != NodeKind::kDirectory && attributes->nlink > 1) {
      if (const auto first = first_names_.find(*resolved); first != first_names_.end()) {
        if (linkat(root_.fd(), first->second.c_str(), parent.fd(), name.c_str(), 0) != 0) ReportSystem(path, "link");
        return;
      }
    }
    Result<void> made;
    if (node->kind == NodeKind::kDirectory)
      made = MakeDirectory(*node, parent, name, path);
    else if (node->kind == NodeKind::kSymlink)
      made = MakeSymlink(*node, *attributes, parent, name);
    else
      made = MakeFile(*node, parent, name);
    if (!made) return ReportAt(path, made.error());
    if (node->kind != NodeKind::kDirectory && attributes->nlink > 1) first_names_.emplace(*resolved, path);
  }

  Result<void> MakeDirectory(const Node& node, const File& parent, const std::string& name, const std::string& path) {
    if (mkdirat(parent.fd(), name.c_str(), 0700) != 0 && errno != EEXIST) return SystemError(errno, "mkdir");
    const int fd = openat(parent.fd(), name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) return SystemError(errno, "opening the folder");
    const File folder(fd);
    ExtractChildren(node, folder, path);
    return SetMetadata(node, folder);  // last: making entries moves the mtime, and the mode may forbid it
  }

  void ExtractChildren(const Node& node, const File& folder, const std::string& path) {
    const auto directory = index_.GetDirectory(node.content);
    if (!directory) return ReportAt(path, directory.error());
    for (NodeNumber child = directory->first_child; child < directory->first_child + directory->child_count; ++child) {
      const auto child_node = index_.GetNode(child);
      const auto name = child_node ? index_.GetName(*child_node) : std::unexpected(child_node.error());
      if (!name) {
        ReportAt(path, name.error());
        continue;
      }
      ExtractEntry(child, folder, std::string(*name),
                   path.empty() ? std::string(*name) : fmt::format("{}/{}", path, *name));
    }
  }

  Result<void> MakeSymlink(const Node& node, const Attributes& attributes, const File& parent,
                           const std::string& name) {
    const auto target = index_.GetTarget(node);
    if (!target) return std::unexpected(target.error());
    if (symlinkat(std::string(*target).c_str(), parent.fd(), name.c_str()) != 0) return SystemError(errno, "symlink");
    if (fchownat(parent.fd(), name.c_str(), attributes.uid, attributes.gid, AT_SYMLINK_NOFOLLOW) != 0 && geteuid() == 0)
      return SystemError(errno, "chown");
    const std::array<timespec, 2> times = {DecodeMtime(node.mtime), DecodeMtime(node.mtime)};
    if (utimensat(parent.fd(), name.c_str(), times.data(), AT_SYMLINK_NOFOLLOW) != 0)
      return SystemError(errno, "setting the time");
    return {};
  }

  Result<void> MakeFile(const Node& node, const File& parent, const std::string& name) {
    const int fd = openat(parent.fd(), name.c_str(), O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0) return SystemError(errno, "{}", errno == EEXIST ? "nothing is overwritten" : "open");
    const File file(fd);
    auto written = WriteContent(node, file);
    if (written) written = SetMetadata(node, file);
    if (!written) unlinkat(parent.fd(), name.c_str(), 0);  // no half sample under its name
    return written;
  }

  Result<void> WriteContent(const Node& node, const File& file) {
    if (ftruncate(file.fd(), static_cast<off_t>(node.size_bytes)) != 0) return SystemError(errno, "truncate");
    for (uint64_t at = 0; at < node.size_bytes;) {
      const auto run = index_.FindRun(node, at);
      if (!run) return std::unexpected(run.error());
      if (run->extent) {
        const auto bytes = reader_.Read(node, at, run->length_bytes);
        if (!bytes) return std::unexpected(bytes.error());
        uint64_t to = at;
        for (const std::span<const std::byte> slice : bytes->slices()) {
          if (auto written = file.WriteAll(to, slice); !written) return written;
          to += slice.size();
        }
      }
      at += run->length_bytes;
    }
    return {};
  }

  // Owner before mode (chown clears set-user-ID), extended attributes before a mode that forbids them, times last.
  Result<void> SetMetadata(const Node& node, const File& file) {
    const auto attributes = index_.GetAttributes(node.attributes);
    if (!attributes) return std::unexpected(attributes.error());
    Result<void> set;
    auto listed = index_.ForEachXattr(*attributes, [&](const Xattr& xattr) {
      if (fsetxattr(file.fd(), std::string(xattr.name).c_str(), xattr.value.data(), xattr.value.size(), 0) != 0)
        set = SystemError(errno, "setting {}", xattr.name);
      return set.has_value();
    });
    if (!listed) return listed;
    if (!set) return set;
    // Only root can give files away; for others they are their own, as with tar.
    if (fchown(file.fd(), attributes->uid, attributes->gid) != 0 && geteuid() == 0) return SystemError(errno, "chown");
    if (fchmod(file.fd(), attributes->mode) != 0) return SystemError(errno, "chmod");
    const std::array<timespec, 2> times = {DecodeMtime(node.mtime), DecodeMtime(node.mtime)};
    if (futimens(file.fd(), times.data()) != 0) return SystemError(errno, "setting the time");
    return {};
  }

  void Check(const std::string& path, const Result<void>& done) {
    if (!done) ReportAt(path, done.error());
  }
  void ReportAt(const std::string& path, Error error) {
    error.message = fmt::format("'{}': {}", EscapeName(path), error.message);
    Report(error);
  }
  void ReportSystem(const std::string& path, const char* what) {
    ReportAt(path, SystemError(errno, "{}", what).error());
  }
  void Report(const Error& error) {
    Fail("extract", error);
    good_ = false;
  }

  const Index& index_;
  SampleReader& reader_;
  const File root_;
  std::unordered_map<NodeNumber, std::string> first_names_;  // of extracted nodes with several names, below root_
  bool good_ = true;
};

int RunExtract(const Arguments& arguments) {
  const auto pack = Pack::Open(arguments.pack);
  if (!pack) return Fail("extract", pack.error());
  const auto reader = SampleReader::Open(**pack, kReadOnce);
  if (!reader) return Fail("extract", reader.error());
  if (mkdir(arguments.folder.c_str(), 0777) != 0 && errno != EEXIST)
    return Fail("extract", SystemError(errno, "{}", arguments.folder).error());
  auto root = File::Open(arguments.folder, O_RDONLY | O_DIRECTORY);
  if (!root) return Fail("extract", root.error());
  Extractor extractor((*pack)->index(), **reader, std::move(*root));
  if (arguments.paths.empty()) extractor.ExtractPath("");
  for (const std::string& path : arguments.paths) extractor.ExtractPath(path);
  return extractor.good() ? kExitOk : kExitFailed;
}

}  // namespace

void AddExtractCommand(CLI::App& app, Body& run) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App* extract = app.add_subcommand(
      "extract", "Write entries of a pack as files: modes, times, links, holes and owners (root) as they were");
  extract->add_option("PACK", arguments->pack, "Pack to read")->required();
  extract->add_option("PATH", arguments->paths, "Entries to extract, with all below; everything by default");
  extract
      ->add_option("-C,--directory", arguments->folder,
                   "Folder to write to; made if it is not there; nothing is overwritten")
      ->required()
      ->type_name("DIR");
  extract->callback([&run, arguments] { run = [arguments] { return RunExtract(*arguments); }; });
}

}  // namespace quire
