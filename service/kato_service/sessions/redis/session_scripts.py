"""The Lua scripts for one session: each is atomic, and one round trip.

Keys of a session: the hash, then the lists of its STM, pending emotives and remembered requests.
All share the hash tag ``{session_id}``, so that a cluster keeps them on one node. Fields of the
hash:

``inc`` incarnation · ``exp`` expiry, ms, '' for never · ``ttl`` seconds · ``later`` '1' if it was
made on ``/sessions`` · ``head``, ``per`` encoded state · ``num`` last fencing token · ``own``,
``lea`` holder of the lock and end of its lease, ms · ``que`` places in the queue, ``owner=ms;…`` ·
``lost`` fencing tokens of locks taken over · ``iid``, ``int`` intent · ``last`` ids of installed
intents. Empty fields are not stored.

A script whose answer got lost is sent again, so every script may run twice. The comment of each
says why the second run does no harm and returns the same.
"""

ALLOW_OOM = "#!lua flags=allow-oom\n"
"""May allocate above maxmemory: a full Redis must not trap a lock or an intent."""
PLAIN = "#!lua\n"
"""Refused above maxmemory: for what makes a session larger."""
READ_ONLY = "#!lua flags=no-writes\n"

COMMON = """
-- Milliseconds since the epoch: expiry and leases are judged by the clock of Redis alone.
local function now_ms()
  local t = redis.call('TIME')
  return t[1] * 1000 + math.floor(t[2] / 1000)
end
-- Fields of the hash by name; a missing one is ''.
local function fields(...)
  local found = redis.call('HMGET', KEYS[1], ...)
  local named = {}
  for i, name in ipairs({...}) do named[name] = found[i] or '' end
  return named
end
local function expired(f, now) return f.exp ~= '' and tonumber(f.exp) <= now end
-- Set the TTL of all keys: until the expiry, but not before *floor* (the end of a lease).
-- While an intent is pending they have none: it must survive its session.
local function keep(f, floor, pending)
  for _, key in ipairs(KEYS) do
    if pending or f.exp == '' then
      redis.call('PERSIST', key)
    else
      redis.call('PEXPIREAT', key, math.max(tonumber(f.exp), floor))
    end
  end
end
-- The words of *text* and *one* after them; only the last 64.
local function noted(text, one)
  local all = {}
  for each in string.gmatch(text, '%S+') do all[#all + 1] = each end
  all[#all + 1] = one
  return table.concat(all, ' ', math.max(1, #all - 63))
end
-- Whether *one* is among the words of *text*.
local function holds(text, one)
  for each in string.gmatch(text, '%S+') do
    if each == one then return true end
  end
  return false
end
local function queue(places)
  if #places == 0 then
    redis.call('HDEL', KEYS[1], 'que')
  else
    redis.call('HSET', KEYS[1], 'que', table.concat(places, ';'))
  end
end
local function list(i) return table.concat(redis.call('LRANGE', KEYS[i], 0, -1), ',') end
-- The whole session, in the order of `encoding.Stored`.
local function contents()
  local f = fields('inc', 'exp', 'ttl', 'head', 'per', 'iid', 'int', 'later')
  return {f.inc, f.exp, f.ttl, f.head, f.per, f.iid, f.int, list(2), list(3), list(4), f.later}
end
-- Apply the list changes that begin at ARGV[at]. For each list: how many items go from its front
-- (-1: all), how many are appended, and those.
local function change_lists(at)
  for i = 2, 4 do
    local drop, count = tonumber(ARGV[at]), tonumber(ARGV[at + 1])
    at = at + 2
    if drop < 0 then redis.call('DEL', KEYS[i]) end
    if drop > 0 then redis.call('LTRIM', KEYS[i], drop, -1) end
    -- In portions: Lua cannot unpack thousands of values at once.
    for from = at, at + count - 1, 1000 do
      redis.call('RPUSH', KEYS[i], unpack(ARGV, from, math.min(from + 999, at + count - 1)))
    end
    at = at + count
  end
end
local function write(head, percept, at)
  redis.call('HSET', KEYS[1], 'head', head)
  if percept ~= '' then redis.call('HSET', KEYS[1], 'per', percept) end
  change_lists(at)
end
-- Move the intent to the installed ones.
local function install(id, last)
  redis.call('HDEL', KEYS[1], 'iid', 'int')
  redis.call('HSET', KEYS[1], 'last', noted(last, id))
end
-- What became of the save under an older fencing token: it happened, unless the lock was taken
-- over first. Lost tokens older than the 64 kept ones are forgotten, so then nobody can tell.
local function fate_of(number, lost)
  if holds(lost, number) then return 'refused' end
  local count, least = 0, math.huge
  for each in string.gmatch(lost, '%S+') do
    count, least = count + 1, math.min(least, tonumber(each))
  end
  if count >= 64 and tonumber(number) < least then return 'unknown' end
  return 'saved'
end
"""

