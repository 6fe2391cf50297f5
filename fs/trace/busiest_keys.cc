// SPDX-License-Identifier: Apache-2.0
#include "fs/trace/busiest_keys.h"

#include <algorithm>
#include <functional>

namespace quire {
namespace {

uint64_t MostReads(const BusyKey& key) { return key.sum.reads + key.missed_at_most; }

}  // namespace

void BusiestKeys::Add(uint64_t key, const ReadSum& sum) {
  if (const auto known = places_.find(key); known != places_.end()) {
    keys_[known->second].sum += sum;
  } else if (keys_.size() < kKeys) {
    places_.emplace(key, keys_.size());
    keys_.push_back({.key = key, .sum = sum});
  } else {
    const auto least = std::ranges::min_element(keys_, {}, MostReads);
    places_.erase(least->key);
    places_.emplace(key, static_cast<size_t>(least - keys_.begin()));
    *least = {.key = key, .sum = sum, .missed_at_most = MostReads(*least)};
  }
}

std::vector<BusyKey> BusiestKeys::List() const {
  std::vector<BusyKey> list = keys_;
  std::ranges::stable_sort(list, std::greater(), MostReads);
  return list;
}

}  // namespace quire
