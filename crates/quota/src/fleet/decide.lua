-- Charges all of some levels, or none. A level is one policy for one key.
--
-- Keys: one for each level. Arguments: in how many parts is shared what is left after the least,
-- 1 if it is charged in any case, then of each level: kind (0 steady in ns, 1 steady in ms, 2
-- strict), interval or slice in us, tolerance or limit, penalty in us, 1 for a shadow, the least
-- and the most that is to be charged. Answer, of each level: 1, what is left, ns until all is
-- back, what was charged; or 2, ns to wait, 1 if it was blocked before, 0.
--
-- Only this server's clock counts. What is kept is a debt and when it was noted, so that a clock
-- that is set back pays nothing back, and extends nothing.
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local millis = math.floor(now / 1000)
local parts, owed = tonumber(ARGV[1]), ARGV[2] == '1'
local BLOCK = 100000

local function stored(raw)
  if not raw then return nil end
  local ok, state = pcall(cmsgpack.unpack, raw)
  if not ok or type(state) ~= 'table' then return nil end
  for i = 1, 11 do if type(state[i]) ~= 'number' then return nil end end
  return state
end

local function sum(counts)
  return counts[1] + counts[2] + counts[3] + counts[4] + counts[5]
end

-- What of it is still to be paid back: units as a fraction.
local function used(state)
  if state[1] == 2 then
    if state[3] + 4 * state[2] <= now then return 0, 1 end
    return state[7] + state[8] + state[9] + state[10] + state[11], 1
  end
  local passed = state[1] == 1 and millis - state[3] or (now - state[3]) * 1000
  return math.max(0, state[4] - math.max(0, passed)), state[2]
end

local function load_steady(l, state)
  local debt, each = used(state)
  if state[1] ~= l.kind or state[2] ~= l.x then
    -- Whole units apart, for a product of two times is more than a number holds.
    local units = math.floor(debt / each)
    debt = units * l.x + math.ceil((debt - units * each) * l.x / each)
  end
  l.debt = debt
end

local function load_strict(l, state)
  if state[1] ~= 2 or state[2] ~= l.x then
    local units, each = used(state)
    l.counts[1] = math.min(65535, math.ceil(units / each))
    return
  end
  if state[3] + 4 * l.x <= now then return end
  l.counts = {state[7], state[8], state[9], state[10], state[11]}
  l.stop = math.min(state[3], now + l.x)
  while l.stop <= now do
    table.insert(l.counts, 1, 0)
    l.counts[6] = nil
    l.stop = l.stop + l.x
  end
end

local function level(i, raw)
  local at = 2 + 7 * (i - 1)
  local function arg(n) return tonumber(ARGV[at + n]) end
  local l = {kind = arg(1), x = arg(2), y = arg(3), penalty = arg(4), shadow = arg(5) == 1,
    least = arg(6), most = arg(7), debt = 0, counts = {0, 0, 0, 0, 0}, till = 0, length = 0}
  l.stop = now + l.x
  local state = stored(raw)
  l.state = state
  if state then
    l.till, l.length = math.min(state[5], now + state[6]), state[6]
    if l.kind == 2 then load_strict(l, state) else load_steady(l, state) end
  end
  return l
end

-- A debt in ns from now.
local function nanos(l, debt)
  if l.kind == 0 then return debt end
  return (debt + millis) * 1000000 - now * 1000
end

local function judge_steady(l)
  local after = l.debt + l.least * l.x
  if after > l.y and l.least > 0 then return 2, nanos(l, after - l.y), 0 end
  local left = math.max(0, math.floor((l.y - after) / l.x))
  l.take = l.least + math.min(l.most - l.least, math.floor(left / parts))
  return 1, left - l.take + l.least, math.max(0, nanos(l, after + (l.take - l.least) * l.x))
end

local function judge_strict(l)
  local after = sum(l.counts) + l.least
  if after <= l.y or l.least == 0 then
    l.take = l.least
    return 1, math.max(0, l.y - after), after > 0 and (l.stop + 4 * l.x - now) * 1000 or 0
  end
  local missing = after - l.y
  for age = 4, 0, -1 do
    missing = missing - l.counts[age + 1]
    if missing <= 0 then return 2, (l.stop + (4 - age) * l.x - now) * 1000, 0 end
  end
  return 2, (l.stop + 4 * l.x - now) * 1000, 0
end

local function judge(l)
  l.take = 0
  if l.till > now then
    if l.least == 0 then return 1, 0, (l.till - now) * 1000 end
    return 2, (l.till - now) * 1000, 1
  end
  if l.kind == 2 then return judge_strict(l) end
  return judge_steady(l)
end

local function charge(l, units)
  if l.kind == 2 then
    l.counts[1] = math.min(65535, l.counts[1] + units)
  else
    l.debt = l.debt + units * l.x
  end
end

-- What was admitted elsewhere is charged also to who is blocked, and beyond the limit, up to
-- twice of it.
local function owes(l)
  local left = l.kind == 2 and 2 * l.y - sum(l.counts) or math.floor((2 * l.y - l.debt) / l.x)
  return math.max(0, math.min(l.least, left))
end

local function block(l)
  l.till = math.ceil((now + l.penalty) / BLOCK) * BLOCK
  l.length = l.till - now
  if l.kind == 2 and l.length >= 4 * l.x then
    l.counts, l.stop = {0, 0, 0, 0, 0}, now - 4 * l.x
    l.state, l.a = nil, 0
  end
  l.a = math.max(l.a, l.length * 1000)
end

local function write(i, l)
  local idle, at = l.debt, millis
  if l.kind == 0 then
    idle, at = math.ceil(l.debt / 1000000), now
  elseif l.kind == 2 then
    idle, at = math.ceil((l.stop + 4 * l.x - now) / 1000), l.stop
  end
  local keep = math.max(0, idle, math.ceil((l.till - now) / 1000)) + 1000
  local c = l.counts
  local raw = cmsgpack.pack({l.kind, l.x, at, l.debt, l.till, l.length, c[1], c[2], c[3], c[4], c[5]})
  redis.call('SET', KEYS[i], raw, 'PX', string.format('%.0f', keep))
end

-- Only the block: what was used is as it was, also where it was under another rate.
local function write_block(i, l)
  local state = l.state
  if not state then return write(i, l) end
  state[5], state[6] = l.till, l.length
  local keep = math.max(redis.call('PTTL', KEYS[i]), math.ceil((l.till - now) / 1000) + 1000)
  redis.call('SET', KEYS[i], cmsgpack.pack(state), 'PX', string.format('%.0f', keep))
end

local raws = redis.call('MGET', unpack(KEYS))
local levels, fits, answer = {}, true, {}
for i = 1, #KEYS do
  local l = level(i, raws[i])
  l.code, l.a, l.b = judge(l)
  fits = fits and (l.code == 1 or l.shadow)
  levels[i] = l
end
for i, l in ipairs(levels) do
  local taken = 0
  if owed then
    local units = owes(l)
    if units > 0 then
      charge(l, units)
      write(i, l)
    end
  elseif l.code == 2 and l.b == 0 and l.penalty > 0 then
    block(l)
    write_block(i, l)
  elseif fits and l.code == 1 and l.take > 0 then
    taken = l.take
    charge(l, taken)
    write(i, l)
  end
  for _, number in ipairs({l.code, l.a, l.b, taken}) do answer[#answer + 1] = number end
end
return answer
