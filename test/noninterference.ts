// Nothing that the host controls widens trust. Its channels, all at once and each with whatever it likes: environment,
// annotations, mounted files, the clock, arguments, names. What may come of it: the base policy, the base policy with what
// one of its signers really signed, or no start.

import dns from 'node:dns'
import fc from 'fast-check'
import t from 'tap'
import { equalBytes } from '../src/base/bytes.ts'
import { Fault } from '../src/base/errors.ts'
import { demo } from '../src/config/policies.ts'
import { type LoadedPolicy, loadPolicy, policyDigest } from '../src/config/policy.ts'
import { narrowings } from '../src/config/signed/narrowing.ts'
import { demoFunction } from '../src/demo/enclaves.ts'
import { demoCredential } from '../src/demo/function.ts'
import { policyFile } from '../src/enclave-role.ts'
import { widenedBy } from './support/confined.ts'
import { startContainer } from './support/engine-containers.ts'
import { startRole } from './support/engine-role.ts'
import { environments, type Values } from './support/environments.ts'
import { documentOf, enclaveQuestions, plainQuestions, values, written } from './support/policies.ts'
import {
  base64url,
  ed25519Key,
  headerOf,
  noon,
  p256Key,
  payloadOf,
  type Said,
  signedBy,
  tokenOf,
} from './support/signed.ts'

const ops = p256Key()
const dev = ed25519Key()
const stranger = p256Key()
const services = ['cart', 'pay'].map(name => `spiffe://c1.example.org/ns/shop/svc/${name}`)

/** Keys that this version does something with, in a policy that starts. */
const kept = Object.keys(values).filter(path => !/freshness|pins|tcb\.(?:profile|advisories)/.test(path))
const some = (paths: readonly string[], least: number, most = paths.length) =>
  fc
    .subarray([...paths], { minLength: least, maxLength: most })
    .chain(chosen => fc.record(Object.fromEntries(chosen.map(path => [path, values[path] ?? fc.constant(null)]))))
const may = narrowings.map(({ path }) => path.replace('*', 'app'))
const open = new Set(narrowings.filter(each => each.open).map(({ path }) => path.replace('*', 'app')))

/** Base policies whose signers differ in what they may. */
const bases = fc.tuple(some(kept, 5), fc.boolean(), fc.subarray(may)).map(([leaves, required, few]) => ({
  ...written({ 'peers.app.enclaves': [{ mrenclave: 'aa'.repeat(32) }], ...leaves }),
  upstream: {
    ...(written(leaves)['upstream'] as object),
    trust: 'measurement',
    freshness: 'none',
  },
  signed: {
    required,
    from: ['podinfo', 'rootCa', 'configMap'],
    signers: [
      { kid: 'ops-1', jwk: ops.jwk, services: ['spiffe://c1.example.org/ns/shop/'], may, minSerial: 2 },
      { kid: 'dev-1', jwk: dev.jwk, services, may: few, narrowOnly: true },
    ],
  },
}))

interface Token {
  readonly token: string
  /** What was really signed, of all that it is made of. */
  readonly of?: readonly Honest[]
}

/** What the signers have really signed: every one of it can reach the host, at any time. */
const sayings: fc.Arbitrary<Said> = fc
  .record({
    service: fc.constantFrom(...services),
    serial: fc.constantFrom(1, 2, 2, 2, 3, 3, 3),
    grant: some(
      kept.filter(path => path !== 'service'),
      0,
      2,
    ),
    late: fc.constantFrom(true, false, false, false),
  })
  .map(({ late, grant, ...said }) => {
    const set = Object.fromEntries(Object.entries(grant).filter(([, value]) => value !== undefined))
    return { ...said, grant: set, ...(late && { nbf: noon / 1000 + 86_400, exp: noon / 1000 + 2 * 86_400 }) }
  })

interface Honest extends Token {
  readonly kid: 'ops-1' | 'dev-1'
  readonly said: Said
}
const honest = fc.tuple(sayings, fc.boolean()).map(([said, byOps]): Honest => {
  const [key, kid] = byOps ? ([ops, 'ops-1'] as const) : ([dev, 'dev-1'] as const)
  return { token: signedBy(key, kid, said), kid, said }
})

