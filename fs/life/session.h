// SPDX-License-Identifier: Apache-2.0
// The life of a mount: from a pack's path to the last answer.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include "cache/sample_reader.h"
#include "format/file.h"
#include "format/pack/pack.h"
#include "format/result.h"
#include "fs/feed/kernel_feed.h"
#include "fs/follow/follower.h"
#include "fs/guard/confinement.h"
#include "fs/life/idle_watch.h"
#include "fs/life/mount_preflight.h"
#include "fs/life/stop_signals.h"
#include "fs/life/unmounter.h"
#include "fs/options/mount_options.h"
#include "fs/serve/file_system.h"
#include "fs/trace/read_trace.h"
#include "fs/trace/trace_pipe.h"

namespace quire {

// What a session tells whoever runs it, from threads of its own.
struct SessionEvents {
  // Once: the mount is in place, and its first request was answered, or else why not. From now on the daemon uses
  // nothing of its own mount, so that it can be unmounted at once, unless somebody looks at `.quire/plan`.
  std::function<void(const Result<void>& answered)> greeted = [](const Result<void>&) {};
  std::function<bool()> hangup = [] { return false; };  // SIGHUP: whether it was dealt with; else it ends the session
};

class Session {
 public:
  // Takes the cache's memory for `pack`, whose volumes are open, and mounts. When it returns, the mount is in place and
  // requests wait for Serve. From now on SIGINT, SIGQUIT, SIGTERM and SIGHUP wait for Serve. One session a process.
  // Errors name what is in the way and the remedy; kInvalid: a size of the cache that this machine does not have.
  // `source`: what the mount is listed as, the pack or what it is an index of.
  // REQUIRES: all paths are absolute, `mount_point` from ResolveMountPoint; no other thread runs (afterwards some do,
  // all signals blocked).
  // `notice` is told, before this returns, what is no error and yet worth a sentence (mount_preflight.h).
  static Result<std::unique_ptr<Session>> Mount(std::unique_ptr<Pack> pack, const std::string& source,
                                                const std::string& mount_point, const MountOptions& options,
                                                const MountNotice& notice);
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;
  ~Session();  // unmounts, unless Serve has

  // Answers requests until someone unmounts, a signal arrives, or the mount was not used for its timeout; then the
  // mount is gone. All of these are success.
  Result<void> Serve(SessionEvents events = {});

 private:
  Session(std::unique_ptr<Pack> pack, NodeNumber root, std::unique_ptr<SampleReader> samples, std::string source,
          std::string mount_point, MountOptions options, TransportChoice transport, Unmounter unmounter);
  Result<void> Start();
  void Stop();
  // What a signal does, in a thread of its own: `loop_thread` is in the loop of Serve.
  void StopBySignal(int signal, pthread_t loop_thread);
  // Takes the mount from the tree, whoever uses it, while requests are still answered.
  void Detach();
  // Whether the kernel still sends requests; of a mount that is gone it does not.
  [[nodiscard]] bool IsConnected() const;
  // Makes fuse_session_unmount end the connection and unmount nothing.
  void Disconnect();
  void EndLoop(pthread_t loop_thread);
  // What is to be done once the mount answers.
  Result<void> StartGreeting(std::function<void(const Result<void>& answered)> greeted);
  Result<void> Greet() const;
  Result<void> StartIdleWatch();
  // Ends the threads that use the mount's pipes, or tell the kernel of changes. REQUIRES: as KernelFeed::Stop.
  void StopFeeds();
  [[nodiscard]] TraceHeader MakeTraceHeader() const;

  File presence_;  // first, to be closed last: whoever waits for the end of this daemon waits for this
  const std::unique_ptr<Pack> pack_;
  const std::unique_ptr<SampleReader> samples_;
  const NodeNumber root_;
  const std::string source_;  // as it is listed among mounts
  const std::string mount_point_;
  const MountOptions options_;
  const TransportChoice transport_;
  Unmounter unmounter_;
  Confinement confinement_;
  KernelFeed feed_;
  std::optional<Follower> follower_;
  ReadTrace trace_;
  TracePipe trace_pipe_;
  FileSystem file_system_;
  fuse_session* session_ = nullptr;
  dev_t device_ = 0;
  bool mounted_ = false;
  std::atomic<bool> is_detached_ = false;
  std::optional<StopSignals> signals_;
  std::atomic<int> signal_ = 0;  // that ended the session
  std::atomic<bool> is_looping_ = false;
  std::atomic<bool> has_ended_ = false;  // the loop: the mount is gone, or goes
  std::jthread greeter_;
  IdleWatch idle_watch_;
};

}  // namespace quire
