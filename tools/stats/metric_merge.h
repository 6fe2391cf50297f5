// SPDX-License-Identifier: Apache-2.0
// Metrics of several mounts as one document: in Prometheus's text format all samples of a metric stand together, behind
// one HELP and one TYPE.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace quire {

class MetricMerge {
 public:
  // A document of fs/serve/metrics.h, of this release or another. Of a metric that several have, the first one's HELP
  // and TYPE are kept. Lines of no metric are left out.
  void Add(std::string_view document);

  // Metrics in the order in which they came.
  [[nodiscard]] std::string Format() const;

 private:
  struct Family {
    std::string name;
    std::string head;  // HELP and TYPE
    std::string samples;
  };
  // Makes it where it is new.
  Family& FindFamily(std::string_view name);

  std::vector<Family> families_;
};

}  // namespace quire
