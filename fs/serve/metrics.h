// SPDX-License-Identifier: Apache-2.0
// What the control file `metrics` tells of a mount: the figures of `stats` in the text format that Prometheus and its
// kin read (https://prometheus.io/docs/instrumenting/exposition_formats). One table has the metrics; quire-stats(1)
// lists it.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "fs/serve/mount_report.h"

namespace quire {

struct MetricDescription {
  std::string_view name;
  std::string_view type;  // "counter", "gauge", "histogram" or "summary"
  std::string_view help;  // a sentence
};
std::span<const MetricDescription> DescribeMetrics();

// All metrics that the mount has samples of. Each has the labels mount_point and pack: where it was mounted, and what
// it is listed as among mounts, as EscapeName writes names.
std::string FormatMetrics(const MountReport& report);

// `mount_point="...",pack="..."`, as FormatMetrics writes it.
std::string FormatMountLabels(std::string_view mount_point, std::string_view source);

}  // namespace quire
