#!lua name=livestream_monitor_1
-- The server's side of exactly once. Every function is atomic, touches one hash tag only, and may be repeated safely.
-- All keys of a partition share a tag, so a replica or a truncated log always holds a prefix of ONE history:
-- journal, seen ids, cursor and numbers agree with each other whatever is lost.

local CHUNK = 1000 -- Lua's stack limits unpack(); this is far below it

local function now_ms()
  local t = redis.call('TIME')
  return t[1] * 1000 + math.floor(t[2] / 1000)
end

-- A nonce belongs to one attempt and a command runs once, so (id, nonce) present here proves that this entry
-- and everything before it is the history that the caller saw.
local function holds(stream, id, nonce)
  local found = redis.call('XRANGE', stream, id, id, 'COUNT', 1)
  return #found == 1 and found[1][2][2] == nonce
end

local function number(value)
  return string.format('%.0f', value)
end

local function milliseconds(id)
  return tonumber(string.match(id, '^(%d+)'))
end

local function is_later(id, other)
  if other == '' then return true end
  local a, b = string.match(id, '^(%d+)-(%d+)$')
  local c, d = string.match(other, '^(%d+)-(%d+)$')
  a, b, c, d = tonumber(a), tonumber(b), tonumber(c), tonumber(d)
  return a > c or (a == c and b > d)
end

