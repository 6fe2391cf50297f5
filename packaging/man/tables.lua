-- Tables of manual pages: a column is as wide as its cells, the last one no wider than the page. Without this the man
-- writer gives every column the same width, and all together more than a terminal of 80 columns has.

local PAGE = 70     -- columns of text that man(1) leaves of 80; the writer's unit of widths as well
local GAP = 3       -- between two columns of a table
local WIDEST = 24   -- of any column but the last

function Table(tbl)
  local widths = {}
  local function measure(rows)
    for _, row in ipairs(rows) do
      for i, cell in ipairs(row.cells) do
        widths[i] = math.max(widths[i] or 1, utf8.len(pandoc.utils.stringify(cell.contents)))
      end
    end
  end
  measure(tbl.head.rows)
  for _, body in ipairs(tbl.bodies) do measure(body.body) end

  local left = PAGE
  for i, spec in ipairs(tbl.colspecs) do
    local width = math.min(widths[i], i < #tbl.colspecs and WIDEST or left)
    tbl.colspecs[i] = {spec[1], width / PAGE}
    left = left - width - GAP
  end
  return tbl
end
