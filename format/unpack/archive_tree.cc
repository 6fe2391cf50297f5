// SPDX-License-Identifier: Apache-2.0
#include "format/unpack/archive_tree.h"

#include <fcntl.h>

#include <filesystem>
#include <utility>

#include "format/escaping.h"
#include "format/unpack/archive_form.h"
#include "format/unpack/unpacker.h"

namespace quire {

Result<bool> ArchiveTree::IsNeededFor(const std::vector<std::string>& paths) {
  for (const std::string& path : paths) {
    std::error_code error;
    if (!std::filesystem::is_regular_file(path, error)) continue;
    const auto file = File::Open(path, O_RDONLY);
    const uint64_t size_bytes = std::filesystem::file_size(path, error);
    if (!file || error) continue;
    const auto form = FindArchiveForm(*file, size_bytes);
    if (!form) return MakeError(form.error().code, "{}: {}", path, form.error().message);
    if (form->is_unpacked() && !form->is_indexed) return true;
  }
  return false;
}

Result<ScannedTree> ArchiveTree::Scan(const ScanOptions& options, WorkerPool& pool, IndexTables& tables,
                                      const std::string& spool_folder) {
  progress_.phase = PackProgress::Phase::kUnpack;
  const UnpackOptions unpack{
      .paths = paths_,
      .folder = spool_folder,
      .watch = {.bytes_read = &progress_.archive_bytes_done, .interrupted = options.interrupted},
      .bytes_total = &progress_.archive_bytes_total,
      .on_notice = on_notice_,
      .on_damage = [&](const std::string& archive, std::string_view member, std::string_view reason) {
        options.on_unreadable(member.empty() ? archive : fmt::format("{}: {}", archive, member), std::string(reason));
      }};
  auto unpacked = UnpackArchives(unpack, pool);
  if (!unpacked) return Propagate(std::move(unpacked));
  pack_ = *std::move(unpacked);
  progress_.phase = PackProgress::Phase::kScan;
  tree_.emplace(*pack_);
  return tree_->Scan(options, pool, tables, spool_folder);
}

}  // namespace quire
