// SPDX-License-Identifier: Apache-2.0
// What a tier holds of one volume, or of one layer's part of a pack (tier_parts.h): a folder with two files.
//
//   map    a header of 4096 bytes, a record of 64 bytes for each page of 2 MiB, and for each page the XXH3-64 of each
//          of its 128 units of 16 KiB. Pages have the numbers that they have in the volume
//   data   the units at the offsets that they have in the volume, and holes between
//
// Integers are those of this machine, and of neighbours that read both files (tier_peers.h). Nothing is synced. After a
// loss of power a unit whose bytes were lost has another sum, and is not there; what stands in the map is believed no
// further than that. Not thread-safe: the tier's lock guards what is written; records and sums may be read without it,
// since what is read half old and half new gives a wrong sum.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "cache/page/unit_set.h"
#include "format/file.h"
#include "format/pack/geometry.h"
#include "format/result.h"
#include "format/rounding.h"

namespace quire {

// Which volume it is, in which state, or which part of one: two different ones have different keys.
struct TierKey {
  std::array<uint64_t, 2> words = {};
  uint64_t volume_bytes = 0;           // where it ends: of a part, in the volume
  std::string source;                  // for people: a path, or a URL without what may be secret
  uint64_t first_page = 0;             // of a part; of it and of those below it there is a map each
  std::array<uint64_t, 2> below = {};  // words of the part that ends where this begins; zeros: there is none

  bool operator==(const TierKey&) const = default;
  [[nodiscard]] uint64_t page_end() const { return CeilDiv(volume_bytes, kPageBytes); }
  [[nodiscard]] uint64_t page_count() const { return page_end() - first_page; }
  [[nodiscard]] bool Holds(uint64_t page) const { return page >= first_page && page < page_end(); }

  // Of a volume that is told by all of `identity`, which is kept nowhere.
  static TierKey Of(std::string_view identity, uint64_t volume_bytes, std::string source);
  // The name of its folder: 32 hexadecimal digits.
  [[nodiscard]] std::string FolderName() const { return FolderName(words); }
  static std::string FolderName(const std::array<uint64_t, 2>& words);
};

struct TierPage {
  UnitSet present;
  UnitSet writing;               // has room, and is being fetched by `owner`
  uint64_t used_at_ms = 0;       // of the clock of the day
  uint32_t owner = 0;            // a number of TierLocks
  uint32_t is_origin_asked = 0;  // what is being fetched comes from the origin: nobody else need ask it
  std::array<uint32_t, 4> zero = {};

  [[nodiscard]] uint64_t bytes() const { return uint64_t{present.count() + writing.count()} * UnitSet::kUnitBytes; }
};
static_assert(sizeof(TierPage) == 64 && std::is_trivially_copyable_v<TierPage>);

// Memory for direct reads and writes. Throws std::bad_alloc.
struct FreeAligned {
  void operator()(std::byte* memory) const { std::free(memory); }
};
using AlignedBytes = std::unique_ptr<std::byte[], FreeAligned>;
AlignedBytes MakeAligned(size_t bytes);

using TierSums = std::array<uint64_t, UnitSet::kUnits>;

// What the header of a map says.
struct TierMapHead {
  static constexpr size_t kBytes = 4096;

  TierKey key;
  uint64_t id = 0;  // drawn when the map was made: no other one has it
  uint64_t created_at_ms = 0;

  // Of bytes that anybody may have written; `name` begins the message. kCorrupt where this release understands no map
  // that begins so.
  static Result<TierMapHead> Parse(std::span<const std::byte, kBytes> bytes, const std::string& name);
};
// Where the record of a page stands in a map, and where the sums of its units do. REQUIRES: key.Holds(page), or the
// page is the one behind those.
uint64_t TierRecordAt(const TierKey& key, uint64_t page);
uint64_t TierSumsAt(const TierKey& key, uint64_t page);

class TierMap {
 public:
  static constexpr std::string_view kUnfinished = ".new";  // behind the name of a folder that is being made

