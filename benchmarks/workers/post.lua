-- What wrk sends: POST requests whose bodies are files, in turn. Behind wrk's URL stand "--" and four arguments:
-- the bodies' folder, how many there are, their content type, and the mean pause before each request in ms.
local bodies, sent_by = {}, {}
local next_body = 0
sent = 0 -- global, since wrk reads it from each thread

function setup(thread)
  table.insert(sent_by, thread)
end

function init(arguments)
  local folder, count, kind, pause = arguments[1], tonumber(arguments[2]), arguments[3], tonumber(arguments[4])
  for i = 0, count - 1 do
    local file = assert(io.open(folder .. "/" .. i, "rb"))
    bodies[i] = wrk.format("POST", nil, { ["Content-Type"] = kind }, file:read("*a"))
    file:close()
  end
  if pause > 0 then
    math.randomseed(1)
    -- As if many strangers asked, each when it likes: exponential pauses.
    delay = function() return -math.log(1 - math.random()) * pause end
  end
  request = function()
    local body = bodies[next_body % count]
    next_body = next_body + 1
    sent = sent + 1
    return body
  end
end

function done(summary, latency, _)
  local all_sent = 0
  for _, thread in ipairs(sent_by) do all_sent = all_sent + thread:get("sent") end
  -- request() was called once more, by wrk's own check of the script.
  all_sent = all_sent - #sent_by
  local errors = summary.errors
  io.write(string.format(
    '\n{"requests": %d, "seconds": %f, "refused": %d, "broken": %d, "unanswered": %d, "p50": %f, "p99": %f, "slowest": %f}\n',
    summary.requests, summary.duration / 1e6, errors.status, errors.connect + errors.read + errors.write + errors.timeout,
    all_sent - summary.requests, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3, latency.max / 1e3))
end
