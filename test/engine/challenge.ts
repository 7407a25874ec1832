import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { createServer as createTlsServer, type TLSSocket } from 'node:tls'
import fc from 'fast-check'
import t, { type Test } from 'tap'
import { Fault } from '../../src/base/errors.ts'
import { Intake } from '../../src/engine/bytes/intake.ts'
import { Answered, AnswerReader, challengeRequest, FirstReads } from '../../src/engine/challenge.ts'
import type { Link } from '../../src/engine/dial.ts'
import { withKeyPem } from '../../src/identity/credential.ts'
import { challenge, credential, rig } from '../support/challenging.ts'
import { FakeClock } from '../support/clock.ts'
import { settled } from '../support/gate.ts'

t.test('the question is one POST of a known length', async t => {
  t.equal(
    challengeRequest(challenge, '127.0.0.1:8080').toString(),
    'POST /ask HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nContent-Type: application/cbor\r\nContent-Length: 8\r\n\r\nquestion',
  )
})

const ok = (fields: string, body: string, line = 'HTTP/1.1 200 OK'): string => `${line}\r\n${fields}\r\n${body}`
const good = ok('Content-Length: 6\r\nDate: today\r\n', 'answer')

/** Fed in pieces; what came of it. */
function read(...pieces: (string | Uint8Array)[]): string | undefined {
  const reader = new AnswerReader(challenge.maxAnswer)
  let outcome: Uint8Array | string | undefined
  for (const piece of pieces) outcome ??= reader.feed(Buffer.from(piece as string, 'latin1'))
  return outcome instanceof Uint8Array ? `got ${Buffer.from(outcome).toString('latin1')}` : outcome
}

t.test('an answer is read in whatever pieces it comes', async t => {
  t.equal(read(good), 'got answer')
  t.equal(read(...good), 'got answer')
  t.equal(read(ok('Content-Length: 100\r\n', 'x'.repeat(100))), `got ${'x'.repeat(100)}`)
  t.equal(read(good.slice(0, -1)), undefined, 'and not before it is whole')
})

const bad: [name: string, text: string, want: string | RegExp][] = [
  ['another status', ok('Content-Length: 6\r\n', 'answer', 'HTTP/1.1 404 Not Found'), 'status 404'],
  ['an interim answer', ok('', good, 'HTTP/1.1 103 Early Hints'), 'status 103'],
  ['a switch of protocols', ok('Upgrade: websocket\r\n', '', 'HTTP/1.1 101 Switching Protocols'), 'status 101'],
  ['an answer that is too long', ok('Content-Length: 101\r\n', ''), 'an answer of 101 bytes'],
  ['an empty answer', ok('Content-Length: 0\r\n', ''), 'an answer of no known length'],
  ['no length', ok('', 'answer'), 'an answer of no known length'],
  ['chunks', ok('Transfer-Encoding: chunked\r\n', '6\r\nanswer\r\n0\r\n\r\n'), 'an answer of no known length'],
  ['two lengths', ok('Content-Length: 6\r\nContent-Length: 7\r\n', 'answer'), 'an answer of no known length'],
  ['a length that is none', ok('Content-Length: 6, 6\r\n', 'answer'), 'an answer of no known length'],
  ['bytes behind it', `${good}HTTP/1.1 200 OK`, 'bytes behind the answer'],
  ['an end of the connection', ok('Content-Length: 6\r\nConnection: close\r\n', 'answer'), /connection that ends/],
  ['HTTP/1.0', ok('Content-Length: 6\r\n', 'answer', 'HTTP/1.0 200 OK'), /connection that ends/],
  ['another protocol', 'SSH-2.0-OpenSSH_9.9\r\n', 'a malformed head'],
  ['a bare line feed', good.replaceAll('\r\n', '\n'), 'a malformed head'],
  ['a head without end', `HTTP/1.1 200 OK\r\nA: ${'a'.repeat(8 * 1024)}`, /malformed|more than/],
  ['more than fits', 'x'.repeat(9000), /more than/],
]
for (const [name, text, want] of bad) {
  t.test(`${name} is no answer, whole or byte by byte`, async t => {
    t.match(read(text), want)
    // Byte by byte what stands behind an answer comes after it; the pool hears of that.
    if (name === 'bytes behind it') return
    const pieces = read(...text)
    t.ok(typeof pieces === 'string' && !pieces.startsWith('got '), pieces ?? 'waits')
  })
}

t.test('arbitrary and spoilt bytes never throw, and only the answer is one', async () => {
  const noise = fc.uint8Array({ maxLength: 400 })
  const spoilt = fc.tuple(fc.nat(good.length), fc.nat(20), noise).map(([at, cut, more]) => {
    const bytes = Buffer.from(good, 'latin1')
    return Buffer.concat([bytes.subarray(0, at), more, bytes.subarray(at + cut)])
  })
  fc.assert(
    fc.property(fc.oneof(noise, spoilt), fc.nat(50), (bytes, at) => {
      const whole = read(bytes)
      const parted = read(bytes.subarray(0, at), bytes.subarray(at))
      // In two pieces the end may be found before what follows has come; both are refused or both are read.
      return whole === parted || whole === 'bytes behind the answer'
    }),
    { numRuns: 1000 },
  )
})

