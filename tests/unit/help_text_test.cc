// SPDX-License-Identifier: Apache-2.0
// Goal: no help text is wider than it was asked to be, and no word of it is cut.
#include "fs/help_text.h"

#include <gtest/gtest.h>

namespace quire {
namespace {

TEST(HelpText, ProseIsCutBetweenWords) {
  EXPECT_EQ(WrapText("one two three", 2, 9), "  one two\n  three");
  EXPECT_EQ(WrapText("a-word-that-is-longer than", 0, 10), "a-word-that-is-longer\nthan");
}

TEST(HelpText, TextsStandBesideTheirLabelsOrBelowLongOnes) {
  EXPECT_EQ(FormatHelpEntry("-f,--force", "Replace it", 80), "  -f,--force            Replace it\n");
  EXPECT_EQ(FormatHelpEntry("--a-very-long-option-name", "Text", 80),
            "  --a-very-long-option-name\n                        Text\n");
  EXPECT_EQ(FormatHelpEntry("name", "", 80), "  name\n");
}

}  // namespace
}  // namespace quire
