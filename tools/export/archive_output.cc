// SPDX-License-Identifier: Apache-2.0
#include "tools/export/archive_output.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <string_view>
#include <utility>
#include <vector>

#include "format/export/tar_writer.h"
#include "tools/standard_streams.h"

namespace quire {
namespace {

// A u32 has no more.
constexpr unsigned kMaxDigits = 10;

}  // namespace

Result<ArchiveNames> ArchiveNames::Parse(const std::string& pattern) {
  const auto fault = [&] {
    return Invalid("-o {}: shards need names with one number in them, as in 'train-%06d.tar'", pattern);
  };
  const size_t percent = pattern.find('%');
  if (percent == pattern.npos) return fault();
  size_t at = percent + 1;
  if (at < pattern.size() && pattern[at] == '0') ++at;
  unsigned digits = 0;
  for (; at < pattern.size() && pattern[at] >= '0' && pattern[at] <= '9' && digits <= kMaxDigits; ++at)
    digits = 10 * digits + static_cast<unsigned>(pattern[at] - '0');
  if (digits > kMaxDigits || at == pattern.size() || pattern[at] != 'd' || pattern.find('%', at) != pattern.npos)
    return fault();
  return ArchiveNames(pattern.substr(0, percent), digits, pattern.substr(at + 1));
}

std::string ArchiveNames::Name(uint32_t archive) const {
  return has_number_ ? fmt::format("{}{:0{}}{}", before_, archive, digits_, behind_) : before_;
}

Result<void> ArchiveOutput::AtFile(Result<void> done) const {
  if (!done) done.error().message = fmt::format("{}: {}", name_, done.error().message);
  return done;
}

Result<void> ArchiveOutput::CheckNames(uint32_t archives) const {
  if (!is_file_ || replace_) return {};
  for (uint32_t number = 0; number < archives; ++number) {
    const std::string name = names_.Name(number);
    if (access(name.c_str(), F_OK) == 0) return SystemError(EEXIST, "{} (--force replaces it)", name);
  }
  return {};
}

std::optional<std::string> ArchiveOutput::FindOlder(uint32_t archives) const {
  if (!is_file_ || !names_.has_number()) return std::nullopt;
  std::string name = names_.Name(archives);
  return access(name.c_str(), F_OK) == 0 ? std::optional(std::move(name)) : std::nullopt;
}

Result<void> ArchiveOutput::Begin(uint32_t number) {
  bytes_ = 0;
  if (!is_file_) return {};
  name_ = names_.Name(number);
  auto file = OutputFile::Create(name_, replace_);
  if (!file) return Propagate(std::move(file));
  file_ = *std::move(file);
  return {};
}

Result<void> ArchiveOutput::Write(std::span<const std::byte> bytes) {
  if (!is_file_) {
    if (auto written = WriteToStdout(bytes); !written) return written;
  } else {
    if (auto written = AtFile(file_->file().WriteAll(bytes_, bytes)); !written) return written;
    // Write-back begins now, so that the sync at the end has little left to wait for. Only a hint: errors come back in
    // fsync.
    sync_file_range(file_->file().fd(), static_cast<off_t>(bytes_), static_cast<off_t>(bytes.size()),
                    SYNC_FILE_RANGE_WRITE);
  }
  bytes_ += bytes.size();
  return {};
}

Result<void> ArchiveOutput::TakeBack(uint64_t bytes) {
  if (ftruncate(file_->file().fd(), static_cast<off_t>(bytes)) != 0) return SystemError(errno, "{}", name_);
  bytes_ = bytes;
  return {};
}

Result<void> ArchiveOutput::End() {
  const std::vector<std::byte> zeros(TarEndBytes(bytes_));
  if (auto written = Write(zeros); !written) return written;
  if (!is_file_) return {};
  if (fsync(file_->file().fd()) != 0) return SystemError(errno, "{}: fsync", name_);
  if (auto committed = AtFile(file_->Commit()); !committed) return committed;
  file_.reset();
  return {};
}

}  // namespace quire
