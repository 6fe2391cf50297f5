// SPDX-License-Identifier: Apache-2.0
// Goal: a size is read alike wherever one is given, and what is none is refused.
#include "fs/options/byte_size.h"

#include <gtest/gtest.h>

namespace quire {
namespace {

TEST(ByteSize, CountsBytesOrBinaryUnits) {
  EXPECT_EQ(ParseByteSize("0"), 0U);
  EXPECT_EQ(ParseByteSize("8388608"), 8U << 20);
  EXPECT_EQ(ParseByteSize("18446744073709551615"), UINT64_MAX);
  EXPECT_EQ(ParseByteSize("100B"), 100U);
  for (const char* const text : {"8192K", "8192KB", "8192KiB", "8192k", "8192kib", "8M", "8MB", "8MiB", "8mib", "8m"})
    EXPECT_EQ(ParseByteSize(text), 8U << 20) << text;
  EXPECT_EQ(ParseByteSize("4GiB"), uint64_t{4} << 30);
  EXPECT_EQ(ParseByteSize("2TB"), uint64_t{2} << 40);
  EXPECT_EQ(ParseByteSize("16777215T"), uint64_t{16777215} << 40);
}

TEST(ByteSize, MayHaveAFractionOfAUnit) {
  for (const char* const text : {"1.5G", "1.5GB", "1.5GiB", "1.50g"})
    EXPECT_EQ(ParseByteSize(text), uint64_t{3} << 29) << text;
  EXPECT_EQ(ParseByteSize("0.0625M"), 64U << 10);
}

TEST(ByteSize, RefusesWhatIsNone) {
  for (const char* const text : {"",
                                 "M",
                                 "-1",
                                 "+1",
                                 "0x10",
                                 "1.5",
                                 "1.5B",
                                 "1.G",
                                 ".5G",
                                 "1.5.5G",
                                 "1e3",
                                 "8 M",
                                 " 8M",
                                 "8M ",
                                 "8iB",
                                 "8Mi",
                                 "8MBs",
                                 "8P",
                                 "8KK",
                                 "16777216T",
                                 "18446744073709551615K",
                                 "18446744073709551616"})
    EXPECT_EQ(ParseByteSize(text), std::nullopt) << text;
}

}  // namespace
}  // namespace quire
