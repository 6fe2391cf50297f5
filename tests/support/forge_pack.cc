// SPDX-License-Identifier: Apache-2.0
// Makes packs whose numbers lie and whose sums are good, for tests of programs:
//     forge_pack shared LEVELS OUT     directories that share their children: 2^LEVELS paths
//     forge_pack spaced LEVELS OUT     the same, with records between that end where the next begins
//     forge_pack chain LEVELS OUT      a directory in a directory, LEVELS of them
//     forge_pack volume KIND LOCATION OUT    a file whose bytes lie in a volume of that kind and place
//     forge_pack field SECTION RECORD AT BYTES VALUE IN OUT    sets a number in a record; SECTION is an id of FORMAT.md
//     forge_pack superblock AT BYTES VALUE IN OUT              sets a number in the first superblock
//     forge_pack mutate SEED IN OUT    changes some numbers
#include <cstdlib>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "format/checksum.h"
#include "format/coding.h"
#include "tests/support/forged_pack.h"
#include "tests/support/memory_tree.h"
#include "tests/support/pack_mutator.h"

namespace quire {
namespace {

uint64_t Number(const std::string& text) { return std::strtoull(text.c_str(), nullptr, 0); }

void StoreNumber(std::span<std::byte> bytes, uint64_t at, uint64_t count, uint64_t value) {
  std::memcpy(bytes.subspan(at, count).data(), &value, count);
}

void SetField(const std::vector<std::string>& arguments) {
  ForgedPack pack(ReadFile(arguments[5]));
  const auto record = pack.record(static_cast<Section>(Number(arguments[0]) - 1), Number(arguments[1]));
  StoreNumber(record, Number(arguments[2]), Number(arguments[3]), Number(arguments[4]));
  WriteFile(arguments[6], pack.Bytes());
}

void SetInSuperblock(const std::vector<std::string>& arguments) {
  std::string bytes = ReadFile(arguments[3]);
  const auto slot = std::as_writable_bytes(std::span(bytes)).first<kSuperblockBytes>();
  StoreNumber(slot, Number(arguments[0]), Number(arguments[1]), Number(arguments[2]));
  StoreUint<8>(slot, kSuperblockBytes - 8, Xxh3(slot.first<kSuperblockBytes - 8>()));
  WriteFile(arguments[4], bytes);
}

bool Run(const std::string& what, const std::vector<std::string>& arguments) {
  const auto write = [&](const auto& fill) {
    IndexTables tables("/tmp");
    fill(tables, Number(arguments[0]));
    WriteTables(tables, "", arguments[1]);
    return true;
  };
  if (what == "shared" && arguments.size() == 2)
    return write([](IndexTables& tables, uint64_t levels) { FillWithSharedChildren(tables, levels, false); });
  if (what == "spaced" && arguments.size() == 2)
    return write([](IndexTables& tables, uint64_t levels) { FillWithSharedChildren(tables, levels, true); });
  if (what == "chain" && arguments.size() == 2)
    return write([](IndexTables& tables, uint64_t levels) { FillWithChain(tables, levels, 1); });
  if (what == "volume" && arguments.size() == 3) {
    IndexTables tables("/tmp");
    FillWithVolume(tables, static_cast<uint16_t>(Number(arguments[0])), arguments[1]);
    WriteTables(tables, "", arguments[2]);
    return true;
  }
  if (what == "field" && arguments.size() == 7) return SetField(arguments), true;
  if (what == "superblock" && arguments.size() == 5) return SetInSuperblock(arguments), true;
  if (what != "mutate" || arguments.size() != 3) return false;
  ForgedPack pack(ReadFile(arguments[1]));
  std::mt19937_64 random(Number(arguments[0]));
  Mutate(pack, random);
  WriteFile(arguments[2], pack.Bytes());
  return true;
}

}  // namespace
}  // namespace quire

int main(int argc, char** argv) {
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  if (!arguments.empty() && quire::Run(arguments[0], {arguments.begin() + 1, arguments.end()})) return 0;
  fmt::print(stderr, "forge_pack: wrong usage; its first lines say how\n");
  return 2;
}
