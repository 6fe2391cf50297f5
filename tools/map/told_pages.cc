// SPDX-License-Identifier: Apache-2.0
#include "tools/map/told_pages.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <utility>

#include "format/pack/geometry.h"
#include "format/rounding.h"
#include "fs/json_text.h"
#include "fs/mounts/daemon_answer.h"
#include "tools/map/page_levels.h"

namespace quire {
namespace {

constexpr uint64_t kSchemaUnderstood = 1;
constexpr size_t kMostVolumes = 1 << 16;

std::unexpected<Error> Wrong(std::string_view field) {
  return Corrupt("'pages' of the mount is none that Quire writes: field '{}'", field);
}

std::optional<uint64_t> NumberOf(const Json& object, const char* field) {
  const auto found = object.find(field);
  if (found == object.end() || !found->is_number_unsigned()) return std::nullopt;
  return found->get<uint64_t>();
}

std::optional<std::string> TextOf(const Json& object, const char* field) {
  const auto found = object.find(field);
  if (found == object.end() || !found->is_string()) return std::nullopt;
  return found->get<std::string>();
}

bool IsNull(const Json& object, const char* field) {
  const auto found = object.find(field);
  return found == object.end() || found->is_null();
}

// A set of pages into `into`, which stays empty for null; false for what is neither.
bool TakeRuns(const Json& object, const char* field, uint64_t pages, std::optional<std::vector<PageRun>>& into) {
  if (IsNull(object, field)) return true;
  const auto text = TextOf(object, field);
  if (text) into = ParsePageRuns(*text, pages);
  return into.has_value();
}

Result<ToldVolume> ParseVolume(const Json& entry) {
  ToldVolume volume;
  const auto path = GetName(entry, "path");
  if (!path) return Wrong("path");
  const auto kind = TextOf(entry, "kind");
  if (!kind) return Wrong("kind");
  const auto bytes = NumberOf(entry, "volume_bytes");
  if (!bytes || *bytes > kMostPages * kPageBytes) return Wrong("volume_bytes");
  volume = {.path = *path,
            .kind = *kind,
            .volume_bytes = *bytes,
            .device = NumberOf(entry, "device"),
            .inode = NumberOf(entry, "inode"),
            .error = TextOf(entry, "error"),
            .tier = GetName(entry, "tier").value_or("")};
  const uint64_t pages = CeilDiv(*bytes, kPageBytes);
  if (!TakeRuns(entry, "memory", pages, volume.memory)) return Wrong("memory");
  if (!TakeRuns(entry, "handed_on", pages, volume.handed_on)) return Wrong("handed_on");
  return volume;
}

}  // namespace

Result<ToldPages> ParseToldPages(std::string_view text) {
  const auto document = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!document.is_object()) return Wrong("schema");
  const auto schema = NumberOf(document, "schema");
  if (!schema) return Wrong("schema");
  if (*schema != kSchemaUnderstood)
    return Unsupported(
        "'pages' of the mount has schema {}, this release reads {}: use the release that serves the mount", *schema,
        kSchemaUnderstood);
  const auto pack = GetName(document, "pack");
  if (!pack) return Wrong("pack");
  const auto list = document.find("volumes");
  if (list == document.end() || !list->is_array() || list->size() > kMostVolumes) return Wrong("volumes");
  ToldPages told{.pack = *pack, .left_out_volumes = NumberOf(document, "left_out_volumes").value_or(0)};
  uint64_t pages = 0;
  for (const Json& entry : *list) {
    if (!entry.is_object()) return Wrong("volumes");
    auto volume = ParseVolume(entry);
    if (!volume) return Propagate(std::move(volume));
    pages += CeilDiv(volume->volume_bytes, kPageBytes);
    if (pages > kMostPages) return Wrong("volume_bytes");
    told.volumes.push_back(*std::move(volume));
  }
  return told;
}

Result<File> OpenToldFile(const ToldVolume& volume) {
  if (!volume.path.starts_with('/')) return Corrupt("'{}' is no absolute path", volume.path);
  if (auto answers = CheckPathAnswers(volume.path); !answers) return Propagate(std::move(answers));
  const auto place = File::Open(volume.path, O_PATH);
  if (!place) return std::unexpected(place.error());
  struct stat status = {};
  if (fstat(place->fd(), &status) != 0) return SystemError(errno, "{}", volume.path);
  if (!S_ISREG(status.st_mode) && !S_ISBLK(status.st_mode)) return Corrupt("what lies at '{}' is no file", volume.path);
  if (volume.device != status.st_dev || volume.inode != status.st_ino)
    return MakeError(ErrorCode::kNotFound, "another file lies at '{}' than the one that is mounted", volume.path);
  return File::Open(ProcPath(place->fd()), O_RDONLY | O_NONBLOCK | O_NOCTTY);
}

}  // namespace quire
