-- What wrk sends and reports in benchmarks/load.py: one route as a user, every status counted, figures as one line of JSON.

wrk.headers["Authorization"] = "Bearer " .. os.getenv("LOAD_TOKEN")

local threads = {}

function setup(thread)
    table.insert(threads, thread)
end

function init(arguments)
    refused = {}
end

function response(status, headers, body)
    if status < 200 or status > 299 then
        local name = tostring(status)
        refused[name] = (refused[name] or 0) + 1
    end
end

function done(summary, latency, requests)
    local counts = {}
    for _, thread in ipairs(threads) do
        for status, count in pairs(thread:get("refused")) do
            counts[status] = (counts[status] or 0) + count
        end
    end
    local pairs_of_refused = {}
    for status, count in pairs(counts) do
        table.insert(pairs_of_refused, string.format('"%s": %d', status, count))
    end
    local errors = summary.errors
    io.write(string.format(
        '{"answers": %d, "seconds": %.6f, "p50_us": %d, "p99_us": %d, "slowest_us": %d, "refused": {%s}, "lost": %d}\n',
        summary.requests, summary.duration / 1e6, latency:percentile(50), latency:percentile(99), latency.max,
        table.concat(pairs_of_refused, ", "), errors.connect + errors.read + errors.write + errors.timeout
    ))
end
