// SPDX-License-Identifier: Apache-2.0
// A map as PNG: the page that the SVG has too, on white, with two pixels for each of its.
#pragma once

#include <string>

#include "tools/map/map_report.h"

namespace quire {

// The bytes of a file; empty where memory is short.
std::string DrawPng(const MapReport& report);

}  // namespace quire
