// What an issuance costs the attesting CA, with warm collateral: the decision alone, everything that happens in the process
// (decision, signing, audit line, answer), and a whole exchange on a connection of its own. Run from the sources:
// node bench/micro/provision/ca.ts [--json]
//
// The CA is a process of its own, so that its CPU (user and system time, of all threads) is not that of those who ask it.
// Evidence is made under a test root and verified in full, with TCB info, QE identity and revocation lists. Each question
// is another one: keys, quotes and connections are new, and nothing of a verdict is kept.

import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { exporterBytes } from '../../../src/attest/challenge.ts'
import { readRequest } from '../../../src/attest/csr.ts'
import type { IntelCollateral, QuoteSource } from '../../../src/attest/evidence.ts'
import { toHex } from '../../../src/base/bytes.ts'
import { systemClock } from '../../../src/base/clock.ts'
import { floorClock } from '../../../src/base/floor.ts'
import { listen } from '../../../src/base/http.ts'
import type { ProvisionOptions } from '../../../src/config/provision.ts'
import { readPolicySet, readRevocationSet } from '../../../src/config/provision.ts'
import { toCredential } from '../../../src/identity/credential.ts'
import { readQuestion } from '../../../src/identity/issuance.ts'
import { generateKey, type KeyPair, selfSigned } from '../../../src/identity/x509.ts'
import { Audit } from '../../../src/provision/audit.ts'
import { IssuingAuthority } from '../../../src/provision/authority.ts'
import { Ca } from '../../../src/provision/ca.ts'
import { decide } from '../../../src/provision/decision.ts'
import { Limits } from '../../../src/provision/limits.ts'
import { makeRoutes } from '../../../src/provision/routes.ts'
import { caServer } from '../../../src/provision/server.ts'
import { estimate } from '../../stats/estimate.ts'

type Exported = (bytes: number, label: string, context: Buffer) => Buffer
interface Asked {
  readonly key: KeyPair
  readonly request: Uint8Array
}
interface Said {
  readonly status: number
}

interface Support {
  readonly makeIntel: () => Promise<{ root: Uint8Array; collateral: IntelCollateral; platform: object }>
  readonly makeTee: (options?: object) => QuoteSource
  readonly makeOptions: () => ProvisionOptions
  readonly makeAsked: () => Promise<Asked>
  readonly ask: (asked: Asked, exported: Exported, own: object, tee: QuoteSource) => Promise<Uint8Array>
  readonly call: (port: number, call: object) => Promise<Said>
  readonly sign: (said: object) => string
  readonly statementFor: (state: object, policies: string, revocations: string, at: number) => object
  readonly policySet: () => string
  readonly revocationSet: () => string
  readonly caMrenclave: Uint8Array
  readonly now: number
}

/** What the CA's process is given. */
interface World {
  readonly root: Uint8Array
  readonly collateral: IntelCollateral
  readonly questions: readonly Uint8Array[]
}

const rounds = 9
const perRound = 40
const atATime = 4
const unlimited = { burst: 1e9, perSecond: 1e9 }
/** Of questions that are asked in the process itself: nobody's connection. */
const fixed: Exported = () => Buffer.alloc(exporterBytes, 3)

/** The tests' own makers; by URL, since they are no part of what is built. */
async function support(): Promise<Support> {
  const from = (name: string): Promise<object> =>
    import(new URL(`../../../test/support/${name}.ts`, import.meta.url).href)
  return Object.assign({}, ...(await Promise.all(['pki-intel', 'evidence', 'provision'].map(from))))
}

const made = await support()
if (process.send) await serve()
else await measure()

