// SERVING_READINESS_PROBE, a Kubernetes Probe as the controller writes it (knative/serving pkg/queue/readiness/probe.go
// decodes it there). The variable is the host's word, and a probe is a request that we send to the container over the
// verified connection: so wherever the container is verified, the variable gives timing and nothing else.

import { Fault } from '../base/errors.ts'
import type { Json } from '../base/json.ts'
import type { Check, ReadinessCheck } from '../health/checks.ts'
import { goType, Members, readEnvironmentJson } from './members.ts'

export interface ReadinessRule {
  /** ENABLE_MULTI_CONTAINER_PROBES: the text is an array. */
  readonly multiple: boolean
  /** USER_PORT. */
  readonly port: number
  /** False where the policy says that the container is reached in plaintext. */
  readonly verified: boolean
  /** The policy's path, from its slash on. */
  readonly probePath: string | undefined
}

const loopback = '127.0.0.1'
const maxChecks = 64

/**
 * The checks that make the container ready; an empty list is always ready.
 *
 * Of a verified container there is always exactly one, also where the variable is unset: the policy's path, or the
 * handshake and its verdict. Its timing is that of the variable's first probe.
 * @throws Fault 'environment-invalid'
 */
export function readReadiness(text: string | undefined, rule: ReadinessRule): readonly ReadinessCheck[] {
  const probes = decode(text ?? '', rule.multiple)
  if (!rule.verified) return probes.map(probe => ({ check: checkOf(probe, rule.port), ...timingOf(probe) }))
  const { port, probePath } = rule
  const check: Check =
    probePath === undefined
      ? { kind: 'tcp', host: loopback, port }
      : { kind: 'http', scheme: 'https', host: loopback, port, path: withoutSlash(probePath), headers: [] }
  return [{ check, ...timingOf(probes[0] ?? Members.of(null, 'v1.Probe')) }]
}

function decode(text: string, multiple: boolean): readonly Members[] {
  if (text === '') return []
  const value = readEnvironmentJson(text)
  if (!multiple) return [Members.of(value, 'v1.Probe')]
  if (value === null) return []
  if (!Array.isArray(value)) throw invalid(`json: cannot unmarshal ${goType(value)} into Go value of type []*v1.Probe`)
  if (value.length > maxChecks) throw invalid(`want at most ${maxChecks} probes, got ${value.length}`)
  // A container without a probe is written as null; the Go proxy dies of it.
  return value.filter((each: Json) => each !== null).map((each: Json) => Members.of(each, 'v1.Probe'))
}

function timingOf(probe: Members): Omit<ReadinessCheck, 'check'> {
  return {
    periodSeconds: Math.max(0, probe.integer('periodSeconds')),
    timeoutSeconds: Math.max(0, probe.integer('timeoutSeconds')),
    successThreshold: Math.max(1, probe.integer('successThreshold')),
  }
}

function checkOf(probe: Members, userPort: number): Check {
  const http = probe.object('httpGet', 'v1.HTTPGetAction')
  if (http) return httpCheck(http, userPort)
  const tcp = probe.object('tcpSocket', 'v1.TCPSocketAction')
  if (tcp) return { kind: 'tcp', host: hostOf(tcp), port: tcp.port('port') || userPort }
  const grpc = probe.object('grpc', 'v1.GRPCAction')
  if (grpc) return { kind: 'grpc', port: grpc.port('port') || userPort, service: grpc.text('service') }
  return { kind: probe.has('exec') ? 'exec' : 'none' }
}

function httpCheck(http: Members, userPort: number): Check {
  const scheme = http.text('scheme').toLowerCase() || 'http'
  if (scheme !== 'http' && scheme !== 'https')
    throw invalid(`scheme: want HTTP or HTTPS, got ${JSON.stringify(scheme)}`)
  const headers = http.objects('httpHeaders', 'v1.HTTPHeader').map(headerOf)
  const path = encodePath(withoutSlash(http.text('path')))
  return { kind: 'http', scheme, host: hostOf(http), port: http.port('port') || userPort, path, headers }
}

function hostOf(action: Members): string {
  const host = action.text('host', loopback) || loopback
  if (/^[A-Za-z0-9._:-]{1,255}$/.test(host)) return host
  throw invalid(`host: want a name or an address, got ${JSON.stringify(host)}`)
}

function headerOf(header: Members): readonly [string, string] {
  const name = header.text('name')
  const value = header.text('value')
  // What is not a header would be more than one, or the end of the head.
  if (!/^[A-Za-z0-9!#$%&'*+.^_`|~-]+$/.test(name) || !/^[\t\x20-\x7e\x80-\xff]*$/.test(value)) {
    throw invalid(`httpHeaders: not a header: ${JSON.stringify(name)}`)
  }
  return [name, value]
}

/** Only the first one goes, as in the Go proxy: a second one is part of the path. */
const withoutSlash = (path: string): string => path.replace(/^\//, '')

/**
 * Percent-encodes what cannot stand in a request target; the rest, percent signs included, stays as it is. A fragment is
 * not sent.
 */
function encodePath(path: string): string {
  if (!path.isWellFormed()) throw invalid('path: not valid Unicode')
  return path.replace(/#.*/su, '').replace(/[^\x21-\x7e]/gu, encodeURIComponent)
}

function invalid(what: string): Fault {
  return new Fault('environment-invalid', what)
}