CREATE = (
    PLAIN
    + COMMON
    + """
-- incarnation, expiry, ttl, head, later or '' → the session that lives now
-- Looking for a living session and writing the new one is one step, so one of two creates wins.
-- A second run finds the session of the first.
local now = now_ms()
local f = fields('inc', 'exp', 'iid')
if f.inc ~= '' and expired(f, now) and f.iid == '' then
  redis.call('DEL', unpack(KEYS))
  f.inc = ''
end
if f.inc == '' then
  redis.call('HSET', KEYS[1], 'inc', ARGV[1], 'exp', ARGV[2], 'ttl', ARGV[3], 'head', ARGV[4],
    'num', '0')
  if ARGV[5] ~= '' then redis.call('HSET', KEYS[1], 'later', ARGV[5]) end
  keep({exp = ARGV[2]}, 0, false)
end
return contents()
"""
)

LOAD = (
    READ_ONLY
    + COMMON
    + """
-- → the session, or false. Hash and lists are read in one step, so no save shows in part.
local f = fields('inc', 'exp')
if f.inc == '' or expired(f, now_ms()) then return false end
return contents()
"""
)

LISTED = (
    READ_ONLY
    + COMMON
    + """
-- → the session as `contents` returns it, but without its lists, and how many events its STM has;
-- with its lists, and -1, while an intent is pending
local f = fields('inc', 'exp', 'ttl', 'head', 'iid', 'later')
if f.inc == '' or expired(f, now_ms()) then return false end
if f.iid ~= '' then return {contents(), -1} end
local shown = {f.inc, f.exp, f.ttl, f.head, '{}', '', '', '', '', '', f.later}
return {shown, redis.call('LLEN', KEYS[2])}
"""
)

EXISTS = (
    READ_ONLY
    + COMMON
    + """
-- → 1 if the session lives
local f = fields('inc', 'exp')
return (f.inc ~= '' and not expired(f, now_ms())) and 1 or 0
"""
)

VERSION = (
    READ_ONLY
    + COMMON
    + """
-- → a text that differs after every change, or false. Every change writes another head, which holds
-- its time and how many there were; an intent shows before it is in the head.
local f = fields('inc', 'exp', 'head', 'iid')
if f.inc == '' or expired(f, now_ms()) then return false end
return f.inc .. ' ' .. redis.sha1hex(f.head) .. ' ' .. f.iid
"""
)

EXTEND = (
    ALLOW_OOM
    + COMMON
    + """
-- ttl in seconds, or '' for the last one → the session, or false
-- Touches the expiry and nothing else, so it needs no lock: a save never writes these fields.
-- A second run extends from a moment later.
local now = now_ms()
local f = fields('inc', 'exp', 'ttl', 'iid', 'lea')
if f.inc == '' or expired(f, now) then return false end
if f.exp ~= '' then
  local ttl = ARGV[1] ~= '' and ARGV[1] or f.ttl
  f.exp = now + tonumber(ttl) * 1000
  redis.call('HSET', KEYS[1], 'exp', f.exp, 'ttl', ttl)
  keep(f, tonumber(f.lea) or 0, f.iid ~= '')
end
return contents()
"""
)

LOCK = (
    ALLOW_OOM
    + COMMON
    + """
-- owner, lease ms, rolling forward → 'gone' | 'busy' | 'locked', fencing token, now, session
-- Taking the lock and loading the session is one step, so the state is that of the last save.
-- A second run finds its owner holding the lock, or in the queue, and changes only the lease.
local owner, lease, rolling = ARGV[1], tonumber(ARGV[2]), ARGV[3] == '1'
local now = now_ms()
local f = fields('inc', 'exp', 'iid', 'num', 'own', 'lea', 'que', 'lost')
local pending = f.iid ~= ''
if f.inc == '' then return {'gone'} end
local held = f.own ~= '' and f.own ~= owner and tonumber(f.lea) > now
-- The holder may be about to store an intent: to a roll-forward the session is busy, not gone.
if f.own ~= owner and expired(f, now) and not (rolling and (pending or held)) then
  return {'gone'}
end
-- Places whose lease ended are dropped; the first of the others is next.
local places, first, mine = {}, nil, false
for who, ends in string.gmatch(f.que, '([^=;]+)=(%d+)') do
  if who == owner then
    ends, mine = now + lease, true
  end
  if tonumber(ends) > now then
    first = first or who
    places[#places + 1] = who .. '=' .. ends
  end
end
if held or (f.own ~= owner and first and first ~= owner) then
  if not mine then places[#places + 1] = owner .. '=' .. (now + lease) end
  queue(places)
  return {'busy'}
end
if f.own ~= owner then
  -- The last holder neither saved nor unlocked: from now on its save is refused.
  if f.own ~= '' then redis.call('HSET', KEYS[1], 'lost', noted(f.lost, f.num)) end
  f.num = redis.call('HINCRBY', KEYS[1], 'num', 1)
end
if first == owner then table.remove(places, 1) end
redis.call('HSET', KEYS[1], 'own', owner, 'lea', now + lease)
if f.que ~= '' then queue(places) end
if f.exp ~= '' and tonumber(f.exp) < now + lease then keep(f, now + lease, pending) end
return {'locked', tostring(f.num), tostring(now), contents()}
"""
)

