// SPDX-License-Identifier: Apache-2.0
// What could stand where the cursor is: the completion of bash, zsh and fish, derived from the parser itself.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "tools/parser.h"

namespace quire {

struct Candidate {
  std::string text;              // the whole word
  std::string description = {};  // may be empty

  bool operator==(const Candidate&) const = default;
};

struct Completion {
  enum class Kind : uint8_t {
    kWords,        // one of the candidates
    kPaths,        // the same, and they are paths, though not of files that the shell could find
    kFiles,        // a file, which the shell knows best how to complete
    kDirectories,  // a folder
  };
  Kind kind = Kind::kWords;
  std::vector<Candidate> candidates = {};
  std::string prefix = {};   // of kFiles and kDirectories: what their name follows inside the word, "log_file=" say
  std::string pattern = {};  // of kFiles: "*.quire" where others are of no use
};

// Completes the last of `words`, which follow the name of the program, `root`. Reads the index of a pack
// that they name; what cannot be read, or makes no sense, has no candidates.
Completion Complete(Command root, std::span<const std::string> words);

// Whether the command line is 'PROGRAM complete -- WORDS...', which is for the shells' scripts alone. `line` follows
// the program's name.
bool IsCompleteCommand(std::span<const std::string> line);
// Completes the last of its WORDS and prints what complete.cc defines; returns an exit code.
// REQUIRES: IsCompleteCommand.
int RunCompleteCommand(Command root, std::span<const std::string> line);

}  // namespace quire
