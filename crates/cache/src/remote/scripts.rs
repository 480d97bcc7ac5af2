//! The scripts by which what several instances share stays right. A generation is a random
//! word that is compared for equality: no clock of a client counts, a word that is missing is
//! that of nobody, and whatever forgets only deletes, which a full server does too.

use towerblock_redis::Script;

/// Reads an entry and, unless it is fresh, takes the lease to fill it.
///
/// Keys: entry, lease, marks of the tenant, generation of all. Arguments: field, token, lease
/// in ms (0 for none), prefix of tags.
///
/// Answer: what may be done (1 nothing is to be done, 2 fill, 3 load and not fill, 4 somebody
/// else has the lease), generation, generation of tags, ms until the lease ends, then, if there
/// is a valid entry: age in ms, ms that it is fresh for, when it was made, its payload, its tags.
pub(crate) static READ: Script = Script::read(
    r"
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local all = redis.call('GET', KEYS[4])
local marks = redis.pcall('HMGET', KEYS[3], 'g', 's')
if marks.err then redis.pcall('DEL', KEYS[3]) marks = {false, false} end
local raw = redis.pcall('HGET', KEYS[1], ARGV[1])
local found = {}
if type(raw) == 'string' and all and marks[1] then
  local ok, entry = pcall(cmsgpack.unpack, raw)
  if ok and type(entry) == 'table' and entry[1] == all .. marks[1] then
    local valid = true
    for i = 1, #entry[4], 2 do
      if redis.call('GET', ARGV[4] .. entry[4][i]) ~= entry[4][i + 1] then valid = false break end
    end
    if valid then
      local age = math.floor((now - entry[2]) / 1000)
      local tags = {}
      for i = 1, #entry[4], 2 do tags[#tags + 1] = entry[4][i] end
      found = {age, entry[3], string.format('%.0f', entry[2]), entry[5], tags}
      if age >= 0 and age < entry[3] then
        return {1, '', '', 0, unpack(found)}
      end
    end
  end
end
local function answer(what, g, s, left)
  return {what, g, s, left, unpack(found)}
end
if ARGV[3] == '0' then return answer(3, '', '', 0) end
local function set(...)
  local done = redis.pcall(...)
  return not (type(done) == 'table' and done.err)
end
if not all then
  all = ARGV[2]
  if not set('SET', KEYS[4], all) then return answer(3, '', '', 0) end
end
for i, field in ipairs({'g', 's'}) do
  if not marks[i] then
    marks[i] = ARGV[2]
    if not set('HSET', KEYS[3], field, ARGV[2]) then return answer(3, '', '', 0) end
  end
end
local taken = redis.pcall('SET', KEYS[2], ARGV[2], 'NX', 'PX', ARGV[3])
if type(taken) == 'table' and taken.err then return answer(3, '', '', 0) end
if not taken then return answer(4, '', '', redis.call('PTTL', KEYS[2])) end
redis.pcall('EXPIRE', KEYS[3], 604800)
return answer(2, all .. marks[1], marks[2], 0)
",
);

/// Takes the lease away from whoever has it: for a value that is known, and not loaded.
///
/// Keys: lease, marks, generation of all. Arguments: token, lease in ms.
pub(crate) static TAKE: Script = Script::write(
    r"
local all = redis.call('GET', KEYS[3])
if not all then all = ARGV[1] redis.call('SET', KEYS[3], all) end
local marks = redis.call('HMGET', KEYS[2], 'g', 's')
for i, field in ipairs({'g', 's'}) do
  if not marks[i] then marks[i] = ARGV[1] redis.call('HSET', KEYS[2], field, ARGV[1]) end
end
redis.call('EXPIRE', KEYS[2], 604800)
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return {all .. marks[1], marks[2]}
",
);

/// Stores an entry, if whoever loaded it still has the lease, and nothing was forgotten since
/// it has it: also when this is executed late.
///
/// Keys: entry, lease, marks, generation of all. Arguments: token, generation, generation of
/// tags, field, ms to keep, ms that it is fresh for, payload, prefix of tags, tags. Answer: 1;
/// 0 without the lease, -1 if it is overtaken.
pub(crate) static FILL: Script = Script::write(
    r"
if redis.call('GET', KEYS[2]) ~= ARGV[1] then return 0 end
redis.call('DEL', KEYS[2])
local all = redis.call('GET', KEYS[4])
local marks = redis.call('HMGET', KEYS[3], 'g', 's')
if not all or not marks[1] then return -1 end
if all .. marks[1] ~= ARGV[2] or marks[2] ~= ARGV[3] then return -1 end
local time = redis.call('TIME')
local tags = {}
for i = 9, #ARGV do
  local key = ARGV[8] .. ARGV[i]
  local version = redis.call('GET', key)
  if not version then
    version = ARGV[1]
    redis.call('SET', key, version, 'PX', ARGV[5])
  elseif redis.call('PTTL', key) < tonumber(ARGV[5]) then
    redis.call('PEXPIRE', key, ARGV[5])
  end
  tags[#tags + 1] = ARGV[i]
  tags[#tags + 1] = version
end
local now = time[1] * 1000000 + time[2]
local raw = cmsgpack.pack({ARGV[2], now, tonumber(ARGV[6]), tags, ARGV[7]})
local set = redis.pcall('HSET', KEYS[1], ARGV[4], raw)
if type(set) == 'table' and set.err then
  redis.call('DEL', KEYS[1])
  redis.call('HSET', KEYS[1], ARGV[4], raw)
end
if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[5]) then redis.call('PEXPIRE', KEYS[1], ARGV[5]) end
return 1
",
);

/// Deletes its keys and tells the others.
///
/// Keys: an entry and its lease; the marks of a tenant; the generation of all. Arguments:
/// channel, message.
pub(crate) static FORGET: Script = Script::read(
    r"
redis.call('DEL', unpack(KEYS))
return redis.call('PUBLISH', ARGV[1], ARGV[2])
",
);

/// Deletes a tag's version, so that no entry that has it is valid, and the generation of the
/// tenant's tags, so that nothing that is being loaded is stored.
///
/// Keys: the tag's version, marks of the tenant. Arguments: channel, message.
pub(crate) static FORGET_TAG: Script = Script::read(
    r"
redis.call('DEL', KEYS[1])
redis.call('HDEL', KEYS[2], 's')
return redis.call('PUBLISH', ARGV[1], ARGV[2])
",
);
