// SPDX-License-Identifier: Apache-2.0
// A file that appears under its name complete or not at all. It has no name while it is written (O_TMPFILE), so that
// even SIGKILL or a power cut leaves nothing behind; where the file system has no unnamed files, or gives them no name
// later, it has a random temporary one, under which leftovers.h finds what was left. What would keep the finished file
// from its name is found before the work.
#pragma once

#include <sys/stat.h>
#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <string>

#include "format/file.h"
#include "format/result.h"

namespace quire {

// A new file in `folder` without a name, readable and writable; it ends with its descriptor.
Result<File> OpenUnnamed(const std::string& folder);

// Whether files in `folder` can be without a name from their beginning. Where not, those of OpenUnnamed are seen for a
// moment, on NFS and some FUSE file systems for as long as they live.
bool HasUnnamedFiles(const std::string& folder);

class OutputFile {
 public:
  // Makes the file, and tries how it will get its name. A symlink at `path` is followed; with `replace` what is there
  // is replaced if it is a regular file, whose owner, group, mode and access list the new one has from its beginning;
  // what the user may not set gives nobody more access than before. Errors are kSystem and begin with `path`: EEXIST
  // for what may not be replaced, ENOENT for a dangling symlink or a missing folder, EPERM or EACCES for what must not
  // be written or removed.
  static Result<std::unique_ptr<OutputFile>> Create(const std::string& path, bool replace);
  // As Create, for work that may go on after this process has died: the file has the name ".NAME.TAG" in the folder of
  // the finished one from its beginning, and what an earlier process left there is opened again. Which bytes of it can
  // be trusted the caller has to know. Locked, so that one process has it at a time: EWOULDBLOCK where another one
  // does; a file system without locks lets both. EEXIST for what stands there and is no file of the user's own.
  static Result<std::unique_ptr<OutputFile>> Resume(const std::string& path, bool replace, const std::string& tag);
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;
  ~OutputFile();  // a file that Commit was not called for leaves nothing, unless it is to be kept

  [[nodiscard]] const File& file() const { return file_; }
  // The folder that the file lies in.
  [[nodiscard]] const std::string& folder() const { return folder_path_; }
  // The base name under which the unfinished file may be seen in the folder: random, nobody else has it.
  [[nodiscard]] const std::string& temporary_name() const { return temporary_name_; }

  // Of Resume: whether an earlier process began it. What was begun stays when this ends without Commit, until the
  // caller says otherwise; what is new goes.
  [[nodiscard]] bool was_begun() const { return was_begun_; }
  void KeepUnfinished(bool is_kept) { is_kept_ = is_kept; }

  // Gives the file its name, and syncs the folder. A file that cannot get its name keeps its temporary one, which the
  // error tells. REQUIRES: the bytes are synced; called once.
  Result<void> Commit();

 private:
  // How a file with a temporary name gets its own. All but kRename leave what is there.
  enum class Naming : uint8_t {
    kRename,           // rename(2), which replaces
    kRenameNoReplace,  // renameat2(2), which NFS and many FUSE file systems do not know
    kLink,             // link(2) and unlink(2), which exFAT does not know
    kClaim,            // an empty file, made by O_EXCL, that rename(2) replaces
  };

  OutputFile(std::string path, const std::string& resolved, bool replace);
  // Without a file as yet.
  static Result<std::unique_ptr<OutputFile>> Prepare(const std::string& path, bool replace);
  Result<void> CheckReplaceable();
  void TakeAccessOfReplaced() const;
  // Nobody else reads what replaces something before it has that one's mode.
  [[nodiscard]] mode_t FirstMode() const { return replaced_.is_open() ? 0600 : 0666; }
  bool MakeUnnamed();
  Result<void> MakeNamed();
  Result<void> ChooseNaming();
  // `own`: the user of new files there, which on NFS may be another one than this process has.
  Result<void> OpenBegun(uid_t own);
  [[nodiscard]] Result<void> CheckBegun(const struct stat& begun, uid_t own) const;
  [[nodiscard]] bool Link(const std::string& to) const;
  [[nodiscard]] bool Move(Naming naming, const std::string& from, const std::string& to) const;
  bool Name();
  std::unexpected<Error> Keep(int error_number);
  Result<void> SyncFolder() const;

  const std::string path_;         // as the caller gave it, for messages
  const std::string folder_path_;  // of the file that `path_` names, symlinks followed
  const std::string name_;         // in the folder
  const bool replace_;
  std::string temporary_name_;
  bool has_temporary_name_ = false;
  bool was_begun_ = false;
  bool is_kept_ = false;  // by the destructor
  Naming naming_ = Naming::kRename;
  File folder_;    // O_PATH: it may be closed to reading
  File replaced_;  // O_PATH; open where there is one
  File file_;
};

}  // namespace quire
