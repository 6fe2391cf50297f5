// SPDX-License-Identifier: Apache-2.0
// Goal: the screen of `quire top` fits every terminal, shows what there is, and no name steers it.
#include "tools/top/top_screen.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <clocale>
#include <string>

#include "format/escaping.h"

namespace quire {
namespace {

// How wide characters are is known in locales of UTF-8 only.
class TopScreenTest : public testing::Test {
 protected:
  TopScreenTest() {
    std::setlocale(LC_CTYPE, "C.UTF-8");
    view_ = {.mount_point = "/data/imagenet",
             .source = "/srv/packs/imagenet.quire",
             .trouble = "",
             .has_rates = true,
             .no_activity = "",
             .rates = {.uptime_s = 3725,
                       .is_activity_told = true,
                       .answered = {.reads_per_s = 12'345, .files_per_s = 1234, .bytes_per_s = 3 << 20},
                       .levels = {{.name = "kernel", .bytes_per_s = 1 << 20, .hits = 0.97},
                                  {.name = "memory", .bytes_per_s = 2 << 20, .hits = 0.5},
                                  {.name = "disk", .bytes_per_s = 4 << 20, .hits = std::nullopt}},
                       .latencies = {{.name = "lookup", .per_s = 10, .p50_us = 8, .p99_us = 16},
                                     {.name = "read", .per_s = 20, .p50_us = 32, .p99_us = 2'097'152}},
                       .threads = {},
                       .folders = {},
                       .waiting = 7}};
    for (int i = 0; i < 100; ++i) {
      view_.readers.push_back({.process = 1000 + static_cast<uint64_t>(i),
                               .command = "python3 train.py",
                               .threads = 2,
                               .rate = {.reads_per_s = 100, .files_per_s = 50, .bytes_per_s = 1000}});
      view_.rates.folders.push_back({.path = "train/n" + std::to_string(i), .rate = {.reads_per_s = 10}});
    }
    for (int i = 0; i < 500; ++i) view_.history.Add(view_.rates);
  }

  static std::string TextOf(const std::vector<ScreenLine>& lines) {
    std::string text;
    for (const ScreenLine& line : lines) {
      for (const StyledText& part : line) text += part.text;
      text += '\n';
    }
    return text;
  }
  [[nodiscard]] std::string Shown(const ScreenForm& form = {}) const { return TextOf(LayOutTop({view_}, 0, 2, form)); }
  static void ExpectFits(const std::vector<ScreenLine>& lines, const ScreenForm& form) {
    EXPECT_LE(lines.size(), form.lines);
    for (const ScreenLine& line : lines) {
      size_t columns = 0;
      for (const StyledText& part : line) {
        columns += ColumnsOf(part.text);
        EXPECT_TRUE(IsFitForTerminal(part.text)) << part.text;
        if (form.charset == Charset::kAscii) {
          for (const char byte : part.text) EXPECT_TRUE(byte >= ' ' && byte <= '~') << part.text;
        }
      }
      EXPECT_LE(columns, form.columns) << TextOf({line});
    }
  }

  TopView view_;
};

TEST_F(TopScreenTest, FitsEveryTerminal) {
  TopView odd = view_;
  odd.mount_point = "/data/\x1b[31mred\n/文字文字文字文字";
  odd.source = "\xff文字";
  odd.readers.front().command = "文字文字文字文字文字文字文字文字文字文字 \x1b]0;title\a";
  odd.rates.folders.front().path =
      "文字/e\xCC\x81/文字文字文字文字文字文字文字文字文字文字文字文字文字文字文字文字文字文字";
  TopView silent = view_;
  silent.trouble = "the daemon of the mount at '/a\x1b' does not answer";
  TopView fresh = view_;
  fresh.has_rates = false;
  const std::vector<std::vector<TopView>> screens = {
      {}, {odd}, {silent}, {fresh}, {odd, silent, fresh, odd, odd, odd, odd}};
  for (const auto& views : screens)
    for (const size_t columns : {1, 2, 3, 7, 20, 40, 79, 80, 81, 149, 150, 151, 200, 1000})
      for (const size_t lines : {1, 2, 3, 5, 10, 24, 32, 50, 300})
        for (const Charset charset : {Charset::kAscii, Charset::kUtf8})
          for (size_t selected = 0; selected < std::max<size_t>(views.size(), 1); ++selected) {
            const ScreenForm form = {.columns = columns, .lines = lines, .charset = charset};
            SCOPED_TRACE(testing::Message() << columns << "x" << lines);
            ExpectFits(LayOutTop(views, selected, 2, form), form);
          }
}

TEST_F(TopScreenTest, FillsTheScreenFromTopToBottom) {
  for (const size_t columns : {80, 200}) {
    const auto lines = LayOutTop({view_}, 0, 2, {.columns = columns, .lines = 50});
    ASSERT_EQ(lines.size(), 50U);
    EXPECT_NE(TextOf({lines[48]}).find("/train/n"), std::string::npos) << TextOf({lines[48]});
    EXPECT_NE(TextOf({lines[49]}).find("q quits"), std::string::npos);
  }
}

TEST_F(TopScreenTest, TellsWhatThereIs) {
  const std::string text = Shown();
  for (const char* const expected :
       {"/data/imagenet", "imagenet.quire", "up 1:02:05", "every 2 s", "12.3k reads/s", "1,234 files/s",
        "3.0 MiB/s answered", "kernel", "97 % was read", "50 % of reads", "read", "32 us", "2.1 s", "7 reads wait",
        "1000", "[2 threads] python3 train.py", "/train/n0", "█"})
    EXPECT_NE(text.find(expected), std::string::npos) << expected << " is not in\n" << text;
  EXPECT_EQ(text.find("slow"), std::string::npos) << "what did not happen is left out";
}

TEST_F(TopScreenTest, WideScreensHaveTwoColumns) {
  const auto lines = LayOutTop({view_}, 0, 2, {.columns = 200, .lines = 24});
  EXPECT_NE(TextOf({lines[2]}).find("from"), std::string::npos);
  EXPECT_NE(TextOf({lines[2]}).find("who reads"), std::string::npos);
}

TEST_F(TopScreenTest, SaysWhyNothingIsShown) {
  EXPECT_NE(TextOf(LayOutTop({}, 0, 2, {})).find("no pack is mounted"), std::string::npos);
  view_.readers.clear();
  view_.rates.folders.clear();
  EXPECT_NE(Shown().find("nothing was read"), std::string::npos);
  view_.no_activity = "who reads is told to root and to the user who mounted";
  EXPECT_NE(Shown().find(view_.no_activity), std::string::npos);
  view_.trouble = "the mount is gone";
  EXPECT_NE(Shown().find("the mount is gone"), std::string::npos);
  const std::string remedy = "; kill -CONT lets it go on";
  const TopView before = view_;
  view_.trouble = std::string(160, 'x') + remedy;
  EXPECT_NE(Shown().find(remedy), std::string::npos) << "the end of what is wrong is cut off";
  view_ = before;
  EXPECT_EQ(Shown().find("reads/s"), std::string::npos) << "figures of before are shown as if they were of now";
}

TEST_F(TopScreenTest, OfSeveralMountsOneIsShownInDetail) {
  TopView other = view_;
  other.mount_point = "/data/other";
  other.readers.front().command = "other reader";
  const std::string first = TextOf(LayOutTop({view_, other}, 0, 2, {}));
  const std::string second = TextOf(LayOutTop({view_, other}, 1, 2, {}));
  EXPECT_NE(first.find("> /data/imagenet"), std::string::npos) << first;
  EXPECT_EQ(first.find("other reader"), std::string::npos);
  EXPECT_NE(second.find("> /data/other"), std::string::npos);
  EXPECT_NE(second.find("other reader"), std::string::npos);
  EXPECT_NE(second.find("Tab"), std::string::npos);
}

TEST_F(TopScreenTest, ALineTellsTheSame) {
  const std::string line = FormatTopLine(view_, false);
  for (const char* const expected :
       {"12.3k", "1,234", "3.0 MiB", "50 %", "32 us", "2.1 s", "1000 python3 train.py; /train/n0"})
    EXPECT_NE(line.find(expected), std::string::npos) << expected << " is not in " << line;
  EXPECT_EQ(line.find("/data/imagenet"), std::string::npos);
  EXPECT_NE(FormatTopLine(view_, true).find("/data/imagenet"), std::string::npos);
  EXPECT_EQ(TopLineHeading().find("who reads"), line.find("1000 python3"));
}

TEST(TerminalText, FitsTextIntoColumns) {
  std::setlocale(LC_CTYPE, "C.UTF-8");
  EXPECT_EQ(Fit("abc", 5, Charset::kUtf8), "abc  ");
  EXPECT_EQ(Fit("abcdef", 5, Charset::kUtf8), "abcd…");
  EXPECT_EQ(Fit("abcdef", 5, Charset::kUtf8, Cut::kBeginning), "…cdef");
  EXPECT_EQ(Fit("abcdef", 5, Charset::kAscii), "abcd~");
  EXPECT_EQ(Fit("文字文字", 6, Charset::kUtf8), "文字… ") << "half a character is left out";
  EXPECT_EQ(Fit("文字文字", 6, Charset::kUtf8, Cut::kBeginning), "…文字 ");
  EXPECT_EQ(Fit("文字", 4, Charset::kUtf8), "文字");
  EXPECT_EQ(Fit("文字a", 4, Charset::kAscii), "??a ");
  EXPECT_EQ(Fit("e\xCC\x81", 2, Charset::kUtf8), "e\xCC\x81 ") << "an accent takes no column";
  EXPECT_EQ(Fit("abc", 0, Charset::kUtf8), "");
}

TEST(TerminalText, WrapsTextAnywhere) {
  std::setlocale(LC_CTYPE, "C.UTF-8");
  EXPECT_EQ(Wrap("", 4, Charset::kUtf8), std::vector<std::string>());
  EXPECT_EQ(Wrap("abcdefghi", 4, Charset::kUtf8), (std::vector<std::string>{"abcd", "efgh", "i"}));
  EXPECT_EQ(Wrap("abcd", 4, Charset::kUtf8), (std::vector<std::string>{"abcd"}));
  EXPECT_EQ(Wrap("a文字", 4, Charset::kUtf8), (std::vector<std::string>{"a文", "字"}));
}

TEST(TerminalText, SparklinesShowTheNewestAtTheRight) {
  const std::vector<double> values = {0, 1, 4, 8};
  EXPECT_EQ(Sparkline(values, 8, 6, Charset::kUtf8), "   ▁▄█");
  EXPECT_EQ(Sparkline(values, 8, 2, Charset::kUtf8), "▄█");
  EXPECT_EQ(Sparkline(values, 8, 4, Charset::kAscii), " _=@");
  EXPECT_EQ(Sparkline(values, 0, 4, Charset::kUtf8), "    ") << "there was nothing";
  EXPECT_EQ(Sparkline(std::vector<double>{100}, 8, 1, Charset::kUtf8), "█");
}

}  // namespace
}  // namespace quire