t.test('first reads are told to who asks, then go to the owner of the memory, wherever Node has put them', async t => {
  const told: string[] = []
  const later = Buffer.alloc(8)
  const heard: string[] = []
  const reads = new FirstReads({
    buffer: later,
    callback: (length, bytes) => {
      heard.push(Buffer.from(bytes).toString('latin1', 0, length))
      return true
    },
  })
  const own = reads.buffer()
  const bring = (memory: Uint8Array, text: string): void => {
    memory.set(Buffer.from(text))
    reads.callback(text.length, memory)
  }
  bring(own, 'early')
  t.equal(reads.early, true)
  reads.listen(bytes => told.push(bytes.toString()))
  bring(own, 'first')
  reads.over()
  bring(own, 'moved')
  t.equal(reads.buffer(), later)
  bring(later, 'second')
  t.same([told, heard], [['first'], ['moved', 'second']])
})

t.test('a certificate that has answered lately is known, for as long as was said', async t => {
  const clock = new FakeClock()
  const answered = new Answered(clock, 1000)
  t.equal(answered.lately('a'), false)
  answered.note('a')
  t.same([answered.lately('a'), answered.lately('b')], [true, false])
  clock.advance(999)
  t.equal(answered.lately('a'), true)
  clock.advance(1)
  t.equal(answered.lately('a'), false)
  const never = new Answered(clock, 0)
  never.note('a')
  t.equal(never.lately('a'), false)
})

// Over TLS, through the dialer.

interface Peer {
  readonly port: number
  /** What each connection brought after its handshake. */
  readonly heard: string[]
  readonly exported: string[]
  readonly sockets: TLSSocket[]
}

/** A container that gives one answer to the question, if any. */
async function peer(t: Test, answer: (socket: TLSSocket, said: string) => void): Promise<Peer> {
  const heard: string[] = []
  const exported: string[] = []
  const sockets: TLSSocket[] = []
  const server = withKeyPem(credential, pem =>
    createTlsServer({ ...pem, minVersion: 'TLSv1.3', noDelay: true, ALPNProtocols: ['h2', 'http/1.1'] }, socket => {
      sockets.push(socket)
      const at = heard.push('') - 1
      exported.push(socket.exportKeyingMaterial(32, 'label', Buffer.from('context')).toString('hex'))
      socket.on('error', () => {})
      socket.on('data', chunk => {
        heard[at] += chunk.toString('latin1')
        answer(socket, heard[at] ?? '')
      })
    }),
  )
  server.on('tlsClientError', () => {})
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return { port: (server.address() as AddressInfo).port, heard, exported, sockets }
}

function fail(): never {
  throw new TypeError('secret')
}

/** As long as loopback traffic takes, and then some. */
async function turns(n: number): Promise<void> {
  for (let i = 0; i < n; i++) await settled()
}

const linked = (t: Test, outcome: Link | Fault | undefined): Link => {
  if (!outcome || outcome instanceof Fault) throw outcome ?? new Error('no link')
  t.teardown(() => outcome.socket.destroy())
  return outcome
}

const question = challengeRequest(challenge, '').toString('latin1').slice(-8)
const asks = (said: string): boolean => said.endsWith(question)

