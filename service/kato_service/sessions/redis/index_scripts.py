"""The Lua scripts for the indexes of an instance's sessions: limits, counts and lists.

A member of an index is a session id and an incarnation. Keys: live sessions by expiry, the same by
place in the order of creation, the counter of places, the members of sessions that never expire by
id, and, for a session of a user, that user's sessions by expiry. Last come, for a session that
counts for a caller, the members that it created, and a mark that these were searched. All share the
hash tag of the instance. Each script is atomic, and may run twice because its answer may get lost.
"""

from kato_service.sessions.redis.session_scripts import ALLOW_OOM, PLAIN, READ_ONLY

RESERVE = (
    PLAIN
    + """
-- member, ttl s or '', limit of the instance, limit of the user or '', limit of the caller or ''
-- → 'instance' | 'user' | 'caller' (whose limit is reached), or 'ok', now, expiry or ''
-- Counting and reserving a place is one step, so replicas cannot pass a limit together.
-- A second run finds its member, which has its place already, and only moves the expiry.
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
for _, gone in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now)) do
  redis.call('ZREM', KEYS[2], gone)
end
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
local of_user, of_caller, searched = KEYS[5], nil, nil
if ARGV[5] ~= '' then
  of_caller, searched = KEYS[#KEYS - 1], KEYS[#KEYS]
  if #KEYS < 7 then of_user = nil end
end
if of_user then redis.call('ZREMRANGEBYSCORE', of_user, '-inf', now) end
-- Nothing else takes sessions that ended off the caller's set, so they are looked for when it
-- seems to be full; at most once a second, as that reads all of it.
local function caller_is_full()
  if not of_caller or redis.call('SCARD', of_caller) < tonumber(ARGV[5]) then return false end
  if redis.call('SET', searched, '', 'NX', 'PX', 1000) then
    for _, one in ipairs(redis.call('SMEMBERS', of_caller)) do
      if not redis.call('ZSCORE', KEYS[1], one) then redis.call('SREM', of_caller, one) end
    end
  end
  return redis.call('SCARD', of_caller) >= tonumber(ARGV[5])
end
-- A session that never expires has one place: that of a failed create would stay for good, so the
-- next create of the same id takes it over.
local replaces = false
local id = string.match(ARGV[1], '%S+')
if ARGV[2] == '' then
  local before = redis.call('HGET', KEYS[4], id)
  if before and before ~= ARGV[1] then
    replaces = redis.call('ZREM', KEYS[1], before) == 1
    redis.call('ZREM', KEYS[2], before)
  end
end
if not redis.call('ZSCORE', KEYS[1], ARGV[1]) then
  if not replaces and redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[3]) then
    return {'instance'}
  end
  if of_user and ARGV[4] ~= '' and redis.call('ZCARD', of_user) >= tonumber(ARGV[4]) then
    return {'user'}
  end
  if not replaces and caller_is_full() then return {'caller'} end
  redis.call('ZADD', KEYS[2], redis.call('INCR', KEYS[3]), ARGV[1])
end
if ARGV[2] == '' then redis.call('HSET', KEYS[4], id, ARGV[1]) end
if of_caller then
  redis.call('SADD', of_caller, ARGV[1])
  redis.call('EXPIRE', of_caller, 172800)
end
local expiry = ARGV[2] == '' and '' or tostring(now + tonumber(ARGV[2]) * 1000)
local score = expiry == '' and '+inf' or expiry
redis.call('ZADD', KEYS[1], score, ARGV[1])
if of_user then
  redis.call('ZADD', of_user, score, ARGV[1])
  redis.call('PEXPIREAT', of_user, redis.call('ZRANGE', of_user, -1, -1, 'WITHSCORES')[2])
end
return {'ok', tostring(now), expiry}
"""
)

UNRESERVE = (
    ALLOW_OOM
    + """
-- member: give its place back in every index of KEYS; nothing is left for a second run
for _, key in ipairs(KEYS) do redis.call('ZREM', key, ARGV[1]) end
return 1
"""
)

NOTE_EXPIRY = (
    ALLOW_OOM
    + """
-- member, expiry: move it in the indexes of KEYS (sessions, and those of a user)
-- Only if it is still there ('XX'), so that a deleted session does not come back. A second run
-- writes the same.
for _, key in ipairs(KEYS) do redis.call('ZADD', key, 'XX', ARGV[2], ARGV[1]) end
if KEYS[2] then redis.call('PEXPIREAT', KEYS[2], ARGV[2], 'GT') end
return 1
"""
)

DEFAULT_ID = (
    PLAIN
    + """
-- field, proposed → the id that stays
-- The first proposal wins on all replicas; a second run finds it.
redis.call('HSETNX', KEYS[1], ARGV[1], ARGV[2])
return redis.call('HGET', KEYS[1], ARGV[1])
"""
)

PENDING = (
    READ_ONLY
    + """
-- age s, offset, count → members of the index of intents that are at least so old
local t = redis.call('TIME')
local latest = string.format('%.6f', t[1] + t[2] / 1e6 - tonumber(ARGV[1]))
return redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', latest, 'LIMIT', ARGV[2], ARGV[3])
"""
)

COUNT = (
    READ_ONLY
    + """
-- → live sessions; expired ones are dropped by the next create only, so they are not counted here
local t = redis.call('TIME')
return redis.call('ZCOUNT', KEYS[1], '(' .. (t[1] * 1000 + math.floor(t[2] / 1000)), '+inf')
"""
)

PAGE = (
    READ_ONLY
    + """
-- after, limit → member, place, … of live sessions in order of creation
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local after, limit = tonumber(ARGV[1]), tonumber(ARGV[2])
local found = {}
local function add(id, place)
  found[#found + 1] = id
  found[#found + 1] = place
end
-- Of one user: the index is ordered by expiry but short, so it is read whole and sorted by place.
if KEYS[3] then
  local known = {}
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[3], '(' .. now, '+inf')) do
    local place = tonumber(redis.call('ZSCORE', KEYS[2], id) or '-1')
    if place > after then known[#known + 1] = {id, place} end
  end
  table.sort(known, function(one, other) return one[2] < other[2] end)
  for i = 1, math.min(limit, #known) do add(known[i][1], tostring(known[i][2])) end
  return found
end
-- Of all: along the order of creation, in portions, skipping sessions that expired.
while #found < 2 * limit do
  local some = redis.call('ZRANGEBYSCORE', KEYS[2], '(' .. after, '+inf', 'WITHSCORES',
    'LIMIT', 0, limit)
  if #some == 0 then break end
  for i = 1, #some, 2 do
    after = tonumber(some[i + 1])
    if tonumber(redis.call('ZSCORE', KEYS[1], some[i]) or '0') > now and #found < 2 * limit then
      add(some[i], some[i + 1])
    end
  end
end
return found
"""
)
