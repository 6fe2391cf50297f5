// SPDX-License-Identifier: Apache-2.0
// Goal: of a .beton file each value is a member with the right bytes, and no field that lies makes the reader serve
// bytes that are not those of the value. Method: files made record by record, one with every kind of value, and others
// with one field that lies.
#include "format/import/beton_reader.h"

#include <gtest/gtest.h>
#include <sys/mman.h>

#include <algorithm>
#include <bit>
#include <limits>

#include "format/import/beton_files.h"
#include "tests/support/forged_beton.h"
#include "tests/support/memory_tree.h"

namespace quire {
namespace {

struct Listing {
  std::vector<Member> members;
  std::vector<std::string> faults;  // path, two spaces, reason
  std::string error;                // of Open, else empty
};

Listing List(const std::string& bytes, std::string_view names = kDefaultSampleTemplate) {
  const File file(memfd_create("beton", MFD_CLOEXEC));
  OkOrDie(file.WriteAll(0, AsBytes(bytes)));
  Listing listing;
  auto reader = BetonReader::Open(file, bytes.size(), ValueOrDie(SampleTemplate::Parse(names)),
                                  [&](std::string_view path, std::string_view reason) {
                                    listing.faults.push_back(fmt::format("{}  {}", path, reason));
                                  });
  if (!reader) {
    listing.error = reader.error().message;
    return listing;
  }
  Member member;
  while (ValueOrDie((*reader)->Next(member))) listing.members.push_back(member);
  return listing;
}

// What a reader of the member sees.
std::string BytesOf(const std::string& beton, const Member& member) {
  std::string bytes = member.content;
  for (const MemberRun& run : member.runs) {
    EXPECT_EQ(run.file_offset, bytes.size());
    bytes += beton.substr(run.offset, run.length_bytes);
  }
  EXPECT_EQ(bytes.size(), member.size_bytes);
  return bytes;
}

void ExpectMember(const std::string& beton, const Member& member, std::string_view path, std::string_view bytes) {
  EXPECT_EQ(member.path, path);
  EXPECT_EQ(BytesOf(beton, member), bytes) << path;
  EXPECT_EQ(member.kind, MemberKind::kFile);
  EXPECT_EQ(member.mode, 0644U);
}

bool Has(std::string_view text, std::string_view words) { return text.find(words) != std::string_view::npos; }

std::string ImageRecord(uint64_t mode, uint64_t width, uint64_t height, uint64_t place) {
  return Uint<1>(mode) + Uint<2>(width) + Uint<2>(height) + Uint<8>(place);
}

// One sample with one field, whose record is `record`, and whose data is "hello" with a zero byte behind it. With
// `%` for a number: where the data lies.
struct OneValue {
  explicit OneValue(BetonType type, size_t record_bytes, std::string_view arguments = "")
      : beton(BetonDescriptor(type, "f", arguments), 1, record_bytes), place(beton.Put(std::string("hello\0", 6))) {}
  ForgedBeton beton;
  uint64_t place;
};

// That the one value is refused for a reason that has `words`.
void ExpectRefused(const std::string& bytes, std::string_view words) {
  const Listing listing = List(bytes);
  EXPECT_EQ(listing.error, "");
  EXPECT_TRUE(listing.members.empty());
  ASSERT_EQ(listing.faults.size(), 1U);
  EXPECT_TRUE(Has(listing.faults[0], "00000000.f")) << listing.faults[0];
  EXPECT_TRUE(Has(listing.faults[0], "sample 0, field 'f': ")) << listing.faults[0];
  EXPECT_TRUE(Has(listing.faults[0], words)) << listing.faults[0];
}

TEST(BetonReader, EveryKindOfValueIsAFile) {
  ForgedBeton beton(BetonDescriptor(BetonType::kFloat, "float") + BetonDescriptor(BetonType::kImage, "raw") +
                        BetonDescriptor(BetonType::kImage, "photo") + BetonDescriptor(BetonType::kInt, "int") +
                        BetonDescriptor(BetonType::kBytes, "bytes") + BetonDescriptor(BetonType::kBytes, "sound") +
                        BetonDescriptor(BetonType::kJson, "meta") +
                        BetonDescriptor(BetonType::kArray, "array", ArrayArguments({2, 3}, R"([["", "<i2"]])")) +
                        BetonDescriptor(BetonType::kTensor, "tensor", ArrayArguments({1}, R"([["", "|u1"]])")),
                    1, 8 + 13 + 13 + 6 + 8 + 16 + 16 + 16 + 8 + 8);
  const std::string zeros(6, '\0');
  const std::string record = Uint<8>(std::bit_cast<uint64_t>(0.1)) + ImageRecord(1, 2, 1, beton.Put("pixels")) +
                             ImageRecord(0, 9, 9, beton.Put("\xFF\xD8\xFFjpeg")) + zeros +
                             Uint<8>(static_cast<uint64_t>(-5)) + Uint<8>(beton.Put("text")) + Uint<8>(4) +
                             Uint<8>(beton.Put("fLaC...")) + Uint<8>(7) + Uint<8>(beton.Put(std::string("{}\0", 3))) +
                             Uint<8>(3) + Uint<8>(beton.Put("twelve bytes")) + Uint<8>(beton.Put("x"));
  const std::string bytes = beton.Add(record).bytes();
  const Listing listing = List(bytes);
  EXPECT_EQ(listing.error, "");
  EXPECT_TRUE(listing.faults.empty()) << listing.faults[0];
  ASSERT_EQ(listing.members.size(), 9U);
  ExpectMember(bytes, listing.members[0], "00000000.float.txt", "0.1\n");
  ExpectMember(bytes, listing.members[1], "00000000.raw.ppm", "P6\n2 1\n255\npixels");
  ExpectMember(bytes, listing.members[2], "00000000.photo.jpg", "\xFF\xD8\xFFjpeg");
  ExpectMember(bytes, listing.members[3], "00000000.int.txt", "-5\n");
  ExpectMember(bytes, listing.members[4], "00000000.bytes", "text");
  ExpectMember(bytes, listing.members[5], "00000000.sound.flac", "fLaC...");
  ExpectMember(bytes, listing.members[6], "00000000.meta.json", "{}");
  const std::string header = "{'descr': '<i2', 'fortran_order': False, 'shape': (2, 3), }";
  ExpectMember(
      bytes, listing.members[7], "00000000.array.npy",
      std::string("\x93NUMPY\1\0\x76\0", 10) + header + std::string(117 - header.size(), ' ') + "\ntwelve bytes");
  EXPECT_TRUE(Has(listing.members[8].content, "'shape': (1,), }"));
}

TEST(BetonReader, NumbersAreAsPythonPrintsThem) {
  EXPECT_EQ(IntText(std::numeric_limits<int64_t>::min()), "-9223372036854775808\n");
  const std::vector<std::pair<double, std::string>> texts = {{0, "0.0"},
                                                             {-0.0, "-0.0"},
                                                             {1e15, "1000000000000000.0"},
                                                             {1e16, "1e+16"},
                                                             {1e-5, "1e-05"},
                                                             {0.0001, "0.0001"},
                                                             {5e-324, "5e-324"},
                                                             {-1.5, "-1.5"},
                                                             {std::numeric_limits<double>::infinity(), "inf"},
                                                             {-std::numeric_limits<double>::quiet_NaN(), "nan"}};
  for (const auto& [value, text] : texts) EXPECT_EQ(FloatText(value), text + "\n");
}

TEST(BetonReader, MembersAreNamedByTheTemplate) {
  ForgedBeton beton(BetonDescriptor(BetonType::kInt, "label"), 2, 8);
  const Listing listing = List(beton.bytes(), "{field}/of {index}");
  ASSERT_EQ(listing.members.size(), 2U);
  EXPECT_EQ(listing.members[1].path, "label/of 1.txt");
  for (const std::string_view wrong :
       {"", "{index}", "{field}", "{index:}{field}", "{index:0d}{field}", "{index:021d}{field}", "{index:08}{field}",
        "{index:0-8d}{field}", "{index}{field}{", "{index}{field}{}", "{index}{field}{other}"})
    EXPECT_FALSE(SampleTemplate::Parse(wrong).has_value()) << wrong;
}

TEST(BetonReader, APlaceOutsideOfTheDataIsRefused) {
  OneValue value(BetonType::kBytes, 16);
  const uint64_t most = std::numeric_limits<uint64_t>::max();
  const auto with = [&](uint64_t place, uint64_t bytes) {
    OneValue own(BetonType::kBytes, 16);
    return own.beton.Add(Uint<8>(place) + Uint<8>(bytes)).bytes();
  };
  ExpectRefused(with(0, 6), "its place would be byte 0, among the tables");
  ExpectRefused(with(value.place - 1, 6), "among the tables");
  ExpectRefused(with(value.place + 7, 6), "would reach behind");
  ExpectRefused(with(most, 6), "would reach behind");
  ExpectRefused(with(value.place, most), "would reach behind");
  ExpectRefused(with(value.place, 7), "would reach behind");
  ExpectRefused(with(value.place, 5), "it has 5 bytes at byte");
  ExpectRefused(with(value.place + 1, 5), "none by the allocation table");
  EXPECT_EQ(List(with(value.place, 6)).members.size(), 1U);
  EXPECT_EQ(List(with(most, 0)).members.size(), 1U) << "no bytes lie anywhere";
}

TEST(BetonReader, AnImageThatLiesIsRefused) {
  const auto with = [&](uint64_t mode, uint64_t width, uint64_t height, uint64_t further) {
    OneValue own(BetonType::kImage, 13);
    return own.beton.Add(ImageRecord(mode, width, height, own.place + further)).bytes();
  };
  EXPECT_EQ(List(with(1, 1, 2, 0)).members.size(), 1U);
  EXPECT_EQ(List(with(0, 7, 7, 0)).members.size(), 1U);
  ExpectRefused(with(2, 1, 2, 0), "its mode is 2");
  ExpectRefused(with(1, 0, 2, 0), "its image has 0 x 2 pixels");
  ExpectRefused(with(1, 2, 2, 0), "its 12 bytes at byte");
  ExpectRefused(with(1, 65535, 65535, 0), "its 12884508675 bytes at byte");
  ExpectRefused(with(0, 1, 2, 1), "says only the allocation table");
}

TEST(BetonReader, TextThatIsNotEndedIsRefused) {
  OneValue value(BetonType::kJson, 16);
  ForgedBeton unended(BetonDescriptor(BetonType::kJson, "f"), 1, 16);
  const uint64_t place = unended.Put("hello");
  ExpectRefused(unended.Add(Uint<8>(place) + Uint<8>(5)).bytes(), "is not ended by a zero byte");
  ExpectRefused(value.beton.Add(Uint<8>(value.place) + Uint<8>(0)).bytes(), "its text has no bytes");
}

TEST(BetonReader, ArraysOfOtherTypesAreToldOnce) {
  const auto fault_of = [](std::string_view arguments) {
    OneValue own(BetonType::kArray, 8, arguments);
    const Listing listing = List(own.beton.Add(Uint<8>(own.place)).bytes());
    EXPECT_TRUE(listing.faults.size() == 1 || listing.members.size() == 1);
    return listing.faults.empty() ? "" : listing.faults[0];
  };
  EXPECT_EQ(fault_of(ArrayArguments({3}, R"([["", "<i2"]])")), "");
  EXPECT_EQ(fault_of(ArrayArguments({6}, R"( [ [ "" , "|b1" ] ] )")), "");
  for (const std::string_view type :
       {"", "[]", R"([["", "|O8"]])", R"([["x", "<i2"]])", R"([["", "<i2"], ["", "<i2"]])", R"([["", "i2"]])",
        R"([["", "<i"]])", R"([["", "<i99999999999"]])", R"([["", "<M8['x']"]])", R"([["", "<i2[s]"]])",
        R"([["", "<i2', 'x': '"]])"})
    EXPECT_TRUE(Has(fault_of(ArrayArguments({3}, type)), "  field 'f': its type '")) << type;
  const uint64_t half = uint64_t{1} << 32;
  EXPECT_TRUE(Has(fault_of(ArrayArguments({half, half, half}, R"([["", "<i2"]])")), "is larger than any file"));
  std::string long_type = ArrayArguments({3}, "");
  long_type.replace(256, 8, Uint<8>(761));
  EXPECT_TRUE(Has(fault_of(long_type), "has 761 bytes"));
}

TEST(BetonReader, FieldsOfOneNameAreToldApart) {
  ForgedBeton beton(
      BetonDescriptor(BetonType::kInt, "0123456789abcdef") + BetonDescriptor(BetonType::kInt, "0123456789abcdef"), 1,
      16);
  const Listing listing = List(beton.bytes());
  ASSERT_EQ(listing.members.size(), 2U);
  EXPECT_EQ(listing.members[0].path, "00000000.0123456789abcdef.txt");
  EXPECT_EQ(listing.members[1].path, "00000000.0123456789abcdef-1.txt");
}

// A file that is cut anywhere gives the values that are whole, and names all others or says how many are lost.
TEST(BetonReader, ACutFileGivesWhatIsWhole) {
  constexpr size_t kSamples = 3;
  ForgedBeton beton(BetonDescriptor(BetonType::kBytes, "b") + BetonDescriptor(BetonType::kImage, "i") +
                        BetonDescriptor(BetonType::kInt, "n"),
                    kSamples, 40);
  for (size_t i = 0; i < kSamples; ++i) {
    const uint64_t text = beton.Put("text");
    beton.Add(Uint<8>(text) + Uint<8>(4) + ImageRecord(0, 1, 1, beton.Put("\xFF\xD8\xFFjpeg")) + std::string(3, '\0') +
              Uint<8>(i));
  }
  const std::string whole = beton.bytes();
  const Listing all = List(whole);
  ASSERT_EQ(all.members.size(), 9U);
  size_t most = 0;
  for (size_t bytes = 0; bytes < whole.size(); ++bytes) {
    const std::string cut = whole.substr(0, bytes);
    const Listing listing = List(cut);
    if (bytes < kBetonHeaderBytes + 3 * kBetonFieldBytes) {
      EXPECT_NE(listing.error, "") << bytes;
      continue;
    }
    EXPECT_FALSE(listing.faults.empty()) << bytes;
    for (const Member& member : listing.members) {
      const auto same = std::ranges::find(all.members, member.path, &Member::path);
      ASSERT_NE(same, all.members.end()) << member.path;
      EXPECT_EQ(BytesOf(cut, member), BytesOf(whole, *same)) << bytes;
    }
    EXPECT_GE(listing.members.size(), most) << bytes;
    most = listing.members.size();
  }
  EXPECT_EQ(most, 8U) << "without the last byte, one JPEG has no length";
}

// An allocation of so much would end the test.
TEST(BetonReader, HugeNumbersInTheHeaderAskForNoMemory) {
  OneValue value(BetonType::kBytes, 16);
  const std::string good = value.beton.Add(Uint<8>(value.place) + Uint<8>(6)).bytes();
  constexpr uint64_t kMost = std::numeric_limits<uint64_t>::max();
  constexpr size_t kSamplesAt = 8;
  constexpr size_t kAllocationsAt = 16;
  for (const uint64_t number : {kMost, kMost / 16, uint64_t{1} << 40U}) {
    const std::string many = std::string(good).replace(kSamplesAt, 8, Uint<8>(number));
    EXPECT_TRUE(Has(List(many).error, "before the metadata"));
    const std::string far = std::string(good).replace(kAllocationsAt, 8, Uint<8>(number));
    EXPECT_EQ(List(far).faults.size(), 1U);
    EXPECT_EQ(List(far).members.size(), 1U);
    EXPECT_EQ(List(std::string(many).replace(kAllocationsAt, 8, Uint<8>(kMost))).error, "");
  }
}

}  // namespace
}  // namespace quire
