-- Usher for HAProxy: asks Usher about a request, by HAProxy's own HTTP client. It needs no other Lua module.
--
--   global:   lua-load-per-thread /etc/haproxy/usher.lua
--             tune.bufsize 65536
--   backend:  http-request lua.usher http://127.0.0.1:4181/auth/haproxy
--             http-request deny deny_status 503 unless { var(txn.usher_passed) -m bool }
--
-- The second line is not optional: HAProxy goes on to the app when a Lua action fails. Refusals are answered
-- from here, with Usher's own pages. It trusts the X-Forwarded-For, -Host and -Proto that haproxy.cfg has set.

-- What Usher sets on every request that passes. With USHER_HEADERS set, name the same ones here.
local identity = { "Remote-User", "Remote-Name", "Remote-Email", "Remote-Groups", "Remote-Id" }

-- What Usher reads of a request; nothing else leaves.
local asked = {
    "cookie", "authorization", "x-usher-key", "accept", "accept-language", "user-agent", "upgrade", "x-requested-with",
    "sec-fetch-dest", "sec-fetch-mode", "sec-fetch-site", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto",
    "x-http-method-override", "x-http-method", "x-method-override", -- for rules that name a method: some apps obey these
}

-- Headers of an answer that are about its connection, not about the answer.
local connection = { ["connection"] = true, ["content-length"] = true, ["keep-alive"] = true, ["transfer-encoding"] = true }

-- values turns HAProxy's lists, which begin at 0, into Lua's.
local function values(list)
    local out = {}
    for i = 0, #list do
        out[#out + 1] = list[i]
    end
    return out
end

-- about is a request as Usher wants to be told of it.
local function about(txn)
    local headers, sent = {}, txn.http:req_get_headers()
    for _, name in ipairs(asked) do
        if sent[name] then
            headers[name] = values(sent[name])
        end
    end
    headers["x-forwarded-method"] = { txn.f:method() }
    headers["x-forwarded-uri"] = { txn.f:pathq() }
    return headers
end

-- pass puts Usher's word about the person into the request, in place of all that a client may have sent.
-- An answer without it is not Usher's, whatever its status says.
local function pass(txn, answer, address)
    for _, name in ipairs(identity) do
        local value = answer.headers[name:lower()]
        if not value or value[1] then
            txn:Warning("usher: no " .. name .. ", or several, in the answer of " .. address)
            return
        end
        txn.http:req_set_header(name, value[0])
    end
    -- A key of Usher's never reaches the app. An Authorization of the app's own does: it comes back in the answer.
    txn.http:req_del_header("x-usher-key")
    txn.http:req_del_header("authorization")
    local own = answer.headers["authorization"]
    if own and not own[1] then
        txn.http:req_set_header("Authorization", own[0])
    end
    txn:set_var("txn.usher_passed", true)
end

-- refuse answers the client as Usher would.
local function refuse(txn, answer)
    local reply = txn:reply({ status = answer.status, body = answer.body })
    for name, list in pairs(answer.headers) do
        for _, value in ipairs(connection[name] and {} or values(list)) do
            reply:add_header(name, value)
        end
    end
    txn:done(reply)
end

core.register_action("usher", { "http-req" }, function(txn, address)
    local answer = core.httpclient():get({ url = address, headers = about(txn), timeout = 15000 })
    if answer.status == 200 then
        pass(txn, answer, address)
    elseif answer.status >= 300 then
        refuse(txn, answer)
    end
end, 1)
