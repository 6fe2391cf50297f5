// SPDX-License-Identifier: Apache-2.0
// Makes the inputs that fuzzing begins with, and packs of inputs:
//     fuzz_inputs seeds FOLDER      in FOLDER/TARGET, small packs and archives with every kind of entry
//     fuzz_inputs expand INPUT OUT  the pack that an input stands for, to be given to `quire`
#include <fcntl.h>

#include <filesystem>
#include <string>
#include <vector>

#include "format/coding.h"
#include "format/growth/pack_growth.h"
#include "format/pack/path_resolver.h"
#include "format/write/directory_tree.h"
#include "format/write/frame_encoder.h"
#include "tests/fuzz/fuzz_target.h"
#include "tests/support/forged_beton.h"
#include "tests/support/forged_pack.h"
#include "tests/support/forged_tar.h"
#include "tests/support/forged_zip.h"
#include "tests/support/memory_tree.h"

namespace quire {
namespace {

struct Seed {
  std::string name;
  std::string input;
};

// Of a pack whose sample bytes are zeros.
std::string InputOf(const std::string& path) {
  const std::string bytes = ReadFile(path);
  const auto pack = ValueOrDie(Pack::Open(path));
  const IndexLayers& layers = pack->index().layers();
  std::string input = bytes.substr(0, kSlotsBytes);
  for (size_t i = layers.size(); i-- > 0;)
    input += bytes.substr(layers[i].superblock.index_offset, layers[i].superblock.index_bytes);
  return input;
}

std::string InputOf(const MemoryTree& tree) {
  const TemporaryFolder folder;
  tree.WriteTo(folder / "t.quire");
  return InputOf(folder / "t.quire");
}

std::string InputOf(const std::function<void(IndexTables&)>& fill) {
  const TemporaryFolder folder;
  IndexTables tables(folder.path());
  fill(tables);
  WriteTables(tables, "", folder / "t.quire");
  return InputOf(folder / "t.quire");
}

std::string Zeros(size_t bytes) { return std::string(bytes, '\0'); }

std::string InputWithFrames() {
  const TemporaryFolder folder;
  IndexTables tables(folder.path());
  FillWithFrames(tables);
  WriteTables(tables, Zeros(kFilledFrameBytes), folder / "t.quire");
  return InputOf(folder / "t.quire");
}

// Of three generations: what a directory brings, which adds to some of `tree` and replaces some, and what is without
// `gone`.
std::string InputWithLayers(const MemoryTree& tree, const std::string& gone) {
  const TemporaryFolder folder;
  const std::string path = folder / "t.quire";
  const std::string source = folder / "source";
  tree.WriteTo(path);
  std::filesystem::create_directories(source + "/z/new");
  WriteFile(source + "/a", Zeros(20));
  WriteFile(source + "/z/new/one", Zeros(7));
  WriteFile(source + "/z/new/large", Zeros(kPageBytes + 9));
  std::filesystem::create_symlink("one", source + "/z/new/to-one");
  std::filesystem::create_hard_link(source + "/z/new/one", source + "/z/new/two");
  {
    const auto pack = ValueOrDie(GrowingPack::Open(path));
    const auto added = ValueOrDie(DirectoryTree::Open(source, false));
    PackProgress progress;
    PackTreeOptions options;
    options.output = path;
    options.progress = &progress;
    ValueOrDie(GrowPack(*pack, *added, MergeKind::kAppend, "", options));
  }
  const auto pack = ValueOrDie(GrowingPack::Open(path));
  const NodeNumber number = ValueOrDie(ResolvePath(pack->index(), gone, LastSymlink::kKeep));
  ValueOrDie(RemoveFromPack(*pack, {number}, folder.path(), nullptr));
  return InputOf(path);
}

std::vector<Seed> Seeds() {
  MemoryTree every;
  every.AddFile("a", Zeros(10)).AddFile("b", "").AddSymlink("l", "z/deep/a").AddHardLink("z/hard", "a");
  every.AddDirectory("z/empty").AddFile("z/large", Zeros(kPageBytes + 5)).AddFile("z/deep/a", Zeros(3));
  every.AddSparseFile("z/holes", Zeros(40'000), {{8192, 100}, {20'000, 1}}).AddSparseFile("z/hole", Zeros(9), {});
  every.SetXattr("a", "user.label", "cat").SetXattr("z", "user.x", "").SetXattr("z", "security.capability", "no");
  MemoryTree links;
  links.AddSymlink("a", "b/..//./c")
      .AddDirectory("b")
      .AddSymlink("c", "d")
      .AddSymlink("d", "b")
      .AddSymlink("self", "self");
  links.AddSymlink("out", "/etc")
      .AddFile("b/f", "")
      .AddSymlink("b/up", "../a")
      .AddSymlink("b/long", std::string(500, '.'));
  MemoryTree wide;
  for (int i = 0; i < 40; ++i) wide.AddFile(fmt::format("d{}/f{}", i % 4, i), Zeros(i % 7));
  MemoryTree large;
  large.AddFile("large", Zeros(3 * kPageBytes)).AddFile("other", Zeros(kPageBytes - 8)).AddFile("x", Zeros(100));
  large.AddSparseFile("sparse", Zeros(3 * kPageBytes), {{5, kPageBytes + 100}, {2 * kPageBytes + 200, 1000}});
  return {{"reads-every-kind", InputOf(every)},
          {"reads-links", InputOf(links)},
          {"reads-many-folders", InputOf(wide)},
          {"reads-large-samples", InputOf(large)},
          {"reads-frames", InputWithFrames()},
          {"reads-layers", InputWithLayers(every, "z/deep")},
          {"reads-layers-of-few", InputWithLayers(MemoryTree().AddFile("a", "").AddFile("b", Zeros(1)), "a")},
          {"reads-deep-chain", InputOf([](IndexTables& tables) { FillWithChain(tables, 20, 3); })},
          {"refuses-shared-children", InputOf([](IndexTables& tables) { FillWithSharedChildren(tables, 6, false); })},
          {"refuses-spaced-children", InputOf([](IndexTables& tables) { FillWithSharedChildren(tables, 6, true); })}};
}

// One pack in both slots, as the second generation of itself: where `is_first_whole` is false, the first is torn.
std::string TwoGenerations(std::string input, bool is_first_whole) {
  const auto slots = std::as_writable_bytes(std::span(input));
  Superblock second = ValueOrDie(DecodeSuperblock(slots.first<kSuperblockBytes>()));
  second.generation = 2;
  EncodeSuperblock(second, slots.subspan<kSuperblockBytes, kSuperblockBytes>());
  if (!is_first_whole) slots[100] ^= std::byte{1};
  return input;
}

void WriteSeeds(const std::string& folder) {
  const auto seeds = Seeds();
  for (const std::string target : {"superblock", "tree", "content", "attributes", "path_resolver", "verifier"}) {
    const std::string own = folder + "/" + target;
    std::filesystem::create_directories(own);
    const bool has_slots_only = target == "superblock";
    for (const auto& [name, input] : seeds) {
      const std::string trailing = target == "path_resolver" ? "z/deep/../../l/./a" : "";
      WriteFile(own + "/" + name, has_slots_only ? input.substr(0, kSlotsBytes) : input + trailing);
    }
    for (const bool is_first_whole : {true, false}) {
      const std::string input = TwoGenerations(seeds.front().input, is_first_whole);
      WriteFile(own + (is_first_whole ? "/reads-two-generations" : "/reads-second-generation"),
                has_slots_only ? input.substr(0, kSlotsBytes) : input);
    }
  }
  const std::vector<std::string> paths = {"a", "a/f", "b/up/../self", "out/passwd", "./c//d", "b/long", ""};
  for (size_t i = 0; i < paths.size(); ++i)
    WriteFile(fmt::format("{}/path_resolver/walks-links-{}", folder, i), seeds[1].input + paths[i]);
}

// What GNU tar writes before a member of a long name (type L) or target (K).
std::string LongText(char type, const std::string& text) {
  return TarMember({.name = "././@LongLink", .type = type, .magic = kGnuTarMagic}, text + '\0');
}

std::vector<Seed> TarSeeds() {
  const std::string file = TarMember({.name = "a/b"}, "data");
  const std::string kinds =
      file + TarBlock({.name = "a/", .type = '5'}) + TarBlock({.name = "l", .type = '2', .target = "a"}) +
      TarBlock({.name = "h", .type = '1', .target = "a/b"}) + TarBlock({.name = "fifo", .type = '6'}) +
      TarBlock({.name = "b", .prefix = "prefix"}) + TarBlock({.name = "old/", .type = '\0', .magic = ""});
  const std::string pax =
      PaxHeader(PaxRecord("mtime", "-1.25") + PaxRecord("gid", "9"), 'g') +
      PaxHeader(PaxRecord("path", "p") + PaxRecord("linkpath", "t") + PaxRecord("size", "4") + PaxRecord("uid", "-2") +
                PaxRecord("SCHILY.xattr.user.a%3D", "v") + PaxRecord("LIBARCHIVE.xattr.user.%62", "YWI") +
                PaxRecord("LIBARCHIVE.xattr.user.a=", "eA")) +
      file;
  const std::string sparse_0 =
      PaxHeader(PaxRecord("GNU.sparse.size", "9000") + PaxRecord("GNU.sparse.numblocks", "1") +
                PaxRecord("GNU.sparse.offset", "512") + PaxRecord("GNU.sparse.numbytes", "4")) +
      file;
  const std::string sparse_01 = PaxHeader(PaxRecord("GNU.sparse.size", "9000") + PaxRecord("GNU.sparse.name", "s") +
                                          PaxRecord("GNU.sparse.map", "512,512,4096,4")) +
                                TarMember({}, std::string(516, 'd'));
  const std::string sparse_1 = PaxHeader(PaxRecord("GNU.sparse.major", "1") + PaxRecord("GNU.sparse.minor", "0") +
                                         PaxRecord("GNU.sparse.realsize", "9000")) +
                               TarMember({}, TarData("2\n512\n512\n4096\n4\n") + std::string(516, 'd'));
  const TarFields old_map = {.type = 'S',
                             .size_bytes = 516,
                             .magic = kGnuTarMagic,
                             .patches = {{386, "00000001000 00000001000 "},
                                         {482,
                                          "\1"
                                          "00000021450 "}}};
  const std::string sparse_old =
      TarBlock(old_map) + TarData("00000010000 00000000004 ") + TarData(std::string(516, 'd'));
  const std::string gnu = LongText('L', std::string(150, 'n')) + LongText('K', std::string(150, 't')) +
                          TarBlock({.type = '2', .magic = kGnuTarMagic}) +
                          TarMember({.name = "dump", .type = 'D', .magic = kGnuTarMagic}, "Yfile") +
                          TarBlock({.name = "label", .type = 'V', .magic = kGnuTarMagic});
  const std::string broken = TarData(std::string(600, 'x'));
  return {{"reads-every-kind", kinds + kTarEnd},
          {"reads-pax", pax + kTarEnd},
          {"reads-sparse-0.0", sparse_0 + kTarEnd},
          {"reads-sparse-0.1", sparse_01 + kTarEnd},
          {"reads-sparse-1.0", sparse_1 + kTarEnd},
          {"reads-sparse-old-gnu", sparse_old + kTarEnd},
          {"reads-gnu", gnu + kTarEnd},
          {"reads-two-archives", file + kTarEnd + pax + kTarEnd + broken},
          {"reads-behind-broken-header", file + broken + file},
          {"refuses-cut-member", file + TarBlock({.size_bytes = 5000}) + broken}};
}

void WriteTarSeeds(const std::string& folder) {
  std::filesystem::create_directories(folder + "/tar_reader");
  for (const auto& [name, input] : TarSeeds()) WriteFile(fmt::format("{}/tar_reader/{}", folder, name), input);
}

// Archives with every kind of member and every extra field that is read.
std::vector<Seed> ZipSeeds() {
  const std::string deflated("\x4B\x4C\x44\x05", 4);
  const uint32_t symlink = 0120777U << 16U;
  const std::string times = ExtraField(0x5455, Uint<1>(1) + Uint<4>(1'000'000'000)) +
                            ExtraField(0x5855, Uint<8>(1) + Uint<4>(7)) +
                            ExtraField(0x000A, Uint<4>(0) + Uint<2>(1) + Uint<2>(24) + std::string(24, '\1'));
  const std::string owners = ExtraField(0x7875, "\1\4" + Uint<4>(1000) + "\4" + Uint<4>(1000));
  const auto every = [&] {
    ForgedZip zip;
    zip.Add({.name = "a", .data = "hello", .extra = times, .local_extra = owners}).Add({.name = "d/"});
    zip.Add({.name = "l", .data = "a", .attributes = symlink});
    zip.Add({.name = "z", .data = deflated, .flags = kZipHasDescriptor, .method = kZipDeflated, .size_bytes = 4000});
    zip.Add({.name = "\x81\\b", .host = kZipHostFat, .attributes = 1});
    const std::string name_field = ExtraField(0x7075, Uint<1>(1) + Uint<4>(Crc32(AsBytes("u"))) + "\xC3\xBC");
    return zip.Add({.name = "u", .data = "1", .extra = name_field}).Add({.name = "a", .data = "again"});
  };
  ForgedZip with_zip64_fields;
  const std::string sizes = ExtraField(1, Uint<8>(5) + Uint<8>(5));
  with_zip64_fields.Add({.name = "a", .data = "hello", .extra = sizes, .local_extra = sizes}).FinishDirectory();
  for (const size_t at :
       {size_t{18}, size_t{22}, with_zip64_fields.central_at[0] + 20, with_zip64_fields.central_at[0] + 24})
    with_zip64_fields.Set<4>(at, 0xFFFFFFFF);
  ForgedZip overlapping;
  overlapping.Add({.name = "a", .data = "hello"}).Add({.name = "b", .data = "hello"}).Add({.name = "b", .data = "x"});
  overlapping.local_at[2] = overlapping.local_at[1];
  return {{"reads-every-kind", every().Finish().bytes},
          {"reads-zip64", every().FinishZip64().bytes},
          {"reads-zip64-fields", with_zip64_fields.FinishZip64().bytes},
          {"reads-behind-other-bytes", "#!/bin/sh\n" + every().Finish("PK\5\6 in a comment").bytes},
          {"reads-nothing", ForgedZip().Finish().bytes},
          {"refuses-encrypted", ForgedZip().Add({.name = "a", .flags = kZipEncrypted}).Finish().bytes},
          {"refuses-shared-headers", overlapping.Finish().bytes}};
}

void WriteZipSeeds(const std::string& folder) {
  const std::string own = folder + "/zip_reader/";
  std::filesystem::create_directories(own);
  for (const auto& [name, input] : ZipSeeds()) WriteFile(own + name, input);
}

// Files with every type of field.
std::vector<Seed> BetonSeeds() {
  const std::string f4 = R"([["", "<f4"]])";
  ForgedBeton every(BetonDescriptor(BetonType::kFloat, "float") + BetonDescriptor(BetonType::kImage, "image") +
                        BetonDescriptor(BetonType::kInt, "int") + BetonDescriptor(BetonType::kBytes, "bytes") +
                        BetonDescriptor(BetonType::kJson, "json") +
                        BetonDescriptor(BetonType::kArray, "array", ArrayArguments({2, 1}, f4)) +
                        BetonDescriptor(BetonType::kTensor, "tensor", ArrayArguments({}, f4)),
                    2, 80);
  for (const uint64_t mode : {0, 1}) {
    every.Add(Uint<8>(0x3FB999999999999A) + Uint<1>(mode) + Uint<2>(2) + Uint<2>(1) +
              Uint<8>(every.Put("\xFF\xD8\xFF...")));
    every.Add(std::string(3, '\0') + Uint<8>(7) + Uint<8>(every.Put("\x89PNG\r\n\x1A\n")) + Uint<8>(8));
    every.Add(Uint<8>(every.Put(std::string("{}\0", 3))) + Uint<8>(3));
    every.Add(Uint<8>(every.Put("8 bytes.")) + Uint<8>(every.Put("four")));
  }
  ForgedBeton numbers(BetonDescriptor(BetonType::kInt, "a") + BetonDescriptor(BetonType::kInt, "a"), 3, 16);
  ForgedBeton image(BetonDescriptor(BetonType::kImage, "jpg"), 2, 13);
  for (const uint64_t mode : {0, 1}) image.Add(Uint<1>(mode) + Uint<4>(0x10002) + Uint<8>(image.Put("pixels")));
  ForgedBeton shared(BetonDescriptor(BetonType::kBytes, "b"), 2, 16);
  const uint64_t place = shared.Put("shared");
  for (int i = 0; i < 2; ++i) shared.Add(Uint<8>(place) + Uint<8>(6));
  ForgedBeton objects(BetonDescriptor(BetonType::kArray, "o", ArrayArguments({2}, R"([["", "|O"]])")), 1, 8);
  objects.Add(Uint<8>(objects.Put("objects")));
  return {{"reads-every-type", every.bytes()},
          {"reads-numbers", numbers.bytes()},
          {"reads-images", image.bytes()},
          {"reads-shared-data", shared.bytes()},
          {"refuses-objects", objects.bytes()},
          {"refuses-cut-table", image.bytes().substr(0, image.bytes().size() - 30)},
          {"refuses-cut-data", image.bytes().substr(0, image.data_at() + 3)},
          {"refuses-custom-type", ForgedBeton(BetonDescriptor(255, "c"), 1, 8).bytes()}};
}

void WriteBetonSeeds(const std::string& folder) {
  const std::string own = folder + "/beton_reader/";
  std::filesystem::create_directories(own);
  for (const auto& [name, input] : BetonSeeds()) WriteFile(own + name, input);
}

// As zstd_frame_fuzz.cc has them: what a frame comes to, its dictionary, the frame.
void WriteFrameSeeds(const std::string& folder) {
  const std::string own = folder + "/zstd_frame/";
  std::filesystem::create_directories(own);
  const std::string common = Text(1000, 1);
  const auto dictionary = EncoderDictionary::Create(AsBytes(common), 3);
  for (const auto& [name, raw, with] :
       {std::tuple("decodes-text", Text(1000, 2), false), std::tuple("decodes-zeros", Zeros(5000), false),
        std::tuple("decodes-noise", Noise(500, 1), false), std::tuple("decodes-with-dictionary", common, true)}) {
    std::string frame(raw.size() + 100, '\0');
    frame.resize(
        EncodeFrame(AsBytes(raw), std::as_writable_bytes(std::span(frame)), 3, with ? &*dictionary : nullptr).value());
    const std::string used = with ? common : "";
    WriteFile(own + name, Uint<4>(raw.size()) + Uint<2>(used.size()) + used + frame);
  }
}

}  // namespace
}  // namespace quire

int main(int argc, char** argv) {
  using namespace quire;
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  if (arguments.size() == 2 && arguments[0] == "seeds") {
    WriteSeeds(arguments[1]);
    WriteTarSeeds(arguments[1]);
    WriteZipSeeds(arguments[1]);
    WriteBetonSeeds(arguments[1]);
    WriteFrameSeeds(arguments[1]);
    return 0;
  }
  if (arguments.size() == 3 && arguments[0] == "expand") {
    const std::string input = ReadFile(arguments[1]);
    ExpandInput(AsBytes(input), ValueOrDie(File::Open(arguments[2], O_RDWR | O_CREAT | O_TRUNC, 0644)));
    return 0;
  }
  fmt::print(stderr, "fuzz_inputs: wrong usage; its first lines say how\n");
  return 2;
}
