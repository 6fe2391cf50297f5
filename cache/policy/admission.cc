// SPDX-License-Identifier: Apache-2.0
#include "cache/policy/admission.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <limits>
#include <new>

namespace quire {
namespace {

// Slots are given away at first sight where the volume is at most so many times larger than the arena.
constexpr uint64_t kLargeVolume = 8;
// What a uniform shuffle pays within the window, as a share of the price.
constexpr double kUniformRents = 0.125;
// A price of few rents is reached by chance: the fewer, the shorter the window. Of a price of 16 rents a shuffle pays 2
// in the window, 5 with the better neighbour's; that it pays the other 11 is a matter of 1 in 10,000.
constexpr double kManyRents = 16;
// Where requests are dear and bytes cheap (disks, networks), two rents may be a price, and two reads of one page are
// chance.
constexpr double kLeastRents = 4;
// Of n slots under a uniform shuffle one has always been idle for some ln(n) mean gaps between two uses, and one time
// in e^3 = 20 for 3 gaps more.
constexpr double kSpareGaps = 3;
constexpr double kTypicalInertia = 256;  // misses

}  // namespace

Admission::Admission(AdmissionMode mode, uint64_t pages, uint32_t slots, uint64_t most_pages)
    : mode_(mode),
      slots_(slots),
      accounts_(static_cast<Account*>(std::calloc(std::max({pages, most_pages, uint64_t{1}}), sizeof(Account)))) {
  if (accounts_ == nullptr) throw std::bad_alloc();
  Grow(pages);
}

void Admission::Grow(uint64_t pages) {
  pages_.store(pages, std::memory_order_relaxed);
  stale_misses_ =
      fits() ? 0 : (std::log(static_cast<double>(slots_)) + kSpareGaps) * static_cast<double>(pages - slots_);
}

Admit Admission::Decide(const Miss& miss, uint64_t now, const CostModel& costs) {
  assert(miss.page < pages());
  if (mode_ == AdmissionMode::kExtent || (!miss.has_free_slot && !miss.has_victim)) return Admit::kExtent;
  if (mode_ == AdmissionMode::kPage) return Admit::kPage;
  if (miss.is_kept_below) return Admit::kPage;
  if (miss.is_handed_on) return Buys(miss, now, costs) ? Admit::kPage : Admit::kExtent;
  if (miss.in_run) return Admit::kPage;
  if (miss.is_stream) {
    const bool is_likely = miss.is_spread || accounts_[miss.page].rents > 0;
    if (miss.has_free_slot && miss.may_fill && is_likely) return Admit::kPage;
  } else if (miss.has_free_slot && (fits() || slots_ * kLargeVolume >= pages())) {
    return Admit::kPage;
  }
  return Buys(miss, now, costs) ? Admit::kPage : Admit::kExtent;
}

double Admission::RentOf(const Miss& miss, const CostModel& costs) {
  return std::min(costs.CostNs(1, miss.extent_bytes) / costs.CostNs(1, miss.page_bytes), 1.0);
}

bool Admission::Buys(const Miss& miss, uint64_t now, const CostModel& costs) {
  const double rent = RentOf(miss, costs);
  typical_share_ = typical_share_ == 0 ? rent : typical_share_ + (rent - typical_share_) / kTypicalInertia;

  // A neighbour's rents count in a short window only: in a long one a shuffle pays twice as much to two pages.
  const double short_window = miss.has_free_slot ? std::numeric_limits<double>::infinity() : Window();
  const uint64_t idle = miss.has_free_slot ? now : now - std::min(now, miss.victim_used_at);
  const auto idle_misses = static_cast<double>(idle);
  const double window = idle_misses > stale_misses_ ? std::max(short_window, idle_misses) : short_window;

  Account& account = accounts_[miss.page];
  account = Faded(account, now, window);
  if (account.rents == 0) account.since = now;
  account.rents += static_cast<float>(rent);

  Account neighbour;
  if (miss.page > 0) neighbour = Faded(accounts_[miss.page - 1], now, short_window);
  if (miss.page + 1 < pages()) {
    const Account above = Faded(accounts_[miss.page + 1], now, short_window);
    if (above.rents > neighbour.rents) neighbour = above;
  }
  const uint64_t since = neighbour.rents > 0 ? std::min(account.since, neighbour.since) : account.since;
  if (account.rents + neighbour.rents < std::max(1.0, kLeastRents * rent) || now - since > idle) return false;
  account = {};
  return true;
}

Admission::Account Admission::Faded(const Account& account, uint64_t now, double window) {
  const auto age = static_cast<double>(now - account.since);
  if (age <= window) return account;
  return {.rents = static_cast<float>(account.rents * window / age), .since = now - static_cast<uint64_t>(window)};
}

double Admission::Window() const {
  const double rents_of_a_price = std::max(1 / typical_share_, kLeastRents);
  const double uniform_rents = kUniformRents * rents_of_a_price * std::min(1.0, rents_of_a_price / kManyRents);
  return uniform_rents * static_cast<double>(fits() ? 1 : pages() - slots_);
}

}  // namespace quire
