// SPDX-License-Identifier: Apache-2.0
// Goal: no name can steer a terminal, and two names never look the same.
#include "format/escaping.h"

#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

namespace quire {
namespace {

TEST(Escaping, WhatPeopleCanReadStaysAsItIs) {
  for (const char* const name :
       {"", "a b.png", "caf\xC3\xA9", "\xE5\x86\x99\xE7\x9C\x9F", "\xF0\x9F\x93\xB7", "'\"$`"}) {
    EXPECT_EQ(EscapeName(name), name);
    EXPECT_EQ(EscapeLine(name), name);
    EXPECT_TRUE(IsFitForTerminal(name)) << name;
  }
}

TEST(Escaping, ControlCharactersOfBothSetsAreEscaped) {
  EXPECT_EQ(EscapeName("a\nb\tc\x1b[31m\x7f"), "a\\nb\\tc\\x1b[31m\\x7f");
  EXPECT_EQ(EscapeName("\xC2\x9B"
                       "31m"),
            "\\xc2\\x9b31m");  // CSI, one character of C1
  EXPECT_EQ(EscapeName(std::string_view("\0", 1)), "\\x00");
}

TEST(Escaping, WhatTurnsTheDirectionOfTextIsEscaped) {
  for (const char* const mark : {"\xD8\x9C", "\xE2\x80\x8E", "\xE2\x80\x8F", "\xE2\x80\xAA", "\xE2\x80\xAE",
                                 "\xE2\x81\xA6", "\xE2\x81\xA9", "\xE2\x80\xA8", "\xE2\x80\xA9"}) {
    EXPECT_FALSE(IsFitForTerminal(mark));
    EXPECT_TRUE(EscapeName(mark).starts_with("\\x")) << EscapeName(mark);
  }
  EXPECT_EQ(EscapeName("gpj.\xE2\x80\xAE.exe"), "gpj.\\xe2\\x80\\xae.exe");
}

TEST(Escaping, WhatIsNoUtf8IsEscapedByteByByte) {
  EXPECT_EQ(EscapeName("\xFF"
                       "caf\xE9"),
            "\\xffcaf\\xe9");
  EXPECT_EQ(EscapeName("\xC0\xAF"), "\\xc0\\xaf");           // not the shortest form
  EXPECT_EQ(EscapeName("\xED\xA0\x80"), "\\xed\\xa0\\x80");  // a surrogate
  EXPECT_EQ(EscapeName("\xE2\x82"), "\\xe2\\x82");           // cut off
  EXPECT_FALSE(IsUtf8("\xE2\x82"));
  EXPECT_TRUE(IsUtf8("\xE2\x82\xAC\n"));
}

TEST(Escaping, TwoNamesNeverLookTheSame) {
  const std::vector<std::string> names = {"\n", "\\n", "\\\\n", "\x1b", "\\x1b", "\\", "\xC2\x9B", "\\xc2\\x9b"};
  std::set<std::string> shown;
  for (const std::string& name : names) EXPECT_TRUE(shown.insert(EscapeName(name)).second) << EscapeName(name);
}

TEST(Escaping, ALineIsNotEscapedTwice) {
  for (const char* const text : {"'a\\b': no\n", "\x1b", "\\x1b", "\xFF\\"}) {
    EXPECT_EQ(EscapeLine(EscapeLine(text)), EscapeLine(text));
    EXPECT_EQ(EscapeLine(EscapeName(text)), EscapeName(text));
    EXPECT_TRUE(IsFitForTerminal(EscapeLine(text)));
  }
}

}  // namespace
}  // namespace quire
