// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <syslog.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "format/escaping.h"
#include "format/pack/pack.h"
#include "fs/json_text.h"
#include "fs/life/daemon.h"
#include "fs/mounts/daemon_answer.h"
#include "fs/mounts/mount_table.h"
#include "tools/command.h"
#include "tools/interrupt.h"
#include "tools/pack_source.h"
#include "tools/sim/lab_cache.h"
#include "tools/standard_streams.h"
#include "tools/trace/recorder.h"
#include "tools/trace/trace_insights.h"
#include "tools/trace/trace_report.h"

namespace quire {
namespace {

// A recorder ends within a second (recorder.cc), a disk that is slow taken aside.
constexpr std::chrono::seconds kStopTimeout(30);
constexpr std::chrono::milliseconds kLookForEnd(10);

struct TraceArguments {
  std::string directory;
  std::string output;
  bool force = false;
  bool foreground = false;
  std::string trace;
  std::string pack;
  std::string order;
  bool nul_separated = false;
  uint64_t slots = 0;
  bool json = false;
};

// The folder as the kernel lists it, which is a mount that answers.
Result<std::string> ResolveRoot(const std::string& directory) {
  if (auto answers = CheckPathAnswers(directory); !answers) return Propagate(std::move(answers));
  return ResolveMountPoint(directory);
}

int RunStart(const TraceArguments& arguments) {
  const auto mount_point = ResolveRoot(arguments.directory);
  if (!mount_point) return Fail("trace start", mount_point.error());
  std::error_code error;
  const std::string output = std::filesystem::absolute(arguments.output, error).string();
  if (error)
    return Fail("trace start", Error{ErrorCode::kSystem, error.value(), arguments.output + ": " + error.message()});
  const std::atomic<bool>& interrupted = *CatchInterrupts();
  std::signal(SIGPIPE, SIG_IGN);
  std::optional<Recorder> recorder;
  const auto prepare = [&]() -> Result<void> {
    auto opened = Recorder::Open(*mount_point, output, arguments.force);
    if (!opened) return Propagate(std::move(opened));
    recorder.emplace(*std::move(opened));
    return {};
  };
  const auto serve = [&](const std::function<void()>& ready) -> Result<void> {
    if (auto begun = recorder->Begin(interrupted); !begun) return begun;
    ready();
    auto done = recorder->Run(interrupted);
    if (!done && !arguments.foreground)
      syslog(LOG_DAEMON | LOG_ERR, "quire trace: %s", EscapeLine(done.error().message).c_str());
    return done;
  };
  if (arguments.foreground) {
    auto done = prepare();
    if (done)
      done = serve(
          [&] { PrintToStderr(fmt::format("recording into '{}' until Ctrl-C\n", EscapeName(arguments.output))); });
    return done ? kExitOk : Fail("trace start", done.error());
  }
  const auto started = StartDaemon(prepare, serve, interrupted);
  if (!started) return Fail("trace start", started.error());
  fmt::print("recording into '{}'; 'quire trace stop {}' ends it\n", EscapeName(arguments.output),
             EscapeName(arguments.directory));
  return kExitOk;
}

int RunStop(const TraceArguments& arguments) {
  const auto mount_point = ResolveRoot(arguments.directory);
  if (!mount_point) return Fail("trace stop", mount_point.error());
  const auto recorder = FindRecorder(*mount_point);
  if (!recorder) return Fail("trace stop", recorder.error());
  if (!*recorder)
    return Fail("trace stop",
                Error{ErrorCode::kNotFound, 0, fmt::format("nobody records '{}'", EscapeName(arguments.directory))});
  if (kill(**recorder, SIGTERM) != 0 && errno != ESRCH)
    return Fail("trace stop",
                Error{ErrorCode::kSystem, errno, fmt::format("process {}: {}", **recorder, ReasonOf(errno))});
  const auto until = std::chrono::steady_clock::now() + kStopTimeout;
  while (true) {
    const auto now = FindRecorder(*mount_point);
    if (!now || !*now || **now != **recorder) return kExitOk;  // the mount may have gone meanwhile
    if (std::chrono::steady_clock::now() > until)
      return Fail(
          "trace stop",
          Error{ErrorCode::kSystem, 0,
                fmt::format("process {}, which records, does not end{}", **recorder,
                            DescribeStandstill(**recorder).empty() ? "" : ": " + DescribeStandstill(**recorder))});
    std::this_thread::sleep_for(kLookForEnd);
  }
}

// The pack of the trace, and no other, in its newest generation: nodes are for ever.
Result<std::unique_ptr<Pack>> OpenTracedPack(const TraceArguments& arguments, const TraceHeader& header) {
  const std::string& path = arguments.pack.empty() ? header.pack_path : arguments.pack;
  auto pack = OpenSource(path, {}, "quire trace");
  if (!pack) return pack;
  const IndexLayers& layers = (*pack)->index().layers();
  bool was_recorded = false;  // it may have grown since
  for (size_t i = 0; i < layers.size() && !was_recorded; ++i) {
    const Superblock& superblock = layers[i].superblock;
    was_recorded = superblock.root_sum == header.root_sum && superblock.pack_bytes == header.pack_bytes &&
                   superblock.generation == header.generation;
  }
  if (!was_recorded)
    return MakeError(ErrorCode::kNotFound, "'{}' is another pack than the one whose reads were recorded",
                     EscapeName(path));
  return pack;
}

Result<void> WriteOrder(const TraceArguments& arguments, const Index& index, const std::vector<uint64_t>& order) {
  std::string list;
  for (const uint64_t node : order) {
    const auto path = index.GetPath(node);
    if (!path) return std::unexpected(path.error());
    if (!arguments.nul_separated && path->contains('\n'))
      return Invalid("'{}' holds a newline: write the list with -0, and pack with --order list0:{}", EscapeName(*path),
                     EscapeName(arguments.order));
    list += *path;
    list += arguments.nul_separated ? '\0' : '\n';
  }
  if (arguments.order == "-") return WriteToStdout(std::as_bytes(std::span(list)));
  const auto file = File::Open(arguments.order, O_WRONLY | O_CREAT | O_TRUNC, 0666);
  if (!file) return std::unexpected(file.error());
  return file->WriteAll(0, std::as_bytes(std::span(list)));
}

int RunReport(const TraceArguments& arguments) {
  const auto trace = lab::LoadTrace(arguments.trace);
  if (!trace) return Fail("trace report", trace.error());
  if (!trace->damage.empty())
    PrintToStderr(fmt::format("quire trace report: '{}': {}; what came before is used\n", EscapeName(arguments.trace),
                              trace->damage));
  const auto pack = OpenTracedPack(arguments, trace->header);
  const bool needs_pack = !arguments.order.empty() || !arguments.pack.empty();
  if (!pack && needs_pack) return Fail("trace report", pack.error());
  if (!pack)
    PrintToStderr(fmt::format("quire trace report: without the pack classes are not looked for: {}\n",
                              EscapeLine(pack.error().message)));
  if (!arguments.order.empty()) {
    if (auto written = WriteOrder(arguments, (*pack)->index(), lab::OrderRead(*trace)); !written)
      return Fail("trace report", written.error());
    if (arguments.order == "-") return kExitOk;
  }
  std::function<uint64_t(uint64_t)> folder_of;
  if (pack) folder_of = [&](uint64_t node) { return (*pack)->index().GetParent(node).value_or(0); };
  const lab::TraceInsights insights = lab::AnalyseTrace(*trace, folder_of);
  const auto slots =
      static_cast<uint32_t>(arguments.slots > 0 ? arguments.slots : std::max<uint64_t>(trace->header.page_slots, 1));
  const auto alternatives = lab::TryAlternatives(*trace, slots);
  if (arguments.json)
    fmt::print("{}\n", FormatJson(lab::TraceJson(*trace, insights, alternatives)));
  else
    fmt::print("{}", lab::FormatTraceText(*trace, insights, alternatives));
  return kExitOk;
}

}  // namespace

void AddTraceCommand(Command program, Body& run) {
  auto arguments = std::make_shared<TraceArguments>();
  Command trace = program.AddSubcommand("trace", "Record what is read of a mount, and report on it");
  Command start = trace.AddSubcommand("start", "Record every read that a mount answers");
  start.Add("DIR", arguments->directory, "Where the pack is mounted").Type("DIR").Required();
  start.Add("-o,--output", arguments->output, "Where to write the trace").Type("FILE").Required();
  start.AddFlag("--force", arguments->force, "Replace FILE where it is there");
  start.AddFlag("-f,--foreground", arguments->foreground, "Stay, and record until interrupted");
  start.SetBody(run, [arguments] { return RunStart(*arguments); });
  Command stop = trace.AddSubcommand("stop", "End the recording of a mount");
  stop.Add("DIR", arguments->directory, "Where the pack is mounted").Type("DIR").Required();
  stop.SetBody(run, [arguments] { return RunStop(*arguments); });
  Command report = trace.AddSubcommand("report", "Tell what a trace shows");
  report.Add("TRACE", arguments->trace, "What was recorded").Type("FILE").Required();
  report.Add("--pack", arguments->pack, "The pack, where it does not lie where it was mounted from").Type("PACK");
  report
      .Add("--order", arguments->order,
           "Write the order read, for 'quire pack --order list:FILE'; - is standard output")
      .Type("FILE");
  report.AddFlag("-0", arguments->nul_separated, "Separate that list by NUL, for list0:FILE");
  report.Add("--slots", arguments->slots, "Reckon with a cache of so many pages; without this as the mount had")
      .Type("N")
      .Range(0, lab::kMaxLabSlots);
  report.AddFlag("--json", arguments->json, "For programs: quire-json(7)");
  report.SetBody(run, [arguments] { return RunReport(*arguments); });
}

}  // namespace quire
