-- Asks for the first page of plugins as t00001 … t10000 in turn, and counts what is not 2xx.
-- No cache answers a parameter that is not known.
local asked = 0

function request()
  asked = asked % 10000 + 1
  return wrk.format("GET", "/api/v1/plugins?uncached", { Host = string.format("t%05d.localhost", asked) })
end

local threads = {}
failed = 0

function setup(thread)
  table.insert(threads, thread)
end

function response(status)
  if status < 200 or status > 299 then failed = failed + 1 end
end

function done(summary)
  local total = 0
  for _, thread in ipairs(threads) do total = total + thread:get("failed") end
  local errors = summary.errors
  print(string.format("answers: %d, not 2xx: %d, socket errors: %d", summary.requests, total,
    errors.connect + errors.read + errors.write + errors.timeout))
end