const wide = payloadOf({
  grant: {
    'peers.app.enclaves': [{ mrenclave: 'bb'.repeat(32) }],
    'upstream.upgrade.allow': ['*'],
    'observe.allow': ['*'],
  },
})
const headers = fc.constantFrom(
  headerOf(ops, 'ops-1', { alg: 'none' }),
  headerOf(ops, 'ops-1', { alg: 'HS256' }),
  headerOf(ops, 'ops-1', { jwk: stranger.jwk }),
  headerOf(ops, 'ops-1', { crit: ['b64'], b64: false }),
  headerOf(dev, 'ops-1'),
  headerOf(ops, 'dev-1'),
  headerOf(ops, 'ops-1'),
)
/** Tokens that somebody makes who has a good one in his hand, and no key. */
const forged = fc
  .tuple(honest, honest, headers, fc.nat(), fc.integer({ min: 0, max: 6 }))
  .map(([a, b, header, at, how]) => {
    const [head = '', body = '', tail = ''] = a.token.split('.')
    const parts = b.token.split('.')
    const place = at % a.token.length
    const letter = a.token[place] === 'A' ? 'B' : 'A'
    const forgeries = [
      `${a.token.slice(0, place)}${letter}${a.token.slice(place + 1)}`,
      `${head}.${parts[1]}.${tail}`,
      `${base64url(header)}.${body}.${tail}`,
      `${head}.${base64url(wide)}.${tail}`,
      `${base64url(header)}.${base64url(wide)}.`,
      tokenOf(stranger, header, wide),
      `${a.token}\n`,
    ]
    return { token: forgeries[how] ?? '', of: [a, b] }
  })
const noise = fc.oneof(fc.string(), fc.constant('{"grant":{"upstream.mode":"plaintext"}}')).map(token => ({ token }))
const tokens: fc.Arbitrary<Token> = fc.oneof(honest, forged, noise)
const signedIn = (token: Token | null): readonly Honest[] =>
  token === null ? [] : 'said' in token ? [token as Honest] : (token.of ?? [])

/** Mostly one of them in one place. */
const deliveries = fc
  .record({
    token: fc.oneof({ weight: 4, arbitrary: honest }, { weight: 3, arbitrary: tokens }),
    channel: fc.constantFrom('podinfo', 'rootCa', 'configMap', 'nowhere'),
    stray: fc.oneof({ weight: 9, arbitrary: fc.constant(null) }, { weight: 1, arbitrary: tokens }),
    noise: fc.string(),
    at: fc.oneof(
      { weight: 6, arbitrary: fc.constant(noon) },
      { weight: 2, arbitrary: fc.integer({ min: noon - 10 * 86_400_000, max: noon + 10 * 86_400_000 }) },
      { weight: 1, arbitrary: fc.constantFrom(Number.NaN, 0, -1, 8.64e15, Number.POSITIVE_INFINITY) },
    ),
  })
  .map(({ token, channel, stray, noise, at }) => {
    const [main, other] = [token.token, stray?.token]
    const annotations = (text: string) => `a=${JSON.stringify(noise)}\npostern.dev/policy="${text}"\n`
    return {
      at,
      signed: [token, stray].flatMap(signedIn),
      rootCa: channel === 'rootCa' ? `postern-policy:${main}` : noise,
      files: new Map<string, string>([
        ...(channel === 'podinfo' ? [['/etc/podinfo/annotations', annotations(main)] as const] : []),
        ...(channel === 'configMap' ? [['/etc/postern/policy.jws', main] as const] : []),
        ...(stray === null ? [] : [['/etc/podinfo/annotations', annotations(other ?? '')] as const]),
      ]),
    }
  })

type Delivery = typeof deliveries extends fc.Arbitrary<infer T> ? T : never

const bytesOf = (base: object): Uint8Array => Buffer.from(JSON.stringify(base))

function load(base: object, { at, files }: Delivery, environment: Values): LoadedPolicy | undefined {
  const host = {
    kind: 'host',
    at,
    get: (name: string) => (Object.hasOwn(environment, name) ? environment[name] : undefined),
    readFile: (path: string) => {
      const text = files.get(path)
      return text === undefined ? undefined : new Uint8Array(Buffer.from(text))
    },
  } as const
  try {
    return loadPolicy('base.json', () => bytesOf(base), host)
  } catch (error) {
    if (error instanceof Fault && error.code === 'policy-invalid') return undefined
    throw error
  }
}

