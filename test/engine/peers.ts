// What nginx and HAProxy make of the corpus, beside what we make of it: where they forward something else, peers.json says
// why, and nothing stands there that is not so. Another version than the one listed is only reported on.

import { readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import t, { type Test } from 'tap'
import { makeBytesEngine } from '../../src/engine/bytes.ts'
import { FakeClock } from '../support/clock.ts'
import { readCorpus, type Vector } from '../support/corpus.ts'
import { Listener, type Outcome, playRequest, playResponse, type Seen } from '../support/corpus-play.ts'
import { plainDialer, RecordingGate } from '../support/engine.ts'
import { valuesOf } from '../support/http1-reader.ts'
import { type PeerName, peerVersion, startPeer } from '../support/peers.ts'
import { listen } from '../support/sockets.ts'

/** What one of them does otherwise, and the vectors that show it, by file and name. */
interface Difference {
  readonly why: string
  /** It depends on when which bytes come. */
  readonly sometimes?: boolean
  readonly in: Readonly<Record<string, readonly string[]>>
}

const lists: Readonly<Record<PeerName, { readonly version: string; readonly differences: readonly Difference[] }>> =
  JSON.parse(readFileSync(new URL('../corpus/http1/peers.json', import.meta.url), 'utf8'))

/** When nothing moves for so long, nothing will; where that is a surprise it is tried again with more patience. */
const quietMs = 300
const patienceMs = 5_000

/** What the container is told, in one way, however it was written: an absolute target's authority is the Host. */
function tell({ head, body, trailers }: Seen): string {
  const [method, target = ''] = head.first
  const [, authority, path] = /^[a-z][a-z0-9+.-]*:\/\/([^/?]*@)?([^/?]*)(.*)$/i.exec(target)?.slice(1) ?? []
  const host = authority ?? valuesOf(head, 'host').join()
  const behind = trailers.map(([name, value]) => `, ${name.toLowerCase()}: ${value}`).join('')
  return `${method} ${path ?? target} for ${host} with ${JSON.stringify(body)}${behind}`
}

/** What was forwarded; the harmless request aside, as who keeps connections for how long is everybody's own affair. */
function forwarded({ seen, junk }: Outcome): string {
  const requests = seen.filter(({ head }) => head.first[1] !== '/harmless').map(tell)
  return [...requests, ...junk.map(text => `no request: ${JSON.stringify(text)}`)].join('; ') || 'nothing'
}

/** What the client got, where it can take it for a whole response of the container. */
function passed({ answers: [answer] }: Outcome): string {
  const status = Number(answer?.head.first[0] ?? 500)
  if (!answer || status >= 500) return 'nothing'
  const interims = answer.interims.map(({ first, fields }) => `${first[0]} ${JSON.stringify(fields)} `).join('')
  const length = status === 204 && valuesOf(answer.head, 'content-length').length > 0 ? ' and a length' : ''
  return `${interims}${status} ${JSON.stringify(answer.body)}${length}`
}

async function ourselves(t: Test, container: number): Promise<number> {
  const clock = new FakeClock()
  const engine = makeBytesEngine(new RecordingGate(), {
    dialer: plainDialer(container, clock),
    clock,
    authority: '127.0.0.1:8080',
    upgrades: token => token === 'websocket',
    strip: [],
    allowUnframed: false,
    maxIdleUpstream: 0,
    idleConnectionMs: 0,
  })
  t.teardown(() => engine.destroy())
  const front = createServer({ allowHalfOpen: true, noDelay: true }, socket => {
    engine.accept(socket, { address: '192.0.2.7', secure: true })
  })
  return listen(t, front)
}

async function play(
  kind: 'request' | 'response',
  port: number,
  container: Listener,
  vector: Vector,
  quiet: number,
): Promise<string> {
  container.reset()
  if (kind === 'response') return passed(await playResponse(port, container, vector, quiet))
  return forwarded(await playRequest(port, container, vector, vector.expect.kind === 'waits', quiet))
}

async function compare(t: Test, name: PeerName): Promise<void> {
  const version = peerVersion(name)
  const { version: listed, differences } = lists[name]
  const explained = new Map<string, boolean>(
    differences.flatMap(({ in: files, sometimes = false }) =>
      Object.entries(files).flatMap(([file, names]) => names.map(each => [`${file}: ${each}`, sometimes] as const)),
    ),
  )
  const container = new Listener()
  const port = await container.listen()
  const peer = await startPeer(name, port)
  t.teardown(async () => {
    await peer.stop()
    await container.close()
  })
  const us = await ourselves(t, port)
  const found = new Set<string>()
  const judge = (what: string, good: boolean): void => {
    if (version === listed) t.ok(good, what)
    else if (!good) t.comment(`${name} ${version}, listed is ${listed}: ${what}`)
  }
  for (const kind of ['request', 'response'] as const) {
    for (const vector of readCorpus(kind)) {
      const id = `${vector.file}: ${vector.name}`
      const once = async (quiet: number): Promise<[ours: string, theirs: string]> => [
        await play(kind, us, container, vector, quiet),
        await play(kind, peer.port, container, vector, quiet),
      ]
      let [ours, theirs] = await once(quietMs)
      if (version === listed && (ours !== theirs) !== explained.has(id)) [ours, theirs] = await once(patienceMs)
      if (ours !== theirs) found.add(id)
      judge(`${id}: we ${ours}, ${name} ${theirs}`, ours === theirs || explained.has(id))
    }
  }
  for (const [id, sometimes] of explained) judge(`listed, and we agree: ${id}`, sometimes || found.has(id))
}

for (const name of ['nginx', 'haproxy'] as const) {
  const skip = peerVersion(name) === undefined && `NOT TESTED: ${name} is not installed here`
  t.test(`${name} forwards the same, but for the listed differences`, { skip }, async t => compare(t, name))
}