  // Of the folder at `path`. kCorrupt where it holds no map that this program understands.
  static Result<TierMap> Open(const std::string& path);
  // Whether others may open what failed so: it says nothing about the folder.
  static bool IsForThisProcess(const Error& error);
  // Makes the folder and both files; the folder's name is the last thing that appears. `is_shared`: with the group.
  static Result<TierMap> Create(const std::string& path, const TierKey& key, bool is_shared);
  // What the two files of so many pages take without any of them.
  static uint64_t EmptyBytes(uint64_t pages);

  // As long as this lives the volume is in use, and its folder stays. False where it is being removed.
  [[nodiscard]] bool Use() const;
  // Whether the folder was removed nevertheless, by somebody who does not know of it. What is left is this process's,
  // and others' that have it open.
  [[nodiscard]] bool IsGone() const;
  // All bytes are given back.
  void Empty() const;
  // Whether another description of the map is in use.
  [[nodiscard]] bool IsUsed() const;
  // Removes the folder; false where somebody uses it, as far as this process can tell, or it cannot be removed.
  static bool Remove(const std::string& path);

  [[nodiscard]] const TierKey& key() const { return head_.key; }
  [[nodiscard]] uint64_t id() const { return head_.id; }
  // Without its pages.
  [[nodiscard]] uint64_t own_bytes() const { return EmptyBytes(key().page_count()); }
  [[nodiscard]] const File& data() const { return data_; }
  [[nodiscard]] uint64_t created_at_ms() const { return head_.created_at_ms; }

  // REQUIRES, of these: key().Holds(page).
  [[nodiscard]] Result<TierPage> ReadPage(uint64_t page) const;
  Result<void> WritePage(uint64_t page, const TierPage& record) const;
  // Its time alone, without the lock.
  void Touch(uint64_t page, uint64_t now_ms) const;
  // That what this process has claimed of it comes from the origin, likewise.
  void TellOriginIsAsked(uint64_t page) const;
  // Those from `first` on, up to into.size().
  Result<void> ReadPages(uint64_t first, std::span<TierPage> into) const;
  // All of them in their order, until `visit` returns an error, which this does then. What it changes stays its own.
  Result<void> ForEachPage(const std::function<Result<void>(uint64_t page, TierPage& record)>& visit) const;
  [[nodiscard]] Result<void> ReadSums(uint64_t page, unsigned first_unit, std::span<uint64_t> into) const;
  Result<void> WriteSums(uint64_t page, unsigned first_unit, std::span<const uint64_t> sums) const;

  // Reads `run`, units of a page one behind the other, into memory that is aligned for direct reads and has room for
  // all of them. Returns those that are not what their sums say.
  [[nodiscard]] Result<UnitSet> Read(uint64_t page, UnitSet run, std::byte* into) const;
  // Writes them likewise, as whole units, and puts their sums into `sums`.
  Result<void> Write(uint64_t page, UnitSet run, const std::byte* from, TierSums& sums) const;
  // Which of `units` are not what their sums say, or cannot be read.
  [[nodiscard]] UnitSet FindWrong(uint64_t page, UnitSet units) const;
  // Of a unit: fewer than kUnitBytes at the end of the volume.
  [[nodiscard]] size_t BytesOf(uint64_t page, unsigned unit) const;

  // The bytes of units of a page are given back to the file system.
  Result<void> Punch(uint64_t page, UnitSet units) const;

 private:
  TierMap(File map, File data, TierMapHead head)
      : map_(std::move(map)), data_(std::move(data)), head_(std::move(head)) {}

  File map_;
  File data_;
  TierMapHead head_;
};

// While it lives, what this thread makes has the modes that it asks for, whatever umask(2) says; other threads have a
// mask of their own from then on. To set modes afterwards would take the set-group-ID bit away, by which all that is
// made in a group's folder is the group's.
class OwnModes {
 public:
  OwnModes();
  OwnModes(const OwnModes&) = delete;
  OwnModes& operator=(const OwnModes&) = delete;
  ~OwnModes();

 private:
  unsigned before_ = 0;
};

// Milliseconds of the clock of the day: what is used by several boots is told by no other.
uint64_t TierNowMs();

}  // namespace quire
