// The life of a mount: from a pack's path to the last answer.
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include "cache/sample_reader.h"
#include "format/file.h"
#include "format/pack.h"
#include "format/result.h"
#include "fs/file_system.h"
#include "fs/kernel_feed.h"
#include "fs/mount_options.h"
#include "fs/stop_signals.h"

namespace quire {

class Session {
 public:
  // Opens the pack, takes the cache's memory, and mounts. When it returns, the mount is in place and requests wait for
  // Serve. From now on SIGINT, SIGTERM and SIGHUP end Serve, or end it as soon as it starts. One session a process.
  // Errors name what is in the way and the remedy; kInvalid: a size of the cache that this machine does not have.
  // REQUIRES: both paths are absolute, `mount_point` from ResolveMountPoint; no other thread runs (afterwards some do,
  // all signals blocked).
  static Result<std::unique_ptr<Session>> Mount(const std::string& pack_path, const std::string& mount_point,
                                                const MountOptions& options);
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;
  ~Session();  // unmounts, unless Serve has

  // Answers requests until someone unmounts or a signal arrives; then the mount is gone. Both are success.
  Result<void> Serve();

 private:
  Session(std::unique_ptr<Pack> pack, std::unique_ptr<SampleReader> samples, std::string mount_point,
          const MountOptions& options, TransportChoice transport);
  Result<void> Start();
  void Stop();
  // Ends the loop of Serve, from another thread.
  void EndLoop(pthread_t loop_thread);
  // What only root may, once the kernel has answered.
  Result<void> StartTuning();

  const std::unique_ptr<Pack> pack_;
  const std::unique_ptr<SampleReader> samples_;
  const std::string mount_point_;
  const MountOptions options_;
  const TransportChoice transport_;
  KernelFeed feed_;
  FileSystem file_system_;
  fuse_session* session_ = nullptr;
  dev_t device_ = 0;
  bool mounted_ = false;
  std::optional<StopSignals> signals_;
  std::atomic<int> signal_ = 0;  // that ended the session
  std::atomic<bool> is_looping_ = false;
  std::jthread tuner_;
  File presence_;  // closed last: whoever waits for the end of this daemon waits for this
};

}  // namespace quire
