"""The Lua scripts for the indexes of an instance's sessions: limits, counts and lists.

A member of an index is a session id and an incarnation. Keys: live sessions by place in the order
of creation, the same by expiry, the members of sessions that never expire by id, the ids of default
sessions by user, the callers that members count for, and how many count for each caller. A reserve
also has the counter of places, and, for a session of a user, there are that user's sessions by
expiry. All share the hash tag of the instance. Each script is atomic, and may run twice because its
answer may get lost.
"""

from kato_service.sessions.redis.session_scripts import ALLOW_OOM, COMMON, PLAIN, READ_ONLY

_RELEASED = """
-- A member no longer counts for its caller; a second run finds nothing.
local function released(holders, held, member)
  local whose = redis.call('HGET', holders, member)
  if not whose then return end
  redis.call('HDEL', holders, member)
  if redis.call('HINCRBY', held, whose, -1) < 1 then redis.call('HDEL', held, whose) end
end
"""
_UNPLACED = (
    _RELEASED
    + """
-- Take a member off the indexes, of which KEYS[first] is the first; a second run finds nothing. The
-- id of a default session goes with the session: else any number of users would leave theirs.
local function unplaced(first, member, user)
  local order, sessions, lasting, defaults, holders, held, of_user = unpack(KEYS, first)
  redis.call('ZREM', order, member)
  redis.call('ZREM', sessions, member)
  if of_user then redis.call('ZREM', of_user, member) end
  released(holders, held, member)
  local id = string.match(member, '%S+')
  if redis.call('HGET', lasting, id) ~= member then return end
  redis.call('HDEL', lasting, id)
  if redis.call('HGET', defaults, user) == id then redis.call('HDEL', defaults, user) end
end
"""
)

RESERVE = (
    PLAIN
    + _RELEASED
    + """
-- member, ttl s or '', limit of the instance, limit of the user or '', limit of the caller, caller
-- or '', user of a default session or ''
-- → 'instance' | 'user' | 'caller' (whose limit is reached), or 'known' and the id that the default
-- session of the user has, or 'ok', now, expiry or ''
-- Counting and reserving a place is one step, so replicas cannot pass a limit together.
-- A second run finds its member, which has its place already, and only moves the expiry.
local order, sessions, lasting, defaults, holders, held, places, of_user = unpack(KEYS)
local member, caller, user = ARGV[1], ARGV[6], ARGV[7]
local id = string.match(member, '%S+')
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
if user ~= '' then
  local known = redis.call('HGET', defaults, user)
  if known and known ~= id then return {'known', known} end
end
for _, gone in ipairs(redis.call('ZRANGEBYSCORE', sessions, '-inf', now)) do
  redis.call('ZREM', order, gone)
  released(holders, held, gone)
end
redis.call('ZREMRANGEBYSCORE', sessions, '-inf', now)
if of_user then redis.call('ZREMRANGEBYSCORE', of_user, '-inf', now) end
local function holds_all()
  return tonumber(redis.call('HGET', held, caller) or '0') >= tonumber(ARGV[5])
end
-- A replica of an earlier version drops members without releasing them. They are looked for when a
-- caller seems to have its share; at most once a minute, as that reads all members.
local function caller_is_full()
  if caller == '' or not holds_all() then return false end
  if now - tonumber(redis.call('HGET', held, 'searched') or '0') >= 60000 then
    redis.call('HSET', held, 'searched', now)
    for _, one in ipairs(redis.call('HKEYS', holders)) do
      if not redis.call('ZSCORE', sessions, one) then released(holders, held, one) end
    end
  end
  return holds_all()
end
-- A session that never expires has one place: that of a failed create would stay for good, so the
-- next create of the same id takes it over.
local replaces = false
if ARGV[2] == '' then
  local before = redis.call('HGET', lasting, id)
  if before and before ~= member then
    replaces = redis.call('ZREM', sessions, before) == 1
    redis.call('ZREM', order, before)
    released(holders, held, before)
  end
end
if not redis.call('ZSCORE', sessions, member) then
  if not replaces and redis.call('ZCARD', sessions) >= tonumber(ARGV[3]) then
    return {'instance'}
  end
  if of_user and ARGV[4] ~= '' and redis.call('ZCARD', of_user) >= tonumber(ARGV[4]) then
    return {'user'}
  end
  if not replaces and caller_is_full() then return {'caller'} end
  redis.call('ZADD', order, redis.call('INCR', places), member)
end
if ARGV[2] == '' then redis.call('HSET', lasting, id, member) end
if user ~= '' then redis.call('HSET', defaults, user, id) end
if caller ~= '' and redis.call('HSETNX', holders, member, caller) == 1 then
  redis.call('HINCRBY', held, caller, 1)
end
local expiry = ARGV[2] == '' and '' or tostring(now + tonumber(ARGV[2]) * 1000)
local score = expiry == '' and '+inf' or expiry
redis.call('ZADD', sessions, score, member)
if of_user then
  redis.call('ZADD', of_user, score, member)
  redis.call('PEXPIREAT', of_user, redis.call('ZRANGE', of_user, -1, -1, 'WITHSCORES')[2])
end
return {'ok', tostring(now), expiry}
"""
)

UNRESERVE = (
    ALLOW_OOM
    + _UNPLACED
    + """
-- member, its user: give its place back; nothing is left for a second run
unplaced(1, ARGV[1], ARGV[2])
return 1
"""
)

REMOVE = (
    ALLOW_OOM
    + COMMON
    + _UNPLACED
    + """
-- owner, fencing token, incarnation, member of the indexes, its user → 0 if the lock was lost
-- The keys of the session, then the indexes: it goes in one step with its places, as far as one
-- server has both. On a cluster no indexes are given; they follow.
-- A second run finds another incarnation or none, and drops only the places, once more.
local f = fields('inc', 'num', 'own')
local ours = f.inc == ARGV[3]
if ours and (f.num ~= ARGV[2] or f.own ~= ARGV[1]) then return 0 end
if ours then redis.call('DEL', unpack(KEYS, 1, 4)) end
if KEYS[5] then unplaced(5, ARGV[4], ARGV[5]) end
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

FORGET_USER = (
    ALLOW_OOM
    + """
-- user: drop the id of a default session that has no place, and expired members of the user's index
-- A second run finds nothing.
local defaults, lasting, of_user = unpack(KEYS)
local id = redis.call('HGET', defaults, ARGV[1])
if id and not redis.call('HGET', lasting, id) then redis.call('HDEL', defaults, ARGV[1]) end
if of_user then
  local t = redis.call('TIME')
  redis.call('ZREMRANGEBYSCORE', of_user, '-inf', t[1] * 1000 + math.floor(t[2] / 1000))
end
return 1
"""
)

FIRST_VALUE = (
    PLAIN
    + """
-- field, proposed → the value that stays
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
