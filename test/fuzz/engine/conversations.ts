// Fuzz target: whole connections. A real engine stands between clients and a container that follow random plans; whoever
// may misbehave does. What must hold whatever they do is checked while they talk and when all has ended.

import { existsSync, readdirSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { makeBytesEngine, type Sockets } from '../../../src/engine/bytes.ts'
import type { Engine } from '../../../src/engine/engine.ts'
import { FakeClock } from '../../support/clock.ts'
import { ClientEnd, type Departure } from './client.ts'
import { ContainerEnd, type Seen } from './container.ts'
import { Finding } from './finding.ts'
import { FuzzGate } from './gate.ts'
import { dial, dialerTo, listen } from './legs.ts'
import { type Moods, makePlan, type Plan } from './plans.ts'
import type { Random } from './random.ts'

/** No conversation takes nearly as long. */
const patienceMs = 20_000

/** @returns true where a request was answered by the container */
export const overHandles = (random: Random): Promise<boolean> => converse(random, 'handles')
export const overStreams = (random: Random): Promise<boolean> => converse(random, 'streams')

/** Where the system tells. */
const filesFolder = '/proc/self/fd'
const openFiles = (): number => (existsSync(filesFolder) ? readdirSync(filesFolder).length : 0)

/** Resolves with what `work` does; a Finding where that never ends. */
async function within<T>(what: string, work: Promise<T>): Promise<T> {
  const late = new AbortController()
  const timer = sleep(patienceMs, undefined, { signal: late.signal }).then(() => {
    throw new Finding(`never came: ${what}`)
  })
  timer.catch(() => {})
  try {
    return await Promise.race([work, timer])
  } finally {
    late.abort()
  }
}

async function converse(random: Random, sockets: Sockets): Promise<boolean> {
  const files = openFiles()
  const complaints: string[] = []
  const complain = (what: string): void => {
    complaints.push(what)
  }
  const calm = random.oneIn(3)
  const secure = { front: random.oneIn(3), back: random.oneIn(3) }
  const moods: Moods = {
    container: !calm && random.oneIn(2),
    client: !calm && random.oneIn(2),
    gate: !calm && random.oneIn(2),
    // Over TLS the end of a connection proves nothing.
    allowUnframed: !secure.back && random.oneIn(2),
    old: !secure.front,
  }
  const upheaval = calm || !random.oneIn(8) ? undefined : random.pick(['drain', 'destroy'] as const)
  const plans = new Map<string, Plan>()
  const lines = Array.from({ length: 1 + random.below(4) }, (_, n) => makeLine(random, n, moods))
  for (const plan of lines.flat()) plans.set(plan.id, plan)

  const clock = new FakeClock()
  const gate = new FuzzGate(random, plans, complain)
  const seen = new Map<string, Seen>()
  const containers: Promise<void>[] = []
  const back = await listen(secure.back, socket => {
    socket.on('error', () => {})
    containers.push(new ContainerEnd(random, socket, plans, seen, complain).run())
  })
  const engine = makeBytesEngine(
    gate,
    {
      dialer: dialerTo(secure.back, back.port, clock),
      clock,
      authority: '127.0.0.1:8080',
      upgrades: token => token === 'websocket',
      strip: [],
      allowUnframed: moods.allowUnframed,
      maxIdleUpstream: random.below(4),
      idleConnectionMs: 0,
    },
    sockets,
  )
  const front = await listen(secure.front, socket => engine.accept(socket, { address: '192.0.2.7', secure: true }))

  const clients = await Promise.all(
    lines.map(async line => {
      const socket = await dial(secure.front, front.port)
      const departure: Departure =
        moods.client && random.oneIn(2) ? random.pick(['reset', 'fin', 'destroy']) : undefined
      return { socket, end: new ClientEnd(random, socket, line, departure, () => clock.advance(1_000), complain) }
    }),
  )
  try {
    if (upheaval) setTimeout(() => (upheaval === 'drain' ? engine.drain() : engine.destroy()), random.below(15))
    await within('the end of all conversations', Promise.all(clients.map(({ end }) => end.run())))
    await settle(engine, clock)
    await within('the end of the connections to the container', Promise.all(containers))
  } catch (error) {
    if (!(error instanceof Finding)) throw error
    complain(error.message)
  } finally {
    engine.destroy()
    for (const { socket } of clients) socket.destroy()
    await Promise.all([front.close(), back.close()])
  }

  // The system may take a moment to close what has been closed.
  const left = (): boolean => openFiles() > files || clock.pending > 0 || gate.visits.some(({ over }) => !over)
  for (const deadline = Date.now() + 2_000; left() && Date.now() < deadline; ) await sleep(1)
  if (openFiles() > files) complain(`${openFiles() - files} files are left open`)
  if (clock.pending > 0) complain(`${clock.pending} timers are left`)
  for (const { plan, ends } of gate.visits) if (ends.length !== 1) complain(`${plan.id} finished ${ends.length} times`)
  const undisturbed = calm && upheaval === undefined
  for (const { end } of clients) judge(end, gate, seen, undisturbed, complain)
  if (complaints.length > 0) {
    const scene = JSON.stringify({ ...moods, secure, upheaval, sockets })
    const told = clients.map(({ end }) => describe(end, gate)).join('\n  ')
    throw new Finding(`${complaints.slice(0, 8).join('\n  ')}\n  in ${scene}\n  ${told}`)
  }
  return clients.some(({ end }) => end.got.some(({ from }) => from === 'container'))
}

function describe({ plans, got, sent, departure }: ClientEnd, gate: FuzzGate): string {
  const each = plans.map((plan, at) => {
    const { id, method, order, fault, patient, body, answer } = plan
    const ends = gate.visits.filter(visit => visit.plan === plan).map(visit => visit.ends.join())
    const { text, body: promised, ...rest } = answer
    const answered = { ...rest, head: text.slice(0, text.indexOf('\r\n\r\n')), size: promised.length }
    const asked = {
      id,
      method,
      version: plan.head.slice(0, plan.head.indexOf('\r\n')).slice(-3),
      order,
      fault,
      patient,
    }
    return JSON.stringify({ ...asked, size: body.length, ends, got: got[at]?.status, from: got[at]?.from, answered })
  })
  return `client leaves by ${departure}, sent ${sent}\n    ${each.join('\n    ')}`
}

/** The requests of one client. Behind one that is the last there may be more, which must never be served. */
function makeLine(random: Random, n: number, moods: Moods): Plan[] {
  const line: Plan[] = []
  for (let left = 1 + random.below(5); left > 0; left--) {
    const plan = makePlan(random, `${n}-${line.length}-${random.below(1_000_000)}`, moods)
    line.push(plan)
    if (plan.tunnel || (plan.last && random.oneIn(2))) break
  }
  return line
}

/** Everybody has gone: so must the engine's connections, and its timers with them. */
async function settle(engine: Engine, clock: FakeClock): Promise<void> {
  const ticking = setInterval(() => clock.advance(500), 1)
  try {
    await within('the end of the engine', engine.closed())
  } finally {
    clearInterval(ticking)
  }
}

/** What must be true of a client's requests when all is over. */
function judge(
  { plans, got, sent, departure }: ClientEnd,
  gate: FuzzGate,
  seen: ReadonlyMap<string, Seen>,
  undisturbed: boolean,
  complain: (what: string) => void,
): void {
  let served = true
  // What is still sent to a connection that has closed can cost the client answers that it has not read yet.
  const steady = plans
    .slice(0, -1)
    .every(plan => !plan.last && plan.head.includes(' HTTP/1.1\r\n') && !plan.answer.early)
  for (const [at, plan] of plans.entries()) {
    const visits = gate.visits.filter(visit => visit.plan === plan)
    const { heads, bodies } = seen.get(plan.id) ?? { heads: 0, bodies: 0 }
    if (visits.length > 1) complain(`${plan.id} entered ${visits.length} times`)
    if (heads > (plan.repeatable ? 2 : 1)) complain(`${plan.id} reached the container ${heads} times`)
    if (heads > 0 && visits.length === 0) complain(`${plan.id} reached the container past the gate`)
    if (heads > 1 && visits[0]?.retries !== heads - 1) complain(`${plan.id} was repeated and not told`)
    if (!served && visits.length > 0) complain(`${plan.id} was served behind the last request`)
    if (plan.fault === 'head' && visits.length > 0) complain(`${plan.id} is malformed and entered`)
    if (plan.fault === 'body' && bodies > 0) complain(`${plan.id} is malformed and looked whole`)
    if (plan.unservable && heads > 0) complain(`${plan.id} cannot be served and was`)
    if (bodies > 0 && at >= sent && plan.body !== '') complain(`${plan.id} was not all sent and looked whole`)
    if (undisturbed && steady && served && !departure) judgeCalm(plan, got[at], complain)
    served &&= !plan.last && got[at]?.closes !== true
  }
}

function judgeCalm(plan: Plan, answer: ClientEnd['got'][number] | undefined, complain: (what: string) => void): void {
  const tell = answer ? `${answer.status} from the ${answer.from}` : 'nothing'
  if (plan.fault === 'head' ? answer?.status !== 400 : plan.fault === 'none' && !answer && plan.answer.whole) {
    complain(`${plan.id} was answered with ${tell}`)
  } else if (plan.fault === 'none' && !plan.unservable && plan.answer.whole && answer?.from !== 'container') {
    complain(`${plan.id} was to be served, and was answered with ${tell}`)
  }
}