/** The CA: unlocked, on a port, and doing what it is told to by number of calls. */
async function serve(): Promise<void> {
  const { makeOptions, sign, statementFor, policySet, revocationSet, caMrenclave, now } = made
  const [{ root, collateral, questions }] = (await once(process, 'message')) as [World]
  const clock = floorClock({ ...systemClock, now: () => now }, 0)
  const options = makeOptions()
  const mrenclave = toHex(caMrenclave)
  const authority = await IssuingAuthority.create({ ...options, clock })
  const trust = { root, collateral }
  const audit = new Audit(clock, () => {})
  const ca = new Ca({ options, authority, clock, audit, mrenclave, trustFor: async () => trust })
  const [policies, revocations] = [Buffer.from(policySet()), Buffer.from(revocationSet())]
  const statement = sign(statementFor({ ...ca.state }, `${policies}`, `${revocations}`, now))
  ca.unlock({ statement, policies, revocations }, 'here')

  const limits = new Limits({ clock, each: unlimited, all: unlimited })
  const routes = makeRoutes({
    ca,
    certificateLimits: limits,
    unlockLimits: limits,
    counted: () => {},
    statementRefused: () => {},
  })
  const server = caServer(routes, { failed: error => process.stderr.write(`${error}\n`), turnedAway: () => {} })
  const key = generateKey()
  const life = { notBefore: now, notAfter: now + 86_400_000 }
  const shown = await selfSigned({ key, subject: { commonName: 'ca' }, ...life })
  server.show(toCredential([shown], key.privateKey, 'enclave'))

  const rules = {
    options,
    mrenclave,
    platformSalt: authority.platformSalt,
    policies: readPolicySet(policies, 'set', options),
    revocations: readRevocationSet(revocations, 'set'),
  }
  const channel = new Uint8Array(exporterBytes).fill(3)
  const alone = questions.map(question => {
    const { request, evidence } = readQuestion(question)
    return { request: readRequest(request), evidence, channel }
  })
  const work: Readonly<Record<string, (i: number) => Promise<boolean>>> = {
    decide: async i => decide(alone[i] as (typeof alone)[number], rules, trust, now).accepted,
    certify: async i =>
      (await ca.certify(questions[i] as Uint8Array, { from: 'x', exported: fixed })).outcome === 'issued',
  }
  let before = process.cpuUsage()
  const spent = (): number => {
    const { user, system } = process.cpuUsage(before)
    return user + system
  }
  process.on('message', async (told: string) => {
    if (told !== 'spent') before = process.cpuUsage()
    for (let i = 0; told in work && i < questions.length; i++) {
      if (!(await work[told]?.(i))) throw new Error(`${told}: question ${i} was refused`)
    }
    process.send?.({ us: spent() })
  })
  process.on('disconnect', () => process.exit())
  process.send?.({ port: await listen(server.server, 0) })
}

/** Those who ask, and the figures. */
async function measure(): Promise<void> {
  const { makeIntel, makeTee, makeAsked, ask, call } = made
  const { root, collateral, platform } = await makeIntel()
  const tee = makeTee({ platform })
  const questions: Uint8Array[] = []
  for (let i = 0; i < perRound; i++) questions.push(await ask(await makeAsked(), fixed, {}, tee))
  const child = fork(fileURLToPath(import.meta.url), { serialization: 'advanced' })
  const tell = async <T>(told: World | string): Promise<T> => {
    child.send(told)
    return ((await once(child, 'message')) as [T])[0]
  }
  const { port } = await tell<{ port: number }>({ root, collateral, questions })
  const told = async (what: string): Promise<number> => (await tell<{ us: number }>(what)).us
  const askers = await Promise.all(Array.from({ length: atATime }, makeAsked))

  /** As many connections as questions, a few at a time. */
  const each = async (one: (asked: Asked) => Promise<Said>): Promise<number> => {
    await told('mark')
    let left = perRound
    await Promise.all(
      askers.map(async asked => {
        while (left-- > 0) {
          const { status } = await one(asked)
          if (status !== 200) throw new Error(`status ${status}`)
        }
      }),
    )
    return told('spent')
  }
  const body = (asked: Asked) => (exported: Exported) => ask(asked, exported, {}, tee)
  const kinds: Readonly<Record<string, () => Promise<number>>> = {
    'decision alone': () => told('decide'),
    'decision, signature, audit line, answer': () => told('certify'),
    'connection without a question': () => each(() => call(port, { method: 'GET', path: '/v1/state' })),
    'whole exchange, a connection each': () => each(asked => call(port, { body: body(asked) })),
  }
  const samples = Object.entries(kinds).map(([name, run]) => ({
    name,
    run,
    us: [] as number[],
    perSecond: [] as number[],
  }))
  for (const { run } of samples) await run() // warm-up
  for (let round = 0; round < rounds; round++) {
    for (const { run, us, perSecond } of round % 2 === 0 ? samples : samples.toReversed()) {
      const began = performance.now()
      us.push((await run()) / perRound)
      perSecond.push((perRound * 1000) / (performance.now() - began))
    }
  }
  child.disconnect()
  tellFigures(samples)
}

function tellFigures(samples: readonly { name: string; us: readonly number[]; perSecond: readonly number[] }[]): void {
  const found = samples.map(({ name, us, perSecond }) => ({ name, us: estimate(us), perSecond: estimate(perSecond) }))
  if (process.argv.includes('--json')) {
    const raw = samples.map(({ name, us, perSecond }) => ({ name, us, perSecond }))
    process.stdout.write(`${JSON.stringify({ node: process.version, found, samples: raw })}\n`)
    return
  }
  for (const { name, us, perSecond } of found) {
    const [cpu, rate] = [us?.median ?? 0, perSecond?.median ?? 0]
    const interval = `${us?.low.toFixed(0)} to ${us?.high.toFixed(0)}`
    process.stdout.write(
      `${name.padEnd(42)} ${cpu.toFixed(0).padStart(6)} µs CPU (${interval}), ` +
        `${rate.toFixed(0)} a second seen, ${(1e6 / cpu).toFixed(0)} of a whole core\n`,
    )
  }
}
