// SPDX-License-Identifier: Apache-2.0
#include "tools/top/terminal_screen.h"

#include <langinfo.h>
#include <poll.h>
#include <pthread.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <clocale>
#include <cstdlib>
#include <cstring>
#include <string_view>
#include <utility>

// Last: it defines macros of common names.
#define NCURSES_NOMACROS 1
#include <curses.h>

namespace quire {
namespace {

constexpr std::array<int, 5> kSignals = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGWINCH};
constexpr double kNsPerSecond = 1e9;
// From the Escape with which an arrow begins to its rest; ncurses waits a second. A terminal sends both at once, a
// network may part them.
constexpr int kEscapeDelayMs = 50;

enum Pair : short { kGraphPair = 1, kWarningPair, kAlarmPair };

SCREEN* ScreenOf(void* screen) { return static_cast<SCREEN*>(screen); }

attr_t AttributesOf(TextStyle style, bool has_colours) {
  const auto colour = [has_colours](Pair pair) {
    return has_colours ? static_cast<attr_t>(COLOR_PAIR(pair)) : A_NORMAL;
  };
  switch (style) {
    case TextStyle::kTitle:
      return A_REVERSE;
    case TextStyle::kHeading:
      return A_BOLD | A_UNDERLINE;
    case TextStyle::kDim:
      return A_DIM;
    case TextStyle::kGraph:
      return colour(kGraphPair);
    case TextStyle::kWarning:
      return A_BOLD | colour(kWarningPair);
    case TextStyle::kAlarm:
      return A_BOLD | colour(kAlarmPair);
    case TextStyle::kPlain:
      break;
  }
  return A_NORMAL;
}

// Colours on the terminal's own background, where it has colours.
bool StartColours() {
  if (!has_colors() || start_color() == ERR || use_default_colors() == ERR) return false;
  init_pair(kGraphPair, COLOR_CYAN, -1);
  init_pair(kWarningPair, COLOR_YELLOW, -1);
  init_pair(kAlarmPair, COLOR_RED, -1);
  return true;
}

TerminalKey KeyOf(int key) {
  switch (key) {
    case ERR:
      return TerminalKey::kNone;
    case 'q':
    case 'Q':
      return TerminalKey::kQuit;
    case '\t':
    case KEY_DOWN:
    case 'j':
      return TerminalKey::kNext;
    case KEY_BTAB:
    case KEY_UP:
    case 'k':
      return TerminalKey::kPrevious;
    case KEY_RESIZE:
      return TerminalKey::kResized;
    default:
      return TerminalKey::kOther;
  }
}

}  // namespace

Result<std::unique_ptr<TerminalScreen>> TerminalScreen::Open() {
  OwnFile own_keys(isatty(STDIN_FILENO) != 0 ? nullptr : std::fopen("/dev/tty", "re"));
  // What the locale says decides how wide characters are, and which there are; numbers stay as they are.
  std::setlocale(LC_CTYPE, "");
  SCREEN* const screen = newterm(nullptr, stdout, own_keys ? own_keys.get() : stdin);
  if (screen == nullptr) {
    const char* const kind = std::getenv("TERM");
    return MakeError(ErrorCode::kNotFound,
                     "nothing is known of a terminal of the kind '{}' (TERM); --lines prints a line for each update",
                     kind == nullptr ? "" : kind);
  }
  return std::unique_ptr<TerminalScreen>(new TerminalScreen(std::move(own_keys), screen));
}

TerminalScreen::TerminalScreen(OwnFile keys, void* screen) : own_keys_(std::move(keys)), screen_(screen) {
  sigset_t waiting;
  sigemptyset(&waiting);
  for (const int signal : kSignals) sigaddset(&waiting, signal);
  pthread_sigmask(SIG_BLOCK, &waiting, &before_);
  set_term(ScreenOf(screen_));
  cbreak();
  noecho();
  nonl();
  curs_set(0);
  keypad(stdscr, TRUE);
  nodelay(stdscr, TRUE);
  set_escdelay(kEscapeDelayMs);
  has_colours_ = StartColours();
  if (std::string_view(nl_langinfo(CODESET)) == "UTF-8") charset_ = Charset::kUtf8;
}

TerminalScreen::~TerminalScreen() {
  endwin();
  delscreen(ScreenOf(screen_));
  pthread_sigmask(SIG_SETMASK, &before_, nullptr);
}

ScreenForm TerminalScreen::form() const {
  return {.columns = static_cast<size_t>(std::max(COLS, 1)),
          .lines = static_cast<size_t>(std::max(LINES, 1)),
          .charset = charset_};
}

void TerminalScreen::Show(const std::vector<ScreenLine>& lines) {
  werase(stdscr);
  for (size_t y = 0; y < lines.size(); ++y) {
    wmove(stdscr, static_cast<int>(y), 0);
    for (const StyledText& part : lines[y]) {
      wattrset(stdscr, static_cast<int>(AttributesOf(part.style, has_colours_)));
      waddnstr(stdscr, part.text.data(), static_cast<int>(part.text.size()));
    }
  }
  wattrset(stdscr, A_NORMAL);
  wnoutrefresh(stdscr);
  doupdate();
}

TerminalKey TerminalScreen::Wait(double seconds) {
  // What ncurses has taken in already comes first.
  if (const int key = wgetch(stdscr); key != ERR) return KeyOf(key);
  const auto time = std::chrono::nanoseconds(static_cast<int64_t>(std::max(seconds, 0.0) * kNsPerSecond));
  const auto whole = std::chrono::floor<std::chrono::seconds>(time);
  const timespec at_most = {.tv_sec = whole.count(), .tv_nsec = (time - whole).count()};
  pollfd keys = {own_keys_ ? fileno(own_keys_.get()) : STDIN_FILENO, POLLIN, 0};
  const int ready = ppoll(&keys, 1, &at_most, &before_);
  const int key = wgetch(stdscr);  // of another size it tells as of a key
  // The terminal is gone: nobody can see or press anything.
  if (ready > 0 && key == ERR && (keys.revents & (POLLHUP | POLLERR | POLLNVAL)) != 0) return TerminalKey::kQuit;
  return KeyOf(key);
}

}  // namespace quire