for (const way of ['into memory of its own', 'as a stream'] as const) {
  const memory = (): Intake | undefined => (way === 'as a stream' ? undefined : new Intake())

  t.test(`read ${way}: an accepted answer hands the connection over, with nothing left of it`, async t => {
    const { port, heard, exported } = await peer(t, (socket, said) => {
      if (asks(said)) socket.write(good)
      else if (said.endsWith('ping')) socket.write('pong')
    })
    const answers: string[] = []
    const { clock, dial, outcomes, over, refused, asked } = rig(port, {
      weigh(answer) {
        answers.push(answer)
        return { accepted: true, until: 50 }
      },
    })
    const intake = memory()
    dial(intake)
    await over()
    const { socket, verdict, intake: same } = linked(t, outcomes[0])
    t.same([answers, refused, clock.pending], [['answer'], [], 0])
    t.equal(verdict.until, 50, 'the earlier of both ends')
    t.same([asked[0]?.exported], exported, 'both ends export the same')
    t.same(Buffer.from(asked[0]?.leaf ?? []), Buffer.from(credential.chain[0]))
    t.equal(same, intake)
    t.match(heard[0], /^POST \/ask HTTP\/1\.1\r\nHost: 127\.0\.0\.1:\d+\r\n/)
    let came = ''
    const bytes = (chunk: Buffer): void => {
      came += chunk.toString('latin1')
    }
    if (intake) {
      t.equal(intake.early, false)
      intake.wire = { ear: { bytes } }
    } else {
      socket.on('data', bytes)
    }
    socket.write('ping')
    while (came !== 'pong') await settled()
    t.pass('and bytes flow')
  })

  const rows: [name: string, answer: (socket: TLSSocket) => void, want: RegExp][] = [
    ['refused by the judge', socket => socket.write(good), /^channel: want ours, got another$/],
    ['a 404', socket => socket.write(ok('Content-Length: 0\r\n', '', 'HTTP/1.1 404 Not Found')), /status 404$/],
    ['a 429', socket => socket.write(ok('Content-Length: 0\r\n', '', 'HTTP/1.1 429 Too Many')), /status 429$/],
    ['too long', socket => socket.write(ok('Content-Length: 101\r\n', '')), /an answer of 101 bytes$/],
    ['followed by more', socket => socket.write(`${good}!`), /bytes behind the answer$/],
    ['the end of the connection', socket => socket.end(), /a closed connection$/],
  ]
  for (const [name, answer, want] of rows) {
    t.test(`read ${way}: an answer that is ${name} is a refusal, and no request byte leaves`, async t => {
      const { port, heard, sockets } = await peer(t, (socket, said) => {
        if (asks(said)) answer(socket)
      })
      const reason = { rule: 'channel', want: 'ours', got: 'another' }
      const { clock, dial, outcomes, over, refused } = rig(port, {
        weigh: () => ({ accepted: false, reasons: [reason] }),
      })
      dial(memory())
      await over()
      t.match(outcomes[0], { code: 'upstream-untrusted', message: want })
      t.equal(refused.length, 1)
      while (!sockets[0]?.destroyed) await settled()
      t.same([heard.length, heard[0]?.match(/HTTP\/1\.1/g)?.length, clock.pending], [1, 1, 0])
    })
  }

  for (const [when, options] of [
    ['asking', { asking: fail }],
    ['weighing the answer', { weigh: fail }],
  ] as const) {
    t.test(`read ${way}: a judge that throws in ${when} has accepted nobody, and its text is not told`, async t => {
      const { port, heard } = await peer(t, (socket, said) => {
        if (asks(said)) socket.write(good)
      })
      const { dial, outcomes, over, refused, clock } = rig(port, options)
      dial(memory())
      await over()
      t.match(outcomes[0], { code: 'upstream-untrusted', message: 'internal: want a judgement, got TypeError' })
      t.same([refused.length, clock.pending], [1, 0])
      t.notMatch(heard.join(''), /GET/)
    })
  }

  t.test(`read ${way}: whoever speaks before the question is refused unasked`, async t => {
    const { port, heard, sockets } = await peer(t, () => {})
    const { dial, outcomes, over } = rig(port, {
      async judging() {
        while (sockets.length === 0) await settled()
        sockets[0]?.write('early')
        await turns(50)
      },
    })
    dial(memory())
    await over()
    t.match(outcomes[0], { code: 'upstream-untrusted', message: /bytes before it was asked$/ })
    t.equal(heard[0], '')
  })

  t.test(`read ${way}: an answer that takes too long is a refusal`, async t => {
    const { port, heard } = await peer(t, () => {})
    const { clock, dial, outcomes, over, refused } = rig(port)
    dial(memory())
    while (!asks(heard[0] ?? '')) await settled()
    clock.advance(4_999)
    await settled()
    t.same(outcomes, [])
    clock.advance(1)
    await over()
    t.match(outcomes[0], { code: 'upstream-untrusted', message: 'challenge: want an answer, got none within 5 s' })
    t.same([refused.length, clock.pending], [1, 0])
  })

  t.test(`read ${way}: who gives up while an answer is waited for hears nothing`, async t => {
    const { port, heard, sockets } = await peer(t, () => {})
    const { clock, dial, outcomes, refused } = rig(port)
    const cancel = dial(memory())
    while (!asks(heard[0] ?? '')) await settled()
    cancel()
    while (!sockets[0]?.destroyed) await settled()
    t.same([outcomes, refused, clock.pending], [[], [], 0])
  })
}

t.test('who may rely on an earlier answer does so, for this certificate and for a while', async t => {
  const { port, heard } = await peer(t, (socket, said) => {
    if (asks(said)) socket.write(good)
  })
  const { clock, dial, outcomes, over } = rig(port, { freshForMs: 1000 })
  for (const [n, after] of [0, 999, 1].entries()) {
    clock.advance(after)
    dial()
    await over(n + 1)
    linked(t, outcomes[n])
  }
  await turns(50)
  t.same(heard.map(asks), [true, false, true])
})

t.test('a connection that nobody listens on is no refusal', async t => {
  const server = createServer((socket: Socket) => socket.destroy())
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { dial, outcomes, over, refused } = rig((server.address() as AddressInfo).port)
  dial()
  await over()
  t.match(outcomes[0], { code: /^upstream-(reset|closed)$/ })
  t.same(refused, [])
  server.close()
})

t.test('whoever is asked is spoken to in HTTP/1.1, whatever was to be offered', async t => {
  const { port } = await peer(t, (socket, said) => asks(said) && socket.write(good))
  const { dialer } = rig(port)
  const outcome = await new Promise<Link | Fault>(done => dialer.dial(done, { offer: ['h2', 'http/1.1'] }))
  t.equal(linked(t, outcome).protocol, 'http/1.1')
})