-- KEYS journal, seen:cur, seen:prev, meta
-- ARGV nonce, previous id, previous nonce, window ms, resend flag, then digest and payload of each event
-- → {'OK', added, last id, duplicates, nonce of last id} | {'LOSTTAIL'}
-- When all was known the answer is the newest of the known entries: without it the caller could not find out that it was lost.
local function ingest(keys, args)
  local journal, current, previous, meta = keys[1], keys[2], keys[3], keys[4]
  local nonce = args[1]
  if args[2] ~= '' and not holds(journal, args[2], args[3]) then return {'LOSTTAIL'} end
  -- Rotation happens here and nowhere else: an expiry by the clock would forget ids during an outage
  -- and double what is sent again after it.
  local now = now_ms()
  local rotated = tonumber(redis.call('HGET', meta, 'rotated') or '0')
  if rotated == 0 then
    redis.call('HSET', meta, 'rotated', number(now))
  elseif now - rotated > tonumber(args[4]) and redis.call('EXISTS', current) == 1 then
    redis.call('RENAME', current, previous)
    redis.call('HSET', meta, 'rotated', number(now))
  end
  local added, duplicates, last, known = 0, 0, '', ''
  for start = 6, #args, 2 * CHUNK do
    local stop = math.min(start + 2 * CHUNK - 1, #args)
    local digests = {}
    for i = start, stop, 2 do digests[#digests + 1] = args[i] end
    local in_current = redis.call('HMGET', current, unpack(digests))
    local in_previous = redis.call('HMGET', previous, unpack(digests))
    local mine, fresh = {}, {}
    for i, digest in ipairs(digests) do
      local entry = in_current[i] or in_previous[i]
      if entry or mine[digest] then
        duplicates = duplicates + 1
        if entry and is_later(entry, known) then known = entry end
      else
        last = redis.call('XADD', journal, '*', 'n', nonce, 'd', args[start + 2 * i - 1])
        mine[digest] = true
        fresh[#fresh + 1] = digest
        fresh[#fresh + 1] = last
        added = added + 1
      end
    end
    if #fresh > 0 then redis.call('HSET', current, unpack(fresh)) end
  end
  if added > 0 then redis.call('HINCRBY', meta, 'added', added) end
  if duplicates > 0 then redis.call('HINCRBY', meta, args[5] == '1' and 'resent' or 'duplicates', duplicates) end
  if added == 0 and known ~= '' then
    local found = redis.call('XRANGE', journal, known, known, 'COUNT', 1)
    if #found == 1 then last, nonce = known, found[1][2][2] end
  end
  return {'OK', added, last, duplicates, nonce}
end

-- KEYS journal; ARGV position, nonce, count → {server ms, last id, last nonce, payload…} | {'LOSTTAIL'}
-- The entry at the position is read again and compared: the overlap proof.
local function pull(keys, args)
  local entries, first
  if args[1] == '' then
    entries, first = redis.call('XRANGE', keys[1], '-', '+', 'COUNT', args[3]), 1
  else
    entries, first = redis.call('XRANGE', keys[1], args[1], '+', 'COUNT', args[3] + 1), 2
    if #entries == 0 or entries[1][1] ~= args[1] or entries[1][2][2] ~= args[2] then return {'LOSTTAIL'} end
  end
  local last = entries[#entries]
  local answer = {number(now_ms()), args[1], args[2]}
  if #entries >= first then answer[2], answer[3] = last[1], last[2][2] end
  for i = first, #entries do answer[#answer + 1] = entries[i][2][4] end
  return answer
end

-- The same without the proof; only the control of the chaos test uses it.
local function pull_unproven(keys, args)
  local from = args[1] == '' and '-' or '(' .. args[1]
  local entries = redis.call('XRANGE', keys[1], from, '+', 'COUNT', args[3])
  local answer = {number(now_ms()), args[1], args[2]}
  if #entries > 0 then answer[2], answer[3] = entries[#entries][1], entries[#entries][2][2] end
  for i = 1, #entries do answer[#answer + 1] = entries[i][2][4] end
  return answer
end

-- KEYS journal, seen:cur, seen:prev; ARGV digests → {journal id or '', payload or '', …}
local function lookup(keys, args)
  local answer = {}
  for _, digest in ipairs(args) do
    local id = redis.call('HGET', keys[2], digest) or redis.call('HGET', keys[3], digest)
    local payload = ''
    if id then
      local found = redis.call('XRANGE', keys[1], id, id, 'COUNT', 1)
      if #found == 1 then payload = found[1][2][4] end
    end
    answer[#answer + 1] = id or ''
    answer[#answer + 1] = payload
  end
  return answer
end

-- KEYS lease; ARGV token, ttl ms, our own former token or '' → 1 | 0
-- After a doubt the owner takes over from itself under a fresh token, so that a commit still under way is fenced.
local function lease(keys, args)
  local now = now_ms()
  local held = redis.call('HMGET', keys[1], 'token', 'exp')
  if held[1] and held[1] ~= args[1] and held[1] ~= args[3] and tonumber(held[2]) > now then return 0 end
  redis.call('HSET', keys[1], 'token', args[1], 'exp', number(now + args[2]))
  return 1
end

-- KEYS lease, ckpt; ARGV token, ttl ms, caught-up ms or '' → 1 | 0 (no longer ours)
local function renew(keys, args)
  if redis.call('HGET', keys[1], 'token') ~= args[1] then return 0 end
  redis.call('HSET', keys[1], 'exp', number(now_ms() + args[2]))
  if args[3] ~= '' then redis.call('HSET', keys[2], 'caught_up', args[3]) end
  return 1
end

-- KEYS lease; ARGV token → 1 | 0
local function release(keys, args)
  if redis.call('HGET', keys[1], 'token') ~= args[1] then return 0 end
  redis.call('DEL', keys[1])
  return 1
end

-- Small whole numbers as text, each made once: formatting costs more than everything else that is done with a number here.
local TEXTS = {}
local function text(value)
  local made = TEXTS[value]
  if not made then
    made = number(value)
    if value >= 0 and value < 10000 then TEXTS[value] = made end
  end
  return made
end

-- Adds to fields of a hash. `flat` is {field, anything, field, anything …}: the places between are where the sums are written.
-- HMGET and HSET of a thousand fields at once cost less than HINCRBY one by one.
local function add(key, fields, increments, flat)
  for start = 1, #fields, CHUNK do
    local stop = math.min(start + CHUNK - 1, #fields)
    local old = redis.call('HMGET', key, unpack(fields, start, stop))
    for i = start, stop do
      local stored = old[i - start + 1]
      local sum = stored and stored + increments[i] or increments[i]
      flat[2 * i] = text(sum)
    end
    redis.call('HSET', key, unpack(flat, 2 * start - 1, 2 * stop))
  end
end

-- Increments by field, as add wants them.
local function listed(sums)
  local fields, increments, flat, n = {}, {}, {}, 0
  for field, increment in pairs(sums) do
    n = n + 1
    fields[n], increments[n] = field, increment
    flat[2 * n - 1], flat[2 * n] = field, ''
  end
  return fields, increments, flat
end

-- Some groups (their numbers joined by commas) as one.
local function together(groups, which)
  local sums = {}
  for i in string.gmatch(which, '%d+') do
    for field, increment in pairs(groups[tonumber(i)][2]) do sums[field] = (sums[field] or 0) + increment end
  end
  return sums
end

-- A batch of catch-up has many slots, whose groups meet in the same minutes, day and total: each of those is written once,
-- and containers that the same groups are for share their sums.
local function apply(prefix, groups)
  local used, made = {}, {}
  for i, group in ipairs(groups) do
    for _, container in ipairs(group[1]) do used[container] = (used[container] or '') .. i .. ',' end
  end
  for container, which in pairs(used) do
    made[which] = made[which] or {listed(together(groups, which))}
    local kind = string.sub(container, 1, 5)
    -- A flood of invented hashtags fills its own minute, never the memory.
    if kind ~= 'tags:' or redis.call('HLEN', prefix .. container) < 1000 then add(prefix .. container, unpack(made[which])) end
    -- Slots and hashtags serve the last hour only; minutes, days, sessions and totals are kept.
    if kind == 'slot:' or kind == 'tags:' then redis.call('EXPIRE', prefix .. container, 7200) end
    -- Open minutes are listed, so that their owner finds those to pack; a late event opens one again beside its packed part.
    if string.sub(container, 1, 7) == 'minute:' then
      redis.call('SADD', prefix .. 'minutes', string.sub(container, 8))
      redis.call('SADD', prefix .. 'known_minutes', string.sub(container, 8))
    end
  end
end

-- Absolute totals become increments here, against the level stored beside the numbers that they change ("value|slot").
-- What rose between two looks that lie too far apart (or before the first one) happened nobody knows when: it is in totals, days and
-- sessions, but in no slot and no minute's rate; the minute keeps it apart, so that days and sessions can still be made from minutes.
local LEVEL_SECONDS = 180
local function raise_levels(levels, list, derived)
  for _, level in ipairs(list) do -- {key, value, containers, heads, kind, slot}
    local stored, seen = string.match(redis.call('HGET', levels, level[1]) or '', '^(%d+)|?(%d*)$')
    stored, seen = tonumber(stored) or 0, tonumber(seen)
    local rise = level[2] - stored
    if rise > 0 then
      local increments, earlier, known, minute = {}, {}, {}, {}
      for _, head in ipairs(level[4]) do
        increments[head .. '|' .. level[5]] = rise
        earlier[head .. '|earlier.' .. level[5]] = rise
      end
      if seen and level[6] - seen <= LEVEL_SECONDS then
        derived[#derived + 1] = {level[3], increments}
      else
        for _, container in ipairs(level[3]) do
          local name = string.match(container, '^%a+')
          if name == 'minute' then minute[#minute + 1] = container elseif name ~= 'slot' then known[#known + 1] = container end
        end
        derived[#derived + 1] = {known, increments}
        derived[#derived + 1] = {minute, earlier}
      end
    end
    redis.call('HSET', levels, level[1], number(math.max(level[2], stored)) .. '|' .. number(math.max(level[6], seen or 0)))
  end
end

-- Viewer-seconds: what the previous sample was worth until this one (or until it was no longer believed). Answers the samples that were
-- taken, each with whether it counts in the totals.
local function take_samples(viewers, list, places, derived)
  local taken = {}
  for i, sample in ipairs(list) do -- {livestream, viewers, at ms, expires ms, country, platform}
    local stored = redis.call('HGET', viewers, sample[1])
    local old = stored and cmsgpack.unpack(stored)
    if not old or sample[3] > old[3] then
      redis.call('HSET', viewers, sample[1], cmsgpack.pack(sample))
      local in_totals = false
      for _, head in ipairs(places[i][2]) do in_totals = in_totals or head == 'total' end
      taken[#taken + 1] = {sample[1], sample[2], sample[3], sample[4], sample[5], sample[6], in_totals}
      if old then
        local seconds = math.floor(old[2] * (math.min(sample[3], old[4]) - old[3]) / 1000)
        if seconds > 0 then
          local increments = {}
          for _, head in ipairs(places[i][2]) do increments[head .. '|viewer_seconds'] = seconds end
          derived[#derived + 1] = {places[i][1], increments}
        end
      end
    end
  end
  return taken
end

-- The journal keeps one hour or its share of the memory, and never loses what a reader or the baseline still needs.
local function trim(prefix, journal, position, keep_ms, most)
  local floor = position
  local function lower(id)
    if id and id ~= '' and is_later(floor, id) then floor = id end
  end
  lower(redis.call('HGET', prefix .. 'ckpt:moderate', 'pos'))
  lower(redis.call('HGET', prefix .. 'base:meta', 'pos'))
  local cut = now_ms() - keep_ms
  local length = redis.call('XLEN', journal)
  if length > most then
    local first = redis.call('XRANGE', journal, '-', '+', 'COUNT', 1)
    local oldest, newest = milliseconds(first[1][1]), milliseconds(position)
    cut = math.max(cut, oldest + (newest - oldest) * (length - most) / length)
  end
  lower(number(cut) .. '-0')
  redis.call('XTRIM', journal, 'MINID', '~', floor)
end

-- KEYS lease, ckpt, journal, changes
-- ARGV prefix, token, previous version, new version, position, nonce of it, change (msgpack), extras (msgpack),
--      nonce of this change, caught-up ms or '', config hash, previous position, keep ms, most entries, baseline flag,
--      proof flag (off in the control of the chaos test only)
-- → 'OK' | 'DUP' | 'FENCED' | 'STALE' | 'LOSTTAIL'
local function commit(keys, args)
  local prefix, token = args[1], args[2]
  if redis.call('HGET', keys[1], 'token') ~= token then return 'FENCED' end
  local stored = redis.call('HMGET', keys[2], 'ver', 'by', 'cfg')
  local version = stored[1] or '0'
  if version == args[4] and stored[2] == token then return 'DUP' end
  if version ~= args[3] then return 'STALE' end
  if args[16] == '1' and args[5] ~= '' and not holds(keys[3], args[5], args[6]) then return 'LOSTTAIL' end
  local change, extras, derived = cmsgpack.unpack(args[7]), cmsgpack.unpack(args[8]), {}
  -- A changed schedule: these containers hold something else from now on (and this batch comes on top).
  for _, rebuilt in ipairs(extras[4] or {}) do
    redis.call('DEL', prefix .. rebuilt[1])
    if next(rebuilt[2]) then add(prefix .. rebuilt[1], listed(rebuilt[2])) end
  end
  apply(prefix, change[2])
  raise_levels(prefix .. 'levels', extras[1], derived)
  local taken = take_samples(prefix .. 'viewers', change[3], extras[2], derived)
  -- Of these peaks are made, also of a time in which no server ran. Whoever reads them trims them; the limit is for when nobody does.
  if #taken > 0 then
    redis.call('XADD', prefix .. 'samples', 'MAXLEN', '~', 100000, '*', 'n', args[9], 'd', cmsgpack.pack(taken))
  end
  apply(prefix, derived)
  for _, member in ipairs(extras[3]) do redis.call('ZADD', prefix .. 'removed', 'NX', args[4], member) end
  if #extras[3] > 0 then redis.call('ZREMRANGEBYRANK', prefix .. 'removed', 0, -50001) end
  if stored[3] ~= args[11] then redis.call('RPUSH', prefix .. 'configs', args[12] .. '|' .. args[11]) end
  redis.call('HSET', keys[2], 'ver', args[4], 'by', token, 'pos', args[5], 'nonce', args[6], 'cfg', args[11])
  if args[10] ~= '' then redis.call('HSET', keys[2], 'caught_up', args[10]) end
  if #derived > 0 then
    redis.call('XADD', keys[4], 'MAXLEN', '~', 4000, '*', 'n', args[9], 'd', args[7], 'x', cmsgpack.pack(derived))
  else
    redis.call('XADD', keys[4], 'MAXLEN', '~', 4000, '*', 'n', args[9], 'd', args[7])
  end
  if args[15] == '1' then
    for _, name in ipairs({'total', 'levels', 'viewers', 'removed'}) do
      redis.call('DEL', prefix .. 'base:' .. name)
      if redis.call('EXISTS', prefix .. name) == 1 then redis.call('COPY', prefix .. name, prefix .. 'base:' .. name) end
    end
    redis.call('DEL', prefix .. 'base:meta')
    redis.call('HSET', prefix .. 'base:meta', 'ver', args[4], 'pos', args[5], 'nonce', args[6], 'cfg', args[11])
  end
  if args[5] ~= '' and tonumber(args[4]) % 16 == 0 then
    trim(prefix, keys[3], args[5], tonumber(args[13]), tonumber(args[14]))
  end
  return 'OK'
end

-- Only the owner changes a minute, between its commits, so what it read a moment ago is what is stored.
-- KEYS lease, minute, packed minute, minutes; ARGV token, packed, start of the minute → 1 | 0 (no longer ours)
local function pack(keys, args)
  if redis.call('HGET', keys[1], 'token') ~= args[1] then return 0 end
  redis.call('SET', keys[3], args[2])
  redis.call('DEL', keys[2])
  redis.call('SREM', keys[4], args[3])
  return 1
end

-- The same cursor move for a reader whose result is entries of another stream (moderate's flags).
-- KEYS lease, ckpt, journal, output
-- ARGV token, previous version, new version, position, nonce of it, caught-up ms or '', nonce, then payloads
local function publish(keys, args)
  if redis.call('HGET', keys[1], 'token') ~= args[1] then return 'FENCED' end
  local stored = redis.call('HMGET', keys[2], 'ver', 'by')
  local version = stored[1] or '0'
  if version == args[3] and stored[2] == args[1] then return 'DUP' end
  if version ~= args[2] then return 'STALE' end
  if args[4] ~= '' and not holds(keys[3], args[4], args[5]) then return 'LOSTTAIL' end
  redis.call('HSET', keys[2], 'ver', args[3], 'by', args[1], 'pos', args[4], 'nonce', args[5])
  if args[6] ~= '' then redis.call('HSET', keys[2], 'caught_up', args[6]) end
  for i = 8, #args do redis.call('XADD', keys[4], '*', 'n', args[7], 'd', args[i]) end
  -- The output keeps one day and 100,000 entries of a partition; its readers know that what they read last may be gone.
  if #args >= 8 or tonumber(args[3]) % 16 == 0 then
    redis.call('XTRIM', keys[4], 'MINID', '~', number(now_ms() - 86400000) .. '-0')
    redis.call('XTRIM', keys[4], 'MAXLEN', '~', 100000)
  end
  return 'OK'
end

-- KEYS ckpt, changes, viewers; ARGV prefix, then container names
-- → {version, caught-up ms, change id, change nonce, {container, {field, value, …}, …}, {viewer samples}}
local function load(keys, args)
  local stored = redis.call('HMGET', keys[1], 'ver', 'caught_up')
  local newest = redis.call('XREVRANGE', keys[2], '+', '-', 'COUNT', 1)
  local containers = {}
  for i = 2, #args do
    local fields = redis.call('HGETALL', args[1] .. args[i])
    if #fields > 0 then
      containers[#containers + 1] = args[i]
      containers[#containers + 1] = fields
    end
  end
  local id, nonce = '', ''
  if #newest == 1 then id, nonce = newest[1][1], newest[1][2][2] end
  return {stored[1] or '0', stored[2] or '0', id, nonce, containers, redis.call('HVALS', keys[3])}
end

-- The collect shares: every live collector gets an equal part of them, moved without two owners at a time.
-- KEYS owners, members; ARGV token, ttl ms, shares, leave flag → owned shares
local function shares(keys, args)
  local now, token, count = now_ms(), args[1], tonumber(args[3])
  if args[4] == '1' then redis.call('HDEL', keys[2], token) else redis.call('HSET', keys[2], token, number(now + args[2])) end
  local members, alive, live = redis.call('HGETALL', keys[2]), {}, 0
  for i = 1, #members, 2 do
    if tonumber(members[i + 1]) > now then
      alive[members[i]], live = true, live + 1
    else
      redis.call('HDEL', keys[2], members[i])
    end
  end
  local owners, mine, free = redis.call('HGETALL', keys[1]), {}, {}
  local owned = {}
  for i = 1, #owners, 2 do owned[owners[i]] = owners[i + 1] end
  for share = 0, count - 1 do
    local owner = owned[tostring(share)]
    if owner == token then mine[#mine + 1] = share elseif not owner or not alive[owner] then free[#free + 1] = share end
  end
  local fair = args[4] == '1' and 0 or math.ceil(count / math.max(live, 1))
  while #mine > fair do
    redis.call('HDEL', keys[1], table.remove(mine))
  end
  for _, share in ipairs(free) do
    if #mine >= fair then break end
    redis.call('HSET', keys[1], share, token)
    mine[#mine + 1] = share
  end
  return mine
end

redis.register_function('lm1_ingest', ingest)
redis.register_function{function_name = 'lm1_pull', callback = pull, flags = {'no-writes'}}
redis.register_function{function_name = 'lm1_pull_unproven', callback = pull_unproven, flags = {'no-writes'}}
redis.register_function{function_name = 'lm1_lookup', callback = lookup, flags = {'no-writes'}}
redis.register_function('lm1_lease', lease)
redis.register_function('lm1_renew', renew)
redis.register_function('lm1_release', release)
redis.register_function('lm1_commit', commit)
redis.register_function('lm1_pack', pack)
redis.register_function('lm1_publish', publish)
redis.register_function{function_name = 'lm1_load', callback = load, flags = {'no-writes'}}
redis.register_function('lm1_shares', shares)
