// What an environment may not do, whatever is in it: let more happen under a policy than the smallest environment lets.

import { Fault } from '../../src/base/errors.ts'
import type { Policy } from '../../src/config/policy.ts'
import { type ProxyConfig, readProxyConfig } from '../../src/config/proxy.ts'
import { base, type Values } from './environments.ts'

function read(values: Values, policy: Policy): ProxyConfig {
  const own = (name: string) => (Object.hasOwn(values, name) ? values[name] : undefined)
  return readProxyConfig(own, policy, Object.keys(values))
}

/** Everything in the result that decides whom we trust, what leaves, and how low a floor is. */
function trustOf(config: ProxyConfig, policy: Policy) {
  const verified = policy.upstream.mode !== 'plaintext'
  return {
    policy: JSON.stringify(policy),
    checks: verified
      ? config.readiness.map(({ check }) => ({ ...check, ...('port' in check && { port: 'user' }) }))
      : 'free',
    checksPort: verified && config.readiness.every(({ check }) => 'port' in check && check.port === config.ports.user),
    http2AutoDetection: verified ? config.http2AutoDetection : 'free',
    fields: config.observability.fields,
    tracing: config.observability.tracing,
  }
}

/** In what an environment widens a policy; `stopped` where it keeps the proxy from starting, as the host always can. */
export function widenedBy(values: Values, policy: Policy): readonly string[] | 'stopped' {
  const before = JSON.stringify(policy)
  const { namespace = 'shop', name = 'cart' } = policy.service ?? {}
  const least = read({ ...base, SERVING_NAMESPACE: namespace, SERVING_SERVICE: name }, policy)
  let config: ProxyConfig
  try {
    config = read(values, policy)
  } catch (error) {
    if (error instanceof Fault && error.code === 'environment-invalid') return 'stopped'
    throw error
  }
  const floor = policy.inbound.tlsFloor
  const ceiling = policy.maxConcurrency
  const template = config.observability.requestLogTemplate
  const rules: readonly (readonly [kept: boolean, what: string])[] = [
    [
      JSON.stringify(trustOf(config, policy)) === JSON.stringify(trustOf(least, policy)),
      'whom we trust, or what leaves',
    ],
    [
      policy.observe.includes('*') || !/Header|RequestURI|UserAgent|RemoteAddr|Referer/.test(template),
      'what the request log says',
    ],
    [config.tls.minVersion >= floor && config.tls.maxVersion >= config.tls.minVersion, 'the TLS version'],
    [floor === 'TLSv1.2' || !/CBC|ECDHE|AES128-SHA/.test(config.tls.ciphers ?? ''), 'the ciphers'],
    [ceiling === undefined || (config.concurrency >= 1 && config.concurrency <= ceiling), 'the ceiling of requests'],
    [JSON.stringify(policy) === before, 'the policy itself'],
    [Reflect.get({}, 'port') === undefined && Reflect.get({}, 'verified') === undefined, 'every object'],
  ]
  return rules.filter(([kept]) => !kept).map(([, what]) => what)
}
