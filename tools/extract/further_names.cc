// SPDX-License-Identifier: Apache-2.0
#include "tools/extract/further_names.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>

namespace quire {
namespace {

class LinkMaker {
 public:
  LinkMaker(const ExtractTools& tools, const EntryWriter& writer)
      : tools_(tools), writer_(writer), cursor_(tools.index, tools.tree), first_cursor_(tools.index, tools.tree) {}

  Result<void> Make(const FurtherName& further) {
    const auto name = GetEntryName(tools_.index, further.place);
    const auto first_name = GetEntryName(tools_.index, further.first_place);
    if (!name) return std::unexpected(name.error());
    if (!first_name) return std::unexpected(first_name.error());
    const auto folder = cursor_.FolderOf(further.place);
    const auto first_folder = first_cursor_.FolderOf(further.first_place);
    if (!folder) return std::unexpected(folder.error());
    if (!first_folder) return std::unexpected(first_folder.error());

    struct stat status{};
    if (tools_.existing == Existing::kSkip &&
        fstatat((*folder)->fd(), name->c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0) {
      ++tools_.report.entries_done;
      return {};
    }
    if (!writer_.WasMade(further.first_place) && !IsFromBefore(further.first_place, **first_folder, *first_name)) {
      if (fstatat((*first_folder)->fd(), first_name->c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0)
        tools_.attributes.Refuse(Refused::kHardLink, further.place, "what its other name has was there already");
      return Copy(further.place);
    }
    const auto link = [&](const std::string& as) {
      return linkat((*first_folder)->fd(), first_name->c_str(), (*folder)->fd(), as.c_str(), 0) == 0 ? 0 : errno;
    };
    int failed = link(*name);
    if (failed == EEXIST && tools_.existing == Existing::kOverwrite) {
      const std::string temporary = TemporaryName();
      failed = link(temporary);
      if (failed == 0) {
        failed = RenameInFolder(**folder, temporary, *name, true);
        unlinkat((*folder)->fd(), temporary.c_str(), 0);  // rename(2) leaves it where both are the same file already
      }
    }
    if (failed == EEXIST && tools_.existing != Existing::kSkip) return IsThereAlready();
    if (failed == EEXIST) {
      ++tools_.report.entries_done;
      return {};
    }
    if (failed == EPERM || failed == EMLINK || failed == EOPNOTSUPP || failed == ENOSYS || failed == EXDEV) {
      tools_.attributes.Refuse(Refused::kHardLink, further.place, std::generic_category().message(failed));
      return Copy(further.place);
    }
    if (failed != 0) return SystemError(failed, "linking");
    ++tools_.report.entries_done;
    return {};
  }

 private:
  // Whether what is there is what an earlier extraction made of `place`: only then may it have a further name.
  bool IsFromBefore(NodeNumber place, const File& folder, const std::string& name) const {
    if (tools_.existing != Existing::kSkip) return false;
    const auto node = GetContentNode(tools_.index, place);
    struct stat status{};
    if (!node || fstatat(folder.fd(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) return false;
    const bool is_same_kind = node->is_sample() ? S_ISREG(status.st_mode) : S_ISLNK(status.st_mode);
    return is_same_kind && static_cast<uint64_t>(status.st_size) == node->size_bytes &&
           status.st_mtim.tv_sec == DecodeMtime(node->mtime).tv_sec;
  }

  // Makes `place` as if it were the only name.
  Result<void> Copy(NodeNumber place) {
    Result<void> planned;
    const ExtractPlan plan = MakeExtractPlan(tools_.index, std::array{place}, [&](NodeNumber, const Error& error) {
      planned = std::unexpected(error);
      return true;
    });
    EntryWriter writer(tools_, plan);
    for (const ExtractTask& task : plan.tasks) writer.Run(task);
    return planned;
  }

  const ExtractTools& tools_;
  const EntryWriter& writer_;
  FolderCursor cursor_;
  FolderCursor first_cursor_;
};

}  // namespace

void MakeFurtherNames(const ExtractTools& tools, const ExtractPlan& plan, const EntryWriter& writer) {
  LinkMaker links(tools, writer);
  for (const FurtherName& further : plan.further_names) {
    if (tools.report.is_ended()) return;
    if (const auto made = links.Make(further); !made) tools.report.Fault(further.place, made.error());
  }
}

}  // namespace quire
