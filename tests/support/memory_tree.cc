// SPDX-License-Identifier: Apache-2.0
#include "tests/support/memory_tree.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <filesystem>
#include <fstream>
#include <random>
#include <sstream>

#include "format/coding.h"
#include "format/pack/path_resolver.h"
#include "format/pack/sample_content.h"
#include "format/worker_pool.h"
#include "format/write/index_tables.h"
#include "format/write/output_file.h"
#include "format/write/pack_writer.h"

namespace quire {
namespace {

namespace fs = std::filesystem;

constexpr timespec kMtime = {.tv_sec = 981173106, .tv_nsec = 7};

class MemorySource final : public SampleSource {
 public:
  explicit MemorySource(std::map<NodeNumber, const std::string*> contents) : contents_(std::move(contents)) {}
  [[nodiscard]] Result<void> Read(NodeNumber node, uint64_t file_offset, std::span<std::byte> into) const override {
    std::memcpy(into.data(), contents_.at(node)->data() + file_offset, into.size());
    return {};
  }

 private:
  const std::map<NodeNumber, const std::string*> contents_;
};

}  // namespace

MemoryTree::Entry& MemoryTree::Add(const std::string& path, NodeKind kind, std::string content) {
  for (fs::path parent = fs::path(path).parent_path();; parent = parent.parent_path()) {
    entries_.try_emplace(parent.string());
    if (parent.empty()) break;
  }
  return entries_[path] = {.kind = kind, .content = std::move(content), .ranges = {}, .xattrs = {}};
}

MemoryTree& MemoryTree::AddFile(const std::string& path, std::string content) {
  const NodeKind kind = content.size() > kPageBytes ? NodeKind::kSegmented : NodeKind::kFile;
  Entry& entry = Add(path, kind, std::move(content));
  entry.ranges = {{0, entry.content.size()}};
  return *this;
}

MemoryTree& MemoryTree::AddSparseFile(const std::string& path, std::string content,
                                      std::vector<std::pair<uint64_t, uint64_t>> ranges) {
  Add(path, NodeKind::kSegmented, std::move(content)).ranges = std::move(ranges);
  return *this;
}

MemoryTree& MemoryTree::AddSymlink(const std::string& path, std::string target) {
  Add(path, NodeKind::kSymlink, std::move(target));
  return *this;
}

MemoryTree& MemoryTree::AddHardLink(const std::string& path, std::string existing) {
  Add(path, NodeKind::kHardLink, std::move(existing));
  return *this;
}

MemoryTree& MemoryTree::AddDirectory(const std::string& path) {
  Add(path, NodeKind::kDirectory, "");
  return *this;
}

MemoryTree& MemoryTree::SetXattr(const std::string& path, const std::string& name, std::string value) {
  entries_.at(path).xattrs[name] = std::move(value);
  return *this;
}

std::map<std::string, std::string> MemoryTree::Contents() const {
  std::map<std::string, std::string> contents;
  for (const auto& [path, entry] : entries_) {
    if (entry.kind == NodeKind::kFile || entry.kind == NodeKind::kSegmented) contents[path] = entry.content;
    if (entry.kind == NodeKind::kHardLink) contents[path] = entries_.at(entry.content).content;
  }
  return contents;
}

void MemoryTree::WriteTo(const std::string& path, const SampleOrder& order, unsigned jobs,
                         const Compression* compression) const {
  const auto output = ValueOrDie(OutputFile::Create(path, true));
  IndexTables tables(output->folder());
  std::map<NodeNumber, const std::string*> contents;
  std::map<NodeNumber, std::vector<DataRange>> sparse;
  std::map<std::string, NodeNumber> numbers;
  std::map<std::string, uint32_t> names_of;  // how many hard links
  for (const auto& [link, entry] : entries_)
    if (entry.kind == NodeKind::kHardLink) ++names_of[entry.content];

  std::deque<std::string> pending = {""};
  const auto add = [&](const std::string& entry_path, const Entry& entry, uint32_t subdirectories) {
    const bool is_directory = entry.kind == NodeKind::kDirectory;
    const std::string name = fs::path(entry_path).filename().string();
    if (entry.kind == NodeKind::kHardLink) {
      ValueOrDie(tables.AddNode({.kind = entry.kind, .content = numbers.at(entry.content)}, name));
      return;
    }
    std::string list;
    for (const auto& [xattr, value] : entry.xattrs) list += EncodeXattr(xattr, value);
    Attributes attributes{
        .mode = is_directory ? 0755U : 0644U,
        .uid = 1000,
        .gid = 1000,
        .nlink = is_directory ? 2 + subdirectories : 1 + (names_of.contains(entry_path) ? names_of.at(entry_path) : 0)};
    OkOrDie(tables.InternXattrs(list, attributes));
    Node node{.mtime = EncodeMtime(kMtime),
              .size_bytes = is_directory ? 4096 : entry.content.size(),
              .attributes = ValueOrDie(tables.InternAttributes(attributes)),
              .kind = entry.kind};
    if (entry.kind == NodeKind::kSymlink) node.content = ValueOrDie(tables.AddText(entry.content));
    if (is_directory) {
      node.content = tables.directories.size();
      OkOrDie(tables.directories.Append({.node = tables.nodes.size()}));
    }
    const NodeNumber number = ValueOrDie(tables.AddNode(node, name));
    numbers[entry_path] = number;
    if (node.is_sample()) contents[number] = &entry.content;
    if (node.kind != NodeKind::kSegmented) return;
    std::vector<DataRange>& ranges = sparse[number];
    for (const auto& [offset, bytes] : entry.ranges) ranges.push_back({.offset = offset, .length_bytes = bytes});
  };
  const auto children_of = [&](const std::string& folder) {
    std::vector<std::string> children;
    for (const auto& [child, entry] : entries_)
      if (!child.empty() && fs::path(child).parent_path().string() == folder) children.push_back(child);
    return children;
  };
  const auto subdirectories_of = [&](const std::string& folder) {
    return static_cast<uint32_t>(std::ranges::count_if(
        children_of(folder), [&](const auto& child) { return entries_.at(child).kind == NodeKind::kDirectory; }));
  };
  add("", entries_.at(""), subdirectories_of(""));
  for (uint64_t directory = 0; !pending.empty(); ++directory) {
    const std::string folder = pending.front();
    pending.pop_front();
    tables.directories[directory].first_child = tables.nodes.size();
    for (const std::string& child : children_of(folder)) {
      const Entry& entry = entries_.at(child);
      if (entry.kind == NodeKind::kDirectory) pending.push_back(child);
      add(child, entry, entry.kind == NodeKind::kDirectory ? subdirectories_of(child) : 0);
    }
    tables.directories[directory].child_count = tables.nodes.size() - tables.directories[directory].first_child;
  }

  Spool<NodeNumber> samples(output->folder());
  OkOrDie(OrderSamples(order, tables, samples));
  const MemorySource source(std::move(contents));
  PackProgress progress;
  WorkerPool pool(jobs);
  CompressionReport report;
  ValueOrDie(WritePack({.tables = tables, .samples = samples, .sparse = sparse, .duplicates = {}, .source = source},
                       {.order = order,
                        .compression = compression,
                        .report = &report,
                        .on_unreadable = [](const std::string&, const std::string&) {},
                        .progress = &progress},
                       pool, *output));
}

// In memory where there is such a file system: tests that rewrite a pack ten thousand times should not wait for a disk.
TemporaryFolder::TemporaryFolder()
    : path_(((fs::is_directory("/dev/shm") ? fs::path("/dev/shm") : fs::temp_directory_path()) / "quire-test-XXXXXX")
                .string()) {
  if (mkdtemp(path_.data()) == nullptr) DieOf({ErrorCode::kSystem, errno, "mkdtemp"});
}

TemporaryFolder::~TemporaryFolder() { fs::remove_all(path_); }

std::string ReadFile(const std::string& path) {
  std::ostringstream bytes;
  bytes << std::ifstream(path, std::ios::binary).rdbuf();
  return bytes.str();
}

void WriteFile(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
}

std::string Noise(size_t bytes, uint64_t seed) {
  std::mt19937_64 generator(seed);
  std::string noise(bytes + 8, '\0');
  for (size_t at = 0; at < bytes; at += 8) StoreUint<8>(std::as_writable_bytes(std::span(noise)), at, generator());
  noise.resize(bytes);
  return noise;
}

std::string Text(size_t bytes, uint64_t seed) {
  std::minstd_rand random(static_cast<unsigned>(seed + 1));
  std::string text;
  while (text.size() < bytes) text += fmt::format("{:x} of {:x}\n", random() % 4096, random() % 65536);
  text.resize(bytes);
  return text;
}

void DieOf(const Error& error) {
  fmt::print(stderr, "unexpected error: {}\n", error.message);
  std::abort();
}

Result<std::string> ReadSampleAt(const Pack& pack, const std::string& path) {
  const Index& index = pack.index();
  const auto number = ResolvePath(index, path, LastSymlink::kKeep);
  if (!number) return std::unexpected(number.error());
  const auto node = index.GetNode(*number);
  if (!node) return std::unexpected(node.error());
  if (!node->is_sample()) return Corrupt("'{}' is not a sample", path);
  constexpr uint64_t kMostBytes = 64 << 20;  // a damaged size must not fill the memory
  if (node->size_bytes > kMostBytes) return Corrupt("'{}' is larger than any sample of a test", path);
  std::string content(node->size_bytes, '\0');
  for (uint64_t at = 0; at < node->size_bytes;) {
    const auto run = FindRun(index, *node, at);
    if (!run) return std::unexpected(run.error());
    if (run->extent) {
      const auto extent = index.GetExtent(*run->extent);
      if (!extent) return std::unexpected(extent.error());
      std::string bytes(extent->length_bytes, '\0');
      if (auto read = pack.ReadExtent(*extent, std::as_writable_bytes(std::span(bytes))); !read)
        return Propagate(std::move(read));
      content.replace(at, run->length_bytes, bytes, run->extent_offset, run->length_bytes);
    }
    at += run->length_bytes;
  }
  return content;
}

}  // namespace quire