t.test('environment, annotations, mounted files and clock', async t => {
  const found = { base: 0, signed: 0, filled: 0, stopped: 0, confined: 0 }
  const asked = fc.array(enclaveQuestions, { minLength: 3, maxLength: 3 })
  fc.assert(
    fc.property(bases, deliveries, environments, asked, (base, delivery, variables, enclaves) => {
      const environment = Object.assign(Object.create(null), variables, { ROOT_CA: delivery.rootCa })
      const loaded = load(base, delivery, environment)
      if (loaded === undefined) {
        found.stopped++
        return
      }
      const before = documentOf(base)
      const after = documentOf(loaded.written)
      const part = loaded.policy.signed?.part
      // Which of what was signed it is, byte for byte, by the digest that evidence would name.
      const of = ({ said }: Honest) => policyDigest(bytesOf(base), Buffer.from(payloadOf(said)))
      const signed = part && delivery.signed.find(each => equalBytes(of(each), loaded.digest) && each.kid === part.kid)
      if (part && !signed) throw new Error('a part that nobody signed')
      if (!part && JSON.stringify(after) !== JSON.stringify(before))
        throw new Error('another policy, and nobody signed it')
      if (part && !(part.notBefore <= delivery.at && delivery.at < part.notAfter)) throw new Error('not its time')
      if (part && part.kid === 'ops-1' && part.serial < 2) throw new Error('below the floor')
      if (!part && before.signed.required) throw new Error('one is required')
      found[part ? 'signed' : 'base']++

      for (const [name, path, allowed] of [...plainQuestions, ...enclaves]) {
        if (!allowed(after) || allowed(before)) continue
        const filled =
          signed?.kid === 'ops-1' && open.has(path) && (path === 'service' || path in Object(signed.said.grant))
        if (!filled) throw new Error(`${name}: now, and not in the base`)
        found.filled++
      }
      const wider = widenedBy(environment, loaded.policy)
      if (wider === 'stopped') return
      found.confined++
      if (wider.length > 0) throw new Error(`wider: ${wider.join(', ')}`)
      const { service } = loaded.policy
      const names = [environment['SERVING_NAMESPACE'], environment['SERVING_SERVICE']]
      if (service && JSON.stringify(names) !== JSON.stringify([service.namespace, service.name])) {
        throw new Error('a start under another name')
      }
    }),
    { numRuns: 2_000 },
  )
  const text = JSON.stringify(found)
  t.comment(text)
  t.ok(found.base > 80 && found.signed > 80 && found.stopped > 80 && found.filled > 20 && found.confined > 80, text)
})

t.test('arguments: one file is named, and no other word is taken', async t => {
  let named = 0
  const words = fc.oneof(
    fc.constantFrom(
      '--policy',
      '--policy=a.json',
      'a.json',
      '--',
      '-',
      '--help',
      '--engine',
      'undici',
      '--eval',
      '--signed',
    ),
    fc.string(),
  )
  fc.assert(
    fc.property(fc.array(words, { maxLength: 4 }), args => {
      let path: string
      try {
        path = policyFile(args)
      } catch (error) {
        if (error instanceof Fault && error.code === 'usage') return
        throw error
      }
      named++
      const rest = args.filter(word => word !== '--policy' && word !== '--')
      if (rest.length !== 1 || (rest[0] !== path && rest[0] !== `--policy=${path}`)) {
        throw new Error(`taken: ${rest.join(' ')}`)
      }
    }),
    { numRuns: 5_000 },
  )
  t.ok(named > 30, `${named} named a file`)
})

t.test('names: nobody is asked for an address, whatever the answer would be', async t => {
  const questions: string[] = []
  const { lookup } = dns
  const lies: typeof dns.lookup = Object.assign(
    (name: string, ...rest: unknown[]) => {
      questions.push(name)
      const answer = rest.at(-1) as (error: null, address: string, family: number) => void
      process.nextTick(answer, null, '127.0.0.9', 4)
    },
    { __promisify__: lookup.__promisify__ },
  )
  dns.lookup = lies
  t.teardown(() => {
    dns.lookup = lookup
  })
  const role = await startRole(t, demo, true)
  const container = await startContainer(role.userPort, await demoCredential(demoFunction()))
  t.teardown(() => container.close())
  t.match(await role.ask('/'), { status: 200, body: 'hello' })
  t.equal((await role.probe()).status, 200)
  t.same(
    questions.filter(name => name !== '127.0.0.1'),
    [],
  )
  // It would have been noticed.
  dns.lookup('localhost', {}, () => {})
  t.ok(questions.includes('localhost'))
})
