// SPDX-License-Identifier: Apache-2.0
#include "tools/extract/entry_writer.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <climits>
#include <string_view>
#include <utility>
#include <vector>

#include "format/pack/sample_content.h"

namespace quire {
namespace {

bool IsSymlinkTo(const File& folder, const std::string& name, std::string_view target) {
  std::array<char, PATH_MAX> there;
  const ssize_t bytes = readlinkat(folder.fd(), name.c_str(), there.data(), there.size());
  return bytes >= 0 && std::string_view(there.data(), static_cast<size_t>(bytes)) == target;
}

}  // namespace

std::unexpected<Error> IsThereAlready() {
  return std::unexpected(Error{ErrorCode::kSystem, EEXIST,
                               "is there already; --skip-existing keeps what is there, --overwrite replaces it"});
}

Result<Node> GetContentNode(const Index& index, NodeNumber place) {
  auto node = index.GetNode(place);
  if (!node || node->kind != NodeKind::kHardLink) return node;
  return index.GetLinkedNode(place, *node);
}

Result<std::string> GetEntryName(const Index& index, NodeNumber place) {
  const auto node = index.GetNode(place);
  if (!node) return std::unexpected(node.error());
  const auto name = index.GetName(*node);
  if (!name) return std::unexpected(name.error());
  return std::string(*name);
}

void EntryWriter::Run(const ExtractTask& task) {
  switch (task.kind) {
    case ExtractTask::Kind::kSamples:
      return MakeSamples(std::span(plan_.pieces).subspan(task.first, task.count));
    case ExtractTask::Kind::kLargeSample:
      return MakePartOfLarge(task);
    case ExtractTask::Kind::kSymlinks:
      break;
  }
  FolderCursor cursor(tools_.index, tools_.tree);
  for (const NodeNumber place : std::span(plan_.symlinks).subspan(task.first, task.count)) {
    if (tools_.report.is_ended()) return;
    if (auto made = MakeSymlink(cursor, place); !made) tools_.report.Fault(place, made.error());
  }
}

bool EntryWriter::WasMade(NodeNumber place) const {
  const MutexLock lock(mutex_);
  return made_.contains(place);
}

// Before anything is read; what appears later is met when the file gets its name.
bool EntryWriter::IsToBeSkipped(FolderCursor& cursor, NodeNumber place) {
  if (tools_.existing != Existing::kSkip) return false;
  const auto folder = cursor.FolderOf(place);
  const auto name = GetEntryName(tools_.index, place);
  struct stat status{};
  if (!folder || !name || fstatat((*folder)->fd(), name->c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) return false;
  ++tools_.report.entries_done;
  return true;
}

void EntryWriter::MakeSamples(std::span<const Piece> pieces) {
  FolderCursor cursor(tools_.index, tools_.tree);
  std::vector<Piece> missing;
  if (tools_.existing == Existing::kSkip) {
    for (const Piece& piece : pieces) {
      if (IsToBeSkipped(cursor, piece.place_or_offset))
        tools_.report.bytes_done += piece.length_bytes;
      else
        missing.push_back(piece);
    }
    pieces = missing;
  }
  if (pieces.empty() || tools_.report.is_ended()) return;
  tools_.copy.Read(pieces, [&](const Piece& piece, Result<std::span<const std::byte>> bytes) {
    auto made = bytes ? MakeSample(cursor, piece.place_or_offset, *bytes) : Propagate(std::move(bytes));
    if (!made) tools_.report.Fault(piece.place_or_offset, made.error());
    tools_.report.bytes_done += piece.length_bytes;
    return !tools_.report.is_ended();
  });
}

Result<void> EntryWriter::MakeSample(FolderCursor& cursor, NodeNumber place, std::span<const std::byte> bytes) {
  const auto node = GetContentNode(tools_.index, place);
  if (!node) return std::unexpected(node.error());
  if (!bytes.empty()) {
    const auto extent = tools_.index.GetExtent(node->content);
    if (!extent) return std::unexpected(extent.error());
    if (auto good = tools_.copy.Check(*extent, bytes); !good) return good;
  }
  const auto attributes = tools_.index.GetAttributes(node->attributes);
  if (!attributes) return std::unexpected(attributes.error());
  const auto folder = cursor.FolderOf(place);
  if (!folder) return std::unexpected(folder.error());
  auto file = tools_.files.Make(*folder, tools_.attributes.FileMode(*attributes));
  if (!file) return Propagate(std::move(file));
  if (!bytes.empty())
    if (auto written = file->file().WriteAll(0, bytes); !written) return written;
  return Finish(*file, place, *node);
}

Result<void> EntryWriter::Finish(NewFile& file, NodeNumber place, const Node& node) {
  const auto attributes = tools_.index.GetAttributes(node.attributes);
  if (!attributes) return std::unexpected(attributes.error());
  const auto name = GetEntryName(tools_.index, place);
  if (!name) return std::unexpected(name.error());
  if (auto set = tools_.attributes.SetAll(file.file(), place, node, *attributes); !set) return set;
  auto named = file.Name(*name, tools_.existing == Existing::kOverwrite);
  if (!named && named.error().system_errno == EEXIST) return MeetExisting();
  if (!named) return named;
  CountDone(place, node);
  return {};
}

// What another program, another extraction say, has made since it was looked for.
Result<void> EntryWriter::MeetExisting() {
  if (tools_.existing != Existing::kSkip) return IsThereAlready();
  ++tools_.report.entries_done;
  return {};
}

void EntryWriter::CountDone(NodeNumber place, const Node& node) {
  ++tools_.report.entries_done;
  const auto attributes = tools_.index.GetAttributes(node.attributes);
  if (!attributes || attributes->nlink < 2) return;
  const MutexLock lock(mutex_);
  made_.insert(place);
}

void EntryWriter::MakePartOfLarge(const ExtractTask& task) {
  const LargeSample& sample = plan_.large_samples[task.large_sample];
  std::shared_ptr<LargeFile> large;
  {
    const MutexLock lock(mutex_);
    auto& slot = large_files_[task.large_sample];
    if (slot == nullptr) slot = std::make_shared<LargeFile>(sample.tasks);
    large = slot;
  }
  const auto fail = [&](const Error& error) {
    const MutexLock lock(large->mutex);
    if (large->is_wanted) tools_.report.Fault(sample.place, error);
    large->is_wanted = false;
  };
  const auto node = GetContentNode(tools_.index, sample.place);
  bool is_wanted = false;
  {
    const MutexLock lock(large->mutex);
    if (!large->is_started) {
      large->is_started = true;
      const auto started = node ? StartLarge(*large, sample.place, *node) : std::unexpected(node.error());
      if (!started) tools_.report.Fault(sample.place, started.error());
    }
    is_wanted = large->is_wanted;
  }
  const auto pieces = std::span(plan_.large_pieces).subspan(task.first, task.count);
  if (is_wanted) {
    tools_.copy.Read(pieces, [&](const Piece& piece, Result<std::span<const std::byte>> bytes) {
      const auto run = FindRun(tools_.index, *node, piece.place_or_offset);
      const auto extent =
          run && run->extent ? tools_.index.GetExtent(*run->extent) : Corrupt("no bytes at {}", piece.place_or_offset);
      Result<void> copied;
      if (!bytes)
        copied = Propagate(std::move(bytes));
      else if (!extent)
        copied = std::unexpected(extent.error());
      else if (copied = tools_.copy.Check(*extent, *bytes); copied)
        copied = tools_.copy.Write(large->file.file(), piece.place_or_offset, *extent, *bytes);
      if (!copied) fail(copied.error());
      return copied.has_value() && !tools_.report.is_ended();
    });
  }
  for (const Piece& piece : pieces) tools_.report.bytes_done += piece.length_bytes;
  if (!EndTask(*large, sample.place)) return;
  const MutexLock lock(mutex_);
  large_files_.erase(task.large_sample);
}

Result<void> EntryWriter::StartLarge(LargeFile& large, NodeNumber place, const Node& node) {
  FolderCursor cursor(tools_.index, tools_.tree);
  if (tools_.report.is_ended() || IsToBeSkipped(cursor, place)) return {};
  const auto attributes = tools_.index.GetAttributes(node.attributes);
  if (!attributes) return std::unexpected(attributes.error());
  const auto folder = cursor.FolderOf(place);
  if (!folder) return std::unexpected(folder.error());
  auto file = tools_.files.Make(*folder, tools_.attributes.FileMode(*attributes));
  if (!file) return Propagate(std::move(file));
  if (ftruncate(file->file().fd(), static_cast<off_t>(node.size_bytes)) != 0)
    return SystemError(errno, "making a file of {} bytes", node.size_bytes);
  large.file = *std::move(file);
  large.is_wanted = true;
  return {};
}

bool EntryWriter::EndTask(LargeFile& large, NodeNumber place) {
  const MutexLock lock(large.mutex);
  if (--large.tasks_left > 0) return false;
  if (large.is_wanted && !tools_.report.is_ended()) {
    const auto node = GetContentNode(tools_.index, place);
    const auto finished = node ? Finish(large.file, place, *node) : std::unexpected(node.error());
    if (!finished) tools_.report.Fault(place, finished.error());
  }
  large.file = NewFile();
  return true;
}

Result<void> EntryWriter::MakeSymlink(FolderCursor& cursor, NodeNumber place) {
  const auto node = GetContentNode(tools_.index, place);
  if (!node) return std::unexpected(node.error());
  const auto attributes = tools_.index.GetAttributes(node->attributes);
  if (!attributes) return std::unexpected(attributes.error());
  const auto target_bytes = tools_.index.GetTarget(*node);
  if (!target_bytes) return std::unexpected(target_bytes.error());
  const std::string target(*target_bytes);
  const auto name = GetEntryName(tools_.index, place);
  if (!name) return std::unexpected(name.error());
  const auto folder = cursor.FolderOf(place);
  if (!folder) return std::unexpected(folder.error());
  if (symlinkat(target.c_str(), (*folder)->fd(), name->c_str()) != 0) {
    if (errno != EEXIST) return SystemError(errno, "making the symlink");
    if (tools_.existing == Existing::kSkip && !IsSymlinkTo(**folder, *name, target)) return MeetExisting();
    if (tools_.existing == Existing::kRefuse) return IsThereAlready();
    if (tools_.existing == Existing::kOverwrite)
      if (auto replaced = ReplaceBySymlink(**folder, target, *name); !replaced) return replaced;
  }
  // Also of one that was there and leads to the same: an extraction may have been stopped before this.
  tools_.attributes.SetSymlink(**folder, *name, place, *node, *attributes);
  CountDone(place, *node);
  return {};
}

Result<void> EntryWriter::ReplaceBySymlink(const File& folder, const std::string& target, const std::string& name) {
  const std::string temporary = TemporaryName();
  if (symlinkat(target.c_str(), folder.fd(), temporary.c_str()) != 0) return SystemError(errno, "making the symlink");
  const int failed = RenameInFolder(folder, temporary, name, true);
  if (failed == 0) return {};
  unlinkat(folder.fd(), temporary.c_str(), 0);
  return SystemError(failed, "replacing what is there");
}

}  // namespace quire
