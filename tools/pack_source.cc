// SPDX-License-Identifier: Apache-2.0
#include "tools/pack_source.h"

#include <fcntl.h>

#include <filesystem>
#include <utility>

#include "cache/remote/remote_object.h"
#include "cache/tier/pack_tier.h"
#include "format/file.h"
#include "format/import/left_out.h"
#include "tools/archive_names.h"
#include "tools/index_cache.h"
#include "tools/interrupt.h"

namespace quire {
namespace {

// Whether the file at `path`, which is no pack, is an archive; an error where it is one that cannot be read as it is.
Result<bool> IsArchive(const std::string& path) {
  std::error_code error;
  if (!std::filesystem::is_regular_file(path, error)) return false;
  const auto file = File::Open(path, O_RDONLY);
  if (!file) return false;
  const uint64_t bytes = std::filesystem::file_size(path, error);
  const auto archive = OpenArchive(*file, error ? 0 : bytes, [](std::string_view, std::string_view) {});
  if (!archive && archive.error().code == ErrorCode::kCorrupt) return false;
  if (!archive) return MakeError(archive.error().code, "{}: {}", path, archive.error().message);
  // Zeros are a tar without members, and what becomes of a pack that was lost.
  Member member;
  const auto has_member = (*archive)->Next(member);
  return has_member && *has_member;
}

Result<std::unique_ptr<Pack>> OpenUrl(const std::string& url, const SourceOptions& options) {
  RemoteOptions remote = options.remote;
  remote.interrupted = InterruptFlag();
  auto object = OpenRemoteObject(url, remote, options.tier);
  if (!object) return Propagate(std::move(object));
  auto pack = Pack::Open(*std::move(object), url, options.generation);
  if (pack && (*pack)->has_other_files())
    return Unsupported("{}: is an index of archives, which must lie where the archives can be opened: copy it there",
                       url);
  if (!pack) return pack;
  if (auto opened = OpenTierParts(**pack); !opened) return Propagate(std::move(opened));
  (*pack)->OpenVolumes({});
  return pack;
}

}  // namespace

void AddSourceOptions(Command& command, SourceOptions& options) {
  constexpr const char* kGroup = "Archives in place of a pack";
  command
      .Add("--volumes", options.volumes, "An archive, or a folder of them, outside of PACK's folder that it may read")
      .Type("PATH")
      .OneWord()
      .Group(kGroup);
  command.Add("--index", options.index, "Where the index of an archive lies; default: in ~/.cache/quire")
      .Type("FILE")
      .Group(kGroup);
  command.AddFlag("--beside", options.beside, "The index lies beside the archive, as ARCHIVE.quire").Group(kGroup);
  constexpr const char* kUrlGroup = "Packs by URL";
  command.Add("--ca-file", options.remote.ca_file, "Certificates that are trusted in place of the system's")
      .Type("FILE")
      .Group(kUrlGroup);
  command
      .Add("--header-file", options.remote.header_file,
           "Lines 'Name: value' that are sent along with each request; users and passwords stand in ~/.netrc")
      .Type("FILE")
      .Group(kUrlGroup);
  command.Add("--retry", options.remote.retry_s, "Seconds for which a request that fails is repeated")
      .ShowDefault()
      .Type("SECONDS")
      .Group(kUrlGroup);
  command
      .Add("--profile", options.remote.profile,
           "Of s3://: the profile of ~/.aws that tells keys, region and endpoint; default: AWS_PROFILE, or 'default'")
      .Type("NAME")
      .Group(kUrlGroup);
  command.AddFlag("--anonymous", options.remote.is_anonymous, "Of s3://: requests are not signed").Group(kUrlGroup);
  command
      .AddFlag("--requester-pays", options.remote.requester_pays,
               "Of s3://: you pay for requests, not the bucket's owner")
      .Group(kUrlGroup);
}

void AddGenerationOption(Command& command, SourceOptions& options) {
  command.Add("--generation", options.generation, "The generation of PACK that is read; default: the newest")
      .Positive()
      .Type("N");
}

Result<std::unique_ptr<Pack>> OpenSource(const std::string& source, const SourceOptions& options,
                                         const std::string& command, ProgressMode progress_mode) {
  if (IsUrl(source)) return OpenUrl(source, options);
  const auto index_beside = [&](const std::string& archive) {
    return options.beside ? archive + ".quire" : options.index;
  };
  if (!IsArchivePattern(source)) {
    auto pack = Pack::Open(source, options.generation);
    if (pack) (*pack)->OpenVolumes(options.volumes);
    if (pack || pack.error().code != ErrorCode::kCorrupt) return pack;
    // What has an index is an archive. To look at one with millions of members takes longer than to mount it.
    if (auto index = FindIndexOf(
            {.archives = {{.path = source, .top = ""}}, .path = index_beside(source), .on_notice = nullptr}))
      return index;
    const auto is_archive = IsArchive(source);
    if (!is_archive) return std::unexpected(is_archive.error());
    if (!*is_archive) {
      std::string& message = pack.error().message;
      if (message.ends_with("not a Quire pack")) message += ", and no archive that is read in place of one";
      return pack;
    }
  }
  auto archives = ExpandArchives(source);
  if (!archives) return Propagate(std::move(archives));
  IndexProgress counters;
  Progress progress(progress_mode, [&]() -> ProgressState {
    return {.what = "indexing", .counts = FormatAmount(counters.members, "member", "members")};
  });
  IndexRequest request{
      .path = index_beside(archives->front()),
      .on_notice = [&](const std::string& sentence) { progress.PrintLine(fmt::format("{}: {}", command, sentence)); },
      .progress = &counters};
  for (const std::string& path : *archives) request.archives.push_back({.path = path, .top = ""});
  return OpenIndexOf(request);
}

bool TellLeftOut(const Pack& pack, const std::string& command,
                 const std::function<void(const std::string& line)>& print) {
  const auto left_out = DescribeLeftOut(pack.superblock());
  if (left_out) print(fmt::format("{}: {}", command, *left_out));
  return left_out.has_value();
}

}  // namespace quire
