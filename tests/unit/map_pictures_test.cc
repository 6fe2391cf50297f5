// SPDX-License-Identifier: Apache-2.0
// Goal: pictures of a map fit what they are drawn on, show each level in its colour or letter, and let no name steer a
// terminal or end an element.
#include <gtest/gtest.h>
#include <zlib.h>

#include <algorithm>
#include <map>
#include <regex>
#include <sstream>

#include "tools/map/level_colours.h"
#include "tools/map/pixel_font.h"
#include "tools/map/png_image.h"
#include "tools/map/png_picture.h"
#include "tools/map/svg_picture.h"
#include "tools/map/terminal_picture.h"

namespace quire {
namespace {

using Variables = std::map<std::string, std::string>;

TerminalStyle StyleOf(const Variables& variables, size_t columns = 100, ColourChoice choice = ColourChoice::kAuto) {
  return ChooseTerminalStyle(choice, columns, [&](const char* name) -> const char* {
    const auto found = variables.find(name);
    return found == variables.end() ? nullptr : found->second.c_str();
  });
}

// Pages 0 to 9 in memory, 10 to 19 handed on, 20 to 29 in the page cache, 30 to 39 in a tier, all others nowhere.
MapReport Report(uint64_t pages = 200) {
  VolumePages volume{.path = "/data/a.quire", .volume_bytes = pages * kPageBytes};
  uint64_t first = 0;
  for (const Level level : kAllLevels) {
    volume.At(level).applies = true;
    PutWholePages(std::vector<PageRun>{{first, 10}}, level, volume);
    first += 10;
  }
  return {.source = "/data/a.quire", .mount_point = "/mnt", .volumes = {volume}};
}

std::vector<std::string> LinesOf(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

std::string WithoutCodes(const std::string& text) {
  return std::regex_replace(text, std::regex("\x1b\\[[0-9;]*m"), "");
}

TEST(TerminalStyle, FollowsTheTerminalAndTheLocale) {
  const Variables rich = {{"TERM", "xterm-256color"}, {"COLORTERM", "truecolor"}, {"LANG", "C.UTF-8"}};
  EXPECT_EQ(StyleOf(rich).colours, ColourDepth::kFull);
  EXPECT_TRUE(StyleOf(rich).has_blocks);
  EXPECT_EQ(StyleOf(rich).columns, 100U);
  const auto with = [&](const char* name, const char* value) {
    Variables variables = rich;
    variables[name] = value;
    return StyleOf(variables);
  };
  EXPECT_EQ(with("COLORTERM", "").colours, ColourDepth::k256);
  EXPECT_EQ(with("TERM", "dumb").colours, ColourDepth::kNone);
  EXPECT_EQ(with("NO_COLOR", "1").colours, ColourDepth::kNone);
  EXPECT_FALSE(with("LC_ALL", "C").has_blocks);
  EXPECT_TRUE(with("LC_CTYPE", "de_DE.utf8").has_blocks);
  EXPECT_FALSE(with("LC_CTYPE", "POSIX").has_blocks);
  EXPECT_EQ(StyleOf({{"TERM", "vt100"}}).colours, ColourDepth::kEight);
}

TEST(TerminalStyle, AFileGets80ColumnsAndNoColours) {
  const Variables rich = {{"TERM", "xterm-256color"}, {"LANG", "C.UTF-8"}};
  EXPECT_EQ(StyleOf(rich, 0).columns, 80U);
  EXPECT_EQ(StyleOf(rich, 0).colours, ColourDepth::kNone);
  EXPECT_EQ(StyleOf(rich, 0, ColourChoice::kAlways).colours, ColourDepth::k256);
  EXPECT_EQ(StyleOf({}, 0, ColourChoice::kAlways).colours, ColourDepth::k256);
  EXPECT_EQ(StyleOf(rich, 100, ColourChoice::kNever).colours, ColourDepth::kNone);
  EXPECT_EQ(StyleOf(rich, 3).columns, 40U) << "less shows nothing";
}

TEST(TerminalPicture, IsLettersWhereThereIsNoColour) {
  const auto lines = LinesOf(DrawForTerminal(Report(), {.columns = 60}));
  ASSERT_GT(lines.size(), 7U);
  EXPECT_EQ(lines[0], "/data/a.quire at /mnt");
  EXPECT_EQ(lines[1], "Resident pages: 30/200  60.0 MiB/400.0 MiB  15.0 %");
  EXPECT_EQ(lines[2], std::string(10, 'M') + std::string(10, 'H') + std::string(10, 'P') + std::string(10, 'T') +
                          std::string(20, '.'));
  EXPECT_EQ(lines[3], std::string(60, '.'));
  EXPECT_EQ(lines[6].substr(0, 30), "each cell is 1 page, 2.0 MiB; ");
}

TEST(TerminalPicture, CellsOfWhichLessThanHalfIsThereHaveSmallLetters) {
  MapReport report = Report();
  report.volumes[0].At(Level::kTier).folios.clear();
  report.volumes[0].At(Level::kKernel).folios.clear();
  report.volumes[0].At(Level::kHandedOn).folios.clear();
  PutWholePages(std::vector<PageRun>{{0, 200}}, Level::kTier, report.volumes[0]);
  for (uint64_t page = 0; page < 200; ++page) report.volumes[0].At(Level::kTier).folios[page] = 200;
  report.volumes[0].At(Level::kMemory).folios.clear();
  EXPECT_EQ(LinesOf(DrawForTerminal(report, {.columns = 60}))[2], std::string(60, 't'));
}

TEST(TerminalPicture, NoLineIsWiderThanTheTerminal) {
  for (const size_t columns : {40, 79, 200}) {
    for (const uint64_t pages : {40, 200, 5000, 300'000}) {
      for (const ColourDepth colours :
           {ColourDepth::kNone, ColourDepth::kEight, ColourDepth::k256, ColourDepth::kFull}) {
        MapReport report = Report(pages);
        report.volumes[0].At(Level::kKernel) = {.applies = true, .unknown = "the kernel tells it to some people alone"};
        const std::string text =
            WithoutCodes(DrawForTerminal(report, {.columns = columns, .colours = colours, .has_blocks = true}));
        for (std::string line : LinesOf(text)) {
          // A block is three bytes and one column.
          line = std::regex_replace(line, std::regex("\xE2\x96[\x80\x88]"), "#");
          EXPECT_LE(line.size(), columns) << line;
        }
        EXPECT_LE(LinesOf(text).size(), columns < 60 ? 34U : 24U) << text;
      }
    }
  }
}

TEST(TerminalPicture, SeveralVolumesShareTheLines) {
  MapReport report = Report(5000);
  report.volumes.assign(kMostPictures, report.volumes.front());
  for (const bool has_blocks : {false, true}) {
    const TerminalStyle style{.columns = 80, .colours = ColourDepth::k256, .has_blocks = has_blocks};
    EXPECT_LE(LinesOf(DrawForTerminal(report, style)).size(), 24U);
  }
}

TEST(TerminalPicture, ColoursEndBeforeTheLineDoes) {
  for (const ColourDepth colours : {ColourDepth::kEight, ColourDepth::k256, ColourDepth::kFull})
    for (const auto& line : LinesOf(DrawForTerminal(Report(), {.columns = 40, .colours = colours, .has_blocks = true})))
      if (line.contains('\x1b')) {
        EXPECT_LT(line.rfind("\x1b[3"), line.rfind("\x1b[0m")) << line;
      }
  EXPECT_FALSE(DrawForTerminal(Report(), {.columns = 40, .has_blocks = true}).contains('\x1b'));
}

TEST(TerminalPicture, BlocksHaveTwoCellsInTheColoursOfTheirLevels) {
  const std::string text =
      DrawForTerminal(Report(), {.columns = 20, .colours = ColourDepth::kFull, .has_blocks = true});
  // Memory above the page cache, since a row has 20 pages.
  const Colour memory = kDarkColours[0];
  const Colour kernel = kDarkColours[2];
  const std::string both = fmt::format("\x1b[38;2;{};{};{}m\x1b[48;2;{};{};{}m\xE2\x96\x80", memory.red, memory.green,
                                       memory.blue, kernel.red, kernel.green, kernel.blue);
  EXPECT_TRUE(text.contains(both)) << text;
}

TEST(TerminalPicture, NoNameSteersTheTerminal) {
  MapReport report = Report();
  report.source = report.volumes[0].path = "a\x1b]0;b\x07\n";
  report.volumes[0].error = "c\x1b[31md";
  report.volumes[0].At(Level::kKernel) = {.applies = true, .unknown = "e\x1b[31mf"};
  report.volumes.push_back(report.volumes[0]);
  EXPECT_FALSE(DrawForTerminal(report, {}).contains('\x1b'));
  for (const std::string& text : {DrawSvg(report), DrawPng(report)}) EXPECT_FALSE(text.contains("\x1b]0;b"));
}

TEST(SvgPicture, HasEachLevelInItsColourAndNothingThatEndsIt) {
  MapReport report = Report();
  report.source = "</svg><script>\"&'";
  const std::string svg = DrawSvg(report);
  for (const auto name : kColourClasses) EXPECT_TRUE(svg.contains(fmt::format("qc-bar {}", name))) << name;
  EXPECT_FALSE(svg.contains("<script"));
  EXPECT_TRUE(svg.contains("<title>page 0: memory, 100 %</title>"));
  EXPECT_TRUE(svg.contains("<title>page 199: nowhere</title>"));
  EXPECT_TRUE(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"));
}

TEST(SvgPicture, IsBoundedWhateverThePack) {
  MapReport report = Report(1'000'000);
  std::vector<uint16_t>& folios = report.volumes[0].At(Level::kTier).folios;
  for (size_t page = 0; page < folios.size(); page += 2) folios[page] = kFoliosAPage;
  EXPECT_LT(DrawSvg(report).size(), 3U << 20);
  EXPECT_LT(DrawPng(report).size(), 3U << 20);
}

TEST(PixelFont, EachCharacterHasItsOwnGlyph) {
  const auto glyph_of = [](char character) {
    std::string glyph;
    for (size_t y = 0; y < kGlyphHeight; ++y)
      for (size_t x = 0; x < kGlyphWidth; ++x) glyph += HasInk(character, x, y) ? '#' : ' ';
    return glyph;
  };
  std::map<std::string, char> seen;
  for (char character = ' '; character <= '~'; ++character) {
    const auto [before, is_new] = seen.emplace(glyph_of(character), character);
    EXPECT_TRUE(is_new) << character << " looks as " << before->second;
  }
  EXPECT_EQ(glyph_of('\xC3'), glyph_of('\x7f'));
  EXPECT_FALSE(seen.contains(glyph_of('\xC3')));
}

// Reads what is written by the chunks alone.
TEST(PngImage, IsReadAsItWasDrawn) {
  PngImage image(5, 3, {1, 2, 3});
  image.Fill(-10, 1, 12, 1, {9, 8, 7});
  image.Fill(3, -5, 100, 6, {4, 5, 6});
  const std::string png = image.Encode("a title");
  ASSERT_EQ(png.substr(0, 8), "\x89PNG\r\n\x1a\n");
  std::map<std::string, std::string> chunks;
  const auto number_at = [&](size_t at) {
    uint32_t number = 0;
    for (size_t i = 0; i < 4; ++i) number = number << 8U | static_cast<unsigned char>(png[at + i]);
    return number;
  };
  for (size_t at = 8; at < png.size();) {
    const uint32_t bytes = number_at(at);
    chunks[png.substr(at + 4, 4)] = png.substr(at + 8, bytes);
    EXPECT_EQ(number_at(at + 8 + bytes), crc32(0, reinterpret_cast<const Bytef*>(png.data() + at + 4), bytes + 4));
    at += bytes + 12;
  }
  EXPECT_TRUE(chunks.at("iTXt").ends_with("a title"));
  std::string rows(3 * (5 * 3 + 1), '\0');
  auto bytes = static_cast<uLongf>(rows.size());
  const std::string& packed = chunks.at("IDAT");
  ASSERT_EQ(uncompress(reinterpret_cast<Bytef*>(rows.data()), &bytes, reinterpret_cast<const Bytef*>(packed.data()),
                       packed.size()),
            Z_OK);
  ASSERT_EQ(bytes, rows.size());
  const auto pixel = [&](size_t x, size_t y) { return rows.substr(y * 16 + 1 + x * 3, 3); };
  EXPECT_EQ(pixel(0, 0), "\x01\x02\x03");
  EXPECT_EQ(pixel(3, 0), "\x04\x05\x06");
  EXPECT_EQ(pixel(4, 0), "\x04\x05\x06");
  EXPECT_EQ(pixel(1, 1), "\x09\x08\x07");
  EXPECT_EQ(pixel(2, 1), "\x01\x02\x03");
}

TEST(PngPicture, HasEachLevelInItsColour) {
  MapReport report = Report();
  const std::string all = DrawPng(report);
  report.volumes[0].At(Level::kTier) = {};
  EXPECT_NE(DrawPng(report), all);
  EXPECT_EQ(DrawPng(report), DrawPng(report));
}

}  // namespace
}  // namespace quire
