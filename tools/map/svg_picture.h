// SPDX-License-Identifier: Apache-2.0
// A map as SVG, in the style of the charts.
#pragma once

#include <string>

#include "tools/map/map_report.h"

namespace quire {

// One <svg> element, complete in itself. Each box has a <title> with its pages.
std::string DrawSvg(const MapReport& report);

}  // namespace quire
