// SPDX-License-Identifier: Apache-2.0
// The terminal, by ncurses: it is whole again as soon as this is gone.
#pragma once

#include <csignal>
#include <cstdio>
#include <memory>
#include <optional>
#include <vector>

#include "format/result.h"
#include "tools/top/top_screen.h"

namespace quire {

enum class TerminalKey {
  kNone,  // the time is over, or a signal came
  kQuit,
  kNext,
  kPrevious,
  kResized,
  kOther,
};

// One thread, one at a time.
class TerminalScreen {
 public:
  // Standard output is a terminal; keys come from standard input or, where that is none, from the terminal that
  // controls the process. kNotFound where the terminal is of a kind that nothing is known of, with the remedy. From now
  // on signals that ask for an end and those of another size wait until Wait; CatchInterrupts was called before.
  static Result<std::unique_ptr<TerminalScreen>> Open();
  TerminalScreen(const TerminalScreen&) = delete;
  TerminalScreen& operator=(const TerminalScreen&) = delete;
  ~TerminalScreen();

  [[nodiscard]] ScreenForm form() const;

  // What has changed since the last call goes to the terminal.
  void Show(const std::vector<ScreenLine>& lines);

  // Waits for a key, a signal, or `seconds`.
  TerminalKey Wait(double seconds);

 private:
  struct FileCloser {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  using OwnFile = std::unique_ptr<std::FILE, FileCloser>;

  TerminalScreen(OwnFile keys, void* screen);

  OwnFile own_keys_;  // where they are not standard input's
  void* screen_;      // a SCREEN of ncurses
  sigset_t before_;
  bool has_colours_ = false;
  Charset charset_ = Charset::kAscii;
};

}  // namespace quire