RENEW = (
    ALLOW_OOM
    + COMMON
    + """
-- owner, fencing token, lease ms → 1 if the lock is still held
-- A second run starts the lease over once more.
local f = fields('exp', 'iid', 'num', 'own')
if f.own ~= ARGV[1] or f.num ~= ARGV[2] then return 0 end
local ends = now_ms() + tonumber(ARGV[3])
redis.call('HSET', KEYS[1], 'lea', ends)
if f.exp ~= '' and tonumber(f.exp) < ends then keep(f, ends, f.iid ~= '') end
return 1
"""
)

RELEASE = (
    ALLOW_OOM
    + COMMON
    + """
-- owner → 1 if the session exists
-- Owners are random and never reused: a second run finds nothing of its owner any more.
local f = fields('inc', 'exp', 'iid', 'own', 'que')
if f.inc == '' then return 0 end
if f.own == ARGV[1] then
  redis.call('HDEL', KEYS[1], 'own', 'lea')
  keep(f, 0, f.iid ~= '')
  return 1
end
local places = {}
for who, ends in string.gmatch(f.que, '([^=;]+)=(%d+)') do
  if who ~= ARGV[1] then places[#places + 1] = who .. '=' .. ends end
end
if f.que ~= '' then queue(places) end
return 1
"""
)

_SAVE = (
    COMMON
    + """
-- owner, fencing token, incarnation, intent id or '', head, percept or '', list changes
-- → 'saved' | 'refused' | 'gone' | 'unknown'
-- State, intent and unlocking are one step: nobody locks a session that is saved in part.
-- A second run meets a lock that is free, or a newer token, and finds from the lost tokens that
-- the first one saved; it must not append to the lists again.
local f = fields('inc', 'exp', 'num', 'own', 'lost', 'last')
if f.inc ~= ARGV[3] then return 'gone' end
-- A failover may have lost the lock: the token was not given yet, or belongs to another owner.
if tonumber(f.num) < tonumber(ARGV[2]) then return 'refused' end
if f.num ~= ARGV[2] then return fate_of(ARGV[2], f.lost) end
if f.own ~= ARGV[1] then return f.own == '' and 'saved' or 'refused' end
write(ARGV[5], ARGV[6], 7)
if ARGV[4] ~= '' then install(ARGV[4], f.last) end
redis.call('HDEL', KEYS[1], 'own', 'lea')
keep(f, 0, false)
return 'saved'
"""
)
SAVE = PLAIN + _SAVE
"""Saves a state that may take more room than the one before; refused above maxmemory."""
SAVE_SMALLER = ALLOW_OOM + _SAVE
"""Saves a state that takes no more room than the one before."""

INTEND = (
    PLAIN
    + COMMON
    + """
-- owner, fencing token, incarnation, intent id, intent, when the lock was taken, member of the
-- index → 1 if the intent is stored or was installed already
-- The token is compared in the same step, so an owner that lost its lock stores nothing.
-- A second run finds the id of the intent, pending or installed.
local f = fields('inc', 'num', 'own', 'iid', 'last')
if f.inc ~= ARGV[3] then return 0 end
if f.iid == ARGV[4] or holds(f.last, ARGV[4]) then return 1 end
if f.num ~= ARGV[2] or f.own ~= ARGV[1] then return 0 end
-- A single server has all keys, so the index is written here. On a cluster it was written before.
if KEYS[5] then redis.call('ZADD', KEYS[5], ARGV[6], ARGV[7]) end
redis.call('HSET', KEYS[1], 'iid', ARGV[4], 'int', ARGV[5])
keep({exp = ''}, 0, true)
return 1
"""
)

INSTALL = (
    ALLOW_OOM
    + COMMON
    + """
-- incarnation, intent id, head, percept, list changes → 'installed' | 'absent'
-- State and intent change in one step. No fencing token is needed: the state is that of the
-- intent, whoever installs it, and only while it is pending. A second run finds it installed.
local f = fields('inc', 'exp', 'iid', 'last', 'lea')
if f.inc ~= ARGV[1] then return 'absent' end
if holds(f.last, ARGV[2]) then return 'installed' end
if f.iid ~= ARGV[2] then return 'absent' end
write(ARGV[3], ARGV[4], 5)
install(ARGV[2], f.last)
keep(f, tonumber(f.lea) or 0, false)
return 'installed'
"""
)

FATE = (
    READ_ONLY
    + COMMON
    + """
-- intent id → 'pending' | 'installed' | 'absent'
local f = fields('iid', 'last')
if f.iid == ARGV[1] then return 'pending' end
if holds(f.last, ARGV[1]) then return 'installed' end
return 'absent'
"""
)
