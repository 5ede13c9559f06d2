"""Flows into an archive's HTTP port -> the Lua with which Orthanc itself refuses what the conduits do not name."""

from __future__ import annotations

from collections.abc import Iterable

from pacslab.kinds.dicomweb import BULK, DOTTED, FRAMES, ROOT, requests
from pacslab.model.dicom import UID_MAX_CHARS
from pacslab.model.plan import Flow

LUA_FILE = "/etc/pacslab/orthanc.lua"

# FACTS 1.10: the filter gets the path without its query, and header names in lower case.
_LUA = f"""\
-- Second line behind the web front and the firewall: what may be asked over HTTP, by whom, from where.
local gateways = {{
@GATEWAYS@}}

local function isUid(text)
  if #text > {UID_MAX_CHARS} or text:find('[^%d.]') or text:find('..', 1, true) then
    return false
  end
  return text:sub(1, 1) ~= '.' and text:sub(-1) ~= '.' and #text > 0
end

local function segmentsOf(path)
  local found = {{}}
  for segment in path:gmatch('/([^/]*)') do
    found[#found + 1] = segment
  end
  return found
end

-- Whether a path is of a shape: words as they are, {DOTTED} a UID, {FRAMES} frame numbers, {BULK} a bulk datum.
local function fits(path, shape)
  local given, wanted = segmentsOf(path), segmentsOf(shape)
  for i, word in ipairs(wanted) do
    local segment = given[i]
    if segment == nil then
      return false
    elseif word == '{BULK}' then
      return table.concat(given, '/', i):match('^' .. ('%x'):rep(8) .. '[%x/]*$') ~= nil
    elseif word == '{DOTTED}' then
      if not isUid(segment) then return false end
    elseif word == '{FRAMES}' then
      if not segment:match('^%d[%d,]*$') then return false end
    elseif segment ~= word then
      return false
    end
  end
  return #given == #wanted
end

function IncomingHttpRequestFilter(method, uri, ip, username, httpHeaders)
  if username == '@OPERATOR@' then
    return ip == '127.0.0.1'
  end
  local gateway = gateways[username]
  if gateway == nil or gateway.address ~= ip or uri:sub(1, 1) ~= '/' then
    return false
  end
  for _, shape in ipairs(gateway.may[method] or {{}}) do
    if fits(uri, shape) then
      return true
    end
  end
  return false
end
"""


def http_filter(flows: Iterable[Flow], operator: str) -> str:
    """Lua for the node's own operator, from inside only, and for each gateway exactly the requests of its conduits.

    Args:
        flows: Flows into the archive's HTTP port.
        operator: The login that the node's own `device` command uses.
    """
    by_source: dict[str, list[Flow]] = {}
    for flow in flows:
        by_source.setdefault(flow.source, []).append(flow)
    gateways = "".join(_gateway(name, found) for name, found in sorted(by_source.items()))
    return _LUA.replace("@GATEWAYS@", gateways).replace("@OPERATOR@", operator)


def _gateway(name: str, flows: list[Flow]) -> str:
    named = requests(operation for flow in flows for operation in flow.operations)
    methods = sorted({request.method for request in named})
    may = "".join(_method(method, [r.shape for r in named if r.method == method]) for method in methods)
    return f"  ['{name}'] = {{ address = '{flows[0].source_address}', may = {{\n{may}  }} }},\n"


def _method(method: str, shapes: list[str]) -> str:
    return f"    {method} = {{\n" + "".join(f"      '{ROOT}{shape}',\n" for shape in shapes) + "    },\n"
