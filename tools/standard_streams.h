// A program may be started with standard streams closed, as some supervisors and crontabs do.
#pragma once

namespace quire {

// Opens /dev/null in the place of each standard stream that is closed. Otherwise the next file that is opened gets the
// stream's number, and what is meant for the stream is written into that file. The first thing that main does, since it
// may end the program: where /dev/null cannot be opened, nothing can be done safely.
void OpenClosedStreams();

}  // namespace quire
